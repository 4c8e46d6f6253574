//! Every client by every way that it supports, and the page about them: `docs/clients.md` says what was seen here.

mod page;

use crate::lister::Lister;
use crate::person::Person;
use crate::roster::{Case, WAYS, Way, cases};
use rolecall_sandbox::tutorials::{REGION, ROLE_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Bucket, Fault, FaultKind};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const BUCKET: &str = "many-calls-222222222222";

/// Twenty keys, so that a command which lists page by page makes twenty calls.
const CALLS: usize = 20;

/// A role that no client has; a line about it in the audit log shows that those before it are written.
const MARKER: &str = "marker";

/// What was seen of a client by one way.
#[derive(Clone, Debug, Default)]
struct Seen {
    version: String,
    /// How often it asked for one listing, and for twenty more.
    once: usize,
    twenty: usize,
    /// The same for twenty calls on sessions of some seconds, and how many sessions it was given.
    short: Short,
    locked: Complaint,
    refused: Complaint,
}

#[derive(Clone, Debug, Default)]
struct Short {
    asks: usize,
    sessions: usize,
}

/// What a client shows instead of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Complaint {
    /// Its own words.
    own: String,
    /// Whether rolecall's cause is among them.
    is_repeated: bool,
    /// Whether rolecall's lines stand beside them, on standard error.
    is_beside: bool,
}

fn keys() -> Vec<String> {
    (1..=CALLS).map(|n| format!("{n:03}")).collect()
}

/// A person with a bucket, and a role and a profile for each client and way.
fn person() -> Person {
    let person = Person::new(None);
    person.home.aws.world(|world| {
        let bucket = keys().iter().fold(Bucket::new(WORKLOAD_ACCOUNT, REGION), |b, key| b.with_object(key, "content"));
        world.buckets.insert(BUCKET.to_owned(), bucket);
    });
    person.add_key();
    let mut config = std::fs::read_to_string(person.home.config()).unwrap();
    for role in cases(&WAYS).into_iter().map(Case::role).chain([MARKER.to_owned()]) {
        write!(config, "\n[roles.{role}]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\n").unwrap();
    }
    person.home.configure(&config);
    person.rolecall(&["profiles", "sync"]);
    person
}

/// What a role was asked for so far: how often, and the sessions that were given.
fn asks(person: &Person, role: &str) -> Short {
    let about = |event: &str, name: &str| -> Vec<_> {
        person.home.events(event).into_iter().filter(|line| line["name"] == name).collect()
    };
    let (of, of_endpoint) = (|name: &str| about("get", name), |name: &str| about("endpoint", name));
    let before = of(MARKER).len();
    // Whatever it is answered, it is written down.
    let _ = person.home.run(["get", MARKER]);
    crate::harness::inside::until("the audit log is written", || of(MARKER).len() > before);
    let lines: Vec<_> = of(role).into_iter().chain(of_endpoint(role)).collect();
    let sessions: BTreeSet<_> = lines.iter().filter_map(|line| line["access_key_id"].as_str()).collect();
    // An endpoint writes each session down once, and counts how often it gave one.
    let status = person.home.status();
    let grants = status["endpoint"]["grants"].as_array().cloned().unwrap_or_default();
    let grants = grants.iter().filter(|grant| grant["name"] == role);
    let served: u64 = grants.map(|grant| grant["served"].as_u64().expect("a number")).sum();
    Short { asks: of(role).len() + usize::try_from(served).unwrap(), sessions: sessions.len() }
}

/// Does something for every case, so many at a time, and gives what came of it in their order.
fn for_all<I: Send, T: Send>(at_once: usize, cases: Vec<I>, each: impl Fn(I) -> T + Sync) -> Vec<T> {
    let work: Vec<_> = cases.into_iter().map(|case| Mutex::new((Some(case), None))).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..at_once.min(work.len()) {
            scope.spawn(|| {
                while let Some(place) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
                    let case = place.0.take().expect("each is done once");
                    place.1 = Some(each(case));
                }
            });
        }
    });
    work.into_iter().map(|place| place.into_inner().unwrap().1.expect("all are done")).collect()
}

/// How many clients start at a time: they are kept busy by their own start.
fn processors() -> usize {
    thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

#[track_caller]
fn listed(case: Case, answer: Result<Vec<String>, String>, client: &Lister) {
    match answer {
        Ok(found) => assert_eq!(found, keys(), "{case:?}"),
        Err(said) => panic!("{} by {}: {said}\n{}", case.tool.name, case.way.name(), client.complaints()),
    }
}

/// One listing and twenty more, on a session of an hour.
fn count_asks(person: &Person, case: Case) -> Seen {
    let role = case.role();
    let before = asks(person, &role).asks;
    let mut client = case.starts(person, BUCKET);
    let version = client.version();
    listed(case, client.lists(1), &client);
    let once = asks(person, &role).asks - before;
    listed(case, client.lists(CALLS), &client);
    let twenty = asks(person, &role).asks - before - once;
    Seen { version, once, twenty, ..Seen::default() }
}

/// Starts all of them, before any wants credentials.
fn waiting(person: &Person, cases: &[Case]) -> Vec<(Case, Lister)> {
    for_all(processors(), cases.to_vec(), |case| (case, case.starts(person, BUCKET)))
}

/// Gives what each shows now that something has gone wrong, and whether the cause is part of it.
fn complaints(person: &Person, waiting: Vec<(Case, Lister)>, cause: &str) -> Vec<Complaint> {
    for_all(processors() * 2, waiting, |(case, mut client)| {
        let own = client.lists(1).expect_err("there is nothing to list with");
        let beside = client.complaints();
        person.home.canaries.shown(&own);
        person.home.canaries.shown(&beside);
        let is_beside = beside.lines().any(|line| line.starts_with("rolecall: ") && line.contains(cause));
        Complaint { is_repeated: own.contains(cause), is_beside, own: page::plain(&own, person, &case.role()) }
    })
}

/// Twenty slow calls on sessions that are over sooner: all have to succeed, whatever sessions that takes.
///
/// A session lives 64 s, of which the agent hands out the first 4, as it never gives one of its last minute away. The clock of
/// AWS is 55 s behind, which is within the tolerance of signatures: so a client, which trusts its own clock, sees a
/// session of 9 s at most, and nobody has to wait for a minute. A call takes 0.6 s.
fn live_through_renewals(person: &Person, cases: &[Case]) -> Vec<Short> {
    const LIFE: i64 = 64;
    const BEHIND: i64 = 55;
    const CALL: Duration = Duration::from_millis(600);
    let aws = &person.home.aws;
    aws.clock().set(aws.clock().now() - chrono::TimeDelta::seconds(BEHIND));
    aws.world(|world| world.role_session_life = Some(chrono::TimeDelta::seconds(LIFE)));
    person.rolecall(&["lock"]);
    for action in ["ListObjects", "ListObjectsV2"] {
        aws.fault(Fault::on(action, FaultKind::Delay(CALL)));
    }
    aws.clear_calls();
    let seen = for_all(cases.len(), cases.to_vec(), |case| {
        let mut client = case.starts(person, BUCKET);
        let before = asks(person, &case.role());
        listed(case, client.lists(CALLS), &client);
        let after = asks(person, &case.role());
        Short { asks: after.asks - before.asks, sessions: after.sessions - before.sessions }
    });
    let failed: Vec<_> = aws.calls().into_iter().filter(|call| call.status != 200).collect();
    assert_eq!(failed, [], "no call failed");
    aws.clear_faults();
    aws.clock().set(aws.clock().now() + chrono::TimeDelta::seconds(BEHIND));
    aws.world(|world| world.role_session_life = None);
    person.rolecall(&["lock"]);
    seen
}

#[test]
fn every_client_lists_the_bucket_by_every_way_it_supports_and_the_page_says_how() {
    let mut person = person();
    let all = cases(&WAYS);
    let mut seen = for_all(processors(), all.clone(), |case| count_asks(&person, case));
    for (case, seen) in all.iter().zip(&seen) {
        // Of the environment it is `rolecall env` that asks.
        let asks = if case.way == Way::Environment { 1 } else { case.tool.first_asks };
        // Twenty calls of what has its session already need none; a command of the CLI is a process of its own.
        let again = if case.tool.is_command && case.way != Way::Environment { asks } else { 0 };
        assert_eq!((seen.once, seen.twenty), (asks, again), "{case:?}");
    }
    assert_eq!(person.home.aws.count("AssumeRole"), 1, "one session serves them all");

    // Keys in the environment renew themselves in no client, and `rolecall env` itself says why there are none.
    let at: Vec<usize> = (0..all.len()).filter(|at| all[*at].way != Way::Environment).collect();
    let asking: Vec<Case> = at.iter().map(|at| all[*at]).collect();
    let renewing: Vec<usize> = at.iter().copied().filter(|at| all[*at].shows_renewal()).collect();
    let cases: Vec<Case> = renewing.iter().map(|at| all[*at]).collect();
    for (at, short) in renewing.iter().zip(live_through_renewals(&person, &cases)) {
        assert!(short.sessions >= 2, "{:?} went on with a session that was over: {short:?}", all[*at]);
        seen[*at].short = short;
    }
    let started = waiting(&person, &asking);
    let nobody = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::111111111111:user/nobody"}}]});
    let trust = person.home.aws.world(|world| std::mem::replace(&mut world.role(ROLE_ARN).trust, nobody.into()));
    person.rolecall(&["lock"]);
    let refused = complaints(&person, started, "is not authorized to perform: sts:AssumeRole");
    person.home.aws.world(|world| world.role(ROLE_ARN).trust = trust);
    // What AWS refused is remembered for some seconds; not by an agent that has forgotten.
    person.rolecall(&["lock"]);
    let started = waiting(&person, &asking);
    person.lock_keyring();
    person.rolecall(&["lock"]);
    let locked = complaints(&person, started, "the keyring is locked");
    for (at, (locked, refused)) in at.iter().zip(locked.into_iter().zip(refused)) {
        (seen[*at].locked, seen[*at].refused) = (locked, refused);
    }
    page::hold(&all.into_iter().zip(seen).collect::<Vec<_>>());
}
