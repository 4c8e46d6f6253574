//! `log`: the audit log for people, a line each.
//!
//! It knows the names of the fields and promises nothing about them: a line of an older or newer agent is shown as far as
//! it is understood, and a damaged one is shown as damaged.

use super::args::LogArgs;
use super::log_files::LogFiles;
use super::output::{self, Failure, Screen, Style};
use super::status::base_name;
use crate::domain::report::{Kind, Report, printable};
use crate::paths::Paths;
use crate::protocol::process_output::timestamp;
use chrono::DateTime;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::io;
use std::thread;
use std::time::Duration;

/// Often enough to look immediate, seldom enough to cost nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// This much is collected before it is written: a write for every line would make a long log slow.
const CHUNK: usize = 64 * 1024;

/// Prints the log; with `--follow`, until it is interrupted.
pub(super) fn run(paths: &Paths, args: &LogArgs) -> Result<(), Failure> {
    let path = paths.audit_log();
    let screen = Screen::stdout();
    let mut files = LogFiles::new(path.clone());
    let mut first = true;
    loop {
        let mut out = Vec::with_capacity(CHUNK);
        files
            .read(|line| {
                if args.json {
                    // Only what a reader of JSON can read.
                    if serde_json::from_slice::<Map<String, Value>>(line).is_ok() {
                        out.extend_from_slice(line);
                        out.push(b'\n');
                    }
                } else {
                    out.extend_from_slice(render(line, screen).as_bytes());
                }
                if out.len() < CHUNK {
                    return Ok(());
                }
                let done = output::print_bytes(&out);
                out.clear();
                done.map_err(Stop::Output)
            })
            .map_err(|stop| match stop {
                Stop::Output(failure) => failure,
                Stop::Input(e) => Report::new(Kind::Failed, format!("cannot read {}: {e}", path.display()))
                    .hint(format!("look at its rights: `ls -l {}`", path.display()))
                    .into(),
            })?;
        let nothing = first && out.is_empty() && !path.exists();
        output::print_bytes(&out)?;
        if !args.follow {
            if nothing && !args.json {
                output::print(&format!("nothing has been logged yet; the log will be {}\n", path.display()))?;
            }
            return Ok(());
        }
        first = false;
        thread::sleep(LOOK_AGAIN);
    }
}

enum Stop {
    Input(io::Error),
    Output(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

/// Writes `time  event  result  name  who  details`, with a line end.
fn render(line: &[u8], screen: Screen) -> String {
    let Ok(entry) = serde_json::from_slice::<Map<String, Value>>(line) else {
        let shown = printable(&String::from_utf8_lossy(line), 200);
        return format!("{}  {shown}\n", screen.paint(Style::Warning, "unreadable line"));
    };
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
    for (key, label) in [("access_key_id", ""), ("expiration", "until "), ("request_id", "request "), ("message", "")] {
        let value = text(key);
        if !value.is_empty() {
            details.push(format!("{label}{value}"));
        }
    }
    let columns = [
        (Style::Dim, time(&text("time")), 20),
        (Style::Plain, text("event"), 8),
        (style, result, 11),
        (Style::Heading, text("name"), 16),
        (Style::Plain, caller(entry.get("caller")), 24),
        (Style::Dim, details.join(", "), 0),
    ];
    let mut out = String::new();
    for (style, text, width) in columns {
        out.push_str(&screen.paint(style, &format!("{text:<width$}")));
        out.push_str("  ");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
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
        render(line.as_bytes(), Screen::default())
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
            "2026-11-22T00:00:00Z  get       ok           prod              make (4242)               \
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
        let damaged = render(b"{\"event\": \x1b[2J\xff", Screen::default());
        assert!(damaged.starts_with("unreadable line") && !damaged.contains('\u{1b}'), "{damaged:?}");
    }
}
