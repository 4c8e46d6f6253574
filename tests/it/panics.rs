//! A panic in the agent costs the request that met it, in the programs as they are released.
//!
//! No input is known that makes the agent panic, so a library loaded before it has one system call fail that Rust's
//! standard library takes for infallible: the clock, once, on the thread that has just read a request with a certain name,
//! or has just accepted a connection of another user. The second one is the agent's endless task itself. In the client the
//! clock always fails.
//!
//! Not here: an endless task that returns. Nothing outside makes one return, so the unit test of the supervisor holds it
//! (`src/agent/lifecycle.rs::panicked_task_starts_again_and_returned_task_is_named`).

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::memory_vault::Mood;
use crate::harness::process::Running;
use crate::harness::programs::ROLECALLD;
use crate::harness::wire::{NOBODY, as_user};
use rolecall::domain::error::Kind;
use rustix::process::Signal;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

const NAME: &str = "provoke-a-panic";

const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char name[] = "provoke-a-panic";
static __thread int armed;

#ifdef IN_THE_CLIENT
int clock_gettime(clockid_t clock, struct timespec *time) {
    errno = EINVAL;
    return -1;
}
#else
int accept4(int listener, struct sockaddr *address, socklen_t *length, int flags) {
    int (*real)(int, struct sockaddr *, socklen_t *, int) = dlsym(RTLD_NEXT, "accept4");
    int fd = real(listener, address, length, flags);
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) && peer.uid == 65534) armed = 1;
    return fd;
}

static ssize_t look(const void *bytes, ssize_t length) {
    if (length > 0 && memmem(bytes, length, name, sizeof name - 1)) armed = 1;
    return length;
}

ssize_t recv(int fd, void *bytes, size_t length, int flags) {
    return look(bytes, recvfrom(fd, bytes, length, flags, NULL, NULL));
}

ssize_t read(int fd, void *bytes, size_t length) {
    ssize_t (*real)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    return look(bytes, real(fd, bytes, length));
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (armed) {
        armed = 0;
        errno = EINVAL;
        return -1;
    }
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock, time);
}
#endif
"#;

fn library(home: &Home, options: &[&str]) -> PathBuf {
    let (source, library) = (home.path("panic.c"), home.path("panic.so"));
    std::fs::write(&source, LIBRARY).unwrap();
    let mut cc = home.command("cc");
    let made =
        cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").args(options).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    library
}

#[test]
fn panic_in_a_request_costs_that_request_only() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let mut agent = Running::agent_by(home.command(ROLECALLD).env("LD_PRELOAD", library(&home, &[])));
    home.open_vault();
    assert!(home.add_key().status.success());
    let served = |what: &str| assert_eq!(home.run(["get", "prod"]).status.code(), Some(0), "{what}");
    served("before");
    for panics in 1..=3 {
        let failed = home.run(["get", NAME]);
        assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
        assert!(failed.stdout.is_empty());
        assert!(text(&failed.stderr).contains("an internal error in the agent ended this request"));
        served("after: no lock that was held is lost");
        assert_eq!(home.status()["counts"]["internal_errors"], panics);
    }
    assert!(text(&home.run(["status"]).stdout).contains("3 internal errors in the agent"));
    assert!(home.run(["lock"]).status.success());
    assert!(!agent.has_ended());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
    let log = agent.complaint();
    assert_eq!(log.matches("internal error: what met it has failed").count(), 3, "{log}");
    assert!(!log.contains("backtrace") && !log.contains("InvalidInput"), "the place only: {log}");
}

#[test]
fn panicked_task_of_the_agent_starts_again() {
    needs!("root");
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let mut agent = Running::agent_by(home.command(ROLECALLD).env("LD_PRELOAD", library(&home, &[])));
    home.open_vault();
    assert!(home.add_key().status.success());
    let ways = [home.path(""), home.path("run"), home.path("run/rolecall"), home.socket()];
    for panics in 1..=3 {
        for way in &ways {
            set_mode(way, 0o777);
        }
        // The task that accepts connections notes the time of a refusal itself.
        as_user(NOBODY, || drop(UnixStream::connect(home.socket()).unwrap()));
        for way in &ways {
            set_mode(way, 0o700);
        }
        assert_eq!(home.run(["get", "prod"]).status.code(), Some(0), "the next caller is served");
        assert_eq!(home.status()["counts"]["internal_errors"], panics);
    }
    assert!(home.run(["lock"]).status.success());
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
    let log = agent.complaint();
    assert_eq!(log.matches("the task starts again after an internal error").count(), 3, "{log}");
    assert!(!log.contains("backtrace") && !log.contains("InvalidInput"), "the place only: {log}");
}

#[test]
fn panic_of_the_client_is_one_line_and_exit_code_1() {
    let home = Home::ready(TUTORIAL);
    assert!(home.run(["get", "prod"]).status.success());
    let library = library(&home, &["-DIN_THE_CLIENT"]);
    let mut status = home.rolecall(["status"]);
    let failed = status.env("LD_PRELOAD", &library).env("RUST_BACKTRACE", "full").output().unwrap();
    let said = text(&failed.stderr);
    // Not by a signal: an abort dumps core.
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(failed.stdout.is_empty(), "{}", text(&failed.stdout));
    let lines: Vec<_> = said.lines().collect();
    let [what, hint] = lines.as_slice() else { panic!("two lines: {said}") };
    assert!(what.starts_with("rolecall: internal error at ") && what.contains(".rs:"), "{said}");
    assert_eq!(*hint, "hint: report it with the command and `rolecall --version`");
    assert!(home.run(["status"]).status.success(), "the agent is none the worse");
}

#[test]
fn panic_in_a_refresh_fails_its_callers_only() {
    let agent = Inside::start(TUTORIAL);
    agent.vault.set(Mood::Mad);
    let report = agent.get("prod").expect_err("the vault panics");
    assert_eq!(report.kind, Kind::Failed);
    assert!(report.message.contains("internal error"), "{report:?}");
    agent.vault.set(Mood::Well);
    let first = agent.get("prod").expect("served").access_key_id;
    // A session in use is renewed in the background after a refresh that panicked.
    agent.clock.advance(std::time::Duration::from_mins(20));
    agent.get("prod").expect("in use");
    agent.vault.set(Mood::Mad);
    // Half of its hour and the tenth that chance takes off the renewal point are over.
    agent.clock.advance(std::time::Duration::from_mins(14));
    until("the renewal has failed", || agent.role("prod").error.is_some());
    agent.vault.set(Mood::Well);
    agent.get("prod").expect("the session is still good");
    agent.pass(std::time::Duration::from_mins(3));
    until("the session is renewed", || agent.get("prod").expect("served").access_key_id != first);
}
