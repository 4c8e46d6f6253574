//! The block between `# >>> rolecall >>>` and `# <<< rolecall <<<` in `~/.aws/config`: found, written, taken away.
//!
//! Knows nothing of what stands around it, except that it must not change and must not have our sections already:
//! the AWS CLI and boto3 refuse a whole file in which one section stands twice. Damaged markers are refused and never
//! guessed at, for a guess would delete a person's lines.

use super::document::{Document, FileKind, Section, SectionKind};
use super::entry::Entry;
use super::{BOM, place, split_lines};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// The first line of the block.
pub const BEGIN: &str = "# >>> rolecall >>>";
/// The last line of the block.
pub const END: &str = "# <<< rolecall <<<";

/// Stands in a block that was put after a last line without a line end, so that removing the block removes that too.
const NOTE: &str = "# (The line above this block had no line end; it loses it again when the block is removed.)";

const HEADING: &str = "\
# Written by `rolecall profiles sync`; changes made by hand between these markers are lost.
# To change it: `rolecall role add` or `rolecall role remove`, or edit config.toml, then `rolecall profiles sync`.
";

/// Returns whether a line is a comment that rolecall writes.
pub(super) fn is_own_comment(line: &str) -> bool {
    [BEGIN, END, NOTE].into_iter().chain(HEADING.lines()).any(|own| own == line)
}

/// Where the block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its lines, markers included, counted from 1, the end excluded.
    pub lines: Range<usize>,
    /// Its bytes, the last line's end included.
    bytes: Range<usize>,
    eol: &'static str,
    noted: bool,
}

/// A section of one of our names that stands outside the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The name.
    pub name: Name,
    /// The line of its header, counted from 1.
    pub line: usize,
    /// Whether it asks rolecall for this name, as `rolecall import` left it: then nothing is amiss.
    pub asks_us: bool,
}

/// Writes the block for these profiles, with line feeds; no profiles, no block.
pub fn render(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let sections: Vec<String> = entries.iter().map(Entry::section).collect();
    format!("{BEGIN}\n{HEADING}\n{}{END}\n", sections.join("\n"))
}

/// Puts a rendered block in the place of the old one, or at the end of the file, in the file's own line ends. An empty
/// block takes the old one away.
///
/// Refuses damaged markers, and a section that stands outside the block too; [`taken`] says beforehand which.
pub fn replace(file: &Path, text: &[u8], block: &str) -> Result<Vec<u8>, UserError> {
    let found = find(file, text)?;
    let (before, after) = match &found {
        Some(span) => (&text[..span.bytes.start], &text[span.bytes.end..]),
        None => (text, &text[text.len()..]),
    };
    let eol = found.as_ref().map_or_else(|| line_end(text), |span| span.eol);
    let noted = match &found {
        Some(span) => span.noted,
        None => !before.is_empty() && !before.ends_with(b"\n"),
    };
    if block.is_empty() {
        // What was appended since keeps its own line.
        let strip = noted && after.is_empty();
        let before = if strip { before.strip_suffix(eol.as_bytes()).unwrap_or(before) } else { before };
        return Ok([before, after].concat());
    }
    let mut new = before.to_vec();
    if found.is_none() && noted {
        new.extend_from_slice(eol.as_bytes());
    }
    let note = noted.then_some(NOTE);
    for (at, line) in block.lines().enumerate() {
        for line in [Some(line), note.filter(|_| at == 0)].into_iter().flatten() {
            new.extend_from_slice(line.as_bytes());
            new.extend_from_slice(eol.as_bytes());
        }
    }
    new.extend_from_slice(after);
    refuse_twice(file, &new)?;
    Ok(new)
}

/// Finds the block; refuses markers that are not exactly one pair.
pub fn find(file: &Path, text: &[u8]) -> Result<Option<Span>, UserError> {
    let mut begin: Option<(usize, usize, &'static str)> = None;
    let mut span: Option<Span> = None;
    let mut offset = 0;
    for (at, raw) in split_lines(text).enumerate() {
        let (line, start) = (at + 1, offset);
        offset += raw.len();
        let raw_text = if at == 0 { raw.strip_prefix(BOM).unwrap_or(raw) } else { raw };
        let bytes_start = start + raw.len() - raw_text.len();
        let content = raw_text.trim_ascii();
        if content == BEGIN.as_bytes() {
            if let Some((first, ..)) = begin {
                return Err(damaged(file, line, &format!("`{BEGIN}` stands here again, after line {first}")));
            }
            if let Some(Span { lines, .. }) = &span {
                return Err(damaged(file, line, &format!("a second block, after the one in line {}", lines.start)));
            }
            begin = Some((line, bytes_start, if raw.ends_with(b"\r\n") { "\r\n" } else { "\n" }));
        } else if content == END.as_bytes() {
            let Some((first, from, eol)) = begin.take() else {
                return Err(damaged(file, line, &format!("`{END}` has no `{BEGIN}` before it")));
            };
            span = Some(Span { lines: first..line + 1, bytes: from..offset, eol, noted: false });
        }
    }
    if let Some((line, ..)) = begin {
        return Err(damaged(file, line, &format!("`{BEGIN}` has no `{END}` after it")));
    }
    Ok(span.map(|span| {
        let noted = split_lines(&text[span.bytes.clone()]).nth(1).is_some_and(|l| l.trim_ascii() == NOTE.as_bytes());
        Span { noted, ..span }
    }))
}

/// Says which names have a section outside the block: a block with them would be refused by [`replace`] or be read
/// together with the other section.
pub fn taken(file: &Path, text: &[u8], names: &[Name]) -> Result<Vec<Taken>, UserError> {
    let own = find(file, text)?.map_or(0..0, |span| span.lines);
    let document = Document::parse(text, FileKind::Config);
    let mut outside: HashMap<&str, Vec<&Section<'_>>> = HashMap::new();
    for section in document.sections().iter().filter(|s| s.kind == SectionKind::Profile && !own.contains(&s.line)) {
        outside.entry(&section.name).or_default().push(section);
    }
    let of_name = |name: &Name| {
        let sections = outside.get(name.as_str())?;
        // Which of several counts differs from tool to tool.
        let asks_us = sections.iter().all(|section| super::precedence_warnings::asks_us(section, name));
        Some(Taken { name: name.clone(), line: sections.first()?.line, asks_us })
    };
    Ok(names.iter().filter_map(of_name).collect())
}

/// Gives the line end that most lines have.
pub(super) fn line_end(text: &[u8]) -> &'static str {
    let (all, crlf) = split_lines(text).fold((0, 0), |(all, crlf), line| {
        (all + usize::from(line.ends_with(b"\n")), crlf + usize::from(line.ends_with(b"\r\n")))
    });
    if crlf * 2 > all { "\r\n" } else { "\n" }
}

fn refuse_twice(file: &Path, text: &[u8]) -> Result<(), UserError> {
    let Some(span) = find(file, text)? else { return Ok(()) };
    let document = Document::parse(text, FileKind::Config);
    let (own, foreign): (Vec<_>, Vec<_>) = document.sections().iter().partition(|s| span.lines.contains(&s.line));
    let Some(twin) = foreign.iter().find(|theirs| own.iter().any(|ours| ours.header == theirs.header)) else {
        return Ok(());
    };
    // The new block may have moved lines after it; the person looks at the old file, so the line is only named when it
    // stands before the block.
    let at = if twin.line < span.lines.start { place(file, twin.line) } else { super::shown(file) };
    Err(UserError::new(
        Kind::Config,
        format!("{at}: [{}] is already there, and the AWS CLI refuses a file that has a section twice", twin.header),
    )
    .hint("delete that section, or rename it, then run `rolecall profiles sync`"))
}

fn damaged(file: &Path, line: usize, what: &str) -> UserError {
    UserError::new(Kind::Config, format!("{}: {what}; nothing was changed", place(file, line))).hint(format!(
        "delete every `{BEGIN}` and `{END}` line and the profiles between them, then run `rolecall profiles sync`"
    ))
}

#[cfg(test)]
#[path = "managed_tests.rs"]
mod tests;
