//! A disk that is full, read-only or in the way: credentials are served all the same, and `status` says what is wrong.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::process::{Running, signal};
use crate::harness::programs::ROLECALLD;
use crate::harness::tiny_disk::TinyDisk;
use crate::harness::wire::{NOBODY, give_to_nobody};
use rustix::process::Signal;
use std::fs;
use std::os::unix::process::CommandExt;

/// Waits until lost lines are counted and told, then sees that credentials are served.
fn loses_lines_and_serves(agent: &Inside) {
    agent.get("prod").expect("served");
    until("lost lines are told", || {
        agent.status().warnings.iter().any(|w| w.message.contains("audit log could not be written"))
    });
    assert!(agent.status().counts.audit_lost > 0);
    agent.get("prod").expect("served");
}

#[test]
fn a_directory_in_the_place_of_the_audit_log_costs_lines_and_no_session() {
    let agent = Inside::start_after(TUTORIAL, |paths| fs::create_dir_all(paths.audit_log()).unwrap());
    loses_lines_and_serves(&agent);
    fs::remove_dir(agent.paths.audit_log()).unwrap();
    agent.get("prod").expect("served");
    until("it is taken up again", || !agent.audit("get").is_empty());
}

#[test]
fn a_symlink_in_the_place_of_the_audit_log_is_not_followed() {
    let agent = Inside::start_after(TUTORIAL, |paths| {
        std::os::unix::fs::symlink(paths.state.join("elsewhere"), paths.audit_log()).unwrap();
    });
    loses_lines_and_serves(&agent);
    assert!(!agent.paths.state.join("elsewhere").exists());
}

#[test]
fn a_state_directory_that_cannot_be_written_costs_lines_and_no_session() {
    needs!("root");
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let state = home.path(".local/state/rolecall");
    rolecall::files::ensure_private_dir(&state).unwrap();
    give_to_nobody(&home.path(""));
    set_mode(&state, 0o500);
    let agent = Running::agent_by(home.command(ROLECALLD).uid(NOBODY).gid(NOBODY));
    let run = |args: &[&str]| home.rolecall(args).uid(NOBODY).gid(NOBODY).output().unwrap();
    assert_eq!(run(&["get", "prod"]).status.code(), Some(4), "it answers");
    until("lost lines are told", || {
        text(&run(&["status"]).stdout).contains("lines of the audit log could not be written")
    });
    drop(agent);
}

#[test]
fn a_full_disk_costs_lines_and_no_session_and_leaves_whole_lines_behind() {
    needs!("root");
    let mut disk = None;
    let agent = Inside::start_after(TUTORIAL, |paths| disk = Some(TinyDisk::with(&paths.state, "mode=700")));
    agent.get("prod").expect("served");
    until("the log is there", || !agent.audit("get").is_empty());
    // What is left of the last page is too little for a line, so that one is cut where the disk ends.
    let filler = agent.paths.state.join("filler");
    fs::write(&filler, vec![0; 64 * 1024]).expect_err("the disk is full now");
    until("lines are lost", || {
        agent.get("prod").expect("served");
        agent.status().counts.audit_lost > 0
    });
    fs::remove_file(&filler).unwrap();
    let before = agent.status().counts.audit_lost;
    agent.get("prod").expect("served");
    until("it is taken up again", || {
        let lines = fs::read_to_string(agent.paths.audit_log()).unwrap();
        let last = lines.lines().last().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        last.is_some_and(|last| last["seq"].as_u64() > Some(before))
    });
    let log = fs::read_to_string(agent.paths.audit_log()).unwrap();
    let cut: Vec<_> = log.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).collect();
    assert!(cut.len() <= 1, "{cut:#?}");
    assert!(
        cut.iter().all(|line| line.matches("\"v\":1").count() <= 1),
        "a cut line took a whole one with it: {cut:?}"
    );
    drop(agent);
    drop(disk);
}

#[test]
fn a_line_that_a_killed_agent_left_half_takes_no_other_with_it() {
    let agent = Inside::start_after(TUTORIAL, |paths| {
        fs::write(paths.audit_log(), "{\"v\":1,\"time\":\"2026-11-21T00:00:00Z\",\"seq\":0,\"ev").unwrap();
    });
    agent.get("prod").expect("served");
    until("lines are written", || !agent.audit("get").is_empty());
    assert_eq!(agent.audit("reload").len(), 1, "the first line after the half one is whole");
    let log = fs::read_to_string(agent.paths.audit_log()).unwrap();
    let cut = log.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).count();
    assert_eq!(cut, 1);
}

#[test]
fn kill_9_in_the_middle_of_writing_leaves_whole_lines_and_a_whole_configuration() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    for round in 0..3 {
        let agent = Running::agent(&home);
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|n| {
                    let home = &home;
                    scope.spawn(move || {
                        for k in 0..8 {
                            home.run(["get", "prod"]);
                            home.run([
                                "role",
                                "add",
                                &format!("role-{round}-{n}-{k}"),
                                "--source",
                                "auth",
                                "--role-arn",
                                "arn:aws:iam::222222222222:role/AssumedRole",
                            ]);
                        }
                    })
                })
                .collect();
            until("it is writing", || home.audit().len() > 2000 * (round + 1));
            signal(agent.pid(), Signal::KILL);
            for writer in writers {
                writer.join().unwrap();
            }
        });
        drop(agent);
        assert!(home.run(["agent", "stop"]).status.success());
        let config = fs::read_to_string(home.config()).unwrap();
        rolecall::config::parse_bytes(config.as_bytes(), &home.config()).expect("whole");
        let log = home.audit();
        let cut = log.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).count();
        assert!(cut <= round + 1, "{cut} lines are not whole after {} kills", round + 1);
        let shown = home.run(["log"]);
        assert!(shown.status.success(), "{}", text(&shown.stderr));
        let left: Vec<_> =
            fs::read_dir(home.config().parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".rolecall-")), "{left:?}");
    }
}
