//! What can be seen of the sessions without using them.

use super::Sessions;
use crate::flight::Held;
use rolecall_core::domain::plan::SessionKey;
use rolecall_core::domain::report::Report;
use std::sync::Arc;
use std::time::Duration;

/// What `status` shows of one session.
pub(crate) struct Glance {
    pub(crate) held: Option<Arc<Held>>,
    pub(crate) failure: Option<Report>,
    pub(crate) last_used: Option<Duration>,
}

impl Sessions {
    /// Gives what `status` shows of one session.
    pub(crate) fn glance(&self, key: &SessionKey) -> Option<Glance> {
        let entries = self.entries();
        let entry = entries.map.get(key)?;
        Some(Glance {
            held: entry.held.clone(),
            failure: entry.failure.as_ref().map(|f| f.report.clone()),
            last_used: entry.last_used,
        })
    }

    /// Notes that the vault is open.
    pub(crate) fn note_open(&self) {
        let now = self.ports.clock.now().boot;
        self.entries().opened.get_or_insert(now);
    }

    /// Returns since when a session or the vault has been open, by the boot clock; `None` after a lock.
    pub(crate) fn opened_since(&self) -> Option<Duration> {
        self.entries().opened
    }
}
