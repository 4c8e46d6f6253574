//! The table: what was measured, what it should be, and whether it is.

use std::fmt::Write as _;
use std::io::{Stdout, Write as _};

/// Rows, printed as they come.
pub(crate) struct Sheet {
    out: Stdout,
    over: Vec<String>,
}

impl Sheet {
    pub(crate) fn new() -> Self {
        Self { out: std::io::stdout(), over: Vec::new() }
    }

    /// Starts a part of the table.
    pub(crate) fn part(&mut self, title: &str) {
        self.say(&format!("\n{title}"));
    }

    /// Prints a number that has no target.
    pub(crate) fn note(&mut self, what: &str, measured: &str) {
        self.say(&format!("  {what:<58} {measured:>16}"));
    }

    /// Prints a number and what it should not exceed.
    pub(crate) fn at_most(&mut self, what: &str, measured: f64, target: f64, unit: &str) {
        let verdict = if measured <= target { "ok" } else { "over" };
        let mut row = String::new();
        let _ = write!(row, "  {what:<58} {:>16} target {target}{unit}: {verdict}", format!("{measured:.2}{unit}"));
        self.say(&row);
        if measured > target {
            self.over.push(what.to_owned());
        }
    }

    /// Prints a number that does not depend on the machine, and fails if it is another.
    pub(crate) fn exactly(&mut self, what: &str, measured: u64, wanted: u64) {
        self.say(&format!(
            "  {what:<58} {measured:>16} target {wanted}: {}",
            if measured == wanted { "ok" } else { "wrong" }
        ));
        assert_eq!(measured, wanted, "{what}");
    }

    /// Prints a number that must not grow, and fails if it did.
    pub(crate) fn no_more(&mut self, what: &str, before: u64, after: u64) {
        let verdict = if after <= before { "ok" } else { "wrong" };
        self.say(&format!("  {what:<58} {after:>16} target {before}, as before: {verdict}"));
        assert!(after <= before, "{what}: {before} became {after}");
    }

    /// Says what was over its target, if anything was.
    pub(crate) fn end(mut self) {
        if self.over.is_empty() {
            self.say("\neverything is within its target");
        } else {
            let over = self.over.join("; ");
            self.say(&format!("\nover target here and now: {over}"));
        }
    }

    fn say(&mut self, line: &str) {
        // Whoever closed the output has seen enough.
        let _ = writeln!(self.out, "{line}");
    }
}
