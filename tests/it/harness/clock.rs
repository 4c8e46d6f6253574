//! A clock for the agent that moves with the sandbox's, and only when a test moves it.

use async_trait::async_trait;
use rolecall::domain::credential::Now;
use rolecall::ports::Clock;
use std::time::Duration;
use tokio::sync::watch;

/// Both clocks of a machine, moved by hand.
pub(crate) struct TestClock {
    wall: rolecall_sandbox::Clock,
    boot: watch::Sender<Duration>,
}

impl TestClock {
    pub(crate) fn new(wall: rolecall_sandbox::Clock) -> Self {
        Self { wall, boot: watch::Sender::new(Duration::from_secs(1000)) }
    }

    /// Lets time pass on every clock there is.
    pub(crate) fn advance(&self, by: Duration) {
        self.wall.advance(by);
        self.boot.send_modify(|boot| *boot += by);
    }

    /// Lets time pass for the agent's machine alone, as a sleep that AWS does not know of would.
    pub(crate) fn advance_boot(&self, by: Duration) {
        self.boot.send_modify(|boot| *boot += by);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Now {
        Now { wall: self.wall.now(), boot: *self.boot.borrow() }
    }

    async fn sleep_until(&self, boot: Duration) {
        let mut moved = self.boot.subscribe();
        // The sender lives as long as the clock, and the clock as long as whoever sleeps by it.
        let _ = moved.wait_for(|now| *now >= boot).await;
    }
}
