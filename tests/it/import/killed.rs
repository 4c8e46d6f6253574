//! kill -9 of `import` and of `import --undo`, with growing delays until the command ends by itself.
//!
//! Delays count from the start and from the first file that changes, in parts of what an undisturbed run takes: how many
//! moments there are does not depend on the machine, but which ones they are does. What must hold holds at all of them. The
//! agent is not killed, and neither is the machine: what a disk forgets is out of reach.

use super::{again, all, clear, config, done, home, import, put, read, serves};
use crate::harness::home::{Home, text};
use rolecall_sandbox::AccessKey;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The parts of a run between which it is killed.
const PARTS: u32 = 8;

/// How many times it may be killed: a hundred times as slow as the undisturbed run.
const PARTS_MAX: u32 = 100 * PARTS;

const IMPORT: &[&str] = &["--yes"];
const UNDO: &[&str] = &["--undo", "--yes"];

/// Two keys, each with a role, and the files before and after.
struct Stage {
    home: Home,
    /// Profile, identity and secret access key.
    keys: [(&'static str, String); 2],
    before: [String; 3],
    after: [String; 3],
}

/// From when a delay counts.
#[derive(Clone, Copy, Debug)]
enum From {
    Start,
    FirstChange,
}

impl Stage {
    fn new() -> Self {
        let home = home();
        let (first, second) = (home.aws.access_key(USER_ARN), AccessKey::generate());
        home.aws.world(|world| world.user(USER_ARN).access_keys.push(second.clone()));
        home.canaries.add(&second.secret);
        let more = format!("[second]\naws_access_key_id = {}\naws_secret_access_key = {}\n", second.id, second.secret);
        put(&home, "credentials", &format!("{}{more}", read(&home, "credentials")));
        put(&home, "config", &format!("{}[profile data]\nrole_arn = {ROLE_ARN}\nsource_profile = second\n", config()));
        let before = all(&home);
        done(&home, IMPORT);
        let after = all(&home);
        let stage = Self { home, keys: [("default", first.secret), ("second", second.secret)], before, after };
        stage.is_imported();
        stage.undo();
        stage
    }

    fn undo(&self) {
        done(&self.home, UNDO);
        self.is_undone();
    }

    fn import_again(&self) {
        let output = again(&self.home, IMPORT);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }

    /// Undoes what was begun; an undo that was killed late, and an import that was killed early, have left nothing.
    fn undo_if_any(&self) {
        let output = again(&self.home, UNDO);
        assert!(matches!(output.status.code(), Some(0 | 2)), "{}", text(&output.stderr));
        self.is_undone();
    }

    /// As after an import that nothing disturbed.
    fn is_imported(&self) {
        assert_eq!(all(&self.home), self.after);
        for name in ["default", "second", "prod", "data"] {
            serves(&self.home, name);
        }
        assert_eq!(self.others_with_a_key(), [""; 0]);
    }

    /// As before any import.
    fn is_undone(&self) {
        assert_eq!(all(&self.home), self.before);
        let nothing = import(&self.home, UNDO);
        assert_eq!(nothing.status.code(), Some(2), "nothing is left to undo: {}", text(&nothing.stderr));
        assert!(!self.home.run(["get", "default"]).status.success());
        assert_eq!(self.others_with_a_key(), [""; 0]);
    }

    /// Whoever was killed: each file is the old one or the new one, and each key is in its file or served.
    fn is_whole(&self, when: &str) {
        let now = all(&self.home);
        for (at, text) in now.iter().enumerate() {
            assert!(*text == self.before[at] || *text == self.after[at], "{when}: file {at} is neither: {text}");
        }
        for (name, secret) in &self.keys {
            if !now[2].contains(secret) {
                let got = self.home.run(["get", name]);
                assert!(
                    got.status.success(),
                    "{when}: {name} is neither in its file nor served: {}",
                    text(&got.stderr)
                );
            }
        }
    }

    /// Names the files below ~/.aws that hold a key and are not the two.
    fn others_with_a_key(&self) -> Vec<String> {
        let names = fs::read_dir(self.home.path(".aws")).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        let others = names.filter(|name| name != "config" && name != "credentials");
        others.filter(|name| self.keys.iter().any(|(_, secret)| read(&self.home, name).contains(secret))).collect()
    }

    /// What the command writes, in all.
    fn written(&self) -> (usize, [String; 3]) {
        let journal = fs::read_dir(self.home.path(".local/state/rolecall/imports"));
        (journal.map_or(0, Iterator::count), all(&self.home))
    }

    /// Runs a command and kills it after a time; tells whether it did its work before. One that finds the agent still at
    /// what an earlier one asked has not; one that finds nothing to undo has.
    fn kill(&self, arguments: &[&str], from: From, delay: Duration) -> bool {
        let before = self.written();
        let mut command = self.home.rolecall([&["import"], arguments].concat());
        let mut face = command.env("DISPLAY", ":7").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut since = Instant::now();
        let mut counts = matches!(from, From::Start);
        loop {
            if let Some(status) = face.try_wait().unwrap() {
                return matches!(status.code(), Some(0 | 2));
            }
            if !counts && self.written() != before {
                (since, counts) = (Instant::now(), true);
            }
            if counts && since.elapsed() >= delay {
                face.kill().unwrap();
                return face.wait().unwrap().success();
            }
            std::thread::yield_now();
        }
    }

    /// How long an undisturbed run takes, from its start and from its first change.
    fn measure(&self, arguments: &[&str], from: From) -> Duration {
        let start = Instant::now();
        let before = self.written();
        let mut command = self.home.rolecall([&["import"], arguments].concat());
        let mut face = command.env("DISPLAY", ":7").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut changed = None;
        while face.try_wait().unwrap().is_none() {
            if changed.is_none() && self.written() != before {
                changed = Some(Instant::now());
            }
            std::thread::yield_now();
        }
        assert!(face.wait().unwrap().success());
        match from {
            From::Start => start.elapsed(),
            From::FirstChange => changed.map_or(Duration::ZERO, |at| at.elapsed()),
        }
    }
}

/// Kills a command later and later, and repairs what it left each time; returns how often it was killed.
fn killed(stage: &Stage, arguments: &[&str], ready: impl Fn(), repair: impl Fn(u32)) -> usize {
    let mut kills = 0;
    for from in [From::Start, From::FirstChange] {
        ready();
        let mut step = stage.measure(arguments, from) / PARTS;
        repair(0);
        loop {
            let more = killed_in_steps(stage, arguments, from, step, (&ready, &repair));
            kills += more;
            // The run that was measured may have had less of the machine than the others.
            if more > 2 || matches!(from, From::FirstChange) {
                break;
            }
            step /= 2;
        }
    }
    kills
}

/// Kills a command at each step until it ends by itself; returns how often it was killed.
fn killed_in_steps(
    stage: &Stage,
    arguments: &[&str],
    from: From,
    step: Duration,
    (ready, repair): (&impl Fn(), &impl Fn(u32)),
) -> usize {
    for part in 0..PARTS_MAX {
        ready();
        let ended = stage.kill(arguments, from, step * part);
        stage.is_whole(&format!("{arguments:?} killed {part}/{PARTS} after {from:?}"));
        repair(part);
        if ended {
            return usize::try_from(part).unwrap();
        }
    }
    panic!("it never ends by itself");
}

#[test]
fn an_import_that_is_killed_at_any_moment_loses_no_key_and_is_finished_by_the_next() {
    let stage = Stage::new();
    let repair = |part: u32| {
        assert_eq!(stage.others_with_a_key(), [""; 0], "an import writes no key into any file");
        if part.is_multiple_of(2) {
            stage.import_again();
            stage.is_imported();
        }
        stage.undo_if_any();
    };
    let kills = killed(&stage, IMPORT, || stage.is_undone(), repair);
    assert!(kills > 2, "it was killed {kills} times");
    clear(&stage.home);
}

#[test]
fn an_undo_that_is_killed_at_any_moment_loses_no_key_and_is_finished_by_the_next() {
    let stage = Stage::new();
    let ready = || {
        done(&stage.home, IMPORT);
        stage.is_imported();
    };
    let repair = |part: u32| {
        // Every other time somebody thinks better of it.
        if part % 2 == 1 {
            stage.import_again();
            stage.is_imported();
        }
        stage.undo_if_any();
    };
    let kills = killed(&stage, UNDO, ready, repair);
    assert!(kills > 2, "it was killed {kills} times");
    clear(&stage.home);
}

#[test]
fn imports_and_undos_that_are_killed_one_after_another_come_to_the_same_end() {
    let stage = Stage::new();
    for (arguments, back) in [(IMPORT, false), (UNDO, true)] {
        let step = stage.measure(arguments, From::Start) / PARTS;
        if back {
            done(&stage.home, IMPORT);
        } else {
            stage.undo();
        }
        for part in 0..=PARTS_MAX {
            assert!(part < PARTS_MAX, "it never ends by itself");
            let ended = stage.kill(arguments, From::Start, step * part);
            stage.is_whole(&format!("{arguments:?} killed again, {part}/{PARTS}"));
            if ended {
                break;
            }
        }
        if back {
            stage.undo_if_any();
        } else {
            stage.import_again();
            stage.is_imported();
        }
    }
    clear(&stage.home);
}
