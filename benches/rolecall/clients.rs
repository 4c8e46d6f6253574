//! One warm `get`, whole process, against C programs that do the same.

use crate::Programs;
use crate::measure::{self, Times};
use crate::sheet::Sheet;
use crate::stage::Stage;
use std::path::Path;
use std::process::Command;

const ROUNDS: usize = 1500;

/// The released client may take this many times what the static C client takes.
const RELEASED: f64 = 1.3;

/// The released client may touch this many pages that are not mapped yet (packaging/get-first.ld).
const PAGE_FAULTS: f64 = 26.0;

/// The client of a plain release build may take this many times what the dynamic C client takes.
const PLAIN: f64 = 1.5;

struct Candidate {
    name: &'static str,
    command: Command,
    wall: Times,
    cpu: Times,
    page_faults: i64,
}

pub(crate) fn run(programs: &Programs, sheet: &mut Sheet) {
    let stage = Stage::start(programs, 1);
    stage.get("r0");
    let fresh = tempfile::Builder::new().prefix("rolecall-clients-").tempdir().expect("a directory");
    let candidate = |name, program: &Path| {
        // How a file came into the page cache decides how fast its pages are mapped: so all of them come the same way.
        let copy = fresh.path().join(name);
        std::fs::copy(program, &copy).expect("copied");
        let command = stage.get_command(&copy, "r0");
        Candidate { name, command, wall: Times::default(), cpu: Times::default(), page_faults: i64::MAX }
    };
    let mut candidates: Vec<Candidate> = [
        ("C, musl, static", programs.c_musl.as_deref()),
        ("rolecall, released", programs.released.as_deref()),
        ("C, glibc, dynamic", Some(programs.c_glibc.as_path())),
        ("rolecall, cargo build --release", Some(programs.plain.as_path())),
    ]
    .into_iter()
    .filter_map(|(name, program)| program.map(|program| candidate(name, program)))
    .collect();

    let expected = measure::run(&mut candidates[0].command).output;
    let count = candidates.len();
    for round in 0..ROUNDS + ROUNDS / 10 {
        for at in 0..count {
            // Each comes first as often as the others: what ran before leaves its mark on caches.
            let candidate = &mut candidates[(at + round) % count];
            let run = measure::run(&mut candidate.command);
            assert!(run.output == expected, "{} prints something else", candidate.name);
            if round >= ROUNDS / 10 {
                candidate.wall.add(run.wall);
                candidate.cpu.add(run.cpu);
                candidate.page_faults = candidate.page_faults.min(run.page_faults);
            }
        }
    }

    sheet.part(&format!("A warm get, whole process, {ROUNDS} rounds (an answer of {} bytes)", expected.len()));
    for candidate in &candidates {
        let (wall, cpu) = (&candidate.wall, &candidate.cpu);
        let faults = candidate.page_faults;
        let numbers = format!("{:.0} / {:.0} / {:.0} µs, {faults} faults", wall.median(), wall.min(), cpu.median());
        sheet.note(&format!("{} (median / min / processor, page faults)", candidate.name), &numbers);
    }
    if let Some(released) = candidates.iter().find(|candidate| candidate.name == "rolecall, released") {
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        sheet.at_most("rolecall, released: page faults", released.page_faults as f64, PAGE_FAULTS, "");
    }
    let find = |name: &str| candidates.iter().find(|candidate| candidate.name == name);
    for (ours, theirs, target) in
        [("rolecall, released", "C, musl, static", RELEASED), (candidates[count - 1].name, "C, glibc, dynamic", PLAIN)]
    {
        let (Some(a), Some(b)) = (find(ours), find(theirs)) else {
            sheet.note(&format!("{ours} : {theirs}"), "not built here");
            continue;
        };
        sheet.at_most(&format!("{ours} : {theirs}, medians"), a.wall.median() / b.wall.median(), target, "");
        sheet.at_most(&format!("{ours} : {theirs}, minima"), a.wall.min() / b.wall.min(), target, "");
        sheet.note(&format!("{ours} : {theirs}, processor time"), &format!("{:.2}", a.cpu.median() / b.cpu.median()));
    }
}
