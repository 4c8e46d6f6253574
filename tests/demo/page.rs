//! What the demo looks like: short lines, colour on a terminal only, and none where NO_COLOR is set.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Where the demo is written.
pub(crate) struct Page {
    out: io::Stdout,
    colour: bool,
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";

impl Page {
    pub(crate) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let out = io::stdout();
        Self { colour: wanted && out.is_terminal(), out }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// A reader who has gone (`cargo demo | head`) ends nothing: the clean-up must still run.
    fn write(&self, text: &str) {
        let _ = writeln!(self.out.lock(), "{text}");
    }

    pub(crate) fn gap(&self) {
        self.write("");
    }

    pub(crate) fn title(&self, text: &str) {
        self.write(&format!("\n{}\n", self.paint(BOLD, text)));
    }

    pub(crate) fn heading(&self, number: &str, text: &str) {
        self.write(&format!("\n{}  {}", self.paint(CYAN, number), self.paint(BOLD, text)));
    }

    pub(crate) fn say(&self, text: &str) {
        self.write(&format!("   {text}"));
    }

    /// What a person types, and a remark beside it.
    pub(crate) fn command(&self, typed: &str, remark: &str) {
        let remark = if remark.is_empty() { String::new() } else { format!("   # {remark}") };
        self.write(&format!("\n   {} {}{}", self.paint(GREEN, "$"), self.paint(BOLD, typed), self.paint(DIM, &remark)));
    }

    pub(crate) fn line(&self, text: &str) {
        self.write(&format!("   {text}"));
    }

    /// What a command printed.
    pub(crate) fn output(&self, text: &str) {
        for line in text.lines() {
            self.write(format!("   {line}").trim_end());
        }
    }

    pub(crate) fn failed(&self, why: &str) -> ExitCode {
        let _ = writeln!(io::stderr(), "\n{}: {why}", self.paint(RED, "the demo failed"));
        ExitCode::FAILURE
    }
}
