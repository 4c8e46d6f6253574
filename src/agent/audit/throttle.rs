//! Limits the audit lines that outsiders cause: other users, requests without a valid token, the far end of a restricted
//! socket. They choose how often they ask, so each line would let them push all others out of the log's 30 MB.
//!
//! In an hour of the boot clock, each different line of one source is written once. Repeated lines are counted, and one
//! line with the count follows when the hour is over. The first hand-out of a session is always written: AWS issues no
//! more sessions than that. Lines of the user's own programs are not limited, and neither are the answers of a person.
//!
//! With `audit = "required"` only a line that is known to be in the file stands for the ones like it ([`Written`]).

use super::{ALLOWED, AuditLine, BAD_TOKEN, Event, FOREIGN_UID, REFUSED};
use chrono::{DateTime, Utc};
use rolecall_core::domain::credential::Now;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How long a written line stands for the ones like it.
const PERIOD: Duration = Duration::from_hours(1);

/// Different failures of one source that are written in an hour, as an outsider can invent names. A person who looks for
/// the reason needs a few, and at this rate the log lasts for weeks.
const FAILURES_WRITTEN: usize = 60;

/// Who causes lines that are limited.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Channel {
    /// Other users, on the socket and on every port. One source for all: a user with a range of subordinate uids has
    /// 65,536 of them.
    ForeignUid,
    /// Requests to a port without a valid token.
    BadToken,
    /// A restricted socket, by its name.
    Socket(String),
}

impl Channel {
    /// Returns the source of a line; `None` if the line is not limited.
    fn of(line: &AuditLine) -> Option<Self> {
        // A person answers as often as a person can.
        if line.event == Event::Consent && matches!(line.result.as_str(), ALLOWED | REFUSED) {
            return None;
        }
        if let Some(socket) = line.caller.as_ref().and_then(|caller| caller.socket.as_ref()) {
            return Some(Self::Socket(socket.clone()));
        }
        match (line.event, line.result.as_str()) {
            (Event::Refuse, FOREIGN_UID) => Some(Self::ForeignUid),
            (Event::Refuse, BAD_TOKEN) => Some(Self::BadToken),
            _ => None,
        }
    }
}

/// What makes a line different from the others of its source: event, result, name, access key ID, and the text of a failure.
type Content = (Event, String, Option<String>, Option<String>, Option<String>);

fn content(line: &AuditLine) -> Content {
    let text = line.message.clone().filter(|_| line.result != "ok");
    (line.event, line.result.clone(), line.name.clone(), line.access_key_id.clone(), text)
}

/// How certain it is that a line is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Written {
    /// It was handed to the writer, which may lose it.
    Queued,
    /// The writer has confirmed it.
    Durable,
}

/// The current hour of each source.
#[derive(Debug, Default)]
pub(super) struct Throttle(BTreeMap<Channel, Window>);

/// One hour of one source.
#[derive(Debug)]
struct Window {
    began: Now,
    written: HashMap<Content, Written>,
    failures: usize,
    repeated: u64,
    /// The last line that was counted instead of written.
    last: Option<AuditLine>,
}

impl Throttle {
    /// Returns whether a line is to be written, because none like it was written as certainly as is wanted. If not, the
    /// line is counted.
    pub(super) fn admits(&mut self, line: &AuditLine, wanted: Written, now: Now) -> bool {
        let Some(source) = Channel::of(line) else { return true };
        self.0.entry(source).or_insert_with(|| Window::from(now)).admits(line, wanted)
    }

    /// Notes that a line was written: the ones like it are counted from now on.
    pub(super) fn note(&mut self, line: &AuditLine, how: Written) {
        let window = Channel::of(line).and_then(|source| self.0.get_mut(&source));
        let Some(window) = window else { return };
        let before = window.written.get(&content(line)).copied();
        window.written.insert(content(line), before.map_or(how, |before| before.max(how)));
        if before.is_none() {
            window.failures += usize::from(line.result != "ok");
        }
    }

    /// Ends the hours that are over, or all of them, and returns the lines with their counts.
    pub(super) fn counts(&mut self, now: Now, all: bool) -> Vec<AuditLine> {
        let is_over = |window: &Window| all || now.boot.saturating_sub(window.began.boot) >= PERIOD;
        let over: Vec<Channel> = self.0.iter().filter(|(_, w)| is_over(w)).map(|(source, _)| source.clone()).collect();
        over.into_iter().filter_map(|source| self.0.remove(&source)?.count(&source, now.wall)).collect()
    }
}

impl Window {
    fn from(began: Now) -> Self {
        Self { began, written: HashMap::new(), failures: 0, repeated: 0, last: None }
    }

    fn admits(&mut self, line: &AuditLine, wanted: Written) -> bool {
        let is_failure = line.result != "ok";
        let is_new = match self.written.get(&content(line)) {
            Some(written) => *written < wanted,
            None => !is_failure || self.failures < FAILURES_WRITTEN,
        };
        if !is_new {
            self.repeated += 1;
            self.last = Some(line.clone());
        }
        is_new
    }

    /// Returns the line that states how many lines were counted instead of written.
    fn count(self, source: &Channel, now: DateTime<Utc>) -> Option<AuditLine> {
        let last = self.last?;
        let repeated = self.repeated;
        let what = match source {
            Channel::ForeignUid => format!("{repeated} more connections of other users were closed"),
            Channel::BadToken => format!("{repeated} more requests had no valid token"),
            Channel::Socket(name) => format!("{repeated} more requests through the socket `{name}` are not listed"),
        };
        let mut line = AuditLine::new(now, last.event).result("repeated");
        let time = |at: DateTime<Utc>| at.format("%H:%M:%SZ").to_string();
        let detail = last.message.map(|message| format!(": {message}")).unwrap_or_default();
        line.message = Some(format!("{what} since {}; the last at {}{detail}", time(self.began.wall), time(last.time)));
        line.count = Some(repeated);
        line.caller = last.caller;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Caller;

    fn at(second: u64) -> Now {
        let wall = DateTime::from_timestamp(1_795_305_600 + i64::try_from(second).expect("small"), 0);
        Now { wall: wall.expect("in range"), boot: Duration::from_secs(second) }
    }

    /// Writes a line as the log does, if the throttle admits it.
    fn is_written(throttle: &mut Throttle, line: &AuditLine, second: u64) -> bool {
        let is_written = throttle.admits(line, Written::Queued, at(second));
        if is_written {
            throttle.note(line, Written::Queued);
        }
        is_written
    }

    fn of_socket(second: u64, result: &str, name: &str) -> AuditLine {
        let caller = Some(Caller { socket: Some("vm".to_owned()), ..Caller::default() });
        AuditLine { name: Some(name.to_owned()), caller, ..AuditLine::new(at(second).wall, Event::Get).result(result) }
    }

    fn session(second: u64, key: &str) -> AuditLine {
        AuditLine { access_key_id: Some(key.to_owned()), ..of_socket(second, "ok", "dev") }
    }

    fn refused(second: u64, result: &str, message: &str) -> AuditLine {
        AuditLine { message: Some(message.to_owned()), ..AuditLine::new(at(second).wall, Event::Refuse).result(result) }
    }

    #[test]
    fn repeated_lines_of_a_socket_become_one_count() {
        let mut throttle = Throttle::default();
        assert!(is_written(&mut throttle, &session(0, "ASIA1"), 0));
        for second in 1..1000 {
            assert!(!is_written(&mut throttle, &session(second, "ASIA1"), second));
        }
        let failures = (0..1000).map(|n| of_socket(1000, "out-of-reach", &format!("name{n}")));
        let written = failures.filter(|line| is_written(&mut throttle, line, 1000)).count();
        assert_eq!(written, FAILURES_WRITTEN);
        assert!(is_written(&mut throttle, &session(1001, "ASIA2"), 1001), "a flood hides no session");
        assert!(throttle.counts(at(3599), false).is_empty());
        let counts = throttle.counts(at(3600), false);
        let [count] = counts.as_slice() else { panic!("one count: {counts:?}") };
        assert_eq!((count.result.as_str(), count.count), ("repeated", Some(1939)));
        let message = count.message.as_deref().unwrap_or_default();
        assert!(message.starts_with("1939 more requests through the socket `vm`"), "{message}");
        assert!(count.caller.is_some());
        assert!(is_written(&mut throttle, &of_socket(3600, "denied", "dev"), 3600), "another hour");
    }

    #[test]
    fn refusals_of_outsiders_are_one_line_and_one_count() {
        for (result, other) in [(FOREIGN_UID, BAD_TOKEN), (BAD_TOKEN, FOREIGN_UID)] {
            let mut throttle = Throttle::default();
            let written = (0..50_000).filter(|_| is_written(&mut throttle, &refused(1, result, "uid 7"), 1)).count();
            assert_eq!(written, 1);
            assert!(is_written(&mut throttle, &refused(1, other, ""), 1), "another source");
            let counts = throttle.counts(at(3601), false);
            let [count] = counts.as_slice() else { panic!("one count: {counts:?}") };
            assert_eq!(count.count, Some(49_999));
            assert!(count.message.as_deref().unwrap_or_default().ends_with("uid 7"), "{count:?}");
        }
    }

    #[test]
    fn refusal_of_one_user_does_not_hide_that_of_another() {
        let mut throttle = Throttle::default();
        let mut written = |uid: u32| is_written(&mut throttle, &refused(1, FOREIGN_UID, &format!("uid {uid}")), 1);
        assert_eq!([written(1), written(2), written(1), written(2)], [true, true, false, false]);
        // A user with many subordinate uids cannot fill the log.
        assert_eq!((3..50_000).filter(|uid| written(*uid)).count(), FAILURES_WRITTEN - 2);
        let counts = throttle.counts(at(3601), false);
        let [count] = counts.as_slice() else { panic!("one count: {counts:?}") };
        assert!(count.message.as_deref().unwrap_or_default().ends_with("uid 49999"), "{count:?}");
    }

    #[test]
    fn each_answer_of_a_person_is_written() {
        let mut throttle = Throttle::default();
        let consent = |result: &str| AuditLine { event: Event::Consent, ..of_socket(0, result, "dev") };
        for result in [ALLOWED, REFUSED] {
            assert!((0..100).all(|_| is_written(&mut throttle, &consent(result), 0)), "{result}");
        }
        // Nobody has answered: the far end can cause as many as it likes.
        assert_eq!((0..100).filter(|_| is_written(&mut throttle, &consent("unanswered"), 0)).count(), 1);
    }

    #[test]
    fn own_callers_are_not_limited() {
        let mut throttle = Throttle::default();
        let line =
            AuditLine { name: Some("dev".to_owned()), ..AuditLine::new(at(0).wall, Event::Get).result("config") };
        assert!((0..1000).all(|_| is_written(&mut throttle, &line, 0)));
        assert!(throttle.counts(at(9999), false).is_empty());
    }

    #[test]
    fn the_last_call_ends_every_hour() {
        let mut throttle = Throttle::default();
        let written = [100, 101].map(|second| is_written(&mut throttle, &of_socket(second, "denied", "dev"), second));
        assert_eq!(written, [true, false]);
        assert_eq!(throttle.counts(at(102), true).len(), 1);
        assert!(throttle.counts(at(102), true).is_empty());
    }

    #[test]
    fn an_unwritten_line_does_not_stand_for_others() {
        let mut throttle = Throttle::default();
        assert!(throttle.admits(&session(0, "ASIA1"), Written::Queued, at(0)));
        assert!(throttle.admits(&session(1, "ASIA1"), Written::Queued, at(1)), "the first one was not noted");
    }

    #[test]
    fn queued_line_does_not_stand_for_a_durable_one() {
        let mut throttle = Throttle::default();
        let mut admits = |wanted, noted: Option<Written>| {
            let line = session(0, "ASIA1");
            let is_admitted = throttle.admits(&line, wanted, at(0));
            if let Some(how) = noted {
                throttle.note(&line, how);
            }
            is_admitted
        };
        assert!(admits(Written::Queued, Some(Written::Queued)));
        assert!(!admits(Written::Queued, None));
        assert!(admits(Written::Durable, None), "the writer may have lost it");
        assert!(admits(Written::Durable, Some(Written::Durable)), "the first attempt was not confirmed");
        assert!(!admits(Written::Durable, Some(Written::Queued)));
        assert!(!admits(Written::Durable, None), "a later line in best effort takes nothing back");
    }
}
