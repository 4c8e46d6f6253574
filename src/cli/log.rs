//! `log`: the audit log, chosen and followed; how a line looks is `entry`'s to know.
//!
//! With `--json` the lines are the file's own, so that what is written for tools is read by tools.

mod entry;

use super::args::LogArgs;
use super::config_file;
use super::log_files::LogFiles;
use super::output::{self, Failure, Screen};
use chrono::{DateTime, TimeDelta, Utc};
use entry::Painter;
use rolecall_core::config::parse_duration;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::paths::Paths;
use rolecall_platform::reach;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// Often enough to look immediate, seldom enough to cost nothing.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// This much is collected before it is written: a write for every line would make a long log slow.
const CHUNK: usize = 64 * 1024;

/// With how many lines of the past following begins, where nobody says since when: as `tail -f`.
const PAST: usize = 10;

/// Prints the log; with `--follow`, until it is interrupted.
pub(super) fn run(paths: &Paths, args: &LogArgs) -> Result<(), Failure> {
    let path = paths.audit_log();
    reach::ensure_answers(&path)?;
    let wanted = Wanted::new(args)?;
    let mut painter = Painter::default();
    let mut files = LogFiles::new(path.clone());
    let mut first = true;
    loop {
        // Each time: the window may have another width by now.
        let screen = Screen::stdout();
        let mut out = String::with_capacity(CHUNK);
        let mut past = (first && args.follow && args.since.is_none()).then(VecDeque::new);
        files
            .read(|line| {
                let entry = serde_json::from_slice::<Map<String, Value>>(line).ok();
                // As JSON only what a reader of JSON can read.
                if !wanted.has(entry.as_ref()) || (args.json && entry.is_none()) {
                    return Ok(());
                }
                if let Some(past) = &mut past {
                    if past.len() == PAST {
                        past.pop_front();
                    }
                    past.push_back((line.to_vec(), entry));
                    return Ok(());
                }
                draw(&mut out, line, entry.as_ref(), args.json, &mut painter, screen);
                if out.len() < CHUNK {
                    return Ok(());
                }
                let done = write(&out, args.json);
                out.clear();
                done.map_err(Stop::Output)
            })
            .map_err(|stop| match stop {
                Stop::Output(failure) => failure,
                Stop::Input(e) => UserError::new(Kind::Failed, format!("cannot read the audit log: {e}"))
                    .hint(format!("look at the files: `ls -l {}*`", path.display()))
                    .into(),
            })?;
        for (line, entry) in past.into_iter().flatten() {
            draw(&mut out, &line, entry.as_ref(), args.json, &mut painter, screen);
        }
        let nothing = first && out.is_empty() && path.symlink_metadata().is_err();
        write(&out, args.json)?;
        if !args.follow {
            if nothing && !args.json {
                output::print(&format!(
                    "nothing has been logged yet; the log will be {}\n",
                    config_file::shown(&path)
                ))?;
            }
            return Ok(());
        }
        first = false;
        rest()?;
    }
}

/// Appends a line as it is to be printed.
fn draw(
    out: &mut String,
    line: &[u8],
    entry: Option<&Map<String, Value>>,
    json: bool,
    painter: &mut Painter,
    screen: Screen,
) {
    match entry {
        _ if json => {
            out.push_str(&String::from_utf8_lossy(line));
            out.push('\n');
        }
        Some(entry) => out.push_str(&painter.entry(entry, screen)),
        None => out.push_str(&entry::damaged(line, screen)),
    }
}

fn write(out: &str, json: bool) -> Result<(), Failure> {
    if json { output::print_json_text(out) } else { output::print(out) }
}

/// Waits a little; less where nobody reads any more, who would otherwise be noticed at the next line only.
fn rest() -> Result<(), Failure> {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    match poll(&mut fds, Timespec::try_from(LOOK_AGAIN).ok().as_ref()) {
        Ok(0) | Err(_) => Ok(()),
        Ok(_) => Err(Failure::PipeClosed),
    }
}

/// Which lines are wanted.
struct Wanted<'a> {
    role: Option<&'a str>,
    since: Option<DateTime<Utc>>,
}

impl<'a> Wanted<'a> {
    fn new(args: &'a LogArgs) -> Result<Self, UserError> {
        let since = args.since.as_deref().map(since).transpose()?;
        Ok(Self { role: args.role.as_deref(), since })
    }

    /// Tells whether a line is; one that cannot be read is no answer to any question.
    fn has(&self, entry: Option<&Map<String, Value>>) -> bool {
        let text = |key: &str| entry?.get(key)?.as_str();
        let time = || text("time").and_then(|time| DateTime::parse_from_rfc3339(time).ok());
        self.role.is_none_or(|role| text("name") == Some(role))
            && self.since.is_none_or(|since| time().is_some_and(|time| time >= since))
    }
}

fn since(typed: &str) -> Result<DateTime<Utc>, UserError> {
    #[expect(clippy::disallowed_methods, reason = "which lines a person wants to see; nothing depends on it")]
    let now = Utc::now();
    let time = parse_duration(typed).map_err(|why| {
        UserError::new(Kind::Usage, format!("`--since {typed}`: {why}")).hint("give a length of time, as `--since 2h`")
    })?;
    Ok(TimeDelta::from_std(time).ok().and_then(|time| now.checked_sub_signed(time)).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_chosen_by_name_and_by_age() {
        let entry = |text: &str| serde_json::from_str::<Map<String, Value>>(text).expect("an object");
        let line = entry(r#"{"name":"prod","time":"2026-11-22T00:00:00.7Z"}"#);
        let at = |text: &str| Some(DateTime::parse_from_rfc3339(text).expect("a time").to_utc());
        let has = |role, since, line| Wanted { role, since }.has(line);
        assert!(has(None, None, Some(&line)) && has(None, None, None));
        assert!(has(Some("prod"), at("2026-11-22T00:00:00Z"), Some(&line)));
        assert!(!has(Some("prod"), at("2026-11-22T00:00:01Z"), Some(&line)));
        assert!(!has(Some("dev"), None, Some(&line)) && !has(Some("prod"), None, None));
        assert!(!has(None, at("2026-11-22T00:00:00Z"), Some(&entry(r#"{"time":7}"#))));
        assert!(since("2h").is_ok() && since("9999999h").is_ok());
        assert_eq!(since("2 o'clock").expect_err("no length").kind, Kind::Usage);
    }
}
