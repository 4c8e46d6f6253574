//! Ports of loopback that are served for as long as their listener lives.

use rolecall_core::domain::error::{Kind, UserError};
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How long no connection is accepted after a failure; connections that end meanwhile free descriptors. It does not grow:
/// SDKs give up after half a second.
const PAUSE: Duration = Duration::from_millis(100);

/// A port that is served for as long as this lives.
pub(super) struct RunningListener {
    pub(super) port: u16,
    task: JoinHandle<()>,
}

impl RunningListener {
    /// Closes the port, and returns when the next agent can open it.
    pub(super) async fn closed(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for RunningListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Binds a port of loopback; any free one if none is named.
pub(super) fn bind(port: Option<u16>) -> Result<(StdListener, u16), UserError> {
    let bound = || {
        let socket = StdListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        Ok((socket, port))
    };
    bound().map_err(|error| no_port(port, &error))
}

/// Serves a port that is bound: passes each connection to `take`.
pub(super) fn run(
    socket: StdListener,
    port: u16,
    take: impl Fn(TcpStream, SocketAddr) + Send + 'static,
) -> Result<RunningListener, UserError> {
    let listener = TcpListener::from_std(socket).map_err(|error| no_port(Some(port), &error))?;
    let task = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => take(stream, from),
                Err(_) => sleep(PAUSE).await,
            }
        }
    });
    Ok(RunningListener { port, task })
}

/// Returns why a port cannot be bound.
fn no_port(port: Option<u16>, error: &std::io::Error) -> UserError {
    match (port, error.kind()) {
        (Some(port), std::io::ErrorKind::AddrInUse) => {
            UserError::new(Kind::Failed, format!("port {port} of 127.0.0.1 is taken by another program"))
                .hint("choose another, or none: then one that is free is taken; `ss -ltnp` shows who has it")
        }
        (Some(port), _) => UserError::new(Kind::Failed, format!("port {port} of 127.0.0.1 cannot be had: {error}"))
            .hint("choose another, or none: then one that is free is taken"),
        (None, _) => UserError::new(Kind::Failed, format!("no port of 127.0.0.1 can be had: {error}"))
            .hint("use credential_process: `rolecall get NAME` needs no port"),
    }
}
