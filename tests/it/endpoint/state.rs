//! What the endpoint says while things are not as they should be: locked, without AWS, with another configuration.

use super::client::{container, credentials, place};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::mfa::{config, unlock};
use rolecall::domain::error::Kind;
use rolecall::protocol::message::Request;
use rolecall_sandbox::tutorials::USER_ARN;
use rolecall_sandbox::{Fault, FaultKind, Match, World};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn what_needs_a_person_is_said_to_the_person_at_the_start_and_403_later() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    let refused = place(&agent, container("prod")).expect_err("nobody gave a code");
    assert_eq!((refused.kind, refused.hint.as_deref()), (Kind::Locked, Some("run `rolecall unlock auth`")));
    assert!(agent.status().endpoint.port.is_none(), "nothing listens for a failure");
    unlock(&agent, "auth", &agent.aws.mfa_code(USER_ARN)).unwrap();
    let prod = place(&agent, container("prod")).unwrap();
    credentials(&agent, &prod.get());
    agent.ask(Request::Lock).unwrap();
    let locked = prod.get();
    assert_eq!(locked.status, 403, "{locked:?}");
    let body = locked.json();
    assert_eq!(body["Code"], "Locked");
    assert!(body["Message"].as_str().unwrap().ends_with("run `rolecall unlock auth`"), "{body}");
    let wanted = agent.status().questions;
    assert_eq!((wanted.len(), wanted[0].open), (1, false), "{wanted:?}");
    until("it is told", || !agent.told().is_empty());
    agent.clock.advance(MINUTE);
    unlock(&agent, "auth", &agent.aws.mfa_code(USER_ARN)).unwrap();
    credentials(&agent, &prod.get());
}

#[test]
fn while_a_session_is_valid_nobody_waits_for_aws() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    let first = credentials(&agent, &prod.get());
    let hold = agent.aws.hold_matching(Match::action("AssumeRole"));
    // From half of its life on, through the last twenty minutes, to the last but one.
    for minutes in [31, 10, 10, 7] {
        agent.clock.advance(MINUTE * minutes);
        // AWS says nothing at all until the end of this test.
        let served = credentials(&agent, &prod.get());
        assert_eq!(served["AccessKeyId"], first["AccessKeyId"]);
    }
    agent.clock.advance(MINUTE);
    let none = prod.get();
    assert_eq!(none.status, 503, "never one that is over: {none:?}");
    assert_eq!(none.header("retry-after"), Some("1"));
    assert!(none.json()["message"].as_str().unwrap().contains("is being fetched"), "{none:?}");
    hold.release();
    until("what was under way has come", || prod.get().status == 200);
}

#[test]
fn without_aws_and_without_a_session_it_is_503_and_over_when_aws_is_back() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    agent.ask(Request::Lock).unwrap();
    let fault = agent.aws.hold_matching(Match::action("AssumeRole"));
    assert_eq!(prod.get().status, 503);
    fault.release();
    until("it is back", || prod.get().status == 200);
    agent.ask(Request::Lock).unwrap();
    let denied = FaultKind::Error { status: 403, code: "AccessDenied".into(), message: "no".into() };
    agent.aws.fault(Fault::on("AssumeRole", denied).times(1));
    let refused = prod.get();
    assert_eq!((refused.status, &refused.json()["Code"]), (403, &"Refused".into()), "{refused:?}");
    agent.clock.advance(MINUTE);
    credentials(&agent, &prod.get());
}

#[test]
fn a_role_that_was_removed_is_said_so_and_served_again_once_it_is_back() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    credentials(&agent, &prod.get());
    agent.edit(&TUTORIAL[..TUTORIAL.find("[roles.prod]").unwrap()]).unwrap();
    let removed = prod.get();
    assert_eq!(removed.status, 403, "{removed:?}");
    assert!(removed.json()["message"].as_str().unwrap().starts_with("`prod` is not in the configuration any more"));
    agent.edit(TUTORIAL).unwrap();
    credentials(&agent, &prod.get());
}

#[test]
fn the_rules_about_who_may_are_applied_with_each_request() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    credentials(&agent, &prod.get());
    agent.edit(&format!("{TUTORIAL}access = \"deny\"\n")).unwrap();
    let denied = prod.get();
    assert_eq!(denied.status, 403, "{denied:?}");
    assert!(denied.json()["Message"].as_str().unwrap().contains("the configuration denies `prod`"), "{denied:?}");
    agent.edit(&format!("{TUTORIAL}access = \"ask\"\n")).unwrap();
    let asked = prod.get();
    assert_eq!(asked.status, 403, "{asked:?}");
    assert!(asked.json()["Message"].as_str().unwrap().contains("needs a person's consent"), "{asked:?}");
    assert_eq!(agent.status().questions[0].kind, "consent");
    let places = agent.audit("endpoint").len();
    for _ in 0..20 {
        assert_eq!(prod.get().status, 403);
    }
    agent.edit(TUTORIAL).unwrap();
    credentials(&agent, &prod.get());
    until("each change is one line", || agent.audit("endpoint").len() > places);
    let results: Vec<String> =
        agent.audit("endpoint").iter().map(|line| line["result"].as_str().unwrap().to_owned()).collect();
    assert_eq!(results, ["ok", "denied", "locked", "ok"]);
}

#[test]
fn status_shows_who_is_served_and_the_log_each_session_once() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    for _ in 0..20 {
        credentials(&agent, &prod.get());
    }
    let shown = agent.status().endpoint;
    assert_eq!(shown.port, Some(prod.port));
    assert_eq!((shown.grants.len(), &*shown.grants[0].name), (1, "prod"));
    assert_eq!(shown.grants[0].pid, i32::try_from(std::process::id()).unwrap());
    assert_eq!(shown.grants[0].program.as_deref(), std::env::current_exe().unwrap().to_str());
    agent.pass(MINUTE * 20);
    credentials(&agent, &prod.get());
    agent.pass(MINUTE * 15);
    credentials(&agent, &prod.get());
    until("two sessions, two lines", || agent.audit("endpoint").len() == 2);
    assert_eq!(agent.audit("grant").len(), 1);
    assert_eq!(agent.status().counts.handed_out, 22, "each is counted");
}
