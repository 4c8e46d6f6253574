//! What may lie in the place of a file that rolecall keeps: nothing of it is waited for, and the agent serves.

use crate::harness::home::{Home, text};
use crate::harness::inside::TUTORIAL;
use crate::harness::programs::ROLECALL;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

type Place = fn(&Path);

/// Each with the words for it in an error.
const SPECIAL: [(&str, Place); 5] = [
    ("a named pipe", |path| assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().unwrap().success())),
    ("a symlink", |path| symlink("/dev/zero", path).unwrap()),
    ("a directory", |path| fs::create_dir(path).unwrap()),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
    ("larger than", |path| fs::File::create(path).and_then(|file| file.set_len(1 << 40)).unwrap()),
];

/// Runs a command that a hang would keep: `timeout` ends it with 124.
fn run(home: &Home, args: &[&str], input: &str) -> Output {
    let mut command = home.command("timeout");
    command.args(["100", ROLECALL]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads no input closes it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_ne!(output.status.code(), Some(124), "{args:?} hangs");
    output
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
}

/// Puts each special file at a path while no agent runs, and gives it to a test.
fn with_each(home: &Home, path: &Path, test: impl Fn(&str)) {
    for (what, place) in SPECIAL {
        run(home, &["agent", "stop"], "");
        remove(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        place(path);
        test(what);
    }
    run(home, &["agent", "stop"], "");
    remove(path);
}

fn locked_home() -> Home {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    rolecall::files::ensure_private_dir(&home.path(".local/state/rolecall")).unwrap();
    home
}

/// The agent starts and answers every command; it has no key yet, so that `get` says that the vault is locked.
fn serves(home: &Home, what: &str) -> String {
    let started = run(home, &["agent", "start"], "");
    assert!(started.status.success(), "{what}: {}", text(&started.stderr));
    let got = run(home, &["get", "prod"], "");
    assert_eq!(got.status.code(), Some(4), "{what}: {}", text(&got.stderr));
    let locked = run(home, &["lock"], "");
    assert!(locked.status.success(), "{what}: {}", text(&locked.stderr));
    let status = run(home, &["status"], "");
    assert!(status.status.success(), "{what}: {}", text(&status.stderr));
    text(&status.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn special_file_as_a_log_costs_the_log_only() {
    let home = locked_home();
    for name in ["audit.jsonl", "agent.log"] {
        let path = home.path(".local/state/rolecall").join(name);
        with_each(&home, &path, |what| {
            let status = serves(&home, what);
            // A huge log is rotated.
            if what != "larger than" {
                assert!(status.contains(name) && status.contains(what), "{name}, {what}: {status}");
            }
            let log = run(&home, &["log"], "");
            let is_unreadable = name == "audit.jsonl" && what != "larger than";
            assert_eq!(log.status.code(), Some(i32::from(is_unreadable)), "{what}: {}", text(&log.stderr));
            assert_eq!(text(&log.stderr).contains(what), is_unreadable, "{what}: {}", text(&log.stderr));
        });
        for rotated in ["audit.jsonl.1", "audit.jsonl.2", "agent.log.1"] {
            remove(&home.path(".local/state/rolecall").join(rotated));
        }
    }
}

#[test]
fn special_file_as_a_journal_is_named_and_not_waited_for() {
    let home = locked_home();
    run(&home, &["agent", "start"], "");
    let journal = home.path(".local/state/rolecall/rotations.json");
    with_each(&home, &journal, |what| {
        let status = serves(&home, what);
        assert!(status.contains("rotations.json") && status.contains(what), "{what}: {status}");
    });
    let import = home.path(".local/state/rolecall/imports/0001.json");
    with_each(&home, &import, |what| {
        let imported = run(&home, &["import", "--dry-run"], "");
        assert_eq!(imported.status.code(), Some(1), "{what}");
        let said = text(&imported.stderr);
        assert!(said.contains("0001.json") && said.contains(what), "{what}: {said}");
    });
}

#[test]
fn special_file_as_a_lock_is_named_and_not_waited_for() {
    let home = locked_home();
    run(&home, &["agent", "start"], "");
    for (dir, name) in [(".local/state/rolecall", "start.lock"), ("run/rolecall", "agent.lock")] {
        let lock = home.path(dir).join(name);
        with_each(&home, &lock, |what| {
            let started = run(&home, &["agent", "start"], "");
            let said = text(&started.stderr);
            // What it holds does not matter.
            let is_refused = what != "larger than";
            assert_eq!(started.status.code(), Some(if is_refused { 7 } else { 0 }), "{name}, {what}: {said}");
            assert_eq!(said.contains(name) && said.contains(what), is_refused, "{name}, {what}: {said}");
        });
    }
}

#[test]
fn special_file_as_the_vault_is_named_and_not_waited_for() {
    let home = locked_home();
    rolecall::files::ensure_private_dir(&home.path(".local/share/rolecall")).unwrap();
    let vault = home.path(".local/share/rolecall/vault.rolecall");
    with_each(&home, &vault, |what| {
        // A link is followed, as the vault may be in a synchronised directory: then the device is named.
        let named = if what == "a symlink" { "a device" } else { what };
        let opened = run(&home, &["unlock", "--vault"], "correct horse battery");
        assert_eq!(opened.status.code(), Some(1), "{what}");
        assert!(text(&opened.stderr).contains(named), "{what}: {}", text(&opened.stderr));
        let status = text(&run(&home, &["status"], "").stdout);
        assert!(status.split_whitespace().collect::<Vec<_>>().join(" ").contains(named), "{what}: {status}");
        let got = run(&home, &["get", "prod"], "");
        assert_eq!(got.status.code(), Some(1), "{what}: {}", text(&got.stderr));
    });
    for name in ["vault.rolecall.lock", "../../state/rolecall/vault.json"] {
        let beside = home.path(".local/share/rolecall").join(name);
        with_each(&home, &beside, |what| {
            remove(&vault);
            let opened = run(&home, &["unlock", "--vault"], "correct horse battery");
            let said = format!("{}{}", text(&opened.stdout), text(&opened.stderr));
            let is_ignored = name.contains(".lock") && what == "larger than";
            assert_eq!(said.contains(what), !is_ignored, "{name}, {what}: {said}");
        });
    }
}

#[test]
fn huge_log_is_read_from_its_end() {
    let home = locked_home();
    let log = home.path(".local/state/rolecall/audit.jsonl.1");
    let line = r#"{"v":1,"time":"2026-11-22T00:00:00Z","seq":0,"event":"get","result":"ok","name":"last"}"#;
    let mut file = fs::File::create(&log).unwrap();
    file.set_len(1 << 40).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
    file.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    let shown = run(&home, &["log", "--json"], "");
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert_eq!(text(&shown.stdout).trim(), line);
    // The home's search for secrets reads every file whole.
    remove(&log);
}
