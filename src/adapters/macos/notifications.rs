//! Notifications: none are shown yet.

use super::dbus::SessionBus;
use rolecall_core::domain::question::Notice;
use std::sync::Arc;

/// Shows nothing.
#[expect(clippy::unused_async, reason = "Linux has a bus")]
pub(crate) async fn show(_bus: &Arc<SessionBus>, _notice: &Notice) {}
