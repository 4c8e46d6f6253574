//! Hours that pass at once, by the clock of everybody: clients, agent and AWS.
//!
//! libfaketime moves the clock of programs, those that ask the C library for the time; the sandbox has a clock of its own.

use crate::harness::inside::until;
use crate::harness::programs::ROLECALLD;
use crate::person::Person;
use chrono::TimeDelta;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;

/// A day of which a test makes as much as it needs.
pub(crate) struct Hours<'a> {
    pub(crate) person: &'a Person,
    agent: Child,
    hand: PathBuf,
    ahead: Mutex<TimeDelta>,
}

impl<'a> Hours<'a> {
    /// Has the person's agent run by the clock that moves.
    pub(crate) fn begin(person: &'a Person) -> Self {
        let hand = person.home.path("hand-of-the-clock");
        set(&hand, TimeDelta::zero());
        person.rolecall(&["agent", "stop"]);
        // By itself: `rolecall agent start` would not hand the variables on.
        let mut agent = person.home.command(ROLECALLD);
        let agent = agent.envs(variables(&hand)).stderr(Stdio::null()).spawn().unwrap();
        until("the agent is there", || UnixStream::connect(person.home.socket()).is_ok());
        person.home.aws.clear_calls();
        Self { person, agent, hand, ahead: Mutex::default() }
    }

    /// What makes a program go by this clock.
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 5] {
        variables(&self.hand)
    }

    /// Moves the clock.
    pub(crate) fn move_on(&self, by: TimeDelta) {
        let mut ahead = self.ahead.lock().unwrap();
        *ahead += by;
        set(&self.hand, *ahead);
        self.person.home.aws.clock().advance(by.to_std().unwrap());
    }

    /// Goes back to the present, and fails if AWS refused anything meanwhile.
    pub(crate) fn end(mut self) {
        self.person.nothing_failed();
        self.person.rolecall(&["agent", "stop"]);
        self.agent.wait().unwrap();
        let clock = self.person.home.aws.clock();
        clock.set(clock.now() - *self.ahead.lock().unwrap());
    }
}

fn set(hand: &Path, ahead: TimeDelta) {
    // In one step: it is read while it is written.
    let next = hand.with_extension("next");
    fs::write(&next, format!("+{}", ahead.num_seconds())).unwrap();
    fs::rename(next, hand).unwrap();
}

fn variables(hand: &Path) -> [(&'static str, PathBuf); 5] {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    let library = found.expect("libfaketime is installed; `tests/run packages` does it");
    [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", hand.to_owned()),
        ("FAKETIME_NO_CACHE", "1".into()),
        // What the wall clock says and nothing else: no timer, and no age of a file.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ("NO_FAKE_STAT", "1".into()),
    ]
}
