//! The face's way to a one-shot: the agent's own program, started for one command, on a socket that nobody else has.
//!
//! It is for what needs the credentials of an account's administrator. The agent never sees those, and what ends with the
//! command keeps nothing of them.

use super::start::agent_program;
use crate::protocol::frame::{self, Tag};
use crate::protocol::message::Progress;
use crate::protocol::setup::{FirstCodes, NewDevice, Outcome, WorkerRequest};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::paths::Paths;
use rolecall_platform::reach;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use zeroize::Zeroizing;

/// The word that has the agent's program be a one-shot.
pub const ONE_SHOT: &str = "--one-shot";

/// A one-shot that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct SetupWorker {
    stream: Option<UnixStream>,
    child: Child,
}

/// Who is told what happens meanwhile, and asked.
pub trait Watcher {
    /// Is told how far it is.
    fn progress(&mut self, progress: &Progress);
    /// Shows a new MFA device to a person and takes its first two codes.
    fn device(&mut self, device: &NewDevice) -> FirstCodes;
}

impl SetupWorker {
    /// Starts one. It gets the caller's environment: the profiles are this person's, and so are the programs that they name.
    pub fn start() -> Result<Self, UserError> {
        // The end of this command waits for its end, and nothing ends a process that waits for some file systems.
        let paths = Paths::from_env()?;
        for used in [&paths.aws_config, &paths.aws_credentials, &paths.state] {
            reach::ensure_answers(used)?;
        }
        let failed = |e: io::Error| UserError::new(Kind::Agent, format!("cannot start `rolecalld {ONE_SHOT}`: {e}"));
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut command = Command::new(agent_program()?);
        command.arg(ONE_SHOT).stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
        let child = command.spawn().map_err(failed)?;
        Ok(Self { stream: Some(ours), child })
    }

    /// Asks for one thing and waits for its end.
    pub fn ask(&mut self, errand: &WorkerRequest, watcher: &mut dyn Watcher) -> Result<Outcome, UserError> {
        // It may have the password of a proxy: large enough not to be copied while it grows.
        let mut payload = Zeroizing::new(Vec::with_capacity(4096));
        serde_json::to_writer(&mut *payload, errand).map_err(|_| odd())?;
        let stream = self.stream.as_mut().expect("open until it is dropped");
        frame::write_request(stream, &payload).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidInput => UserError::new(Kind::Usage, "the documents are longer than 60 KB in all")
                .hint("IAM takes 6144 characters in a managed policy and 10240 inline: shorten them"),
            _ => ended(&e),
        })?;
        loop {
            let (tag, payload) = frame::read_frame(stream).map_err(|e| ended(&e))?;
            match tag {
                Tag::Answer => return serde_json::from_slice(&payload).map_err(|_| odd()),
                Tag::Progress => {
                    if let Ok(progress) = serde_json::from_slice(&payload) {
                        watcher.progress(&progress);
                    }
                }
                Tag::Question => {
                    let device = serde_json::from_slice(&payload).map_err(|_| odd())?;
                    let codes = watcher.device(&device);
                    let mut payload = Zeroizing::new(Vec::with_capacity(256));
                    serde_json::to_writer(&mut *payload, &codes).map_err(|_| odd())?;
                    frame::write_request(stream, &payload).map_err(|e| ended(&e))?;
                }
                Tag::Refusal => return Err(serde_json::from_slice(&payload).unwrap_or_else(|_| odd())),
                Tag::Session => return Err(odd()),
            }
        }
    }

    /// Gives its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for SetupWorker {
    fn drop(&mut self) {
        // The closed socket is its end; one that is in a call to AWS ends after that.
        drop(self.stream.take());
        let _ = self.child.wait();
    }
}

fn odd() -> UserError {
    UserError::new(Kind::Agent, "the one-shot gave an answer that does not fit")
        .hint("rolecall and rolecalld are of different versions: install both anew")
}

fn ended(error: &io::Error) -> UserError {
    UserError::new(Kind::Agent, format!("`rolecalld {ONE_SHOT}` ended without an answer: {error}"))
        .hint("nothing is lost: run the same command again, it goes on where this one stands")
}
