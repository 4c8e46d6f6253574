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
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The same for each: starts them, has all of them list twenty times at once, and counts what they asked for.
fn list_at_once(person: &Person, cases: &[Case], starts: impl Fn(Case) -> Lister + Sync) -> Vec<Asked> {
    for_all(cases.len(), cases.to_vec(), |case| {
        let mut client = starts(case);
        let before = asks(person, &case.role());
        let answer = client.lists(CALLS);
        listed(case, answer, &client);
        let after = asks(person, &case.role());
        Asked { times: after.times - before.times, sessions: after.sessions - before.sessions }
    })
}

/// Fails if AWS refused anything: an SDK may try again by itself, and that is no success.
fn nothing_failed(person: &Person) {
    let failed: Vec<_> = person.home.aws.calls().into_iter().filter(|call| call.status != 200).collect();
    assert_eq!(failed, [], "no call failed");
}

/// Twenty slow calls on sessions that are over sooner: all have to succeed, whatever sessions that takes.
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
    let seen = list_at_once(person, cases, |case| case.starts(person, BUCKET));
    nothing_failed(person);
    aws.clear_faults();
    aws.clock().set(aws.clock().now() + BEHIND);
    aws.world(|world| world.role_session_life = None);
    person.rolecall(&["lock"]);
    seen
}

/// Twenty calls, ten minutes apart by the clock of everybody - client, agent and AWS -, on sessions of an hour.
///
/// libfaketime moves it. It does so for what calls the C library for the time, which programs in Go do not.
pub(super) fn in_hours(person: &Person, cases: &[Case]) -> Vec<Asked> {
    const BETWEEN: TimeDelta = TimeDelta::minutes(10);
    let aws = &person.home.aws;
    let clock = Hand { library: library(), file: person.home.path("hand-of-the-clock") };
    clock.set(TimeDelta::zero());
    person.rolecall(&["agent", "stop"]);
    let mut agent = person.home.rolecall(["agent", "run"]);
    let mut agent = clock.moves(&mut agent).spawn().unwrap();
    until("the agent is there", || UnixStream::connect(person.home.socket()).is_ok());
    aws.clear_calls();
    let mut held = aws.hold_matching(Match::action("ListObjectsV2"));
    let seen = thread::scope(|scope| {
        let all = scope.spawn(|| {
            list_at_once(person, cases, |case| {
                let mut command = case.command(person, BUCKET);
                Lister::start(clock.moves(&mut command))
            })
        });
        let mut ahead = TimeDelta::zero();
        for _ in 1..CALLS {
            held.wait_for_arrivals(cases.len());
            ahead += BETWEEN;
            clock.set(ahead);
            aws.clock().advance(BETWEEN.to_std().unwrap());
            // The next calls meet the next gate: it is there before these go on.
            held = aws.hold_matching(Match::action("ListObjectsV2"));
        }
        held.wait_for_arrivals(cases.len());
        drop(held);
        all.join().unwrap()
    });
    nothing_failed(person);
    person.rolecall(&["agent", "stop"]);
    agent.wait().unwrap();
    aws.clock().set(aws.clock().now() - BETWEEN * i32::try_from(CALLS - 1).unwrap());
    seen
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
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
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
