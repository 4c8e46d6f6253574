//! Codes from `mfa_process`: a program of the person's own, run for a caller who waits and for nobody else.

use super::{config, unlock, waits_for_next_code};
use crate::harness::inside::{Inside, until};
use crate::harness::process::lives;
use rolecall::domain::error::Kind;
use rolecall::protocol::message::Request;
use rolecall_sandbox::tutorials::{USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Role, World};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

const OPEN_ARN: &str = "arn:aws:iam::222222222222:role/Open";

/// An agent whose program runs a script that a test writes.
struct Scripted {
    agent: Inside,
    script: PathBuf,
    _dir: tempfile::TempDir,
}

fn scripted(session: &str) -> Scripted {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("code");
    let argv = format!("mfa_process = [\"/bin/sh\", \"{}\", \"a b\"]\nmfa_session = \"{session}\"\n", script.display());
    let config = config("").replace("region = \"eu-west-1\"\n", &format!("region = \"eu-west-1\"\n{argv}"));
    Scripted { agent: Inside::start_in(World::tutorials_with_mfa(), &config), script, _dir: dir }
}

impl Scripted {
    fn does(&self, script: &str) {
        std::fs::write(&self.script, format!("echo run >> {}.runs\n{script}\n", self.script.display())).unwrap();
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.script.with_extension("runs")).unwrap_or_default().lines().count()
    }

    /// Fails to get, and gives the reason.
    fn reason(&self) -> String {
        let report = self.agent.get("prod").expect_err("nobody can be asked");
        assert_eq!(report.kind, Kind::Locked, "{report:?}");
        report.hint.unwrap()
    }
}

#[test]
fn a_program_that_prints_the_code_serves_a_caller_whom_nobody_can_ask() {
    let it = scripted("12h");
    it.does(&format!("test \"$1\" = 'a b' && echo {}", it.agent.aws.mfa_code(USER_ARN)));
    it.agent.get("prod").expect("served");
    it.agent.get("prod").expect("served");
    assert_eq!(it.runs(), 1);
}

#[test]
fn what_a_program_does_wrong_is_said_and_passed_over() {
    let it = scripted("12h");
    it.agent.clock.advance(Duration::from_secs(30));
    for (script, why) in [
        ("echo 'no key is plugged in' >&2; exit 1", "no key is plugged in"),
        ("echo canary12345", "not six digits"),
        ("true", "printed nothing"),
        ("echo 1234567", "not six digits"),
        ("echo 123 456", "not six digits"),
    ] {
        it.agent.clock.advance(Duration::from_secs(3));
        it.does(script);
        let runs = it.runs();
        let reason = it.reason();
        assert_eq!((it.reason(), it.runs()), (reason.clone(), runs + 1), "a loop of tools is no loop of programs");
        assert!(reason.contains("`rolecall unlock auth`") && reason.contains(why), "{script}: {reason}");
        assert!(!reason.contains("canary"), "{reason}");
    }
    assert!(it.agent.aws.calls().is_empty(), "none of this is a code");
    it.agent.clock.advance(Duration::from_secs(3));
    it.does("echo 000000");
    assert!(it.reason().contains("AWS did not accept the code of `mfa_process`"));
    assert_eq!(it.agent.aws.count("GetSessionToken"), 1);
    unlock(&it.agent, "auth", &it.agent.aws.mfa_code(USER_ARN)).expect("a person's code");
    it.agent.get("prod").expect("served");
}

#[test]
fn a_program_that_never_ends_is_killed_with_all_it_started_and_nobody_else_waits() {
    let it = scripted("12h");
    let open = format!("\n[roles.open]\nsource = \"auth\"\nrole_arn = \"{OPEN_ARN}\"\nmfa = \"none\"\n");
    let config = std::fs::read_to_string(&it.agent.paths.config).unwrap();
    it.agent.edit(&(config + &open)).expect("taken over");
    it.agent.aws.world(|world| {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": USER_ARN}, "Action": "sts:AssumeRole"}]});
        let role = Role { account: WORKLOAD_ACCOUNT.into(), ..Role::new("Open", trust) };
        world.account(WORKLOAD_ACCOUNT).roles.insert("Open".into(), role);
        let may = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": OPEN_ARN}]});
        world.user(USER_ARN).permissions.inline.insert("Open".into(), may.into());
    });
    let pids = it.script.with_extension("pids");
    it.does(&format!("trap '' TERM HUP\nsleep 600 & echo $$ $! > {}; wait", pids.display()));
    let pids = || -> Vec<i32> {
        let said = std::fs::read_to_string(&pids).unwrap_or_default();
        if said.ends_with('\n') {
            said.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
        } else {
            Vec::new()
        }
    };
    std::thread::scope(|scope| {
        let hung = scope.spawn(|| it.reason());
        until("it runs", || pids().len() == 2);
        it.agent.get("open").expect("another role of the same identity is served meanwhile");
        assert!(pids().into_iter().all(lives) && !hung.is_finished(), "else there was nobody to be held up by");
        let reason = hung.join().unwrap();
        assert!(reason.contains("was not done within 15 seconds and was killed"), "{reason}");
    });
    until("it is gone, and what it started", || !pids().into_iter().any(lives));
    it.does(&format!("echo {}", it.agent.aws.mfa_code(USER_ARN)));
    it.agent.clock.advance(Duration::from_secs(4));
    it.agent.get("prod").expect("served once the program is well");
}

#[test]
fn a_used_code_has_the_program_run_again_in_the_next_half_minute() {
    let it = scripted("12h");
    let first = it.agent.aws.mfa_code(USER_ARN);
    unlock(&it.agent, "auth", &first).expect("the right code");
    it.agent.ask(Request::Lock).unwrap();
    it.does(&format!("echo {first}"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| it.agent.get("prod"));
        until("it gave the used code", || it.runs() == 1);
        until("it waits", || waits_for_next_code(&it.agent));
        let next = it.agent.aws.world(|world| {
            world.user(USER_ARN).mfa_devices[0].code_at(it.agent.aws.clock().now() + Duration::from_secs(30))
        });
        it.does(&format!("echo {next}"));
        it.agent.clock.advance(Duration::from_secs(30));
        waiting.join().unwrap().expect("served with the next code");
    });
    assert_eq!((it.runs(), it.agent.aws.count("GetSessionToken")), (2, 2));
}

#[test]
fn background_work_never_runs_the_program() {
    let it = scripted("15m");
    it.does(&format!("echo {}", it.agent.aws.mfa_code(USER_ARN)));
    it.agent.get("prod").expect("served");
    // The code's session is over; the role's own goes on, and comes to where it would be renewed.
    it.agent.pass(Duration::from_mins(20));
    it.agent.get("prod").expect("served");
    it.agent.clock.advance(Duration::from_mins(15));
    until("a renewal was tried", || it.agent.role("prod").error.is_some());
    assert_eq!(it.runs(), 1);
}
