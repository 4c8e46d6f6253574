//! The mark of a child that looks at a path: a socket with a name, which exists as long as the child does.
//!
//! An abstract socket (unix(7)) needs no file system that could hang, and the kernel removes it with the process that has it
//! open. It is shared by the processes of a network namespace. A mark counts if the process behind it belongs to this user
//! and has the same mounts, as far as the system tells: those of a process that is shut off, as the agent is, are hidden from
//! its own user too. A name that a foreign process has is passed over; if it has all of them, the look has no mark, and so no
//! limit.

use super::process as os_process;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use rustix::stdio::stdout as kept_descriptor;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Each command that meets a waiting child takes a place in the queue of its socket, which has 4096 places (128 before Linux
/// 5.4) and is never served. When it is full, another child may wait, with a socket of the next number.
const MARKS_MAX: u32 = 16;

/// Whose look it is.
pub(crate) enum Mark {
    /// This command's: its child keeps the mark, if there is one.
    Own(Option<OwnedFd>),
    /// That of a child which runs already; the socket is readable when that child has ended.
    Other(OwnedFd),
}

/// Takes the mark of a look at a path, or finds the child that has it.
pub(crate) fn take(path: &Path, kind: impl Hash) -> Mark {
    let mut hasher = DefaultHasher::new();
    // The same path is another one in another mount namespace.
    let mounts = mounts_of("self").ok();
    mounts.hash(&mut hasher);
    absolute(path).hash(&mut hasher);
    kind.hash(&mut hasher);
    let uid = rustix::process::geteuid().as_raw();
    let name = format!("rolecall-look-{uid}-{:016x}", hasher.finish());
    for number in 0..MARKS_MAX {
        match one(&format!("{name}-{number}"), uid, mounts) {
            Ok(Some(mark)) => return mark,
            Ok(None) => {}
            Err(_) => break,
        }
    }
    Mark::Own(None)
}

/// Returns a path with the working directory before it. The system call asks no file system for that; the C library's
/// function, and so the standard library's, opens directories if the working directory was unmounted.
fn absolute(path: &Path) -> PathBuf {
    let here = if path.is_absolute() { None } else { rustix::process::getcwd(Vec::new()).ok() };
    here.map_or_else(|| path.to_owned(), |here| Path::new(OsStr::from_bytes(here.to_bytes())).join(path))
}

/// Makes the mark that of this process: of the child, which outlives the command that took it. It is called in the child.
pub(crate) fn keep() {
    // The kernel stores the process again. In the child the mark is descriptor 1; without a mark nothing is open there.
    let _ = listen(kept_descriptor(), i32::MAX);
}

/// A mount namespace: its device and inode.
type Mounts = (u64, u64);

fn mounts_of(process: &str) -> io::Result<Mounts> {
    fs::metadata(format!("/proc/{process}/ns/mnt")).map(|ns| (ns.dev(), ns.ino()))
}

/// Returns whether a mark belongs to a user, and to a process with these mounts.
fn counts(mark: &OwnedFd, uid: u32, mounts: Option<Mounts>) -> bool {
    let Ok(peer) = os_process::peer(mark) else { return false };
    // A process has the number 0 if it is in another PID namespace.
    let is_foreign = || mounts_of(&peer.pid.to_string()).is_ok_and(|theirs| Some(theirs) != mounts);
    peer.uid == uid && peer.pid != 0 && !is_foreign()
}

/// Takes one name; returns `None` if a foreign process has it, or if too many commands wait already.
fn one(name: &str, uid: u32, mounts: Option<Mounts>) -> Result<Option<Mark>, Errno> {
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) if counts(&socket, uid, mounts) => Ok(Some(Mark::Other(socket))),
        Ok(()) | Err(Errno::AGAIN) => Ok(None),
        Err(_) => {
            bind(&socket, &address)?;
            listen(&socket, i32::MAX)?;
            Ok(Some(Mark::Own(Some(socket))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
    use std::ffi::CString;
    use std::time::Duration;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn second_look_waits_for_the_first() {
        let (path, look) = (Path::new("/a look of its own"), std::process::id());
        let Mark::Own(Some(first)) = take(path, look) else { panic!("nobody else looks") };
        let Mark::Other(second) = take(path, look) else { panic!("the first one looks") };
        assert!(!process::is_readable(&second, Duration::ZERO));
        let Mark::Own(Some(_)) = take(path, (look, "another")) else { panic!("nobody looks there") };
        drop(first);
        assert!(process::is_readable(&second, LONG), "the first one has ended");
        assert!(matches!(take(path, look), Mark::Own(Some(_))));
    }

    #[test]
    fn relative_path_has_the_mark_of_its_absolute_one() {
        let look = (std::process::id(), "a relative path");
        let here = std::env::current_dir().expect("a working directory");
        let Mark::Own(Some(_first)) = take(Path::new("keys.csv"), look) else { panic!("nobody else looks") };
        assert!(matches!(take(&here.join("keys.csv"), look), Mark::Other(_)));
        assert!(matches!(take(&here.join("other/keys.csv"), look), Mark::Own(_)));
    }

    #[test]
    fn mark_of_another_user_or_of_other_mounts_does_not_count() {
        let (name, uid) = (format!("rolecall-test-{}", std::process::id()), rustix::process::geteuid().as_raw());
        let mounts = mounts_of("self").ok();
        let Ok(Some(Mark::Own(Some(_mark)))) = one(&name, uid, mounts) else { panic!("the name is free") };
        assert!(matches!(one(&name, uid, mounts), Ok(Some(Mark::Other(_)))));
        assert!(matches!(one(&name, uid + 1, mounts), Ok(None)), "for another user it is a foreign one");
        let others = mounts.map(|(device, inode)| (device, inode + 1));
        assert!(matches!(one(&name, uid, others), Ok(None)), "with other mounts too");
    }

    #[test]
    fn mark_is_the_childs_once_it_runs() {
        let (path, look) = (Path::new("/a look in a child"), std::process::id());
        let Mark::Own(mark) = take(path, look) else { panic!("nobody else looks") };
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        let name = CString::new(pipe.as_os_str().as_bytes()).expect("a path");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
        let running = std::thread::spawn(move || {
            process::ends_in_child(LONG, mark, || {
                keep();
                let _open = rustix::fs::open(&name, OFlags::WRONLY, Mode::empty());
                let _ = rustix::thread::nanosleep(&rustix::time::Timespec { tv_sec: 3600, tv_nsec: 0 });
            })
        });
        // Returns when the child opens it too.
        let _open = fs::File::open(&pipe).expect("opened");
        let Mark::Other(held) = take(path, look) else { panic!("the child has the mark") };
        let child = os_process::peer(&held).expect("a peer").pid;
        assert_ne!(child, own);
        let child = rustix::process::Pid::from_raw(child).expect("a number");
        rustix::process::kill_process(child, rustix::process::Signal::KILL).expect("it runs");
        assert!(!running.join().expect("it runs").expect("forked"));
    }

    #[test]
    fn full_queue_allows_one_more_mark() {
        let (path, look) = (Path::new("/a full queue"), std::process::id());
        let Mark::Own(Some(first)) = take(path, look) else { panic!("nobody else looks") };
        listen(&first, 1).expect("a shorter queue");
        let mut waiting = Vec::new();
        let second = loop {
            match take(path, look) {
                Mark::Other(socket) => waiting.push(socket),
                Mark::Own(mark) => break mark,
            }
        };
        assert!(!waiting.is_empty() && second.is_some());
        assert!(matches!(take(path, look), Mark::Other(_)), "now the second one is waited for");
    }
}
