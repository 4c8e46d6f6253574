//! HTTP connections to the ports: who may connect, how many at once, how long they may take.
//!
//! As on the socket, a bad connection costs itself and nothing else. A connection of another user is closed before a byte of
//! it is read. A slow connection is closed: its head must arrive within seconds, and it lives for a minute at most.

use super::http::{Answer, Problem};
use super::leases::EndpointLease;
use super::listener::{self, RunningListener};
use super::tokens::{digest, new_token};
use super::{Endpoint, closed, container, imds, redirect_tickets};
use crate::audit::{Event, FOREIGN_UID};
use crate::failure::{Failure, internal_error};
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::secret::SigninUrl;
use rolecall_platform::os::tcp_peer;
use rustix::process::geteuid;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The head of a request is one packet; AWS SDKs time out after two seconds.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// SDKs send a request every quarter of an hour, so no client needs a connection for longer.
const CONNECTION_LIFE: Duration = Duration::from_mins(1);

/// The time for the answer to a request that came before that.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// AWS SDKs send less than one kilobyte; the User-Agent of some names all libraries above them.
pub(super) const HEAD_MAX: usize = 16 * 1024;

/// Simultaneous connections of each port. They are this user's own, and the parallel clients of five programs are some
/// hundreds. A connection above this number is closed at once.
const CONNECTIONS_MAX: usize = 1024;

/// As on EC2: answers do not leave this machine, whatever forwards them.
const HOPS: u32 = 1;

/// The service of a port.
#[derive(Clone)]
pub(super) enum Service {
    /// The metadata service of one lease.
    Metadata(Weak<EndpointLease>),
    /// All leases of containers, and the redirects of browsers to the console.
    Shared,
}

/// Takes a port and serves it; any free one if none is named.
pub(super) fn listen(endpoint: &Endpoint, port: Option<u16>, service: &Service) -> Result<RunningListener, UserError> {
    let (socket, port) = listener::bind(port)?;
    run(endpoint, socket, port, service)
}

/// Serves a port that is bound.
pub(super) fn run(
    endpoint: &Endpoint,
    socket: TcpListener,
    port: u16,
    service: &Service,
) -> Result<RunningListener, UserError> {
    let (endpoint, service) = (endpoint.this.clone(), service.clone());
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    listener::run(socket, port, move |stream, from| {
        let Some(endpoint) = endpoint.upgrade() else { return };
        if !is_own(&endpoint, &stream, from) {
            return;
        }
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            endpoint.broker.counters.turned_away.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let service = service.clone();
        tokio::spawn(async move {
            connection(endpoint, stream, port, service).await;
            drop(slot);
        });
    })
}

/// Returns the shared port; takes one at first use.
pub(super) fn shared(endpoint: &Endpoint) -> Result<u16, UserError> {
    endpoint.share(|| listen(endpoint, None, &Service::Shared))
}

/// Returns an address of this machine that leads a browser of this user to a secret one: once, and within a minute.
///
/// `holds` is called when the address exists: a lock that came before has not removed it.
pub(crate) fn redirect_once(
    endpoint: &Endpoint,
    url: SigninUrl,
    holds: impl FnOnce() -> Result<(), Failure>,
) -> Result<(SigninUrl, Duration), Failure> {
    let nonce = new_token().map_err(Failure::permanent)?;
    let key = digest(nonce.expose().as_bytes());
    let port = shared(endpoint).map_err(Failure::permanent)?;
    let (clock, tickets) = (Arc::clone(&endpoint.broker.ports.clock), Arc::clone(&endpoint.tickets));
    let now = clock.now().boot;
    tickets.expect(key, url, now);
    holds().inspect_err(|_| tickets.forget(&key))?;
    tokio::spawn(async move {
        clock.sleep_until(now + redirect_tickets::WAITS).await;
        tickets.forget_old(clock.now().boot);
    });
    let url = format!("http://127.0.0.1:{port}{}{}", redirect_tickets::PATH, nonce.expose());
    Ok((SigninUrl::new(url), redirect_tickets::WAITS))
}

/// Returns whether the client is of this user; logs another user.
fn is_own(endpoint: &Endpoint, stream: &TcpStream, from: SocketAddr) -> bool {
    let (Ok(SocketAddr::V4(local)), SocketAddr::V4(from)) = (stream.local_addr(), from) else { return false };
    let uid = tcp_peer::uid(local, from);
    // If the system does not report the user, the token protects. A metadata service has none and is not opened there.
    if uid == Some(geteuid().as_raw()) || !tcp_peer::IS_KNOWN {
        return true;
    }
    // Without a user the client has disconnected already: a shell prompt only checks that the port is open.
    if let Some(uid) = uid {
        endpoint.broker.counters.turned_away.fetch_add(1, Ordering::Relaxed);
        let audit = &endpoint.broker.audit;
        let what = format!("a connection of uid {uid} to port {} was closed", local.port());
        audit.write(audit.line(Event::Refuse).result(FOREIGN_UID).message(what));
    }
    false
}

async fn connection(endpoint: Arc<Endpoint>, stream: TcpStream, port: u16, service: Service) {
    if matches!(service, Service::Metadata(_)) && stream.set_ttl(HOPS).is_err() {
        return;
    }
    let _ = stream.set_nodelay(true);
    // Held to the end of this connection: a lock waits for it.
    let watch = endpoint.broker.lock.watch();
    let clock = Arc::clone(&endpoint.broker.ports.clock);
    let end = clock.now().boot + CONNECTION_LIFE;
    // Weak from here: a connection must not keep an agent that has ended.
    let weak = Arc::downgrade(&endpoint);
    drop(endpoint);
    let answers = service_fn(move |request| {
        let (endpoint, service) = (weak.clone(), service.clone());
        async move { Ok::<_, Infallible>(answer(&endpoint, &request, port, &service).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(HEAD_MAX);
    let mut served = http.serve_connection(TokioIo::new(stream), answers);
    tokio::select! {
        biased;
        () = watch.locked() => return reset(served.into_parts().io),
        _ = &mut served => return,
        () = clock.sleep_until(end) => {}
    }
    Pin::new(&mut served).graceful_shutdown();
    let is_answered = tokio::select! {
        biased;
        () = watch.locked() => false,
        last = timeout(LAST_ANSWER, &mut served) => last.is_ok(),
    };
    if !is_answered {
        reset(served.into_parts().io);
    }
}

/// Ends a connection without sending the buffered data: after a lock an earlier answer must not reach a slow reader. SDKs
/// retry after a reset.
fn reset(stream: TokioIo<TcpStream>) {
    let _ = stream.into_inner().set_zero_linger();
}

pub(super) async fn answer(
    endpoint: &Weak<Endpoint>,
    request: &Request<Incoming>,
    port: u16,
    service: &Service,
) -> Answer {
    let Some(endpoint) = endpoint.upgrade() else { return ending_problem().answer() };
    let answer = async {
        match service {
            Service::Shared => container::answer(&endpoint, request, port).await,
            Service::Metadata(grant) => match grant.upgrade() {
                Some(grant) => imds::answer(&endpoint.broker, request, &grant).await,
                None => Err(imds::over()),
            },
        }
    };
    // As on the socket, a panic costs this request only.
    let answer = AssertUnwindSafe(answer).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| Err(Problem::of(&Failure::transient(internal_error()))));
    answer.unwrap_or_else(|problem| problem.answer())
}

/// Returns the problem of a request that arrives when the agent ends.
fn ending_problem() -> Problem {
    let UserError { message, hint, .. } = closed();
    let hint = hint.unwrap_or_default();
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", format!("{message}; hint: {hint}"))
}
