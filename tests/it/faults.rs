//! What AWS or the vault does wrong: a clear error, in time, and never a good session lost or another one handed out.

use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::memory_vault::Mood;
use rolecall::domain::error::Kind;
use rolecall::domain::secret::MfaCode;
use rolecall::protocol::message::Request;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use rolecall_sandbox::{Fault, FaultKind, Match, MfaDevice, World};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

fn matrix() -> Vec<(FaultKind, Kind)> {
    let error = |status, code: &str| FaultKind::Error { status, code: code.to_owned(), message: "no".to_owned() };
    let other = "arn:aws:iam::222222222222:role/Administrator".to_owned();
    vec![
        (error(500, "InternalFailure"), Kind::Unreachable),
        (error(503, "ServiceUnavailable"), Kind::Unreachable),
        (error(403, "AccessDenied"), Kind::Refused),
        (error(403, "InvalidClientTokenId"), Kind::Refused),
        (FaultKind::Throttle, Kind::Unreachable),
        (FaultKind::Hang, Kind::Unreachable),
        (FaultKind::Drop, Kind::Unreachable),
        (FaultKind::Garbage, Kind::Unreachable),
        (FaultKind::TruncatedXml, Kind::Unreachable),
        (FaultKind::CutOff, Kind::Unreachable),
        (FaultKind::HugeBody, Kind::Unreachable),
        (FaultKind::SlowLoris(Duration::from_millis(100)), Kind::Unreachable),
        (FaultKind::WrongRole(other), Kind::Unreachable),
        (FaultKind::WrongAccount("999999999999".to_owned()), Kind::Unreachable),
        (FaultKind::ExpiredAnswer, Kind::Unreachable),
        (FaultKind::NoExpiration, Kind::Unreachable),
        (FaultKind::MissingField("SessionToken".to_owned()), Kind::Unreachable),
        (FaultKind::MissingField("SecretAccessKey".to_owned()), Kind::Unreachable),
        (FaultKind::MissingField("AccessKeyId".to_owned()), Kind::Unreachable),
        (FaultKind::FarFuture, Kind::Unreachable),
        (FaultKind::BadExpiration("soon".to_owned()), Kind::Unreachable),
        (FaultKind::EchoSecret, Kind::Refused),
    ]
}

/// Meets one fault without a session, and after it is over.
fn meet_without_a_session(fault: &FaultKind, expected: Kind) {
    let agent = Inside::start(TUTORIAL);
    agent.aws.fault(Fault::on("AssumeRole", fault.clone()));
    let report = agent.get("prod").expect_err("there is no session to give");
    assert_eq!(report.kind, expected, "{report:?}");
    assert!(report.message.contains(ROLE_ARN), "says which role: {report:?}");
    assert!(report.hint.is_some(), "says what to do: {report:?}");
    assert!(!report.message.contains('\n') && report.message.len() < 1024, "one line: {report:?}");
    agent.aws.clear_faults();
    // Beyond the seconds for which a refusal is remembered.
    agent.clock.advance(Duration::from_secs(6));
    agent.get("prod").expect("it is over");
}

/// Meets one fault with a session that is due, with one that is low, and after it is over.
fn meet_with_a_session(fault: &FaultKind) {
    let agent = Inside::start(TUTORIAL);
    let key = |session: rolecall::domain::credential::Session| session.access_key_id;
    let good = key(agent.get("prod").expect("no fault yet"));
    agent.clock.advance(20 * MINUTE);
    assert_eq!(key(agent.get("prod").expect("fresh")), good);
    agent.aws.fault(Fault::on("AssumeRole", fault.clone()));
    agent.clock.advance(15 * MINUTE);
    assert_eq!(key(agent.get("prod").expect("due, and served")), good);
    until("the renewal has failed", || agent.role("prod").error.is_some());

    agent.clock.advance(10 * MINUTE);
    assert_eq!(key(agent.get("prod").expect("low, and served")), good);
    assert!(agent.status().warnings.iter().any(|w| w.message.contains("prod: renewal fails")), "a person can see it");

    agent.aws.clear_faults();
    agent.clock.advance(3 * MINUTE);
    until("it is renewed", || key(agent.get("prod").expect("served all the time")) != good);
    let issued = agent.aws.session_expiration(&key(agent.get("prod").expect("served")));
    assert!(issued.is_some(), "a session that AWS knows");
}

/// Takes twenty real seconds, the agent's own deadline for a vault that hangs; all at once, so that they are spent once.
#[test]
fn whatever_sts_or_the_vault_answers_a_good_session_is_served_and_none_is_made_up() {
    let failed: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = matrix()
            .into_iter()
            .flat_map(|(fault, expected)| {
                let name = format!("{fault:?}");
                let again = fault.clone();
                let without = scope.spawn(move || meet_without_a_session(&fault, expected));
                let with = scope.spawn(move || meet_with_a_session(&again));
                [(format!("{name} without a session"), without), (format!("{name} with a session"), with)]
            })
            .chain([("a hung vault".to_owned(), scope.spawn(meet_a_hung_vault))])
            .collect();
        all.into_iter().filter_map(|(name, thread)| thread.join().is_err().then_some(name)).collect()
    });
    assert!(failed.is_empty(), "see above: {failed:#?}");
}

#[test]
fn a_clock_that_is_an_hour_off_is_corrected_by_aws_own() {
    for seconds in [3600, -3600] {
        let agent = Inside::start(TUTORIAL);
        agent.aws.fault(Fault::on("AssumeRole", FaultKind::DateSkew(seconds)));
        agent.get("prod").expect("served");
        let left = agent.role("prod").session.expect("a session").left_seconds;
        assert!((3590..=3600).contains(&left), "an hour is an hour, whatever our clock says: {left} s");
        assert!(agent.aws.count("AssumeRole") <= 2, "one correction");
        agent.clock.advance(61 * MINUTE);
        until("it is over by its own time", || agent.role("prod").session.is_none_or(|s| s.freshness == "expired"));
    }
}

#[test]
fn a_locked_vault_says_so_at_once_and_costs_nobody_a_valid_session() {
    let agent = Inside::start(TUTORIAL);
    agent.vault.set(Mood::Locked);
    let report = agent.get("prod").expect_err("locked");
    assert_eq!((report.kind, report.kind.exit_code()), (Kind::Locked, 4));
    assert!(agent.aws.calls().is_empty());

    agent.vault.set(Mood::Well);
    let good = agent.get("prod").expect("open").access_key_id;
    agent.vault.set(Mood::Locked);
    // Nobody has used it for so long that it was not renewed, and now too little is left: its caller waits for a try.
    agent.clock.advance(45 * MINUTE);
    for minute in 45..58 {
        let session = agent.get("prod").unwrap_or_else(|report| panic!("minute {minute}: {report:?}"));
        assert_eq!(session.access_key_id, good);
        agent.clock.advance(MINUTE);
    }
    agent.clock.advance(2 * MINUTE);
    assert_eq!(agent.get("prod").expect_err("over").kind, Kind::Locked);
    agent.vault.set(Mood::Well);
    assert_ne!(agent.get("prod").expect("open again").access_key_id, good);
}

/// A renewal that is under way holds nobody up: AWS answers it only when the session was served.
#[test]
fn a_due_session_is_served_during_its_renewal() {
    let agent = Inside::start(TUTORIAL);
    let good = agent.get("prod").expect("served").access_key_id;
    agent.clock.advance(20 * MINUTE);
    assert_eq!(agent.get("prod").expect("fresh").access_key_id, good);
    let hold = agent.aws.hold_matching(Match::action("AssumeRole"));
    agent.clock.advance(15 * MINUTE);
    hold.wait_for_arrivals(1);
    assert_eq!(agent.get("prod").expect("served meanwhile").access_key_id, good);
    hold.release();
    until("it is renewed", || agent.get("prod").expect("served").access_key_id != good);
}

/// A vault that never answers holds up its caller only, who is told so in the end.
fn meet_a_hung_vault() {
    let other = format!("[roles.other]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\nrole_session_name = \"other\"\n");
    let agent = Inside::start(&format!("{TUTORIAL}{other}"));
    agent.get("other").expect("served");
    agent.vault.set(Mood::Hung);
    std::thread::scope(|scope| {
        let stuck = scope.spawn(|| agent.get("prod"));
        until("it waits for the vault", || agent.vault.reads() == 2);
        for _ in 0..20 {
            agent.get("other").expect("served");
        }
        assert_eq!(stuck.join().unwrap().expect_err("no session").kind, Kind::Unreachable);
    });
    agent.vault.set(Mood::Well);
    agent.ask(Request::Lock).unwrap();
    agent.get("prod").expect("a lock calls off what hangs");
}

#[test]
fn a_code_given_ahead_of_time_outlasts_an_edit() {
    let config = TUTORIAL.replace("region =", "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\nregion =");
    let mut world = World::tutorials();
    let user = world.user(USER_ARN);
    user.mfa_devices.push(MfaDevice::generate("111111111111", "richard"));
    let agent = Inside::start_in(world, &config);
    let code = agent.aws.mfa_code(USER_ARN);
    let code = MfaCode::new(code);
    agent.ask(Request::Unlock { name: None, code }).unwrap();
    agent.edit(&format!("# a remark\n{config}")).unwrap();
    agent.get("prod").expect("the code was given");
}
