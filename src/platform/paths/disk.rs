//! What the choice of paths looks at on the disk: whose a directory is, which file a path leads to, a short note.

use super::user;
use crate::reach::{self, Follow, Found, NoAnswer};
use rustix::fs::{Mode, OFlags};
use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A note and a lock hold a few paths.
const TEXT_MAX: u64 = 16 * 1024;

/// Two paths with the same one lead to the same file: device and inode.
pub(super) type FileId = (u64, u64);

/// A directory as the choice needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) uid: u32,
    pub(super) mode: u32,
    pub(super) id: FileId,
}

/// The disk and the user database; in tests a table.
pub(super) trait Disk {
    /// Looks at the directory that a path leads to; `None` if it leads to none.
    fn directory(&self, path: &Path) -> Option<Directory>;
    /// Returns what a path leads to; `None` if to nothing.
    fn id(&self, path: &Path) -> Option<FileId>;
    /// Reads a short text of this user; `None` if there is none.
    fn text(&self, path: &Path) -> Option<String>;
    /// Returns the home in the user database of this machine.
    fn home_in_database(&self, uid: u32) -> Option<PathBuf>;
    /// Returns the home in a directory service, which may take seconds.
    fn home_in_directory_service(&self, uid: u32) -> Option<PathBuf>;
}

/// How long a directory may take without which no path is known: a disk that spins up, an automounter over a slow network.
const DECISIVE: Duration = Duration::from_secs(8);

/// How long the socket and the note may take. Each AWS command waits for them.
const SHORT: Duration = Duration::from_secs(1);

/// How long a file may take whose identity is only compared.
const COMPARED: Duration = Duration::from_millis(250);

/// Returns the identity of the file that a path leads to; `None` if there is no such file.
///
/// A symlink can lead to a mount that does not answer. It is followed with a short deadline, and after that it counts as a
/// file of its own.
pub fn file_id(path: &Path) -> Result<Option<FileId>, NoAnswer> {
    id_in_time(path, COMPARED)
}

fn id_in_time(path: &Path, deadline: Duration) -> Result<Option<FileId>, NoAnswer> {
    let Some(found) = reach::look(path, Follow::No, deadline)? else { return Ok(None) };
    if !found.is_symlink() {
        return Ok(Some(found.id));
    }
    let target = reach::look(path, Follow::Yes, COMPARED);
    Ok(target.map_or(Some(found.id), |target| target.map(|target| target.id)))
}

/// A path that did not answer.
pub(super) struct Unanswered {
    pub(super) path: PathBuf,
    /// Whether it is a directory that decides which world is meant. To take another one in its place would be a guess.
    pub(super) is_decisive: bool,
}

/// The disk of this machine. A path that does not answer counts as missing, and is asked for once.
#[derive(Default)]
pub(super) struct RealDisk {
    unanswered: RefCell<Vec<Unanswered>>,
}

impl RealDisk {
    /// Returns the paths that did not answer.
    pub(super) fn unanswered(self) -> Vec<Unanswered> {
        self.unanswered.into_inner()
    }

    fn ask<T>(&self, path: &Path, look: impl FnOnce() -> Result<Option<T>, NoAnswer>) -> Option<T> {
        self.ask_whether(false, path, look)
    }

    fn ask_whether<T>(
        &self,
        is_decisive: bool,
        path: &Path,
        look: impl FnOnce() -> Result<Option<T>, NoAnswer>,
    ) -> Option<T> {
        if self.unanswered.borrow().iter().any(|hung| path == hung.path) {
            return None;
        }
        look().unwrap_or_else(|NoAnswer| {
            self.unanswered.borrow_mut().push(Unanswered { path: path.to_path_buf(), is_decisive });
            None
        })
    }
}

impl Disk for RealDisk {
    fn directory(&self, path: &Path) -> Option<Directory> {
        let found = self.ask_whether(true, path, || reach::look(path, Follow::Yes, DECISIVE));
        let Found { id, uid, mode } = found.filter(Found::is_dir)?;
        Some(Directory { uid, mode, id })
    }

    fn id(&self, path: &Path) -> Option<FileId> {
        self.ask(path, || id_in_time(path, SHORT))
    }

    fn text(&self, path: &Path) -> Option<String> {
        let found = self.ask(path, || reach::look(path, Follow::No, SHORT))?;
        // A FIFO or a link of somebody else must neither be waited for nor followed.
        if !found.is_file() || found.uid != rustix::process::geteuid().as_raw() {
            return None;
        }
        self.ask(path, || reach::answers(path, SHORT).map(Some))?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut text = String::new();
        file.take(TEXT_MAX).read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn home_in_database(&self, uid: u32) -> Option<PathBuf> {
        user::in_passwd(uid).map(|entry| entry.home)
    }

    fn home_in_directory_service(&self, uid: u32) -> Option<PathBuf> {
        user::in_directory_service(uid).map(|entry| entry.home)
    }
}
