//! Stands for the session bus on systems that have none.

use std::sync::Arc;

/// No bus.
#[derive(Debug, Default)]
pub struct SessionBus;

impl SessionBus {
    /// Takes nothing.
    pub fn new(_own: Option<String>) -> Arc<Self> {
        Arc::new(Self)
    }

    /// Takes note of nothing.
    #[expect(clippy::unused_self, reason = "Linux has a bus")]
    pub(super) fn offer(&self, _address: &str) {}

    /// Has no address.
    #[expect(clippy::unused_self, reason = "Linux has a bus")]
    pub fn address(&self) -> Option<String> {
        None
    }
}
