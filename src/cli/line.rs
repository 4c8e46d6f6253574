//! A line of styled text: how wide it is on a screen, where it is broken, how it is cut.
//!
//! It knows no command and writes nothing. Plain output and the live screen are made of the same lines, so that what one
//! shows the other shows too. Widths are those of a terminal, where a Chinese character takes two cells.

use super::output::{Screen, Style};
use rolecall_core::domain::text::{is_hidden, printable};
use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Text in pieces, each of one style, without a line end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pieces: Vec<(Style, String)>,
}

impl Line {
    /// Appends text, escaped for one line of a screen; an empty text leaves no trace.
    pub(super) fn push(&mut self, style: Style, text: impl Into<String>) {
        let text = text.into();
        let text = if text.chars().any(is_hidden) { printable(&text, usize::MAX) } else { text };
        if !text.is_empty() {
            self.pieces.push((style, text));
        }
    }

    /// Appends as many spaces as are missing to a width.
    pub(super) fn pad(&mut self, to: usize) {
        let missing = to.saturating_sub(self.width());
        self.push(Style::Plain, " ".repeat(missing));
    }

    /// Gives the pieces, first to last.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (Style, &str)> {
        self.pieces.iter().map(|(style, text)| (*style, text.as_str()))
    }

    /// Tells how many cells of a screen it takes.
    pub(super) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| width(text)).sum()
    }

    /// Writes it as a terminal reads it, with a line end and without spaces before that.
    pub(super) fn paint(&self, screen: Screen) -> String {
        let last = self.pieces.iter().rposition(|(_, text)| !text.trim_end().is_empty());
        let mut out = String::new();
        for (at, (style, text)) in self.pieces.iter().take(last.map_or(0, |at| at + 1)).enumerate() {
            let text = if Some(at) == last { text.trim_end() } else { text };
            out.push_str(&screen.paint(*style, text));
        }
        out.push('\n');
        out
    }
}

/// Writes lines one below the other.
pub(super) fn paint(lines: &[Line], screen: Screen) -> String {
    lines.iter().map(|line| line.paint(screen)).collect()
}

/// Tells how many cells of a screen a text takes.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// Cuts a text to a width, with a mark where something is missing.
pub(super) fn cut(text: &str, to: usize, unicode: bool) -> Cow<'_, str> {
    if width(text) <= to {
        return text.into();
    }
    let room = to.saturating_sub(1);
    let mut taken = 0;
    let kept = text.chars().take_while(|c| {
        taken += c.width().unwrap_or_default();
        taken <= room
    });
    let mut kept: String = kept.collect();
    if to > 0 {
        kept.push(if unicode { '…' } else { '.' });
    }
    kept.into()
}

/// Breaks a text into lines of at most `room` cells, between words; what stands in backticks, a command to copy, stays
/// together where it fits, and a word that is too long for any line is broken anywhere.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = vec![String::new()];
    for phrase in phrases(text) {
        if fits(&lines, phrase, room) || width(phrase) <= room {
            append(&mut lines, phrase, room);
        } else {
            phrase.split(' ').for_each(|word| append(&mut lines, word, room));
        }
    }
    lines
}

fn fits(lines: &[String], word: &str, room: usize) -> bool {
    let last = lines.last().map_or(0, |line| width(line));
    last + usize::from(last > 0) + width(word) <= room
}

fn append(lines: &mut Vec<String>, word: &str, room: usize) {
    if !fits(lines, word, room) && lines.last().is_some_and(|line| !line.is_empty()) {
        lines.push(String::new());
    }
    let Some(line) = lines.last_mut() else { return };
    if !line.is_empty() {
        line.push(' ');
    }
    if width(word) <= room {
        line.push_str(word);
        return;
    }
    let mut at = 0;
    for c in word.chars() {
        let wide = c.width().unwrap_or_default();
        if at + wide > room && at > 0 {
            lines.push(String::new());
            at = 0;
        }
        at += wide;
        if let Some(line) = lines.last_mut() {
            line.push(c);
        }
    }
}

/// Splits at the spaces that do not stand within backticks.
fn phrases(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |c| {
        is_quoted ^= c == '`';
        c == ' ' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_takes_two_cells() {
        assert_eq!((width("本番"), width("e\u{301}"), width("prod")), (4, 1, 4));
        assert_eq!(cut("本番環境", 5, true), "本番…");
        assert_eq!(cut("本番環境", 4, true), "本…");
        assert_eq!(
            (cut("abc", 2, false), cut("abc", 0, true), cut("abc", 3, true)),
            ("a.".into(), "".into(), "abc".into())
        );
    }

    #[test]
    fn words_are_broken_between_commands_kept_whole() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("run `a b c` then", 12), ["run `a b c`", "then"]);
        assert_eq!(wrap("well, run `a b c` then", 12), ["well, run", "`a b c` then"]);
        assert_eq!(wrap("run `a b c d e f` x", 8), ["run `a b", "c d e f`", "x"], "too long for any line");
        assert_eq!(wrap("/a/very/long/path x", 6), ["/a/ver", "y/long", "/path", "x"]);
        assert_eq!(wrap("本番環境", 5), ["本番", "環境"]);
        assert_eq!(wrap("", 10), [""]);
        assert!(wrap("ab", 0).iter().all(|line| line.len() == 1));
        assert_eq!(wrap("an odd ` tick in it", 8).join(" "), "an odd ` tick in it");
    }

    #[test]
    fn a_line_is_painted_without_spaces_at_its_end() {
        let mut line = Line::default();
        line.push(Style::Good, "a");
        line.pad(4);
        assert_eq!((line.width(), line.paint(Screen::default())), (4, "a\n".to_owned()));
        let colour = Screen { colour: true, ..Screen::default() };
        assert_eq!(line.paint(colour), "\u{1b}[32ma\u{1b}[0m\n");
        assert_eq!(Line::default().paint(colour), "\n");
    }
}
