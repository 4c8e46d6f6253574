//! `status --watch` in a real terminal.

use super::chain_up;
use crate::harness::home::{CHAIN, Home, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::process::{lives, of, signal};
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rustix::process::Signal;
use std::time::Duration;

const LEAVES: &str = "q leaves";

/// A home with a session of `prod`, and a window that says how it ended.
fn home() -> Home {
    let mut home = Home::ready(CHAIN);
    chain_up(&home);
    home.set("LANG", "C.UTF-8");
    home.set("TERM", "screen-256color");
    assert!(home.run(["get", "prod"]).status.success());
    home
}

/// Starts the live status between two words of the shell's, so that what is on the screen afterwards tells all.
fn watch(window: &Window<'_>) {
    window.run(&format!("echo before; {ROLECALL} status --watch; echo \"left by $?\""));
    until("it is drawn", || window.shows(LEAVES) && window.shows(" left ") && !window.shows("before"));
}

/// Tells the terminal's settings, as the shell has them.
fn settings(window: &Window<'_>, home: &Home) -> String {
    let file = home.path("stty");
    let _ = std::fs::remove_file(&file);
    window.run(&format!("stty -a > {0}.new; mv {0}.new {0}", file.display()));
    until("stty has said", || file.exists());
    // Of a window that was resized other lines are told.
    let said = std::fs::read_to_string(&file).unwrap();
    said.split_once(';').unwrap().1.split_once("line").unwrap().1.to_owned()
}

/// Gives the process that draws.
fn drawer(window: &Window<'_>) -> i32 {
    let child = || -> Option<i32> {
        let pane = text(&window.tmux(&["display-message", "-p", "#{pane_pid}"]).stdout);
        let children = of(pane.trim().parse().ok()?).join("task").join(pane.trim()).join("children");
        std::fs::read_to_string(children).ok()?.split_whitespace().next()?.parse().ok()
    };
    until("it runs", || child().is_some());
    child().unwrap()
}

fn is_given_back(window: &Window<'_>) -> bool {
    let cursor = text(&window.tmux(&["display-message", "-p", "#{cursor_flag} #{alternate_on}"]).stdout);
    window.shows("before") && !window.shows(LEAVES) && cursor.trim() == "1 0"
}

#[test]
fn the_live_status_is_drawn_follows_what_happens_and_gives_the_terminal_back() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "live");
    let before = settings(&window, &home);
    watch(&window);
    assert!(window.shows("├─ data") && window.shows("no session"), "{}", window.screen());
    assert!(home.run(["get", "data"]).status.success());
    until("the new session is shown", || {
        !window.screen().lines().any(|l| l.contains("─ data") && l.contains("no session"))
    });
    for key in ["q", "Escape", "C-c"] {
        if key != "q" {
            watch(&window);
        }
        window.tmux(&["send-keys", "-t", "live", key]);
        until("it has left", || window.shows("left by 0") && is_given_back(&window));
        window.run("clear");
        until("the shell is there", || !window.shows("left by"));
    }
    assert_eq!(settings(&window, &home), before);
}

#[test]
fn a_window_of_another_size_is_drawn_anew_and_nothing_is_too_wide() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "resized");
    watch(&window);
    for (width, shows, hides) in
        [("120", "222222222222 AssumedRole", "…"), ("80", "AssumedRole", "…"), ("36", "─ prod", "Assumed")]
    {
        window.tmux(&["resize-window", "-t", "resized", "-x", width, "-y", "30"]);
        until("it is drawn for its width", || {
            let screen = window.screen();
            let prod = screen.lines().find(|line| line.contains("─ prod")).unwrap_or_default();
            screen.starts_with("auth") && prod.contains(shows) && prod.contains('━') && !prod.contains(hides)
        });
    }
    // The whole is longer than the window: the last line is reached by scrolling.
    window.tmux(&["resize-window", "-t", "resized", "-x", "100", "-y", "6"]);
    until("it says where it is", || window.shows("lines 1 to 5 of"));
    window.tmux(&["send-keys", "-t", "resized", "G"]);
    until("the end is shown", || window.shows("served ") && !window.shows("auth"));
    window.tmux(&["send-keys", "-t", "resized", "PPage", "Home"]);
    until("the start is shown", || window.shows("auth"));
    window.tmux(&["send-keys", "-t", "resized", "q"]);
    until("it has left", || is_given_back(&window));
}

#[test]
fn an_agent_that_goes_and_comes_back_is_shown_and_none_is_started() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "restarted");
    watch(&window);
    let first = home.agent_pid();
    assert!(home.run(["agent", "stop"]).status.success());
    until("it is said that none runs", || window.shows("no agent is running") && window.shows("├─ data"));
    assert!(home.status()["agent"].is_null(), "looking starts none");
    assert!(home.run(["agent", "start"]).status.success());
    let second = home.agent_pid();
    assert_ne!(first, second);
    until("the new one is shown", || window.shows(&format!("pid {second}")) && window.shows("vault"));
    // One that is stopped answers nothing; keys work all the same.
    signal(second, Signal::STOP);
    until("its silence is said", || window.shows("the agent has not answered for"));
    signal(second, Signal::CONT);
    until("it is over", || !window.shows("has not answered"));
    signal(second, Signal::STOP);
    window.tmux(&["send-keys", "-t", "restarted", "q"]);
    until("it has left", || is_given_back(&window));
    signal(second, Signal::CONT);
}

#[test]
fn signals_give_the_terminal_back_too() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "signals");
    let before = settings(&window, &home);
    for (sent, said) in [(Signal::TERM, "left by 143"), (Signal::HUP, "left by 129"), (Signal::INT, "")] {
        watch(&window);
        signal(drawer(&window), sent);
        // A shell goes on with nothing after a SIGINT.
        until("it has left", || window.shows(said) && is_given_back(&window));
        window.run("clear");
        until("the shell is there", || !window.shows("before"));
    }
    assert_eq!(settings(&window, &home), before);
    // Suspended by its key, or from elsewhere: the shell has its terminal until it goes on.
    window.run("set -m; clear");
    for by_key in [true, false] {
        watch(&window);
        if by_key {
            window.tmux(&["send-keys", "-t", "signals", "C-z"]);
        } else {
            signal(drawer(&window), Signal::TSTP);
        }
        until("it is suspended", || is_given_back(&window));
        assert_eq!(settings(&window, &home), before);
        window.run("fg");
        until("it goes on", || window.shows(LEAVES));
        window.tmux(&["send-keys", "-t", "signals", "q"]);
        until("it has left", || is_given_back(&window));
        window.run("clear");
        until("the shell is there", || !window.shows("before"));
    }
    assert_eq!(settings(&window, &home), before);
}

#[test]
fn a_terminal_that_is_closed_ends_it_even_where_no_signal_says_so() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "closed");
    window.run("trap '' HUP");
    watch(&window);
    let pid = drawer(&window);
    window.tmux(&["kill-session", "-t", "closed"]);
    until("it has ended", || !lives(pid));
}

#[test]
fn without_a_terminal_or_on_a_dumb_one_it_says_what_to_use() {
    needs!("tmux");
    let home = Home::bare("");
    let refused = home.run(["status", "--watch"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty() && text(&refused.stderr).contains("hint: for a script `rolecall status --json`"));
    assert_eq!(home.run(["status", "--watch", "--json"]).status.code(), Some(2));
    let window = Window::open(&home, "dumb");
    window.run(&format!("TERM=dumb {ROLECALL} status --watch; echo \"left by $?\""));
    until("it refuses", || window.shows("left by 2") && window.shows("rolecall status"));
}

#[test]
fn looking_is_no_use_and_keeps_nothing_from_its_idle_lock() {
    let config = TUTORIAL.replacen("[identities", "[agent]\nidle_lock = \"20m\"\n\n[identities", 1);
    let agent = Inside::start(&config);
    agent.get("prod").unwrap();
    let used = agent.role("prod").last_used;
    for _ in 0..19 {
        agent.pass(Duration::from_mins(1));
        assert_eq!(agent.role("prod").last_used, used);
    }
    agent.pass(Duration::from_mins(2));
    assert!(agent.role("prod").session.is_none(), "locked");
}
