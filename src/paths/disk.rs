//! What the choice of paths looks at on the disk: whose a directory is, which file a path leads to, a short note.

use super::user;
use crate::blocking::CONFIGURATION;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
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

/// How long a symlink may take to lead to its file. It is followed before every AWS command.
const LINK_DEADLINE: Duration = Duration::from_millis(250);

/// Returns the identity of the file that a path leads to; `None` if there is no such file.
///
/// A symlink can lead to a mount that does not answer. It is followed with a deadline, and after that it counts as a file
/// of its own.
pub fn file_id(path: &Path) -> Option<FileId> {
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.is_symlink() {
        return Some(id(meta));
    }
    let link = path.to_path_buf();
    match CONFIGURATION.call(path.display().to_string(), LINK_DEADLINE, move || fs::metadata(link)) {
        Ok(target) => target.ok().map(id),
        Err(_) => Some(id(meta)),
    }
}

/// The disk of this machine.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn directory(&self, path: &Path) -> Option<Directory> {
        let meta = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
        Some(Directory { uid: meta.uid(), mode: meta.mode(), id: (meta.dev(), meta.ino()) })
    }

    fn id(&self, path: &Path) -> Option<FileId> {
        file_id(path)
    }

    fn text(&self, path: &Path) -> Option<String> {
        // A FIFO or a link of somebody else must neither be waited for nor followed.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.uid() != rustix::process::geteuid().as_raw() {
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
