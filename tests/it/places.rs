//! Places that another user could change: nothing is sent there, nothing is read from there and nothing is written there.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::TUTORIAL;
use crate::harness::wire::as_user;
use rolecall::protocol::frame::{self, Tag};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::net;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The other user of the machine.
const ATTACKER: u32 = 65_533;

/// An answer that a client would print: a frame with the tag of a session.
const FORGED: &str = r#"{"Version":1,"AccessKeyId":"ASIAFORGED","SecretAccessKey":"forged","SessionToken":"forged","Expiration":"2099-01-01T00:00:00Z","AccountId":"000000000000"}"#;

/// Answers everybody on a socket of the attacker's, and counts.
struct Impostor {
    listener: UnixListener,
    accepted: AtomicUsize,
    received: AtomicUsize,
    is_over: AtomicBool,
}

impl Impostor {
    /// Listens as the attacker in any directory: the kernel notes who listens, not who has made the socket.
    fn at(socket: &Path) -> Self {
        let listener = net::socket(net::AddressFamily::UNIX, net::SocketType::STREAM, None).unwrap();
        net::bind(&listener, &net::SocketAddrUnix::new(socket).unwrap()).unwrap();
        set_mode(socket, 0o777);
        as_user(ATTACKER, || net::listen(&listener, 100).unwrap());
        let listener = UnixListener::from(listener);
        listener.set_nonblocking(true).unwrap();
        let (accepted, received) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { listener, accepted, received, is_over: AtomicBool::new(false) }
    }

    fn serve(&self) {
        let line = format!("{FORGED}\n");
        let answer = [&frame::answer_head(Tag::Session, line.len())[..], line.as_bytes()].concat();
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok((mut stream, _)) = self.listener.accept() else {
                std::thread::park_timeout(Duration::from_micros(100));
                continue;
            };
            self.accepted.fetch_add(1, Ordering::Relaxed);
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let _ = stream.write_all(&answer);
            // Until the client closes: everything that it has sent is counted.
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard);
            self.received.fetch_add(heard.len(), Ordering::Relaxed);
        }
    }
}

#[test]
fn socket_of_another_user_gets_no_byte() {
    needs!("root");
    let home = Home::bare(TUTORIAL);
    let dir = home.path("run/rolecall");
    fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o700);
    let impostor = Impostor::at(&home.socket());
    let key = r#"{"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;
    let commands: [(&[&str], &str); 9] = [
        (&["get", "prod"], ""),
        (&["env", "prod"], ""),
        (&["exec", "prod", "--", "true"], ""),
        (&["unlock", "auth"], "123456"),
        (&["identity", "add", "auth", "--region", "eu-west-1"], key),
        (&["lock"], ""),
        (&["doctor", "prod"], ""),
        (&["agent", "start"], ""),
        (&["agent", "restart"], ""),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| impostor.serve());
        for (args, input) in commands {
            let output = home.run_with_input(args, input);
            let said = text(&output.stderr);
            assert_ne!(output.status.code(), Some(0), "{args:?}");
            assert!(!text(&output.stdout).contains("ASIAFORGED"), "{args:?}");
            assert_eq!(impostor.received.load(Ordering::Relaxed), 0, "{args:?} sent something");
            if args[0] == "get" {
                assert_eq!(output.status.code(), Some(7), "{said}");
                assert!(said.contains("is served by uid 65533, not by you (uid 0)"), "{said}");
                assert!(said.contains("\nhint: "), "{said}");
            }
        }
        impostor.is_over.store(true, Ordering::Relaxed);
    });
    assert!(impostor.accepted.load(Ordering::Relaxed) > 0, "the commands have met the impostor");
}

#[test]
fn swapped_runtime_directory_steers_no_client() {
    needs!("root");
    let mut home = Home::ready(TUTORIAL);
    assert!(home.run(["agent", "stop"]).status.success());
    let shared = home.path("shared");
    let (run, evil) = (shared.join("run"), shared.join("evil"));
    for (dir, mode) in [(&shared, 0o755), (&run, 0o700), (&evil, 0o755)] {
        fs::create_dir(dir).unwrap();
        set_mode(dir, mode);
    }
    home.set("ROLECALL_SOCKET", run.join("agent.sock").display().to_string());
    home.open_vault();
    assert!(home.run(["get", "prod"]).status.success(), "its own agent answers");
    let impostor = Impostor::at(&evil.join("agent.sock"));
    chown(&evil, Some(ATTACKER), None).unwrap();
    set_mode(&home.path(""), 0o755);
    set_mode(&shared, 0o777);
    std::thread::scope(|scope| {
        scope.spawn(|| impostor.serve());
        scope.spawn(|| {
            as_user(ATTACKER, || {
                while !impostor.is_over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &run, CWD, &evil, RenameFlags::EXCHANGE).unwrap();
                }
            });
        });
        for _ in 0..300 {
            let got = home.run(["get", "prod"]);
            assert!(!text(&got.stdout).contains("ASIAFORGED"), "the attacker's answer was taken");
        }
        impostor.is_over.store(true, Ordering::Relaxed);
    });
    assert!(impostor.accepted.load(Ordering::Relaxed) > 0, "the attacker was in place at least once");
    assert_eq!(impostor.received.load(Ordering::Relaxed), 0, "bytes reached the attacker");
    set_mode(&shared, 0o755);
    if fs::metadata(&run).unwrap().uid() == ATTACKER {
        renameat_with(CWD, &run, CWD, &evil, RenameFlags::EXCHANGE).unwrap();
    }
    let started = home.run(["agent", "start"]);
    assert!(started.status.success(), "a closed directory is served again: {}", text(&started.stderr));
}

/// How a place becomes one that the attacker can change.
type Expose = fn(&Path);

/// The place below the home, the variable that leads there, the command, and its exit code.
type Use = (&'static str, Option<(&'static str, &'static str)>, &'static [&'static str], i32);

#[test]
fn exposed_place_is_refused_and_nothing_is_made_in_it() {
    needs!("root");
    let exposures: [(Expose, &str); 3] = [
        (|place| set_mode(place, 0o777), "can be written by other users"),
        (|place| set_mode(place, 0o775), "can be written by other users"),
        (|place| chown(place, Some(ATTACKER), None).unwrap(), "belongs to another user (uid 65533)"),
    ];
    let socket = Some(("ROLECALL_SOCKET", "place/below/agent.sock"));
    let aws = Some(("AWS_CONFIG_FILE", "place/config"));
    let aws_below = Some(("AWS_CONFIG_FILE", "place/below/config"));
    let uses: [Use; 6] = [
        ("place", socket, &["agent", "start"], 7),
        (".local", None, &["agent", "start"], 7),
        (".config", None, &["role", "list"], 3),
        ("place", aws, &["profiles", "sync"], 1),
        ("place", aws_below, &["profiles", "sync"], 1),
        (".local/share", None, &["unlock", "--vault"], 1),
    ];
    for (place, variable, args, code) in uses {
        for (expose, reason) in exposures {
            let mut home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
            let dir = home.path(place);
            fs::create_dir_all(&dir).unwrap();
            set_mode(&dir, 0o755);
            set_mode(dir.parent().unwrap(), 0o755);
            expose(&dir);
            if let Some((name, below)) = variable {
                home.set(name, home.path(below).display().to_string());
            }
            let before = fs::read_dir(&dir).unwrap().count();
            let refused = home.run_with_input(args, "correct horse battery");
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(code), "{place} {args:?} {reason}: {said}");
            assert!(said.contains(&format!("{place} {reason}")), "{args:?}: {said}");
            assert!(said.contains("\nhint: "), "{args:?}: {said}");
            assert_eq!(fs::read_dir(&dir).unwrap().count(), before, "{place} {args:?}: something was made");
        }
    }
}

fn sync(home: &Home) -> Output {
    home.run(["profiles", "sync"])
}

#[test]
fn aws_directory_linked_to_another_user_gets_no_profile() {
    needs!("root");
    let home = Home::bare(TUTORIAL);
    let theirs = home.path("theirs");
    fs::create_dir(&theirs).unwrap();
    let program = "[profile prod]\ncredential_process = /theirs/program\n";
    fs::write(theirs.join("config"), program).unwrap();
    chown(&theirs, Some(ATTACKER), None).unwrap();
    symlink(&theirs, home.path(".aws")).unwrap();
    for owner in [ATTACKER, 0] {
        chown(theirs.join("config"), Some(owner), None).unwrap();
        let refused = sync(&home);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            text(&refused.stderr).contains("theirs belongs to another user (uid 65533)"),
            "{}",
            text(&refused.stderr)
        );
        assert_eq!(fs::read_to_string(theirs.join("config")).unwrap(), program);
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1, "no copy either");
    }
}

#[test]
fn dotfiles_and_own_links_keep_working() {
    let home = Home::ready(TUTORIAL);
    for (dir, moved) in [(".aws", "dotfiles/aws"), (".config", "dotfiles/config"), (".local", "elsewhere")] {
        let (dir, moved) = (home.path(dir), home.path(moved));
        fs::create_dir_all(moved.parent().unwrap()).unwrap();
        set_mode(moved.parent().unwrap(), 0o755);
        if dir.exists() {
            fs::rename(&dir, &moved).unwrap();
        } else {
            fs::create_dir(&moved).unwrap();
        }
        symlink(&moved, &dir).unwrap();
    }
    assert!(home.run(["agent", "restart"]).status.success());
    home.open_vault();
    assert!(home.run(["get", "prod"]).status.success());
    let synced = sync(&home);
    assert!(synced.status.success(), "{}", text(&synced.stderr));
    assert!(fs::read_to_string(home.path("dotfiles/aws/config")).unwrap().contains("get prod"));
}
