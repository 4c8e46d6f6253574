//! A pinentry on the caller's own terminal: the real one, and others that do everything wrong. Whatever becomes of it, the
//! terminal is a shell's again afterwards.

use super::config;
use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, until};
use crate::harness::pinentry;
use crate::harness::process::Running;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::Value;
use std::time::Duration;

fn home(agent: &str) -> Home {
    let home = Home::ready(&format!("{agent}\n{}", config("")));
    home.aws.world(World::demand_mfa);
    home
}

fn with_curses(prompts: &str) -> Home {
    home(&format!("prompts = {prompts}\npinentry_program = \"/usr/bin/pinentry-curses\""))
}

/// A home whose pinentry is a script. It is told where the terminal is, as `$tty`, and answers OK to what it is not told
/// otherwise.
fn with_script(prompts: &str, at_getpin: &str) -> Home {
    let home = home("");
    let program = pinentry::script(&home.path(""), at_getpin);
    let agent = format!("vault = \"file\"\nprompts = {prompts}\npinentry_program = \"{}\"", program.display());
    home.configure(&format!("[agent]\n{agent}\n{}", config("")));
    // Has the agent read it now: a `get` would not wait for that.
    assert!(home.run(["status"]).status.success());
    home
}

fn get(window: &Window<'_>, name: &str) {
    window.run(&format!("{ROLECALL} get prod > {name}.json; echo {name} done $?"));
}

#[track_caller]
fn is_a_shells_again(window: &Window<'_>) {
    window.run("echo visible again");
    until("the terminal shows what is typed", || window.screen().matches("visible again").count() >= 2);
}

fn unlock(home: &Home) {
    let unlocked = home.run_with_input(["unlock", "auth"], &home.aws.mfa_code(USER_ARN));
    assert!(unlocked.status.success(), "{}", text(&unlocked.stderr));
}

fn served(home: &Home, name: &str) {
    let file = home.path(&format!("{name}.json"));
    let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(json["Version"], 1);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn the_real_pinentry_asks_on_the_terminal_of_a_caller_without_a_display() {
    needs!("pinentry-curses", "tmux");
    let home = with_curses("[\"pinentry\"]");
    let window = Window::open(&home, "window");
    get(&window, "first");
    until("it is asked", || window.shows("MFA code of auth") && window.shows("prod is wanted"));
    assert!(window.shows("since "), "{}", window.screen());
    let right = home.aws.mfa_code(USER_ARN);
    window.run(if right == "000000" { "000001" } else { "000000" });
    until("it is asked again", || window.shows("AWS did not accept that code"));
    assert!(!window.shows("000000"), "what is typed is not shown: {}", window.screen());
    window.run(&home.aws.mfa_code(USER_ARN));
    until("it is served", || window.shows("first done 0"));
    assert!(!window.shows("MFA code"), "the shell's page is back: {}", window.screen());
    is_a_shells_again(&window);
    served(&home, "first");
}

#[test]
fn a_person_who_cancels_the_real_pinentry_has_said_no() {
    needs!("pinentry-curses", "tmux");
    let home = with_curses("[\"pinentry\", \"tty\"]");
    let window = Window::open(&home, "window");
    get(&window, "first");
    until("it is asked", || window.shows("prod is wanted"));
    window.tmux(&["send-keys", "-t", "window", "Tab", "Tab", "Enter"]);
    until("it is cancelled", || window.shows("first done 4"));
    assert!(window.shows("was cancelled"), "{}", window.screen());
    is_a_shells_again(&window);
}

#[test]
fn a_code_from_elsewhere_takes_the_pinentry_away_and_gives_the_terminal_back() {
    needs!("pinentry-curses", "tmux");
    let home = with_curses("[\"pinentry\"]");
    let window = Window::open(&home, "window");
    get(&window, "first");
    until("it is asked", || window.shows("prod is wanted"));
    unlock(&home);
    until("it is served", || window.shows("first done 0"));
    is_a_shells_again(&window);
    served(&home, "first");
}

#[test]
fn a_lock_takes_the_pinentry_away_and_what_the_caller_has_to_say_is_seen() {
    needs!("pinentry-curses", "tmux");
    let home = with_curses("[\"pinentry\"]");
    let window = Window::open(&home, "window");
    get(&window, "first");
    until("it is asked", || window.shows("prod is wanted"));
    assert!(home.run(["lock"]).status.success());
    until("it is over", || window.shows("first done 4"));
    assert!(window.shows("rolecall was locked while this was under way"), "{}", window.screen());
    is_a_shells_again(&window);
}

#[test]
fn a_caller_that_is_interrupted_passes_the_pinentry_on_to_the_next_terminal() {
    needs!("pinentry-curses", "tmux");
    let home = with_curses("[\"pinentry\"]");
    let first = Window::open(&home, "first");
    get(&first, "first");
    until("the first is asked", || first.shows("prod is wanted"));
    let second = Window::open(&home, "second");
    get(&second, "second");
    until("both wait", || home.gets() == 2);
    assert!(!second.shows("prod is wanted"), "one question: {}", second.screen());
    first.tmux(&["send-keys", "-t", "first", "C-c"]);
    until("the second is asked", || second.shows("prod is wanted"));
    is_a_shells_again(&first);
    second.run(&home.aws.mfa_code(USER_ARN));
    until("the second is served", || second.shows("second done 0"));
    served(&home, "second");
}

#[test]
fn a_terminal_that_closes_under_the_pinentry_passes_the_question_on() {
    needs!("pinentry-curses", "tmux");
    let home = with_curses("[\"pinentry\"]");
    let first = Window::open(&home, "first");
    get(&first, "first");
    until("the first is asked", || first.shows("prod is wanted"));
    let second = Window::open(&home, "second");
    get(&second, "second");
    until("both wait", || home.gets() == 2);
    drop(first);
    until("the second is asked", || second.shows("prod is wanted"));
    second.run(&home.aws.mfa_code(USER_ARN));
    until("the second is served", || second.shows("second done 0"));
    served(&home, "second");
}

#[test]
fn a_pinentry_that_dies_floods_or_babbles_leaves_the_question_to_the_terminal() {
    needs!("tmux");
    for at_getpin in
        ["exit 1", "kill -9 $$", "yes 'S flood'", "echo what", "printf '\\377\\376\\n'; exit 0", "echo ERR 83886340 no"]
    {
        let home = with_script("[\"pinentry\", \"tty\"]", &format!("stty -echo raw < $tty; {at_getpin}"));
        let window = Window::open(&home, "window");
        get(&window, "first");
        until("it is asked on the terminal", || window.shows("MFA code of auth"));
        window.run(&home.aws.mfa_code(USER_ARN));
        until("it is served", || window.shows("first done 0"));
        is_a_shells_again(&window);
        served(&home, "first");
    }
}

#[test]
fn a_pinentry_that_says_what_is_no_code_is_asked_again_but_not_for_ever() {
    needs!("tmux");
    let home = with_script("[\"pinentry\"]", "echo x >> $0.asked; echo D abc; echo OK");
    let window = Window::open(&home, "window");
    get(&window, "first");
    until("it is over", || window.shows("first done 4"));
    let asked = std::fs::read_to_string(home.path("pinentry.asked")).unwrap();
    assert_eq!(asked.lines().count(), 5);
    assert!(home.aws.calls().iter().all(|call| call.action != "GetSessionToken"), "none of it was a code");
    is_a_shells_again(&window);
}

#[test]
fn a_pinentry_that_hangs_and_ignores_every_request_to_end_leaves_a_usable_terminal() {
    needs!("tmux");
    let hang = "trap '' TERM INT HUP; stty -echo raw < $tty; printf '\\033[?1049h\\033[2Jgarbage' > $tty; \
                while :; do sleep 600; done";
    let home = with_script("[\"pinentry\"]", hang);
    let window = Window::open(&home, "window");
    window.run("echo the shell page");
    get(&window, "first");
    until("it hangs", || window.shows("garbage"));
    unlock(&home);
    until("it is served", || window.shows("first done 0"));
    assert!(!window.shows("garbage") && window.shows("the shell page"), "{}", window.screen());
    is_a_shells_again(&window);
    served(&home, "first");
}

#[test]
fn a_clock_that_is_set_while_a_question_is_open_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("code");
    let program = pinentry::script(dir.path(), &pinentry::answering_from(&code));
    let agent = format!("[agent]\nprompts = [\"pinentry\"]\npinentry_program = \"{}\"\n", program.display());
    let agent = Inside::start_in(World::tutorials_with_mfa(), &format!("{agent}{}", config("")));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get_at_display("prod"));
        until("it is asked", || pinentry::questions(&code) == 1);
        let since = agent.status().questions[0].since;
        agent.clock.advance(Duration::from_hours(2));
        agent.clock.advance_boot(Duration::from_mins(7));
        let open = &agent.status().questions[0];
        assert_eq!((open.since, open.open), (since, true));
        std::fs::write(&code, agent.aws.mfa_code(USER_ARN)).unwrap();
        waiting.join().unwrap().expect("served with the code of the new time");
    });
    assert_eq!(agent.aws.count("GetSessionToken"), 1);
}

/// Whoever runs as the same user can read a pinentry's environment for as long as the person looks for the device.
#[test]
fn a_pinentry_knows_nothing_of_the_credentials_in_the_agents_environment() {
    let mut home = Home::bare("");
    let program = pinentry::script(&home.path(""), "env > \"$0.env\"; echo 'ERR 83886179 cancelled'");
    let agent = format!("vault = \"file\"\nprompts = [\"pinentry\"]\npinentry_program = \"{}\"", program.display());
    home.configure(&format!("[agent]\n{agent}\n{}", config("")));
    for (name, value) in [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "canary-5d1c")] {
        home.set(name, value);
    }
    home.set("DISPLAY", ":7");
    home.canaries.add("canary-5d1c");
    let running = Running::agent_by(&mut home.rolecall(["agent", "run"]));
    home.open_vault();
    assert!(home.add_key().status.success());
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(4), "the person said no");
    let environment = std::fs::read_to_string(format!("{}.env", program.display())).unwrap();
    assert!(environment.contains("DISPLAY=:7") && environment.contains("HOME="), "{environment}");
    assert!(!environment.contains("AWS_"), "{environment}");
    drop(running);
}
