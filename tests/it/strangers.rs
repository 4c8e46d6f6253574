//! Who may not ask: other users, root among them, and directories that another user could have prepared.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::process::Running;
use crate::harness::programs::ROLECALLD;
use crate::harness::wire::{Heard, NOBODY, as_user, framed, give_to_nobody, send};
use rolecall_sandbox::World;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const GET: &[u8] = br#"{"version":4,"request":{"do":"get","name":"prod"}}"#;

fn mode(path: &Path) -> Option<u32> {
    std::fs::symlink_metadata(path).ok().map(|meta| meta.permissions().mode() & 0o777)
}

/// Opens the way to a socket for everybody, as OpenSSH's `agent-getpeereid.sh` does, and gives the modes from before.
fn open_to_all(agent: &Inside) -> Vec<(std::path::PathBuf, u32)> {
    let run = agent.paths.socket.parent().unwrap().to_owned();
    let ways = [agent.dir().to_owned(), run, agent.paths.socket.clone()];
    let before = ways.iter().map(|way| (way.clone(), mode(way).unwrap())).collect();
    for way in &ways {
        set_mode(way, 0o777);
    }
    before
}

fn close_again(before: Vec<(std::path::PathBuf, u32)>) {
    for (way, mode) in before {
        set_mode(&way, mode);
    }
}

#[test]
fn another_user_is_closed_without_a_byte_and_noted_once() {
    needs!("root");
    let agent = Inside::start(TUTORIAL);
    let denied = as_user(NOBODY, || UnixStream::connect(&agent.paths.socket).map(drop).unwrap_err().kind());
    assert_eq!(denied, ErrorKind::PermissionDenied, "the directory alone keeps others out");

    let before = open_to_all(&agent);
    for _ in 0..20 {
        assert_eq!(as_user(NOBODY, || send(&agent.paths.socket, &framed(GET))), Heard::Nothing);
    }
    close_again(before);
    assert_eq!(agent.status().counts.turned_away, 20);
    assert_eq!(agent.status().counts.gets, 0);
    until("it is noted", || !agent.audit("refuse").is_empty());
    let noted = agent.audit("refuse");
    assert_eq!(noted.len(), 1, "others must not be able to fill the disk: {noted:?}");
    assert!(noted[0]["message"].as_str().unwrap().contains("uid 65534"), "{noted:?}");
    assert!(agent.get("prod").is_ok());
}

#[test]
fn another_user_gets_no_byte_from_a_busy_agent_either_and_is_noted_all_the_same() {
    needs!("root");
    let agent = Inside::start_with(World::tutorials(), TUTORIAL, 2);
    let socket = &agent.paths.socket;
    let idle: Vec<_> = (0..2).map(|_| UnixStream::connect(socket).unwrap()).collect();
    until("it is busy", || agent.get("prod").is_err());
    let before = open_to_all(&agent);
    assert_eq!(as_user(NOBODY, || send(socket, &framed(GET))), Heard::Nothing);
    close_again(before);
    drop(idle);
    until("there is room again", || agent.get("prod").is_ok());
    until("it is noted", || agent.audit("refuse").len() == 1);
}

/// A home that belongs to nobody, and its agent.
fn nobodys_agent() -> (Home, Running) {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    give_to_nobody(&home.path(""));
    let agent = Running::agent_by(home.command(ROLECALLD).uid(NOBODY).gid(NOBODY));
    (home, agent)
}

#[test]
fn root_is_refused_like_any_other_user() {
    needs!("root");
    let (home, _agent) = nobodys_agent();
    assert_eq!(send(&home.socket(), &framed(GET)), Heard::Nothing);
    let own = home.rolecall(["get", "prod"]).uid(NOBODY).gid(NOBODY).output().unwrap();
    assert_eq!(own.status.code(), Some(4), "its own user reaches it: {}", text(&own.stderr));
    until("it is noted", || home.audit().contains("a connection of uid 0 was closed"));
}

#[test]
fn the_agent_of_a_plain_user_can_be_stopped_by_that_user_whatever_it_speaks() {
    needs!("root");
    let (home, mut agent) = nobodys_agent();
    let stopped = home.rolecall(["agent", "stop"]).uid(NOBODY).gid(NOBODY).output().unwrap();
    assert_eq!(stopped.status.code(), Some(0), "{}", text(&stopped.stderr));
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn the_directory_and_the_socket_are_private_from_their_first_instant() {
    let home = Home::bare(TUTORIAL);
    let (dir, socket) = (home.path("run/rolecall"), home.socket());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                seen.extend(mode(&socket).map(|mode| ("socket", mode)));
                seen.extend(mode(&dir).map(|mode| ("directory", mode)));
            }
            seen
        });
        // The widest umask there is, where nothing but the agent's own care keeps the modes down, and one that is too tight.
        for umask in ["0", "0", "0", "0", "0777"] {
            let _ = std::fs::remove_dir_all(&dir);
            let mut shell = home.command("sh");
            shell.args(["-c", &format!("umask {umask}; exec \"$0\""), ROLECALLD]);
            drop(Running::agent_by(&mut shell));
        }
        done.store(true, Ordering::Relaxed);
        let seen: Vec<_> = watch.join().unwrap().into_iter().collect();
        assert_eq!(seen, [("directory", 0o700), ("socket", 0o600)]);
    });
}

type Prepare = fn(&Path);

#[test]
fn a_directory_that_another_user_could_have_prepared_is_refused_and_nothing_is_bound() {
    needs!("root");
    let prepared: [(&str, Prepare); 4] = [
        ("is a symlink", |dir| {
            std::fs::create_dir(dir.with_file_name("elsewhere")).unwrap();
            set_mode(&dir.with_file_name("elsewhere"), 0o700);
            symlink("elsewhere", dir).unwrap();
        }),
        ("belongs to uid 65534", |dir| {
            std::fs::create_dir(dir).unwrap();
            set_mode(dir, 0o700);
            chown(dir, Some(NOBODY), None).unwrap();
        }),
        ("can be entered by other users", |dir| {
            std::fs::create_dir(dir).unwrap();
            set_mode(dir, 0o750);
        }),
        ("is not a directory", |dir| std::fs::write(dir, "").unwrap()),
    ];
    for (reason, prepare) in prepared {
        let home = Home::bare(TUTORIAL);
        prepare(&home.path("run/rolecall"));
        let agent = home.command(ROLECALLD).output().unwrap();
        let get = home.run(["get", "prod"]);
        for output in [agent, get] {
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(7), "{reason}: {said}");
            assert!(said.contains(reason) && said.contains("\nhint: "), "{reason}: {said}");
            assert!(output.stdout.is_empty());
        }
        let bound = std::fs::read_dir(home.path("run/rolecall")).map_or(0, Iterator::count);
        let elsewhere = std::fs::read_dir(home.path("run/elsewhere")).map_or(0, Iterator::count);
        assert_eq!(bound + elsewhere, 0, "{reason}: something was made in it");
    }
}

#[test]
fn without_a_runtime_directory_the_socket_is_below_home() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let mut get = home.rolecall(["get", "prod"]);
    let got = get.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", home.path("run")).output().unwrap();
    assert_eq!(got.status.code(), Some(4), "an agent answers: {}", text(&got.stderr));
    let socket = home.path(".local/state/rolecall/run/agent.sock");
    assert_eq!(mode(&socket), Some(0o600));
    assert_eq!(mode(socket.parent().unwrap()), Some(0o700));
    assert_eq!(std::fs::read_dir(home.path("run")).unwrap().count(), 0, "nothing in the directory for temporary files");
    let made: Vec<_> = std::fs::read_dir("/tmp").unwrap().filter_map(Result::ok).collect();
    let sockets = made.iter().filter(|entry| {
        let meta = entry.metadata();
        entry.file_name().to_string_lossy().contains("rolecall")
            && meta.is_ok_and(|meta| meta.mode() & 0o170_000 == 0o140_000)
    });
    assert_eq!(sockets.count(), 0, "no socket in /tmp");
    let stopped = home.rolecall(["agent", "stop"]).env_remove("XDG_RUNTIME_DIR").output().unwrap();
    assert!(stopped.status.success());
}
