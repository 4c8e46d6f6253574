//! Connections: who may connect, how many at once, how long they may take.
//!
//! One request per connection. A bad connection costs itself and nobody else: a failed accept backs off, a slow reader or
//! writer is cut, a caller of another user is closed without a byte.

use super::audit::{AuditLine, Event, FOREIGN_UID};
use super::backoff::Backoff;
use super::caller::{Caller, CallerSocket};
use super::connection::{Connection, READ_DEADLINE, Response, WRITE_DEADLINE, read_request};
use super::failure::internal_error;
use super::restricted_socket::{ConnectionGuard, Opened, SocketListener};
use super::socket::Socket;
use super::{Agent, requests, restricted_requests};
use futures_util::FutureExt;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::protocol::frame::{self, Tag};
use rustix::process::geteuid;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

/// Who has connected before the agent's end but said nothing yet gets this long: a client writes at once.
const READ_DEADLINE_AT_THE_END: Duration = Duration::from_millis(250);

/// How long no connection is accepted after a failure to: from here to there, doubling.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Descriptors that are not connections: log, audit, bus, watches, calls to STS.
const RESERVED_DESCRIPTORS: u64 = 128;

/// More callers than this at once are told so; it is far above what a parallel Terraform makes.
const CONNECTIONS_MAX: u64 = 4096;

/// Tells how many connections are served at once, by the descriptors there are.
pub fn connections(descriptors: u64) -> usize {
    let number = descriptors.saturating_sub(RESERVED_DESCRIPTORS).clamp(8, CONNECTIONS_MAX);
    usize::try_from(number).unwrap_or(8)
}

/// Accepts connections for ever; cancelled by dropping. Each is served by a task that holds one of `slots`.
pub(super) async fn serve(agent: &Arc<Agent>, listener: &UnixListener, slots: &Arc<Semaphore>) {
    accept(listener, |stream| accept_peer(agent, stream, slots, None)).await;
}

/// Serves every restricted socket from its opening on; never returns.
pub(super) async fn serve_restricted(agent: &Arc<Agent>, slots: &Arc<Semaphore>) {
    let mut to_serve = agent.sockets.to_serve.lock().await;
    while let Some(Opened { name, listener, cut }) = to_serve.recv().await {
        let listener = listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(socket = %name, %error, "a socket cannot be served");
                continue;
            }
        };
        let (agent, slots) = (Arc::clone(agent), Arc::clone(slots));
        drop(tokio::spawn(async move {
            let mut ended = cut.clone();
            let gate = SocketListener::new(name, cut);
            tokio::select! {
                () = accept(&listener, |stream| accept_peer(&agent, stream, &slots, Some(&gate))) => {}
                // Each change of its settings wakes this as well; its end is when nobody can tell of one any more.
                () = async { while ended.changed().await.is_ok() {} } => {}
            }
        }));
    }
}

/// Takes connections for ever, one after the other; cancelled by dropping.
async fn accept(listener: &UnixListener, take: impl Fn(UnixStream)) {
    let mut backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                backoff.reset();
                take(stream);
            }
            Err(error) => {
                // No descriptor or no memory: what is being served frees some. Ending here would end everybody's work.
                if backoff.is_reset() {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                sleep(backoff.pause()).await;
            }
        }
    }
}

/// Lets those in who have connected already, and waits for nobody. At systemd's socket the next agent does it.
pub(super) fn drain_backlog(agent: &Arc<Agent>, socket: &Socket, slots: &Arc<Semaphore>) {
    if socket.is_kept_by_systemd() {
        return;
    }
    // Not by tokio: a connection that its event queue has not told of yet is one all the same.
    while let Ok(stream) = socket.accept() {
        if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream)) {
            accept_peer(agent, stream, slots, None);
        }
    }
}

/// Serves who may connect, by the agent's own socket or by the gate of an extra one.
fn accept_peer(agent: &Arc<Agent>, stream: UnixStream, slots: &Arc<Semaphore>, gate: Option<&SocketListener>) {
    // The kernel's word, before anything else: a stranger takes no room and learns nothing, not even that there is none.
    // Root is refused like any other uid: a container with our socket mounted would come as root.
    let peer = match stream.peer_cred() {
        Ok(peer) if peer.uid() == geteuid().as_raw() => peer,
        stranger => {
            refuse(agent, stranger.ok().map(|peer| peer.uid()));
            return;
        }
    };
    let entry = gate.map(SocketListener::enter);
    match (Arc::clone(slots).try_acquire_owned(), entry) {
        (Ok(slot), None) => drop(tokio::spawn(connection(Arc::clone(agent), stream, peer.pid(), slot, None))),
        (Ok(slot), Some(Some(entry))) => {
            let cut = entry.cut();
            let served = connection(Arc::clone(agent), stream, peer.pid(), slot, Some(entry));
            drop(tokio::spawn(async move {
                tokio::select! {
                    () = served => {}
                    () = cut => {}
                }
            }));
        }
        (Err(_), _) | (Ok(_), Some(None)) => busy(agent, &stream),
    }
}

/// Says that there are too many callers; without waiting, as that would be one more to serve.
fn busy(agent: &Agent, stream: &UnixStream) {
    agent.broker.counters.turned_away.fetch_add(1, Ordering::Relaxed);
    let report =
        UserError::new(Kind::Agent, "the agent is busy: too many requests at once").hint("try again in a moment");
    let payload = serde_json::to_vec(&report).unwrap_or_default();
    let mut answer = frame::answer_head(Tag::Refusal, payload.len()).to_vec();
    answer.extend_from_slice(&payload);
    let _ = stream.try_write(&answer);
}

async fn connection(
    agent: Arc<Agent>,
    mut stream: UnixStream,
    pid: Option<i32>,
    slot: OwnedSemaphorePermit,
    entry: Option<ConnectionGuard>,
) {
    let payload = tokio::select! {
        payload = timeout(READ_DEADLINE, read_request(&mut stream)) => payload,
        () = closed(&agent) => return,
    };
    let Ok(Some(payload)) = payload else { return };
    let mut connection = Connection(stream);
    // The payload may contain a secret, which a lock waits for.
    let watch = Some(agent.lock.watch());
    let response = async {
        let door = if entry.is_some() { CallerSocket::Restricted } else { CallerSocket::Own };
        let caller = Caller::behind(&connection.0, pid, door).await;
        match &entry {
            None => requests::handle(&agent, watch, payload, &caller, &mut connection).await,
            Some(entry) => {
                drop(watch);
                let caller = caller.by_socket(entry.socket());
                restricted_requests::handle(&agent, &payload, &caller, &mut connection).await
            }
        }
    };
    // A panic costs this request only. What it held is released by unwinding; poisoned locks are taken all the same.
    let response = AssertUnwindSafe(response).catch_unwind().await.unwrap_or_else(|_| Err(internal_error()));
    let written = timeout(WRITE_DEADLINE, write_response(&mut connection.0, response)).await;
    if !matches!(written, Ok(Ok(()))) {
        tracing::debug!("a caller did not take its answer");
    }
    drop(slot);
}

/// Returns when a caller that says nothing has had its time at the agent's end.
async fn closed(agent: &Agent) {
    let mut closing = agent.closing.subscribe();
    // The sender lives as long as the agent.
    let _ = closing.wait_for(|closing| *closing).await;
    sleep(READ_DEADLINE_AT_THE_END).await;
}

fn refuse(agent: &Agent, uid: Option<u32>) {
    agent.broker.counters.turned_away.fetch_add(1, Ordering::Relaxed);
    let line = agent.audit.line(Event::Refuse).result(FOREIGN_UID);
    let message = uid.map(|uid| format!("a connection of uid {uid} was closed"));
    agent.audit.write(AuditLine { message, ..line });
}

async fn write_response(stream: &mut UnixStream, response: Result<Response, UserError>) -> io::Result<()> {
    let (tag, payload) = match &response {
        Ok(Response::Secret(answer, watch)) => {
            let answer = Zeroizing::new(serde_json::to_vec(answer)?);
            let head = frame::answer_head(Tag::Answer, answer.len());
            let written = watch.run(async {
                stream.write_all(&head).await?;
                stream.write_all(&answer).await
            });
            return written.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
        }
        Ok(Response::Session(held)) => {
            // One write, so that the caller's one read has it all.
            let mut answer = Zeroizing::new(Vec::with_capacity(held.line.len() + 5));
            answer.extend_from_slice(&frame::answer_head(Tag::Session, held.line.len()));
            answer.extend_from_slice(&held.line);
            return stream.write_all(&answer).await;
        }
        Ok(Response::Answer(answer)) => (Tag::Answer, serde_json::to_vec(answer)?),
        Err(report) => (Tag::Refusal, serde_json::to_vec(report)?),
    };
    stream.write_all(&frame::answer_head(tag, payload.len())).await?;
    stream.write_all(&payload).await
}
