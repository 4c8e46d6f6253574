//! Sessions that end while a client works: no call may fail, or, where the session stands in variables, what the client shows.

use super::{Asked, BUCKET, CALLS, Seen, asks, count_asks, for_all, listed, processors};
use crate::harness::inside::until;
use crate::lister::Lister;
use crate::person::Person;
use crate::roster::Case;
use chrono::TimeDelta;
use rolecall_sandbox::{Fault, FaultKind, Match};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// Fails if AWS refused anything: an SDK may try again by itself, and that is no success.
fn nothing_failed(person: &Person) {
    let failed: Vec<_> = person.home.aws.calls().into_iter().filter(|call| call.status != 200).collect();
    assert_eq!(failed, [], "no call failed");
}

/// Counts what each case asks for while something is done with its client.
fn counted<T: Send>(person: &Person, cases: &[Case], clients: impl FnOnce() -> Vec<T>) -> Vec<Asked> {
    let count = || cases.iter().map(|case| asks(person, &case.role())).collect::<Vec<_>>();
    let before = count();
    let clients = clients();
    let after = count();
    // Not sooner: what an endpoint has given is told as long as its owner lives.
    drop(clients);
    let more = |(before, after): (Asked, Asked)| Asked {
        times: after.times - before.times,
        sessions: after.sessions - before.sessions,
    };
    before.into_iter().zip(after).map(more).collect()
}

/// Twenty slow calls on sessions that are over sooner, for programs whose clock cannot be moved: all have to succeed, whatever
/// sessions that takes.
///
/// A session lives 64 s, of which the agent hands out the first 4, as it never gives one of its last minute away. The clock of
/// AWS is 55 s behind, which is within the tolerance of signatures: so a client, which trusts its own clock, sees a
/// session of 9 s at most, and nobody has to wait for a minute. A call takes 0.6 s.
pub(super) fn in_seconds(person: &Person, cases: &[Case]) -> Vec<Asked> {
    const LIFE: TimeDelta = TimeDelta::seconds(64);
    const BEHIND: TimeDelta = TimeDelta::seconds(55);
    const CALL: Duration = Duration::from_millis(600);
    let aws = &person.home.aws;
    aws.clock().set(aws.clock().now() - BEHIND);
    aws.world(|world| world.role_session_life = Some(LIFE));
    person.rolecall(&["lock"]);
    for action in ["ListObjects", "ListObjectsV2"] {
        aws.fault(Fault::on(action, FaultKind::Delay(CALL)));
    }
    aws.clear_calls();
    let seen = counted(person, cases, || {
        for_all(cases.len(), cases.to_vec(), |case| {
            let mut client = case.starts(person, BUCKET);
            let answer = client.lists(CALLS);
            listed(case, answer, &client);
            client
        })
    });
    nothing_failed(person);
    aws.clear_faults();
    aws.clock().set(aws.clock().now() + BEHIND);
    aws.world(|world| world.role_session_life = None);
    person.rolecall(&["lock"]);
    seen
}

/// Hours that pass at once, by the clock of everybody - clients, agent and AWS.
///
/// libfaketime moves the clock of programs.
pub(super) struct Hours<'a> {
    person: &'a Person,
    agent: Child,
    clock: Hand,
    ahead: Mutex<TimeDelta>,
}

impl<'a> Hours<'a> {
    pub(super) fn begin(person: &'a Person) -> Self {
        let clock = Hand { library: library(), file: person.home.path("hand-of-the-clock") };
        clock.set(TimeDelta::zero());
        person.rolecall(&["agent", "stop"]);
        // By itself: `rolecall agent start` would not hand the variables on.
        let mut agent = person.home.command(env!("CARGO_BIN_EXE_rolecalld"));
        let agent = clock.moves(&mut agent).stderr(Stdio::null()).spawn().unwrap();
        until("the agent is there", || UnixStream::connect(person.home.socket()).is_ok());
        person.home.aws.clear_calls();
        Self { person, agent, clock, ahead: Mutex::new(TimeDelta::zero()) }
    }

    /// Twenty calls of each, on sessions of an hour: three hours.
    ///
    /// So long between two of them that one falls into the last 5 minutes of a session and one into the last 15, as these are
    /// the windows in which SDKs ask for the next.
    pub(super) fn pass(&self, cases: &[Case]) -> Vec<Asked> {
        const BETWEEN: TimeDelta = TimeDelta::seconds(570);
        counted(self.person, cases, || {
            let mut clients = for_all(processors(), cases.to_vec(), |case| (case, self.starts(case)));
            for _ in 0..CALLS {
                clients = for_all(processors(), clients, |(case, mut client)| {
                    let answer = client.lists(1);
                    listed(case, answer, &client);
                    (case, client)
                });
                self.moves_on(BETWEEN);
            }
            clients
        })
    }

    /// The same within one command, which makes its twenty calls on its own: each is held until the clock has been moved.
    pub(super) fn pass_within_a_command(&self, cases: &[Case]) -> Vec<Asked> {
        /// All of these have asked for the next session when less than this is left of one.
        const BETWEEN: TimeDelta = TimeDelta::minutes(10);
        let aws = &self.person.home.aws;
        let mut held = aws.hold_matching(Match::action("ListObjectsV2"));
        counted(self.person, cases, || {
            thread::scope(|scope| {
                let all = scope.spawn(|| {
                    for_all(cases.len(), cases.to_vec(), |case| {
                        let mut client = self.starts(case);
                        let answer = client.lists(CALLS);
                        listed(case, answer, &client);
                        client
                    })
                });
                for _ in 1..CALLS {
                    held.wait_for_arrivals(cases.len());
                    self.moves_on(BETWEEN);
                    // The next calls meet the next gate: it is there before these go on.
                    held = aws.hold_matching(Match::action("ListObjectsV2"));
                }
                held.wait_for_arrivals(cases.len());
                drop(held);
                all.join().unwrap()
            })
        })
    }

    fn starts(&self, case: Case) -> Lister {
        let mut command = case.command(self.person, BUCKET);
        Lister::start(self.clock.moves(&mut command))
    }

    fn moves_on(&self, by: TimeDelta) {
        let mut ahead = self.ahead.lock().unwrap();
        *ahead += by;
        self.clock.set(*ahead);
        self.person.home.aws.clock().advance(by.to_std().unwrap());
    }

    /// Goes back to the present.
    pub(super) fn end(mut self) {
        nothing_failed(self.person);
        self.person.rolecall(&["agent", "stop"]);
        self.agent.wait().unwrap();
        let clock = self.person.home.aws.clock();
        clock.set(clock.now() - *self.ahead.lock().unwrap());
    }
}

/// A clock for programs that are started under it.
struct Hand {
    library: PathBuf,
    file: PathBuf,
}

impl Hand {
    fn set(&self, ahead: TimeDelta) {
        // In one step: it is read while it is written.
        let next = self.file.with_extension("next");
        fs::write(&next, format!("+{}", ahead.num_seconds())).unwrap();
        fs::rename(next, &self.file).unwrap();
    }

    fn moves<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        // Only what the wall clock says: no timer, and no file that is found younger or older than it is.
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1")
    }
}

fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
    let below = Path::new("faketime/libfaketimeMT.so.1");
    let found = folders.map(|folder| folder.join(below)).find(|path| path.exists());
    found.expect("libfaketime is installed; `tests/run packages` does it")
}

/// Keys in variables: they serve as long as their session lives, and then nothing renews them.
///
/// Sessions live ten minutes, and AWS's clock is set ahead by a little more, which is within the tolerance of signatures.
pub(super) fn outlive_a_session(person: &Person, cases: Vec<Case>) -> Vec<Seen> {
    const LIFE: TimeDelta = TimeDelta::minutes(10);
    let aws = &person.home.aws;
    aws.world(|world| world.role_session_life = Some(LIFE));
    person.rolecall(&["lock"]);
    let counted = for_all(processors(), cases, |case| (case, count_asks(person, case)));
    let ahead = LIFE + TimeDelta::seconds(1);
    aws.clock().set(aws.clock().now() + ahead);
    let seen = for_all(processors(), counted, |(case, (mut seen, mut client))| {
        let over = client.lists(1).expect_err("the session is over");
        person.home.canaries.shown(&over);
        seen.over = super::page::plain(&over, person, &case.role());
        seen
    });
    aws.clock().set(aws.clock().now() - ahead);
    aws.world(|world| world.role_session_life = None);
    person.rolecall(&["lock"]);
    seen
}
