//! The face's way to the agent: find the socket, check its directory, connect, start an agent where there is none, ask once.
//!
//! Blocking and without a runtime: this is in front of every AWS call of every tool. It knows no secret of its own and
//! copies the agent's bytes as they are.

mod dial;
mod holder;
mod peer;
mod proxy;
mod quick_call;
pub mod setup_worker;
mod start;
mod terminal;
mod view;

use crate::protocol::frame::{self, Tag};
use crate::protocol::message::{Answer, Call, Context, EndpointForm, EndpointOwner, Progress, Request};
use crate::protocol::{VERSION, is_of_another_version};
use dial::{CONNECT_DEADLINE, dial, not_accepted};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::question::Question;
use rolecall_core::domain::secret::EndpointToken;
use rolecall_platform::files;
use rolecall_platform::paths::{Elsewhere, Paths};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use terminal::PromptOutcome;
use zeroize::Zeroizing;

pub use holder::{Holder, lock_holder};
pub use proxy::CallersProxy;
pub use quick_call::{QuickReply, ask_briefly};
pub use start::{INHERITED, agent_in_sight, agent_program, refuse_extra_socket, start_agent};

/// The agent answers sooner than this, a person's answer included (55 s); an agent that is stopped or stuck does not.
const ANSWER_DEADLINE: Duration = Duration::from_mins(1);

/// How long a look may take whether an agent listens.
const LISTENS: Duration = Duration::from_millis(100);

/// The room of a request: a key, two names and the person's display, all of them short.
const REQUEST_ROOM: usize = 1000;

/// How often an agent is started for one request before it is given up.
const STARTS: u32 = 3;

/// What came back.
#[derive(Debug)]
pub enum Reply {
    /// Anything that is not a session.
    Answer(Answer),
    /// The line for stdout.
    Session(Zeroizing<Vec<u8>>),
}

/// Whether an agent is started where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autostart {
    /// It is not: nothing to lock, stop or show.
    No,
    /// It is.
    Yes,
}

/// Asks for the credentials of a name and gives the line to print.
pub fn get(paths: &Paths, name: &str, context: Context) -> Result<Zeroizing<Vec<u8>>, UserError> {
    match call_twice(paths, || Request::Get { name: name.to_owned() }, context)? {
        // The frame's length has vouched for the whole; reading it again would be work in front of every AWS call.
        Reply::Session(line) if !line.is_empty() => Ok(line),
        Reply::Session(_) | Reply::Answer(_) => Err(odd_answer()),
    }
}

/// Asks for a place that serves a name's sessions: its address, its token if it wants one, and the name's region.
pub fn endpoint(
    paths: &Paths,
    name: &str,
    form: EndpointForm,
    owner: EndpointOwner,
    port: Option<u16>,
) -> Result<(String, Option<EndpointToken>, Option<String>), UserError> {
    let request = || Request::Endpoint { name: name.to_owned(), form, owner, port };
    match call_twice(paths, request, Context::from_env())? {
        Reply::Answer(Answer::Endpoint { url, token, region }) => Ok((url, token, region)),
        Reply::Session(_) | Reply::Answer(_) => Err(odd_answer()),
    }
}

/// Asks the agent one thing that is not a session.
pub fn ask(paths: &Paths, request: Request, context: Context, autostart: Autostart) -> Result<Answer, UserError> {
    match call(paths, request, context, autostart)? {
        Reply::Answer(answer) => Ok(answer),
        Reply::Session(_) => Err(odd_answer()),
    }
}

/// Asks the agent for something that takes long, and shows how far it is.
pub fn ask_showing(
    paths: &Paths,
    request: Request,
    context: Context,
    mut show: impl FnMut(&Progress),
) -> Result<Answer, UserError> {
    let mut read = |stream: &mut UnixStream| loop {
        // The deadline is for each frame: whoever is told that a step is done waits anew.
        let (tag, payload) = frame::read_frame(stream)?;
        match (tag, serde_json::from_slice(&payload)) {
            (Tag::Progress, Ok(progress)) => show(&progress),
            (Tag::Progress, Err(_)) => {}
            _ => return Ok((tag, payload)),
        }
    };
    match call_reading(paths, request, context, Autostart::Yes, &mut read)? {
        Reply::Answer(answer) => Ok(answer),
        Reply::Session(_) => Err(odd_answer()),
    }
}

/// Why an agent has not taken the word to end.
#[derive(Debug)]
pub enum NotStopped {
    /// It answers, and does not do it: that is the last word.
    Refused(UserError),
    /// It does not answer, or not so that the two could understand each other.
    Deaf(UserError),
}

/// Asks the agent to end.
pub fn stop(paths: &Paths) -> Result<(), NotStopped> {
    match call(paths, Request::Stop, Context::from_env(), Autostart::No) {
        Ok(_) => Ok(()),
        Err(CallError::Refused(report)) if !is_of_another_version(&report) => Err(NotStopped::Refused(report)),
        Err(lost) => Err(NotStopped::Deaf(lost.into())),
    }
}

/// Makes the report of an answer that does not fit its request.
pub fn odd_answer() -> UserError {
    UserError::new(Kind::Agent, "the agent gave an answer that does not fit").hint("run `rolecall agent restart`")
}

/// Why there is no reply.
enum CallError {
    /// The connection was ended without a byte of an answer.
    Ended(UserError),
    /// The agent said no.
    Refused(UserError),
    /// Anything else.
    For(UserError),
}

impl From<CallError> for UserError {
    fn from(lost: CallError) -> Self {
        match lost {
            CallError::Ended(report) | CallError::Refused(report) | CallError::For(report) => report,
        }
    }
}

impl From<UserError> for CallError {
    fn from(report: UserError) -> Self {
        Self::For(report)
    }
}

fn call(paths: &Paths, request: Request, context: Context, autostart: Autostart) -> Result<Reply, CallError> {
    call_reading(paths, request, context, autostart, &mut |stream| frame::read_answer(stream))
}

/// Asks again where the agent ended without an answer: one that was killed, or is just being replaced, has done nothing
/// that the next could not do again, and once is enough.
fn call_twice(paths: &Paths, request: impl Fn() -> Request, context: Context) -> Result<Reply, UserError> {
    match call(paths, request(), context.clone(), Autostart::Yes) {
        Err(CallError::Ended(_)) => Ok(call(paths, request(), context, Autostart::Yes)?),
        reply => Ok(reply?),
    }
}

/// How the next frame comes off the connection.
type Read<'a> = &'a mut dyn FnMut(&mut UnixStream) -> io::Result<(Tag, Zeroizing<Vec<u8>>)>;

fn call_reading(
    paths: &Paths,
    request: Request,
    mut context: Context,
    autostart: Autostart,
    read: Read<'_>,
) -> Result<Reply, CallError> {
    if let Some(conflict) = paths.conflict.as_ref().filter(|_| request.uses_configuration()) {
        return Err(CallError::For(conflict.clone()));
    }
    context.view = view::of(paths, &request);
    let call = Call { version: VERSION, request, context };
    // Made in one piece, as growing would leave a secret behind unwiped; small enough to share a page with the answer.
    let mut payload = Zeroizing::new(Vec::with_capacity(REQUEST_ROOM));
    serde_json::to_writer(&mut *payload, &call).expect("a request has only strings and numbers");
    let mut stream = connect(paths, autostart)?;
    exchange(&mut stream, &payload, read)
}

/// Connects to the agent of this user; tells `None` where no agent listens.
pub fn connect_running(paths: &Paths) -> Result<Option<UnixStream>, UserError> {
    match dial(&paths.socket, CONNECT_DEADLINE) {
        Ok(stream) => {
            // After connecting, not before: what is checked here cannot be exchanged under an open connection.
            verify(&stream, paths)?;
            let deadline = stream.set_read_timeout(Some(ANSWER_DEADLINE));
            deadline.map_err(|e| unreachable(paths, &e))?;
            Ok(Some(stream))
        }
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(not_accepted(paths)),
        Err(e) => {
            // A foreign or closed directory shows as "permission denied"; say which.
            verify_directory(paths)?;
            Err(unreachable(paths, &e))
        }
    }
}

/// Returns whether an agent of this user listens, also if it accepts no connection.
pub fn listens(paths: &Paths) -> Result<bool, UserError> {
    match dial(&paths.socket, LISTENS) {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(true),
        _ => Ok(connect_running(paths)?.is_some()),
    }
}

fn connect(paths: &Paths, autostart: Autostart) -> Result<UnixStream, UserError> {
    if let Some(stream) = connect_running(paths)? {
        return Ok(stream);
    }
    let elsewhere = Elsewhere::from_env();
    if elsewhere.never_started || (elsewhere.socket_is_named && is_left_by_a_tunnel(paths)) {
        return Err(nobody_behind(paths));
    }
    if autostart == Autostart::No {
        return Err(UserError::new(Kind::Agent, format!("no agent is running at {}", paths.socket.display()))
            .hint("start it with `rolecall agent start`; `rolecall get NAME` starts it too"));
    }
    // One that has started may be stopped again before we come: by a restart, an update, somebody's `agent stop`.
    for _ in 0..STARTS {
        start_agent(paths)?;
        if let Some(stream) = connect_running(&paths.looked_up_again())? {
            return Ok(stream);
        }
    }
    Err(UserError::new(Kind::Agent, format!("the agent starts and is gone again: {}", paths.socket.display()))
        .hint(format!("read its log: `tail {}`", paths.agent_log().display())))
}

/// Tells a dead socket that no agent of this machine has made: sshd leaves its end of a tunnel behind, while an agent has
/// a lock beside its socket, which nobody removes. An agent that took this place would stand in the tunnel's way.
fn is_left_by_a_tunnel(paths: &Paths) -> bool {
    let is_there = |name: &str| paths.runtime_dir().join(name).exists();
    std::fs::symlink_metadata(&paths.socket).is_ok_and(|meta| meta.file_type().is_socket())
        && !is_there("agent.lock")
        && !is_there("start.lock")
}

fn nobody_behind(paths: &Paths) -> UserError {
    let message =
        format!("nobody listens at {}: the tunnel, or the agent behind it, is not there", paths.socket.display());
    UserError::new(Kind::Agent, message).hint(
        "connect again (`ssh -R`), or on the agent's own machine run `rolecall agent start`; \
         without ROLECALL_SOCKET and ROLECALL_AUTOSTART this machine's own agent is asked",
    )
}

/// Says what helps when a connection was ended without an answer.
fn hint_of_ending() -> String {
    const USUAL: &str = "try again; if it stays so, run `rolecall agent restart`";
    if Elsewhere::from_env().socket_is_named {
        format!("{USUAL}; at the end of a tunnel, on the agent's own machine: `rolecall agent start`")
    } else {
        USUAL.to_owned()
    }
}

/// Checks who serves a connected socket, then where it is. The directory explains more if both are wrong.
fn verify(stream: &UnixStream, paths: &Paths) -> Result<(), UserError> {
    let peer = peer::verify(stream, &paths.socket);
    verify_directory(paths)?;
    peer
}

/// Checks the socket's directory. One that was named may be mounted into a container, where users have other numbers.
fn verify_directory(paths: &Paths) -> Result<(), UserError> {
    files::verify_private_dir(paths.runtime_dir()).map_err(|report| {
        let is_anothers = std::fs::symlink_metadata(paths.runtime_dir())
            .is_ok_and(|meta| meta.uid() != rustix::process::geteuid().as_raw());
        if is_anothers && Elsewhere::from_env().socket_is_named {
            report.with_note("an agent serves its own user only: in a container, be that user (`--user`, or `--userns=keep-id` with podman)")
        } else {
            report
        }
    })
}

fn exchange(stream: &mut UnixStream, payload: &[u8], read: Read<'_>) -> Result<Reply, CallError> {
    let lost = |error: &io::Error| {
        let what = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                "the agent did not answer within 60 seconds".to_owned()
            }
            io::ErrorKind::InvalidInput => return CallError::For(UserError::new(Kind::Usage, error.to_string())),
            _ => format!("the agent ended the connection without an answer: {error}"),
        };
        let report = UserError::new(Kind::Agent, what).hint(hint_of_ending());
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                CallError::Ended(report)
            }
            _ => CallError::For(report),
        }
    };
    // An agent that turns us away answers before it reads: what it says is worth more than our broken pipe.
    let mut written = frame::write_request(stream, payload);
    let mut taken: Option<terminal::TerminalLock> = None;
    let (tag, payload) = loop {
        let given = read(stream);
        if let Some(taken) = taken.take() {
            taken.because(given.as_ref().is_ok_and(|(tag, _)| *tag != Tag::Refusal));
        }
        let (tag, payload) = match (written, given) {
            (_, Ok(answer)) => answer,
            (Err(e), Err(_)) | (Ok(()), Err(e)) => return Err(lost(&e)),
        };
        if tag != Tag::Question {
            break (tag, payload);
        }
        let question: Question = serde_json::from_slice(&payload).map_err(|_| odd_answer())?;
        written = match terminal::ask(&question, stream) {
            PromptOutcome::Replied(reply) => {
                let mut payload = Zeroizing::new(Vec::with_capacity(256));
                serde_json::to_writer(&mut *payload, &reply).expect("a reply has only strings");
                frame::write_request(stream, &payload)
            }
            PromptOutcome::Taken(by_agent) => {
                taken = Some(by_agent);
                Ok(())
            }
        };
    };
    match tag {
        Tag::Progress | Tag::Question => Err(odd_answer().into()),
        Tag::Session => Ok(Reply::Session(payload)),
        Tag::Answer => Ok(Reply::Answer(serde_json::from_slice(&payload).map_err(|_| odd_answer())?)),
        Tag::Refusal => match serde_json::from_slice::<UserError>(&payload) {
            Ok(report) => Err(CallError::Refused(proxy::propose(report))),
            Err(_) => Err(odd_answer().into()),
        },
    }
}

fn unreachable(paths: &Paths, error: &io::Error) -> UserError {
    UserError::new(Kind::Agent, format!("cannot reach the agent at {}: {error}", paths.socket.display()))
        .hint("run `rolecall agent restart`")
}
