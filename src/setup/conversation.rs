//! The conversation with the command that started the worker: its requests, the progress that it shows, and the end, which
//! is a closed socket or an interruption.

use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::protocol::frame::{self, Tag};
use rolecall_ipc::protocol::message::Progress;
use rolecall_ipc::protocol::setup::{FirstCodes, NewDevice, Outcome, WorkerRequest};
use rolecall_ports::Clock;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

/// How long a call is repeated: IAM may need minutes to know a new resource, and throttling and outages pass.
const RETRY_FOR: Duration = Duration::from_mins(3);

/// The shortest and the longest pause between two tries. Each pause is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A pause is divided into parts of this length, so that an interruption ends it.
const PAUSE_PART: Duration = Duration::from_millis(250);

/// One end of the socket pair, with the flag of an interruption.
pub(super) struct Conversation {
    stream: UnixStream,
    clock: Arc<dyn Clock>,
    pub(super) interrupted: Arc<AtomicBool>,
}

impl Conversation {
    pub(super) fn new(stream: UnixStream, clock: Arc<dyn Clock>, interrupted: Arc<AtomicBool>) -> Self {
        Self { stream, clock, interrupted }
    }

    /// Reads the next request. Returns `None` if the command has ended.
    pub(super) async fn next(&mut self) -> Option<Result<WorkerRequest, UserError>> {
        let payload = read(&mut self.stream).await?;
        let malformed = |_| UserError::new(Kind::Agent, "the one-shot does not understand what it was asked");
        Some(serde_json::from_slice(&payload).map_err(malformed))
    }

    /// Reports progress. Fails if the command has ended, since nobody would see the result.
    pub(super) async fn say(&mut self, step: &str, text: &str) -> Result<(), UserError> {
        send(&mut self.stream, Tag::Progress, &Progress { step: step.to_owned(), text: text.to_owned() }).await
    }

    /// Shows a new MFA device to the user and returns its first two codes.
    pub(super) async fn ask(&mut self, device: &NewDevice) -> Result<FirstCodes, UserError> {
        send(&mut self.stream, Tag::Question, device).await?;
        let payload = read(&mut self.stream).await.ok_or_else(ended)?;
        serde_json::from_slice(&payload).map_err(|_| ended())
    }

    /// Answers a request.
    pub(super) async fn answer(&mut self, outcome: Result<Outcome, UserError>) -> Result<(), UserError> {
        answer(&mut self.stream, outcome).await
    }

    /// Fails if the user has interrupted the command.
    pub(super) fn check_interrupted(&self) -> Result<(), UserError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(UserError::new(Kind::Failed, "interrupted")
                .hint("nothing is lost: the same command again goes on where this one stands"));
        }
        Ok(())
    }

    /// Returns what limits the tries of one call.
    pub(super) fn retries(&self) -> Retries {
        Retries::new(self.clock.now().boot)
    }

    /// Reports why a call is repeated, and waits. Returns `false` if the tries are used up.
    pub(super) async fn pause(&mut self, why: &str, retries: &mut Retries) -> Result<bool, UserError> {
        let Some(until) = retries.next(self.clock.now().boot) else { return Ok(false) };
        self.say("wait", why).await?;
        loop {
            let now = self.clock.now().boot;
            if now >= until {
                return Ok(true);
            }
            self.check_interrupted()?;
            self.clock.sleep_until(until.min(now + PAUSE_PART)).await;
        }
    }

    /// Returns the time of this machine.
    pub(super) fn wall(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now().wall
    }
}

/// The times at which a call is repeated, by the boot-time clock.
pub(super) struct Retries {
    end: Duration,
    pause: Duration,
}

impl Retries {
    fn new(now: Duration) -> Self {
        Self { end: now + RETRY_FOR, pause: PAUSE_MIN }
    }

    /// Returns the time of the next try, or `None` if it would be too late.
    fn next(&mut self, now: Duration) -> Option<Duration> {
        let at = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        (at <= self.end).then_some(at)
    }
}

/// Answers each request with an error.
pub(super) async fn refuse_all(mut stream: UnixStream, report: UserError) {
    while read(&mut stream).await.is_some() {
        if answer(&mut stream, Err(report.clone())).await.is_err() {
            return;
        }
    }
}

async fn answer(stream: &mut UnixStream, outcome: Result<Outcome, UserError>) -> Result<(), UserError> {
    match outcome {
        Ok(outcome) => send(stream, Tag::Answer, &outcome).await,
        Err(report) => send(stream, Tag::Refusal, &report).await,
    }
}

async fn read(stream: &mut UnixStream) -> Option<Zeroizing<Vec<u8>>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.ok()?;
    let mut payload = Zeroizing::new(vec![0; frame::request_length(length)?]);
    stream.read_exact(&mut payload).await.ok()?;
    Some(payload)
}

async fn send(stream: &mut UnixStream, tag: Tag, value: &impl Serialize) -> Result<(), UserError> {
    let payload = Zeroizing::new(serde_json::to_vec(value).map_err(|_| ended())?);
    let sent = async {
        stream.write_all(&frame::answer_head(tag, payload.len())).await?;
        stream.write_all(&payload).await
    };
    sent.await.map_err(|_| ended())
}

fn ended() -> UserError {
    UserError::new(Kind::Failed, "the command that asked is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_slow_down_and_end_after_three_minutes() {
        let mut retries = Retries::new(Duration::ZERO);
        let (mut now, mut count) = (Duration::ZERO, 0);
        while let Some(next) = retries.next(now) {
            assert!(next > now && next <= now + PAUSE_MAX);
            (now, count) = (next, count + 1);
        }
        assert!(now + PAUSE_MAX > RETRY_FOR && now <= RETRY_FOR, "{now:?}");
        assert!(count < 30, "{count}");
    }
}
