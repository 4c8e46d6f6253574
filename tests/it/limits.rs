//! Limits: what a crowd costs the audit log and AWS, and how long something stays open.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::process::Running;
use crate::harness::wire::{NOBODY, as_user};
use rolecall_sandbox::World;
use rustix::process::Signal;
use std::fmt::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn thousands_of_refused_connects_are_two_lines() {
    const CONNECTS: u64 = 20_000;
    needs!("root");
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let mut agent = Running::agent(&home);
    // The way to the socket is opened for everybody, as by a careless `chmod`.
    let ways = [home.path(""), home.path("run"), home.path("run/rolecall"), home.socket()];
    for way in &ways {
        set_mode(way, 0o777);
    }
    as_user(NOBODY, || (0..CONNECTS).for_each(|_| drop(UnixStream::connect(home.socket()).unwrap())));
    for way in &ways {
        set_mode(way, 0o700);
    }
    until("all are turned away", || home.status()["counts"]["turned_away"] == CONNECTS);
    until("the first is noted", || !home.events("refuse").is_empty());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
    let noted = home.events("refuse");
    let [first, count] = noted.as_slice() else { panic!("{} lines", noted.len()) };
    assert!(first["message"].as_str().unwrap().contains("uid 65534"), "{first}");
    assert_eq!((&count["result"], &count["count"]), (&"repeated".into(), &(CONNECTS - 1).into()), "{count}");
    assert!(home.audit().lines().count() < 10, "{}", home.audit());
}

#[test]
fn cold_roles_are_fetched_sixteen_at_a_time() {
    const ROLES: usize = 60;
    let mut config = TUTORIAL.to_owned();
    for n in 0..ROLES {
        let role = "role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"";
        write!(config, "\n[roles.r{n}]\nsource = \"auth\"\n{role}\nrole_session_name = \"s{n}\"\n").unwrap();
    }
    let agent = Inside::start_in(World::tutorials(), &config);
    let hold = agent.aws.hold();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..ROLES)
            .map(|n| {
                scope.spawn({
                    let agent = &agent;
                    move || agent.get(&format!("r{n}"))
                })
            })
            .collect();
        until("all have asked", || agent.status().counts.gets == ROLES as u64);
        hold.wait_for_arrivals(16);
        hold.release();
        for caller in callers {
            caller.join().unwrap().expect("served, in its turn");
        }
    });
    assert_eq!(agent.aws.most_at_once(), 16);
    assert_eq!(agent.status().counts.sts_calls, ROLES as u64);
}

#[test]
fn max_unlocked_locks_what_is_used_all_the_time() {
    let agent = Inside::start(&format!("[agent]\nidle_lock = \"never\"\nmax_unlocked = \"2h\"\n{TUTORIAL}"));
    for _ in 0..30 {
        agent.clock.advance(10 * MINUTE);
        agent.status();
    }
    assert_eq!(agent.vault.locks(), 0, "nothing is open yet");
    for round in 1..=2 {
        for _ in 0..12 {
            assert_eq!(agent.vault.locks(), round - 1);
            agent.get("prod").expect("served");
            agent.pass(10 * MINUTE);
        }
        until("it is locked", || agent.vault.locks() == round);
    }
    assert!(agent.role("prod").session.is_none());
    until("it is logged", || {
        let reasons = agent.audit("lock").into_iter().map(|line| line["message"].to_string());
        reasons.filter(|reason| reason.contains("max_unlocked")).count() == 2
    });
}

#[test]
fn max_unlocked_is_a_duration_or_never() {
    let with = |value: &str| format!("[agent]\nvault = \"file\"\nmax_unlocked = \"{value}\"\n{TUTORIAL}");
    let home = Home::bare(&with("30s"));
    let refused = home.run(["get", "prod"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("30s is not between 1m and 365d"), "{}", text(&refused.stderr));
    for value in ["12h", "never"] {
        home.configure(&with(value));
        let asked = home.run(["get", "prod"]);
        assert_eq!(asked.status.code(), Some(4), "the vault is locked: {}", text(&asked.stderr));
    }
}
