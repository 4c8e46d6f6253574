//! Rotations that are broken off: by a lost answer, a locked vault, a full disk, kill -9.

use super::{ACTIONS, Key, allow, config, has_one_working_key, keys, opens, rotate, start};
use crate::harness::home::{Home, text};
use crate::harness::inside::{stored, until};
use crate::harness::memory_vault::Mood;
use crate::harness::process::{lives, signal};
use rolecall::domain::credential::AccessKey;
use rolecall::domain::error::Kind;
use rolecall::domain::secret::SecretKey;
use rolecall::ports::NewKey;
use rolecall::protocol::message::Request;
use rolecall_sandbox::tutorials::USER_ARN;
use rolecall_sandbox::{Fault, FaultKind, KeyStatus, Match};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::net::UnixStream;
use std::time::Duration;

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
    // The list that comes first is allowed, the one that looks for the orphan is not.
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
fn a_lock_ends_a_rotation_at_whatever_it_waits_for_and_the_next_one_finishes() {
    for action in ["ListAccessKeys", "CreateAccessKey", "GetCallerIdentity", "UpdateAccessKey", "DeleteAccessKey"] {
        let agent = start();
        let hold = agent.aws.hold_matching(Match::action(action));
        let report = std::thread::scope(|scope| {
            let rotation = scope.spawn(|| rotate(&agent));
            hold.wait_for_arrivals(1);
            agent.ask(Request::Lock).expect("locked");
            let report = rotation.join().unwrap().expect_err("it has keys in memory");
            hold.release();
            report
        });
        assert_eq!(report.kind, Kind::Locked, "{action}: {report:?}");
        assert!(report.hint.unwrap().contains("`rolecall identity rotate auth` goes on"));
        opens(&agent);
        // What was held is done by AWS all the same, sooner or later; a quota or a lost key must not come of it.
        until("AWS has done what it was asked", || agent.aws.count(action) > 0);
        rotate(&agent).unwrap_or_else(|report| panic!("{action}: {report:?}"));
        has_one_working_key(&agent);
    }
}

#[test]
fn a_vault_that_does_not_keep_the_new_key_costs_nobody_the_old_one() {
    let agent = start();
    let before = agent.vault.stored("auth");
    let hold = agent.aws.hold_matching(Match::action("UpdateAccessKey"));
    let report = std::thread::scope(|scope| {
        let rotation = scope.spawn(|| rotate(&agent));
        hold.wait_for_arrivals(1);
        // Whatever the keyring answered to the write, it gives back what it held before.
        agent.vault.put("auth", before.clone());
        hold.release();
        rotation.join().unwrap().expect_err("the vault is not as it was left")
    });
    assert!(report.message.contains(&format!("the vault gives back {}", before.key.id)), "{report:?}");
    assert!(keys(&agent.aws).iter().any(|key| key.id == before.key.id), "it is off, not gone");
    assert_eq!(agent.aws.count("DeleteAccessKey"), 0);
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
        ("verify", Both, false, false, false),
        ("none", Both, false, false, false),
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
        assert_eq!(kept == new.id, vault != Old && at_aws, "{case}");
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
        } else {
            // The call is on its way past the hold: without the fault AWS would act after all.
            until("the call hangs", || home.aws.faults_due() == 0);
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
