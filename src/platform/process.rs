//! Our own process: what others may see of it, how much it may open, what it inherited, how it keeps its memory, and a child
//! for what may never return; and a hold on another one.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, WaitOptions};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
#[cfg(feature = "tokio")]
use tokio::io::Interest;
#[cfg(feature = "tokio")]
use tokio::io::unix::AsyncFd;

/// Shuts the process off: no core dump, no other process of the same user may read its memory or environment, and what
/// it makes on disk is its user's alone, whatever the caller's umask was.
///
/// Before the first secret and in every start mode (ssh-agent sets its core limit on one path only).
pub fn harden() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Raises the number of descriptors to what the system allows, and gives it.
///
/// The usual soft limit of 1024 is below a thousand callers at once.
pub fn raise_descriptor_limit() -> u64 {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(65_536).min(65_536);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    match rustix::process::setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => limit.current.unwrap_or(wanted),
    }
}

/// Closes every descriptor beyond standard error that the caller left open, but the first `kept` of them.
///
/// The agent outlives its caller: a script's `flock` on descriptor 3, or a pipe that somebody reads to its end, would be
/// held until logout.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the system call has no safe form; this file is the one place")]
pub fn close_inherited(kept: usize) {
    let first = libc::c_uint::try_from(kept).unwrap_or(0).saturating_add(3);
    // SAFETY: called first thing in `main`, before anything of ours owns a descriptor beyond those that are kept, so that
    // nothing that is closed here is used again.
    unsafe { close_all_from(first) };
}

/// Does nothing where the system has no call for it.
#[cfg(not(target_os = "linux"))]
pub fn close_inherited(_kept: usize) {}

/// Has all threads allocate from one heap.
///
/// glibc gives each thread its own and keeps what each has ever needed: a configuration of ten thousand roles, read again
/// by whichever thread is free, stayed in memory once for every thread. Ours allocate too little to get in each other's way.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "the C library's switch has no safe form")]
pub fn share_heap() {
    // SAFETY: called first thing in `main`, before there is a second thread; a number goes in, nothing is kept.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Does nothing where the C library has no such switch.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share_heap() {}

/// The heap of a program that holds secrets: whatever is given back is wiped first.
///
/// Our own types wipe themselves. What they cannot reach are the copies of others: an answer of STS passes through the
/// buffers of TLS, HTTP and the XML parser, a session's token through the headers of the SDK, a key through D-Bus, and each
/// of them is simply freed. Without this, a session was found up to four times in the agent's memory after a lock.
///
/// `realloc` is left at its default, which takes new memory and gives the old back: a block that the C library moves by
/// itself would leave its old bytes behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct WipingHeap;

// SAFETY: memory comes from the system's allocator and goes back to it, under the layout it was asked for with.
#[allow(unsafe_code, reason = "the trait is unsafe; this file is the one place")]
unsafe impl GlobalAlloc for WipingHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same as ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's until here and has the size of its layout; nobody reads it any more.
        unsafe {
            wipe(block, layout.size());
            System.dealloc(block, layout);
        }
    }
}

/// Writes zeros in a way that no compiler leaves out as having no effect.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the C library's function has no safe form")]
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: the caller owns so many bytes there.
    unsafe { libc::explicit_bzero(block.cast(), size) }
}

/// Writes zeros in a way that no compiler leaves out as having no effect.
#[cfg(not(target_os = "linux"))]
#[allow(unsafe_code, reason = "volatile writes have no safe form")]
unsafe fn wipe(block: *mut u8, size: usize) {
    for at in 0..size {
        // SAFETY: the caller owns so many bytes there.
        unsafe { block.add(at).write_volatile(0) }
    }
}

/// Runs a job in a process of its own and waits for its end; returns `false` if it has not ended before the deadline.
///
/// A job that is late is ended by its own alarm clock. If not even that ends it, because it waits for a dead file system, it
/// is left behind. It is a child of init from the start, so that neither this process nor a program that takes its place
/// (execve(2)) has a child that it did not start. It has no descriptor of this process but `kept`, so that nobody waits for
/// it at the end of a pipe.
///
/// The job must make system calls only: after a fork in a process with several threads, a lock may be held for ever.
#[allow(unsafe_code, reason = "fork has no safe form; this file is the one place")]
pub fn ends_in_child(deadline: Duration, kept: Option<OwnedFd>, job: impl FnOnce()) -> io::Result<bool> {
    #[cfg(target_os = "linux")]
    let (end, alive) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    #[cfg(not(target_os = "linux"))]
    let (end, alive) = rustix::pipe::pipe()?;
    // SAFETY: the child makes system calls until `_exit`, and returns into no code of ours.
    let parent = unsafe { libc::fork() };
    if parent == 0 {
        // SAFETY: both processes make system calls until `_exit`. The descriptors are closed where nothing uses them again.
        unsafe {
            let child = libc::fork();
            if child != 0 {
                libc::_exit(i32::from(child < 0));
            }
            libc::dup2(alive.as_raw_fd(), 0);
            let first = kept.as_ref().map_or(1, |kept| {
                libc::dup2(kept.as_raw_fd(), 1);
                2
            });
            close_all_from(first);
            end_after(deadline);
        }
        job();
        // SAFETY: writes one byte of a constant, and ends the process without the handlers and buffers of its parent.
        unsafe {
            libc::write(0, c"+".as_ptr().cast(), 1);
            libc::_exit(0)
        };
    }
    let parent =
        Pid::from_raw(parent).filter(|pid| pid.as_raw_nonzero().get() > 0).ok_or_else(io::Error::last_os_error)?;
    drop((alive, kept));
    let started = loop {
        match rustix::process::waitpid(Some(parent), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            done => break done?,
        }
    };
    if !started.is_some_and(|(_, status)| status.exit_status() == Some(0)) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    // The other end of the pipe is closed by the end of the child.
    Ok(is_readable(&end, deadline) && rustix::io::read(&end, &mut [0_u8]) == Ok(1))
}

/// Has the kernel end this process, whatever handlers and masks it was started with.
#[allow(unsafe_code, reason = "the calls have no safe form; this file is the one place")]
unsafe fn end_after(deadline: Duration) {
    // SAFETY: the calls read and write the values of this function only.
    unsafe {
        let mut alarm: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut alarm);
        libc::sigaddset(&raw mut alarm, libc::SIGALRM);
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const alarm, std::ptr::null_mut());
        let mut timer: libc::itimerval = std::mem::zeroed();
        timer.it_value.tv_sec = deadline.as_secs().try_into().unwrap_or(libc::time_t::MAX);
        // Zero would be no timer.
        timer.it_value.tv_usec = libc::suseconds_t::from(deadline.subsec_micros().cast_signed()).max(1);
        libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut());
    }
}

/// Waits until a descriptor can be read, or its other end is closed; returns `false` if neither happens before the deadline.
pub fn is_readable(fd: impl AsFd, deadline: Duration) -> bool {
    let limit =
        Timespec { tv_sec: deadline.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: deadline.subsec_nanos().into() };
    loop {
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return matches!(ready, Ok(1..)),
        }
    }
}

/// Closes every descriptor from a number on.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the system call has no safe form; this file is the one place")]
unsafe fn close_all_from(first: libc::c_uint) {
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

/// Closes the usual descriptors from a number on.
#[cfg(not(target_os = "linux"))]
#[allow(unsafe_code, reason = "the system call has no safe form; this file is the one place")]
unsafe fn close_all_from(first: libc::c_uint) {
    for fd in first..256 {
        // SAFETY: the caller uses none of them again.
        unsafe { libc::close(fd.cast_signed()) };
    }
}

/// Returns the user who listens at the other end of a connected socket, as the kernel noted it when they began to listen.
///
/// Not by rustix, which takes the number of the peer's process for one that is never 0, as it is if that process is in
/// another PID namespace.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no safe form returns a process number of 0; this file is the one place")]
pub fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut size = libc::socklen_t::try_from(size_of_val(&peer)).unwrap_or(0);
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes at most `size` bytes into `peer`.
    let done =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut peer).cast(), &raw mut size) };
    if done == 0 { Ok(peer.uid) } else { Err(io::Error::last_os_error()) }
}

/// Returns the user at the other end of a connected socket.
#[cfg(not(target_os = "linux"))]
#[allow(unsafe_code, reason = "the system call has no safe form; this file is the one place")]
pub fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    let (mut uid, mut gid) = (u32::MAX, u32::MAX);
    // SAFETY: the descriptor is open as long as it is borrowed, and the call writes the two numbers only.
    let done = unsafe { libc::getpeereid(socket.as_fd().as_raw_fd(), &raw mut uid, &raw mut gid) };
    if done == 0 { Ok(uid) } else { Err(io::Error::last_os_error()) }
}

/// A hold on another process: what is said of its number is said of this process and of no later one.
#[derive(Debug)]
pub struct ProcessHandle(OwnedFd);

impl ProcessHandle {
    /// Takes hold of the process that connected a socket; `None` when it is gone, or where the system has no such hold.
    ///
    /// The kernel's own word since Linux 6.5 (SO_PEERPIDFD). Before, the number is taken hold of: whoever has it now, so
    /// that at least nobody takes it over while it is looked up.
    #[cfg(target_os = "linux")]
    pub fn peer(socket: impl AsFd, pid: i32) -> Option<Self> {
        match peer_pidfd(&socket) {
            Ok(pidfd) => Some(Self(pidfd)),
            Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Self::of(pid),
            Err(_) => None,
        }
    }

    /// Has no hold where the system has none.
    #[cfg(not(target_os = "linux"))]
    pub fn peer(_socket: impl AsFd, _pid: i32) -> Option<Self> {
        None
    }

    /// Takes hold of whoever has a number now; `None` where nobody has it, or where the system has no such hold.
    #[cfg(target_os = "linux")]
    pub fn of(pid: i32) -> Option<Self> {
        let pid = rustix::process::Pid::from_raw(pid)?;
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok().map(Self)
    }

    /// Has no hold where the system has none.
    #[cfg(not(target_os = "linux"))]
    pub fn of(_pid: i32) -> Option<Self> {
        None
    }

    /// Returns when it has ended; at once with an error where that cannot be waited for.
    #[cfg(feature = "tokio")]
    #[allow(unsafe_code, reason = "tokio asks for a promise about the descriptor; this file is the one place")]
    pub async fn end(&self) -> io::Result<()> {
        // A descriptor of its own: another one of the same process may be waited for at the same time.
        let fd = self.0.try_clone()?;
        // SAFETY: an `OwnedFd` stays open, and the same, until it is dropped, which is after its registration.
        let ended = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? };
        let _ = ended.readable().await?;
        Ok(())
    }

    /// Tells whether it still runs.
    pub fn is_alive(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A pidfd becomes readable when its process ends (pidfd_open(2)).
        poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&now)) == Ok(0)
    }
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the socket option has no safe form; this file is the one place")]
fn peer_pidfd(socket: &impl AsFd) -> io::Result<OwnedFd> {
    use std::os::fd::{AsRawFd, FromRawFd};
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

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
