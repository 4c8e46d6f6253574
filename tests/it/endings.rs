//! Ends: what is under way is answered, what is not ours is left alone, and what nobody uses is forgotten.

use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::process::{Running, lives};
use rolecall::domain::error::Kind;
use rolecall::protocol::message::Request;
use rolecall_sandbox::Match;
use rustix::process::Signal;
use std::os::unix::net::UnixListener;
use std::time::Duration;

const MINUTE: Duration = Duration::from_mins(1);

/// A home with a key in its vault and an agent in the foreground.
fn serving() -> (Home, Running) {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    (home, agent)
}

#[test]
fn a_get_under_way_is_answered_after_sigterm() {
    let (home, mut agent) = serving();
    let hold = home.aws.hold_matching(Match::action("AssumeRole"));
    std::thread::scope(|scope| {
        let get = scope.spawn(|| home.run(["get", "prod"]));
        hold.wait_for_arrivals(1);
        agent.signal(Signal::TERM);
        until("nobody new finds it", || !home.socket().exists());
        hold.release();
        let output = get.join().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    });
    assert_eq!(agent.end().code(), Some(0));
    assert_eq!(
        home.audit().lines().filter(|line| line.contains("\"event\":\"stop\"")).count(),
        1,
        "the last line is written"
    );
}

/// Takes five real seconds, the agent's own patience at its end.
#[test]
fn a_get_that_takes_longer_than_the_end_is_told_to_ask_again() {
    let (home, mut agent) = serving();
    let hold = home.aws.hold_matching(Match::action("AssumeRole"));
    std::thread::scope(|scope| {
        let get = scope.spawn(|| home.run(["get", "prod"]));
        hold.wait_for_arrivals(1);
        agent.signal(Signal::TERM);
        assert_eq!(agent.end().code(), Some(0));
        let output = get.join().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{said}");
        assert!(output.stdout.is_empty());
        assert!(said.contains("the agent ended while this was under way\nhint: run it again"), "{said}");
    });
    drop(hold);
}

#[test]
fn while_an_agent_ends_the_next_get_has_a_new_one() {
    let (home, mut agent) = serving();
    let hold = home.aws.hold_matching(Match::action("AssumeRole"));
    std::thread::scope(|scope| {
        let get = scope.spawn(|| home.run(["get", "prod"]));
        hold.wait_for_arrivals(1);
        agent.signal(Signal::TERM);
        until("nobody new finds it", || !home.socket().exists());
        for _ in 0..5 {
            let next = home.run(["get", "prod"]);
            assert_eq!(next.status.code(), Some(4), "a new agent with a locked vault: {}", text(&next.stderr));
        }
        assert!(!agent.has_ended(), "the old one still has an answer to give");
        hold.release();
        assert_eq!(get.join().unwrap().status.code(), Some(0));
    });
    assert_eq!(agent.end().code(), Some(0));
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(4), "the old one's end takes nothing from the new one");
}

#[test]
fn restarts_under_load_cost_no_caller_its_answer() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let output = home.run(["get", "prod"]);
                        assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
                    }
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for _ in 0..10 {
            outcomes.push(home.run(["agent", "restart"]));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for caller in callers {
            caller.join().unwrap();
        }
        for output in outcomes {
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
    });
}

#[test]
fn another_ones_socket_is_not_unlinked_at_the_end() {
    let (home, mut agent) = serving();
    let aside = home.path("run/rolecall/aside.sock");
    std::fs::rename(home.socket(), &aside).unwrap();
    let _rival = UnixListener::bind(home.socket()).unwrap();
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
    assert!(home.socket().exists(), "the rival's socket");
}

#[test]
fn an_agent_whose_socket_is_replaced_ends_and_leaves_the_new_one() {
    let mut agent = Inside::start(TUTORIAL);
    agent.get("prod").expect("served");
    std::fs::remove_file(&agent.paths.socket).unwrap();
    let rival = UnixListener::bind(&agent.paths.socket).unwrap();
    agent.end();
    assert!(agent.paths.socket.exists());
    assert_eq!(agent.vault.locks(), 1, "nothing is kept by an agent that nobody finds");
    drop(rival);
}

#[test]
fn a_look_around_by_the_clock_finds_out_as_well() {
    let mut agent = Inside::start(TUTORIAL);
    // A directory moved away says nothing to those who watch what is in it.
    let run = agent.paths.socket.parent().unwrap().to_owned();
    std::fs::rename(&run, run.with_file_name("moved")).unwrap();
    agent.clock.advance(MINUTE);
    agent.end();
}

#[test]
fn a_removed_runtime_directory_costs_one_agent_and_no_get() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    home.run(["get", "prod"]);
    let old = home.agent_pid();
    std::fs::remove_dir_all(home.path("run/rolecall")).unwrap();
    let next = home.run(["get", "prod"]);
    assert_eq!(next.status.code(), Some(4), "{}", text(&next.stderr));
    until("the old one has ended", || !lives(old));
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(4));
}

#[test]
fn a_removed_socket_costs_one_agent_and_no_get() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    home.run(["get", "prod"]);
    for _ in 0..5 {
        let old = home.agent_pid();
        std::fs::remove_file(home.socket()).unwrap();
        let next = home.run(["get", "prod"]);
        assert_eq!(next.status.code(), Some(4), "{}", text(&next.stderr));
        until("the old one has ended", || !lives(old));
    }
}

const SHORT: &str = "[agent]\nidle_lock = \"40m\"\n";

#[test]
fn what_nobody_uses_is_forgotten_and_the_vault_is_locked_with_it() {
    let agent = Inside::start(&format!("{SHORT}{TUTORIAL}"));
    agent.get("prod").expect("served");
    agent.clock.advance(39 * MINUTE);
    assert!(agent.role("prod").session.is_some());
    agent.clock.advance(2 * MINUTE);
    until("it is locked", || agent.vault.locks() == 1);
    assert!(agent.role("prod").session.is_none());
    for _ in 0..5 {
        agent.clock.advance(60 * MINUTE);
        agent.status();
    }
    assert_eq!(agent.vault.locks(), 1, "once is enough");
    until("it is noted", || agent.audit("lock").iter().any(|line| line["message"] == "idle"));
}

#[test]
fn the_vault_is_locked_after_the_idle_time_even_when_every_session_has_lapsed() {
    let agent = Inside::start(&format!("[agent]\nidle_lock = \"12h\"\n{TUTORIAL}"));
    agent.ask(Request::UnlockVault { passphrase: None, accept_restored: false }).unwrap();
    agent.get("prod").expect("served");
    for _ in 0..11 * 60 {
        agent.clock.advance(MINUTE);
    }
    until("the session has lapsed", || agent.role("prod").session.is_none_or(|s| s.freshness == "expired"));
    assert_eq!(agent.vault.locks(), 0);
    for _ in 0..62 {
        agent.clock.advance(MINUTE);
    }
    until("the vault is locked", || agent.vault.locks() == 1);
}

#[test]
fn looking_at_the_status_is_no_use() {
    let agent = Inside::start(&format!("{SHORT}{TUTORIAL}"));
    agent.get("prod").expect("served");
    for _ in 0..41 {
        agent.clock.advance(MINUTE);
        agent.status();
    }
    until("it is locked", || agent.vault.locks() == 1);
}

#[test]
fn a_machine_that_slept_beyond_the_idle_time_wakes_up_locked() {
    let agent = Inside::start(&format!("[agent]\nidle_lock = \"5m\"\n{TUTORIAL}"));
    for round in 1..=20 {
        let before = agent.get("prod").expect("served").access_key_id;
        // The session is good for an hour; the first caller comes at the very moment of waking.
        agent.clock.advance(6 * MINUTE);
        let after = agent.get("prod").expect("served").access_key_id;
        assert_ne!(before, after, "round {round}: a session from before the idle time");
    }
}

#[test]
fn what_was_asked_for_before_a_lock_is_not_handed_out_after_it_whatever_came_between() {
    let agent = Inside::start(TUTORIAL);
    let hold = agent.aws.hold_matching(Match::action("AssumeRole"));
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| agent.get("prod"));
        hold.wait_for_arrivals(1);
        // The role is now another one, so its flight is no longer the one under that name.
        agent.edit(&format!("{TUTORIAL}external_id = \"7f3a\"\n")).unwrap();
        agent.ask(Request::Lock).unwrap();
        assert_eq!(caller.join().unwrap().expect_err("locked").kind, Kind::Locked);
    });
    hold.release();
}
