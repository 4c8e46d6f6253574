//! What can be seen of the sessions without using them.

use super::Sessions;
use crate::refresh::CachedCredentials;
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::plan::SessionKey;
use std::sync::Arc;
use std::time::Duration;

/// What `status` shows of one session.
pub(crate) struct SessionPeek {
    pub(crate) held: Option<Arc<CachedCredentials>>,
    pub(crate) failure: Option<UserError>,
    pub(crate) last_used: Option<Duration>,
}

impl Sessions {
    /// Gives what `status` shows of one session.
    pub(crate) fn glance(&self, key: &SessionKey) -> Option<SessionPeek> {
        let entries = self.entries();
        let entry = entries.map.get(key)?;
        Some(SessionPeek {
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
