//! Events of the desktop: none are followed yet.

use rolecall_ports::DesktopEvent;
use tokio::sync::mpsc;

/// Sends nothing, and does not return.
pub async fn follow(_address: Option<String>, events: mpsc::Sender<DesktopEvent>) {
    events.closed().await;
    std::future::pending::<()>().await;
}
