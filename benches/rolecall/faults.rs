//! `get` of a fresh session and `lock`, whole processes, while the agent is under a fault; beside an agent without one.
//!
//! The faults are those of `tests/it/channels.rs` and `tests/it/hung_files.rs`, by the same means. That each one lasts until
//! the last measurement is asserted; the times are not.

use crate::Programs;
use crate::measure::{self, Times, interleave, now};
use crate::sheet::Sheet;
use crate::stage::Stage;
use dead_mount::{DeadMount, below_dead_pts};
use rolecall::protocol::message::Request;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tiny_disk::TinyDisk;

#[allow(dead_code, clippy::unwrap_used, reason = "shared with the tests, which need more of it")]
#[path = "../../tests/it/harness/dead_mount.rs"]
mod dead_mount;
#[allow(dead_code, unused_macros, clippy::disallowed_methods, reason = "shared with the tests, which need more of it")]
#[path = "../../tests/it/harness/needs.rs"]
mod needs;
#[allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods, reason = "shared with the tests")]
#[path = "../../tests/it/harness/tiny_disk.rs"]
mod tiny_disk;

const GETS: usize = 50;
const LOCKS: usize = 5;

/// What each `get` and each `lock` may take, in milliseconds.
const LIMIT: f64 = 100.0;

/// How long a fault may take to show.
const SHOWS_WITHIN: Duration = Duration::from_mins(1);

/// A fault, and how an agent gets into it.
struct Fault {
    name: &'static str,
    needs_root: bool,
    begin: fn(&Programs) -> Faulty,
}

/// An agent under a fault.
struct Faulty {
    /// Whether the fault lasts. The closure owns what causes the fault, and is dropped before the stage.
    lasts: Box<dyn FnMut(&Stage) -> bool>,
    stage: Stage,
}

const FAULTS: [Fault; 6] = [
    Fault { name: "64 descriptors", needs_root: false, begin: few_descriptors },
    Fault { name: "disk full from the start", needs_root: true, begin: full_from_the_start },
    Fault { name: "disk full midway", needs_root: true, begin: full_midway },
    Fault { name: "closed stderr", needs_root: false, begin: closed_stderr },
    Fault { name: "hung included file", needs_root: true, begin: hung_include },
    Fault { name: "callers with a hung /dev/pts", needs_root: true, begin: hung_pts },
];

pub(crate) fn run(programs: &Programs, sheet: &mut Sheet) {
    let program = programs.released.as_deref().unwrap_or(&programs.plain);
    let is_root = needs::are_met(&["root"]);
    let sound = Stage::start(programs, 1);
    sound.get("r0");
    sheet.part(&format!("An agent under a fault: {GETS} x get of a fresh session, {LOCKS} x lock, whole processes"));
    for fault in &FAULTS {
        if fault.needs_root && !is_root {
            sheet.note(fault.name, "needs root");
            continue;
        }
        let Faulty { mut lasts, stage } = (fault.begin)(programs);
        until(&format!("the fault shows: {}", fault.name), || lasts(&stage));
        compare(fault.name, program, [&sound, &stage], sheet);
        assert!(lasts(&stage), "the fault has ended too early: {}", fault.name);
    }
}

/// Measures the agent under the fault (the second) in turns with the one without.
fn compare(fault: &str, program: &Path, stages: [&Stage; 2], sheet: &mut Sheet) {
    let [mut without, mut under] = stages.map(|stage| {
        move || {
            let run = measure::run(&mut stage.get_command(program, "r0"));
            assert!(!run.output.is_empty(), "credentials are printed");
            run.wall
        }
    });
    row(sheet, fault, "get", &interleave(GETS, &mut [&mut without, &mut under]));

    let [mut without, mut under] = stages.map(|stage| {
        move || {
            stage.unlock();
            stage.get("r0");
            let mut lock = stage.command(program);
            measure::run(lock.arg("lock")).wall
        }
    });
    row(sheet, fault, "lock", &interleave(LOCKS, &mut [&mut without, &mut under]));
    for stage in stages {
        stage.unlock();
        stage.get("r0");
    }
}

fn row(sheet: &mut Sheet, fault: &str, what: &str, times: &[Times]) {
    let [without, under] = times else { unreachable!("two agents") };
    let numbers = format!("{:.2} ms; {:.2}", under.median() / 1e3, under.median() / without.median());
    sheet.note(&format!("{fault}: {what}, median; to no fault"), &numbers);
    sheet.at_most(&format!("{fault}: {what}, maximum"), under.max() / 1e3, LIMIT, " ms");
    sheet.note(&format!("no fault: {what}, maximum"), &format!("{:.2} ms", without.max() / 1e3));
}

fn few_descriptors(programs: &Programs) -> Faulty {
    let mut command = Command::new("prlimit");
    let stage = Stage::start_by(command.arg("--nofile=64:64").arg(&programs.agent), 1, |_| {});
    stage.get("r0");
    let lasts = |stage: &Stage| {
        let limits = fs::read_to_string(format!("/proc/{}/limits", stage.pid)).expect("the agent runs");
        let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("the kernel lists it");
        files.split_whitespace().skip(3).take(2).all(|limit| limit == "64")
    };
    Faulty { lasts: Box::new(lasts), stage }
}

fn full_from_the_start(programs: &Programs) -> Faulty {
    let mut disk = None;
    let stage = Stage::start_by(&mut Command::new(&programs.agent), 1, |paths| {
        disk.insert(TinyDisk::with(&paths.state, "mode=700")).fill();
    });
    full(stage, disk.expect("mounted"))
}

fn full_midway(programs: &Programs) -> Faulty {
    let mut disk = None;
    let stage = Stage::start_by(&mut Command::new(&programs.agent), 1, |paths| {
        disk = Some(TinyDisk::with(&paths.state, "mode=700"));
    });
    let disk = disk.expect("mounted");
    stage.get("r0");
    disk.fill();
    full(stage, disk)
}

fn full(stage: Stage, disk: TinyDisk) -> Faulty {
    let mut round = 0;
    let lasts = move |stage: &Stage| {
        // Makes the agent write a line; what is left of the last page takes some.
        round += 1;
        stage.touch_config(1, round);
        stage.ask(Request::Reload);
        stage.get("r0");
        disk.is_full() && stage.status().counts.audit_lost > 0
    };
    Faulty { lasts: Box::new(lasts), stage }
}

fn closed_stderr(programs: &Programs) -> Faulty {
    let mut command = Command::new("sh");
    let stage = Stage::start_by(command.args(["-c", "exec \"$0\" 2>&-"]).arg(&programs.agent), 1, |_| {});
    stage.get("r0");
    let lasts = |stage: &Stage| {
        let stderr = fs::read_link(format!("/proc/{}/fd/2", stage.pid));
        // The standard library opens /dev/null in its place. Without root, the agent does not show it.
        stderr.ok().is_none_or(|file| file == Path::new("/dev/null"))
    };
    Faulty { lasts: Box::new(lasts), stage }
}

fn hung_include(programs: &Programs) -> Faulty {
    let stage = Stage::start(programs, 1);
    stage.get("r0");
    let mut mount = DeadMount::new();
    let include = format!("include = [\"{}\"]\n", mount.path("team.toml").display());
    stage.surround_config(&include, "");
    let lasts = move |stage: &Stage| {
        let status = stage.status();
        mount.is_held() && status.warnings.iter().any(|warning| warning.message.contains("does not answer"))
    };
    Faulty { lasts: Box::new(lasts), stage }
}

/// A caller every 50 ms through a restricted socket, from a container whose `/dev/pts` never answers.
fn hung_pts(programs: &Programs) -> Faulty {
    const CALLERS: &str = "while kill -0 \"$1\" 2>/dev/null; do \"$0\" get r0 >/dev/null; sleep 0.05; done";
    let stage = Stage::start(programs, 1);
    stage.surround_config("", "\n[sockets.box]\nroles = [\"r0\"]\n");
    stage.ask(Request::Reload);
    stage.get("r0");
    let socket = stage.paths.runtime_dir().join("sockets/box/agent.sock");
    until("the restricted socket is there", || socket.exists());
    let mut python = stage.command(Path::new("python3"));
    python.env("ROLECALL_SOCKET", &socket).stdin(Stdio::null());
    let mut python = below_dead_pts(python, &stage.paths.state.join("callers"));
    python.args(["sh", "-c", CALLERS]).arg(&programs.plain).arg(stage.pid.to_string());
    let mut callers = Callers(python.spawn().expect("python3 can be run"));
    let mut before = 0;
    let lasts = move |stage: &Stage| {
        // One more than the look at it: a caller has been served meanwhile.
        let gets = stage.status().counts.gets;
        let has_callers = gets > before;
        before = gets;
        has_callers && callers.0.try_wait().is_ok_and(|ended| ended.is_none())
    };
    Faulty { lasts: Box::new(lasts), stage }
}

/// The callers of a container. They end with their terminal, which ends with the process that holds it.
struct Callers(std::process::Child);

impl Drop for Callers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = now();
    while !holds() {
        assert!(now().saturating_sub(start) < SHOWS_WITHIN, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
