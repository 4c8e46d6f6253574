//! A client that lists a bucket whenever a test says so.
//!
//! Each client is one small program in `programs/` with one protocol, so that the tests need to know nothing of any of
//! them: a line with a number on its standard input is so many listings, one after another, and is answered by one line,
//! `ok KEY|KEY…` or `error WHAT IT SAYS`; the line `version` is answered by `ok NAME VERSION`. It asks for credentials when
//! it first lists, and goes on after an error. It ends with its standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What one answer may take where forty clients start at once on two processors; it only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_mins(3);

/// What a client may take to end by itself.
const LEAVE: Duration = Duration::from_mins(1);

/// A running client.
pub(crate) struct Lister {
    command: String,
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    /// Its standard error: a file, so that what was said before an answer is there with the answer.
    errors: File,
    /// How much stood there when it was last asked something.
    before: u64,
}

impl Lister {
    pub(crate) fn start(command: &mut Command) -> Self {
        let errors = tempfile::tempfile().unwrap();
        let own = errors.try_clone().unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(own).spawn().unwrap();
        let (sender, answers) = channel();
        let out = child.stdout.take().unwrap();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        Self { command: format!("{command:?}"), child, input, answers, errors, before: 0 }
    }

    /// Has it list so many times; gives the keys of the last listing, or what it says instead.
    pub(crate) fn lists(&mut self, times: usize) -> Result<Vec<String>, String> {
        let keys = self.says(&times.to_string())?;
        Ok(keys.split('|').map(str::to_owned).collect())
    }

    /// Asks what it is.
    pub(crate) fn version(&mut self) -> String {
        self.says("version").unwrap_or_else(|said| panic!("it does not know its version: {said}"))
    }

    /// What it and what it started have said on standard error since it was last asked something.
    pub(crate) fn complaints(&self) -> String {
        let mut said = vec![0; usize::try_from(self.length() - self.before).unwrap()];
        self.errors.read_exact_at(&mut said, self.before).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }

    fn length(&self) -> u64 {
        self.errors.metadata().unwrap().len()
    }

    fn says(&mut self, line: &str) -> Result<String, String> {
        self.before = self.length();
        // One that has ended answers nothing, and what it complained of tells more than our broken pipe.
        let _ = writeln!(self.input.as_mut().expect("it runs"), "{line}");
        let answer = self.answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|error| {
            panic!("no answer to {line:?} ({error}) of {}: {}", self.command, self.complaints())
        });
        match answer.split_once(' ') {
            Some(("ok", said)) => Ok(said.to_owned()),
            Some(("error", said)) => Err(said.to_owned()),
            _ => panic!("what is this? {answer:?}"),
        }
    }
}

impl Drop for Lister {
    fn drop(&mut self) {
        // The end of its input ends it and what it started; a signal would reach it alone, and leave `rclone rcd` behind.
        drop(self.input.take());
        let deadline = Instant::now() + LEAVE;
        while Instant::now() < deadline && !matches!(self.child.try_wait(), Ok(Some(_))) {
            thread::park_timeout(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
