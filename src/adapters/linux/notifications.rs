//! A word on the desktop, by `org.freedesktop.Notifications` on the session bus: one call, at best effort.
//!
//! It knows nothing of what is told. Servers read the body as markup (Desktop Notifications Specification, "Markup"), so a
//! name from a configuration or a path must not be able to be any.

use super::dbus::{Bus, SessionBus};
use rolecall_core::domain::error::printable;
use rolecall_core::domain::question::Notice;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use zbus::zvariant::Value;

/// The port's promise. A server that is started by the call needs a second.
const WHOLE: Duration = Duration::from_secs(5);

/// The longest that is shown of each part; a server cuts anyway, and not always at a good place.
const SUMMARY_MAX: usize = 100;
const BODY_MAX: usize = 400;

/// Shown as long as the server thinks right.
const SERVERS_CHOICE: i32 = -1;

/// Shows a notice, if there is somebody to show it.
pub(crate) async fn show(bus: &Arc<SessionBus>, notice: &Notice) {
    if timeout(WHOLE, send(bus, notice)).await.ok().flatten().is_none() {
        tracing::debug!("there is no desktop to notify");
    }
}

async fn send(bus: &Arc<SessionBus>, notice: &Notice) -> Option<()> {
    const SERVER: &str = "org.freedesktop.Notifications";
    let bus = Bus::session(bus).await?;
    let (summary, body) = (printable(&notice.summary, SUMMARY_MAX), escaped(&printable(&notice.body, BODY_MAX)));
    let (icon, actions) = ("dialog-password", Vec::<&str>::new());
    // Normal: low ones are not shown at all by some desktops, critical ones stay until they are clicked.
    let hints = HashMap::from([("urgency", Value::U8(1))]);
    let call = ("rolecall", 0_u32, icon, &summary, &body, actions, hints, SERVERS_CHOICE);
    bus.connection
        .call_method(Some(SERVER), "/org/freedesktop/Notifications", Some(SERVER), "Notify", &call)
        .await
        .ok()
        .map(drop)
}

/// Makes a text that shows as itself where markup is read.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_markup_is_shown_as_it_is() {
        assert_eq!(escaped("<a href='x'>R&D</a>"), "&lt;a href='x'&gt;R&amp;D&lt;/a&gt;");
    }
}
