//! Which process holds a lock, by `/proc/locks`.

use rolecall_core::domain::error::printable;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: i32,
    /// What it is called.
    pub program: String,
}

/// Returns the process that holds a lock of flock(2) on a file; `None` if nobody does, or elsewhere than on Linux.
pub fn lock_holder(path: &Path) -> Option<Holder> {
    let lock = std::fs::symlink_metadata(path).ok()?;
    // proc_locks(5): `1: FLOCK  ADVISORY  WRITE 1234 00:1a:393219 0 EOF`.
    let (major, minor) = (rustix::fs::major(lock.dev()), rustix::fs::minor(lock.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", lock.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let held = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let held: Vec<Vec<&str>> = held.filter(|held| held.get(1) == Some(&"FLOCK")).collect();
    let holder = |held: &Vec<&str>| {
        let pid: i32 = held.get(4)?.parse().ok()?;
        let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some(Holder { pid, program: printable(program.trim_end(), 64) })
    };
    if let Some(held) = held.iter().find(|held| held.get(5) == Some(&file.as_str())) {
        return holder(held);
    }
    // The kernel prints another device than stat(2) for a subvolume of btrfs.
    let inode = format!(":{}", lock.ino());
    let same_inode = held.iter().filter(|held| held.get(5).is_some_and(|file| file.ends_with(&inode)));
    same_inode.filter_map(holder).find(|holder| holder.program.starts_with("rolecall"))
}
