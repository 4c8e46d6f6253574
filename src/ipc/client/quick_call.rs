//! A question that nobody waits for: what a prompt or a completion wants to know, now or not at all.
//!
//! It starts no agent and asks nobody. Every step has the same short deadline, the connecting too: a prompt that hangs takes the
//! shell with it.

use crate::protocol::VERSION;
use crate::protocol::frame::{self, Tag};
use crate::protocol::message::{Answer, Call, Context, Request};
use rolecall_platform::paths::Paths;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What came of it.
#[derive(Debug)]
pub enum QuickReply {
    /// An answer.
    Answer(Answer),
    /// No agent listens.
    NoAgent,
    /// There is one, and it said nothing that can be understood in that time.
    Nothing,
}

/// Asks the agent one thing, where it answers within `deadline`.
pub fn ask_briefly(paths: &Paths, request: Request, deadline: Duration) -> QuickReply {
    let stream = match reach(paths, deadline) {
        Ok(Some(stream)) => stream,
        Ok(None) => return QuickReply::NoAgent,
        Err(_) => return QuickReply::Nothing,
    };
    match exchange(stream, request) {
        Ok(answer) => answer,
        // It was killed with the connection in its queue.
        Err(e) if is_end(&e) => QuickReply::NoAgent,
        Err(_) => QuickReply::Nothing,
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn reach(paths: &Paths, deadline: Duration) -> io::Result<Option<UnixStream>> {
    let stream = match super::dial::dial(&paths.socket, deadline) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(e) => return Err(e),
    };
    super::verify(&stream, paths).map_err(io::Error::other)?;
    stream.set_read_timeout(Some(deadline))?;
    Ok(Some(stream))
}

fn exchange(mut stream: UnixStream, request: Request) -> io::Result<QuickReply> {
    // What says where a person could be asked is left out: nobody is.
    let call = Call { version: VERSION, request, context: Context::default() };
    frame::write_request(&mut stream, &serde_json::to_vec(&call)?)?;
    match frame::read_answer(&mut stream)? {
        (Tag::Answer, payload) => Ok(QuickReply::Answer(serde_json::from_slice(&payload)?)),
        _ => Ok(QuickReply::Nothing),
    }
}
