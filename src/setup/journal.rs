//! The state file of one setup: what was made, or was being made, and no secret.
//!
//! It is a promise: only what it and the tags name is ever removed. One that cannot be read is never taken for none.

use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_ipc::protocol::setup::{STATE_VERSION, State};
use rolecall_platform::files::{self, StateFile};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Two documents of each step fit a hundred times.
const FILE_MAX: u64 = 1024 * 1024;

/// How often the lock of another run is tried, and the time between: two seconds in all.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// The file, and the lock that keeps a second run off it.
#[derive(Debug)]
pub(super) struct Journal {
    file: StateFile<State>,
    _lock: File,
}

impl Journal {
    /// Takes the setup for this run.
    pub(super) fn open(dir: &Path, setup: &str) -> Result<Self, UserError> {
        let path = dir.join(format!("setup-{}.json", encoded(setup)));
        let lock_path = path.with_extension("lock");
        let failed = |e: io::Error| UserError::new(Kind::Failed, format!("cannot open {}: {e}", lock_path.display()));
        let busy = || {
            UserError::new(Kind::Failed, format!("setup {} is being applied or destroyed right now", shown(setup)))
                .hint("wait for the other command's end")
        };
        // One that was killed is not gone before its last thread is.
        for _ in 0..TRIES {
            let lock = files::open_private_append(&lock_path).map_err(failed)?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&lock, &lock_path) => {
                    return Ok(Self { file: StateFile::new(path, FILE_MAX, STATE_VERSION), _lock: lock });
                }
                Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                Err(e) => return Err(failed(e.into())),
            }
        }
        Err(busy())
    }

    /// Reads it; `None` where nothing was begun.
    pub(super) fn load(&self) -> Result<Option<State>, UserError> {
        self.file.load().map_err(|why| {
            UserError::new(Kind::Failed, format!("the state of the setup, {}: {why}", self.file.path().display())).hint(
                "look at the file; without it, `rolecall setup destroy` with the flags of `apply` finds what was made by its tags",
            )
        })
    }

    /// Replaces it.
    pub(super) fn write(&self, state: &State) -> Result<(), UserError> {
        self.file.save(state).map_err(|report| UserError {
            hint: report.hint.map(|hint| {
                hint.replace("; nothing was changed", "").replace("nothing was changed", "look at the disk")
            }),
            ..report
        })
    }

    /// Deletes it: nothing is left.
    pub(super) fn remove(&self) -> Result<(), UserError> {
        let failed = |e| UserError::new(Kind::Failed, format!("cannot delete {}: {e}", self.file.path().display()));
        self.file.remove().map_err(failed)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Where nothing was begun, or nothing is left, nothing is there to be kept from others.
        let path = self.file.path();
        if fs::symlink_metadata(path).is_err() {
            let _ = fs::remove_file(path.with_extension("lock"));
        }
    }
}

/// Tells whether a path still leads to a file: whoever had its lock before may have removed it.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |meta: &fs::Metadata| (meta.dev(), meta.ino());
    matches!((file.metadata(), fs::symlink_metadata(path)), (Ok(held), Ok(there)) if id(&held) == id(&there))
}

/// Writes a setup's name as a part of a file's: what is no letter or digit becomes its number.
fn encoded(setup: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.@+=".contains(&b);
    setup.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn shown(setup: &str) -> String {
    printable(setup, 128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rolecall_ipc::protocol::setup::Local;
    use std::os::unix::fs::PermissionsExt;

    fn state() -> State {
        State {
            v: STATE_VERSION,
            setup: "prod".into(),
            auth: "111111111111".into(),
            workload: "222222222222".into(),
            external_id: "ab".into(),
            local: Local::default(),
            made: Vec::new(),
            proven: false,
            rebuilt: false,
            uses: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back_private_and_gone_at_the_end() {
        let dir = tempfile::tempdir().expect("tempdir");
        let journal = Journal::open(dir.path(), "team/prod").expect("open");
        assert_eq!(journal.load().expect("none"), None);
        journal.write(&state()).expect("written");
        assert_eq!(journal.load().expect("read"), Some(state()));
        let file = dir.path().join("setup-team%2Fprod.json");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(Journal::open(dir.path(), "team/prod").expect_err("one at a time").message.contains("right now"));
        journal.remove().expect("removed");
        journal.remove().expect("twice is no failure");
        drop(journal);
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 0, "nothing is left");
    }

    #[test]
    fn a_state_that_cannot_be_understood_is_never_taken_for_none() {
        let dir = tempfile::tempdir().expect("tempdir");
        let journal = Journal::open(dir.path(), "prod").expect("open");
        for broken in ["", "{", "[]", r#"{"v":99}"#] {
            fs::write(dir.path().join("setup-prod.json"), broken).expect("written");
            assert!(journal.load().expect_err(broken).message.contains("setup-prod.json"), "{broken}");
        }
    }
}
