//! How soon a call to AWS may start: limits of simultaneous calls, and of the rate of background calls.

use rolecall_platform::panics::Guard;
use rolecall_ports::Clock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// The most calls to STS that background refreshes have under way.
const BACKGROUND_CALLS: usize = 4;

/// The most calls to STS and to sources that callers have under way. STS throttles an account. A call takes a tenth of a
/// second, so that 500 roles at once are served in seconds.
const FOREGROUND_CALLS: usize = 16;

/// The least time between two background calls to STS: three a second.
const BACKGROUND_INTERVAL: Duration = Duration::from_millis(334);

/// For whom a session is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// No caller waits: the rate is limited, and a person is never asked.
    Background,
    /// A caller waits.
    Foreground,
}

/// How soon a refresh may call STS.
pub(super) struct RefreshPriority {
    pub(super) urgency: Urgency,
    /// Notified when a caller starts to wait for a background refresh.
    pub(super) expedite: Arc<Notify>,
}

/// The limits of all calls.
pub(super) struct RateLimit {
    clock: Arc<dyn Clock>,
    foreground: Semaphore,
    background: Semaphore,
    /// When the next background call may start, by the boot clock.
    next_background: Mutex<Duration>,
}

impl RateLimit {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (foreground, background) = (Semaphore::new(FOREGROUND_CALLS), Semaphore::new(BACKGROUND_CALLS));
        Self { clock, foreground, background, next_background: Mutex::default() }
    }

    /// Waits until a call may start, in the order of arrival. A background call that a caller waits for is treated like
    /// the call of a caller. Callers have their own deadlines; the call is made all the same, for the next caller.
    pub(super) async fn admit(&self, priority: &RefreshPriority) -> Option<SemaphorePermit<'_>> {
        if priority.urgency == Urgency::Foreground {
            return self.foreground.acquire().await.ok();
        }
        let turn = async {
            let permit = self.background.acquire().await.ok();
            let now = self.clock.now().boot;
            let slot = {
                let mut next = self.next_background.guard();
                let slot = (*next).max(now);
                *next = slot + BACKGROUND_INTERVAL;
                slot
            };
            if slot > now {
                self.clock.sleep_until(slot).await;
            }
            permit
        };
        tokio::select! {
            permit = turn => permit,
            () = priority.expedite.notified() => self.foreground.acquire().await.ok(),
        }
    }
}
