//! The time the sandbox lives in.
//!
//! Every rule that knows a time (signatures, sessions, one-time codes, conditions, the Date header) asks this clock, so
//! that a test moves twelve hours ahead without waiting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// A movable clock, shared by all its clones.
#[derive(Clone, Debug)]
pub struct Clock {
    hand: Arc<Mutex<Hand>>,
}

#[derive(Clone, Copy, Debug)]
enum Hand {
    Still(DateTime<Utc>),
    Running { ahead: TimeDelta },
}

impl Clock {
    /// Returns a clock that stands still at an RFC 3339 instant until it is moved.
    pub fn at(instant: &str) -> Self {
        let start = DateTime::parse_from_rfc3339(instant).expect("a clock starts at an RFC 3339 instant").to_utc();
        Self { hand: Arc::new(Mutex::new(Hand::Still(start))) }
    }

    /// Returns a clock that runs with the machine's, which real clients sign with.
    pub fn system() -> Self {
        Self { hand: Arc::new(Mutex::new(Hand::Running { ahead: TimeDelta::zero() })) }
    }

    /// Returns the present.
    pub fn now(&self) -> DateTime<Utc> {
        match *self.hand() {
            Hand::Still(instant) => instant,
            Hand::Running { ahead } => machine() + ahead,
        }
    }

    /// Moves the clock ahead.
    pub fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).expect("a clock moves by less than an age of the world");
        match &mut *self.hand() {
            Hand::Still(instant) => *instant += by,
            Hand::Running { ahead } => *ahead += by,
        }
    }

    /// Moves the clock to an instant, forwards or back.
    pub fn set(&self, to: DateTime<Utc>) {
        match &mut *self.hand() {
            Hand::Still(instant) => *instant = to,
            Hand::Running { ahead } => *ahead = to - machine(),
        }
    }

    fn hand(&self) -> MutexGuard<'_, Hand> {
        self.hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::disallowed_methods, reason = "this is where the machine's clock enters")]
fn machine() -> DateTime<Utc> {
    Utc::now()
}
