//! What AWS refuses, limits or demands on the way.

use super::{ACTIONS, Key, allow, config, has_one_working_key, keys, opens, rotate, rotate_telling, start, with_mfa};
use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, until};
use crate::harness::programs::ROLECALL;
use rolecall::client::{self, Autostart};
use rolecall::domain::error::Kind;
use rolecall::domain::secret::MfaCode;
use rolecall::protocol::message::{Context, Request};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN};
use rolecall_sandbox::{Fault, FaultKind, KeyStatus, Match, MfaDevice, World};
use serde_json::json;
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::Mutex;

#[test]
fn throttling_and_outages_are_waited_out_without_a_second_key() {
    let agent = start();
    let ill = FaultKind::Error { status: 503, code: "ServiceUnavailable".into(), message: "later".into() };
    agent.aws.fault(Fault::on("CreateAccessKey", FaultKind::Throttle).times(4));
    agent.aws.fault(Fault::on("ListAccessKeys", FaultKind::Throttle).times(4));
    agent.aws.fault(Fault::on("UpdateAccessKey", ill.clone()).times(4));
    agent.aws.fault(Fault::on("DeleteAccessKey", FaultKind::Drop).times(4));
    let (done, told) = rotate_telling(&agent, None);
    done.expect("rotated");
    assert!(told.iter().any(|p| p.step == "wait" && p.text.contains("trying again")), "{told:?}");
    assert_eq!(agent.aws.count("CreateAccessKey"), 5, "four turned away, one done");
    has_one_working_key(&agent);
}

#[test]
fn who_is_denied_what_is_said_with_the_statement_and_a_granted_rotation_goes_on() {
    for denied in ACTIONS {
        let mut world = World::tutorials();
        let granted: Vec<&str> = ACTIONS.into_iter().filter(|action| *action != denied).collect();
        allow(&mut world, &granted, None);
        let agent = Inside::start_in(world, &config());
        let report = rotate(&agent).expect_err(denied);
        assert_eq!(report.kind, Kind::Refused, "{report:?}");
        assert!(report.message.contains(denied) && report.message.contains("AccessDenied"), "{report:?}");
        let hint = report.hint.expect("a hint");
        assert!(hint.contains(&format!("auth ({USER_ARN}) needs {denied}")), "{hint}");
        assert!(hint.contains("\"Resource\": \"arn:aws:iam::111111111111:user/${aws:username}\""), "{hint}");
        assert!(hint.contains("`mfa_serial`"), "{hint}");
        opens(&agent);
        let after = ["iam:UpdateAccessKey", "iam:DeleteAccessKey"].contains(&denied);
        assert_eq!(!agent.status().warnings.is_empty(), after, "{denied}: {:?}", agent.status().warnings);
        agent.aws.world(|world| allow(world, &ACTIONS, None));
        let done = rotate(&agent).expect("granted");
        assert_eq!(done.resumed, after, "{denied}");
        has_one_working_key(&agent);
    }
}

#[test]
fn where_the_policy_demands_mfa_a_session_with_a_code_signs() {
    let mut world = World::tutorials();
    world.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "richard"));
    allow(&mut world, &ACTIONS, Some(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}})));
    let agent = Inside::start_in(world, &with_mfa());
    let report = rotate(&agent).expect_err("nobody gave a code");
    assert_eq!((report.kind, report.kind.exit_code()), (Kind::Locked, 4), "{report:?}");
    assert!(report.hint.as_deref().is_some_and(|hint| hint.contains("`rolecall unlock auth`")), "{report:?}");
    assert_eq!(agent.aws.count("CreateAccessKey"), 0);
    let code = MfaCode::new(agent.aws.mfa_code(USER_ARN));
    agent.ask(Request::Unlock { name: None, code }).expect("the right code");
    let (done, told) = rotate_telling(&agent, None);
    done.expect("rotated");
    assert!(told.iter().any(|p| p.step == "mfa"), "{told:?}");
    assert_eq!(agent.aws.count("GetSessionToken"), 1, "one code");
    assert_eq!(keys(&agent.aws).len(), 1);
    assert_eq!(keys(&agent.aws)[0].id, agent.vault.stored("auth").key.id);
    let iam: Vec<_> =
        agent.aws.calls().into_iter().filter(|call| call.service == "iam" && call.status == 200).collect();
    assert!(iam.iter().all(|call| call.access_key_id.as_ref().is_some_and(|id| id.starts_with("ASIA"))), "{iam:?}");
}

#[test]
fn a_second_key_is_named_and_goes_only_where_somebody_says_so() {
    let agent = start();
    let other = Key::generate();
    agent.aws.world(|world| world.user(USER_ARN).access_keys.push(other.clone()));
    let report = rotate(&agent).expect_err("two keys");
    assert!(report.message.contains(&format!("{} (active, made 2026-11-01)", other.id)), "{report:?}");
    let hint = report.hint.expect("a hint");
    assert!(hint.contains(&format!("`rolecall identity rotate auth --delete {}`", other.id)), "{hint}");
    assert!(hint.contains("console"), "{hint}");
    assert_eq!(agent.aws.count("CreateAccessKey"), 0);

    let own = agent.vault.stored("auth").key.id;
    let report = rotate_telling(&agent, Some(&own)).0.expect_err("the key in use");
    assert_eq!(report.kind, Kind::Usage);
    let report = rotate_telling(&agent, Some("AKIAIOSFODNN7EXAMPLE")).0.expect_err("no such key");
    assert!(report.message.contains("has no access key AKIAIOSFODNN7EXAMPLE"), "{report:?}");
    assert_eq!(keys(&agent.aws).len(), 2, "nothing was deleted");

    let done = rotate_telling(&agent, Some(&other.id)).0.expect("rotated");
    assert_eq!(done.deleted, [other.id]);
    has_one_working_key(&agent);
}

#[test]
fn a_quota_that_is_met_at_the_last_moment_names_the_other_key() {
    let agent = start();
    let hold = agent.aws.hold_matching(Match::action("CreateAccessKey"));
    let other = Key::generate();
    let report = std::thread::scope(|scope| {
        let rotation = scope.spawn(|| rotate(&agent));
        hold.wait_for_arrivals(1);
        agent.aws.world(|world| world.user(USER_ARN).access_keys.push(other.clone()));
        hold.release();
        rotation.join().unwrap().expect_err("no room")
    });
    assert!(report.message.contains(&other.id) && report.hint.is_some(), "{report:?}");
    assert!(agent.status().warnings.is_empty(), "nothing was begun: {:?}", agent.status().warnings);
    opens(&agent);
}

#[test]
fn a_role_an_unknown_name_and_a_foreign_key_are_refused_before_aws_is_asked() {
    let agent = start();
    let rotate = |name: &str| {
        let request = Request::IdentityRotate { name: name.into(), delete: None };
        client::ask(&agent.paths, request, Context::default(), Autostart::No).expect_err(name)
    };
    assert!(rotate("prod").hint.is_some_and(|hint| hint.contains("`rolecall identity rotate auth`")));
    assert_eq!(rotate("nobody").kind, Kind::Config);
    let mut root = agent.vault.stored("auth");
    root.arn = "arn:aws:iam::111111111111:root".to_owned();
    agent.vault.put("auth", root);
    assert!(rotate("auth").message.contains("cannot be rotated"));
    assert!(agent.aws.calls().is_empty());
}

#[test]
fn a_key_that_is_off_at_aws_is_told_at_once() {
    let agent = start();
    agent.aws.world(|world| world.user(USER_ARN).access_keys[0].status = KeyStatus::Inactive);
    let report = rotate(&agent).expect_err("it cannot sign");
    assert_eq!((report.kind, agent.aws.count("ListAccessKeys")), (Kind::Refused, 1), "{report:?}");
    assert!(report.hint.as_deref().is_some_and(|hint| hint.contains("`rolecall doctor auth`")), "{report:?}");
}

/// The person at the terminal where the rotation was typed is asked there: for consent, and for the code that IAM wants.
#[test]
fn at_a_terminal_it_asks_for_consent_and_for_the_code_that_the_policy_demands() {
    let home = Home::ready(&with_mfa());
    home.aws.world(|world| {
        world.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "richard"));
        allow(world, &ACTIONS, Some(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}})));
    });
    let command = format!("{ROLECALL} identity rotate auth");
    let mut script = home.command("script");
    script.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = script.spawn().expect("`script` gives a command a terminal");
    let (mut keyboard, mut screen) = (terminal.stdin.take().unwrap(), terminal.stdout.take().unwrap());
    let seen = Mutex::new(String::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = [0; 1024];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                seen.lock().unwrap().push_str(&text(&bytes[..count]));
            }
        });
        let shows = |what: &str| seen.lock().unwrap().contains(what);
        until("it asks for consent", || shows("delete the old one at AWS? [y/N]"));
        keyboard.write_all(b"y\r").unwrap();
        until("it asks for the code", || shows("MFA code of auth"));
        keyboard.write_all(format!("{}\r", home.aws.mfa_code(USER_ARN)).as_bytes()).unwrap();
        until("it is done", || shows("is in use"));
    });
    assert!(terminal.wait().unwrap().success());
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.matches("MFA code of auth").count(), 1, "{seen}");
    assert_eq!(home.aws.count("GetSessionToken"), 1);
    assert!(!seen.contains(&home.aws.mfa_code(USER_ARN)), "what is typed is not shown: {seen}");
    let keys = keys(&home.aws);
    assert_eq!(keys.len(), 1);
    home.canaries.add(&keys[0].secret);
    home.canaries.shown(&seen);
}
