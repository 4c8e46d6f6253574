//! Files that never answer, on a dead mount: whatever path they are at, sessions that are there are handed out, `lock` locks
//! and the agent ends.
//!
//! Out of reach here: a network file system whose server is gone (its threads cannot even be killed), and a shell whose
//! arguments lie on a dead mount (the pool's own tests hold what happens then).

use crate::harness::dead_mount::{DeadMount, below_dead_pts};
use crate::harness::home::{CHAIN, Home, PASSPHRASE, text};
use crate::harness::inside::until;
use crate::harness::process::{Running, of};
use crate::harness::programs::{ROLECALL, ROLECALLD};
use rustix::process::Signal;
use std::fs;
use std::path::Path;

/// A home with a key in an open vault, and the agent in the foreground.
fn serving(config: &str) -> (Home, Running) {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{config}"));
    let agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    (home, agent)
}

/// Puts a line before the configuration that is there.
fn include(home: &Home, file: &Path) {
    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), format!("include = [\"{}\"]\n{config}", file.display())).unwrap();
}

fn warns(home: &Home, of: &str) -> bool {
    let status = home.status();
    let warnings = status["warnings"].as_array().expect("a list").iter();
    warnings.filter_map(|warning| warning["message"].as_str()).any(|message| message.contains(of))
}

#[track_caller]
fn assert_served(home: &Home, name: &str) {
    let output = home.run(["get", name]);
    assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{name}: {}", text(&output.stderr));
}

/// Counts the threads of a process that bear a name.
fn threads(pid: i32, name: &str) -> usize {
    let tasks = fs::read_dir(of(pid).join("task")).unwrap().flatten();
    tasks.filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)).count()
}

#[test]
fn hung_include_keeps_sessions_lock_and_end() {
    needs!("root");
    let mut dead = DeadMount::new();
    let (home, mut agent) = serving(CHAIN);
    assert_served(&home, "prod");
    include(&home, &dead.path("team.toml"));
    until("status shows it", || warns(&home, "does not answer"));
    for _ in 0..5 {
        assert_served(&home, "prod");
    }
    let unknown = home.run(["get", "nobody"]);
    let said = text(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(3), "{said}");
    assert!(said.contains("the configuration on disk is not in use") && said.contains("does not answer"), "{said}");
    // Each of these makes the agent look at its files again.
    for _ in 0..20 {
        assert!(home.run(["status"]).status.success());
    }
    let hung = threads(agent.pid(), "configuration");
    assert!(hung <= 4, "a hung file takes one thread, not one for each look: {hung}");
    assert!(home.run(["lock"]).status.success());
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(4), "it is locked");
    home.open_vault();
    assert_served(&home, "prod");
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));

    // An agent that starts meanwhile serves nothing, says why, and ends when it is asked to.
    let mut next = Running::agent(&home);
    let refused = home.run(["get", "prod"]);
    assert!(text(&refused.stderr).contains("does not answer"), "{}", text(&refused.stderr));
    assert!(home.run(["agent", "stop"]).status.success());
    assert_eq!(next.end().code(), Some(0));
    dead.unmount();
}

#[test]
fn answering_include_is_applied_without_a_restart() {
    needs!("root");
    let mut dead = DeadMount::new();
    let (home, _agent) = serving(CHAIN);
    include(&home, &dead.path("team.toml"));
    until("status shows it", || warns(&home, "does not answer"));
    let mount = dead.unmount().join("mount");
    let role = "[roles.team]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"\n";
    fs::write(mount.join("team.toml"), role).unwrap();
    until("the file is applied", || home.status()["warnings"].as_array().is_some_and(Vec::is_empty));
    assert_served(&home, "team");
}

#[test]
fn removed_hung_include_frees_the_configuration() {
    needs!("root");
    let dead = DeadMount::new();
    let (home, _agent) = serving(CHAIN);
    let before = fs::read_to_string(home.config()).unwrap();
    include(&home, &dead.path("team.toml"));
    until("status shows it", || warns(&home, "does not answer"));
    fs::write(home.config(), before.replace("roles.prod", "roles.other").replace("\"prod\"", "\"other\"")).unwrap();
    until("the edit is applied", || home.run(["get", "other"]).status.success());
}

#[test]
fn hung_rule_path_gets_the_narrowest_answer() {
    needs!("root");
    let dead = DeadMount::new();
    let rule = dead.path("tool");
    let rules = format!("access = \"deny\"\naccess_by_program = {{ \"{}\" = \"allow\" }}\n", rule.display());
    let (home, agent) = serving(&CHAIN.replacen("[roles.data]\n", &format!("[roles.data]\n{rules}"), 1));
    assert_served(&home, "prod");
    for _ in 0..20 {
        let denied = home.run(["get", "data"]);
        assert_eq!(denied.status.code(), Some(3), "{}", text(&denied.stderr));
        assert_served(&home, "prod");
    }
    assert!(warns(&home, "does not answer"));
    assert_eq!(threads(agent.pid(), "access_by_progr"), 1, "a hung path takes one thread");
    assert!(home.run(["lock"]).status.success());
}

#[test]
fn hung_token_file_costs_its_own_identity_only() {
    needs!("root");
    let dead = DeadMount::new();
    let identity = format!(
        "[identities.build]\ntype = \"web-identity\"\nweb_identity_token_file = \"{}\"\n\
         role_arn = \"arn:aws:iam::111111111111:role/AssumingRole\"\nregion = \"eu-west-1\"\n",
        dead.path("token").display()
    );
    let (home, mut agent) = serving(&format!("{CHAIN}{identity}"));
    assert_served(&home, "prod");
    let refused = home.run(["get", "build"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("web_identity_token_file") && said.contains("does not answer"), "{said}");
    assert_served(&home, "prod");
    assert!(home.run(["lock"]).status.success());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn hung_pts_behind_a_restricted_socket_stops_nobody() {
    needs!("root");
    let (home, mut agent) = serving(&format!("{CHAIN}\n[sockets.box]\nroles = [\"prod\"]\n"));
    assert_served(&home, "prod");
    let socket = home.path("run/rolecall/sockets/box/agent.sock");
    until("the socket is open", || socket.exists());
    let said = home.path("said");
    for _ in 0..3 {
        let mut container = below_dead_pts(home.command("python3"), &said);
        let mut asked = Running::start(container.args([ROLECALL, "get", "prod"]).env("ROLECALL_SOCKET", &socket));
        let code = asked.end().code();
        assert_eq!(code, Some(0), "{}", fs::read_to_string(&said).unwrap());
        fs::remove_file(&said).unwrap();
    }
    assert_served(&home, "prod");
    assert!(home.run(["lock"]).status.success());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn agent_under_64_descriptors_serves_and_locks() {
    needs!("root");
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{CHAIN}"));
    let mut agent = Running::agent_by(home.command("prlimit").args(["--nofile=64:64", ROLECALLD]));
    let opened = home.run_with_input(["unlock", "--vault"], PASSPHRASE);
    assert!(opened.status.success(), "{}", text(&opened.stderr));
    assert!(home.add_key().status.success());
    assert_served(&home, "prod");
    // Callers that say nothing take what room there is; each is cut in ten seconds.
    let idle: Vec<_> = (0..200).map(|_| std::os::unix::net::UnixStream::connect(home.socket())).collect();
    until("a session is handed out", || home.run(["get", "prod"]).status.success());
    until("it can be locked", || home.run(["lock"]).status.success());
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(4));
    drop(idle);
    assert!(!agent.has_ended());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
}
