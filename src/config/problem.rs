//! What is wrong with a configuration and where, collected whole and told in lines that editors can jump to.
//!
//! It knows no section and no key. Text from the file is escaped here, once, before it can reach a terminal or a log.

use super::walk::At;
use crate::domain::report::{Kind, Report, printable};
use std::fmt;
use std::path::{Path, PathBuf};

/// The most problems that are told; the rest is counted. A hostile file could hold a million.
const MAX_TOLD: usize = 100;

/// The longest key or value that a message repeats.
pub(super) const QUOTE_MAX: usize = 64;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The line, from 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// The keys to the culprit, as `roles.prod.duration`; empty where the text itself is wrong.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// Why a configuration is refused: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named by the caller.
    pub file: PathBuf,
    /// What is wrong, in the order of the file; never empty.
    pub problems: Vec<Located>,
    /// How many more there are that are not listed.
    pub omitted: usize,
}

impl ConfigError {
    pub(super) fn whole(file: &Path, message: impl Into<String>) -> Self {
        let problem = Located { line: None, path: String::new(), message: message.into() };
        Self { file: file.to_path_buf(), problems: vec![problem], omitted: 0 }
    }

    pub(super) fn at_line(file: &Path, line: usize, message: &str) -> Self {
        let mut error = Self::whole(file, message);
        error.problems[0].line = Some(line);
        error
    }

    /// Gives every problem as `FILE:LINE: KEYS: what is wrong`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let file = printable(&self.file.display().to_string(), 4096);
        self.problems.iter().map(move |problem| {
            let line = problem.line.map(|l| format!(":{l}")).unwrap_or_default();
            let keys = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
            format!("{file}{line}: {keys}{}", problem.message)
        })
    }

    /// Gives the first problem and the number of the others, for one line of an error message.
    pub fn report(&self) -> Report {
        let first = self.lines().next().unwrap_or_default();
        let message = match (self.problems.len() + self.omitted).saturating_sub(1) {
            0 => first,
            more => format!("{first} (and {more} more)"),
        };
        let file = printable(&self.file.display().to_string(), 4096);
        Report::new(Kind::Config, message)
            .hint(format!("correct `{file}`; `rolecall status` lists what is wrong with it"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, line) in self.lines().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&line)?;
        }
        if self.omitted > 0 { write!(f, "\n… and {} more", self.omitted) } else { Ok(()) }
    }
}

impl std::error::Error for ConfigError {}

/// Collects problems while a document is walked.
#[derive(Default)]
pub(super) struct Sink {
    found: Vec<(usize, String, String)>,
    total: usize,
}

impl Sink {
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Gives how many problems there are, told or only counted.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Tells whether further problems are only counted, so that nobody works out their wording.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MAX_TOLD
    }

    pub(super) fn say(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.total += 1;
        if !self.is_full() {
            self.found.push((at.offset, at.path(), message.into()));
        }
    }

    pub(super) fn at_offset(&mut self, offset: usize, path: &str, message: impl Into<String>) {
        self.total += 1;
        if !self.is_full() {
            self.found.push((offset, printable(path, QUOTE_MAX), message.into()));
        }
    }

    pub(super) fn into_error(mut self, file: &Path, text: &str) -> ConfigError {
        self.found.sort();
        let (mut line, mut counted) = (1, 0);
        let omitted = self.total - self.found.len();
        let problems = self.found.into_iter().map(|(offset, path, message)| {
            let offset = offset.min(text.len());
            line += newlines(&text.as_bytes()[counted..offset]);
            counted = offset;
            Located { line: Some(line), path, message }
        });
        ConfigError { file: file.to_path_buf(), problems: problems.collect(), omitted }
    }
}

/// Counts line ends: the lines before an offset.
pub(super) fn newlines(bytes: &[u8]) -> usize {
    bytes.split(|b| *b == b'\n').count() - 1
}
