//! `status` and `log` printed once: widths, colour, pipes.

use super::chain_up;
use crate::harness::home::{CHAIN, Home, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::process::signal;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

const ESCAPE: &str = "\u{1b}[";

fn home() -> Home {
    let mut home = Home::ready(CHAIN);
    chain_up(&home);
    home.set("LANG", "C.UTF-8");
    home.set("TERM", "screen-256color");
    assert!(home.run(["get", "data"]).status.success());
    home
}

/// Gives what a command writes to a terminal of so many columns, byte for byte.
fn on_a_terminal(window: &Window<'_>, home: &Home, width: u16, command: &str) -> String {
    with("", window, home, width, command)
}

/// The same, with variables.
fn with(variables: &str, window: &Window<'_>, home: &Home, width: u16, command: &str) -> String {
    let (raw, done) = (home.path("raw"), home.path("done"));
    let _ = (std::fs::remove_file(&raw), std::fs::remove_file(&done));
    let script = format!("stty cols {width}; TERM=screen-256color {variables} {ROLECALL} {command}");
    window.run(&format!("script -qfec '{script}' {} > /dev/null; touch {}", raw.display(), done.display()));
    until("it has been written", || done.exists());
    let said = text(&std::fs::read(&raw).unwrap());
    let inside = said.lines().filter(|line| !line.starts_with("Script "));
    let lines: Vec<&str> = inside.map(|line| line.trim_end_matches('\r')).collect();
    lines.join("\n")
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "colour");
    assert!(!text(&home.run(["status"]).stdout).contains(ESCAPE), "a pipe");
    assert!(!text(&home.run(["log"]).stdout).contains(ESCAPE), "a pipe");
    for command in ["status", "log"] {
        assert!(on_a_terminal(&window, &home, 100, command).contains(ESCAPE), "{command}: a terminal");
        assert!(!on_a_terminal(&window, &home, 100, &format!("{command} | cat")).contains(ESCAPE), "{command}: a pipe");
    }
    for (variables, is_wanted) in [("NO_COLOR=1", false), ("NO_COLOR=", true), ("TERM=dumb", false), ("TERM=", false)] {
        for command in ["status", "log"] {
            assert_eq!(
                with(variables, &window, &home, 100, command).contains(ESCAPE),
                is_wanted,
                "{variables} {command}"
            );
        }
    }
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    needs!("tmux");
    let home = home();
    let window = Window::open(&home, "widths");
    for command in ["status", "log", "identity list", "role list"] {
        for width in [120, 80, 60, 40] {
            let shown = with("NO_COLOR=1", &window, &home, width, command);
            assert!(shown.lines().count() > 1, "{command}: {shown}");
            let wide = shown.lines().find(|line| line.chars().count() > usize::from(width));
            assert_eq!(wide, None, "{command} at {width}: {shown}");
        }
    }
    assert!(with("NO_COLOR=1", &window, &home, 60, "status").contains("└─ "));
    let shown = with("NO_COLOR=1 LANG=C", &window, &home, 60, "status");
    assert!(shown.contains("`- ") && shown.is_ascii(), "{shown}");
}

#[test]
fn following_begins_with_the_last_lines_and_a_log_that_is_not_followed_is_whole() {
    let home = home();
    let log = home.path(".local/state/rolecall/audit.jsonl");
    // The agent writes its lines after its answer; a late one must not follow ours.
    until("the line of the first get", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("\"event\":\"get\""))
    });
    let line = |name: &str, at: u32| {
        format!("{{\"time\":\"2026-11-22T00:00:{at:02}Z\",\"event\":\"get\",\"result\":\"ok\",\"name\":\"{name}\"}}\n")
    };
    let old: String = (0..30).map(|at| line("old", at) + &line("other", at)).collect();
    std::fs::write(log.with_extension("jsonl.1"), old).unwrap();
    std::fs::write(&log, (30..33).map(|at| line("old", at)).collect::<String>()).unwrap();
    let count = |args: &[&str]| text(&home.run(args).stdout).lines().count();
    assert_eq!((count(&["log"]), count(&["log", "--json"]), count(&["log", "--role", "old"])), (63, 63, 33));
    for (args, first) in [
        (&["log", "--follow", "--role", "old"][..], "00:00:23Z"),
        (&["log", "--follow", "--json", "--role", "old"], "00:00:23Z"),
        (&["log", "--follow", "--role", "old", "--since", "999999h"], "00:00:00Z"),
    ] {
        let mut follower = home.rolecall(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
        let shown: Vec<String> = lines.by_ref().take_while(|line| !line.contains("00:00:32Z")).collect();
        assert!(shown[0].contains(first), "{args:?}: {shown:?}");
        // Then each as it is written.
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        file.write_all(line("old", 59).as_bytes()).unwrap();
        assert!(lines.next().unwrap().contains("00:00:59Z"), "{args:?}");
        drop(lines);
        assert!(follower.wait().unwrap().success());
        std::fs::write(&log, (30..33).map(|at| line("old", at)).collect::<String>()).unwrap();
    }
}

#[test]
fn a_follower_whose_reader_is_gone_ends_at_once_and_quietly() {
    let home = home();
    for args in [&["log", "--follow"][..], &["log", "--follow", "--json"]] {
        let mut follower = home.rolecall(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        let mut reader = BufReader::new(follower.stdout.take().unwrap());
        reader.read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        drop(reader);
        // Nothing more is logged: it is the closed pipe that ends it, not a write.
        let ended = follower.wait_with_output().unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{}", text(&ended.stderr));
    }
}

#[test]
fn what_takes_long_is_said_on_a_terminal_and_taken_away() {
    needs!("tmux");
    let home = home();
    let agent = home.agent_pid();
    let window = Window::open(&home, "long");
    for (command, waits, says) in [
        ("lock", "waiting until nothing is left in memory…", "locked: every session is forgotten"),
        ("identity list", "waiting for the vault…", "ACCESS KEY"),
        ("status", "waiting for the agent…", "vault"),
    ] {
        signal(agent, Signal::STOP);
        window.run(&format!("clear; {ROLECALL} {command}"));
        until("it says what it waits for", || window.shows(waits));
        signal(agent, Signal::CONT);
        until("it is done", || window.shows(says));
        assert!(!window.shows("waiting"), "{}", window.screen());
    }
    // Whoever is no person gets nothing but the outcome.
    signal(agent, Signal::STOP);
    let script = home.rolecall(["status"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    window.run(&format!("clear; {ROLECALL} status 2> said"));
    until("it has connected", || home.path("said").exists());
    window.run("");
    signal(agent, Signal::CONT);
    assert!(script.wait_with_output().unwrap().stderr.is_empty());
    until("it is done", || window.shows("vault"));
    assert!(std::fs::read(home.path("said")).unwrap().is_empty());
}

#[test]
fn a_missing_key_is_one_warning_above_whomever_it_fails() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    home.open_vault();
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(3));
    let status: serde_json::Value = serde_json::from_slice(&home.run(["status", "--json"]).stdout).unwrap();
    let told = serde_json::json!([{
        "kind": "config",
        "message": "prod: the vault file holds no key of auth",
        "hint": "store one: `rolecall identity add auth`",
    }]);
    assert_eq!(status["warnings"], told);
    let shown = text(&home.run(["status"]).stdout);
    assert!(shown.starts_with("warning: prod: the vault file holds no key of auth\n  hint: store one:"), "{shown}");
    assert_eq!(shown.matches("holds no key").count(), 1, "{shown}");
}
