//! A caller at a terminal of its own, asked on `/dev/tty`.

use crate::harness::home::{Home, text};
use crate::harness::inside::until;
use crate::harness::process::Running;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::USER_ARN;
use std::process::{Child, Stdio};

fn home() -> Home {
    let config = format!("prompts = [\"tty\"]\n{}", super::config(""));
    let home = Home::ready(&config);
    home.aws.world(World::demand_mfa);
    home
}

#[test]
fn the_question_appears_in_the_terminal_that_came_first_and_one_answer_serves_all() {
    needs!("tmux");
    let home = home();
    let rolecall = ROLECALL;
    let first = Window::open(&home, "first");
    first.run(&format!("{rolecall} get prod > first.json; echo first done $?"));
    until("the first terminal is asked", || first.shows("MFA code of auth"));
    let second = Window::open(&home, "second");
    second.run(&format!("{rolecall} get prod > second.json; echo second done $?"));
    let third: Child = home.rolecall(["get", "prod"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("all three wait", || home.gets() == 3);
    assert!(!second.shows("MFA code"), "one question: {}", second.screen());
    first.run(&home.aws.mfa_code(USER_ARN));
    until("the first is served", || first.shows("first done 0"));
    until("the second is served", || second.shows("second done 0"));
    let third = third.wait_with_output().unwrap();
    assert!(third.status.success(), "{}", text(&third.stderr));
    assert_eq!(home.aws.count("GetSessionToken"), 1);
    assert_eq!(home.aws.count("AssumeRole"), 1);
    assert!(!first.shows(&home.aws.mfa_code(USER_ARN)), "what is typed is not shown");
    for file in ["first.json", "second.json"] {
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(home.path(file)).unwrap()).unwrap();
        assert_eq!(json["Version"], 1);
        std::fs::remove_file(home.path(file)).unwrap();
    }
}

/// Codes that the device shows neither now nor in the next minutes.
fn wrong_codes(home: &Home) -> impl Iterator<Item = String> {
    let device = home.aws.world(|world| world.user(USER_ARN).mfa_devices[0].clone());
    let now = home.aws.clock().now();
    let right: Vec<String> = (-2..10).map(|step| device.code_at(now + chrono::TimeDelta::seconds(step * 30))).collect();
    (0..).map(|code| format!("{code:06}")).filter(move |code| !right.contains(code))
}

#[test]
fn a_wrong_code_is_asked_again_with_the_reason_and_three_of_them_are_the_end() {
    needs!("tmux");
    let home = home();
    let rolecall = ROLECALL;
    let window = Window::open(&home, "window");
    window.run(&format!("{rolecall} get prod; echo done $?"));
    let asked = || window.screen().matches("MFA code of auth").count();
    until("it is asked", || asked() == 1);
    window.run("12x");
    until("it is asked again", || window.shows("six digits") && asked() == 2);
    assert_eq!(home.aws.count("GetSessionToken"), 0, "that was no code, and no try");
    for (at, wrong) in wrong_codes(&home).take(3).enumerate() {
        until("it is asked", || asked() == at + 2);
        window.run(&wrong);
        until("AWS has refused it", || home.aws.count("GetSessionToken") == at + 1);
    }
    until("it is over", || window.shows("done 5"));
    assert!(window.shows("accepted none of 3 codes of MFA device"), "{}", window.screen());
    assert_eq!(window.screen().matches("AWS did not accept").count(), 2, "said with each further question");
    assert_eq!((asked(), home.aws.count("GetSessionToken")), (4, 3));
}

#[test]
fn a_used_code_that_is_typed_at_a_question_is_refused_with_the_time_until_the_next() {
    needs!("tmux");
    let home = home();
    let used = home.aws.mfa_code(USER_ARN);
    assert!(home.run_with_input(["unlock", "auth"], &used).status.success());
    assert!(home.run(["lock"]).status.success());
    home.open_vault();
    let calls = home.aws.count("GetSessionToken");
    let window = Window::open(&home, "window");
    window.run(&format!("{ROLECALL} get prod > /dev/null; echo done $?"));
    until("it is asked", || window.shows("MFA code of auth"));
    window.run(&used);
    until("it is refused", || window.shows("used already"));
    until("it is asked again", || window.screen().matches("MFA code of auth").count() == 2);
    let screen = window.screen();
    let seconds = screen.split("the next one in ").nth(1).and_then(|rest| rest.split(" s").next()).expect("the time");
    assert!((1..=30).contains(&seconds.parse::<u32>().unwrap()), "{screen}");
    assert_eq!(home.aws.count("GetSessionToken"), calls, "AWS is not asked what is known here");
    let device = home.aws.world(|world| world.user(USER_ARN).mfa_devices[0].clone());
    window.run(&device.code_at(home.aws.clock().now() + chrono::TimeDelta::seconds(30)));
    until("it is served", || window.shows("done 0"));
}

#[test]
fn a_cancelled_question_releases_all_who_wait_with_exit_4() {
    needs!("tmux");
    let home = home();
    let rolecall = ROLECALL;
    let window = Window::open(&home, "window");
    window.run(&format!("{rolecall} get prod; echo done $?"));
    until("it is asked", || window.shows("MFA code of auth"));
    let second = Window::open(&home, "second");
    second.run(&format!("{rolecall} get prod; echo done $?"));
    let mut third = Running::start(home.command("setsid").args(["-w", rolecall, "get", "prod"]));
    until("all three wait", || home.gets() == 3);
    window.tmux(&["send-keys", "-t", "window", "C-c"]);
    until("it is cancelled", || window.shows("done 4"));
    until("and for the second", || second.shows("done 4"));
    assert_eq!(third.end().code(), Some(4));
    let complaint = third.complaint();
    for said in [window.screen(), second.screen(), complaint] {
        assert!(said.contains("was cancelled"), "{said}");
    }
    assert!(!second.shows("MFA code of auth"), "a no of the person is not asked again: {}", second.screen());
    assert_eq!(home.aws.count("GetSessionToken"), 0);
    window.run("echo visible again");
    until("the terminal shows what is typed", || window.screen().matches("visible again").count() >= 2);
}

#[test]
fn without_a_terminal_the_answer_is_quick_and_status_says_what_is_wanted() {
    let home = home();
    let output = home.command("setsid").args(["-w", ROLECALL, "get", "prod"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("mfa/richard is needed") && stderr.contains("rolecall unlock auth"), "{stderr}");
    let status = home.status();
    assert_eq!(status["questions"][0]["identity"], "auth");
    assert_eq!(status["questions"][0]["open"], false);
    assert!(home.run_with_input(["unlock", "auth"], &home.aws.mfa_code(USER_ARN)).status.success());
    assert!(home.run(["get", "prod"]).status.success());
}

#[test]
fn a_code_given_elsewhere_takes_the_question_away() {
    needs!("tmux");
    let home = home();
    let rolecall = ROLECALL;
    let window = Window::open(&home, "window");
    window.run(&format!("{rolecall} get prod > /dev/null; echo done $?"));
    until("it is asked", || window.shows("MFA code of auth"));
    assert!(home.run_with_input(["unlock", "auth"], &home.aws.mfa_code(USER_ARN)).status.success());
    until("it is served", || window.shows("done 0"));
    assert!(window.shows("answered elsewhere"), "{}", window.screen());
}

#[test]
fn a_terminal_that_closes_passes_the_question_on() {
    needs!("tmux");
    let home = home();
    let rolecall = ROLECALL;
    let first = Window::open(&home, "first");
    first.run(&format!("{rolecall} get prod"));
    until("the first is asked", || first.shows("MFA code of auth"));
    let second = Window::open(&home, "second");
    second.run(&format!("{rolecall} get prod > /dev/null; echo done $?"));
    until("the second waits", || home.gets() == 2);
    drop(first);
    until("the second is asked", || second.shows("MFA code of auth"));
    second.run(&home.aws.mfa_code(USER_ARN));
    until("the second is served", || second.shows("done 0"));
}
