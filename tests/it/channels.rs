//! Channels that are best effort: the agent's log, the audit log, the state directory. When one fails, the lines are
//! counted and the agent serves on; with `audit = "required"` it serves nothing.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::process::Running;
use crate::harness::programs::ROLECALLD;
use crate::harness::tiny_disk::TinyDisk;
use crate::harness::wire::{NOBODY, give_to_nobody};
use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

const STATE: &str = ".local/state/rolecall";

/// A home with a key in its vault, whose agent has ended.
fn at_rest(agent: &str) -> Home {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{agent}{TUTORIAL}"));
    home.open_vault();
    assert!(home.add_key().status.success());
    assert!(home.run(["agent", "stop"]).status.success());
    home
}

fn state(home: &Home) -> PathBuf {
    home.path(STATE)
}

#[track_caller]
fn assert_served(home: &Home) {
    let got = home.run(["get", "prod"]);
    assert_eq!(got.status.code(), Some(0), "{}", text(&got.stderr));
}

/// Has the agent write a line to its log.
fn cause_log_line(home: &Home, n: usize) {
    home.configure(&format!("[agent]\nvault = \"file\"\nwarn_before = \"{}m\"\n{TUTORIAL}", n % 50 + 2));
    assert!(home.run(["status"]).status.success());
}

fn count(home: &Home, what: &str) -> u64 {
    home.status()["counts"][what].as_u64().expect("a number")
}

fn warnings(home: &Home) -> String {
    home.status()["warnings"].to_string()
}

#[test]
fn disk_full_from_the_start_starts_and_serves() {
    needs!("root");
    let home = at_rest("");
    let disk = TinyDisk::with(&state(&home), "mode=700");
    disk.fill();
    home.open_vault();
    assert_served(&home);
    let pid = home.agent_pid();
    until("lost lines are counted", || count(&home, "audit_lost") > 0 && count(&home, "log_lost") > 0);
    let shown = text(&home.run(["status"]).stdout);
    for line in ["lines of the audit log could not be written", "lines of the agent's log could not be written"] {
        assert!(shown.contains(line), "{shown}");
    }
    assert!(home.run(["lock"]).status.success());
    disk.free();
    home.open_vault();
    assert_served(&home);
    until("the audit log is taken up again", || !home.events("get").is_empty());
    assert_eq!(home.agent_pid(), pid, "one agent all the time");
}

#[test]
fn full_disk_serves_exec_and_names_what_is_lost() {
    needs!("root");
    let home = at_rest("");
    let disk = TinyDisk::with(&state(&home), "mode=700");
    disk.fill();
    home.open_vault();
    // The command holds an endpoint whose place for the next agent cannot be kept.
    let mut command =
        Running::start(&mut home.rolecall(["exec", "prod", "--", "sh", "-c", "echo served; exec sleep 1000"]));
    assert_eq!(command.line(), "served\n");
    until("it is said", || warnings(&home).contains("open shells and commands lose their endpoint"));
}

#[test]
fn disk_that_takes_no_file_starts_and_serves() {
    needs!("root");
    let home = at_rest("");
    // One inode is the directory itself.
    let _disk = TinyDisk::with(&state(&home), "mode=700,nr_inodes=1");
    home.open_vault();
    assert_served(&home);
    let pid = home.agent_pid();
    until("lost lines are counted", || count(&home, "audit_lost") > 0);
    assert!(warnings(&home).contains("the agent has no log"), "{}", warnings(&home));
    cause_log_line(&home, 1);
    assert_served(&home);
    assert_eq!(home.agent_pid(), pid);
}

#[test]
fn read_only_state_directory_starts_and_serves() {
    needs!("root");
    let home = at_rest("");
    let _disk = TinyDisk::with(&state(&home), "mode=700,ro");
    home.open_vault();
    assert_served(&home);
    until("lost lines are counted", || count(&home, "audit_lost") > 0);
}

#[test]
fn disk_that_fills_up_midway_serves_on() {
    needs!("root");
    let home = at_rest("");
    let disk = TinyDisk::with(&state(&home), "mode=700");
    home.open_vault();
    assert_served(&home);
    let pid = home.agent_pid();
    until("it is logged", || !home.events("get").is_empty());
    disk.fill();
    let n = std::cell::Cell::new(0);
    until("lost lines are counted", || {
        n.set(n.get() + 1);
        cause_log_line(&home, n.get());
        assert_served(&home);
        count(&home, "audit_lost") > 0 && count(&home, "log_lost") > 0
    });
    assert_eq!(home.agent_pid(), pid);
}

#[test]
fn state_directory_that_cannot_be_made_serves() {
    needs!("root");
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    fs::create_dir_all(home.path(".local/state")).unwrap();
    give_to_nobody(&home.path(""));
    set_mode(&home.path(".local/state"), 0o500);
    let agent = Running::agent_by(home.command(ROLECALLD).uid(NOBODY).gid(NOBODY));
    let run = |args: &[&str]| home.rolecall(args).uid(NOBODY).gid(NOBODY).output().unwrap();
    assert_eq!(run(&["get", "prod"]).status.code(), Some(4), "it answers: the vault is locked");
    until("lost lines are told", || {
        text(&run(&["status"]).stdout).contains("lines of the audit log could not be written")
    });
    assert!(!state(&home).exists());
    drop(agent);
}

#[test]
fn stderr_without_a_reader_keeps_agent_serving() {
    let home = at_rest("");
    let mut agent = Running::agent(&home);
    drop(agent.take_stderr());
    home.open_vault();
    assert_served(&home);
    cause_log_line(&home, 1);
    until("lost lines are counted", || count(&home, "log_lost") > 0);
    assert_served(&home);
    assert_eq!(home.agent_pid(), agent.pid());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn closed_stderr_keeps_agent_serving() {
    let home = at_rest("");
    let mut command = home.command("sh");
    let mut agent = Running::agent_by(command.args(["-c", "exec \"$0\" 2>&-", ROLECALLD]));
    home.open_vault();
    assert_served(&home);
    cause_log_line(&home, 1);
    assert_served(&home);
    assert_eq!(home.agent_pid(), agent.pid());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn unread_stderr_holds_up_nobody() {
    let home = at_rest("");
    let mut agent = Running::agent(&home);
    let unread = agent.take_stderr();
    rustix::pipe::fcntl_setpipe_size(&unread, 4096).unwrap();
    home.open_vault();
    let n = std::cell::Cell::new(0);
    until("the pipe is full", || {
        n.set(n.get() + 1);
        cause_log_line(&home, n.get());
        rustix::io::ioctl_fionread(&unread).unwrap() > 4000
    });
    for more in 0..5 {
        cause_log_line(&home, n.get() + more + 1);
        assert_served(&home);
    }
    assert!(home.run(["lock"]).status.success());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn limit_of_file_sizes_keeps_agent_serving() {
    let home = at_rest("");
    let mut command = home.command("sh");
    let agent = Running::agent_by(command.args(["-c", "ulimit -f 0; exec \"$0\"", ROLECALLD]));
    home.open_vault();
    assert_served(&home);
    until("lost lines are counted", || count(&home, "audit_lost") > 0);
    assert_eq!(home.agent_pid(), agent.pid());
}

#[test]
fn required_audit_serves_nothing_without_a_line() {
    needs!("root");
    let home = at_rest("audit = \"required\"\n");
    let disk = TinyDisk::with(&state(&home), "mode=700");
    home.open_vault();
    for served in 1..=3 {
        assert_served(&home);
        assert_eq!(home.events("get").len(), served, "the line is in the file before the credentials leave");
    }
    let pid = home.agent_pid();
    disk.fill();
    // What is left of the last page takes a few lines.
    let refused = std::cell::RefCell::new(None);
    until("the disk is full to the last byte", || {
        let got = home.run(["get", "prod"]);
        let is_refused = got.status.code() != Some(0);
        *refused.borrow_mut() = Some(got);
        is_refused
    });
    let refused = refused.into_inner().expect("refused");
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty());
    let said = text(&refused.stderr);
    assert!(said.contains("the audit log cannot be written, so nothing is served: No space left on device"), "{said}");
    assert!(said.contains("audit.jsonl") && said.contains("audit = \"best-effort\""), "{said}");
    disk.free();
    assert_served(&home);
    assert_eq!(home.agent_pid(), pid);
}

/// Prints the address and the token of its endpoint, then waits.
const TELL_ENDPOINT: &str = r#"
import os, time
print(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"], flush=True)
time.sleep(600)
"#;

/// Asks an endpoint; returns the HTTP status and the body.
fn fetch(place: &str) -> (u16, String) {
    let (url, token) = place.trim().split_once(' ').expect("an address and a token");
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

#[test]
fn required_audit_relies_on_no_line_of_best_effort() {
    let config = |audit: &str| {
        format!("[agent]\nvault = \"file\"\naudit = \"{audit}\"\n{TUTORIAL}\n[sockets.vm]\nroles = [\"prod\"]\n")
    };
    let home = Home::bare(&config("best-effort"));
    let log = state(&home).join("audit.jsonl");
    rolecall::files::ensure_private_dir(&log).unwrap();
    home.open_vault();
    assert!(home.add_key().status.success());
    let socket = home.path("run/rolecall/sockets/vm/agent.sock");
    let through = || home.rolecall(["get", "prod"]).env("ROLECALL_SOCKET", &socket).output().unwrap();
    let mut tool =
        Running::start(home.rolecall(["exec", "prod", "--", "python3", "-c", TELL_ENDPOINT]).current_dir("/"));
    let place = tool.line();
    // Their lines are lost, and in best effort they count as written.
    for _ in 0..2 {
        assert_eq!(through().status.code(), Some(0));
        assert_eq!(fetch(&place).0, 200);
    }
    home.configure(&config("required"));
    until("the setting is in use", || home.run(["get", "prod"]).status.code() == Some(1));
    let refused = through();
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("the audit log cannot be written, so nothing is served"));
    let (status, answer) = fetch(&place);
    assert!(status == 503 && answer.contains("the audit log cannot be written, so nothing is served"), "{answer}");
    fs::remove_dir(&log).unwrap();
    for _ in 0..2 {
        assert_eq!(through().status.code(), Some(0));
        assert_eq!(fetch(&place).0, 200);
        // The line of a refusal may be written late, when the file is there again.
        let served = |event| home.events(event).into_iter().filter(|line| line["result"] == "ok").collect::<Vec<_>>();
        assert_eq!(served("get").iter().filter(|line| line["caller"]["socket"] == "vm").count(), 1);
        assert_eq!(served("endpoint").len(), 1, "{:?}", home.events("endpoint"));
    }
}
