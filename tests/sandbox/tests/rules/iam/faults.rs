//! Faults on the way to IAM: what was refused was not done, what was lost was.

use rolecall_sandbox::tutorials::AUTH_ACCOUNT;
use rolecall_sandbox::{Fault, FaultKind};

use super::administrated;

const ANNA: (&str, &str) = ("UserName", "anna");

#[test]
fn an_operation_is_throttled_as_often_as_was_said() {
    let (aws, admin) = administrated();
    aws.fault(Fault::on("CreateUser", FaultKind::Throttle).times(2));
    for _ in 0..2 {
        admin.iam("CreateUser", &[ANNA]).fails(400, "Throttling", "Rate exceeded");
    }
    admin.iam("CreateUser", &[ANNA]).succeeds();
}

#[test]
fn an_answer_is_lost_after_the_change_was_made() {
    let (aws, admin) = administrated();
    aws.fault(Fault::on("CreateUser", FaultKind::LostAnswer).times(1));
    let lost = admin.try_iam("CreateUser", &[ANNA]);
    assert!(lost.is_err(), "the connection is closed: {lost:?}");
    assert!(aws.world(|world| world.account(AUTH_ACCOUNT).users.contains_key("anna")));
    let call = aws.calls().pop().expect("it was called");
    assert_eq!((call.status, call.principal_arn.as_deref()), (0, Some(super::ADMIN_ARN)));
    admin.iam("CreateUser", &[ANNA]).fails(409, "EntityAlreadyExists", "");
}

#[test]
fn rights_end_after_so_many_calls() {
    let (aws, admin) = administrated();
    let denied = FaultKind::Error { status: 403, code: "AccessDenied".to_owned(), message: "no longer".to_owned() };
    aws.fault(Fault::on_service("iam", denied).after(2));
    admin.iam("CreateUser", &[ANNA]).succeeds();
    admin.sts("GetCallerIdentity", &[]).succeeds();
    admin.iam("GetUser", &[ANNA]).succeeds();
    for _ in 0..2 {
        admin.iam("GetUser", &[ANNA]).fails(403, "AccessDenied", "no longer");
    }
    aws.clear_faults();
    aws.fault(Fault::on("GetUser", FaultKind::Throttle).after(1).times(1));
    admin.iam("GetUser", &[ANNA]).succeeds();
    admin.iam("GetUser", &[ANNA]).fails(400, "Throttling", "");
    admin.iam("GetUser", &[ANNA]).succeeds();
}
