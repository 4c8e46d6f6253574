//! The agent's socket: taken by binding it or from systemd, and known to be the one that callers find.

use super::world;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::blocking::STATE;
use rolecall_platform::files;
use rolecall_platform::os;
use rolecall_platform::paths::Paths;
use rustix::fs::{FlockOperation, Mode};
use rustix::net;
use rustix::process::geteuid;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixListener;

/// Connections that wait to be accepted; the system cuts it to its own limit.
const BACKLOG: i32 = 4096;

/// How long a socket-activated agent waits for the lock of an agent that is ending: longer than that one drains.
const LOCK_WAIT: Duration = Duration::from_secs(8);
const LOCK_STEP: Duration = Duration::from_millis(50);

/// How long a look at the socket's path may take.
const LOOK: Duration = Duration::from_secs(1);

/// The socket, and what makes it the one that callers find. The same holds in every start mode: a private directory, one
/// agent at a time, a path that leads to this socket.
#[derive(Debug)]
pub struct Socket {
    listener: unix::UnixListener,
    path: PathBuf,
    inode: (u64, u64),
    /// Whether the path is ours to remove at the end; systemd keeps the socket that it listens on for us.
    is_own: bool,
    is_unlinked: bool,
    /// Held as long as we live; never unlinked, or two agents could each lock a file of that name.
    _lock: File,
    /// One agent for each world, wherever it listens; held as long.
    _world: Option<File>,
}

/// Why there is no socket.
#[derive(Debug)]
pub enum BindError {
    /// Another agent serves it.
    AlreadyRunning,
    /// It cannot be had.
    Failed(UserError),
}

impl Socket {
    /// Takes the socket: lock, then remove what a dead agent left, then bind with mode 0600 from its first instant.
    pub fn bind(paths: &Paths) -> Result<Self, BindError> {
        files::ensure_private_dir(paths.runtime_dir()).map_err(BindError::Failed)?;
        let failed = |e: io::Error| BindError::Failed(failed(&paths.socket, &e));
        let world = world::lock(paths)?;
        let lock = try_lock(paths)?.ok_or(BindError::AlreadyRunning)?;
        // The lock is free and somebody listens: systemd does, and starts an agent for whoever connects.
        if is_served(&paths.socket) {
            return Err(BindError::AlreadyRunning);
        }
        remove_stale(&paths.socket).map_err(BindError::Failed)?;
        let listener = listen(&paths.socket).map_err(failed)?;
        let inode = inode(&paths.socket).map_err(failed)?;
        Ok(Self {
            listener,
            path: paths.socket.clone(),
            inode,
            is_own: true,
            is_unlinked: false,
            _lock: lock,
            _world: world,
        })
    }

    /// Takes the socket that systemd listens on for us at `paths.socket`, after the checks that [`Self::bind`] makes. An
    /// agent that listens elsewhere in this world is in the way of it.
    pub fn activated(listener: unix::UnixListener, paths: &Paths) -> Result<Self, BindError> {
        let path = paths.socket.clone();
        files::verify_private_dir(paths.runtime_dir()).map_err(BindError::Failed)?;
        let refuse = |why: &str| {
            BindError::Failed(
                UserError::new(Kind::Agent, format!("socket activation: {} {why}", path.display()))
                    .hint("make the socket anew: `systemctl --user restart rolecall.socket`"),
            )
        };
        let world = world::lock(paths)?;
        let lock = wait_for_lock(paths)?;
        let meta = fs::symlink_metadata(&path).map_err(|e| refuse(&format!("is not there: {e}")))?;
        if !meta.file_type().is_socket() {
            return Err(refuse("is no socket"));
        }
        if meta.uid() != geteuid().as_raw() {
            return Err(refuse(&format!("belongs to uid {}", meta.uid())));
        }
        // Whatever `SocketMode=` says. The directory is private, so nobody else can have replaced what was looked at.
        if meta.mode() & 0o077 != 0 {
            let closed = rustix::fs::chmod(&path, OWNER);
            closed.map_err(|e| refuse(&format!("cannot be closed to other users: {e}")))?;
        }
        let inode = (meta.dev(), meta.ino());
        Ok(Self { listener, path, inode, is_own: false, is_unlinked: false, _lock: lock, _world: world })
    }

    /// Removes the socket from its path, so that nobody new connects. Only our own: a successor may have bound the path.
    pub(super) async fn unlink(&mut self) {
        if self.is_own && !std::mem::replace(&mut self.is_unlinked, true) {
            let (path, inode) = (self.path.clone(), self.inode);
            // A path that does not answer leads nobody to us.
            let _ = STATE.run(path.display().to_string(), LOOK, move || remove_own(&path, inode)).await;
        }
    }

    /// Returns whether the path still leads to us: if the socket was removed or replaced, nobody finds this agent.
    pub(super) async fn is_in_place(&self) -> bool {
        let (path, inode) = (self.path.clone(), self.inode);
        let look = STATE.run(path.display().to_string(), LOOK, move || is_at(&path, inode)).await;
        // What does not answer was not seen to be gone.
        look.unwrap_or(true)
    }

    /// Returns whether systemd listens on it on after our end, for the next agent.
    pub(super) const fn is_kept_by_systemd(&self) -> bool {
        !self.is_own
    }

    pub(super) fn listener(&self) -> io::Result<UnixListener> {
        let listener = self.listener.try_clone()?;
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener)
    }

    /// Accepts one that has connected already, past the runtime's event queue.
    pub(super) fn accept(&self) -> io::Result<unix::UnixStream> {
        self.listener.accept().map(|(stream, _)| stream)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_own && !self.is_unlinked {
            remove_own(&self.path, self.inode);
        }
    }
}

/// Takes the lock by which there is one agent at a time; `None` while another one has it.
fn try_lock(paths: &Paths) -> Result<Option<File>, BindError> {
    let path = paths.runtime_dir().join("agent.lock");
    let failed = |e: &io::Error| BindError::Failed(failed(&path, e));
    let lock = files::open_private_append(&path).map_err(|e| failed(&e))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(lock)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(e) => Err(failed(&e.into())),
    }
}

/// Does the same, but waits for an agent that is ending: systemd binds the path over that of an agent that was started
/// without it, which notices that and ends. What connects waits for us meanwhile.
fn wait_for_lock(paths: &Paths) -> Result<File, BindError> {
    for _ in 0..LOCK_WAIT.as_millis() / LOCK_STEP.as_millis() {
        if let Some(lock) = try_lock(paths)? {
            return Ok(lock);
        }
        std::thread::sleep(LOCK_STEP);
    }
    let path = paths.runtime_dir().join("agent.lock");
    let report = UserError::new(Kind::Agent, format!("socket activation: another agent holds {}", path.display()));
    Err(BindError::Failed(report.hint(format!("`fuser -v {}` names it; end it", path.display()))))
}

/// Returns whether somebody listens at a path.
fn is_served(path: &Path) -> bool {
    let flags = net::SocketFlags::CLOEXEC | net::SocketFlags::NONBLOCK;
    let Ok(socket) = net::socket_with(net::AddressFamily::UNIX, net::SocketType::STREAM, flags, None) else {
        return false;
    };
    let Ok(address) = net::SocketAddrUnix::new(path) else { return false };
    // Where the backlog is full, somebody has one.
    matches!(net::connect(&socket, &address), Ok(()) | Err(rustix::io::Errno::AGAIN))
}

fn is_at(path: &Path, wanted: (u64, u64)) -> bool {
    inode(path).is_ok_and(|found| found == wanted)
}

fn remove_own(path: &Path, own: (u64, u64)) {
    if is_at(path, own) {
        let _ = fs::remove_file(path);
    }
}

/// The mode of every socket of ours.
const OWNER: Mode = Mode::RUSR.union(Mode::WUSR);

/// Makes a socket that only its owner may connect to and gives it its path.
///
/// Not by the umask: that belongs to the whole process, and what another thread makes meanwhile would get odd rights.
pub(super) fn listen(path: &Path) -> io::Result<unix::UnixListener> {
    let socket = os::socket::stream()?;
    os::socket::bind(&socket, path, OWNER)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

pub(super) fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// Removes the socket of an agent that is gone; we hold the lock, so no living one owns it. Anything else is left alone.
pub(super) fn remove_stale(path: &Path) -> Result<(), UserError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.file_type().is_socket() => fs::remove_file(path).map_err(|e| failed(path, &e)),
        Ok(_) => Err(UserError::new(Kind::Agent, format!("{} is in the way and is no socket", path.display()))
            .hint(format!("move it away: `mv {0} {0}.old`", path.display()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed(path, &e)),
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> UserError {
    UserError::new(Kind::Agent, format!("cannot take the socket: {}: {error}", path.display()))
}
