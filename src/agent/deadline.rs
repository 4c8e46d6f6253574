//! How long a caller can wait: one budget for all of its request, whoever is asked in it and however often.
//!
//! The client ends a request after 60 seconds, and says then that the agent is stuck; so what needs a person twice (consent,
//! then a code) has to end before that, with its reason.

use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// All of a request that asks nobody, however long its chain.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// The same while a person is being asked: SDKs give up between 5 and 60 seconds, and leave us running.
pub(super) const PERSON_DEADLINE: Duration = Duration::from_secs(55);

/// A caller's patience, from its arrival on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    arrived: Instant,
}

/// Whom a caller has waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeadlineExceeded {
    /// A person.
    Person,
    /// What needs none.
    Machine,
}

impl Deadline {
    /// Begins now.
    pub(super) fn new() -> Self {
        Self { arrived: Instant::now() }
    }

    fn left(self) -> Duration {
        PERSON_DEADLINE.saturating_sub(self.arrived.elapsed())
    }

    /// Waits for a person; `None` when the patience is at its end.
    pub(super) async fn with_a_person<T>(self, work: impl Future<Output = T>) -> Option<T> {
        timeout(self.left(), work).await.ok()
    }

    /// Waits for what may come to ask a person: for that as long as there is patience, else for the usual time.
    pub(super) async fn with<T>(
        self,
        work: impl Future<Output = T>,
        is_person_asked: impl Fn() -> bool,
    ) -> Result<T, DeadlineExceeded> {
        let mut work = pin!(work);
        if let Ok(done) = timeout(DEADLINE.min(self.left()), &mut work).await {
            return Ok(done);
        }
        if !is_person_asked() {
            return Err(DeadlineExceeded::Machine);
        }
        timeout(self.left(), work).await.map_err(|_| DeadlineExceeded::Person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    /// A caller that arrived a while ago.
    fn since(seconds: u64) -> Deadline {
        let arrived = Instant::now().checked_sub(Duration::from_secs(seconds)).expect("the machine is up so long");
        Deadline { arrived }
    }

    #[test]
    fn consent_and_a_code_share_one_budget_below_the_clients_deadline() {
        assert!(Deadline::new().left() > Duration::from_secs(54));
        let after_consent = since(50).left();
        assert!(after_consent <= Duration::from_secs(5) && after_consent > Duration::from_secs(3), "{after_consent:?}");
        assert_eq!(since(56).left(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_caller_whose_time_is_over_waits_for_nobody_and_is_told_for_whom_it_did() {
        let over = since(55);
        assert_eq!(over.with_a_person(pending::<()>()).await, None);
        assert_eq!(over.with(pending::<()>(), || true).await, Err(DeadlineExceeded::Person));
        assert_eq!(over.with(pending::<()>(), || false).await, Err(DeadlineExceeded::Machine));
        assert_eq!(over.with(ready(1), || true).await, Ok(1), "what is there is handed out all the same");
    }
}
