//! A line of the audit log as people read it.
//!
//! It knows the names of the fields and promises nothing about them: a line of an older or newer agent is shown as far as
//! it is understood, and a damaged one is shown as damaged. Nothing is lost on a narrow screen: what does not fit goes on
//! below.

use crate::line::{self, Line, width, wrap};
use crate::output::{Screen, Style};
use crate::status::tree::base_name;
use chrono::DateTime;
use rolecall_core::domain::error::printable;
use rolecall_ipc::protocol::process_output::timestamp;
use serde_json::{Map, Value};
use std::fmt::Write;

/// From this width on every field has its column; on less, the day has a line of its own.
const WIDE: usize = 110;

/// The columns of time, event, result, name and caller.
const COLUMNS: [usize; 5] = [20, 8, 12, 16, 24];
const NARROW: [usize; 5] = [9, 8, 2, 0, 0];

/// Draws entries one after the other.
#[derive(Default)]
pub(super) struct Painter {
    /// The day that was written last.
    day: Option<String>,
}

/// Writes a line that is none.
pub(super) fn damaged(line: &[u8], screen: Screen) -> String {
    let shown = printable(&String::from_utf8_lossy(line), 200);
    flow(&[(Style::Warning, "unreadable line".to_owned()), (Style::Plain, shown)], &[], 2, screen)
}

impl Painter {
    /// Writes `time  event  result  name  who  details`, with a line end.
    pub(super) fn entry(&mut self, entry: &Map<String, Value>, screen: Screen) -> String {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(|v| printable(v, 256)).unwrap_or_default();
        let result = text("result");
        let style = match result.as_str() {
            "ok" | "" => Style::Good,
            _ => Style::Bad,
        };
        let mut details = Vec::new();
        if entry.get("cached").and_then(Value::as_bool).unwrap_or_default() {
            details.push("cached".to_owned());
        }
        for (key, label) in
            [("access_key_id", ""), ("expiration", "until "), ("request_id", "request "), ("message", "")]
        {
            let value = text(key);
            if !value.is_empty() {
                details.push(format!("{label}{value}"));
            }
        }
        let is_wide = screen.width.is_none_or(|width| width >= WIDE);
        let columns = if is_wide { COLUMNS } else { NARROW };
        let time = time(&text("time"));
        let mut out = String::new();
        let time = match time.split_once('T') {
            Some((day, hour)) if !is_wide => {
                if self.day.as_deref() != Some(day) {
                    out.push_str(&flow(&[(Style::Heading, day.to_owned())], &[], 0, screen));
                    self.day = Some(day.to_owned());
                }
                hour.to_owned()
            }
            _ => time,
        };
        let fields = [
            (Style::Dim, time),
            (Style::Plain, text("event")),
            (style, result),
            (Style::Heading, text("name")),
            (Style::Plain, caller(entry.get("caller"))),
            (Style::Dim, details.join(", ")),
        ];
        out.push_str(&flow(&fields, &columns, columns[0] + 2, screen));
        out
    }
}

/// Sets fields one behind the other, each at least as wide as its column; what does not fit goes on below, indented.
fn flow(fields: &[(Style, String)], columns: &[usize], indent: usize, screen: Screen) -> String {
    let room = screen.width.unwrap_or(usize::MAX);
    let indent = if room < 3 * indent { 2.min(room / 2) } else { indent };
    let mut lines = vec![Line::default()];
    // Where the next field begins.
    let mut at = 0;
    for (place, (style, text)) in fields.iter().enumerate() {
        let column = columns.get(place).copied().unwrap_or_default();
        if !text.is_empty() {
            if at > indent && at + width(text) > room {
                lines.push(Line::default());
                at = indent;
            }
            for (part, text) in wrap(text, room.saturating_sub(at)).into_iter().enumerate() {
                if part > 0 {
                    lines.push(Line::default());
                }
                let Some(line) = lines.last_mut() else { continue };
                line.pad(at);
                line.push(*style, text);
            }
        }
        let end = lines.last().map_or(0, Line::width);
        // An empty field of a column that is always kept leaves its place free.
        if column > 0 || !text.is_empty() {
            at = end.max(at + column) + 2;
        }
    }
    line::paint(&lines, screen)
}

/// Gives a time in whole seconds, UTC as in CloudTrail; what is no time stays as it is.
fn time(text: &str) -> String {
    DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |time| timestamp(time.to_utc()))
}

/// Says who asked: the program that started the client, since the client itself is always `rolecall`.
fn caller(caller: Option<&Value>) -> String {
    let Some(caller) = caller else { return String::new() };
    let name = |value: &Value| match value {
        Value::String(path) => Some(base_name(path).to_owned()),
        Value::Object(process) => process.get("exe").and_then(Value::as_str).map(|path| base_name(path).to_owned()),
        Value::Number(pid) => Some(format!("pid {pid}")),
        _ => None,
    };
    let (own, parent) = (name(caller), caller.get("parent").and_then(name));
    let mut text = match (own, parent) {
        (Some(own), Some(parent)) if own == "rolecall" => parent,
        (Some(own), Some(parent)) => format!("{own} < {parent}"),
        (Some(own), None) => own,
        (None, parent) => parent.unwrap_or_else(|| "unknown".to_owned()),
    };
    if let Some(socket) = caller.get("socket").and_then(Value::as_str) {
        text = format!("socket {socket} < {text}");
    }
    if let Some(pid) = caller.get("pid").and_then(Value::as_i64) {
        let _ = write!(text, " ({pid})");
    }
    printable(&text, 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        shown_on(line, Screen::default())
    }

    fn shown_on(line: &str, screen: Screen) -> String {
        Painter::default().entry(&serde_json::from_str(line).expect("an object"), screen)
    }

    #[test]
    fn on_a_narrow_screen_the_rest_goes_on_below() {
        let line = r#"{"time":"2026-11-22T00:00:00.7Z","event":"get","result":"AccessDenied","name":"prod",
            "message":"User: arn:aws:iam::111111111111:user/richard is not authorized to perform: sts:AssumeRole",
            "caller":{"pid":4242,"exe":"/usr/bin/rolecall","parent":"/usr/bin/make"}}"#;
        let narrow = |width| Screen { width: Some(width), ..Screen::default() };
        assert_eq!(
            shown_on(line, narrow(60)),
            "2026-11-22\n\
             00:00:00Z  get       AccessDenied  prod  make (4242)\n           \
             User: arn:aws:iam::111111111111:user/richard is\n           \
             not authorized to perform: sts:AssumeRole\n"
        );
        for width in 1..140 {
            let text = shown_on(line, narrow(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            let joined: String = text.split_whitespace().collect();
            assert!(joined.contains("toperform:sts:AssumeRole"), "{width}: {text}");
        }
        let mut painter = Painter::default();
        let entry = serde_json::from_str(line).expect("an object");
        painter.entry(&entry, narrow(60));
        assert!(!painter.entry(&entry, narrow(60)).contains("2026"), "the day is said once");
    }

    #[test]
    fn a_line_says_when_what_which_who_and_how() {
        assert_eq!(
            shown(
                r#"{"v":1,"time":"2026-11-22T00:00:00.713351273Z","seq":7,"event":"get","result":"ok","name":"prod",
                "role_arn":"arn:aws:iam::222222222222:role/AssumedRole","access_key_id":"ASIAEXAMPLE",
                "expiration":"2026-11-22T01:00:00Z","cached":true,
                "caller":{"pid":4242,"exe":"/usr/bin/rolecall","parent":"/usr/bin/make"}}"#
            ),
            "2026-11-22T00:00:00Z  get       ok            prod              make (4242)               \
             cached, ASIAEXAMPLE, until 2026-11-22T01:00:00Z\n"
        );
        assert_eq!(
            shown(r#"{"time":"2026-11-22T00:00:00Z","event":"lock","result":"ok"}"#),
            "2026-11-22T00:00:00Z  lock      ok\n"
        );
    }

    #[test]
    fn unknown_and_missing_fields_are_no_matter() {
        assert_eq!(shown("{}"), "\n");
        for line in [
            r#"{"event":7,"caller":3,"cached":"yes","new":{"a":[1]}}"#,
            r#"{"event":"future","caller":{"exe":null,"parent":{"pid":1,"exe":"/sbin/init"}}}"#,
            r#"{"event":"get","caller":{"parent":12}}"#,
        ] {
            assert_eq!(shown(line).lines().count(), 1, "{line}");
        }
        assert!(shown(r#"{"caller":{"pid":2,"exe":"/a/b","parent":{"exe":"/c/d"}}}"#).contains("b < d (2)"));
    }

    #[test]
    fn nothing_in_a_line_can_move_the_cursor() {
        let shown = shown("{\"event\":\"get\",\"name\":\"\\u001b[2J\\n\",\"caller\":{\"exe\":\"/x/\\u001b]0;y\"}}");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        assert_eq!(shown.lines().count(), 1);
        let damaged = damaged(b"{\"event\": \x1b[2J\xff", Screen::default());
        assert!(damaged.starts_with("unreadable line") && !damaged.contains('\u{1b}'), "{damaged:?}");
    }
}
