//! Pauses between attempts that double up to a limit.

use std::time::Duration;

/// The pauses of one series of attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, next: min }
    }

    /// Returns the next pause.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        pause
    }

    /// Starts again with the shortest pause.
    pub(super) fn reset(&mut self) {
        self.next = self.min;
    }

    /// Returns whether no attempt has failed since the last success.
    pub(super) fn is_reset(&self) -> bool {
        self.next == self.min
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_until_a_reset() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(3));
        assert!(backoff.is_reset());
        assert_eq!([1, 2, 3, 3].map(Duration::from_secs), std::array::from_fn(|_| backoff.pause()));
        backoff.reset();
        assert_eq!(backoff.pause(), Duration::from_secs(1));
        assert!(!backoff.is_reset());
    }
}
