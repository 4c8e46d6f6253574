//! Rotation of a key: every order of things that can go wrong ends with one working key, and the vault's key works at
//! every moment.

use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, TUTORIAL, stored, until};
use crate::harness::memory_vault::Mood;
use crate::harness::process::{lives, signal};
use rolecall::client::{self, Autostart};
use rolecall::domain::credential::AccessKey;
use rolecall::domain::report::{Kind, Report};
use rolecall::domain::secret::{MfaCode, SecretKey};
use rolecall::ports::NewKey;
use rolecall::protocol::message::{Answer, Context, Progress, Request};
use rolecall::protocol::status::Rotated;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN};
use rolecall_sandbox::{AccessKey as Key, Fault, FaultKind, KeyStatus, Match, MfaDevice, Sandbox, World};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

const ACTIONS: [&str; 4] = ["iam:CreateAccessKey", "iam:ListAccessKeys", "iam:UpdateAccessKey", "iam:DeleteAccessKey"];

/// The tutorials' configuration, with the sandbox for IAM too.
fn config() -> String {
    TUTORIAL.replace("endpoint_url_sts", "endpoint_url")
}

fn with_mfa() -> String {
    config().replace("region =", "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\nregion =")
}

/// Lets the user manage the user's own keys, but for some of the actions.
fn allow(world: &mut World, actions: &[&str], condition: Option<Value>) {
    let mut statement =
        json!({"Effect": "Allow", "Action": actions, "Resource": "arn:aws:iam::111111111111:user/${aws:username}"});
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    world.user(USER_ARN).permissions.inline.insert("OwnKeys".to_owned(), policy.into());
}

fn world() -> World {
    let mut world = World::tutorials();
    allow(&mut world, &ACTIONS, None);
    world
}

fn start() -> Inside {
    Inside::start_in(world(), &config())
}

/// Rotates, and gives what was told on the way. Whenever the rotation waits, time passes.
fn rotate_telling(agent: &Inside, delete: Option<&str>) -> (Result<Rotated, Report>, Vec<Progress>) {
    let request = Request::IdentityRotate { name: "auth".into(), delete: delete.map(str::to_owned) };
    let mut told = Vec::new();
    let answer = client::ask_showing(&agent.paths, request, Context::default(), |progress: &Progress| {
        if progress.text.contains("trying again") || progress.text.contains("waiting for") {
            agent.clock.advance(Duration::from_secs(8));
        }
        told.push(progress.clone());
    });
    learn(agent);
    for progress in &told {
        agent.canaries.shown(&progress.text);
    }
    let answer = answer.map(|answer| match answer {
        Answer::Rotated(rotated) => rotated,
        other => panic!("not a rotation: {other:?}"),
    });
    if let Err(report) = &answer {
        agent.canaries.shown(&format!("{report:?}"));
    }
    (answer, told)
}

fn rotate(agent: &Inside) -> Result<Rotated, Report> {
    rotate_telling(agent, None).0
}

fn keys(aws: &Sandbox) -> Vec<Key> {
    aws.world(|world| world.user(USER_ARN).access_keys.clone())
}

/// Takes note of every secret there is, for the search at the end.
fn learn(agent: &Inside) {
    keys(&agent.aws).iter().for_each(|key| agent.canaries.add(&key.secret));
}

/// Asserts that the user has one active key, and that it is the vault's and opens the role.
#[track_caller]
fn has_one_working_key(agent: &Inside) -> String {
    let keys = keys(&agent.aws);
    assert_eq!(keys.len(), 1, "one key: {keys:?}");
    let stored = agent.vault.stored("auth");
    assert_eq!((stored.key.id.as_str(), keys[0].status), (keys[0].id.as_str(), KeyStatus::Active));
    assert!(stored.next.is_none(), "nothing is left half done in the vault");
    assert!(agent.status().warnings.is_empty(), "{:?}", agent.status().warnings);
    opens(agent);
    stored.key.id
}

/// Asserts that the vault's key opens the role now.
#[track_caller]
fn opens(agent: &Inside) {
    agent.ask(Request::Lock).unwrap();
    agent.get("prod").expect("the vault's key works");
}

#[test]
fn a_rotation_leaves_one_new_key_that_is_the_vaults() {
    let agent = start();
    agent.get("prod").expect("served");
    let old = agent.vault.stored("auth").key.id;
    let (done, told) = rotate_telling(&agent, None);
    let done = done.expect("rotated");
    assert_eq!((done.old_access_key_id.as_str(), done.resumed, done.deleted.len()), (old.as_str(), false, 0));
    let new = has_one_working_key(&agent);
    assert_eq!(done.access_key_id, new);
    assert_ne!(new, old);
    let steps: Vec<&str> = told.iter().map(|progress| progress.step.as_str()).collect();
    assert_eq!(steps, ["create", "store", "verify", "switch", "deactivate", "check", "delete"]);
    assert_eq!(agent.aws.count("CreateAccessKey"), 1);
    until("it is in the audit log", || agent.audit("rotate").len() == 8);
    let lines = agent.audit("rotate");
    assert!(lines.iter().all(|line| line["name"] == "auth" && line["result"] == "ok"), "{lines:?}");
    assert_eq!(lines[0]["access_key_id"], new.as_str());
    assert_eq!(agent.vault.stored("auth").created, Some(keys(&agent.aws)[0].created), "AWS's own date is kept");
    let again = rotate(&agent).expect("and again");
    assert_eq!(again.old_access_key_id, new);
    has_one_working_key(&agent);
}

#[test]
fn sessions_of_the_old_key_stay_and_a_flight_that_holds_it_takes_the_new_one() {
    let agent = start();
    let before = agent.get("prod").expect("served").access_key_id;
    rotate(&agent).expect("rotated");
    assert_eq!(agent.get("prod").expect("served").access_key_id, before, "nobody is thrown out");

    agent.ask(Request::Lock).unwrap();
    let hold = agent.aws.hold_matching(Match::action("AssumeRole"));
    std::thread::scope(|scope| {
        let get = scope.spawn(|| agent.get("prod"));
        hold.wait_for_arrivals(1);
        rotate(&agent).expect("rotated meanwhile");
        hold.release();
        get.join().unwrap().expect("signed anew by the key that is in the vault now");
    });
    has_one_working_key(&agent);
}

#[test]
fn get_works_and_others_keep_off_whatever_the_rotation_waits_for() {
    for action in ["ListAccessKeys", "CreateAccessKey", "GetCallerIdentity", "UpdateAccessKey", "DeleteAccessKey"] {
        let agent = start();
        let hold = agent.aws.hold_matching(Match::action(action));
        std::thread::scope(|scope| {
            let rotation = scope.spawn(|| rotate(&agent));
            hold.wait_for_arrivals(1);
            opens(&agent);
            let second = rotate(&agent).expect_err("one at a time");
            assert!(second.message.contains("is being rotated right now"), "{action}: {second:?}");
            let remove = agent.ask(Request::IdentityRemove { name: "auth".into() }).expect_err("not now");
            assert!(remove.message.contains("is being rotated right now"), "{action}: {remove:?}");
            assert!(agent.status().warnings.is_empty(), "what runs is not broken off: {:?}", agent.status().warnings);
            hold.release();
            rotation.join().unwrap().unwrap_or_else(|report| panic!("{action}: {report:?}"));
        });
        has_one_working_key(&agent);
    }
}

#[test]
fn a_new_key_that_aws_does_not_know_yet_is_waited_for() {
    let mut world = world();
    world.key_propagation = chrono::TimeDelta::seconds(20);
    let agent = Inside::start_in(world, &config());
    let (done, told) = rotate_telling(&agent, None);
    done.expect("rotated");
    assert!(told.iter().any(|p| p.step == "verify" && p.text.contains("to know")), "{told:?}");
    has_one_working_key(&agent);

    agent.aws.world(|world| world.key_propagation = chrono::TimeDelta::hours(1));
    let before = agent.vault.stored("auth").key.id;
    let report = rotate(&agent).expect_err("not within a minute and a half");
    assert_eq!(report.kind, Kind::Unreachable);
    assert_eq!(agent.vault.stored("auth").key.id, before, "what does not work is not switched to");
    opens(&agent);
    agent.clock.advance(Duration::from_hours(1));
    let done = rotate(&agent).expect("the next try finishes it");
    assert!(done.resumed);
    has_one_working_key(&agent);
}

#[test]
fn a_key_whose_answer_was_lost_is_deleted_and_another_made() {
    for fault in [FaultKind::CutOff, FaultKind::TruncatedXml, FaultKind::MissingField("SecretAccessKey".to_owned())] {
        let agent = start();
        agent.aws.fault(Fault::on("CreateAccessKey", fault.clone()).times(1));
        let done = rotate(&agent).unwrap_or_else(|report| panic!("{fault:?}: {report:?}"));
        assert_eq!(done.deleted.len(), 1, "{fault:?}: the orphan is told of");
        assert_eq!(agent.aws.count("CreateAccessKey"), 2, "{fault:?}");
        has_one_working_key(&agent);
    }
}

#[test]
fn where_nobody_can_tell_whether_a_key_was_made_the_next_rotation_finds_out() {
    let agent = start();
    agent.aws.fault(Fault::on("CreateAccessKey", FaultKind::CutOff).times(1));
    agent.aws.world(|world| allow(world, &ACTIONS[..1], None));
    // The list that comes first is allowed, the one that looks for the orphan is not.
    agent.aws.world(|world| allow(world, &ACTIONS[..2], None));
    let hold = agent.aws.hold_matching(Match::action("CreateAccessKey"));
    let report = std::thread::scope(|scope| {
        let rotation = scope.spawn(|| rotate(&agent));
        hold.wait_for_arrivals(1);
        agent.aws.world(|world| allow(world, &ACTIONS[..1], None));
        hold.release();
        rotation.join().unwrap().expect_err("it cannot look")
    });
    assert!(report.hint.as_deref().is_some_and(|h| h.contains("finds out and goes on")), "{report:?}");
    assert_eq!(keys(&agent.aws).len(), 2, "there is an orphan");
    let warnings = agent.status().warnings;
    assert!(warnings[0].message.contains("stands at `create`"), "{warnings:?}");
    assert_eq!(warnings[0].hint.as_deref(), Some("finish it: `rolecall identity rotate auth`"));
    opens(&agent);
    agent.aws.world(|world| allow(world, &ACTIONS, None));
    // Days later, too.
    agent.clock.advance(Duration::from_hours(72));
    let done = rotate(&agent).expect("finished");
    assert_eq!((done.resumed, done.deleted.len()), (true, 1));
    has_one_working_key(&agent);
}

#[test]
fn a_key_that_somebody_else_makes_after_a_broken_off_try_is_not_touched() {
    let agent = start();
    agent.aws.fault(Fault::on("CreateAccessKey", FaultKind::Drop));
    let report = rotate(&agent).expect_err("no answer, three times");
    assert_eq!(report.kind, Kind::Unreachable);
    agent.aws.clear_faults();
    agent.clock.advance(Duration::from_hours(1));
    let mut theirs = Key::generate();
    theirs.created = agent.aws.clock().now();
    agent.aws.world(|world| world.user(USER_ARN).access_keys.push(theirs.clone()));
    let report = rotate(&agent).expect_err("two keys");
    assert!(report.message.contains(&theirs.id), "{report:?}");
    assert!(keys(&agent.aws).iter().any(|key| key.id == theirs.id), "it is not ours to delete");
    assert!(agent.status().warnings.is_empty(), "nothing of ours is left");
}

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
    agent.ask(Request::Unlock { identity: None, code }).expect("the right code");
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
fn a_vault_that_is_locked_half_way_loses_no_key() {
    let agent = start();
    for (action, stands_at) in [("CreateAccessKey", None), ("GetCallerIdentity", Some("switch"))] {
        let hold = agent.aws.hold_matching(Match::action(action));
        let report = std::thread::scope(|scope| {
            let rotation = scope.spawn(|| rotate(&agent));
            hold.wait_for_arrivals(1);
            agent.vault.set(Mood::Locked);
            hold.release();
            rotation.join().unwrap().expect_err("the vault is locked")
        });
        assert_eq!(report.kind, Kind::Locked, "{report:?}");
        agent.vault.set(Mood::Well);
        opens(&agent);
        let warnings = agent.status().warnings;
        match stands_at {
            None => {
                assert!(report.hint.as_deref().is_some_and(|h| h.contains("was deleted again")), "{report:?}");
                assert!(warnings.is_empty(), "{warnings:?}");
            }
            Some(step) => assert!(warnings[0].message.contains(&format!("stands at `{step}`")), "{warnings:?}"),
        }
    }
    assert!(rotate(&agent).expect("unlocked").resumed);
    has_one_working_key(&agent);
}

#[test]
fn without_a_journal_nothing_is_begun_and_one_that_is_lost_on_the_way_costs_no_key() {
    let agent = start();
    let journal = agent.paths.state.join("rotations.json");
    fs::create_dir(&journal).unwrap();
    let report = rotate(&agent).expect_err("no journal");
    assert!(report.message.contains("rotations.json"), "{report:?}");
    assert_eq!(agent.aws.count("CreateAccessKey"), 0);
    assert!(agent.status().warnings[0].message.contains("rotations.json"));
    fs::remove_dir(&journal).unwrap();

    for (action, keys_left) in [("CreateAccessKey", 1), ("UpdateAccessKey", 2)] {
        let hold = agent.aws.hold_matching(Match::action(action));
        let report = std::thread::scope(|scope| {
            let rotation = scope.spawn(|| rotate(&agent));
            hold.wait_for_arrivals(1);
            fs::rename(&journal, agent.paths.state.join("aside")).unwrap();
            fs::create_dir(&journal).unwrap();
            hold.release();
            rotation.join().unwrap().expect_err("the journal cannot be kept")
        });
        assert!(report.message.contains("rotations.json"), "{action}: {report:?}");
        assert_eq!(keys(&agent.aws).len(), keys_left, "{action}");
        opens(&agent);
        fs::remove_dir(&journal).unwrap();
        fs::rename(agent.paths.state.join("aside"), &journal).unwrap();
        rotate(&agent).unwrap_or_else(|report| panic!("{action}: {report:?}"));
        has_one_working_key(&agent);
    }
}

/// Every state that a crash can leave: what the journal says, what the vault holds, and whether AWS knows the new key.
#[test]
fn from_every_state_that_a_crash_can_leave_a_rotation_is_finished() {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Vault {
        Old,
        Both,
        New,
    }
    use Vault::{Both, New, Old};
    for (step, vault, at_aws, old_off, old_gone) in [
        ("create", Old, false, false, false),
        ("create", Old, true, false, false),
        ("store", Old, true, false, false),
        ("store", Both, true, false, false),
        ("verify", Both, true, false, false),
        ("switch", Both, true, false, false),
        ("switch", New, true, false, false),
        ("deactivate", New, true, false, false),
        ("deactivate", New, true, true, false),
        ("check", New, true, true, false),
        ("delete", New, true, true, false),
        ("delete", New, true, false, true),
        ("none", Both, true, false, false),
    ] {
        let case = format!("{step}, {vault:?}, new key at AWS: {at_aws}, old one off: {old_off}, gone: {old_gone}");
        let agent = start();
        let old = keys(&agent.aws)[0].clone();
        let mut new = Key::generate();
        new.created = agent.aws.clock().now();
        agent.aws.world(|world| {
            let user = world.user(USER_ARN);
            if at_aws {
                user.access_keys.push(new.clone());
            }
            if old_off {
                user.access_keys[0].status = KeyStatus::Inactive;
            }
            user.access_keys.retain(|key| !old_gone || key.id != old.id);
        });
        let next = NewKey {
            key: AccessKey { id: new.id.clone(), secret: SecretKey::new(new.secret.clone()) },
            created: Some(new.created),
        };
        match vault {
            Old => {}
            Both => {
                let mut both = stored(&old.id, &old.secret);
                both.next = Some(next);
                agent.vault.put("auth", both);
            }
            New => agent.vault.put("auth", stored(&new.id, &new.secret)),
        }
        if step != "none" {
            let named = if step == "create" { json!(null) } else { json!(new.id) };
            let entry = json!({"step": step, "user": USER_ARN, "old": old.id, "new": named, "before": [old.id],
                "since": new.created, "until": new.created + chrono::TimeDelta::minutes(6)});
            let journal = json!({"v": 1, "rotations": {"auth": entry}}).to_string();
            rolecall::files::write_atomically(&agent.paths.state.join("rotations.json"), journal.as_bytes()).unwrap();
            let warnings = agent.status().warnings;
            assert!(warnings[0].message.contains(&format!("stands at `{step}`")), "{case}: {warnings:?}");
        }
        opens(&agent);
        agent.clock.advance(Duration::from_hours(48));
        let done = rotate(&agent).unwrap_or_else(|report| panic!("{case}: {report:?}"));
        let kept = has_one_working_key(&agent);
        assert_eq!(kept, done.access_key_id, "{case}");
        assert_ne!(kept, old.id, "{case}");
        // A key whose secret is in the vault is used; one whose secret is lost is replaced.
        assert_eq!(kept == new.id, vault != Old, "{case}");
    }
}

#[test]
fn a_key_that_was_replaced_by_hand_since_is_left_alone() {
    let agent = start();
    let (old, by_hand) = (keys(&agent.aws)[0].clone(), Key::generate());
    agent.aws.world(|world| world.user(USER_ARN).access_keys.push(by_hand.clone()));
    agent.vault.put("auth", stored(&by_hand.id, &by_hand.secret));
    let entry = json!({"step": "delete", "user": USER_ARN, "old": old.id, "new": "AKIAIOSFODNN7EXAMPLE",
        "before": [old.id], "since": "2026-11-22T08:00:00Z", "until": "2026-11-22T08:06:00Z"});
    let journal = json!({"v": 1, "rotations": {"auth": entry}}).to_string();
    rolecall::files::write_atomically(&agent.paths.state.join("rotations.json"), journal.as_bytes()).unwrap();
    let report = rotate(&agent).expect_err("two keys");
    assert!(report.message.contains(&old.id), "the other one is named, not deleted: {report:?}");
    assert_eq!(keys(&agent.aws).len(), 2);
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
    assert!(report.hint.as_deref().is_some_and(|hint| hint.contains("identity add auth --replace")), "{report:?}");
}

#[test]
fn the_age_of_a_key_is_shown_and_a_key_that_is_too_old_is_warned_of() {
    let config = config().replace("region =", "rotate_after = \"30d\"\nregion =");
    let agent = Inside::start_in(world(), &config);
    agent.vault.set(Mood::Locked);
    let key = |agent: &Inside| agent.status().identities[0].key.clone().expect("an iam-user has a key");
    assert_eq!(key(&agent), Default::default(), "nothing is known of a locked vault, and nobody is asked");
    agent.vault.set(Mood::Well);
    assert_eq!(key(&agent).age_seconds, Some(21 * 86_400 + 8 * 3600), "stored on the first of November");
    let reads = agent.vault.reads();
    for _ in 0..5 {
        assert!(!key(&agent).overdue);
    }
    assert_eq!(agent.vault.reads(), reads, "a status that is looked at often does not read the vault each time");
    assert!(agent.status().warnings.is_empty());

    agent.clock.advance(Duration::from_hours(10 * 24));
    let warnings = agent.status().warnings;
    assert!(warnings[0].message.contains("is 31 days old, `rotate_after` is 30"), "{warnings:?}");
    assert_eq!(warnings[0].hint.as_deref(), Some("replace it: `rolecall identity rotate auth`"));
    match agent.ask(Request::Keys).unwrap() {
        Answer::Keys { keys } => assert_eq!(keys[0].warnings, warnings),
        other => panic!("not keys: {other:?}"),
    }
    rotate(&agent).expect("rotated");
    assert_eq!(key(&agent).age_seconds, Some(0));
    has_one_working_key(&agent);
}

/// The real programs: the agent is killed while AWS works on each call of a rotation, and whether AWS did what it was
/// asked then, or not, running it again finishes.
#[test]
fn kill_9_at_each_call_loses_no_key_and_the_next_run_finishes() {
    let home = Home::ready(&config());
    home.aws.world(|world| allow(world, &ACTIONS, None));
    let calls = ["ListAccessKeys", "CreateAccessKey", "GetCallerIdentity", "UpdateAccessKey", "DeleteAccessKey"];
    for (call, acted) in calls.into_iter().flat_map(|call| [(call, true), (call, false)]) {
        let before = keys(&home.aws)[0].id.clone();
        if !acted {
            home.aws.fault(Fault::on(call, FaultKind::Hang).times(1));
        }
        let agent = home.agent_pid();
        let hold = home.aws.hold_matching(Match::action(call));
        let seen = home.aws.count(call);
        let output = std::thread::scope(|scope| {
            let rotation = scope.spawn(|| home.run(["identity", "rotate", "auth", "--yes"]));
            hold.wait_for_arrivals(1);
            signal(agent, Signal::KILL);
            until("it is gone", || !lives(agent));
            // A listener lives as long as the last thread that ends.
            until("nobody listens", || UnixStream::connect(home.socket()).is_err());
            hold.release();
            rotation.join().unwrap()
        });
        assert_eq!(output.status.code(), Some(7), "{call}: {}", text(&output.stderr));
        if acted {
            until("AWS has acted", || home.aws.count(call) > seen);
        }
        home.aws.clear_faults();
        home.open_vault();
        let get = home.run(["get", "prod"]);
        assert!(get.status.success(), "{call} {acted}: the vault's key works: {}", text(&get.stderr));
        let output = home.run(["identity", "rotate", "auth", "--yes", "--json"]);
        assert!(output.status.success(), "{call} {acted}: {}", text(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
        let done: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let after = keys(&home.aws);
        assert_eq!(after.len(), 1, "{call} {acted}: {after:?}");
        assert_eq!(done["access_key_id"], after[0].id.as_str(), "{call} {acted}");
        assert_ne!(after[0].id, before);
        home.canaries.add(&after[0].secret);
        assert!(home.run(["lock"]).status.success());
        home.open_vault();
        assert!(home.run(["get", "prod"]).status.success(), "{call} {acted}");
    }
}

#[test]
fn the_command_asks_before_it_starts_and_shows_each_step() {
    let home = Home::ready(&config());
    home.aws.world(|world| allow(world, &ACTIONS, None));
    let refused = home.run(["identity", "rotate", "auth"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("`rolecall identity rotate auth --yes`"), "{}", text(&refused.stderr));
    assert_eq!(home.aws.count("ListAccessKeys"), 0, "nothing was done");

    let old = keys(&home.aws)[0].id.clone();
    let output = home.run(["identity", "rotate", "auth", "--yes"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let new = keys(&home.aws)[0].clone();
    home.canaries.add(&new.secret);
    for step in ["create", "store", "verify", "switch", "deactivate", "check", "delete"] {
        assert!(said.lines().any(|line| line.starts_with(step)), "{step}: {said}");
    }
    assert!(said.ends_with(&format!("auth: {} is in use, {old} is deleted\n", new.id)), "{said}");
    let listed = text(&home.run(["identity", "list"]).stdout);
    assert!(listed.contains(&new.id) && !listed.contains(&old), "{listed}");
    assert!(text(&home.run(["status"]).stdout).contains("key "), "its age");
}

/// The person at the terminal where the rotation was typed is asked there: for consent, and for the code that IAM wants.
#[test]
fn at_a_terminal_it_asks_for_consent_and_for_the_code_that_the_policy_demands() {
    let home = Home::ready(&with_mfa());
    home.aws.world(|world| {
        world.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "richard"));
        allow(world, &ACTIONS, Some(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}})));
    });
    let command = format!("{} identity rotate auth", env!("CARGO_BIN_EXE_rolecall"));
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

/// The steps come as they happen, not at the end.
#[test]
fn progress_is_told_while_the_rotation_waits() {
    let agent = start();
    let hold = agent.aws.hold_matching(Match::action("UpdateAccessKey"));
    let told = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let request = Request::IdentityRotate { name: "auth".into(), delete: None };
        let rotation = scope.spawn(|| {
            client::ask_showing(&agent.paths, request, Context::default(), |p| {
                told.lock().unwrap().push(p.step.clone())
            })
        });
        hold.wait_for_arrivals(1);
        until("the first steps are told", || told.lock().unwrap().iter().any(|step| step == "switch"));
        hold.release();
        rotation.join().unwrap().expect("rotated");
    });
    learn(&agent);
    has_one_working_key(&agent);
}
