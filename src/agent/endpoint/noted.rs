//! How many refusals of tokens are written down: each, as long as they are no flood. Whoever sends them must not be able to
//! push the rest out of the audit log.

use std::time::Duration;

/// A shell with a dead token is asked for credentials by each of its commands; more in a minute than this is a loop.
const NOTED: u32 = 60;
const MINUTE: Duration = Duration::from_mins(1);

/// What was refused in the minute that began then, by the boot-time clock.
#[derive(Debug, Default)]
pub(super) struct Noted {
    began: Duration,
    refused: u32,
}

impl Noted {
    /// Counts one more; tells whether it is written down, and how many before it were not.
    pub(super) fn one_more(&mut self, now: Duration) -> Option<u32> {
        let mut unsaid = 0;
        if now.saturating_sub(self.began) >= MINUTE {
            unsaid = self.refused.saturating_sub(NOTED);
            *self = Self { began: now, refused: 0 };
        }
        self.refused += 1;
        (self.refused <= NOTED).then_some(unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_in_a_minute_are_written_down_and_the_next_minute_says_how_many_were_not() {
        let mut noted = Noted::default();
        let written = (0..1000).filter(|_| noted.one_more(Duration::from_secs(100)).is_some()).count();
        assert_eq!(written, 60);
        assert_eq!(noted.one_more(Duration::from_secs(160)), Some(940));
        assert_eq!(noted.one_more(Duration::from_secs(161)), Some(0));
    }
}
