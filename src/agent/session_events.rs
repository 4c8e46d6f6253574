//! What the agent does when the screen is locked, and around a machine's sleep.
//!
//! It knows nobody that tells such things. An event that the configuration does not name changes nothing, except that
//! waking up is always looked at: sessions and the idle time may have run out meanwhile.

use super::Agent;
use rolecall_core::domain::catalogue::LockEvent;
use rolecall_ports::DesktopEvent;
use tokio::sync::mpsc;

/// Does what each event asks for. Never returns.
pub(super) async fn follow(agent: &Agent, events: &mut mpsc::Receiver<DesktopEvent>) {
    while let Some(event) = events.recv().await {
        match event {
            DesktopEvent::ScreenLocked => agent.lock_on(LockEvent::ScreenLock, "screen locked").await,
            DesktopEvent::Sleep(wiped) => {
                agent.lock_on(LockEvent::Sleep, "going to sleep").await;
                // Who waited for it may have gone to sleep already.
                let _ = wiped.send(());
            }
            DesktopEvent::Wake => {
                agent.lock_if_over();
                agent.sessions.changed.notify_one();
            }
        }
    }
    // Nobody tells anything on this system.
    std::future::pending::<()>().await;
}

impl Agent {
    async fn lock_on(&self, event: LockEvent, reason: &str) {
        if self.configuration.catalogue().agent.lock_on.contains(&event) {
            self.lock(reason, None).are_gone().await;
        }
    }
}
