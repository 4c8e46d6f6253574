//! What is wrong with a configuration and where: collected as a whole, and printed in lines that editors can jump to.
//!
//! No section and no key is named here. Text from the file is escaped here, once, before it can reach a terminal or a log.

use crate::domain::config_rules::ConfigProblem;
use crate::domain::diagnosis::Cause;
use crate::domain::error::{Kind, UserError, printable};
use std::fmt;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// The most problems that are told; the rest is counted. A hostile file could hold a million.
const MAX_TOLD: usize = 100;

/// The longest key or value that a message repeats.
pub(super) const QUOTE_MAX: usize = 64;

/// How much of a key is kept: more than the longest name, so that a longer key equals no name.
const KEY_MAX: usize = 129;

/// A place in a document: its keys from the root, and the offset of its text.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) up: Option<&'a Cursor<'a>>,
    pub(super) key: &'a str,
    pub(super) offset: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const ROOT: Cursor<'static> = Cursor { up: None, key: "", offset: 0 };

    pub(super) fn child(&'a self, key: &'a str, offset: usize) -> Cursor<'a> {
        Cursor { up: Some(self), key, offset }
    }

    fn keys(&self) -> Vec<String> {
        let Some(up) = self.up else { return Vec::new() };
        let mut keys = up.keys();
        keys.push(self.key.chars().take(KEY_MAX).collect());
        keys
    }
}

/// Returns keys as TOML writes them, safe for a terminal.
pub(super) fn dotted(keys: &[String]) -> String {
    let bare = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let text = |key: &String| {
        let shown = printable(key, QUOTE_MAX);
        if bare(key) { shown } else { format!("\"{shown}\"") }
    };
    keys.iter().map(text).collect::<Vec<_>>().join(".")
}

/// Returns the offset of a path of keys; if its end is missing, the offset of the table it would be in.
pub(super) fn offset_of(document: &DeTable<'_>, path: &[String]) -> usize {
    let Some((first, rest)) = path.split_first() else { return 0 };
    let Some(mut at) = document.get(first.as_str()) else { return 0 };
    for key in rest {
        match at.get_ref().get(key.as_str()) {
            Some(next) => at = next,
            None => break,
        }
    }
    at.span().start
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The file, as its caller or the `include` that led to it named it.
    pub file: PathBuf,
    /// The line, from 1; `None` if the whole file is meant.
    pub line: Option<usize>,
    /// The keys to the culprit, as `["roles", "prod", "duration"]`; empty if the text itself is wrong.
    pub keys: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// How `doctor` classifies it.
    pub cause: Cause,
}

impl Located {
    /// Returns the last key.
    pub fn key(&self) -> String {
        dotted(self.keys.last().map_or(&[], std::slice::from_ref))
    }

    /// Returns the keys below an entry of a table if the problem is in this entry.
    pub fn within(&self, table: &str, name: &str) -> Option<String> {
        match self.keys.as_slice() {
            [first, second, rest @ ..] if first == table && second == name => Some(dotted(rest)),
            _ => None,
        }
    }
}

/// Writes `FILE:LINE: KEYS: what is wrong`.
impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let keys = if self.keys.is_empty() { String::new() } else { dotted(&self.keys) + ": " };
        write!(f, "{}{line}: {keys}{}", shown(&self.file), self.message)
    }
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
        let problem = Located { file, line: None, keys: Vec::new(), message: message.into(), cause: Cause::Config };
        Self { problems: vec![problem], omitted: 0, hint: None }
    }

    pub(super) fn at_line(file: &Path, line: usize, message: &str) -> Self {
        let mut error = Self::whole(file, message);
        error.problems[0].line = Some(line);
        error
    }

    /// Returns every problem as a line.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(Located::to_string)
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

/// Collects problems while documents are walked.
#[derive(Default)]
pub(super) struct Sink {
    /// The file that is walked.
    pub(super) file: usize,
    /// File and offset of each problem.
    found: Vec<((usize, usize), ConfigProblem)>,
    total: usize,
}

impl Sink {
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Returns how many problems there are, listed or only counted.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Returns whether further problems are only counted, so that their wording is not needed.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MAX_TOLD
    }

    pub(super) fn say(&mut self, at: &Cursor<'_>, message: impl Into<String>) {
        self.total += 1;
        if !self.is_full() {
            let problem = ConfigProblem { path: at.keys(), message: message.into(), cause: Cause::Config };
            self.found.push(((self.file, at.offset), problem));
        }
    }

    /// Adds a problem of the document that is walked.
    pub(super) fn add(&mut self, document: &DeTable<'_>, problem: ConfigProblem) {
        self.total += 1;
        if !self.is_full() {
            let offset = offset_of(document, &problem.path);
            self.found.push(((self.file, offset), problem));
        }
    }

    pub(super) fn into_error<'a>(mut self, text_of: impl Fn(usize) -> &'a Text) -> ConfigError {
        self.found.sort();
        let (mut file, mut line, mut counted) = (usize::MAX, 1, 0);
        let omitted = self.total - self.found.len();
        let problems = self.found.into_iter().map(|((at, offset), problem)| {
            let text = text_of(at);
            if at != file {
                (file, line, counted) = (at, 1, 0);
            }
            let offset = offset.min(text.text.len());
            line += newlines(&text.text.as_bytes()[counted..offset]);
            counted = offset;
            let ConfigProblem { path, message, cause } = problem;
            Located { file: text.path.clone(), line: Some(line), keys: path, message, cause }
        });
        ConfigError { problems: problems.collect(), omitted, hint: None }
    }
}

/// Counts line ends: the lines before an offset.
pub(super) fn newlines(bytes: &[u8]) -> usize {
    bytes.split(|b| *b == b'\n').count() - 1
}
