//! The system's clocks behind the [`Clock`] port, and waiting that counts the time a machine sleeps.
//!
//! It knows nothing of sessions. The one place that reads the time: everything else is told it, so that tests can move it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rolecall_core::domain::credential::Now;
use rolecall_platform::os::clock::{BOOT_CLOCK, wait_until};
use rolecall_ports::Clock;
use rustix::time::clock_gettime;
use std::time::{Duration, SystemTime};

/// The longest sleep without a look at the boot clock where no timer runs on it: how late a deadline can be noticed after
/// the machine wakes.
const SLICE: Duration = Duration::from_secs(30);

/// The clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    fn boot() -> Duration {
        let time = clock_gettime(BOOT_CLOCK);
        // Neither part is ever negative on a clock that starts at boot.
        Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Now {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
        let wall = DateTime::<Utc>::from(SystemTime::now());
        Now { wall, boot: Self::boot() }
    }

    async fn sleep_until(&self, boot: Duration) {
        loop {
            let Some(left) = boot.checked_sub(Self::boot()).filter(|left| !left.is_zero()) else { return };
            // tokio's timers stand still while the machine sleeps; a timerfd on the boot clock fires on waking.
            if wait_until(boot).await.is_ok() {
                continue;
            }
            tokio::time::sleep(left.min(SLICE)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_ends_at_its_time_and_a_past_one_at_once() {
        let clock = SystemClock;
        let start = clock.now().boot;
        clock.sleep_until(start + Duration::from_millis(30)).await;
        let slept = clock.now().boot.saturating_sub(start);
        assert!(slept >= Duration::from_millis(30), "{slept:?}");

        let again = clock.now().boot;
        clock.sleep_until(Duration::ZERO).await;
        clock.sleep_until(again).await;
        assert!(clock.now().boot.saturating_sub(again) < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn many_sleeps_can_be_given_up() {
        let clock = SystemClock;
        let far = clock.now().boot + Duration::from_hours(1);
        for _ in 0..2000 {
            // More than a process may have open files: each must be closed when its sleep is dropped.
            let given_up = tokio::time::timeout(Duration::ZERO, clock.sleep_until(far)).await;
            assert!(given_up.is_err());
        }
    }
}
