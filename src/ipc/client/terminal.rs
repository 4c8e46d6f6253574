//! The question for an MFA code, or for consent, on the caller's own terminal, while the connection to the agent is open.
//!
//! Asked on `/dev/tty`: stdin and stdout belong to the SDK that runs us. What is typed is not shown. The answer may come
//! from elsewhere meanwhile (another terminal, `rolecall unlock`): then the question goes away by itself.

use crate::protocol::message::Reply;
use chrono::Local;
use rolecall_core::domain::question::{Question, Wanted};
use rolecall_core::domain::secret::MfaCode;
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

/// What became of a question here.
pub(super) enum PromptOutcome {
    /// The person's answer, or why there is none.
    Replied(Reply),
    /// The agent spoke first.
    Taken(TerminalLock),
}

/// A question that was taken away under the person's hands.
pub(super) struct TerminalLock(File);

impl TerminalLock {
    /// Says why, in the line where the person was about to answer.
    pub(super) fn because(mut self, is_answered: bool) {
        let word: &[u8] = if is_answered { b"(answered elsewhere)\r\n" } else { b"(no longer asked)\r\n" };
        let _ = self.0.write_all(word);
    }
}

/// What a person typed.
enum TypedLine {
    Line(Zeroizing<String>),
    Cancelled,
    /// The terminal is gone.
    Gone,
    /// Not to its end: the agent spoke first.
    Interrupted,
}

/// Asks.
pub(super) fn ask(question: &Question, agent: &UnixStream) -> PromptOutcome {
    let none = PromptOutcome::Replied(Reply::NoTerminal);
    let Ok(tty) = OpenOptions::new().read(true).write(true).open("/dev/tty") else { return none };
    if !is_in_foreground(&tty) {
        return none;
    }
    let Some(mut silent) = EchoOff::new(tty) else { return none };
    if silent.tty.write_all(text(question).as_bytes()).is_err() {
        return none;
    }
    let (reply, word) = match (typed(&mut silent, agent), &question.wanted) {
        (TypedLine::Interrupted, _) => {
            // The word is said once it is known; the terminal is a shell's again before.
            return silent.tty.try_clone().map_or(none, |tty| PromptOutcome::Taken(TerminalLock(tty)));
        }
        (TypedLine::Gone, _) => (Reply::NoTerminal, "\r\n"),
        (TypedLine::Cancelled, _) => (Reply::Cancelled, "(cancelled)\r\n"),
        // Consent is the word, and everything else is none.
        (TypedLine::Line(line), Wanted::Consent { .. } | Wanted::Key { .. }) if is_yes(&line) => {
            (Reply::Allowed, "(allowed)\r\n")
        }
        (TypedLine::Line(_), Wanted::Consent { .. } | Wanted::Key { .. }) => (Reply::Cancelled, "(refused)\r\n"),
        (TypedLine::Line(line), Wanted::Code { .. }) if line.is_empty() => (Reply::Cancelled, "(cancelled)\r\n"),
        (TypedLine::Line(line), Wanted::Code { .. }) => (Reply::Code { code: MfaCode::typed(&line) }, "\r\n"),
    };
    // The terminal may be gone; the reply stands.
    let _ = silent.tty.write_all(word.as_bytes());
    PromptOutcome::Replied(reply)
}

/// Tells whether what is typed reaches us: a job that runs behind the shell's prompt is stopped where it touches the
/// terminal, and would hold the question for ever.
fn is_in_foreground(tty: &File) -> bool {
    tcgetpgrp(tty).is_ok_and(|group| group == rustix::process::getpgrp())
}

fn is_yes(typed: &str) -> bool {
    typed.eq_ignore_ascii_case("y") || typed.eq_ignore_ascii_case("yes")
}

fn text(question: &Question) -> String {
    let [what, answer] = question.text(&Local);
    let again = question.again().map(|reason| format!("rolecall: {reason}\r\n")).unwrap_or_default();
    match &question.wanted {
        Wanted::Code { .. } => format!("{again}rolecall: {what}: {answer}, Ctrl-C cancels: "),
        Wanted::Consent { .. } | Wanted::Key { .. } => format!("{again}rolecall: {what}: {answer} [y/N] "),
    }
}

/// Reads keys until a line, a cancellation, or a word of the agent.
fn typed(silent: &mut EchoOff, agent: &UnixStream) -> TypedLine {
    let mut line = Zeroizing::new(Vec::with_capacity(TYPED_MAX));
    loop {
        let ready = {
            let mut wanted = [PollFd::new(&silent.tty, PollFlags::IN), PollFd::new(agent, PollFlags::IN)];
            match poll(&mut wanted, None) {
                Ok(_) => (wanted[0].revents(), wanted[1].revents()),
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return TypedLine::Gone,
            }
        };
        if !ready.1.is_empty() {
            return TypedLine::Interrupted;
        }
        let mut key = Zeroizing::new([0_u8]);
        match silent.tty.read(&mut *key) {
            Ok(1) => {}
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            // The terminal was closed.
            _ => return TypedLine::Gone,
        }
        match key[0] {
            b'\r' | b'\n' => {
                return TypedLine::Line(Zeroizing::new(String::from_utf8_lossy(&line).trim().to_owned()));
            }
            CTRL_C | CTRL_D | ESCAPE => return TypedLine::Cancelled,
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
struct EchoOff {
    tty: File,
    before: Termios,
}

impl EchoOff {
    fn new(tty: File) -> Option<Self> {
        let before = tcgetattr(&tty).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        // What was typed before the question was not meant for it.
        tcsetattr(&tty, OptionalActions::Flush, &quiet).ok()?;
        Some(Self { tty, before })
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.tty, OptionalActions::Drain, &self.before);
    }
}

#[cfg(test)]
#[path = "terminal_tests.rs"]
mod tests;
