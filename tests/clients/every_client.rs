//! Every client by every way that it supports, and the page about them: `docs/clients.md` says what was seen here.

mod failures;
mod page;
mod plain;
mod renewal;

use crate::hours::Hours;
use crate::lister::Lister;
use crate::person::Person;
use crate::roster::{CALLS, Case, Kind, WAYS, Way, cases, keys};
use failures::Failures;
use rolecall_sandbox::Bucket;
use rolecall_sandbox::tutorials::{REGION, ROLE_ARN, WORKLOAD_ACCOUNT};
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

const BUCKET: &str = "many-calls-222222222222";

/// An empty bucket, which restic writes its repositories to.
const BACKUPS: &str = "many-calls-222222222222-backups";

/// A Delta table of one file, of which deltalake reads the log.
const TABLE: &str = "many-calls-222222222222-table";

/// A role that no client has; a line about it in the audit log shows that those before it are written.
const MARKER: &str = "marker";

/// What was seen of a client by one way.
#[derive(Clone, Debug, Default)]
struct Seen {
    version: String,
    /// How often it asked for one listing, and for twenty more.
    once: usize,
    twenty: usize,
    /// The same for twenty calls over the ends of sessions.
    renewing: Asked,
    /// What it shows when the session in its variables is over.
    over: String,
    failures: Failures,
}

/// How often the agent was asked, and how many sessions it gave.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    times: usize,
    sessions: usize,
}

/// A person with a bucket, and a role and a profile for each client and way.
fn person() -> Person {
    let person = Person::new(None);
    person.home.aws.world(|world| {
        let bucket = keys().iter().fold(Bucket::new(WORKLOAD_ACCOUNT, REGION), |b, key| b.with_object(key, "content"));
        world.buckets.insert(BUCKET.to_owned(), bucket);
        world.buckets.insert(BACKUPS.to_owned(), Bucket::new(WORKLOAD_ACCOUNT, REGION));
        let table = Bucket::new(WORKLOAD_ACCOUNT, REGION);
        world.buckets.insert(TABLE.to_owned(), table.with_object("_delta_log/00000000000000000000.json", table_log()));
        let writes = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": format!("arn:aws:s3:::{BACKUPS}/*"),
            "Action": ["s3:PutObject", "s3:DeleteObject"]}]});
        world.role(ROLE_ARN).permissions.inline.insert("backups".to_owned(), writes.into());
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

/// The log of the table: its version, its columns, its file.
fn table_log() -> String {
    let field = json!({"name": "n", "type": "long", "nullable": true, "metadata": {}});
    let schema = json!({"type": "struct", "fields": [field]}).to_string();
    let actions = [
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        json!({"metaData": {"id": "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", "format": {"provider": "parquet", "options": {}},
            "schemaString": schema, "partitionColumns": [], "configuration": {}, "createdTime": 0}}),
        json!({"add": {"path": "part-0.parquet", "partitionValues": {}, "size": 1, "modificationTime": 0, "dataChange": true}}),
    ];
    actions.map(|action| action.to_string()).join("\n")
}

/// What a role was asked for so far: how often, and the sessions that were given.
fn asks(person: &Person, role: &str) -> Asked {
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
    Asked { times: of(role).len() + usize::try_from(served).unwrap(), sessions: sessions.len() }
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
        Ok(found) => assert_eq!(found, case.tool.expected(), "{case:?}"),
        Err(said) => panic!("{} by {}: {said}\n{}", case.tool.name, case.way.name(), client.complaints()),
    }
}

/// One listing and twenty more, on a session that lives on.
fn count_asks(person: &Person, case: Case) -> (Seen, Lister) {
    let role = case.role();
    let before = asks(person, &role).times;
    let mut client = case.starts(person, BUCKET);
    let version = client.version();
    let answer = client.lists(1);
    listed(case, answer, &client);
    let once = asks(person, &role).times - before;
    let answer = client.lists(case.tool.more_calls());
    listed(case, answer, &client);
    let twenty = asks(person, &role).times - before - once;
    (Seen { version, once, twenty, ..Seen::default() }, client)
}

/// Has each case tried, and notes what comes of it.
fn note<T: Send>(
    seen: &mut [(Case, Seen)],
    which: impl Fn(Case) -> bool,
    tried: impl FnOnce(Vec<Case>) -> Vec<T>,
    noted: impl Fn(&mut Seen, T),
) {
    let cases: Vec<Case> = seen.iter().map(|(case, _)| *case).filter(|case| which(*case)).collect();
    let chosen = seen.iter_mut().filter(|(case, _)| which(*case));
    for ((_, seen), found) in chosen.zip(tried(cases)) {
        noted(seen, found);
    }
}

#[test]
fn every_client_lists_the_bucket_by_every_way_it_supports_and_the_page_says_how() {
    let mut person = person();
    let asking = |case: Case| case.way != Way::Environment;
    let mut seen: Vec<_> = cases(&WAYS).into_iter().map(|case| (case, Seen::default())).collect();
    note(
        &mut seen,
        asking,
        |cases| for_all(processors(), cases, |case| count_asks(&person, case).0),
        |seen, found| *seen = found,
    );
    assert_eq!(person.home.aws.count("AssumeRole"), 1, "one session serves them all");
    note(
        &mut seen,
        |case| !asking(case),
        |cases| renewal::outlive_a_session(&person, cases),
        |seen, found| *seen = found,
    );
    for (case, seen) in &seen {
        assert_eq!((seen.once, seen.twenty), case.asks_of_an_hour(), "{case:?}");
    }

    let renews = |case: Case| asking(case) && case.tool.kind != Kind::Short;
    let in_hours = |case: Case| renews(case) && case.tool.has_a_movable_clock();
    let (commands, programs) = (
        |case: Case| in_hours(case) && case.tool.kind == Kind::Command,
        |case: Case| in_hours(case) && case.tool.kind == Kind::Program,
    );
    let hours = Hours::begin(&person);
    note(&mut seen, programs, |cases| renewal::in_hours(&hours, &cases), |seen, found| seen.renewing = found);
    note(
        &mut seen,
        commands,
        |cases| renewal::in_hours_of_a_command(&hours, &cases),
        |seen, found| seen.renewing = found,
    );
    hours.end();
    let in_seconds = |case: Case| renews(case) && !case.tool.has_a_movable_clock();
    note(&mut seen, in_seconds, |cases| renewal::in_seconds(&person, &cases), |seen, found| seen.renewing = found);
    let renewing = seen.iter().filter(|(case, _)| renews(*case)).map(|(case, seen)| (*case, seen.renewing));
    let wrong: Vec<_> = renewing
        .filter(|(case, asked)| asked.sessions < 2 || asked.times > case.most_asks(CALLS, asked.sessions))
        .map(|(case, asked)| (case.role(), asked))
        .collect();
    assert!(
        wrong.is_empty(),
        "these ask more often than they have to, or went on with a session that was over: {wrong:#?}"
    );

    let mut at_start = Vec::new();
    note(
        &mut seen,
        asking,
        |cases| {
            let (each, starts) = failures::of_all(&mut person, &cases);
            at_start = starts;
            each
        },
        |seen, found| seen.failures = found,
    );
    page::hold(&at_start, &seen);
}
