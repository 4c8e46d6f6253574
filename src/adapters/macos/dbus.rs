//! Stands for the session bus on systems that have none.

use std::sync::Arc;

/// No bus.
#[derive(Debug, Default)]
pub struct SessionBus;

impl SessionBus {
    /// Makes one.
    pub fn new(_own: Option<String>) -> Arc<Self> {
        Arc::new(Self)
    }

    /// Takes no address.
    #[expect(clippy::unused_self, reason = "Linux has a bus")]
    pub(crate) fn offer(&self, _address: &str) {}

    /// Returns `None`.
    #[expect(clippy::unused_async, reason = "Linux has a bus")]
    pub(crate) async fn usable_address(self: &Arc<Self>) -> Option<String> {
        None
    }
}
