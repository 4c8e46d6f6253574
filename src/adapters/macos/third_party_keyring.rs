//! The keyring entries of other tools: none are read yet.

use super::dbus::SessionBus;
use rolecall_ports::ForeignKeys;
use std::sync::Arc;

/// No entries.
pub(crate) struct ThirdPartyKeyrings;

impl ThirdPartyKeyrings {
    /// Makes one.
    pub(crate) fn new(_bus: Arc<SessionBus>) -> Self {
        Self
    }

    /// Returns `None`.
    #[expect(clippy::unused_self, reason = "Linux has entries")]
    pub(crate) fn as_port(&self) -> Option<&dyn ForeignKeys> {
        None
    }
}
