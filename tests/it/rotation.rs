//! Rotation of a key: every order of things that can go wrong ends with one working key, and the vault's key works at
//! every moment.

mod broken_off;
mod refused;

use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::memory_vault::Mood;
use rolecall::client;
use rolecall::domain::error::{Kind, UserError};
use rolecall::domain::secret::SecretKey;
use rolecall::protocol::message::{Answer, Context, Progress, Request};
use rolecall::protocol::status::{KeyAge, Rotated};
use rolecall_sandbox::tutorials::USER_ARN;
use rolecall_sandbox::{AccessKey as Key, Delay, KeyStatus, Match, Propagation, Sandbox, World};
use serde_json::{Value, json};
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
fn rotate_telling(agent: &Inside, delete: Option<&str>) -> (Result<Rotated, UserError>, Vec<Progress>) {
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

fn rotate(agent: &Inside) -> Result<Rotated, UserError> {
    rotate_telling(agent, None).0
}

fn keys(aws: &Sandbox) -> Vec<Key> {
    aws.world(|world| world.user(USER_ARN).access_keys.clone())
}

/// Takes note of every secret there is, for the search at the end.
fn learn(agent: &Inside) {
    for key in keys(&agent.aws) {
        agent.canaries.add(&key.secret);
    }
}

/// Asserts that the user has one active key, and that it is the vault's and opens the role.
#[track_caller]
fn has_one_working_key(agent: &Inside) -> String {
    let keys = keys(&agent.aws);
    assert_eq!(keys.len(), 1, "one key: {keys:?}");
    let stored = agent.vault.stored("auth");
    assert_eq!((stored.key.id.as_str(), keys[0].status), (keys[0].id.as_str(), KeyStatus::Active));
    assert!(stored.next.is_none(), "nothing is left half done in the vault");
    let mut warnings = agent.status().warnings;
    // What another identity lacks is told as well, and is none of this key's.
    warnings.retain(|warning| !warning.message.contains("holds no key of"));
    assert!(warnings.is_empty(), "{warnings:?}");
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
            agent.get("prod").expect("the vault's key works");
            let second = rotate(&agent).expect_err("one at a time");
            assert!(second.message.contains("rotated right now"), "{action}: {second:?}");
            let remove = agent.ask(Request::IdentityRemove { name: "auth".into() }).expect_err("not now");
            assert!(remove.message.contains("rotated right now"), "{action}: {remove:?}");
            let add = add(&agent, "auth").expect_err("not now either");
            assert!(add.message.contains("rotated right now"), "{action}: {add:?}");
            assert!(agent.status().warnings.is_empty(), "what runs is not broken off: {:?}", agent.status().warnings);
            hold.release();
            rotation.join().unwrap().unwrap_or_else(|report| panic!("{action}: {report:?}"));
        });
        has_one_working_key(&agent);
    }
}

/// Stores the user's key again by hand.
fn add(agent: &Inside, name: &str) -> Result<(), UserError> {
    let key = agent.aws.access_key(USER_ARN);
    let request = Request::IdentityAdd {
        name: name.to_owned(),
        access_key_id: key.id,
        secret_access_key: SecretKey::new(key.secret),
        region: None,
        arns: Vec::new(),
        replace: true,
        imported: false,
    };
    agent.ask(request).map(drop)
}

#[test]
fn a_key_that_is_just_being_stored_by_hand_is_not_rotated() {
    let agent = start();
    let hold = agent.aws.hold_matching(Match::action("GetCallerIdentity"));
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| add(&agent, "auth"));
        hold.wait_for_arrivals(1);
        let report = rotate(&agent).expect_err("what is stored by hand would undo it");
        assert!(report.message.contains("is being changed"), "{report:?}");
        hold.release();
        adding.join().unwrap().expect("stored");
    });
    rotate(&agent).expect("rotated");
    has_one_working_key(&agent);
}

#[test]
fn a_vault_that_cannot_tell_what_it_holds_is_not_written_over() {
    let agent = start();
    let before = agent.vault.stored("auth").key.id;
    agent.vault.set(Mood::Blind);
    agent.aws.world(|world| world.user(USER_ARN).access_keys.insert(0, Key::generate()));
    let report = add(&agent, "auth").expect_err("nobody knows what is there");
    assert!(report.message.contains("a later version") && report.hint.unwrap().contains("nothing was stored"));
    assert_eq!(agent.vault.stored("auth").key.id, before);
}

#[test]
fn a_user_whose_key_another_identity_lives_by_is_not_rotated() {
    let agent = Inside::start_in(world(), &(config() + "\n[identities.ci]\ntype = \"iam-user\"\n"));
    agent.vault.put("ci", agent.vault.stored("auth"));
    let report = rotate(&agent).expect_err("ci would be locked out");
    assert!(report.message.contains("identity `ci` has a key of the same user"), "{report:?}");
    assert!(report.hint.unwrap().contains("`rolecall identity remove ci`"));
    assert_eq!(agent.aws.count("CreateAccessKey"), 0);
    agent.ask(Request::IdentityRemove { name: "ci".into() }).expect("removed");
    rotate(&agent).expect("rotated");
    has_one_working_key(&agent);
}

/// IAM shows a new key at once, and it is a while until AWS knows it everywhere.
fn late(time: chrono::TimeDelta) -> Propagation {
    Propagation::of_decisions(Delay::Time(time))
}

#[test]
fn a_new_key_that_aws_does_not_know_yet_is_waited_for() {
    let mut world = world();
    world.propagation = late(chrono::TimeDelta::seconds(20));
    let agent = Inside::start_in(world, &config());
    let (done, told) = rotate_telling(&agent, None);
    done.expect("rotated");
    assert!(told.iter().any(|p| p.step == "verify" && p.text.contains("to know")), "{told:?}");
    has_one_working_key(&agent);

    agent.aws.world(|world| world.propagation = late(chrono::TimeDelta::hours(1)));
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
fn the_age_of_a_key_is_shown_and_a_key_that_is_too_old_is_warned_of() {
    let config = config().replace("region =", "rotate_after = \"30d\"\nregion =");
    let agent = Inside::start_in(world(), &config);
    agent.vault.set(Mood::Locked);
    let key = |agent: &Inside| agent.status().identities[0].key.clone().expect("an iam-user has a key");
    assert_eq!(key(&agent), KeyAge::default(), "nothing is known of a locked vault, and nobody is asked");
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

#[test]
fn the_command_asks_before_it_starts_and_shows_each_step() {
    let home = Home::ready(&config());
    home.aws.world(|world| allow(world, &ACTIONS, None));
    let refused = home.run(["identity", "rotate", "auth"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).starts_with("rolecall: auth: a rotation deletes the old key"), "it says whose");
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

#[test]
fn nobody_is_told_to_say_yes_to_a_rotation_that_cannot_be() {
    let home = Home::bare(&format!("{}\n[identities.instance]\ntype = \"ec2\"\n", config()));
    for (name, why) in [("instance", "an identity of type ec2 has no key in the vault"), ("prod", "roles have no key")]
    {
        let refused = home.run(["identity", "rotate", name]);
        let stderr = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with(&format!("rolecall: {name}: ")) && stderr.contains(why), "{stderr}");
        assert!(!stderr.contains("--yes"), "{stderr}");
    }
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
                told.lock().unwrap().push(p.step.clone());
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
