//! Looks at paths on macOS: see [`crate::reach`].

use crate::reach::{Follow, Found, NotInMemory, directly};
use rustix::fd::AsFd;
use rustix::fs::FileType;
use std::ffi::CStr;
use std::path::Path;

/// Returns the type of an entry.
pub(crate) fn type_of(name: &CStr, follow: Follow) -> Option<FileType> {
    let stat = if follow == Follow::No { rustix::fs::lstat(name) } else { rustix::fs::stat(name) };
    Some(FileType::from_raw_mode(stat.ok()?.st_mode))
}

/// Reads nothing: an open directory has answered.
pub(crate) fn read_entry(_dir: impl AsFd) {}

/// Returns `false`: the number of a device does not say what it is.
pub(crate) fn is_block_device(_device: u64) -> bool {
    false
}

/// Looks at a path without a deadline: the system does not say what it has in memory.
#[expect(clippy::unnecessary_wraps, reason = "Linux may have to ask a file system")]
pub(crate) fn in_memory(path: &Path, follow: Follow) -> Result<Option<Found>, NotInMemory> {
    Ok(directly(path, follow))
}
