//! An AWS that is ill: throttling, lost answers, changes that are known late.

use super::stage::Stage;
use crate::harness::home::text;
use rolecall_sandbox::tutorials::USER_ARN;
use rolecall_sandbox::{Delay, Fault, FaultKind, Propagation};

#[test]
fn throttling_is_waited_out_at_every_call() {
    let stage = Stage::new();
    for call in
        ["GetUser", "CreatePolicy", "CreateUser", "AttachUserPolicy", "CreateAccessKey", "CreateRole", "DeleteUser"]
    {
        // The SDK's own three tries are not enough.
        stage.home.aws.fault(Fault::on(call, FaultKind::Throttle).times(if call.starts_with("Create") {
            1
        } else {
            3
        }));
    }
    let output = stage.apply(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("trying again"), "{}", text(&output.stdout));
    stage.learn();
    stage.lists_the_bucket("prod");
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_call_whose_answer_is_lost_is_looked_up_and_nothing_is_made_twice() {
    let stage = Stage::new();
    let before = stage.inventory();
    let calls = ["CreatePolicy", "CreateUser", "CreateRole", "CreateAccessKey", "AttachUserPolicy", "AttachRolePolicy"];
    let lost = calls.map(|call| (call, FaultKind::LostAnswer));
    // How an answer is lost is the same for every call.
    let others = [("CreateUser", FaultKind::TruncatedXml), ("CreateUser", FaultKind::Drop)];
    for (call, fault) in lost.into_iter().chain(others) {
        stage.home.aws.fault(Fault::on(call, fault.clone()).times(1));
        let output = stage.apply(&[]);
        assert!(output.status.success(), "{call} {fault:?}: {}{}", text(&output.stdout), text(&output.stderr));
        assert_eq!(stage.home.aws.faults_due(), 0, "{call} {fault:?}");
        stage.learn();
        assert_eq!(stage.home.aws.world(|world| world.user(USER_ARN).access_keys.len()), 1, "{call} {fault:?}");
        stage.lists_the_bucket("prod");
        assert!(stage.destroy(&[]).status.success(), "{call} {fault:?}");
        assert_eq!(stage.inventory(), before, "{call} {fault:?}");
    }
}

#[test]
fn a_removal_whose_answer_is_lost_is_done_and_finished() {
    let stage = Stage::new();
    let before = stage.inventory();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    for call in ["DeleteAccessKey", "DetachRolePolicy", "DeleteRole", "DeleteUser", "DetachUserPolicy", "DeletePolicy"]
    {
        stage.home.aws.fault(Fault::on(call, FaultKind::LostAnswer).times(1));
    }
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(stage.inventory(), before);
    stage.is_clean();
}

#[test]
fn what_iam_knows_late_is_waited_for() {
    let stage = Stage::new();
    stage.home.aws.world(|world| world.propagation = Propagation::of_decisions(Delay::Calls(2)));
    let output = stage.apply(&["--trust", "user"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(said.contains("wait "), "it says so: {said}");
    stage.learn();
    stage.home.aws.settle();
    stage.lists_the_bucket("prod");
}

#[test]
fn what_even_reads_show_late_is_made_once() {
    let stage = Stage::new();
    stage.home.aws.world(|world| world.propagation = Propagation::of_all(Delay::Calls(1)));
    let output = stage.apply(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    stage.home.aws.settle();
    assert_eq!(stage.home.aws.world(|world| world.user(USER_ARN).access_keys.len()), 1);
    stage.lists_the_bucket("prod");
}
