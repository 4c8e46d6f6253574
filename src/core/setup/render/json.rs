//! JSON text inside other languages: walked word by word, so that order and numbers stay as they were written.

use crate::setup::documents;
use std::fmt::Write;

/// Lays a document out with each string written by `string`; the lines but the first are indented by `indent`.
pub(super) fn laid_out(document: &str, indent: usize, string: fn(&str) -> String) -> String {
    let text = documents::pretty(document);
    let margin = " ".repeat(indent);
    let (mut out, mut rest) = (String::new(), text.as_str());
    while let Some(start) = rest.find('"') {
        let (before, from) = rest.split_at(start);
        out.push_str(&before.replace('\n', &format!("\n{margin}")));
        let end = end_of_string(from);
        let (token, after) = from.split_at(end);
        match serde_json::from_str::<String>(token) {
            Ok(value) => out.push_str(&string(&value)),
            // Half of a surrogate pair, which no text can hold: as it is.
            Err(_) => out.push_str(token),
        }
        rest = after;
    }
    out.push_str(&rest.replace('\n', &format!("\n{margin}")));
    out
}

/// Finds the end of the string that a text begins with.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Writes a string in double quotes as JSON does, with nothing that is not ASCII: YAML takes it as it is.
pub(super) fn ascii(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}
