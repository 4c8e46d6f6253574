//! Processes on Linux: see [`crate::process`].

use rustix::process::{DumpableBehavior, Pid, PidfdFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Keeps other processes of the same user from reading the memory and the environment of this one.
pub(crate) fn shut_off() -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Keeps pages out of core dumps. The block begins at a page.
#[allow(unsafe_code, reason = "the system call has no safe form; this file is one of the places")]
pub(crate) fn keep_out_of_dumps(pages: &mut [u8]) {
    // SAFETY: the call changes what a dump contains, and nothing of the memory itself.
    let _ = unsafe { rustix::mm::madvise(pages.as_mut_ptr().cast(), pages.len(), rustix::mm::Advice::LinuxDontDump) };
}

/// Closes every descriptor beyond standard error but the first `kept` of them.
#[allow(unsafe_code, reason = "the system call has no safe form; this file is one of the places")]
pub fn close_inherited(kept: usize) {
    let first = libc::c_uint::try_from(kept).unwrap_or(0).saturating_add(3);
    // SAFETY: called first thing in `main`, before anything of ours owns a descriptor beyond those that are kept, so that
    // nothing that is closed here is used again.
    unsafe { close_all_from(first) };
}

/// Has all threads allocate from one heap.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "the C library's switch has no safe form")]
pub fn share_heap() {
    // SAFETY: called first thing in `main`, before there is a second thread; a number goes in, nothing is kept.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives the free pages of the heap back.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "the C library's call has no safe form")]
pub fn trim_heap() {
    // SAFETY: the C library takes its own locks, and only memory that is free changes.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Does nothing: the C library has no such switch.
#[cfg(not(target_env = "gnu"))]
pub fn share_heap() {}

/// Does nothing: the C library has no such call.
#[cfg(not(target_env = "gnu"))]
pub fn trim_heap() {}

/// Makes a pipe that no program inherits.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Closes every descriptor from a number on.
#[allow(unsafe_code, reason = "the system call has no safe form; this file is one of the places")]
pub(crate) unsafe fn close_all_from(first: libc::c_uint) {
    // SAFETY: the caller uses none of them again.
    unsafe {
        // By number: musl's part of the crate has no wrapper for it.
        if libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0_u32) == 0 {
            return;
        }
        // Linux before 5.9, or a filter of system calls.
        for fd in first..1024 {
            libc::close(fd.cast_signed());
        }
    }
}

/// Returns the user who listens at the other end of a connected socket, as the kernel noted it when they began to listen.
pub fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    Ok(peer(socket)?.uid)
}

/// Returns the process and the user that listen at the other end of a connected socket. The number of the process is 0 if
/// it is in another PID namespace.
///
/// Not by rustix, which takes the number for one that is never 0.
#[allow(unsafe_code, reason = "no safe form returns a process number of 0; this file is one of the places")]
pub(crate) fn peer(socket: impl AsFd) -> io::Result<libc::ucred> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut size = libc::socklen_t::try_from(size_of_val(&peer)).unwrap_or(0);
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes at most `size` bytes into `peer`.
    let done =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut peer).cast(), &raw mut size) };
    if done == 0 { Ok(peer) } else { Err(io::Error::last_os_error()) }
}

/// Opens the process that connected a socket; `None` if it has ended.
///
/// The kernel names it itself since Linux 6.5 (SO_PEERPIDFD). Before, the process that has the number now is opened, so
/// that at least no later process is taken for it during the look-up.
pub(crate) fn hold_peer(socket: impl AsFd, pid: i32) -> Option<OwnedFd> {
    match peer_pidfd(&socket) {
        Ok(pidfd) => Some(pidfd),
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => hold(pid),
        Err(_) => None,
    }
}

/// Opens the process that has a number now (pidfd_open(2)).
pub(crate) fn hold(pid: i32) -> Option<OwnedFd> {
    rustix::process::pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

#[allow(unsafe_code, reason = "the socket option has no safe form; this file is one of the places")]
fn peer_pidfd(socket: &impl AsFd) -> io::Result<OwnedFd> {
    /// Since Linux 6.5; the same number on every architecture that has the generic socket options.
    const SO_PEERPIDFD: libc::c_int = 77;
    let mut pidfd: libc::c_int = -1;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).expect("four bytes");
    // SAFETY: the kernel writes one int into `pidfd`, whose size `length` says; the descriptor is ours alone.
    unsafe {
        let done = libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            (&raw mut pidfd).cast(),
            &raw mut length,
        );
        if done != 0 || pidfd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(pidfd))
    }
}

#[cfg(test)]
mod tests {
    use crate::process::{ProcessHandle, ends_in_child};
    use rustix::fs::{Mode, OFlags};
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;
    use std::time::Duration;

    #[test]
    fn child_is_reaped_by_a_process_that_adopts_orphans() {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("orphans come to this process");
        let file = tempfile::NamedTempFile::new().expect("a file");
        let name = CString::new(file.path().as_os_str().as_bytes()).expect("a path");
        let has_ended = ends_in_child(Duration::from_mins(1), None, || {
            let Ok(file) = rustix::fs::open(&name, OFlags::WRONLY, Mode::empty()) else { return };
            let _ = rustix::io::write(&file, &rustix::process::getpid().as_raw_nonzero().get().to_ne_bytes());
        });
        assert!(has_ended.expect("forked"));
        let written = std::fs::read(file.path()).expect("read");
        let child = i32::from_ne_bytes(written.try_into().expect("a number"));
        assert!(!Path::new(&format!("/proc/{child}")).exists(), "no zombie is left");
    }

    #[test]
    fn a_peer_is_held_while_it_lives_and_known_to_be_gone_after() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let own = i32::try_from(std::process::id()).expect("a pid");
        let _client = UnixStream::connect(&path).expect("connected");
        let (accepted, _) = listener.accept().expect("accepted");
        assert!(ProcessHandle::peer(&accepted, own).expect("this process lives").is_alive());
        let python = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdin.read()";
        let mut child = std::process::Command::new("python3")
            .args(["-c", python, path.to_str().expect("text")])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let (accepted, _) = listener.accept().expect("accepted");
        let pinned = ProcessHandle::peer(&accepted, i32::try_from(child.id()).expect("a pid")).expect("it lives");
        assert!(pinned.is_alive());
        drop(child.stdin.take());
        child.wait().expect("it ends");
        assert!(!pinned.is_alive());
    }
}
