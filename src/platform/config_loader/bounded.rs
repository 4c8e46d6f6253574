//! The disk, where no access takes longer than its deadline: a file that does not answer is one that cannot be read.
//!
//! In the agent a thread that is not answered is left behind. A command has to end, so that it sends a child first.

use super::Disk;
use crate::blocking::{CONFIGURATION, Error};
use crate::reach::{self, NoAnswer};
use rolecall_core::config::{Content, Files, Unread};
use std::cell::Cell;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How long a file of the configuration may take. A local disk needs microseconds, a network's milliseconds.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long each further one may take in a reading that has met a file that does not answer.
const DEADLINE_AFTER_ONE: Duration = Duration::from_millis(100);

/// The disk during one reading.
#[derive(Default)]
pub(super) struct BoundedDisk {
    is_of_command: bool,
    has_met_one: Cell<bool>,
}

impl BoundedDisk {
    /// Returns the disk for a process that ends soon.
    pub(super) fn of_command() -> Self {
        Self { is_of_command: true, ..Self::default() }
    }

    fn call<T: Send + 'static>(&self, path: &Path, job: impl FnOnce(&Path) -> T + Send + 'static) -> Result<T, Error> {
        let deadline = if self.has_met_one.get() { DEADLINE_AFTER_ONE } else { DEADLINE };
        if self.is_of_command && reach::answers(path, deadline) == Err(NoAnswer) {
            self.has_met_one.set(true);
            return Err(Error::TimedOut);
        }
        let file = path.to_path_buf();
        let done = CONFIGURATION.call(path.display().to_string(), deadline, move || job(&file));
        if matches!(done, Err(Error::TimedOut | Error::Busy)) {
            self.has_met_one.set(true);
        }
        done
    }
}

impl Files for BoundedDisk {
    fn read(&self, path: &Path, limit: usize) -> Result<Content, Unread> {
        let hint = || "mount its file system again, or take the file out of the configuration".to_owned();
        let read = self.call(path, move |path| Disk.read(path, limit));
        read.unwrap_or_else(|why| Err(Unread::Refused { why: why.to_string(), hint: hint() }))
    }

    fn list(&self, dir: &Path, pattern: &str, limit: usize) -> Result<Vec<OsString>, String> {
        let pattern = pattern.to_owned();
        self.call(dir, move |dir| Disk.list(dir, &pattern, limit)).unwrap_or_else(|why| Err(why.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn call_that_is_not_begun_shortens_later_deadlines() {
        let path = Path::new("/a file of its own");
        let (started, start) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let earlier = std::thread::spawn(move || {
            CONFIGURATION.call(path.display().to_string(), Duration::from_mins(1), move || {
                started.send(()).expect("awaited");
                let _ = held.recv();
            })
        });
        start.recv().expect("begun");
        let disk = BoundedDisk::default();
        assert_eq!(disk.call(path, |_| ()), Err(Error::Busy));
        assert!(disk.has_met_one.get());
        drop(release);
        earlier.join().expect("it runs").expect("released");
    }
}
