//! `docs/clients.md`, as far as it says what was seen: written by `ROLECALL_BLESS=1`, and held to what is seen otherwise.
//!
//! The versions that were tried stand in the page and are not compared: Debian's change, and what they do shall not.

use super::Seen;
use super::failures::{Complaint, Start};
use crate::roster::{CALLS, Case, Kind, TOOLS, Way};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- What follows is written by the tests: ROLECALL_BLESS=1 tests/run clients -->\n";
const END: &str = "<!-- end of what the tests write -->\n";
const TRIED: &str = "Tried: ";

/// Fails unless the page says what was seen; writes it where that is asked for.
pub(super) fn hold(at_start: &[Start], seen: &[(Case, Seen)]) {
    let path = path();
    let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (before, rest) = page.split_once(BEGIN).expect("the page has a part for what was seen");
    let (there, after) = rest.split_once(END).expect("that part has an end");
    let written = render(at_start, seen);
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{written}{END}{after}")).unwrap();
        return;
    }
    for (line, now) in compared(there).zip(compared(&written)) {
        assert_eq!(line, now, "docs/clients.md says otherwise; `ROLECALL_BLESS=1 tests/run clients` writes it anew");
    }
    assert_eq!(compared(there).count(), compared(&written).count(), "docs/clients.md has more or fewer lines");
}

fn compared(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with(TRIED))
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md")
}

fn render(at_start: &[Start], seen: &[(Case, Seen)]) -> String {
    let mut page = String::from(
        "\n| client | way | works | asks for one listing | for twenty more | a session that ends |\n|---|---|---|---|---|---|\n",
    );
    for (case, seen) in seen {
        let (name, way) = (case.tool.name, case.way.name());
        let more = match case.tool.kind {
            Kind::Short if case.way != Way::Environment => format!("{} each", seen.twenty / case.tool.more_calls()),
            _ => seen.twenty.to_string(),
        };
        writeln!(page, "| {name} | {way} | yes | {} | {more} | {} |", seen.once, renewal(*case, seen)).unwrap();
    }
    page.push_str("\n### Where there is no session to start with\n\n`rolecall get`, `env`, `exec` and `exec --imds` start nothing, and say:\n\n");
    for start in at_start {
        writeln!(page, "- exit {}: `{}`", start.code, start.says.replace('`', "'")).unwrap();
    }
    for tool in &TOOLS {
        let ours: Vec<_> = seen.iter().filter(|(case, _)| case.tool.name == tool.name).collect();
        let Some((_, first)) = ours.first() else { continue };
        // Not the kernel that it happened to run on.
        let version: Vec<_> = first.version.split(' ').filter(|word| !word.starts_with("Linux/")).collect();
        writeln!(page, "\n### {}\n\n{TRIED}{}\n", tool.name, version.join(" ")).unwrap();
        writeln!(page, "{}\n", tool.about.trim()).unwrap();
        for (case, seen) in ours {
            if case.way == Way::Environment {
                writeln!(page, "- {}, the session is over: `{}`", case.way.name(), seen.over.replace('`', "'"))
                    .unwrap();
                continue;
            }
            let all = &seen.failures;
            for (when, complaint) in
                [("locked", &all.locked), ("refused", &all.refused), ("AWS cannot be reached", &all.outage)]
            {
                writeln!(page, "- {}, {when}: {}", case.way.name(), shown(complaint)).unwrap();
            }
            if all.stays_without {
                let way = case.way.name();
                writeln!(
                    page,
                    "- {way}, afterwards: a client object that was made meanwhile stays without; a new one lists"
                )
                .unwrap();
            }
        }
    }
    page.push('\n');
    page
}

fn renewal(case: Case, seen: &Seen) -> &'static str {
    match seen.renewing {
        _ if case.way == Way::Environment => "ends it: keys in variables renew themselves in no client",
        _ if case.tool.kind == Kind::Short => "each command asks for one",
        renewing if case.tool.has_a_movable_clock() && renewing.times >= CALLS => {
            "no call fails; asks every few minutes"
        }
        _ if case.tool.has_a_movable_clock() => "no call fails; asks once for each session",
        renewing if renewing.times >= CALLS => "no call fails; asks on every call",
        _ => "no call fails; asks when it is over",
    }
}

fn shown(complaint: &Complaint) -> String {
    let ours = match (complaint.is_repeated, complaint.is_beside) {
        (true, _) => "rolecall's words",
        (false, true) => "rolecall's words on the terminal, beside its own",
        (false, false) => "nothing of rolecall's",
    };
    format!("{ours}: `{}`", complaint.own.replace('`', "'"))
}
