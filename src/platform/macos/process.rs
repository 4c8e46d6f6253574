//! Processes on macOS: see [`crate::process`].

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Does nothing: the system has no switch for it.
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
pub(crate) fn shut_off() -> io::Result<()> {
    Ok(())
}

/// Does nothing: the system has no call for it.
pub(crate) fn keep_out_of_dumps(_pages: &mut [u8]) {}

/// Does nothing: the system has no call for it.
pub fn close_inherited(_kept: usize) {}

/// Does nothing: the C library has no such switch.
pub fn share_heap() {}

/// Does nothing: the C library has no such call.
pub fn trim_heap() {}

/// Makes a pipe.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe()?)
}

/// Closes the usual descriptors from a number on.
#[allow(unsafe_code, reason = "the system call has no safe form; this file is one of the places")]
pub(crate) unsafe fn close_all_from(first: libc::c_uint) {
    for fd in first..256 {
        // SAFETY: the caller uses none of them again.
        unsafe { libc::close(fd.cast_signed()) };
    }
}

/// Returns the user at the other end of a connected socket.
#[allow(unsafe_code, reason = "the system call has no safe form; this file is one of the places")]
pub fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    let (mut uid, mut gid) = (u32::MAX, u32::MAX);
    // SAFETY: the descriptor is open as long as it is borrowed, and the call writes the two numbers only.
    let done = unsafe { libc::getpeereid(socket.as_fd().as_raw_fd(), &raw mut uid, &raw mut gid) };
    if done == 0 { Ok(uid) } else { Err(io::Error::last_os_error()) }
}

/// Returns `None`: the system has no such hold.
pub(crate) fn hold_peer(_socket: impl AsFd, _pid: i32) -> Option<OwnedFd> {
    None
}

/// Returns `None`: the system has no such hold.
pub(crate) fn hold(_pid: i32) -> Option<OwnedFd> {
    None
}
