//! Sessions that end while a client works: no call may fail, or, where the session stands in variables, what the client shows.

use super::{Asked, BUCKET, Seen, asks, count_asks, for_all, listed, plain::plain, processors};
use crate::hours::Hours;
use crate::lister::Lister;
use crate::person::Person;
use crate::roster::{CALLS, Case};
use chrono::TimeDelta;
use rolecall_sandbox::{Fault, FaultKind, Match};
use std::thread;
use std::time::Duration;

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
    person.nothing_failed();
    aws.clear_faults();
    aws.clock().set(aws.clock().now() + BEHIND);
    aws.world(|world| world.role_session_life = None);
    person.rolecall(&["lock"]);
    seen
}

/// Twenty calls of each, on sessions of an hour: three hours.
///
/// So long between two of them that one falls into the last 5 minutes of a session and one into the last 15, as these are the
/// windows in which SDKs ask for the next.
pub(super) fn in_hours(hours: &Hours<'_>, cases: &[Case]) -> Vec<Asked> {
    const BETWEEN: TimeDelta = TimeDelta::seconds(570);
    counted(hours.person, cases, || {
        let mut clients = for_all(processors(), cases.to_vec(), |case| (case, starts(hours, case)));
        for _ in 0..CALLS {
            clients = for_all(processors(), clients, |(case, mut client)| {
                let answer = client.lists(1);
                listed(case, answer, &client);
                (case, client)
            });
            hours.move_on(BETWEEN);
        }
        clients
    })
}

/// The same within one command, which makes its twenty calls on its own: each is held until the clock has been moved.
pub(super) fn in_hours_of_a_command(hours: &Hours<'_>, cases: &[Case]) -> Vec<Asked> {
    // All of these have asked for the next session when less than this is left of one.
    const BETWEEN: TimeDelta = TimeDelta::minutes(10);
    let aws = &hours.person.home.aws;
    let mut held = aws.hold_matching(Match::action("ListObjectsV2"));
    counted(hours.person, cases, || {
        thread::scope(|scope| {
            let all = scope.spawn(|| {
                for_all(cases.len(), cases.to_vec(), |case| {
                    let mut client = starts(hours, case);
                    let answer = client.lists(CALLS);
                    listed(case, answer, &client);
                    client
                })
            });
            for _ in 1..CALLS {
                held.wait_for_arrivals(cases.len());
                hours.move_on(BETWEEN);
                // The next calls meet the next gate: it is there before these go on.
                held = aws.hold_matching(Match::action("ListObjectsV2"));
            }
            held.wait_for_arrivals(cases.len());
            drop(held);
            all.join().unwrap()
        })
    })
}

fn starts(hours: &Hours<'_>, case: Case) -> Lister {
    Lister::start(case.command(hours.person, BUCKET).envs(hours.variables()))
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
        seen.over = plain(&over, person, &case.role());
        seen
    });
    aws.clock().set(aws.clock().now() - ahead);
    aws.world(|world| world.role_session_life = None);
    person.rolecall(&["lock"]);
    seen
}
