//! Connections: who may connect, how many at once, how long they may take.
//!
//! One request per connection. A bad connection costs itself and nobody else: a failed accept backs off, a slow reader or
//! writer is cut, a caller of another user is closed without a byte.

use super::Agent;
use super::audit::{AuditLine, Event, FOREIGN_UID};
use super::caller::{Caller, CallerSocket};
use super::failure::internal_error;
use super::requests::Response;
use super::restricted_socket::{ConnectionGuard, SocketListener};
use super::socket::Socket;
use futures_util::FutureExt;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::question::Question;
use rolecall_ipc::protocol::frame::{self, Tag};
use rolecall_ipc::protocol::message::{Progress, Reply};
use rolecall_platform::process::ProcessHandle;
use rustix::net::{RecvFlags, recv};
use rustix::process::geteuid;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

/// A request comes in one piece; a caller that needs longer is stuck or hostile.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// Who has connected before the agent's end but said nothing yet gets this long: a client writes at once.
const READ_DEADLINE_AT_THE_END: Duration = Duration::from_millis(250);

/// How long no connection is accepted after a failure to: from here to there, doubling.
const BACKOFF_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// An answer of `get` fits the socket's buffer, so only a listing to a caller that does not read takes time.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

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

/// Takes connections for ever, one after the other; cancelled by dropping.
pub(super) async fn accept(listener: &UnixListener, take: impl Fn(UnixStream)) {
    let mut backoff = BACKOFF_MIN;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                backoff = BACKOFF_MIN;
                take(stream);
            }
            Err(error) => {
                // No descriptor or no memory: what is being served frees some. Ending here would end everybody's work.
                if backoff == BACKOFF_MIN {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
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
pub(super) fn accept_peer(
    agent: &Arc<Agent>,
    stream: UnixStream,
    slots: &Arc<Semaphore>,
    gate: Option<&SocketListener>,
) {
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
    agent.counters.turned_away.fetch_add(1, Ordering::Relaxed);
    let report =
        UserError::new(Kind::Agent, "the agent is busy: too many requests at once").hint("try again in a moment");
    let payload = serde_json::to_vec(&report).unwrap_or_default();
    let mut answer = frame::answer_head(Tag::Refusal, payload.len()).to_vec();
    answer.extend_from_slice(&payload);
    let _ = stream.try_write(&answer);
}

/// A connection whose request has been read.
pub(super) struct Connection(UnixStream);

impl Connection {
    /// Takes hold of the process that connected; `None` where that is not to be had.
    pub(super) fn pinned(&self, pid: i32) -> Option<ProcessHandle> {
        ProcessHandle::peer(&self.0, pid)
    }

    /// Tells the client how far its request is; a client that is gone or does not read costs the request nothing.
    pub(super) async fn tell(&mut self, progress: &Progress) {
        let Ok(payload) = serde_json::to_vec(progress) else { return };
        let mut frame = frame::answer_head(Tag::Progress, payload.len()).to_vec();
        frame.extend_from_slice(&payload);
        let _ = timeout(WRITE_DEADLINE, self.0.write_all(&frame)).await;
    }

    /// Puts a question to the person at the client's terminal; tells `false` when the client is gone.
    pub(super) async fn ask(&mut self, question: &Question) -> bool {
        let Ok(payload) = serde_json::to_vec(question) else { return false };
        let mut frame = frame::answer_head(Tag::Question, payload.len()).to_vec();
        frame.extend_from_slice(&payload);
        self.0.write_all(&frame).await.is_ok()
    }

    /// Returns when the client has something to say, or is gone; may be given up without losing a byte.
    pub(super) async fn readable(&self) {
        loop {
            if self.0.readable().await.is_err() {
                return;
            }
            // To be ready is a rumour until something is tried.
            let peek = || Ok(recv(&self.0, &mut [0_u8], RecvFlags::PEEK)?);
            match self.0.try_io(Interest::READABLE, peek) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    /// Takes what the client has begun to say; `None` when it is gone.
    pub(super) async fn reply(&mut self) -> Option<Reply> {
        let reply = timeout(READ_DEADLINE, read_request(&mut self.0)).await.ok()??;
        serde_json::from_slice(&reply).ok()
    }
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
    let watch = Some(agent.locks.watch());
    let response = async {
        let door = if entry.is_some() { CallerSocket::Restricted } else { CallerSocket::Own };
        let caller = Caller::behind(&connection.0, pid, door).await;
        match &entry {
            None => agent.handle(watch, payload, &caller, &mut connection).await,
            Some(entry) => {
                drop(watch);
                agent.handle_restricted(&payload, caller.by_socket(entry.socket()), &mut connection).await
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
    agent.counters.turned_away.fetch_add(1, Ordering::Relaxed);
    let mut line = AuditLine::new(agent.ports.clock.now().wall, Event::Refuse, FOREIGN_UID);
    line.message = uid.map(|uid| format!("a connection of uid {uid} was closed"));
    agent.audit.write(line);
}

async fn read_request(stream: &mut UnixStream) -> Option<Zeroizing<Vec<u8>>> {
    let mut word = [0_u8; 4];
    stream.read_exact(&mut word).await.ok()?;
    let mut payload = Zeroizing::new(vec![0_u8; frame::request_length(word)?]);
    stream.read_exact(&mut payload).await.ok()?;
    Some(payload)
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
