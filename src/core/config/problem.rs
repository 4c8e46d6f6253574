//! What is wrong with a configuration and where, collected whole and told in lines that editors can jump to.
//!
//! It knows no section and no key. Text from the file is escaped here, once, before it can reach a terminal or a log.

use super::reader::Cursor;
use crate::domain::error::{Kind, UserError, printable};
use std::fmt;
use std::path::{Path, PathBuf};

/// The most problems that are told; the rest is counted. A hostile file could hold a million.
const MAX_TOLD: usize = 100;

/// The longest key or value that a message repeats.
pub(super) const QUOTE_MAX: usize = 64;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The file, as its caller or the `include` that led to it named it.
    pub file: PathBuf,
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
    /// What is wrong, in the order of the files; never empty.
    pub problems: Vec<Located>,
    /// How many more there are that are not listed.
    pub omitted: usize,
    /// What to do about it, where that is not to correct the file.
    pub hint: Option<String>,
}

impl ConfigError {
    pub(super) fn whole(file: &Path, message: impl Into<String>) -> Self {
        let file = file.to_path_buf();
        let problem = Located { file, line: None, path: String::new(), message: message.into() };
        Self { problems: vec![problem], omitted: 0, hint: None }
    }

    pub(super) fn at_line(file: &Path, line: usize, message: &str) -> Self {
        let mut error = Self::whole(file, message);
        error.problems[0].line = Some(line);
        error
    }

    /// Gives every problem as `FILE:LINE: KEYS: what is wrong`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(|problem| {
            let file = shown(&problem.file);
            let line = problem.line.map(|l| format!(":{l}")).unwrap_or_default();
            let keys = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
            format!("{file}{line}: {keys}{}", problem.message)
        })
    }

    /// Gives the first problem and the number of the others, for one line of an error message.
    pub fn report(&self) -> UserError {
        let first = self.lines().next().unwrap_or_default();
        let message = match (self.problems.len() + self.omitted).saturating_sub(1) {
            0 => first,
            more => format!("{first} (and {more} more)"),
        };
        let hint = self.hint.clone().unwrap_or_else(|| {
            let file = self.problems.first().map(|problem| shown(&problem.file)).unwrap_or_default();
            format!("correct `{file}`; `rolecall status` lists what is wrong with it")
        });
        UserError::new(Kind::Config, message).hint(hint)
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

/// A file's text and what it is called.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Text {
    /// Gives the line of an offset.
    pub(super) fn line(&self, offset: usize) -> usize {
        1 + newlines(&self.text.as_bytes()[..offset.min(self.text.len())])
    }

    /// Names a place of it, as `FILE:LINE`.
    pub(super) fn place(&self, offset: usize) -> String {
        format!("{}:{}", shown(&self.path), self.line(offset))
    }
}

/// Names a file, safe for a terminal.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), 4096)
}

/// One thing that is wrong: in which file and where in it, the keys to it, and the words.
type Found = (usize, usize, String, String);

/// Collects problems while documents are walked.
#[derive(Default)]
pub(super) struct Sink {
    /// The file that is walked.
    pub(super) file: usize,
    found: Vec<Found>,
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

    pub(super) fn say(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        self.total += 1;
        if !self.is_full() {
            self.found.push((self.file, at.offset, at.path(), message.into()));
        }
    }

    pub(super) fn at_offset(&mut self, offset: usize, path: &str, message: impl Into<String>) {
        self.total += 1;
        if !self.is_full() {
            self.found.push((self.file, offset, printable(path, QUOTE_MAX), message.into()));
        }
    }

    pub(super) fn into_error<'a>(mut self, text_of: impl Fn(usize) -> &'a Text) -> ConfigError {
        self.found.sort();
        let (mut file, mut line, mut counted) = (usize::MAX, 1, 0);
        let omitted = self.total - self.found.len();
        let problems = self.found.into_iter().map(|(at, offset, path, message)| {
            let text = text_of(at);
            if at != file {
                (file, line, counted) = (at, 1, 0);
            }
            let offset = offset.min(text.text.len());
            line += newlines(&text.text.as_bytes()[counted..offset]);
            counted = offset;
            Located { file: text.path.clone(), line: Some(line), path, message }
        });
        ConfigError { problems: problems.collect(), omitted, hint: None }
    }
}

/// Counts line ends: the lines before an offset.
pub(super) fn newlines(bytes: &[u8]) -> usize {
    bytes.split(|b| *b == b'\n').count() - 1
}
