//! The one writer of stdout and stderr: text, JSON, tables, colour.
//!
//! Text for a person leaves the process here and only here, and nothing in it but our own markup reaches a terminal
//! unescaped, wherever the text came from. It knows no command. Data goes to stdout and causes to stderr, never both for one outcome, since SDKs take a byte on
//! stderr for a failure; a closed pipe ends the program quietly, since `rolecall log | head` is no failure either.

use super::environment::var;
use super::line::{self, Line, cut, wrap};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::text::{escaped, escaped_json, printable};
use rustix::termios;
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use zeroize::Zeroizing;

/// No column of a table is made narrower than this.
const COLUMN_MIN: usize = 8;

/// The longest message or hint that is shown.
const REPORT_SHOWN: usize = 8192;

/// Every sequence that we write ourselves: those of [`Style`], and the bold and underlined words of clap's help.
const SEQUENCES: [&str; 7] =
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[4m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];

/// What stands between two columns.
const GAP: &str = "  ";

/// Why a command ends early.
#[derive(Debug)]
pub(super) enum Failure {
    /// The cause is on stderr already, and the exit code is one that shells have for it.
    Exit(u8),
    /// Nobody reads stdout any more.
    PipeClosed,
    /// The cause is on stderr already.
    Told(Kind),
    /// Something to tell.
    Report(UserError),
}

impl From<UserError> for Failure {
    fn from(report: UserError) -> Self {
        Self::Report(report)
    }
}

/// Writes text for a person to stdout: everything in it is escaped but line ends and our own colours.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    write_out(shown(text, Screen::stdout().colour).as_bytes())
}

/// Writes text for a program to stdout, byte for byte: scripts that a shell evaluates, templates, manual pages.
///
/// A person who looks at it on a terminal gets it escaped, as the terminal would act on what the program would only read.
pub(super) fn print_data(text: &str) -> Result<(), Failure> {
    if io::stdout().is_terminal() { write_out(escaped(text).as_bytes()) } else { write_out(text.as_bytes()) }
}

fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    match write_stdout(bytes) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Failure::PipeClosed),
        Err(e) => Err(UserError::new(Kind::Failed, format!("cannot write to stdout: {e}")).into()),
    }
}

/// Writes bytes to stdout, in one write where the system takes them so.
///
/// Not by way of std's buffer: what is written here is whole already, and making that buffer would cost `get` more than
/// the write does.
pub(super) fn write_stdout(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// Writes a value to stdout as JSON.
pub(super) fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).expect("keys are strings and numbers are finite");
    text.push('\n');
    print_json_text(&text)
}

/// Writes JSON texts to stdout, with hidden characters as the escapes of JSON.
pub(super) fn print_json_text(json: &str) -> Result<(), Failure> {
    write_out(escaped_json(json).as_bytes())
}

/// Writes a failure to stderr: the cause, which must make sense alone, then the hint.
pub(super) fn complain(subject: Option<&str>, report: &UserError) {
    let subject = subject.map(|s| format!("{}: ", printable(s, 128))).unwrap_or_default();
    let mut text = format!("rolecall: {subject}{}\n", printable(&report.message, REPORT_SHOWN));
    if let Some(hint) = &report.hint {
        text.push_str("hint: ");
        text.push_str(&printable(hint, REPORT_SHOWN));
        text.push('\n');
    }
    complain_text(&text);
}

/// Writes text for a person to stderr, escaped as [`print`] does.
pub(super) fn complain_text(text: &str) {
    let text = shown(text, Screen::stderr().colour);
    // Nobody is left to tell when stderr is gone; the exit code still says it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes text over the line of the terminal that stderr is on; an empty text clears the line.
pub(super) fn complain_over(text: &str) {
    let text = shown(text, Screen::stderr().colour);
    let _ = io::stderr().lock().write_all(format!("\r\u{1b}[K{text}").as_bytes());
}

/// Escapes everything that is not our own markup: line ends, and where there is colour the sequences of [`Style`] and of
/// clap's help.
fn shown(text: &str, colour: bool) -> Cow<'_, str> {
    if !colour || !text.contains('\u{1b}') {
        return escaped(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&escaped(&rest[..at]));
        let sequence = SEQUENCES.iter().find(|sequence| rest[at..].starts_with(**sequence));
        out.push_str(sequence.map_or("\\u{1b}", |sequence| sequence));
        rest = &rest[at + sequence.map_or(1, |sequence| sequence.len())..];
    }
    out.push_str(&escaped(rest));
    out.into()
}

/// What the place where output goes can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Screen {
    /// Whether it shows colour.
    pub(super) colour: bool,
    /// Whether it shows more than ASCII.
    pub(super) unicode: bool,
    /// How many characters fit in a line; `None` where there is no limit.
    pub(super) width: Option<usize>,
}

impl Screen {
    /// Looks at stdout.
    pub(super) fn stdout() -> Self {
        let stdout = io::stdout();
        let size = stdout.is_terminal().then(|| termios::tcgetwinsize(&stdout).ok()).flatten();
        Self {
            colour: colour(stdout.is_terminal()),
            unicode: unicode(),
            width: size.map(|s| usize::from(s.ws_col)).filter(|columns| *columns > 0),
        }
    }

    /// Looks at stderr.
    pub(super) fn stderr() -> Self {
        Self { colour: colour(io::stderr().is_terminal()), unicode: unicode(), width: None }
    }

    /// Dresses text in a style, if there is colour.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        match style.code() {
            Some(code) if self.colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

/// <https://no-color.org>: any value counts, an empty one does not.
fn colour(terminal: bool) -> bool {
    terminal && var("NO_COLOR").is_none() && !is_dumb()
}

/// Tells whether the terminal can do no more than print.
pub(super) fn is_dumb() -> bool {
    var("TERM").is_none_or(|term| term == "dumb")
}

fn unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(var).unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// How a piece of text is to be noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    Bad,
    Dim,
    Good,
    Heading,
    #[default]
    Plain,
    Warning,
}

impl Style {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Bad => Some("31"),
            Self::Dim => Some("2"),
            Self::Good => Some("32"),
            Self::Heading => Some("1"),
            Self::Plain => None,
            Self::Warning => Some("33"),
        }
    }
}

/// One field of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Takes text that may come from outside.
    pub(super) fn new(style: Style, text: &str) -> Self {
        Self { text: printable(text, 512), style }
    }

    /// Takes text without a style.
    pub(super) fn plain(text: &str) -> Self {
        Self::new(Style::Plain, text)
    }

    fn width(&self) -> usize {
        line::width(&self.text)
    }
}

/// Writes a remark from outside, and below it what to do.
pub(super) fn remark(screen: Screen, label: (Style, &str), message: &str, hint: Option<&str>) -> String {
    line::paint(&remark_lines(screen, label, message, hint), screen)
}

/// The same as lines, broken to the screen's width.
pub(super) fn remark_lines(screen: Screen, label: (Style, &str), message: &str, hint: Option<&str>) -> Vec<Line> {
    let message = printable(message, 2048);
    let mut lines = labelled(screen, 0, (label.0, label.1), label.1.len() + 1, (Style::Plain, &message));
    if let Some(hint) = hint.filter(|hint| !hint.is_empty()) {
        // The hint stands under its message.
        let indent = label.1.len() - label.1.trim_start().len() + 2;
        let hint = printable(hint, 2048);
        lines.extend(labelled(screen, indent, (Style::Dim, "hint:"), indent + 6, (Style::Plain, &hint)));
    }
    lines
}

/// Sets a text behind a label, and what does not fit the screen under its own beginning, at the column `at`.
pub(super) fn labelled(
    screen: Screen,
    indent: usize,
    label: (Style, &str),
    at: usize,
    text: (Style, &str),
) -> Vec<Line> {
    // Where so little is left that every word would stand alone, the text goes on at the left.
    let under = screen.width.map_or(at, |width| if width < at + COLUMN_MIN { 2.min(width / 2) } else { at });
    let room = screen.width.map_or(usize::MAX, |width| width.saturating_sub(under));
    let mut lines = Vec::new();
    let mut line = Line::default();
    let fitting = screen.width.unwrap_or(usize::MAX);
    line.pad(indent.min(fitting / 2));
    line.push(label.0, cut(label.1, fitting - line.width(), screen.unicode));
    if under < at {
        lines.push(std::mem::take(&mut line));
    }
    for part in wrap(text.1, room) {
        line.pad(under);
        line.push(text.0, part);
        lines.push(std::mem::take(&mut line));
    }
    lines
}

/// Sets rows in columns; where they do not fit the screen, the widest columns are cut.
pub(super) fn table(screen: Screen, rows: &[Vec<Cell>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let mut widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().filter_map(|r| r.get(c)).map(Cell::width).max().unwrap_or(0)).collect();
    if let Some(limit) = screen.width {
        shrink(&mut widths, limit);
    }
    let mut out = String::new();
    for row in rows {
        let (mut line, mut at) = (Line::default(), 0);
        for (cell, width) in row.iter().zip(&widths) {
            line.pad(at);
            line.push(cell.style, cut(&cell.text, *width, screen.unicode));
            at += width + GAP.len();
        }
        out.push_str(&line.paint(screen));
    }
    out
}

/// Leaves out columns, in this order, until the others fit the screen uncut; their places are those of the first row.
pub(super) fn leave_out(screen: Screen, rows: &mut [Vec<Cell>], order: &[usize]) {
    let Some(limit) = screen.width else { return };
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let mut widths: Vec<usize> =
        (0..columns).map(|c| rows.iter().filter_map(|r| r.get(c)).map(Cell::width).max().unwrap_or(0)).collect();
    let mut gone = Vec::new();
    for at in order.iter().copied().filter(|at| *at < columns) {
        let shown = columns - gone.len();
        if widths.iter().sum::<usize>() + GAP.len() * shown.saturating_sub(1) <= limit {
            break;
        }
        widths[at] = 0;
        gone.push(at);
    }
    // From the last, so that the places before it stay.
    gone.sort_unstable();
    for row in rows {
        for at in gone.iter().rev().copied().filter(|at| *at < row.len()).collect::<Vec<_>>() {
            row.remove(at);
        }
    }
}

/// Makes the first row of a table.
pub(super) fn headings(words: &[&str]) -> Vec<Cell> {
    words.iter().map(|word| Cell::new(Style::Heading, word)).collect()
}

fn shrink(widths: &mut [usize], limit: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > limit {
        match widths.iter_mut().max() {
            Some(widest) if *widest > COLUMN_MIN => *widest -= 1,
            _ => break,
        }
    }
    // Still too much: what stands last says least.
    let mut before = 0;
    for width in widths {
        *width = (*width).min(limit.saturating_sub(before));
        before += *width + GAP.len();
    }
}

/// Writes a length of time as people say it: `45s`, `52m`, `11h 20m`, `3d`.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if seconds < 60 => format!("{seconds}s"),
        () if hours == 0 => format!("{minutes}m"),
        () if days < 2 && minutes % 60 == 0 => format!("{hours}h"),
        () if days < 2 => format!("{hours}h {}m", minutes % 60),
        () => format!("{days}d"),
    }
}

/// Writes a number with the name of what it counts: `1 identity`, `2 identities`, `0 access keys`.
pub(super) fn count(number: usize, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        // "keys", but "identities".
        (_, Some(stem)) if !stem.ends_with('e') => format!("{number} {stem}ies"),
        _ => format!("{number} {what}s"),
    }
}

/// Makes a buffer for a secret that is written piece by piece: growing would leave copies behind.
pub(super) fn secret_buffer(capacity: usize) -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(capacity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<Cell>> {
        vec![
            headings(&["NAME", "ARN", ""]),
            vec![
                Cell::plain("prod"),
                Cell::plain("arn:aws:iam::222222222222:role/AssumedRole"),
                Cell::plain("52m left"),
            ],
            vec![Cell::plain("x\u{1b}[2J"), Cell::default(), Cell::default()],
        ]
    }

    #[test]
    fn a_table_is_as_wide_as_its_text_and_has_no_trailing_spaces() {
        assert_eq!(
            table(Screen::default(), &rows()),
            "NAME        ARN\n\
             prod        arn:aws:iam::222222222222:role/AssumedRole  52m left\n\
             x\\u{1b}[2J\n"
        );
    }

    #[test]
    fn on_a_narrow_screen_the_widest_column_gives_way() {
        let screen = Screen { width: Some(40), unicode: true, colour: false };
        let text = table(screen, &rows());
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(text.contains("arn:aws:iam::2222…  52m left"), "{text}");
        let tiny = table(Screen { width: Some(3), ..screen }, &rows());
        assert!(tiny.lines().count() == 3 && tiny.lines().all(|line| line.chars().count() <= 3), "{tiny}");
    }

    #[test]
    fn columns_that_matter_less_are_left_out_before_others_are_cut() {
        let row = |words: [&str; 3]| words.map(Cell::plain).to_vec();
        let shown = |width| {
            let mut rows = vec![row(["name", "account", "region"]), row(["a", "b", "c"])];
            leave_out(Screen { width, ..Screen::default() }, &mut rows, &[2, 1]);
            rows[1].len()
        };
        assert_eq!([shown(None), shown(Some(21)), shown(Some(20)), shown(Some(12))], [3, 3, 2, 1]);
        assert_eq!(shown(Some(1)), 1, "the first is cut, not left out");
    }

    #[test]
    fn what_is_wide_is_measured_in_cells() {
        let text = table(
            Screen::default(),
            &[vec![Cell::plain("本番"), Cell::plain("b")], vec![Cell::plain("abcd"), Cell::plain("c")]],
        );
        assert_eq!(text, "本番  b\nabcd  c\n");
    }

    #[test]
    fn a_long_remark_is_broken_under_its_own_beginning() {
        let screen = Screen { width: Some(24), ..Screen::default() };
        let text =
            remark(screen, (Style::Warning, "warning:"), "one two three four", Some("run `rolecall status` now"));
        assert_eq!(text, "warning: one two three\n         four\n  hint: run `rolecall\n        status` now\n");
        let tiny = remark(Screen { width: Some(9), ..screen }, (Style::Warning, "warning:"), "one two three", None);
        assert_eq!(tiny, "warning:\n  one two\n  three\n");
    }

    #[test]
    fn colour_does_not_change_the_columns() {
        let screen = Screen { colour: true, ..Screen::default() };
        let text = table(screen, &[vec![Cell::new(Style::Bad, "a"), Cell::plain("b")], vec![Cell::plain("aa")]]);
        assert_eq!(text, "\u{1b}[31ma\u{1b}[0m   b\naa\n");
    }

    #[test]
    fn text_for_a_person_keeps_only_our_markup() {
        let hostile = "a\u{1b}[31mred\u{1b}[0m\u{1b}[8mx\u{1b}]0;t\u{7}\r\u{200b}\n";
        assert_eq!(shown(hostile, true), "a\u{1b}[31mred\u{1b}[0m\\u{1b}[8mx\\u{1b}]0;t\\u{7}\\u{d}\\u{200b}\n");
        assert!(!shown(hostile, false).contains('\u{1b}'));
        for style in [Style::Bad, Style::Dim, Style::Good, Style::Heading, Style::Plain, Style::Warning] {
            let painted = Screen { colour: true, ..Screen::default() }.paint(style, "x");
            assert_eq!(shown(&painted, true), painted);
        }
    }

    #[test]
    fn numbers_are_counted_as_people_do() {
        assert_eq!(count(1, "identity"), "1 identity");
        assert_eq!(count(2, "identity"), "2 identities");
        assert_eq!(count(0, "access key"), "0 access keys");
        assert_eq!(count(3, "role profile"), "3 role profiles");
    }

    #[test]
    fn lengths_of_time_are_short() {
        let said = [(0, "0s"), (59, "59s"), (3120, "52m"), (3600, "1h"), (40_800, "11h 20m"), (172_800, "2d")];
        for (seconds, text) in said {
            assert_eq!(span(seconds), text);
        }
    }
}
