//! D-Bus: at which addresses a bus may be, and a connection to one, driven by the threads that we have, where zbus would
//! start one for each.
//!
//! Only unix sockets are connected to, and never by zbus itself: an address such as `unixexec:` names a program to run, and
//! `tcp:` a machine. zbus gets a socket that is open already.

use rolecall_core::domain::error::printable;
use rolecall_platform::blocking::STATE;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::Builder;
use zbus::{Address, Connection};

/// An answer takes a millisecond; a bus that needs longer is given up.
const ANSWER: Duration = Duration::from_secs(4);

/// The system bus, if no variable names another (D-Bus specification, "Well-known Message Bus Instances").
const SYSTEM: &str = "unix:path=/var/run/dbus/system_bus_socket";

/// The longest address in a message.
const ADDRESS_SHOWN: usize = 100;

/// Where the session bus of the user may be.
///
/// The agent outlives logins: the address in its environment may be of one that has ended. Then the bus of the login there is
/// now is used, or the one that a caller last said it has.
#[derive(Debug, Default)]
pub struct SessionBus {
    own: Option<String>,
    standard: Option<PathBuf>,
    offered: Mutex<Option<String>>,
}

impl SessionBus {
    /// Takes the address in the environment of the agent.
    pub fn new(own: Option<String>) -> Arc<Self> {
        let uid = rustix::process::geteuid().as_raw();
        let standard = Some(PathBuf::from(format!("/run/user/{uid}/bus")));
        Arc::new(Self { own: own.filter(|own| !own.is_empty()), standard, offered: Mutex::default() })
    }

    /// Takes note of the address that a caller has.
    pub(crate) fn offer(&self, address: &str) {
        let mut offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner);
        if offered.as_deref() != Some(address) {
            *offered = Some(address.to_owned());
        }
    }

    /// Returns every address, the likeliest first.
    fn addresses(&self) -> Vec<String> {
        let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let standard = self.standard.as_ref().map(|path| format!("unix:path={}", path.display()));
        let mut addresses: Vec<String> = Vec::new();
        for address in [self.own.clone(), standard, offered].into_iter().flatten() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// Connects to every bus of this user that takes a connection; gives why there is none.
    pub(crate) fn streams(&self) -> Result<Vec<UnixStream>, String> {
        let mut reasons = Vec::new();
        let mut streams = Vec::new();
        for address in self.addresses() {
            match open(&address, true) {
                Ok(stream) => streams.push(stream),
                Err(reason) => reasons.push(reason),
            }
        }
        if streams.is_empty() { Err(reasons.join("; ")) } else { Ok(streams) }
    }

    /// Returns the address of a bus that takes a connection, for programs that the agent starts.
    pub(crate) async fn usable_address(self: &Arc<Self>) -> Option<String> {
        let bus = Arc::clone(self);
        // The path of a socket can lie on a mount that does not answer.
        STATE.run("session bus", ANSWER, move || bus.address()).await.ok()?
    }

    fn address(&self) -> Option<String> {
        self.addresses().into_iter().find(|address| open(address, true).is_ok())
    }
}

/// Connects to the first unix socket of an address list. A session bus must be run by this user: whoever runs it reads the
/// keys that pass.
fn open(addresses: &str, own: bool) -> Result<UnixStream, String> {
    let mut why = "an empty address".to_owned();
    for address in addresses.split(';').filter(|address| !address.is_empty()) {
        let shown = printable(address, ADDRESS_SHOWN);
        // By its name, before anything reads the rest.
        if !address.starts_with("unix:") {
            why = format!("the bus address {shown} is refused: it is not a unix socket");
            continue;
        }
        match socket_of(address).ok_or_else(|| "it has no path".to_owned()).and_then(|at| {
            let stream = reach(&at).map_err(|e| e.to_string())?;
            if own && !is_run_by_us(&stream) {
                return Err("another user runs it".to_owned());
            }
            Ok(stream)
        }) {
            Ok(stream) => return Ok(stream),
            Err(reason) => why = format!("no bus at {shown}: {reason}"),
        }
    }
    Err(why)
}

fn socket_of(address: &str) -> Option<SocketAddrUnix> {
    let address = Address::from_str(address).ok()?;
    match address.transport() {
        Transport::Unix(unix) => match unix.path() {
            UnixSocket::File(path) => SocketAddrUnix::new(path).ok(),
            UnixSocket::Abstract(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()).ok(),
            _ => None,
        },
        _ => None,
    }
}

fn reach(at: &SocketAddrUnix) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let stream = UnixStream::from(socket);
    // A queue that is full would make it wait without end.
    stream.set_nonblocking(true)?;
    connect(&stream, at)?;
    Ok(stream)
}

fn is_run_by_us(stream: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

/// An open connection; closed when dropped.
pub(crate) struct Bus {
    pub(crate) connection: Connection,
    ticking: JoinHandle<()>,
}

impl Bus {
    /// Connects to the session bus; `None` where there is none or none that answers.
    pub(crate) async fn session(bus: &Arc<SessionBus>) -> Option<Self> {
        let bus = Arc::clone(bus);
        for stream in STATE.run("session bus", ANSWER, move || bus.streams()).await.ok()?.ok()? {
            if let Some(bus) = Self::over(stream).await {
                return Some(bus);
            }
        }
        None
    }

    /// Connects to the system bus at an address, or at the standard one.
    pub(crate) async fn system(address: Option<&str>) -> Option<Self> {
        let address = address.unwrap_or(SYSTEM).to_owned();
        let stream = STATE.run("system bus", ANSWER, move || open(&address, false)).await.ok()?;
        Self::over(stream.inspect_err(|reason| tracing::debug!(%reason, "there is no system bus")).ok()?).await
    }

    async fn over(stream: UnixStream) -> Option<Self> {
        let builder = Builder::async_io_unix_stream(stream).internal_executor(false).method_timeout(ANSWER);
        let connection = timeout(ANSWER, builder.build()).await.ok()?.ok()?;
        let executor = connection.executor().clone();
        let ticking = tokio::spawn(async move {
            loop {
                executor.tick().await;
            }
        });
        Some(Self { connection, ticking })
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_unix_sockets_are_connected_to() {
        let dir = tempfile::tempdir().expect("tempdir");
        let ran = dir.path().join("ran");
        for address in [
            format!("unixexec:path=/usr/bin/touch,argv1={}", ran.display()),
            format!("unixexec:path=/usr/bin/touch,argv1={};autolaunch:", ran.display()),
            "tcp:host=127.0.0.1,port=1".to_owned(),
            "launchd:env=X".to_owned(),
        ] {
            let why = open(&address, true).expect_err(&address);
            assert!(why.contains("is not a unix socket"), "{address}: {why}");
        }
        assert!(!ran.exists());
        let path = dir.path().join("bus");
        let _listener = UnixListener::bind(&path).expect("bound");
        open(&format!("unixexec:path=/bin/false;unix:path={},guid={}", path.display(), "a".repeat(32)), true)
            .expect("the second one of the list");
        for nowhere in ["unix:tmpdir=/tmp", "unix:path=/nowhere", ""] {
            assert!(open(nowhere, true).is_err(), "{nowhere}");
        }
    }

    #[test]
    fn bus_that_is_gone_is_replaced_by_one_that_is_there() {
        let dir = tempfile::tempdir().expect("tempdir");
        let [standard, offered] = ["standard", "offered"].map(|name| dir.path().join(name));
        let own = format!("unix:path={}", dir.path().join("ended").display());
        let bus = SessionBus { own: Some(own), standard: Some(standard.clone()), offered: Mutex::default() };
        assert!(bus.streams().expect_err("none").contains("/ended"));
        let _first = UnixListener::bind(&offered).expect("bound");
        bus.offer(&format!("unix:path={}", offered.display()));
        assert_eq!(bus.address(), Some(format!("unix:path={}", offered.display())));
        let _second = UnixListener::bind(&standard).expect("bound");
        assert_eq!(bus.address(), Some(format!("unix:path={}", standard.display())));
        assert_eq!(bus.streams().expect("two").len(), 2);
    }
}
