//! Characters that a terminal would act on or would not show, and text without them.
//!
//! Threat: a name, a path or a server message with escape sequences, an invisible character or a line end that forges a
//! second line (CVE-2024-50349, CVE-2018-12020). The test is the character's Unicode category and not a list of
//! characters that were seen in attacks.

use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Writes a duration as the configuration does: `1h`, `90m`, `45s`.
pub fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        s if s.is_multiple_of(3600) => format!("{}h", s / 3600),
        s if s.is_multiple_of(60) => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

/// Serializes a duration as the configuration writes it.
#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(super) fn serialize_duration<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(duration).serialize(serializer)
}

/// Returns whether a terminal would act on the character or would not show it: control and format characters, line and
/// paragraph separators, unassigned code points, and the letters and marks that Unicode displays as nothing.
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let category = c.general_category();
    let is_hidden = matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::Unassigned
    );
    is_hidden || is_ignorable(c)
}

/// Returns whether Unicode displays the character as nothing although its category is that of a letter or a mark
/// (`Default_Ignorable_Code_Point` in DerivedCoreProperties.txt).
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Escapes the hidden characters of a text for one line of a terminal or log, and cuts the text after `max` characters.
pub fn printable(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for (seen, c) in text.chars().enumerate() {
        if seen == max {
            out.push('…');
            break;
        }
        push(&mut out, c);
    }
    out
}

/// Escapes the hidden characters of a text except its line ends.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_hidden(c)) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if c == '\n' { out.push(c) } else { push(&mut out, c) }
    }
    out.into()
}

/// Escapes the hidden characters of a JSON text as JSON does; the line ends between its values stay.
///
/// Outside of strings JSON has no such character except tabs and line ends.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    let stays = |c: char| matches!(c, '\n' | '\t') || !is_hidden(c);
    if json.chars().all(stays) {
        return json.into();
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if stays(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out.into()
}

/// Returns what is wrong with bytes that should be text in UTF-8, if they are UTF-16: PowerShell's `>` writes it, and
/// without a byte order mark it shows by its NUL bytes.
pub fn wide(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("is UTF-16, not UTF-8"),
        _ if bytes.contains(&0) => Some("has NUL bytes, as text in UTF-16 has"),
        _ => None,
    }
}

/// Returns how to make a file UTF-8 that is UTF-16.
pub fn narrowing(file: &str) -> String {
    format!("save it as UTF-8, in PowerShell with `-Encoding utf8`: `iconv -f UTF-16 -t UTF-8 {file} > {file}.utf8`")
}

fn push(out: &mut String, c: char) {
    if is_hidden(c) {
        out.extend(c.escape_unicode());
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_invisible_characters_are_escaped() {
        assert_eq!(printable("a\nb\u{1b}[2J\u{202e}x", 80), "a\\u{a}b\\u{1b}[2J\\u{202e}x");
        assert_eq!(printable("abcdef", 3), "abc…");
        for c in
            "\u{7f}\u{80}\u{9b}\u{ad}\u{61c}\u{200b}\u{200d}\u{2028}\u{2029}\u{2060}\u{feff}\u{fff9}\u{fe0f}\u{3164}\
                  \u{110bd}\u{1d173}\u{e0001}\u{e0002}\u{e0041}\u{e007f}\u{e0100}\u{10ffff}"
                .chars()
        {
            assert_eq!(escaped(&c.to_string()), c.escape_unicode().to_string(), "{c:?}");
        }
    }

    #[test]
    fn letters_marks_and_symbols_stay() {
        for text in ["plain ~", "é e\u{301}", "本番環境", "עברית العربية", "…─│✔", "🔑", ""]
        {
            assert_eq!((escaped(text).as_ref(), printable(text, 80).as_str()), (text, text));
        }
        assert_eq!(escaped("two\nlines"), "two\nlines");
    }

    #[test]
    fn utf_16_is_told_from_utf_8() {
        for (bytes, is_wide) in [
            (&b"\xff\xfe[\0"[..], true),
            (b"\xfe\xff\0[", true),
            (b"[\0d\0", true),
            (b"\xef\xbb\xbf[default]", false),
            (b"caf\xe9", false),
            (b"", false),
        ] {
            assert_eq!(wide(bytes).is_some(), is_wide, "{bytes:?}");
        }
    }

    #[test]
    fn hidden_characters_in_json_become_its_escapes() {
        let shown = escaped_json("[\n\t\"a\u{7f}\u{9b}\u{200b}\u{e0041}é\"\n]");
        assert_eq!(shown, "[\n\t\"a\\u007f\\u009b\\u200b\\udb40\\udc41é\"\n]");
    }
}
