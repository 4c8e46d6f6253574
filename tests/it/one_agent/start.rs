//! Starts: many at once, one behind a lock that is never given back, one by systemd beside an agent that runs.

use super::*;
use crate::harness::inside::until;
use crate::harness::process::{Running, signal};
use crate::harness::programs::ROLECALLD;
use rustix::process::Signal;

#[test]
fn callers_with_different_variables_start_one_agent_at_once() {
    needs!("root");
    let login = Login::new(&file_vault());
    let callers: Vec<_> = (0..3).flat_map(|_| CALLERS).collect();
    std::thread::scope(|scope| {
        for caller in &callers {
            let mut start = login.command(*caller, true, &["agent", "start"]);
            scope.spawn(move || {
                let output = start.output().unwrap();
                assert!(output.status.success(), "{}: {}", caller.0, text(&output.stderr));
            });
        }
    });
    let agents: Vec<_> = CALLERS.iter().map(|caller| login.pid(*caller, true)).collect();
    assert!(agents[0].is_number() && agents.iter().all(|agent| *agent == agents[0]), "{agents:?}");
    assert!(login.run(SHELL, &["agent", "stop"]).status.success());
    assert!(CALLERS.iter().all(|caller| login.pid(*caller, true).is_null()));
}

#[test]
fn held_start_lock_ends_with_the_name_of_its_holder() {
    let home = Home::bare(&file_vault());
    let lock = home.path(".local/state/rolecall/start.lock");
    rolecall::files::ensure_private_dir(lock.parent().unwrap()).unwrap();
    let mut holder = Running::start(home.command("flock").arg("--no-fork").arg(&lock).args([
        "sh",
        "-c",
        "echo locked; exec sleep 600",
    ]));
    assert_eq!(holder.line(), "locked\n");
    let got = home.run(["get", "prod"]);
    let said = text(&got.stderr);
    assert_eq!(got.status.code(), Some(7), "{said}");
    let process = format!("is locked by process {} (sleep)", holder.pid());
    assert!(said.contains(&process) && said.contains(&format!("`kill {}`", holder.pid())), "{said}");
    drop(holder);
    let got = home.run(["get", "prod"]);
    assert_eq!(got.status.code(), Some(4), "it starts again: {}", text(&got.stderr));
}

#[test]
fn agent_of_systemd_takes_the_place_of_an_earlier_one() {
    let home = Home::bare(&file_vault());
    // As from cron before the login: the directory of the login is not known.
    let started = home.rolecall(["agent", "start"]).env_remove("XDG_RUNTIME_DIR").output().unwrap();
    assert!(started.status.success(), "{}", text(&started.stderr));
    let earlier = home.agent_pid();
    rolecall::files::ensure_private_dir(&home.path("run/rolecall")).unwrap();
    let mut activate = home.command("systemd-socket-activate");
    activate.arg("--listen").arg(home.socket()).args(["-E", "HOME", "-E", "XDG_RUNTIME_DIR", ROLECALLD]);
    let mut agent = Running::start(&mut activate);
    until("systemd listens", || home.socket().exists());
    assert_eq!(home.agent_pid(), agent.pid());
    assert!(!crate::harness::process::lives(earlier), "one agent of the world");
    signal(agent.pid(), Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
}
