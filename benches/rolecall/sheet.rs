//! The table: what was measured, what it should be, and whether it is.

use std::fmt::Write as _;
use std::io::Write as _;

/// Rows, printed as they come.
#[derive(Default)]
pub(crate) struct Sheet {
    over: Vec<String>,
}

impl Sheet {
    /// Starts a part of the table.
    pub(crate) fn part(&mut self, title: &str) {
        say(&format!("\n{title}"));
    }

    /// Prints a number that has no target.
    pub(crate) fn note(&mut self, what: &str, measured: &str) {
        say(&format!("  {what:<58} {measured:>16}"));
    }

    /// Prints a number and what it should not exceed.
    pub(crate) fn at_most(&mut self, what: &str, measured: f64, target: f64, unit: &str) {
        let verdict = if measured <= target { "ok" } else { "over" };
        let mut row = String::new();
        let _ = write!(row, "  {what:<58} {:>16} target {target}{unit}: {verdict}", format!("{measured:.2}{unit}"));
        say(&row);
        if measured > target {
            self.over.push(what.to_owned());
        }
    }

    /// Prints a number that does not depend on the machine, and fails if it is another.
    pub(crate) fn exactly(&mut self, what: &str, measured: u64, wanted: u64) {
        say(&format!(
            "  {what:<58} {measured:>16} target {wanted}: {}",
            if measured == wanted { "ok" } else { "wrong" }
        ));
        assert_eq!(measured, wanted, "{what}");
    }

    /// Says what was over its target, if anything was.
    pub(crate) fn end(&mut self) {
        if self.over.is_empty() {
            say("\neverything is within its target");
        } else {
            say(&format!("\nover target here and now: {}", self.over.join("; ")));
        }
    }
}

fn say(line: &str) {
    // Whoever closed the output has seen enough.
    let _ = writeln!(std::io::stdout(), "{line}");
}
