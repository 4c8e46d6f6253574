//! What cannot be signed in, and what goes wrong on the way: each with its reason, its code and nothing shown.

use super::{all_services, home, last_event};
use crate::harness::home::{CHAIN, Home, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use rolecall::domain::error::Kind;
use rolecall::protocol::message::{Answer, Request};
use rolecall_sandbox::{Fault, FaultKind, Match};
use std::thread;

fn refused(home: &Home, args: &[&str], code: i32, words: &str, hint: &str) {
    let output = home.run(args);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert!(said.contains(words) && said.contains(&format!("hint: {hint}")), "{args:?}: {said}");
}

#[test]
fn what_aws_would_refuse_is_refused_before_it_is_asked() {
    let home = home();
    home.aws.clear_calls();
    let print = |args: &[&'static str]| [&["console"], args, &["--print"]].concat();
    refused(&home, &print(&["auth"]), 3, "`auth` is an IAM user", "run `rolecall console ROLE`");
    refused(&home, &print(&["data", "--duration", "1h"]), 2, "role chaining", "leave `--duration` out");
    refused(&home, &print(&["prod", "--duration", "13h"]), 2, "15m to 12h", "give `--duration`");
    refused(&home, &print(&["prod", "--duration", "soon"]), 2, "`--duration`", "give it as");
    refused(&home, &print(&["prod", "--service", "s3/../x"]), 2, "not the name of a service", "name it as");
    refused(&home, &print(&["prod", "--region", "cn-north-1"]), 2, "not a region of partition aws", "give `--region`");
    refused(
        &home,
        &print(&["prod", "--destination", "https://example.com/"]),
        2,
        "does not lead to",
        "give an address",
    );
    refused(&home, &print(&["prdo"]), 3, "no role or identity called `prdo`", "did you mean `prod`");
    assert!(home.aws.calls().is_empty(), "{:?}", home.aws.calls());
    let line = last_event(&home, "console");
    assert_ne!(line["result"], "ok");
}

#[test]
fn a_role_of_an_mfa_session_is_told_how_to_be_given_a_duration() {
    let inside = Inside::start(&all_services(&TUTORIAL.replace(
        "region = \"eu-west-1\"",
        "region = \"eu-west-1\"\nmfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"",
    )));
    let report = inside.ask(wanted("prod", Some(3600), None)).expect_err("refused");
    assert!(report.message.contains("MFA session"), "{}", report.message);
    assert!(report.hint.expect("a hint").contains("mfa = \"direct\""));
    assert!(inside.aws.calls().is_empty(), "nobody was asked for a code");
}

fn wanted(name: &str, duration_seconds: Option<u32>, destination: Option<&str>) -> Request {
    let destination = destination.map(str::to_owned);
    Request::Console { name: name.to_owned(), destination, duration_seconds, by_browser: false }
}

fn signed_in(inside: &Inside) -> Result<String, rolecall::domain::error::UserError> {
    match inside.ask(wanted("prod", None, None))? {
        Answer::Console { url, valid_seconds } => {
            assert_eq!(valid_seconds, 900);
            Ok(url.expose().to_owned())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_speaks_to_the_agent_is_led_nowhere_but_to_the_console() {
    let inside = Inside::start(&all_services(TUTORIAL));
    for bad in ["https://example.com/", "http://console.aws.amazon.com/", "https://console.aws.amazon.com@example.com/"]
    {
        let report = inside.ask(wanted("prod", None, Some(bad))).expect_err(bad);
        assert_eq!(report.kind, Kind::Usage, "{bad}");
    }
    assert!(inside.aws.calls().is_empty());
}

#[test]
fn rules_of_access_and_their_log_hold_for_the_console_as_for_the_session() {
    let inside = Inside::start(&all_services(&format!("{TUTORIAL}access = \"deny\"\n")));
    let report = inside.ask(wanted("prod", None, None)).expect_err("denied");
    assert!(report.message.contains("denies `prod`"), "{}", report.message);
    assert!(inside.aws.calls().is_empty());
    until("it is logged", || !inside.audit("console").is_empty());
    let line = inside.audit("console").pop().expect("a line");
    assert_eq!(line["result"], "denied");
}

#[test]
fn a_sign_in_that_is_ill_is_named_and_the_session_is_kept() {
    let inside = Inside::start(&all_services(TUTORIAL));
    let on = |what| Fault::on("GetSigninToken", what);
    let error = |status| FaultKind::Error { status, code: "X".into(), message: "ill".into() };
    for (fault, kind, words) in [
        (on(error(503)), Kind::Unreachable, "out of order (HTTP 503)"),
        (on(error(429)), Kind::Unreachable, "asked too often"),
        (on(error(301)), Kind::Unreachable, "is not the console's sign-in (HTTP 301)"),
        (on(FaultKind::Garbage), Kind::Unreachable, "is not the console's sign-in"),
        (on(FaultKind::HugeBody), Kind::Unreachable, "larger than any"),
        (on(FaultKind::Drop), Kind::Unreachable, "closed the connection"),
        (on(FaultKind::CutOff), Kind::Unreachable, "127.0.0.1"),
        (on(error(403)), Kind::Refused, "AWS refused to sign in to the console"),
        (on(FaultKind::EchoSecret), Kind::Refused, "AWS refused to sign in to the console"),
    ] {
        inside.aws.fault(fault.clone());
        let report = signed_in(&inside).expect_err(words);
        assert!(report.kind == kind && report.message.contains(words), "{:?}: {}", fault.what, report.message);
        assert!(report.hint.is_some(), "{}", report.message);
        inside.canaries.shown(&report.message);
        inside.aws.clear_faults();
    }
    let session = inside.get("prod").expect("the session is there");
    for secret in [session.secret.expose(), session.token.expose()] {
        inside.canaries.add(secret);
    }
    assert_eq!(inside.aws.count("AssumeRole"), 1);
    // One that breaks once is asked again.
    inside.aws.fault(on(FaultKind::Drop).times(1));
    let url = signed_in(&inside).expect("the second try");
    inside.canaries.add(&url);
}

#[test]
fn a_sign_in_that_never_answers_holds_nobody_longer_than_ten_seconds_and_nobody_else_at_all() {
    let inside = Inside::start(&all_services(TUTORIAL));
    inside.get("prod").expect("a session");
    inside.aws.fault(Fault::on("GetSigninToken", FaultKind::Hang));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| signed_in(&inside).expect_err("never answered"));
        until("the sign-in is asked", || inside.aws.count("GetSigninToken") > 0);
        inside.get("prod").expect("served meanwhile");
        let report = waiting.join().unwrap();
        assert_eq!(report.kind, Kind::Unreachable, "{}", report.message);
    });
}

#[test]
fn where_sts_is_down_the_console_says_so_as_get_does_and_serves_what_is_there() {
    let inside = Inside::start(&all_services(TUTORIAL));
    let down = Fault::on("AssumeRole", FaultKind::Drop);
    inside.aws.fault(down.clone());
    assert_eq!(signed_in(&inside).expect_err("no session").kind, Kind::Unreachable);
    inside.aws.clear_faults();
    inside.get("prod").expect("a session");
    inside.aws.fault(down);
    let url = signed_in(&inside).expect("by the session that is there");
    inside.canaries.add(&url);
}

#[test]
fn a_lock_meanwhile_gives_nobody_an_address() {
    let inside = Inside::start(&all_services(TUTORIAL));
    inside.get("prod").expect("a session");
    let hold = inside.aws.hold_matching(Match::action("GetSigninToken"));
    let by_browser =
        Request::Console { name: "prod".into(), destination: None, duration_seconds: None, by_browser: true };
    thread::scope(|scope| {
        let waiting = scope.spawn(|| signed_in(&inside).expect_err("locked"));
        let browsing = scope.spawn(|| inside.ask(by_browser).expect_err("locked"));
        until("both sign-ins are asked", || hold.arrived() > 1);
        inside.ask(Request::Lock).expect("locked");
        hold.release();
        let report = waiting.join().unwrap();
        assert_eq!(report.kind, Kind::Locked, "{}", report.message);
        assert_eq!(browsing.join().unwrap().kind, Kind::Locked);
    });
    until("and none is noted as given", || inside.audit("console").len() == 2);
    assert!(inside.audit("console").iter().all(|line| line["result"] == "locked"));
}

#[test]
fn an_address_of_the_sign_in_is_taken_from_the_configuration_and_is_plain_on_this_machine_only() {
    let home =
        Home::bare(&CHAIN.replace("endpoint_url_sts", "endpoint_url_signin").replace("ENDPOINT", "http://10.0.0.1"));
    let output = home.run(["console", "prod", "--print"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("plain http is allowed to"), "{}", text(&output.stderr));
}
