//! Ports of loopback: who may connect, how many at once, how long they may take.
//!
//! As on the socket, a bad connection costs itself and nobody else. One of another user is closed before a byte of it is
//! read. One that dawdles is cut: its head has to be there in seconds, and it lives for a minute at most, so that readers who
//! never read cannot add up.

use super::http::{Answer, Problem};
use super::leases::{EndpointLease, ending_problem, no_port};
use super::{container, imds};
use crate::Agent;
use crate::audit::{AuditLine, BAD_TOKEN, Event, FOREIGN_UID};
use crate::failure::{Failure, internal_error};
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rolecall_core::domain::error::UserError;
use rolecall_platform::os::tcp_peer;
use rustix::process::geteuid;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A client's head is one packet; AWS's SDKs give up themselves after two seconds.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// SDKs ask once in a quarter of an hour: a connection that is kept longer is kept by nobody who needs it.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);

/// What has been asked by then is answered within this time.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// AWS's SDKs send less than one kilobyte; the User-Agent of some grows with what is built on them.
pub(super) const HEAD_MAX: usize = 16 * 1024;

/// Connections at once, on each port. They are our user's own, and five programs' worth of parallel clients are some
/// hundreds; beyond that, one in excess is closed at once.
const CONNECTIONS_MAX: usize = 1024;

/// How long no connection is accepted after a failure to: what is served meanwhile gives descriptors back.
const BACKOFF: Duration = Duration::from_millis(100);

/// As EC2's own answers: they get no further than this machine, whatever forwards them.
const HOPS: u32 = 1;

/// What a port is for.
#[derive(Clone)]
pub(super) enum Service {
    /// The metadata service of one grant.
    Metadata(Weak<EndpointLease>),
    /// All grants of containers, and browsers on their way to the console.
    Shared,
}

/// A port that is served for as long as this lives.
pub(super) struct RunningListener {
    pub(super) port: u16,
    task: JoinHandle<()>,
}

impl RunningListener {
    /// Gives the port up, and returns when the next agent can have it.
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

/// Takes a port of loopback; any one that is free where none is named.
pub(super) fn bind(port: Option<u16>) -> Result<(StdListener, u16), UserError> {
    let bound = || {
        let socket = StdListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        Ok((socket, port))
    };
    bound().map_err(|error| no_port(port, &error))
}

/// Takes a port and serves it.
pub(super) fn listen(port: Option<u16>, agent: &Weak<Agent>, service: &Service) -> Result<RunningListener, UserError> {
    let (socket, port) = bind(port)?;
    run(socket, port, agent, service)
}

/// Serves a port that is bound.
pub(super) fn run(
    socket: StdListener,
    port: u16,
    agent: &Weak<Agent>,
    service: &Service,
) -> Result<RunningListener, UserError> {
    let listener = TcpListener::from_std(socket).map_err(|error| no_port(Some(port), &error))?;
    let task = tokio::spawn(accept(listener, port, agent.clone(), service.clone()));
    Ok(RunningListener { port, task })
}

async fn accept(listener: TcpListener, port: u16, agent: Weak<Agent>, service: Service) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            sleep(BACKOFF).await;
            continue;
        };
        let Some(agent) = agent.upgrade() else { return };
        if !is_own(&agent, &stream, from) {
            continue;
        }
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            agent.counters.turned_away.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let service = service.clone();
        tokio::spawn(async move {
            connection(agent, stream, port, service).await;
            drop(slot);
        });
    }
}

/// Tells whether our own user is at the other end; notes who else it was.
fn is_own(agent: &Agent, stream: &TcpStream, from: SocketAddr) -> bool {
    let (Ok(SocketAddr::V4(local)), SocketAddr::V4(from)) = (stream.local_addr(), from) else { return false };
    let uid = tcp_peer::uid(local, from);
    // Where no system tells, a token is what protects; a metadata service has none and is not opened there.
    if uid == Some(geteuid().as_raw()) || !tcp_peer::IS_KNOWN {
        return true;
    }
    // Nobody at all is a client that gave up before it was let in: a prompt, which only looks whether somebody listens.
    if let Some(uid) = uid {
        agent.counters.turned_away.fetch_add(1, Ordering::Relaxed);
        let mut line = AuditLine::new(agent.ports.clock.now().wall, Event::Refuse, FOREIGN_UID);
        line.message = Some(format!("a connection of uid {uid} to port {} was closed", local.port()));
        agent.audit.write(line);
    }
    false
}

impl Agent {
    /// Notes a request with a token that opens nothing.
    pub(super) fn refuse_token(&self, port: u16) {
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Refuse, BAD_TOKEN);
        line.message = Some(format!("a request to port {port} had no valid token"));
        self.audit.write(line);
    }
}

async fn connection(agent: Arc<Agent>, stream: TcpStream, port: u16, service: Service) {
    if matches!(service, Service::Metadata(_)) && stream.set_ttl(HOPS).is_err() {
        return;
    }
    let _ = stream.set_nodelay(true);
    // Held to the end of this connection, whatever that is: a lock waits for it.
    let mut cut = agent.endpoint.cut();
    let clock = Arc::clone(&agent.ports.clock);
    let end = clock.now().boot + CONNECTION_LIFE;
    // Weak from here: a connection must not keep an agent that has ended.
    let weak = Arc::downgrade(&agent);
    drop(agent);
    let answers = service_fn(move |request| {
        let (agent, service) = (weak.clone(), service.clone());
        async move { Ok::<_, Infallible>(answer(&agent, &request, port, &service).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(HEAD_MAX);
    let mut served = http.serve_connection(TokioIo::new(stream), answers);
    tokio::select! {
        biased;
        _ = cut.changed() => return reset(served.into_parts().io),
        _ = &mut served => return,
        () = clock.sleep_until(end) => {}
    }
    Pin::new(&mut served).graceful_shutdown();
    let is_answered = tokio::select! {
        biased;
        _ = cut.changed() => false,
        last = timeout(LAST_ANSWER, &mut served) => last.is_ok(),
    };
    if !is_answered {
        reset(served.into_parts().io);
    }
}

/// Ends a connection with nothing more sent, not even what waits in the system's buffers: after a lock an answer of before
/// must not go out, whenever its reader gets to it. SDKs take a reset for a reason to ask again.
fn reset(stream: TokioIo<TcpStream>) {
    let _ = stream.into_inner().set_zero_linger();
}

pub(super) async fn answer(agent: &Weak<Agent>, request: &Request<Incoming>, port: u16, service: &Service) -> Answer {
    let Some(agent) = agent.upgrade() else { return ending_problem().answer() };
    let answer = async {
        match service {
            Service::Shared => container::answer(&agent, request, port).await,
            Service::Metadata(grant) => match grant.upgrade() {
                Some(grant) => imds::answer(&agent, request, &grant).await,
                None => Err(imds::over()),
            },
        }
    };
    // As on the socket, a panic costs this request only.
    let answer = AssertUnwindSafe(answer).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| Err(Problem::of(&Failure::transient(internal_error()))));
    answer.unwrap_or_else(|problem| problem.answer())
}
