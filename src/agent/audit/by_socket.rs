//! What the log is told of requests by an extra socket. Its other end may ask as often as it likes, and must not be able to
//! push the rest out of the log by that: not by what is refused, and not by what is served.
//!
//! In an hour each thing is told once, and what comes again is counted; the count is told when the hour is over. A session
//! that is handed out is always told: there are no more of them than AWS has issued.

use super::{Event, Line};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, HashSet};

/// How long something counts as told.
const PERIOD: TimeDelta = TimeDelta::hours(1);

/// Different failures and refusals that are told in an hour, as the other end may think up names: a person who looks for
/// the reason needs a few, and the log's 30 MB last for weeks.
const FAILURES_TOLD: usize = 60;

/// What makes a line news.
type News = (Event, String, Option<String>, Option<String>);

/// What each socket's requests have come to.
#[derive(Debug, Default)]
pub(super) struct BySocket(BTreeMap<String, Told>);

/// What was told of one socket's in the hour that began then.
#[derive(Debug)]
struct Told {
    began: DateTime<Utc>,
    news: HashSet<News>,
    failures: usize,
    untold: u64,
    /// The last one that was not told.
    last: Option<Line>,
}

impl BySocket {
    /// Tells whether a line is written, and which counts before it.
    pub(super) fn sift(&mut self, line: &Line) -> (Vec<Line>, bool) {
        let is_over = |told: &Told| {
            let age = line.time - told.began;
            // A clock that was set back must not keep an hour from ending.
            age >= PERIOD || age < TimeDelta::zero() || line.event == Event::Stop
        };
        let over: Vec<String> = self.0.iter().filter(|(_, told)| is_over(told)).map(|(name, _)| name.clone()).collect();
        let counts = over.iter().filter_map(|name| self.0.remove(name)?.count(name, line.time)).collect();
        let is_told = match line.caller.as_ref().and_then(|caller| caller.socket.as_ref()) {
            None => true,
            Some(socket) => self.0.entry(socket.clone()).or_insert_with(|| Told::from(line.time)).is_told(line),
        };
        (counts, is_told)
    }
}

impl Told {
    fn from(began: DateTime<Utc>) -> Self {
        Self { began, news: HashSet::new(), failures: 0, untold: 0, last: None }
    }

    fn is_told(&mut self, line: &Line) -> bool {
        let news = (line.event, line.result.clone(), line.name.clone(), line.access_key_id.clone());
        let is_failure = line.result != "ok";
        let is_told = !self.news.contains(&news) && (!is_failure || self.failures < FAILURES_TOLD);
        if is_told {
            self.news.insert(news);
            self.failures += usize::from(is_failure);
        } else {
            self.untold += 1;
            self.last = Some(line.clone());
        }
        is_told
    }

    /// Gives the line that says how many were not told.
    fn count(self, socket: &str, now: DateTime<Utc>) -> Option<Line> {
        let last = self.last?;
        let mut line = Line::new(now, last.event, "repeated");
        line.message = Some(format!(
            "{} more requests by the socket `{socket}` since {} were as those that are told, or too many; the last at {}",
            self.untold,
            self.began.format("%H:%M:%SZ"),
            last.time.format("%H:%M:%SZ"),
        ));
        line.caller = last.caller;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::caller::Caller;

    fn line(second: i64, result: &str, name: &str) -> Line {
        let time = DateTime::from_timestamp(1_795_305_600 + second, 0).expect("in range");
        let caller = Some(Caller { socket: Some("vm".to_owned()), ..Caller::default() });
        Line { name: Some(name.to_owned()), caller, ..Line::new(time, Event::Get, result) }
    }

    fn session(second: i64, key: &str) -> Line {
        Line { access_key_id: Some(key.to_owned()), ..line(second, "ok", "dev") }
    }

    #[test]
    fn what_is_the_same_is_told_once_an_hour_with_how_often_it_was_and_other_names_sixty_times() {
        let mut sockets = BySocket::default();
        let mut told = |line: Line| sockets.sift(&line);
        assert!(told(session(0, "ASIA1")).1);
        for second in 1..1000 {
            let (counts, is_told) = told(session(second, "ASIA1"));
            assert!(counts.is_empty() && !is_told);
        }
        let failures = (0..1000).filter(|at| told(line(1000, "out-of-reach", &format!("name{at}"))).1).count();
        assert_eq!(failures, FAILURES_TOLD);
        assert!(told(session(1001, "ASIA2")).1, "a flood hides no session");
        let (counts, is_told) = told(line(3600, "denied", "dev"));
        assert!(is_told, "another hour");
        let [count] = counts.as_slice() else { panic!("one count: {counts:?}") };
        assert_eq!(count.result, "repeated");
        let said = count.message.as_deref().unwrap_or_default();
        assert!(said.starts_with("1939 more requests by the socket `vm` since 00:00:00Z"), "{said}");
        assert!(count.caller.is_some());
    }

    #[test]
    fn the_end_tells_what_was_counted_and_a_clock_that_goes_back_hides_nothing() {
        let mut sockets = BySocket::default();
        assert_eq!([100, 101].map(|at| sockets.sift(&line(at, "denied", "dev")).1), [true, false]);
        let (counts, is_told) = sockets.sift(&line(50, "denied", "dev"));
        assert_eq!((counts.len(), is_told), (1, true));
        assert!(!sockets.sift(&line(51, "denied", "dev")).1);
        let stop = Line::new(line(52, "", "").time, Event::Stop, "ok");
        let (counts, is_told) = sockets.sift(&stop);
        assert_eq!((counts.len(), is_told), (1, true));
    }
}
