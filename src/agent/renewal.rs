//! Renewal ahead: what is in use is renewed before anybody waits, a few calls at a time, and without asking anybody.

use super::sessions::Sessions;
use rolecall_core::domain::credential::{FLOOR, renewal_at};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, SemaphorePermit};

/// Roles asked for within this time are renewed before anybody waits; others lapse.
pub(super) const IN_USE: Duration = Duration::from_mins(30);

/// The most calls to STS that background renewals have under way.
pub(super) const BACKGROUND_FLIGHTS: usize = 4;

/// The most calls to STS, and to sources, that callers have under way. STS throttles an account; a call takes a tenth of a
/// second, so that 500 roles at once are served in seconds.
pub(super) const FOREGROUND_FLIGHTS: usize = 16;

/// The least time between two background calls to STS: three a second.
const BACKGROUND_PACE: Duration = Duration::from_millis(334);

/// Who wants a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Nobody waits: it is paced, and a person is never asked.
    Background,
    /// A caller waits.
    Foreground,
}

/// How soon a flight may call STS.
pub(super) struct RefreshPriority {
    /// Who wants it.
    pub(super) urgency: Urgency,
    /// Told when a caller has come to wait for a background flight.
    pub(super) hurry: Arc<Notify>,
}

impl Sessions {
    /// Waits for a call's turn, in the order of arrival. A background call that a caller has come to wait for takes its turn
    /// among the callers. Callers have deadlines of their own; the call is made all the same, for the next one.
    pub(super) async fn rate_limit(&self, pace: &RefreshPriority) -> Option<SemaphorePermit<'_>> {
        if pace.urgency == Urgency::Foreground {
            return self.foreground.acquire().await.ok();
        }
        let turn = async {
            let permit = self.background.acquire().await.ok();
            let now = self.ports.clock.now().boot;
            let slot = {
                let mut entries = self.entries();
                let slot = entries.next_background.max(now);
                entries.next_background = slot + BACKGROUND_PACE;
                slot
            };
            if slot > now {
                self.ports.clock.sleep_until(slot).await;
            }
            permit
        };
        tokio::select! {
            permit = turn => permit,
            () = pace.hurry.notified() => self.foreground.acquire().await.ok(),
        }
    }

    /// Starts what is due and tells when to look again, by the boot-time clock.
    pub(super) fn refresh(self: &Arc<Self>) -> Duration {
        const LOOK_AGAIN: Duration = Duration::from_mins(1);
        let now = self.ports.clock.now();
        let mut entries = self.entries();
        let mut next = now.boot + LOOK_AGAIN;
        let mut due = Vec::new();
        entries.map.retain(|_, entry| {
            entry.drop_dead(now);
            entry.flight.is_some() || entry.is_of_use(now)
        });
        for entry in entries.map.values() {
            let (Some(held), Some((plan, at))) = (&entry.held, &entry.plan) else { continue };
            let in_use = entry.last_used.is_some_and(|used| now.boot.saturating_sub(used) <= IN_USE);
            // A step that needs a code is for a person to renew; background work never asks.
            if !in_use || entry.flight.is_some() || plan.keys[*at].step().mfa_serial().is_some() {
                continue;
            }
            let at_left = renewal_at(held.lifetime.life, entry.floor.max(FLOOR), held.jitter);
            let wait = held.lifetime.left(now).saturating_sub(at_left);
            let when = (now.boot + wait).max(entry.retry_at);
            if when <= now.boot {
                due.push((Arc::clone(plan), *at));
            } else {
                next = next.min(when);
            }
        }
        for (plan, at) in due {
            self.join_or_start(&mut entries, &plan, at, Urgency::Background, None);
        }
        next
    }
}
