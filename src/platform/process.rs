//! Our own process: what others may see of it, how much it may open, what it inherited, how it keeps its memory, and a child
//! for what may never return; and a hold on another one.

use crate::os;
pub use crate::os::process::peer_uid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::process::{Pid, Resource, Rlimit, WaitOptions};
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
    os::process::shut_off()?;
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
pub fn close_inherited(kept: usize) {
    os::process::close_inherited(kept);
}

/// Has all threads allocate from one heap.
///
/// glibc gives each thread its own and keeps what each has ever needed: a configuration of ten thousand roles, read again
/// by whichever thread is free, stayed in memory once for every thread. Ours allocate too little to get in each other's way.
pub fn share_heap() {
    os::process::share_heap();
}

/// Gives the free pages of the heap back to the system.
///
/// Called when much was freed. A reload holds two configurations at once. What they leave is in pieces among memory that is
/// in use, and the C library by itself gives only the end of the heap back.
pub fn trim_heap() {
    os::process::trim_heap();
}

/// Keeps pages out of core dumps, if the system has a call for it.
pub fn keep_out_of_dumps(pages: &mut [u8]) {
    os::process::keep_out_of_dumps(pages);
}

/// Runs a job in a process of its own and waits for its end; returns `false` if it has not ended before the deadline.
///
/// A job that is late is ended by its own alarm clock. If not even that ends it, because it waits for a dead file system, it
/// is left behind. It is a grandchild, which the system gives to init, so that neither this process nor a program that
/// takes its place (execve(2)) has a child that it did not start. If this process is init itself (in a container) or
/// adopts orphans (PR_SET_CHILD_SUBREAPER), the job is reaped here, but for one that is left behind. It has no descriptor
/// of this process but `kept`, so that nobody waits for it at the end of a pipe.
///
/// The job must make system calls only: after a fork in a process with several threads, a lock may be held for ever.
#[allow(unsafe_code, reason = "fork has no safe form; this file is the one place")]
pub fn ends_in_child(deadline: Duration, kept: Option<OwnedFd>, job: impl FnOnce()) -> io::Result<bool> {
    let (end, alive) = os::process::pipe()?;
    // SAFETY: the child makes system calls until `_exit`, and returns into no code of ours.
    let parent = unsafe { libc::fork() };
    if parent == 0 {
        // SAFETY: both processes make system calls until `_exit`. The descriptors are closed where nothing uses them again.
        unsafe {
            let child = libc::fork();
            if child != 0 {
                if child < 0 {
                    libc::write(alive.as_raw_fd(), (&raw const child).cast(), size_of_val(&child));
                }
                libc::_exit(0);
            }
            libc::dup2(alive.as_raw_fd(), 0);
            let first = kept.as_ref().map_or(1, |kept| {
                libc::dup2(kept.as_raw_fd(), 1);
                2
            });
            os::process::close_all_from(first);
            end_after(deadline);
            let own = libc::getpid();
            libc::write(0, (&raw const own).cast(), size_of_val(&own));
        }
        job();
        // SAFETY: writes one byte of a constant, and ends the process without the handlers and buffers of its parent.
        unsafe {
            libc::write(0, HAS_ENDED.as_ptr().cast(), 1);
            libc::_exit(0)
        };
    }
    if parent < 0 {
        return Err(io::Error::last_os_error());
    }
    drop((alive, kept));
    // It ends at once. There is nothing to wait for if its end is ignored (SIGCHLD), as the caller may have set it.
    reap(parent);
    // The child begins with its number; the result of a fork that failed is negative.
    let Some(child) = told(&end, deadline).map(libc::pid_t::from_ne_bytes) else { return Ok(false) };
    if child < 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    // The other end of the pipe is closed by the end of the child.
    if !is_readable(&end, deadline) {
        return Ok(false);
    }
    let has_ended = told(&end, Duration::ZERO).as_ref() == Some(HAS_ENDED);
    reap(child);
    Ok(has_ended)
}

/// What a child writes when its job has ended.
const HAS_ENDED: &[u8; 1] = b"+";

/// Reads what a child has written before a deadline.
fn told<const N: usize>(end: &OwnedFd, deadline: Duration) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (is_readable(end, deadline) && rustix::io::read(end, &mut bytes) == Ok(N)).then_some(bytes)
}

/// Waits for a process that is about to end; returns at once if it is no child of this one.
fn reap(pid: libc::pid_t) {
    let wait = || rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty());
    while wait().err() == Some(rustix::io::Errno::INTR) {}
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

/// A hold on another process: what is said of its number is said of this process and of no later one.
#[derive(Debug)]
pub struct ProcessHandle(OwnedFd);

impl ProcessHandle {
    /// Takes hold of the process that connected a socket; `None` if it has ended, or if the system has no such hold.
    pub fn peer(socket: impl AsFd, pid: i32) -> Option<Self> {
        os::process::hold_peer(socket, pid).map(Self)
    }

    /// Takes hold of the process that has a number now; `None` if no process has it, or if the system has no such hold.
    pub fn of(pid: i32) -> Option<Self> {
        os::process::hold(pid).map(Self)
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

    /// Waits for its end; returns `false` if it has not ended before the deadline.
    pub fn ends_within(&self, deadline: Duration) -> bool {
        // A pidfd becomes readable when its process ends (pidfd_open(2)).
        is_readable(&self.0, deadline)
    }

    /// Returns whether it still runs.
    pub fn is_alive(&self) -> bool {
        !self.ends_within(Duration::ZERO)
    }
}
