//! What happens on the desktop: the screen is locked, the machine sleeps and wakes up. As the agent sees it; logind itself
//! is in `tests/desk`.

use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::memory_vault::Mood;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use crate::mfa;
use rolecall::domain::error::Kind;
use rolecall::ports::DesktopEvent;
use rolecall::protocol::message::Request;
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

fn with_lock_on(words: &str) -> String {
    format!("[agent]\nlock_on = {words}\n{TUTORIAL}")
}

fn has_session(agent: &Inside) -> bool {
    agent.role("prod").session.is_some()
}

fn why_locked(agent: &Inside) -> Vec<String> {
    agent.audit("lock").iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_locked_screen_wipes_every_session_and_the_audit_log_says_why() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    agent.tell(DesktopEvent::ScreenLocked);
    until("the session is gone", || !has_session(&agent));
    assert_eq!(agent.vault.locks(), 1, "what opened the vault is forgotten too");
    until("it is written down", || why_locked(&agent) == ["screen locked"]);
    agent.get("prod").expect("the next one is fetched anew");
    assert_eq!(agent.aws.count("AssumeRole"), 2);
}

#[test]
fn the_machine_sleeps_only_after_the_wipe_and_who_waits_gets_nothing() {
    let agent = Inside::start(&format!(
        "{TUTORIAL}[roles.other]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\nrole_session_name = \"other\"\n"
    ));
    agent.get("prod").expect("served");
    agent.vault.set(Mood::Hung);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get("other"));
        until("it waits for the vault", || agent.vault.reads() == 2);
        agent.go_to_sleep();
        // No waiting for it: the machine would be asleep by now.
        assert!(!has_session(&agent));
        assert_eq!(waiting.join().unwrap().expect_err("called off").kind, Kind::Locked);
    });
    until("it is written down", || why_locked(&agent) == ["going to sleep"]);
}

#[test]
fn what_the_configuration_does_not_name_wipes_nothing_and_holds_no_machine_up() {
    let agent = Inside::start(&with_lock_on("[\"sleep\"]"));
    agent.get("prod").expect("served");
    agent.tell(DesktopEvent::ScreenLocked);
    agent.go_to_sleep();
    until("only the sleep is a reason", || why_locked(&agent) == ["going to sleep"]);
    agent.edit(&with_lock_on("[]")).expect("taken over");
    agent.get("prod").expect("served");
    agent.go_to_sleep();
    assert!(has_session(&agent), "nothing is a reason");
}

#[test]
fn what_ran_out_during_a_sleep_is_wiped_on_waking_and_not_only_not_served() {
    let agent = Inside::start(&with_lock_on("[]"));
    agent.get("prod").expect("served");
    agent.go_to_sleep();
    // By the boot-time clock alone: the wall clock of a machine that wakes up may be wrong.
    agent.clock.advance_boot(2 * 60 * MINUTE);
    agent.tell(DesktopEvent::Wake);
    until("it is wiped", || !has_session(&agent));
    assert_eq!(agent.aws.count("AssumeRole"), 1, "and not renewed, as nobody has used it for long");
}

#[test]
fn an_idle_time_that_ran_out_during_a_sleep_locks_on_waking() {
    let agent = Inside::start(&format!("[agent]\nlock_on = []\nidle_lock = \"30m\"\n{TUTORIAL}"));
    agent.get("prod").expect("served");
    agent.go_to_sleep();
    agent.clock.advance_boot(40 * MINUTE);
    agent.tell(DesktopEvent::Wake);
    until("it is locked", || why_locked(&agent) == ["idle"]);
    assert!(!has_session(&agent));
}

#[test]
fn twenty_roles_that_are_due_on_waking_are_renewed_three_a_second() {
    use std::fmt::Write;
    let config = (0..20).fold(with_lock_on("[]"), |mut text, n| {
        write!(text, "[roles.r{n}]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\nrole_session_name = \"role-{n}\"\n")
            .unwrap();
        text
    });
    let agent = Inside::start(&config);
    let all = || (0..20).for_each(|n| drop(agent.get(&format!("r{n}")).expect("served")));
    all();
    agent.clock.advance(20 * MINUTE);
    all();
    agent.aws.clear_calls();
    agent.go_to_sleep();
    agent.clock.advance(15 * MINUTE);
    agent.tell(DesktopEvent::Wake);
    // All are due at once. The clock stands still, so only the first has its turn.
    until("the first is renewed", || agent.aws.count("AssumeRole") == 1);
    agent.clock.advance(Duration::from_millis(340));
    until("the second is renewed", || agent.aws.count("AssumeRole") == 2);
    assert_eq!(agent.status().counts.sts_calls, 20 + 2);
}

#[test]
fn a_lock_takes_the_question_off_the_terminal_and_one_code_restores_everything() {
    needs!("tmux");
    let home = Home::ready(&mfa::config(
        "[roles.again]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"\nrole_session_name = \"again\"\n",
    ));
    home.aws.world(World::demand_mfa);
    let rolecall = ROLECALL;
    let (first, second) = (Window::open(&home, "first"), Window::open(&home, "second"));
    first.run(&format!("{rolecall} get prod; echo first done $?"));
    until("it is asked", || first.shows("MFA code of auth"));
    second.run(&format!("{rolecall} get again; echo second done $?"));
    until("both wait", || text(&home.run(["status", "--json"]).stdout).contains("\"gets\": 2"));
    assert!(home.run(["lock"]).status.success());
    until("who was asked is told", || first.shows("first done 4"));
    until("who waited behind is told", || second.shows("second done 4"));
    assert!(first.shows("was locked while this was under way"), "{}", first.screen());
    first.run("echo visible again");
    until("the terminal shows what is typed", || first.screen().matches("visible again").count() >= 2);
    let status: serde_json::Value = serde_json::from_slice(&home.run(["status", "--json"]).stdout).unwrap();
    assert_eq!(status["questions"], serde_json::json!([]), "no question is left");
    assert_eq!(home.aws.count("GetSessionToken"), 0);

    home.open_vault();
    assert!(home.run_with_input(["unlock", "auth"], &home.aws.mfa_code(USER_ARN)).status.success());
    assert!(home.run(["get", "prod"]).status.success() && home.run(["get", "again"]).status.success());
    assert_eq!(home.aws.count("GetSessionToken"), 1, "one code");
}

#[test]
fn a_code_for_which_nobody_can_be_asked_is_told_once_on_the_desktop() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &mfa::config(""));
    for _ in 0..5 {
        agent.get("prod").expect_err("nobody can be asked");
    }
    until("it is told", || !agent.told().is_empty());
    agent.clock.advance(10 * MINUTE);
    agent.get("prod").expect_err("nobody can be asked");
    mfa::unlock(&agent, "auth", &agent.aws.mfa_code(USER_ARN)).expect("the right code");
    agent.get("prod").expect("served");
    let told = agent.told();
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(told[0].body.ends_with("rolecall unlock auth"), "{told:?}");
    agent.ask(Request::Lock).unwrap();
    agent.get("prod").expect_err("locked");
    until("after a lock it is another question", || agent.told().len() == 2);
}

#[test]
fn the_end_of_an_mfa_session_in_use_is_told_once_and_shown_in_status() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &mfa::config(""));
    mfa::unlock(&agent, "auth", &agent.aws.mfa_code(USER_ARN)).expect("the right code");
    // Used every ten minutes for eleven hours and a half.
    for _ in 0..69 {
        agent.get("prod").expect("served");
        assert!(agent.told().is_empty() && agent.status().warnings.is_empty(), "not yet");
        agent.pass(10 * MINUTE);
    }
    until("it is told", || !agent.told().is_empty());
    let warnings = agent.status().warnings;
    assert!(warnings[0].message.starts_with("the MFA session of auth ends at "), "{warnings:?}");
    assert_eq!(warnings[0].hint.as_deref(), Some("run `rolecall unlock auth`"));
    agent.pass(10 * MINUTE);
    agent.get("prod").expect("served to its end");
    agent.pass(10 * MINUTE);
    assert_eq!(agent.told().len(), 1, "{:?}", agent.told());
    mfa::unlock(&agent, "auth", &agent.aws.mfa_code(USER_ARN)).expect("the next code");
    assert!(agent.status().warnings.is_empty(), "{:?}", agent.status().warnings);
}

#[test]
fn a_key_that_is_too_old_is_told_once_a_day() {
    let config = TUTORIAL.replace("type = \"iam-user\"\n", "type = \"iam-user\"\nrotate_after = \"20d\"\n");
    // Stored three weeks before the clock starts.
    let agent = Inside::start(&config);
    agent.get("prod").expect("an old key works");
    agent.clock.advance(MINUTE);
    until("it is told", || !agent.told().is_empty());
    assert!(agent.told()[0].body.ends_with("rolecall identity rotate auth"), "{:?}", agent.told());
    agent.clock.advance(23 * 60 * MINUTE);
    agent.get("prod").expect("served");
    assert_eq!(agent.told().len(), 1);
    agent.clock.advance(60 * MINUTE);
    until("it is told again", || agent.told().len() == 2);
}
