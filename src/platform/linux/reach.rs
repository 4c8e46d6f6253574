//! Looks at paths on Linux: see [`crate::reach`].

use crate::reach::{Follow, Found, NotInMemory, directly};
use rustix::fd::AsFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, StatxFlags, major, makedev, openat2, statx,
};
use rustix::io::Errno;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::path::Path;

/// Returns the type of an entry as statx(2) does, which mounts what is mounted on demand. stat(2) does not.
pub(crate) fn type_of(name: &CStr, follow: Follow) -> Option<FileType> {
    let flags = if follow == Follow::No { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
    let stat = statx(CWD, name, flags, StatxFlags::BASIC_STATS).ok()?;
    Some(FileType::from_raw_mode(stat.stx_mode.into()))
}

/// Reads one entry of a directory. Allocates nothing: it runs in a forked child.
pub(crate) fn read_entry(dir: impl AsFd) {
    let mut entries = [MaybeUninit::uninit(); 1024];
    let _ = RawDir::new(dir, &mut entries).next();
}

/// Returns whether a device is a disk of this machine. A network file system, FUSE and memory have the major number 0; so
/// have btrfs and overlayfs.
pub(crate) fn is_block_device(device: u64) -> bool {
    major(device) != 0
}

/// Looks at a path without asking its file system.
pub(crate) fn in_memory(path: &Path, follow: Follow) -> Result<Option<Found>, NotInMemory> {
    let no_follow = if follow == Follow::No { OFlags::NOFOLLOW } else { OFlags::empty() };
    let flags = OFlags::PATH | OFlags::CLOEXEC | no_follow;
    let file = match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED) {
        Ok(file) => file,
        Err(Errno::AGAIN) => return Err(NotInMemory),
        // A kernel without the flag, or a filter of system calls.
        Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => return Ok(directly(path, follow)),
        Err(_) => return Ok(None),
    };
    let dont_sync = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = statx(&file, c"", dont_sync, StatxFlags::BASIC_STATS).ok();
    Ok(stat.map(|stat| Found {
        id: (makedev(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino),
        uid: stat.stx_uid,
        mode: stat.stx_mode.into(),
    }))
}
