//! Setups that are broken off: kill -9 at every call of both commands, the face alone killed, an interrupt, a full disk.

use super::stage::Stage;
use crate::harness::home::{set_mode, text};
use crate::harness::inside::until;
use crate::harness::process::{lives, signal};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN};
use rolecall_sandbox::{Fault, FaultKind, Match};
use rustix::process::Signal;
use std::fs;
use std::process::{Child, Stdio};

/// Finds the one-shot of a command.
fn one_shot(face: &Child) -> Option<i32> {
    let id = face.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let mut pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.find(|pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"--one-shot\0")))
}

/// Runs a command up to a call, and kills it there: the one-shot and the face, or the face alone.
fn killed_at(stage: &Stage, word: &str, flags: &[&str], call: &str, acted: bool, whole: bool) {
    let aws = &stage.home.aws;
    if !acted {
        aws.fault(Fault::on(call, FaultKind::Hang).times(1));
    }
    let hold = aws.hold_matching(Match::action(call));
    let seen = aws.count(call);
    let mut face = stage.command(word, flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    hold.wait_for_arrivals(1);
    let shot = one_shot(&face).expect("it runs");
    if whole {
        signal(shot, Signal::KILL);
    }
    face.kill().unwrap();
    face.wait().unwrap();
    hold.release();
    until("the one-shot is gone", || !lives(shot));
    if acted {
        until("AWS has acted", || aws.count(call) > seen);
    } else {
        // The call is on its way past the hold: without the fault AWS would act after all.
        until("the call hangs", || aws.faults_due() == 0);
    }
    aws.clear_faults();
}

#[test]
fn kill_9_at_each_call_of_apply_loses_nothing_and_the_same_command_finishes() {
    let stage = Stage::new();
    let before = stage.inventory();
    let calls = [
        "GetCallerIdentity",
        "GetPolicy",
        "GetUser",
        "GetRole",
        "CreatePolicy",
        "CreateUser",
        "AttachUserPolicy",
        "CreateRole",
        "AttachRolePolicy",
        "ListAccessKeys",
        "CreateAccessKey",
        "AssumeRole",
    ];
    // Whether AWS has answered a call that only reads makes no difference.
    let reads = |call: &str| call.starts_with("Get") || call.starts_with("List") || call == "AssumeRole";
    let cases = calls.into_iter().flat_map(|call| [(call, true), (call, false)]);
    for (call, acted) in cases.filter(|(call, acted)| *acted || !reads(call)) {
        killed_at(&stage, "apply", &super::stage::PERSON, call, acted, true);
        let output = stage.apply(&[]);
        assert!(output.status.success(), "{call} {acted}: {}{}", text(&output.stdout), text(&output.stderr));
        stage.learn();
        let user = stage.home.aws.world(|world| world.user(USER_ARN).clone());
        assert_eq!(user.access_keys.len(), 1, "{call} {acted}: one key");
        let [auth, workload] = stage.inventory();
        // The two administrators with their keys, and what the setup makes.
        assert_eq!(
            (auth.len(), workload.len()),
            (before[0].len() + 3, before[1].len() + 1),
            "{call} {acted}: {auth:?}"
        );
        stage.lists_the_bucket("prod");
        let output = stage.destroy(&[]);
        assert!(output.status.success(), "{call} {acted}: {}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(stage.inventory(), before, "{call} {acted}");
        stage.is_clean();
    }
}

#[test]
fn kill_9_at_each_call_for_an_application_is_finished_by_the_same_command() {
    let stage = Stage::new();
    let before = stage.inventory();
    let flags = ["--application", "ec2", "--name", "app", "--policy-arn", "AmazonS3ReadOnlyAccess", "--yes"];
    let calls = [
        "CreatePolicy",
        "CreateRole",
        "AttachRolePolicy",
        "GetInstanceProfile",
        "CreateInstanceProfile",
        "AddRoleToInstanceProfile",
    ];
    for (call, acted) in calls.into_iter().flat_map(|call| [(call, true), (call, false)]) {
        killed_at(&stage, "apply", &flags, call, acted, true);
        let output = stage.setup("apply", &flags);
        assert!(output.status.success(), "{call} {acted}: {}{}", text(&output.stdout), text(&output.stderr));
        let profile =
            stage.home.aws.world(|world| world.account(AUTH_ACCOUNT).instance_profiles["AssumingRole"].clone());
        assert_eq!(profile.role.as_deref(), Some("AssumingRole"), "{call} {acted}");
        let destroy = ["--name", "app", "--yes"];
        let removals = ["RemoveRoleFromInstanceProfile", "DeleteInstanceProfile", "DeleteRole"];
        let at = removals[usize::from(acted) + usize::from(call == "CreateRole")];
        killed_at(&stage, "destroy", &destroy, at, acted, true);
        let output = stage.setup("destroy", &destroy);
        assert!(output.status.success(), "{call} {acted}: {}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(stage.inventory(), before, "{call} {acted}");
    }
}

/// All of them before the one run that finishes: each finished run waits for codes that are half a minute apart.
#[test]
fn kill_9_at_each_call_for_a_device_leaves_no_device_whose_secret_nobody_has() {
    let stage = Stage::new();
    stage.home.aws.world(|world| world.enabling_codes_stay_valid = true);
    let before = stage.inventory();
    let more = ["--mfa-device", "--keep-totp", "--require-mfa"];
    let flags = [&super::stage::PERSON[..], &more].concat();
    let devices = || {
        stage.home.aws.world(|world| {
            let account = world.account(AUTH_ACCOUNT);
            let of_users = account.users.values().map(|user| user.mfa_devices.len()).sum::<usize>();
            (of_users, account.unassigned_devices.len())
        })
    };
    for (call, acted, left) in [
        ("CreateVirtualMFADevice", false, (0, 0)),
        ("CreateVirtualMFADevice", true, (0, 1)),
        ("EnableMFADevice", false, (0, 1)),
        ("EnableMFADevice", true, (1, 0)),
        ("DeactivateMFADevice", true, (0, 1)),
    ] {
        killed_at(&stage, "apply", &flags, call, acted, true);
        stage.learn();
        until(&format!("{call} {acted} has left {left:?}"), || devices() == left);
    }
    let output = stage.apply(&more);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    assert_eq!(devices(), (1, 0));
    stage.lists_the_bucket("prod");
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(stage.inventory(), before);
    stage.is_clean();
}

#[test]
fn kill_9_at_each_call_of_destroy_leaves_what_the_same_command_removes() {
    let stage = Stage::new();
    let before = stage.inventory();
    let calls = [
        "ListAttachedUserPolicies",
        "ListAttachedRolePolicies",
        "DeleteAccessKey",
        "DetachRolePolicy",
        "DeleteRole",
        "DetachUserPolicy",
        "DeleteUser",
        "DeletePolicy",
    ];
    for (call, acted) in calls.into_iter().flat_map(|call| [(call, true), (call, false)]) {
        let output = stage.apply(&[]);
        assert!(output.status.success(), "{call} {acted}: {}{}", text(&output.stdout), text(&output.stderr));
        stage.learn();
        killed_at(&stage, "destroy", &["--name", "prod", "--yes"], call, acted, true);
        assert!(stage.state_file("prod").exists(), "{call} {acted}: the state is the last to go");
        let output = stage.destroy(&[]);
        assert!(output.status.success(), "{call} {acted}: {}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(stage.inventory(), before, "{call} {acted}");
        stage.is_clean();
    }
}

#[test]
fn apply_goes_on_where_a_destroy_was_broken_off() {
    let stage = Stage::new();
    let before = stage.inventory();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    killed_at(&stage, "destroy", &["--name", "prod", "--yes"], "DeleteUser", true, true);
    let output = stage.apply(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    stage.lists_the_bucket("prod");
    assert!(stage.destroy(&[]).status.success());
    assert_eq!(stage.inventory(), before);
}

#[test]
fn a_face_that_is_killed_takes_the_one_shot_with_it_and_loses_nothing() {
    let stage = Stage::new();
    let before = stage.inventory();
    for call in ["CreateUser", "CreateAccessKey"] {
        killed_at(&stage, "apply", &super::stage::PERSON, call, true, false);
        let output = stage.apply(&[]);
        assert!(output.status.success(), "{call}: {}{}", text(&output.stdout), text(&output.stderr));
        stage.learn();
        assert_eq!(stage.home.aws.world(|world| world.user(USER_ARN).access_keys.len()), 1, "{call}");
        assert!(stage.destroy(&[]).status.success());
        assert_eq!(stage.inventory(), before, "{call}");
    }
}

#[test]
fn an_interrupt_lets_the_call_be_finished_and_says_how_to_go_on() {
    let stage = Stage::new();
    let hold = stage.home.aws.hold_matching(Match::action("CreateUser"));
    let mut command = stage.command("apply", &super::stage::PERSON);
    let face = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    hold.wait_for_arrivals(1);
    // As a terminal does: to everybody of the foreground.
    let shot = one_shot(&face).expect("it runs");
    signal(i32::try_from(face.id()).unwrap(), Signal::INT);
    signal(shot, Signal::INT);
    hold.release();
    let output = face.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stderr).contains("the same command again goes on"), "{}", text(&output.stderr));
    let kept = fs::read_to_string(stage.state_file("prod")).unwrap();
    assert!(kept.contains("CreateUser") && !kept.contains("CreateRole"), "{kept}");
    assert!(stage.home.aws.world(|world| world.account(AUTH_ACCOUNT).users.contains_key("richard")), "it was finished");
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    stage.lists_the_bucket("prod");
}

#[test]
fn without_a_state_nothing_is_begun_and_one_that_cannot_be_kept_stops_it() {
    let stage = Stage::new();
    let before = stage.inventory();
    fs::create_dir(stage.state_file("prod")).unwrap();
    let output = stage.apply(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("setup-prod.json"), "{}", text(&output.stderr));
    assert_eq!(stage.inventory(), before);
    fs::remove_dir(stage.state_file("prod")).unwrap();

    // Half way: whoever writes there next finds no room.
    let hold = stage.home.aws.hold_matching(Match::action("CreateUser"));
    let face =
        stage.command("apply", &super::stage::PERSON).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    hold.wait_for_arrivals(1);
    let kept = fs::read(stage.state_file("prod")).unwrap();
    fs::remove_file(stage.state_file("prod")).unwrap();
    fs::create_dir(stage.state_file("prod")).unwrap();
    hold.release();
    let output = face.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("setup-prod.json"), "{}", text(&output.stderr));
    fs::remove_dir(stage.state_file("prod")).unwrap();
    fs::write(stage.state_file("prod"), kept).unwrap();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    stage.lists_the_bucket("prod");
}

#[test]
fn a_configuration_that_cannot_be_written_costs_nothing_and_the_same_command_finishes() {
    let stage = Stage::new();
    let dir = stage.home.config().parent().unwrap().to_owned();
    set_mode(&dir, 0o500);
    let output = stage.apply(&[]);
    set_mode(&dir, 0o700);
    // The superuser writes everywhere.
    if rustix::process::geteuid().is_root() {
        assert!(output.status.success());
        return;
    }
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("not written here"), "{}", text(&output.stderr));
    assert!(stage.apply(&[]).status.success());
}

#[test]
fn an_aws_file_that_is_no_file_is_told_of_and_the_same_command_finishes() {
    let stage = Stage::new();
    fs::create_dir_all(stage.home.path(".aws/config")).unwrap();
    let output = stage.apply(&[]);
    let stderr = text(&output.stderr);
    assert!(!output.status.success(), "{}", text(&output.stdout));
    assert!(stderr.contains(".aws/config"), "{stderr}");
    fs::remove_dir(stage.home.path(".aws/config")).unwrap();
    let output = stage.apply(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    assert_eq!(stage.home.aws.world(|world| world.user(USER_ARN).access_keys.len()), 1);
}
