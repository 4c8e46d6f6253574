//! An AWS file as lines and sections, without losing a byte: the lines, put together, are the file.
//!
//! Refuses nothing and judges nothing: a line that cannot be understood is kept and noted as a [`ParseIssue`]. It borrows the
//! text, so that a secret in it is not copied. Where tools differ it reads as botocore does, the most tolerant of
//! them, so that no section or key stays unseen.

use super::parse_issue::{ParseIssue, ParseIssueKind};
use super::{BOM, split_lines};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

/// Which of the two files: they write a profile's header differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `~/.aws/config`: `[default]`, `[profile x]`, `[sso-session x]`, `[services x]`.
    Config,
    /// `~/.aws/credentials`: `[x]`.
    Credentials,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Nothing but whitespace.
    Blank,
    /// `#` or `;` first.
    Comment,
    /// `[…]`.
    Header,
    /// `key = value`.
    Key,
    /// An indented line that belongs to the key above.
    Continuation,
    /// Nothing of the above.
    Garbage,
}

/// What a section is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// A profile, the default one included.
    Profile,
    /// `[sso-session x]`.
    SsoSession,
    /// `[services x]`.
    Services,
    /// A header that no tool takes for a profile, as `[x]` in the config or `[profile x]` in the credentials.
    Other,
}

/// One line with its line end.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The bytes as they are in the file.
    pub raw: &'a [u8],
    /// What it is.
    pub kind: LineKind,
}

/// `key = value` and the lines that continue it.
#[derive(Clone)]
pub struct Key<'a> {
    /// In lower case, as all parsers compare.
    pub name: String,
    /// The line of the key, counted from 1.
    pub line: usize,
    /// The last line that continues it.
    pub last: usize,
    /// What follows `=`, trimmed. botocore knows no comment after a value: a ` #` is part of it.
    pub written: &'a [u8],
    /// `key = value` lines of a nested block such as `s3 =`.
    pub nested: Vec<Nested<'a>>,
}

/// A line of a nested block.
#[derive(Clone)]
pub struct Nested<'a> {
    /// As written: botocore keeps its case.
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    /// What follows `=`, trimmed.
    pub written: &'a [u8],
}

/// A section with its keys.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// What it is about.
    pub kind: SectionKind,
    /// The profile's or session's name, without prefix and quotes.
    pub name: String,
    /// What stands between the brackets, as written.
    pub header: String,
    /// The line of the header, counted from 1.
    pub line: usize,
    /// The last line that belongs to it: comments and blank lines after its keys do not.
    pub last: usize,
    /// In the file's order.
    pub keys: Vec<Key<'a>>,
}

/// An AWS file, parsed.
#[derive(Debug)]
pub struct Document<'a> {
    lines: Vec<Line<'a>>,
    sections: Vec<Section<'a>>,
    flaws: Vec<ParseIssue>,
}

impl<'a> Document<'a> {
    /// Parses a file; never fails.
    pub fn parse(text: &'a [u8], kind: FileKind) -> Self {
        let mut parser = Parser::new(kind);
        for raw in split_lines(text) {
            parser.take(raw);
        }
        parser.note_duplicates();
        parser.document
    }

    /// Gives every line.
    pub fn lines(&self) -> &[Line<'a>] {
        &self.lines
    }

    /// Gives every section, in the file's order.
    pub fn sections(&self) -> &[Section<'a>] {
        &self.sections
    }

    /// Gives what is wrong with the file, by line.
    pub fn flaws(&self) -> &[ParseIssue] {
        &self.flaws
    }

    /// Finds the sections of a profile; there can be several.
    pub fn profile<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Section<'a>> {
        self.sections.iter().filter(move |s| s.kind == SectionKind::Profile && s.name == name)
    }

    /// Gives the text without some lines, counted from 1, the end excluded.
    pub fn without(&self, gone: &[Range<usize>]) -> Vec<u8> {
        let kept = self.lines.iter().enumerate().filter(|(at, _)| !gone.iter().any(|range| range.contains(&(at + 1))));
        kept.flat_map(|(_, line)| line.raw).copied().collect()
    }
}

impl<'a> Section<'a> {
    /// Finds a key by its lower-case name; of several, the last.
    pub fn key(&self, name: &str) -> Option<&Key<'a>> {
        self.keys.iter().rev().find(|key| key.name == name)
    }

    /// Gives its lines, counted from 1, the end excluded, as [`Document::without`] takes them.
    pub fn range(&self) -> Range<usize> {
        self.line..self.last + 1
    }
}

impl<'a> Key<'a> {
    /// Gives the value as the SDK specification reads it: up to a `#` or `;` after whitespace.
    pub fn value(&self) -> &'a [u8] {
        let comment = self.written.windows(2).position(|pair| blank(pair[0]) && matches!(pair[1], b'#' | b';'));
        comment.map_or(self.written, |at| trim(&self.written[..at]))
    }
}

// Values may be secrets, so they are not shown.
impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind, self.raw.len())
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} = (hidden){:?}", self.line, self.name, self.nested)
    }
}

impl fmt::Debug for Nested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} = (hidden)", self.line, self.name)
    }
}

struct Parser<'a> {
    kind: FileKind,
    /// How far the key above is indented; what is further in continues it (Python's rule).
    indent: usize,
    /// Whether there is a key to continue.
    open: bool,
    document: Document<'a>,
}

impl<'a> Parser<'a> {
    fn new(kind: FileKind) -> Self {
        let document = Document { lines: Vec::new(), sections: Vec::new(), flaws: Vec::new() };
        Self { kind, indent: 0, open: false, document }
    }

    fn take(&mut self, raw: &'a [u8]) {
        let number = self.document.lines.len() + 1;
        let mut text = raw.strip_suffix(b"\n").unwrap_or(raw);
        text = text.strip_suffix(b"\r").unwrap_or(text);
        if number == 1
            && let Some(rest) = text.strip_prefix(BOM)
        {
            self.flaw(number, ParseIssueKind::Bom);
            text = rest;
        }
        if std::str::from_utf8(text).is_err() {
            self.flaw(number, ParseIssueKind::NotUtf8);
        }
        if text.contains(&b'\r') {
            self.flaw(number, ParseIssueKind::BareReturn);
        }
        let kind = self.line(number, text);
        self.document.lines.push(Line { raw, kind });
    }

    fn line(&mut self, number: usize, text: &'a [u8]) -> LineKind {
        let content = trim(text);
        let indent = text.iter().take_while(|byte| blank(**byte)).count();
        match content.first() {
            None => return LineKind::Blank,
            Some(b'#' | b';') => {
                if indent > 0 {
                    self.flaw(number, ParseIssueKind::IndentedComment);
                }
                return LineKind::Comment;
            }
            Some(_) => {}
        }
        if self.open && indent > self.indent {
            self.continuation(number, content);
            return LineKind::Continuation;
        }
        self.indent = indent;
        self.open = false;
        if content[0] == b'[' { self.header(number, indent, content) } else { self.key(number, indent, content) }
    }

    fn header(&mut self, number: usize, indent: usize, content: &[u8]) -> LineKind {
        let Some(close) = content.iter().rposition(|byte| *byte == b']') else {
            self.flaw(number, ParseIssueKind::NoBracket);
            return LineKind::Garbage;
        };
        // The specification cuts a comment first; botocore takes everything up to the last bracket.
        let before_comment = content.iter().position(|byte| matches!(byte, b'#' | b';')).unwrap_or(content.len());
        let inner = trim(&content[..before_comment]).strip_suffix(b"]").map_or(&content[1..close], |head| &head[1..]);
        if inner.is_empty() {
            self.flaw(number, ParseIssueKind::EmptyHeader);
            return LineKind::Garbage;
        }
        if !trim(&content[..before_comment]).ends_with(b"]") {
            self.flaw(number, ParseIssueKind::HeaderTail);
        }
        if indent > 0 {
            self.flaw(number, ParseIssueKind::IndentedHeader);
        }
        let header = String::from_utf8_lossy(inner).into_owned();
        let (kind, name) = meaning(&header, self.kind);
        self.document.sections.push(Section { kind, name, header, line: number, last: number, keys: Vec::new() });
        LineKind::Header
    }

    fn key(&mut self, number: usize, indent: usize, content: &'a [u8]) -> LineKind {
        let Some(at) = content.iter().position(|byte| matches!(byte, b'=' | b':')) else {
            self.flaw(number, ParseIssueKind::NoEquals);
            return LineKind::Garbage;
        };
        let name = trim(&content[..at]);
        if name.is_empty() {
            self.flaw(number, ParseIssueKind::NoName);
            return LineKind::Garbage;
        }
        let Some(section) = self.document.sections.last_mut() else {
            self.flaw(number, ParseIssueKind::BeforeSection);
            return LineKind::Garbage;
        };
        let name = String::from_utf8_lossy(name).to_lowercase();
        let first = section.key(&name).map(|key| key.line);
        section.last = number;
        section.keys.push(Key { name, line: number, last: number, written: trim(&content[at + 1..]), nested: vec![] });
        self.open = true;
        if let Some(first) = first {
            self.flaw(number, ParseIssueKind::DuplicateKey { first });
        }
        if content[at] == b':' {
            self.flaw(number, ParseIssueKind::Colon);
        }
        if indent > 0 {
            self.flaw(number, ParseIssueKind::IndentedKey);
        }
        LineKind::Key
    }

    fn continuation(&mut self, number: usize, content: &'a [u8]) {
        let Some(section) = self.document.sections.last_mut() else { return };
        section.last = number;
        let Some(key) = section.keys.last_mut() else { return };
        key.last = number;
        if !key.written.is_empty() {
            // A whole section disappears into the value, in every tool.
            if content.starts_with(b"[") && content.ends_with(b"]") {
                self.flaw(number, ParseIssueKind::IndentedHeader);
            }
            return;
        }
        match content.iter().position(|byte| *byte == b'=') {
            Some(at) => key.nested.push(Nested {
                name: String::from_utf8_lossy(trim(&content[..at])).into_owned(),
                line: number,
                written: trim(&content[at + 1..]),
            }),
            None => self.flaw(number, ParseIssueKind::NestedNoEquals),
        }
    }

    fn flaw(&mut self, line: usize, kind: ParseIssueKind) {
        self.document.flaws.push(ParseIssue { line, kind });
    }

    fn note_duplicates(&mut self) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut profiles: HashMap<&str, &Section<'_>> = HashMap::new();
        let document = &mut self.document;
        // `[DEFAULT]` is Python's section of defaults for all others, the one that may come twice.
        for section in document.sections.iter().filter(|section| section.header != "DEFAULT") {
            if let Some(first) = seen.get(section.header.as_str()) {
                document
                    .flaws
                    .push(ParseIssue { line: section.line, kind: ParseIssueKind::DuplicateSection { first: *first } });
                continue;
            }
            seen.insert(&section.header, section.line);
            if section.kind != SectionKind::Profile {
                continue;
            }
            // Python compares headers as they are written, and takes them apart later: it reads the last (botocore,
            // `build_profile_map`).
            match profiles.get(section.name.as_str()) {
                Some(first) => {
                    let kind = ParseIssueKind::SecondHeader { first: first.line };
                    document.flaws.push(ParseIssue { line: section.line, kind });
                }
                None => drop(profiles.insert(&section.name, section)),
            }
        }
        document.flaws.sort_by_key(|flaw| flaw.line);
    }
}

/// Reads a header: the words are split as a shell does (botocore uses shlex), so a quoted name may hold spaces.
fn meaning(header: &str, file: FileKind) -> (SectionKind, String) {
    let whole = header.trim();
    let (prefix, rest) = whole.split_once([' ', '\t']).unwrap_or(("", whole));
    let rest = rest.trim();
    match (file, prefix) {
        (FileKind::Config, "") if whole == "default" => (SectionKind::Profile, whole.to_owned()),
        (FileKind::Config, "profile") => (SectionKind::Profile, unquote(rest)),
        (FileKind::Config, "sso-session") => (SectionKind::SsoSession, unquote(rest)),
        (FileKind::Config, "services") => (SectionKind::Services, unquote(rest)),
        (FileKind::Credentials, "") => (SectionKind::Profile, whole.to_owned()),
        // `[a b]`, except for a prefix that belongs into the other file.
        (FileKind::Credentials, other) if !matches!(other, "profile" | "sso-session" | "services") => {
            (SectionKind::Profile, whole.to_owned())
        }
        _ => (SectionKind::Other, whole.to_owned()),
    }
}

fn unquote(text: &str) -> String {
    let inner = ['"', '\''].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(text).to_owned()
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && blank(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && blank(*last)
    {
        text = rest;
    }
    text
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
