//! Faults and gates.

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use rolecall_sandbox::{Fault, FaultKind, Match};

use crate::tutorials;

const ACTION: &str = "AssumeRole";

#[test]
fn a_fault_happens_as_often_and_to_whom_it_should() {
    let (aws, richard) = tutorials();
    aws.fault(Fault::on(ACTION, FaultKind::Throttle).for_role(ROLE_ARN).times(2));
    richard.sts("GetCallerIdentity", &[]).succeeds();
    richard.assume("arn:aws:iam::222222222222:role/Other", &[]).is_denied();
    for _ in 0..2 {
        richard.assume(ROLE_ARN, &[]).fails(400, "Throttling", "Rate exceeded");
    }
    richard.assume(ROLE_ARN, &[]).succeeds();
    aws.fault(Fault { when: Match::any(), what: FaultKind::Throttle, times: None, skip: 0 });
    richard.s3("/").fails(503, "SlowDown", "");
    aws.clear_faults();
    richard.assume(ROLE_ARN, &[]).succeeds();
}

#[test]
fn errors_of_ones_own() {
    let (aws, richard) = tutorials();
    let error = FaultKind::Error { status: 503, code: "ServiceUnavailable".to_owned(), message: "<later>".to_owned() };
    aws.fault(Fault::on(ACTION, error).times(1));
    richard.assume(ROLE_ARN, &[]).fails(503, "ServiceUnavailable", "&lt;later&gt;");
    aws.fault(Fault::on(ACTION, FaultKind::EchoSecret).times(1));
    let echo = richard.assume(ROLE_ARN, &[]);
    assert!(echo.is_denied().body.contains(&format!("Credential={}", richard.key)));
}

#[test]
fn answers_that_are_almost_right() {
    let (aws, richard) = tutorials();
    let spoiled = |what: FaultKind| {
        aws.fault(Fault::on(ACTION, what).times(1));
        let reply = richard.assume(ROLE_ARN, &[]);
        assert_eq!(reply.status, 200);
        reply
    };
    let other = "arn:aws:iam::333333333333:role/path/Admin".to_owned();
    assert_eq!(
        spoiled(FaultKind::WrongRole(other)).field("Arn"),
        "arn:aws:sts::333333333333:assumed-role/Admin/session"
    );
    let account = spoiled(FaultKind::WrongAccount("999999999999".to_owned()));
    assert_eq!(account.field("Arn"), "arn:aws:sts::999999999999:assumed-role/AssumedRole/session");
    assert!(spoiled(FaultKind::ExpiredAnswer).expiration() < aws.clock().now());
    assert!(spoiled(FaultKind::FarFuture).expiration() > aws.clock().now() + chrono::TimeDelta::days(3600));
    assert_eq!(spoiled(FaultKind::BadExpiration("tomorrow".to_owned())).field("Expiration"), "tomorrow");
    assert_eq!(spoiled(FaultKind::NoExpiration).count("Expiration"), 0);
    assert_eq!(spoiled(FaultKind::MissingField("SessionToken".to_owned())).count("SessionToken"), 0);
    assert!(!spoiled(FaultKind::TruncatedXml).body.contains("</AssumeRoleResponse>"));
    assert!(spoiled(FaultKind::Garbage).body.starts_with("<!DOCTYPE html>"));
    let late = spoiled(FaultKind::Delay(Duration::from_millis(1)));
    assert_eq!(late.field("Arn"), richard.with(&late).sts("GetCallerIdentity", &[]).field("Arn"));
    let slow = spoiled(FaultKind::SlowLoris(Duration::ZERO));
    assert_eq!(slow.count("SessionToken"), 0, "the sizes of the chunks stand between the bytes");
    assert!(spoiled(FaultKind::HugeBody).body.len() >= 100_000_000);
}

#[test]
fn connections_that_fail() {
    let (aws, richard) = tutorials();
    let request = richard.signed(
        "POST",
        "sts",
        "/",
        &format!("Action=AssumeRole&Version=2011-06-15&RoleSessionName=xy&RoleArn={ROLE_ARN}"),
    );
    aws.fault(Fault::on(ACTION, FaultKind::Drop).times(1));
    richard.exchange(&request).expect_err("the connection is closed without an answer");
    assert_eq!((aws.calls()[0].status, aws.calls()[0].error_code.clone()), (0, None));
    aws.fault(Fault::on(ACTION, FaultKind::CutOff).times(1));
    let cut = richard.exchange(&request).expect("the head arrives");
    assert!(cut.status == 200 && !cut.body.contains("</AssumeRoleResponse>"));
    richard.exchange(&request).expect("an answer").succeeds();
}

#[test]
fn a_hanging_request_ends_with_the_sandbox() {
    let (aws, richard) = tutorials();
    aws.fault(Fault::on("GetCallerIdentity", FaultKind::Hang));
    let hold = aws.hold();
    let request = richard.signed("POST", "sts", "/", "Action=GetCallerIdentity&Version=2011-06-15");
    let waiting = thread::spawn(move || richard.exchange(&request).map(|reply| reply.status));
    hold.wait_for_arrivals(1);
    hold.release();
    drop(aws);
    waiting.join().expect("the client ends").expect_err("nothing was answered");
}

#[test]
fn a_clock_that_is_off_tells_so_and_judges_by_it() {
    let (aws, mut richard) = tutorials();
    aws.fault(Fault { when: Match::any(), what: FaultKind::DateSkew(3600), times: None, skip: 0 });
    let reply = richard.sts("GetCallerIdentity", &[]);
    reply.fails(
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 20261122T080000Z is now earlier than 20261122T085500Z",
    );
    assert!(reply.head.contains("date: sun, 22 nov 2026 09:00:00 gmt"));
    richard.skew = 3600;
    richard.sts("GetCallerIdentity", &[]).succeeds();
}

#[test]
fn a_gate_counts_those_who_wait() {
    let (aws, richard) = tutorials();
    let hold = aws.hold_matching(Match::action(ACTION));
    richard.sts("GetCallerIdentity", &[]).succeeds();
    let callers: Vec<_> = (0..5)
        .map(|_| {
            let richard = richard.clone();
            thread::spawn(move || richard.assume(ROLE_ARN, &[]).status)
        })
        .collect();
    hold.wait_for_arrivals(5);
    assert_eq!((hold.arrived(), aws.count(ACTION)), (5, 0));
    hold.release();
    assert!(callers.into_iter().all(|caller| caller.join().expect("the client ends") == 200));
    assert_eq!(aws.count(ACTION), 5);
    assert!(aws.calls().iter().all(|call| call.principal_arn.as_deref() == Some(USER_ARN)));
}

#[test]
fn a_task_can_wait_for_arrivals() {
    let (aws, richard) = tutorials();
    let hold = aws.hold();
    let caller = thread::spawn(move || richard.assume(ROLE_ARN, &[]).status);
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime starts")
        .block_on(hold.arrivals(1));
    hold.release();
    assert_eq!(caller.join().expect("the client ends"), 200);
}

#[test]
fn dropping_the_sandbox_closes_its_port() {
    let (aws, _) = tutorials();
    let address = aws.url().trim_start_matches("http://").to_owned();
    let mut idle = TcpStream::connect(&address).expect("it listens");
    drop(aws);
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    TcpStream::connect(&address).expect_err("nobody listens any more");
}
