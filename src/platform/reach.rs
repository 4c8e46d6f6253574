//! Looks at paths that may never answer, in a program that must end all the same.
//!
//! A thread that waits for a dead file system cannot always be ended: once a FUSE server has read a request, not even
//! SIGKILL ends the wait, and the process stays until the last of its threads is gone. So a command of a person, and the
//! start of the agent, first send a child process to a path. If the child does not return before the deadline it is
//! abandoned, and the path is not touched. What the child has reached is then used directly. While a child of an earlier
//! command waits for a path, later commands wait for its end, with their own deadline, and start none (`look_mark` in the module of the system): so a
//! mount that is dead for days keeps one process for each path, however many commands met it.
//!
//! Most paths need no child: Linux resolves a path without asking any file system if the kernel has all of it in memory
//! (`RESOLVE_CACHED` in openat2(2), since 5.12). Older kernels and other systems look directly, without a deadline.
//!
//! Not covered: a file system that stops answering between the look and the use.

use crate::os::look_mark::{self, Mark};
use crate::{os, process};
use rolecall_core::domain::error::{Kind, UserError};
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How long a path may take. A local disk needs microseconds; an automounter may need seconds.
pub const DEADLINE: Duration = Duration::from_secs(3);

/// A path that has not answered before the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Device and inode.
    pub id: (u64, u64),
    /// The owner.
    pub uid: u32,
    /// Type and permissions (inode(7)).
    pub mode: u32,
}

impl Found {
    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.is_type(0o040_000)
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.is_type(0o100_000)
    }

    /// Returns whether it is a symlink.
    pub fn is_symlink(&self) -> bool {
        self.is_type(0o120_000)
    }

    fn is_type(&self, kind: u32) -> bool {
        self.mode & 0o170_000 == kind
    }
}

/// Whether a symlink in the last place is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Follow {
    /// It is what is looked at.
    No,
    /// Its target is.
    Yes,
}

/// Looks at what is at a path; returns `None` if nothing can be seen there.
pub fn look(path: &Path, follow: Follow, deadline: Duration) -> Result<Option<Found>, NoAnswer> {
    if let Ok(found) = os::reach::in_memory(path, follow) {
        return Ok(found);
    }
    let Some(name) = name_of(path) else { return Ok(None) };
    child(path, Some(follow), deadline, || {
        let _ = os::reach::type_of(&name, follow);
    })?;
    Ok(directly(path, follow))
}

/// Returns whether nothing is at a path. A path that does not answer, or cannot be looked at, is not known to be missing.
pub fn is_missing(path: &Path) -> bool {
    look(path, Follow::Yes, DEADLINE) == Ok(None)
        && fs::metadata(path).is_err_and(|e| matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
}

/// Returns when a path can be used without waiting: the file, or the directory, was opened and read from.
///
/// A missing path can be used too. The path may be a symlink.
pub fn answers(path: &Path, deadline: Duration) -> Result<(), NoAnswer> {
    let Some(name) = name_of(path) else { return Ok(()) };
    if is_on_block_device(path) {
        return Ok(());
    }
    child(path, None, deadline, || read_a_bit(&name))
}

/// Does the same with the usual deadline, for a command that cannot do without the path.
pub fn ensure_answers(path: &Path) -> Result<(), UserError> {
    answers(path, DEADLINE).map_err(|NoAnswer| no_answer(path))
}

/// Does the same for a directory that may be missing, or be any kind of entry: it is looked at and not opened.
pub fn ensure_seen(path: &Path) -> Result<Option<Found>, UserError> {
    look(path, Follow::Yes, DEADLINE).map_err(|NoAnswer| no_answer(path))
}

/// Says that a path does not answer.
pub fn no_answer(path: &Path) -> UserError {
    UserError::new(Kind::Failed, format!("{} does not answer", path.display()))
        .hint("run it again; if it stays so, the file system hangs: mount it again, or unmount it (`umount -l`)")
}

fn name_of(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// Runs a job in a child, unless the child of another command waits for the same. A child that cannot be started, as at a
/// limit of processes, is done without.
fn child(path: &Path, follow: Option<Follow>, deadline: Duration, job: impl FnOnce()) -> Result<(), NoAnswer> {
    let mark = match look_mark::take(path, follow) {
        Mark::Own(mark) => mark,
        Mark::Other(child) if process::is_readable(&child, deadline) => None,
        Mark::Other(_) => return Err(NoAnswer),
    };
    let marked_job = || {
        look_mark::keep();
        job();
    };
    match process::ends_in_child(deadline, mark, marked_job) {
        Ok(false) => Err(NoAnswer),
        Ok(true) | Err(_) => Ok(()),
    }
}

/// Opens a file or directory and reads a part of it. Allocates nothing: it runs in a forked child.
fn read_a_bit(name: &CStr) {
    // To open a pipe or a device has effects.
    let Some(kind) = os::reach::type_of(name, Follow::Yes)
        .filter(|kind| matches!(kind, FileType::RegularFile | FileType::Directory))
    else {
        return;
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let Ok(file) = rustix::fs::open(name, flags, Mode::empty()) else { return };
    if kind == FileType::RegularFile {
        let _ = rustix::io::read(&file, &mut [0_u8]);
        return;
    }
    os::reach::read_entry(&file);
}

/// Returns whether a path is on a disk of this machine, which needs no deadline. A network file system, FUSE and memory
/// have a device number with major 0; so have btrfs and overlayfs, which are looked at like the former.
fn is_on_block_device(path: &Path) -> bool {
    os::reach::in_memory(path, Follow::Yes)
        .is_ok_and(|found| found.is_some_and(|found| os::reach::is_block_device(found.id.0)))
}

/// The kernel would have to ask a file system for the path.
pub(crate) struct NotInMemory;

/// Looks at a path without a deadline.
pub(crate) fn directly(path: &Path, follow: Follow) -> Option<Found> {
    let meta = match follow {
        Follow::No => fs::symlink_metadata(path),
        Follow::Yes => fs::metadata(path),
    };
    meta.ok().map(|meta| Found { id: (meta.dev(), meta.ino()), uid: meta.uid(), mode: meta.mode() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_returns_what_stat_returns() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "x").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        for path in [dir.path(), &file, &link, &dir.path().join("missing"), &file.join("below")] {
            for follow in [Follow::No, Follow::Yes] {
                assert_eq!(look(path, follow, DEADLINE), Ok(directly(path, follow)), "{path:?} {follow:?}");
            }
            assert_eq!(answers(path, DEADLINE), Ok(()), "{path:?}");
        }
    }

    #[test]
    fn child_that_is_killed_has_not_ended() {
        let killed = process::ends_in_child(DEADLINE, None, || {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        });
        assert!(!killed.expect("forked"));
    }

    #[test]
    fn child_that_does_not_return_is_abandoned() {
        let blocked = process::ends_in_child(Duration::from_millis(20), None, || {
            let _ = rustix::thread::nanosleep(&rustix::time::Timespec { tv_sec: 3600, tv_nsec: 0 });
        });
        assert!(!blocked.expect("forked"));
        assert!(process::ends_in_child(DEADLINE, None, || ()).expect("forked"));
    }
}
