//! Extra sockets: a few roles' sessions for a place that is trusted less, as a container or the far end of `ssh -R`.
//!
//! Each has a directory of its own below the runtime directory, so that a container can be given that one directory: a
//! mounted socket would be a dead one after the agent's next start. The uid is checked as on the agent's own socket. What
//! comes by a gate is told to people and rules as the socket, never as a program; how it is asked about is `access`'s.

use super::consent::Consents;
use super::socket;
use chrono::{DateTime, Utc};
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::names::Name;
use rolecall_core::domain::restricted_socket::RestrictedSocket;
use rolecall_ipc::protocol::status::SocketStatus;
use rolecall_platform::blocking::STATE;
use rolecall_platform::files;
use rolecall_platform::panics::Guard;
use rolecall_platform::paths::Paths;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net as unix;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Connections by one socket at once. Far below what the agent serves in all: the other end of a tunnel must not be able
/// to take every place there is.
const ROOM: usize = 64;

/// How long the end of the agent waits for the files of its sockets to be removed.
const CLOSE: Duration = Duration::from_millis(500);

/// Every extra socket of the agent.
pub(super) struct RestrictedSockets {
    paths: Paths,
    state: Mutex<State>,
    /// Listeners on their way to who serves them.
    opened: mpsc::UnboundedSender<Opened>,
    /// Held by who serves them.
    pub(super) to_serve: tokio::sync::Mutex<mpsc::UnboundedReceiver<Opened>>,
}

#[derive(Default)]
struct State {
    open: BTreeMap<Name, Open>,
    /// Why one is not open.
    problems: BTreeMap<Name, UserError>,
    last_used: BTreeMap<Name, DateTime<Utc>>,
    /// What dead agents left has been looked for.
    swept: bool,
    /// The agent is at its end.
    closed: bool,
}

struct Open {
    settings: RestrictedSocket,
    path: PathBuf,
    inode: (u64, u64),
    /// Told when its connections must end. Dropped, nobody new is let in, and who is under way is served to the end.
    cut: watch::Sender<()>,
}

pub(super) struct Opened {
    pub(super) name: Name,
    pub(super) listener: unix::UnixListener,
    pub(super) cut: watch::Receiver<()>,
}

/// The way in by an extra socket.
pub(super) struct SocketListener {
    name: Name,
    room: Arc<Semaphore>,
    cut: watch::Receiver<()>,
}

/// A connection that came in by a gate.
pub(super) struct ConnectionGuard {
    name: Name,
    cut: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
}

impl SocketListener {
    pub(super) fn new(name: Name, cut: watch::Receiver<()>) -> Self {
        Self { name, room: Arc::new(Semaphore::new(ROOM)), cut }
    }

    /// Lets one more in, if there is room.
    pub(super) fn enter(&self) -> Option<ConnectionGuard> {
        let place = Arc::clone(&self.room).try_acquire_owned().ok()?;
        let mut cut = self.cut.clone();
        // It sees what changes from here on: what it asks is judged by the configuration of then.
        cut.mark_unchanged();
        Some(ConnectionGuard { name: self.name.clone(), cut, _place: place })
    }
}

impl ConnectionGuard {
    /// Gives the socket's name.
    pub(super) fn socket(&self) -> &str {
        self.name.as_str()
    }

    /// Gives what ends when the connection must, because its socket was closed or is no longer what it was.
    pub(super) fn cut(&self) -> impl Future<Output = ()> + use<> {
        let mut cut = self.cut.clone();
        async move {
            if cut.changed().await.is_err() {
                // The agent's end lets those finish who are under way.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Only our own: a successor may have bound the path.
        if socket::inode(&self.path).is_ok_and(|found| found == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl RestrictedSockets {
    pub(super) fn new(paths: &Paths) -> Arc<Self> {
        let (opened, to_serve) = mpsc::unbounded_channel();
        let (paths, to_serve) = (paths.clone(), tokio::sync::Mutex::new(to_serve));
        Arc::new(Self { paths, state: Mutex::default(), opened, to_serve })
    }

    /// Makes the open sockets those of a configuration. Consents that were given for a changed socket are removed.
    pub(super) fn apply(&self, config: &Config, consents: &Consents) {
        for name in self.take_over(&config.sockets) {
            consents.forget(name.as_str());
        }
    }

    /// Notes that a session was handed out through a socket.
    pub(super) fn note_use(&self, socket: &Name, now: DateTime<Utc>) {
        self.state.guard().last_used.insert(socket.clone(), now);
    }

    /// Opens what is wanted and not open, closes what is not wanted, and ends the connections of what has changed. Gives
    /// the names of those that are not what they were.
    fn take_over(&self, wanted: &BTreeMap<Name, RestrictedSocket>) -> Vec<Name> {
        let state = &mut *self.state.guard();
        if state.closed {
            return Vec::new();
        }
        let mut other = Vec::new();
        state.open.retain(|name, open| match wanted.get(name) {
            None => {
                let _ = open.cut.send(());
                other.push(name.clone());
                false
            }
            Some(settings) => {
                if open.settings != *settings {
                    let _ = open.cut.send(());
                    open.settings = settings.clone();
                    other.push(name.clone());
                }
                // One that was removed or replaced is found by nobody.
                socket::inode(&open.path).is_ok_and(|found| found == open.inode)
            }
        });
        state.problems.retain(|name, _| wanted.contains_key(name));
        state.last_used.retain(|name, _| wanted.contains_key(name));
        if !state.swept || !other.is_empty() {
            state.swept = true;
            self.sweep(wanted);
        }
        for (name, settings) in wanted {
            if state.open.contains_key(name) {
                continue;
            }
            match self.open(settings) {
                Ok((open, listener)) => {
                    let cut = open.cut.subscribe();
                    state.open.insert(name.clone(), open);
                    state.problems.remove(name);
                    // Whoever serves lives as long as the agent.
                    let _ = self.opened.send(Opened { name: name.clone(), listener, cut });
                }
                Err(report) => {
                    let report = UserError { message: format!("socket `{name}`: {}", report.message), ..report };
                    if state.problems.insert(name.clone(), report.clone()).is_none() {
                        tracing::warn!(problem = %report.message, "a socket is not open");
                    }
                }
            }
        }
        other
    }

    fn open(&self, settings: &RestrictedSocket) -> Result<(Open, unix::UnixListener), UserError> {
        let path = self.paths.extra_socket(settings.name.as_str());
        files::ensure_private_dir(&self.paths.extra_sockets())?;
        files::ensure_private_dir(&self.paths.extra_sockets().join(settings.name.as_str()))?;
        socket::remove_stale(&path)?;
        let failed = |e| socket::failed(&path, &e);
        let listener = socket::listen(&path).map_err(failed)?;
        let inode = socket::inode(&path).map_err(failed)?;
        let (cut, _) = watch::channel(());
        Ok((Open { settings: settings.clone(), path: path.clone(), inode, cut }, listener))
    }

    /// Removes what is left of sockets that nobody wants: the socket, and its directory if nothing else is in it.
    fn sweep(&self, wanted: &BTreeMap<Name, RestrictedSocket>) {
        let dir = self.paths.extra_sockets();
        let Ok(entries) = fs::read_dir(&dir) else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| wanted.contains_key(name)) {
                continue;
            }
            let Some(socket) = name.to_str().map(|name| self.paths.extra_socket(name)) else { continue };
            if fs::symlink_metadata(&socket).is_ok_and(|meta| meta.file_type().is_socket()) {
                let _ = fs::remove_file(&socket);
            }
            let _ = fs::remove_dir(entry.path());
        }
        if wanted.is_empty() {
            let _ = fs::remove_dir(&dir);
        }
    }

    /// Closes all of them for good; the directories stay, as a container may have them mounted.
    pub(super) async fn close(&self) {
        let open = {
            let mut state = self.state.guard();
            state.closed = true;
            std::mem::take(&mut state.open)
        };
        // Their ends remove files.
        let _ = STATE.run("extra sockets", CLOSE, move || drop(open)).await;
    }

    /// Gives what `status` shows.
    pub(super) fn status(&self, catalogue: &Config) -> Vec<SocketStatus> {
        let state = self.state.guard();
        let shown = |socket: &RestrictedSocket| SocketStatus {
            name: socket.name.to_string(),
            path: self.paths.extra_socket(socket.name.as_str()).display().to_string(),
            roles: socket.roles.iter().map(Name::to_string).collect(),
            ask: socket.ask,
            last_used: state.last_used.get(&socket.name).copied(),
            error: state.problems.get(&socket.name).cloned(),
        };
        catalogue.sockets.values().map(shown).collect()
    }
}
