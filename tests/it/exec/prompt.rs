//! `prompt`: a word for the prompt, whatever is the matter, and never a wait.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::TUTORIAL;
use crate::harness::programs::ROLECALL;
use std::os::unix::net::UnixListener;
use std::process::Command;

fn prompt(home: &Home, role: &str, more: &[&str]) -> (String, String) {
    let mut command: Command = home.command(ROLECALL);
    let output = command.arg("prompt").args(more).env("ROLECALL_ROLE", role).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_shows_role_and_time_left_and_nothing_outside_of_a_role() {
    let home = Home::ready(TUTORIAL);
    assert_eq!(prompt(&home, "prod", &[]), ("prod expired\n".into(), String::new()), "nothing is fetched for it");
    assert_eq!(home.aws.count("AssumeRole"), 0);
    home.run(["get", "prod"]);
    let shown = prompt(&home, "prod", &[]).0;
    assert!(shown == "prod 59m\n" || shown == "prod 1h\n", "{shown}");
    assert_eq!(prompt(&home, "prod", &["--format", "[{}] "]).0.replace("1h", "59m"), "[prod 59m] ");
    let output = home.run(["prompt"]);
    assert_eq!(
        (output.status.code(), text(&output.stdout), text(&output.stderr)),
        (Some(0), String::new(), String::new())
    );
    let long = home.run(["prompt", "--long"]);
    assert!(text(&long.stdout).starts_with("in no role; "), "{}", text(&long.stdout));
}

#[test]
fn what_a_person_has_to_open_first_is_said_as_locked() {
    let home = Home::ready(TUTORIAL);
    let locked = |home: &Home| {
        assert_eq!(prompt(home, "prod", &[]).0, "prod (locked)\n");
        let said = prompt(home, "prod", &["--long"]).0;
        assert_eq!(said, "in prod (locked): run `rolecall unlock --vault`\n");
    };
    assert_eq!(home.run(["lock"]).status.code(), Some(0));
    locked(&home);
    home.open_vault();
    assert_eq!(prompt(&home, "prod", &[]).0, "prod expired\n", "the next command gets one");
    assert_eq!(home.run(["agent", "restart"]).status.code(), Some(0));
    locked(&home);
}

#[test]
fn what_is_no_name_is_shown_to_nobody() {
    let home = Home::ready(TUTORIAL);
    for hostile in ["a b", "$(id)", "`id`", "\u{1b}[2J", "%F{red}", "a\nb", "-x", ""] {
        assert_eq!(prompt(&home, hostile, &[]).0, "", "{hostile:?}");
        assert_eq!(prompt(&home, hostile, &["--format", "[{}]"]).0, "", "{hostile:?}");
    }
}

#[test]
fn a_role_that_is_gone_and_a_variable_that_wins_are_said() {
    let home = Home::ready(TUTORIAL);
    assert_eq!(prompt(&home, "staging", &[]).0, "staging (removed)\n");
    let overridden = home.rolecall(["prompt"]).env("ROLECALL_ROLE", "prod").env("AWS_PROFILE", "dev").output().unwrap();
    assert_eq!(text(&overridden.stdout), "prod (AWS_PROFILE wins)\n");
    let over = home
        .rolecall(["prompt"])
        .env("ROLECALL_ROLE", "prod")
        .env("AWS_ACCESS_KEY_ID", "ASIAX")
        .env("AWS_CREDENTIAL_EXPIRATION", "2026-01-01T00:00:00Z")
        .output()
        .unwrap();
    assert_eq!(text(&over.stdout), "prod expired\n", "of plain variables their own end");
}

#[test]
fn without_an_agent_it_says_so_and_starts_none() {
    let home = Home::ready(TUTORIAL);
    home.run(["agent", "stop"]);
    assert_eq!(prompt(&home, "prod", &[]).0, "prod (no agent)\n");
    assert!(prompt(&home, "prod", &["--long"]).0.contains("`rolecall agent start`"));
    assert!(!home.socket().exists(), "none was started");
    assert_eq!(home.run(["complete-names", "get", ""]).stdout, b"", "nor for a Tab");
    assert!(!home.socket().exists());
}

#[test]
fn an_agent_that_does_not_answer_holds_no_prompt_up() {
    let home = Home::ready(TUTORIAL);
    home.run(["agent", "stop"]);
    set_mode(home.socket().parent().unwrap(), 0o700);
    let listener = UnixListener::bind(home.socket()).unwrap();
    assert_eq!(prompt(&home, "prod", &[]).0, "prod\n");
    drop(listener);
    std::fs::remove_file(home.socket()).unwrap();
}

#[test]
fn an_endpoint_that_nobody_serves_any_more_is_said_with_what_helps() {
    let home = Home::ready(TUTORIAL);
    home.run(["get", "prod"]);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/role/prod");
    let ask = |long: &[&str]| {
        let mut command = home.rolecall(["prompt"]);
        command.args(long).env("ROLECALL_ROLE", "prod").env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url);
        text(&command.output().unwrap().stdout)
    };
    assert_eq!(ask(&[]), "prod (no endpoint)\n");
    assert!(ask(&["--long"]).contains("run `role prod` again"), "{}", ask(&["--long"]));
    // Somebody else has the port now: nothing is sent there, and a person who asks is told.
    let stranger = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert!(ask(&["--long"]).contains("run `role prod` again"), "{}", ask(&["--long"]));
    drop(stranger);
}
