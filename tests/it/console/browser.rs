//! `console` without `--print`: a browser that is sent there by an address that is no secret.

use super::{decoded, home, visit};
use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use rolecall::protocol::message::{Answer, Request};
use std::process::Output;
use std::time::Duration;

/// Puts a browser there that writes its arguments down, talks, and ends as it is told.
fn browser(home: &mut Home, name: &str, then: &str) -> String {
    let path = home.path(name);
    let argv = home.path("argv");
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {0}.new && mv {0}.new {0}\necho noise; echo noise >&2\n{then}\n",
        argv.display()
    );
    std::fs::write(&path, script).unwrap();
    set_mode(&path, 0o755);
    path.display().to_string()
}

fn argv(home: &Home) -> Vec<String> {
    until("the browser is started", || home.path("argv").exists());
    std::fs::read_to_string(home.path("argv")).unwrap().lines().map(str::to_owned).collect()
}

/// Follows an address of this machine to the sign-in, whose token nobody else may have seen.
fn follow(home: &Home, address: &str) -> String {
    let (status, location) = visit(address);
    assert_eq!(status, 303);
    let url = location.expect("it leads on");
    let token = url.split_once("SigninToken=").expect("a token").1;
    home.canaries.add(token);
    home.canaries.add(&decoded(token));
    url
}

/// Tells whether an address is of no use to who has found it.
fn leads_nowhere(address: &str) -> bool {
    let (status, location) = visit(address);
    (status == 0 || status >= 400) && location.is_none()
}

fn shown(home: &Home, output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "opening the console as prod in the browser\n");
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert!(home.aws.count("GetSigninToken") > 0);
}

#[test]
fn the_browser_gets_an_address_that_is_no_secret_and_is_signed_in_by_it_once() {
    let mut home = home();
    let program = browser(&mut home, "browser", "");
    home.set("BROWSER", program);
    shown(&home, &home.run(["console", "prod", "--service", "s3"]));
    let argv = argv(&home);
    let [address] = argv.as_slice() else { panic!("one argument: {argv:?}") };
    assert!(address.starts_with("http://127.0.0.1:") && address.contains("/console/"), "{address}");
    let url = follow(&home, address);
    assert_eq!(visit(&url).0, 302);
    assert_eq!(
        home.aws.signed_in()[0].destination,
        "https://eu-west-1.console.aws.amazon.com/s3/home?region=eu-west-1"
    );
    // What stays in a browser's history, or in `ps`, opens nothing any more. Nobody may listen there by now.
    assert!(leads_nowhere(address));
}

#[test]
fn a_browser_that_stays_or_takes_the_address_elsewhere_in_its_arguments_is_left_to_itself() {
    let mut home = home();
    let program = browser(&mut home, "browser", "exec sleep 30");
    home.set("BROWSER", format!("{program} --new-window=%s -x"));
    shown(&home, &home.run(["console", "prod"]));
    let argv = argv(&home);
    assert!(argv.len() == 2 && argv[1] == "-x", "{argv:?}");
    follow(&home, argv[0].strip_prefix("--new-window=").expect("in its place"));
}

#[test]
fn without_a_display_a_browser_or_its_success_it_says_what_to_do_and_asks_aws_nothing_in_vain() {
    let mut home = home();
    let fails = |home: &Home, words: &str| {
        let output = home.run(["console", "prod"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(output.stdout.is_empty() && said.contains(words) && said.contains("`--print`"), "{said}");
    };
    home.aws.clear_calls();
    fails(&home, "there is no display to open a browser on");
    assert!(home.aws.calls().is_empty(), "no code is asked for what cannot be shown");
    home.set("BROWSER", "/missing/browser:missing-too");
    fails(&home, "/missing/browser and missing-too is not installed");
    let program = browser(&mut home, "broken", "exit 3");
    home.set("BROWSER", format!("missing:{program}"));
    fails(&home, "failed (exit status: 3)");
    // The address that it was given still works: the person may have closed the window in between.
    follow(&home, &argv(&home)[0]);
}

#[test]
fn a_window_that_is_closed_before_it_signs_in_costs_nothing_and_running_it_again_works() {
    let inside = Inside::start(&super::all_services(TUTORIAL));
    let ask = |inside: &Inside| match inside.ask(by_browser()) {
        Ok(Answer::Console { url, valid_seconds }) => (url.expose().to_owned(), valid_seconds),
        other => panic!("{other:?}"),
    };
    let (first, valid) = ask(&inside);
    assert_eq!(valid, 60);
    inside.pass(Duration::from_secs(61));
    assert!(leads_nowhere(&first));
    let (second, _) = ask(&inside);
    assert_ne!(first, second);
    let (status, location) = visit(&second);
    assert_eq!(status, 303);
    inside.canaries.add(location.unwrap().split_once("SigninToken=").unwrap().1);
}

#[test]
fn a_lock_takes_the_address_back() {
    let inside = Inside::start(&super::all_services(TUTORIAL));
    let Ok(Answer::Console { url, .. }) = inside.ask(by_browser()) else { panic!("an address") };
    inside.ask(Request::Lock).expect("locked");
    assert!(leads_nowhere(url.expose()));
}

fn by_browser() -> Request {
    Request::Console { name: "prod".into(), destination: None, duration_seconds: None, by_browser: true }
}
