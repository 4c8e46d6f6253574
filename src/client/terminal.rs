//! The question for an MFA code, or for consent, on the caller's own terminal, while the connection to the agent is open.
//!
//! Asked on `/dev/tty`: stdin and stdout belong to the SDK that runs us. What is typed is not shown. The answer may come
//! from elsewhere meanwhile (another terminal, `rolecall unlock`): then the question goes away by itself.

use crate::domain::question::{Question, Wanted};
use crate::domain::report::printable;
use crate::domain::secret::MfaCode;
use crate::protocol::message::Reply;
use chrono::Local;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use zeroize::Zeroizing;

/// A code has six digits; what is longer was not meant for us.
const TYPED_MAX: usize = 64;

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_U: u8 = 21;
const ESCAPE: u8 = 27;
const BACKSPACE: [u8; 2] = [8, 127];

/// Asks, and gives the reply; `None` when the agent spoke first.
pub(super) fn ask(question: &Question, agent: &UnixStream) -> Option<Reply> {
    let Ok(tty) = OpenOptions::new().read(true).write(true).open("/dev/tty") else { return Some(Reply::NoTerminal) };
    if !is_in_foreground(&tty) {
        return Some(Reply::NoTerminal);
    }
    let Some(mut silent) = Silent::new(tty) else { return Some(Reply::NoTerminal) };
    let reply =
        silent.tty.write_all(text(question).as_bytes()).map_or(Some(Reply::NoTerminal), |()| typed(&mut silent, agent));
    let reply = reply.map(|reply| meant(question, reply));
    let word = match &reply {
        None => "(answered elsewhere)\r\n",
        Some(Reply::Allowed) => "(allowed)\r\n",
        Some(Reply::Cancelled) => "(cancelled)\r\n",
        Some(Reply::Code { .. } | Reply::NoTerminal) => "\r\n",
    };
    // The terminal may be gone; the reply stands.
    let _ = silent.tty.write_all(word.as_bytes());
    reply
}

/// Tells whether what is typed reaches us: a job that runs behind the shell's prompt is stopped where it touches the
/// terminal, and would hold the question for ever.
fn is_in_foreground(tty: &File) -> bool {
    tcgetpgrp(tty).is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Takes what was typed for what was asked: consent is the word, and everything else is none.
fn meant(question: &Question, reply: Reply) -> Reply {
    match (&question.wanted, reply) {
        (Wanted::Consent { .. }, Reply::Code { code }) if is_yes(code.expose()) => Reply::Allowed,
        (Wanted::Consent { .. }, Reply::Code { .. }) => Reply::Cancelled,
        (_, reply) => reply,
    }
}

fn is_yes(typed: &str) -> bool {
    typed.eq_ignore_ascii_case("y") || typed.eq_ignore_ascii_case("yes")
}

fn text(question: &Question) -> String {
    let shown = |text: &str| printable(text, 200);
    let reason =
        question.reason.as_deref().map(|reason| format!("rolecall: {}\r\n", shown(reason))).unwrap_or_default();
    let name = shown(&question.name);
    let program = question.program.as_deref().map(shown);
    let since = question.since.map(|since| format!(" since {}", since.with_timezone(&Local).format("%H:%M")));
    let since = since.unwrap_or_default();
    match &question.wanted {
        Wanted::Code { identity, serial } => {
            let program = program.map(|program| format!(" for {program}")).unwrap_or_default();
            let (identity, serial) = (shown(identity), shown(serial));
            format!(
                "{reason}rolecall: `{name}` wanted{program}{since}: MFA code of {identity} ({serial}), Ctrl-C cancels: "
            )
        }
        Wanted::Consent { role_arn, minutes } => {
            let program = program.unwrap_or_else(|| "a program that cannot be named".to_owned());
            let role_arn = shown(role_arn);
            format!("{reason}rolecall: {program} wants `{name}` ({role_arn}): allow it for {minutes} minutes? [y/N] ")
        }
    }
}

/// Reads keys until a line, a cancellation, or a word of the agent.
fn typed(silent: &mut Silent, agent: &UnixStream) -> Option<Reply> {
    let mut line = Zeroizing::new(Vec::with_capacity(TYPED_MAX));
    loop {
        let ready = {
            let mut wanted = [PollFd::new(&silent.tty, PollFlags::IN), PollFd::new(agent, PollFlags::IN)];
            match poll(&mut wanted, None) {
                Ok(_) => (wanted[0].revents(), wanted[1].revents()),
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return Some(Reply::NoTerminal),
            }
        };
        if !ready.1.is_empty() {
            return None;
        }
        let mut key = Zeroizing::new([0_u8]);
        match silent.tty.read(&mut *key) {
            Ok(1) => {}
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            // The terminal was closed.
            _ => return Some(Reply::NoTerminal),
        }
        match key[0] {
            b'\r' | b'\n' => {
                let code = String::from_utf8_lossy(&line).trim().to_owned();
                return Some(if code.is_empty() { Reply::Cancelled } else { Reply::Code { code: MfaCode::new(code) } });
            }
            CTRL_C | CTRL_D | ESCAPE => return Some(Reply::Cancelled),
            CTRL_U => line.clear(),
            key if BACKSPACE.contains(&key) => drop(line.pop()),
            key if line.len() < TYPED_MAX => line.push(key),
            _ => {}
        }
    }
}

/// A terminal that shows nothing of what is typed, until it is dropped.
///
/// Signals are off as well: Ctrl-C would end us with the terminal left silent.
struct Silent {
    tty: File,
    before: Termios,
}

impl Silent {
    fn new(tty: File) -> Option<Self> {
        let before = tcgetattr(&tty).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        // What was typed before the question was not meant for it.
        tcsetattr(&tty, OptionalActions::Flush, &quiet).ok()?;
        Some(Self { tty, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.tty, OptionalActions::Drain, &self.before);
    }
}

#[cfg(test)]
#[path = "terminal_tests.rs"]
mod tests;
