//! The process of the vault under test: this very binary, started again, that takes commands and answers them.

use super::desk::{Desk, Process};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long an answer may take. The vault answers within 25 seconds; the limit only turns a hang into a failure.
const LIMIT: Duration = Duration::from_mins(5);

impl Desk {
    pub(crate) fn vault(&self) -> Helper {
        let mut command = self.command(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "the_vault_under_test", "--ignored", "--nocapture"]);
        command.env("KEYRING_TEST_FILE", self.path().join("file/vault.rolecall"));
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let (input, output) = (process.child.stdin.take(), process.child.stdout.take().expect("piped"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if Answer::parse(&line).is_some_and(|answer| sender.send(answer).is_err()) {
                    return;
                }
            }
        });
        Helper { process, input, answers, sent: 0 }
    }
}

/// That process, as the tests see it.
pub(crate) struct Helper {
    process: Process,
    input: Option<ChildStdin>,
    answers: Receiver<Answer>,
    sent: u32,
}

/// One answer of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) tag: u32,
    pub(crate) took: Duration,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn ok(self) {
        assert!(self.text.starts_with("ok"), "{self:?}");
    }

    /// An answer that no deadline ended: one that did says so.
    pub(crate) fn without_waiting(self) -> Self {
        assert!(!self.text.contains("did not answer within"), "{self:?}");
        self
    }

    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.strip_prefix("=> ")?.splitn(3, ' ');
        let tag = parts.next()?.parse().ok()?;
        let took = Duration::from_millis(parts.next()?.parse().ok()?);
        Some(Self { tag, took, text: parts.next()?.to_owned() })
    }
}

impl Helper {
    pub(crate) fn send(&mut self, command: &str) -> u32 {
        self.sent += 1;
        let input = self.input.as_mut().expect("open until the end");
        writeln!(input, "{} {command}", self.sent).expect("the vault's process listens");
        self.sent
    }

    pub(crate) fn next(&mut self) -> Answer {
        let answer = self.answers.recv_timeout(LIMIT).expect("an answer from the vault's process");
        writeln!(std::io::stderr(), "{} ms: {}", answer.took.as_millis(), answer.text).expect("stderr");
        answer
    }

    pub(crate) fn ask(&mut self, command: &str) -> Answer {
        let tag = self.send(command);
        let answer = self.next();
        assert_eq!(answer.tag, tag, "{answer:?}");
        answer
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It ends at the end of its input; the process guard then only collects it.
        self.input = None;
        self.process.wait();
    }
}
