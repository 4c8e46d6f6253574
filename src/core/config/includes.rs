//! The files of a configuration: the first one, and what `include` leads to from there.
//!
//! It knows of the file system what [`Files`] tells: whoever reads decides whom a file may belong to. What cannot be taken
//! in is said at the `include` that leads to it, and then no section is read: half of the roles would only cause complaints
//! about the other half. Every number is limited before anything is read.

use super::glob;
use super::problem::{ConfigError, Cursor, QUOTE_MAX, Sink, Text, newlines, shown};
use super::reader::Position;
use crate::domain::error::printable;
use crate::domain::text::{narrowing, wide};
use std::cell::OnceCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The most files: a file for each of some hundred teams.
pub(super) const FILES_MAX: usize = 512;

/// The largest configuration that is read, all its files together: ten thousand roles fill 2 MiB; what is larger is not a configuration.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Up to this size every syntax error is listed; beyond it the first only, as a hostile file could hold millions.
const RECOVER_MAX: usize = 256 * 1024;

/// The most syntax errors that are listed: those after an unclosed quote say little.
pub(super) const SYNTAX_ERRORS_MAX: usize = 5;

/// How many files may lie between the first one and another: main, division, team, and some to spare.
const DEPTH_MAX: usize = 8;

/// The most patterns, over all files: each is a whole directory to go through.
const PATTERNS_MAX: usize = 128;

/// The most names of one directory that are compared with a pattern.
const LISTED_MAX: usize = 10_000;

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct Content {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// What is the same for two paths to one file: device and inode.
    pub id: (u64, u64),
}

/// Why a file was not read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Unread {
    /// There is none.
    Missing,
    /// It is not to be read, or cannot be.
    Refused {
        /// What is the matter, to stand behind its name.
        why: String,
        /// What to do about it.
        hint: String,
    },
}

/// How the files of a configuration are reached.
pub trait Files {
    /// Reads a file, up to a byte more than the limit.
    fn read(&self, path: &Path, limit: usize) -> Result<Content, Unread>;

    /// Gives the names in a directory that [`is_included`] takes, sorted; an error where it cannot be listed, or has more
    /// files than the limit.
    fn list(&self, dir: &Path, pattern: &str, limit: usize) -> Result<Vec<OsString>, String>;
}

/// One text that stands for its file, before or without its being written.
pub struct Overlay<'a> {
    /// The other files.
    pub files: &'a dyn Files,
    /// The file.
    pub path: &'a Path,
    /// What it is taken to hold.
    pub bytes: &'a [u8],
}

impl Files for Overlay<'_> {
    fn read(&self, path: &Path, limit: usize) -> Result<Content, Unread> {
        if path != self.path {
            return self.files.read(path, limit);
        }
        let id = self.files.read(path, 0).map_or((0, 0), |content| content.id);
        Ok(Content { bytes: self.bytes[..self.bytes.len().min(limit + 1)].to_vec(), id })
    }

    fn list(&self, dir: &Path, pattern: &str, limit: usize) -> Result<Vec<OsString>, String> {
        self.files.list(dir, pattern, limit)
    }
}

/// No file at all, for a text by itself.
pub(super) struct Nowhere;

impl Files for Nowhere {
    fn read(&self, _path: &Path, _limit: usize) -> Result<Content, Unread> {
        let why = "is not read here: the text stands by itself".to_owned();
        Err(Unread::Refused { why, hint: "give the whole configuration".to_owned() })
    }

    fn list(&self, _dir: &Path, _pattern: &str, _limit: usize) -> Result<Vec<OsString>, String> {
        Err("the text stands by itself".to_owned())
    }
}

/// A file that has been read, as TOML.
pub(super) struct Document<'t> {
    pub(super) table: DeTable<'t>,
    pub(super) text: &'t Text,
    id: (u64, u64),
    /// Which file's `include` led here, and where that stands; `None` for the first.
    by: Option<(usize, usize)>,
}

/// A file that is wanted.
struct PendingInclude {
    path: PathBuf,
    by: (usize, usize),
}

/// Reads the first file and all that it includes, into `slots`; what is wrong with an `include` goes into `sink`.
pub(super) fn gather<'t>(
    main: &Path,
    files: &dyn Files,
    slots: &'t [OnceCell<Text>],
    sink: &mut Sink,
) -> Result<Vec<Document<'t>>, ConfigError> {
    let content = match files.read(main, MAX_BYTES) {
        Ok(content) => content,
        Err(Unread::Missing) => Content { bytes: Vec::new(), id: (0, 0) },
        Err(Unread::Refused { why, hint }) => {
            return Err(ConfigError { hint: Some(hint), ..ConfigError::whole(main, why) });
        }
    };
    let mut gathering =
        Includes { files, slots, left: MAX_BYTES, patterns: PATTERNS_MAX, documents: Vec::new(), wanted: Vec::new() };
    let (text, left) = as_text(content.bytes, MAX_BYTES, main)?;
    gathering.left = left;
    gathering.take(Text { path: main.to_path_buf(), text }, content.id, None, sink);
    // The next one is what was found last: a file's own includes come before its neighbours'.
    while let Some(wanted) = gathering.wanted.pop() {
        gathering.include(wanted, sink);
    }
    Ok(gathering.documents)
}

/// Checks the size and the encoding; gives what is left of the size.
fn as_text(bytes: Vec<u8>, left: usize, file: &Path) -> Result<(String, usize), ConfigError> {
    let Some(left) = left.checked_sub(bytes.len()) else {
        return Err(ConfigError::whole(file, format!("the file is larger than {} MiB", MAX_BYTES >> 20)));
    };
    if let Some(why) = wide(&bytes) {
        let hint = Some(narrowing(&shown(file)));
        let before = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
        let error = ConfigError::at_line(file, 1 + newlines(&bytes[..before]), &format!("the file {why}"));
        return Err(ConfigError { hint, ..error });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, left)),
        Err(error) => {
            let bytes = error.as_bytes();
            let line = 1 + newlines(&bytes[..error.utf8_error().valid_up_to()]);
            Err(ConfigError::at_line(file, line, "the file is not UTF-8"))
        }
    }
}

struct Includes<'t, 'f> {
    files: &'f dyn Files,
    slots: &'t [OnceCell<Text>],
    /// How many bytes may still be read, over all files.
    left: usize,
    /// How many patterns may still be looked through, over all files.
    patterns: usize,
    documents: Vec<Document<'t>>,
    wanted: Vec<PendingInclude>,
}

impl Includes<'_, '_> {
    fn take(&mut self, text: Text, id: (u64, u64), by: Option<(usize, usize)>, sink: &mut Sink) {
        let at = self.documents.len();
        let text = self.slots[at].get_or_init(|| text);
        sink.file = at;
        let table = match DeTable::parse(&text.text) {
            Ok(table) => table.into_inner(),
            Err(first) => {
                say_syntax(&text.text, &first, sink);
                DeTable::default()
            }
        };
        if let Some(value) = table.get("include") {
            let mut found = Vec::new();
            let place = Cursor::ROOT.child("include", value.span().start);
            // This file, and what is wanted already, have their room.
            let room = FILES_MAX.saturating_sub(at + 1 + self.wanted.len());
            let mut limits = Limits { room, patterns: &mut self.patterns };
            includes(&mut Position { value, at: place, sink }, &text.path, self.files, &mut limits, &mut found);
            // Taken from the end.
            found.reverse();
            self.wanted.extend(found.into_iter().map(|(path, offset)| PendingInclude { path, by: (at, offset) }));
        }
        self.documents.push(Document { table, text, id, by });
    }

    fn include(&mut self, wanted: PendingInclude, sink: &mut Sink) {
        let (by, offset) = wanted.by;
        sink.file = by;
        let mut say = |why: String| sink.say(&Cursor::ROOT.child("include", offset), why);
        let name = shown(&wanted.path);
        if self.documents.len() == FILES_MAX {
            self.wanted.clear();
            return say(format!("more than {FILES_MAX} files are included"));
        }
        if self.chain(by).count() >= DEPTH_MAX {
            return say(format!("{name} is included over more than {DEPTH_MAX} files; include it earlier"));
        }
        let content = match self.files.read(&wanted.path, self.left) {
            Ok(content) => content,
            Err(Unread::Missing) => return say(format!("there is no file {name}")),
            Err(Unread::Refused { why, hint }) => return say(format!("{name} {why}; {hint}")),
        };
        if let Some(known) = self.documents.iter().position(|document| document.id == content.id) {
            return say(self.known(known, by, &name));
        }
        // An editor is writing it, or the disk is full: neither is a wish to forget its roles.
        if content.bytes.is_empty() {
            return say(format!("{name} is empty"));
        }
        if content.bytes.len() > self.left {
            return say(format!("with {name} the files are larger than {} MiB", MAX_BYTES >> 20));
        }
        match as_text(content.bytes, self.left, &wanted.path) {
            Ok((text, left)) => {
                self.left = left;
                self.take(Text { path: wanted.path, text }, content.id, Some(wanted.by), sink);
            }
            Err(error) => say(error.lines().next().unwrap_or_default()),
        }
    }

    /// Gives a file and those that led to it, up to the first.
    fn chain(&self, from: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(from), |at| self.documents[*at].by.map(|(by, _)| by))
    }

    /// Says where a file that is included again has been met.
    fn known(&self, known: usize, by: usize, name: &str) -> String {
        if self.chain(by).any(|at| at == known) {
            let mut chain: Vec<String> = self.chain(by).map(|at| shown(&self.documents[at].text.path)).collect();
            chain.truncate(1 + self.chain(by).position(|at| at == known).unwrap_or_default());
            chain.reverse();
            return format!("the files include each other: {} -> {name}", chain.join(" -> "));
        }
        let first = self.documents[known].by.map(|(file, offset)| self.documents[file].text.place(offset));
        format!("{name} is included twice, first by {}", first.unwrap_or_default())
    }
}

/// What one `include` may still ask for.
struct Limits<'l> {
    room: usize,
    patterns: &'l mut usize,
}

/// Reads `include`: paths, or patterns of file names; gives the files that they name, each with its place.
fn includes(
    spot: &mut Position<'_>,
    file: &Path,
    files: &dyn Files,
    limits: &mut Limits<'_>,
    found: &mut Vec<(PathBuf, usize)>,
) {
    let dir = file.parent().unwrap_or_else(|| Path::new("."));
    if matches!(spot.value.get_ref(), DeValue::String(_)) {
        return spot.wrong("is a list: include = [\"accounts.toml\", \"teams/*.toml\"]");
    }
    let mut is_over = false;
    spot.list(|spot| {
        if is_over {
            return None;
        }
        let named = spot.checked(check)?;
        let offset = spot.at.offset;
        let path = dir.join(&named);
        let pattern = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !pattern.contains(glob::STAR) {
            found.push((path, offset));
            is_over = found.len() > limits.room;
            if is_over {
                too_many(spot);
            }
            return Some(());
        }
        let Some(left) = limits.patterns.checked_sub(1) else {
            is_over = true;
            spot.wrong(format!("more than {PATTERNS_MAX} patterns are looked through"));
            return None;
        };
        *limits.patterns = left;
        let dir = path.parent().unwrap_or_else(|| Path::new("/")).to_path_buf();
        match files.list(&dir, &pattern, LISTED_MAX) {
            Ok(listed) => {
                if listed.is_empty() {
                    spot.wrong(format!("no file fits `{}` in {}", printable(&pattern, QUOTE_MAX), shown(&dir)));
                }
                is_over = found.len() + listed.len() > limits.room;
                if is_over {
                    too_many(spot);
                    return None;
                }
                found.extend(listed.into_iter().map(|name| (dir.join(name), offset)));
            }
            Err(why) => spot.wrong(format!("cannot list {}: {why}", shown(&dir))),
        }
        Some(())
    });
}

fn too_many(spot: &mut Position<'_>) {
    spot.wrong(format!("more than {FILES_MAX} files are included"));
}

/// Tells whether a pattern of an `include` takes a file's name. Hidden files are editors' own.
pub fn is_included(pattern: &str, name: &str) -> bool {
    !name.starts_with('.') && glob::fits(pattern, name)
}

fn check(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("names no file");
    }
    if text.starts_with('~') {
        return Err("~ is not expanded here; a path is relative to this file, or starts with /");
    }
    if text.chars().any(char::is_control) {
        return Err("a path has no control characters");
    }
    let parent = Path::new(text).parent().unwrap_or_else(|| Path::new(""));
    if parent.to_string_lossy().contains(glob::STAR) {
        return Err("* stands in the last part of a path only, as in teams/*.toml");
    }
    Ok(text.to_owned())
}

/// Reports the syntax errors of a file.
fn say_syntax(text: &str, first: &toml::de::Error, sink: &mut Sink) {
    let all = if text.len() <= RECOVER_MAX { DeTable::parse_recoverable(text).1 } else { Vec::new() };
    let mut errors: Vec<&toml::de::Error> = if all.is_empty() { vec![first] } else { all.iter().collect() };
    errors.sort_by_key(|e| e.span().map_or(0, |s| s.start));
    let (mut said, mut line_end) = (0, 0);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        // The second error of a line follows from its first.
        if said > 0 && span.start < line_end {
            continue;
        }
        if said == SYNTAX_ERRORS_MAX {
            break;
        }
        said += 1;
        line_end = span.start + text.get(span.start..).and_then(|rest| rest.find('\n')).unwrap_or(text.len());
        let culprit = text.get(span.clone()).unwrap_or_default();
        let message = match error.message() {
            "duplicate key" => format!("{}: is given twice", printable(culprit, QUOTE_MAX)),
            message => format!("not valid TOML: {message}"),
        };
        sink.say(&Cursor { offset: span.start, ..Cursor::ROOT }, message);
    }
}
