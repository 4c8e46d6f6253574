//! A connection of a caller, after its request was read, and the response.

use super::credentials::CachedCredentials;
use super::lock_watch::LockWatch;
use rolecall_core::domain::question::Question;
use rolecall_ipc::protocol::frame::{self, Tag};
use rolecall_ipc::protocol::message::{Answer, Progress, Reply};
use rolecall_platform::process::ProcessHandle;
use rustix::net::{RecvFlags, recv};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// A request comes in one piece; a caller that needs longer is stuck or hostile.
pub(super) const READ_DEADLINE: Duration = Duration::from_secs(10);

/// An answer of `get` fits the buffer of the socket, so only a listing to a caller that does not read takes time.
pub(super) const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// The response to a request.
pub(super) enum Response {
    /// Anything that is not a session.
    Answer(Box<Answer>),
    /// An answer that contains a secret. A lock ends the write, and waits until the answer is wiped.
    Secret(Box<Answer>, LockWatch),
    /// The line of a session, from its locked pages.
    Session(Arc<CachedCredentials>),
}

impl Response {
    pub(super) fn answer(answer: Answer) -> Self {
        Self::Answer(Box::new(answer))
    }
}

/// A connection whose request has been read.
pub(super) struct Connection(pub(super) UnixStream);

impl Connection {
    /// Returns a handle on the process that connected, if the system has one.
    pub(super) fn pinned(&self, pid: i32) -> Option<ProcessHandle> {
        ProcessHandle::peer(&self.0, pid)
    }

    /// Sends the progress of a request. The request goes on if the client is gone or does not read.
    pub(super) async fn tell(&mut self, progress: &Progress) {
        let Ok(payload) = serde_json::to_vec(progress) else { return };
        let mut frame = frame::answer_head(Tag::Progress, payload.len()).to_vec();
        frame.extend_from_slice(&payload);
        let _ = timeout(WRITE_DEADLINE, self.0.write_all(&frame)).await;
    }

    /// Shows a question on the terminal of the client; returns `false` if the client is gone.
    pub(super) async fn ask(&mut self, question: &Question) -> bool {
        let Ok(payload) = serde_json::to_vec(question) else { return false };
        let mut frame = frame::answer_head(Tag::Question, payload.len()).to_vec();
        frame.extend_from_slice(&payload);
        self.0.write_all(&frame).await.is_ok()
    }

    /// Returns when the client has sent something, or is gone. Dropping it loses no byte.
    pub(super) async fn readable(&self) {
        loop {
            if self.0.readable().await.is_err() {
                return;
            }
            // Readiness is only a hint until a read succeeds.
            let peek = || Ok(recv(&self.0, &mut [0_u8], RecvFlags::PEEK)?);
            match self.0.try_io(Interest::READABLE, peek) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    /// Reads the reply of the client; `None` if the client is gone.
    pub(super) async fn reply(&mut self) -> Option<Reply> {
        let reply = timeout(READ_DEADLINE, read_request(&mut self.0)).await.ok()??;
        serde_json::from_slice(&reply).ok()
    }
}

pub(super) async fn read_request(stream: &mut UnixStream) -> Option<Zeroizing<Vec<u8>>> {
    let mut word = [0_u8; 4];
    stream.read_exact(&mut word).await.ok()?;
    let mut payload = Zeroizing::new(vec![0_u8; frame::request_length(word)?]);
    stream.read_exact(&mut payload).await.ok()?;
    Some(payload)
}
