//! The conversation with the face: its errands, and what it is told.

use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::protocol::frame::{self, Tag};
use rolecall_ipc::protocol::message::Progress;
use rolecall_ipc::protocol::setup::{FirstCodes, NewDevice, Outcome, WorkerRequest};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

/// One end of the socket pair.
pub(super) struct Transport {
    stream: UnixStream,
}

impl Transport {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream }
    }

    /// Gives the next errand; `None` when the face is gone.
    pub(super) async fn next(&mut self) -> Option<Result<WorkerRequest, UserError>> {
        let payload = self.read().await?;
        let odd = |_| UserError::new(Kind::Agent, "the one-shot does not understand what it was asked");
        Some(serde_json::from_slice(&payload).map_err(odd))
    }

    async fn read(&mut self) -> Option<Zeroizing<Vec<u8>>> {
        let mut word = [0; 4];
        self.stream.read_exact(&mut word).await.ok()?;
        let mut payload = Zeroizing::new(vec![0; frame::request_length(word)?]);
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(payload)
    }

    /// Says how far it is. A face that is gone ends the errand: nobody would hear what it came to.
    pub(super) async fn say(&mut self, step: &str, text: &str) -> Result<(), UserError> {
        self.send(Tag::Progress, &Progress { step: step.to_owned(), text: text.to_owned() }).await
    }

    /// Has a person scan a device and type two codes of it.
    pub(super) async fn ask(&mut self, device: &NewDevice) -> Result<FirstCodes, UserError> {
        self.send(Tag::Question, device).await?;
        let payload = self.read().await.ok_or_else(gone)?;
        serde_json::from_slice(&payload).map_err(|_| gone())
    }

    /// Ends an errand.
    pub(super) async fn answer(&mut self, outcome: Result<Outcome, UserError>) -> Result<(), UserError> {
        match outcome {
            Ok(outcome) => self.send(Tag::Answer, &outcome).await,
            Err(report) => self.send(Tag::Refusal, &report).await,
        }
    }

    async fn send(&mut self, tag: Tag, value: &impl Serialize) -> Result<(), UserError> {
        let payload = Zeroizing::new(serde_json::to_vec(value).map_err(|_| gone())?);
        let sent = async {
            self.stream.write_all(&frame::answer_head(tag, payload.len())).await?;
            self.stream.write_all(&payload).await
        };
        sent.await.map_err(|_| gone())
    }
}

fn gone() -> UserError {
    UserError::new(Kind::Failed, "the command that asked is gone")
}
