//! A client that lists a bucket whenever a test says so.
//!
//! Each client is one small program in `programs/` with one protocol, so that the tests need to know nothing of any of
//! them: a line with a number on its standard input is so many listings, one after another, and is answered by one line,
//! `ok KEY|KEY…` or `error WHAT IT SAYS`; the line `version` is answered by `ok NAME VERSION`. It asks for credentials when
//! it first lists, and goes on after an error. It ends with its standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What one answer may take where forty clients start at once on two processors; it only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a client may take to end by itself.
const LEAVE: Duration = Duration::from_secs(10);

/// A running client.
pub(crate) struct Lister {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
    complaints: Arc<Mutex<String>>,
}

impl Lister {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, answers) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&complaints);
        thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                *heard.lock().unwrap() += &format!("{line}\n");
            }
        });
        let input = child.stdin.take();
        Self { child, input, answers, complaints }
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

    /// What it has said on standard error so far.
    pub(crate) fn complaints(&self) -> String {
        self.complaints.lock().unwrap().clone()
    }

    fn says(&mut self, line: &str) -> Result<String, String> {
        // One that has ended answers nothing, and what it complained of tells more than our broken pipe.
        let _ = writeln!(self.input.as_mut().expect("it runs"), "{line}");
        let answer = self.answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|_| panic!("no answer to {line:?}: {}", self.complaints()));
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
