//! Sessions: how many calls serve how many callers, when one is renewed, and what an outage costs.

use crate::harness::inside::{Inside, TUTORIAL, until};
use rolecall::domain::error::Kind;
use rolecall::protocol::message::Request;
use rolecall_sandbox::tutorials::ROLE_ARN;
use rolecall_sandbox::{Fault, FaultKind, Match};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_thousand_callers_of_a_cold_role_are_one_vault_read_and_one_call() {
    let agent = Inside::start(TUTORIAL);
    let hold = agent.aws.hold_matching(Match::action("AssumeRole"));
    let keys: BTreeSet<String> = std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..1000).map(|_| scope.spawn(|| agent.get("prod").expect("served").access_key_id)).collect();
        // The flight is held until every caller is there, or there would be no crowd.
        hold.wait_for_arrivals(1);
        until("all callers wait", || agent.status().counts.gets == 1000);
        hold.release();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(keys.len(), 1);
    assert_eq!(agent.aws.count("AssumeRole"), 1);
    assert_eq!(agent.vault.reads(), 1);
}

#[test]
fn fifty_cold_roles_are_fifty_calls() {
    let agent = Inside::start(&with_roles(50));
    let start = Barrier::new(200);
    std::thread::scope(|scope| {
        for n in 0..200 {
            let (agent, start) = (&agent, &start);
            scope.spawn(move || {
                start.wait();
                agent.get(&format!("r{}", n % 50)).expect("served");
            });
        }
    });
    assert_eq!(agent.aws.count("AssumeRole"), 50);
}

#[test]
fn a_day_of_one_hour_sessions_makes_nobody_wait_after_the_first() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    for minute in (0..24 * 60).step_by(3) {
        agent.pass(3 * MINUTE);
        let before = agent.aws.count("AssumeRole");
        let session = agent.get("prod").expect("served");
        let left = session.expiration - agent.aws.clock().now();
        assert!(left.num_minutes() >= 20, "minute {minute}: {left} left");
        assert_eq!(agent.aws.count("AssumeRole"), before, "minute {minute}: a caller waited for STS");
    }
    // Each is renewed when it is 30 to 33 minutes old, as far as steps of three minutes see it.
    let calls = agent.aws.count("AssumeRole");
    assert!((43..=60).contains(&calls), "{calls} calls in a day");
}

#[test]
fn an_outage_of_two_hours_costs_nobody_a_valid_session_and_hands_out_no_dead_one() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    let mut failed_at = None;
    for minute in (0..5 * 60).step_by(3) {
        if minute == 60 {
            // As a captive portal answers: an answer that is nothing of AWS's is not asked for again within the same call.
            agent.aws.fault(Fault::on("AssumeRole", FaultKind::Garbage));
        }
        if minute == 180 {
            agent.aws.clear_faults();
        }
        agent.pass(3 * MINUTE);
        match agent.get("prod") {
            Ok(session) => {
                let left = session.expiration - agent.aws.clock().now();
                assert!(left.num_seconds() > 60, "minute {minute}: {left} left");
                assert!(failed_at.is_none() || minute >= 180, "minute {minute}: a session out of nowhere");
            }
            Err(report) => {
                assert_eq!(report.kind, Kind::Unreachable, "{report:?}");
                failed_at.get_or_insert(minute);
                assert!((60..182).contains(&minute), "minute {minute}: {report:?}");
            }
        }
    }
    let failed_at = failed_at.expect("an outage longer than the session is felt in the end");
    // The session was renewed at most half an hour before the outage, so it lasted at least another 27 minutes.
    assert!(failed_at >= 60 + 27, "a valid session was not served from minute {failed_at} on");
}

#[test]
fn a_failed_renewal_is_a_warning_and_not_the_callers_problem() {
    let agent = Inside::start(TUTORIAL);
    let first = agent.get("prod").expect("served");
    agent.pass(25 * MINUTE);
    agent.get("prod").expect("served");
    agent.aws.fault(Fault::on("AssumeRole", FaultKind::Drop));
    agent.pass(10 * MINUTE);
    assert_eq!(agent.get("prod").expect("served").access_key_id, first.access_key_id);
    until("the failure is known", || agent.role("prod").error.is_some());
    let warnings = agent.status().warnings;
    assert!(warnings.iter().any(|w| w.message.contains("prod") && w.message.contains("renewal fails")), "{warnings:?}");
}

#[test]
fn a_role_nobody_uses_lapses() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    for _ in 0..180 {
        agent.clock.advance(MINUTE);
    }
    until("the session is over", || {
        agent.role("prod").session.is_none_or(|session| session.freshness == "expired" || session.freshness == "due")
    });
    assert!(agent.aws.count("AssumeRole") <= 2, "renewed for nobody: {}", agent.aws.count("AssumeRole"));
}

#[test]
fn a_session_too_low_to_serve_is_renewed_first() {
    let agent = Inside::start(TUTORIAL);
    let first = agent.get("prod").expect("served");
    agent.aws.fault(Fault::on("AssumeRole", FaultKind::Throttle));
    agent.clock.advance(41 * MINUTE);
    agent.aws.clear_faults();
    let second = agent.get("prod").expect("served");
    let left = second.expiration - agent.aws.clock().now();
    assert!(left.num_minutes() >= 20 || second.access_key_id == first.access_key_id, "{left}");
}

#[test]
fn a_caller_that_dies_changes_nothing() {
    let agent = Inside::start(TUTORIAL);
    let hold = agent.aws.hold_matching(Match::action("AssumeRole"));
    let socket = agent.paths.socket.clone();
    {
        use rolecall::protocol::frame;
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        frame::write_request(&mut stream, br#"{"version":4,"request":{"do":"get","name":"prod"}}"#).unwrap();
        hold.wait_for_arrivals(1);
    }
    std::thread::scope(|scope| {
        let other = scope.spawn(|| agent.get("prod"));
        until("the other waits", || agent.status().counts.gets == 2);
        hold.release();
        assert!(other.join().unwrap().is_ok());
    });
    assert_eq!(agent.aws.count("AssumeRole"), 1);
}

#[test]
fn all_callers_of_a_failed_flight_get_its_error_and_a_permanent_one_is_remembered_for_seconds() {
    let agent = Inside::start(&TUTORIAL.replace("AssumedRole", "Another"));
    let first = agent.get("prod").expect_err("refused");
    assert_eq!(first.kind, Kind::Refused, "{first:?}");
    assert!(first.message.contains("arn:aws:iam::222222222222:role/Another"), "{first:?}");
    for _ in 0..20 {
        assert_eq!(agent.get("prod").expect_err("refused"), first);
    }
    assert_eq!(agent.aws.count("AssumeRole"), 1, "a loop of tools is not a loop of calls");
    agent.clock.advance(Duration::from_secs(6));
    agent.get("prod").expect_err("refused");
    assert_eq!(agent.aws.count("AssumeRole"), 2);
}

#[test]
fn chains_share_their_common_start() {
    let agent = Inside::start_in(crate::harness::home::chained_world(), crate::harness::home::CHAIN);
    agent.get("data").expect("served");
    assert_eq!(agent.aws.count("AssumeRole"), 2, "prod and data");
    agent.get("prod").expect("served");
    agent.get("logs").expect("served");
    assert_eq!(agent.aws.count("AssumeRole"), 3, "only logs is new");
    assert_eq!(agent.vault.reads(), 1);
}

#[test]
fn a_lock_forgets_everything_and_what_is_under_way_hands_nothing_out() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    agent.ask(Request::Lock).unwrap();
    assert!(agent.role("prod").session.is_none());
    let hold = agent.aws.hold_matching(Match::action("AssumeRole"));
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| agent.get("prod"));
        hold.wait_for_arrivals(1);
        agent.ask(Request::Lock).unwrap();
        assert_eq!(caller.join().unwrap().expect_err("locked").kind, Kind::Locked);
    });
    hold.release();
    assert!(agent.role("prod").session.is_none(), "the flight landed nowhere");
    assert!(agent.get("prod").is_ok(), "a new request is a new start");
}

#[test]
fn clock_steps_serve_nothing_stale_and_cause_no_storm() {
    let agent = Inside::start(TUTORIAL);
    let first = agent.get("prod").expect("served");
    // The machine slept for three hours by its boot clock while its wall clock stood still.
    agent.clock.advance_boot(180 * MINUTE);
    let second = agent.get("prod").expect("served");
    assert_ne!(first.access_key_id, second.access_key_id, "over by one clock is over");
    for _ in 0..10 {
        agent.get("prod").expect("served");
    }
    assert_eq!(agent.aws.count("AssumeRole"), 2);
}

#[test]
fn an_unchanged_role_keeps_its_session_over_a_reload_and_a_changed_one_does_not() {
    let agent = Inside::start(TUTORIAL);
    let first = agent.get("prod").expect("served");
    agent.edit(&format!("# a comment\n{TUTORIAL}display_name = \"Production\"\n")).unwrap();
    assert_eq!(agent.get("prod").expect("served").access_key_id, first.access_key_id);
    agent.edit(&format!("{TUTORIAL}external_id = \"7f3a\"\n")).unwrap();
    assert_ne!(agent.get("prod").expect("served").access_key_id, first.access_key_id);
    assert_eq!(agent.aws.count("AssumeRole"), 2);
}

#[test]
fn a_bad_edit_keeps_the_last_good_configuration_and_says_so() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    let refused = agent.edit(&format!("{TUTORIAL}duraton = \"1h\"\n")).expect_err("an unknown key");
    assert_eq!(refused.kind, Kind::Config);
    assert!(refused.message.contains("config.toml:12") && refused.message.contains("duraton"), "{refused:?}");
    assert!(agent.get("prod").is_ok(), "the old one is in use");
    let warnings = agent.status().warnings;
    assert!(warnings[0].message.contains("duraton"), "{warnings:?}");
    let failing = agent.get("nobody").expect_err("unknown");
    assert!(failing.hint.expect("a hint").contains("duraton"), "the next failing command says it");
    agent.edit(TUTORIAL).unwrap();
    assert!(agent.status().warnings.is_empty());
}

#[test]
fn an_unknown_role_is_answered_without_a_call() {
    let agent = Inside::start(TUTORIAL);
    let report = agent.get("prdo").expect_err("unknown");
    assert_eq!(report.kind, Kind::Config);
    assert!(report.hint.expect("a hint").contains("`prod`"));
    assert!(agent.aws.calls().is_empty());
    assert_eq!(agent.vault.reads(), 0);
}

#[test]
fn another_role_is_served_while_one_hangs() {
    let other = "[roles.other]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"\nrole_session_name = \"other\"\n";
    let agent = Inside::start(&format!("{TUTORIAL}{other}"));
    agent.get("other").expect("served");
    agent.vault.set(crate::harness::memory_vault::Mood::Hung);
    std::thread::scope(|scope| {
        let stuck = scope.spawn(|| agent.get("prod"));
        until("it waits for the vault", || agent.vault.reads() == 2);
        assert!(agent.get("other").is_ok());
        agent.ask(Request::Lock).unwrap();
        assert!(stuck.join().unwrap().is_err());
    });
}

#[test]
fn background_renewals_are_three_a_second() {
    let agent = Inside::start(&with_roles(8));
    for n in 0..8 {
        agent.get(&format!("r{n}")).expect("served");
    }
    agent.aws.clear_calls();
    agent.clock.advance(25 * MINUTE);
    for n in 0..8 {
        agent.get(&format!("r{n}")).expect("served");
    }
    // All eight are due at once. The clock stands still, so only the first has its turn.
    agent.clock.advance(10 * MINUTE);
    until("the first is renewed", || agent.aws.count("AssumeRole") == 1);
    agent.clock.advance(Duration::from_millis(340));
    until("the second is renewed", || agent.aws.count("AssumeRole") == 2);
    assert_eq!(agent.status().counts.sts_calls, 8 + 2);
    until("all are renewed", || {
        agent.clock.advance(Duration::from_millis(340));
        agent.aws.count("AssumeRole") == 8
    });
}

#[test]
fn a_locked_vault_or_a_missing_code_costs_nobody_a_valid_session() {
    let agent = Inside::start(TUTORIAL);
    let first = agent.get("prod").expect("served");
    agent.vault.set(crate::harness::memory_vault::Mood::Locked);
    agent.clock.advance(45 * MINUTE);
    assert_eq!(agent.get("prod").expect("still valid").access_key_id, first.access_key_id);
    agent.clock.advance(15 * MINUTE);
    assert_eq!(agent.get("prod").expect_err("over").kind, Kind::Locked);
}

/// Makes so many roles of one ARN, told apart by their session names.
fn with_roles(number: usize) -> String {
    use std::fmt::Write;
    (0..number).fold(TUTORIAL.to_owned(), |mut text, n| {
        write!(text, "[roles.r{n}]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\nrole_session_name = \"role-{n}\"\n")
            .expect("a string takes everything");
        text
    })
}
