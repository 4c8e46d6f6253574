//! A connection to a D-Bus, driven by the threads that we have, where zbus would start one for each.

use crate::blocking::STATE;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::Builder;
use zbus::{Address, Connection};

/// An answer takes a millisecond; a bus that needs longer is given up.
const ANSWER: Duration = Duration::from_secs(4);

/// An open connection; closed when dropped.
pub(super) struct Bus {
    pub(super) connection: Connection,
    ticking: JoinHandle<()>,
}

impl Bus {
    /// Connects; `None` where there is no bus or none that answers.
    pub(super) async fn connect(address: zbus::Result<Address>) -> Option<Self> {
        let address = address.ok()?;
        // A machine without a bus is not to pay for the attempt.
        if let Transport::Unix(unix) = address.transport()
            && let UnixSocket::File(path) = unix.path()
            && !exists(path).await
        {
            return None;
        }
        let builder = Builder::address(address).ok()?.internal_executor(false).method_timeout(ANSWER);
        let connection = timeout(ANSWER, builder.build()).await.ok()?.ok()?;
        let executor = connection.executor().clone();
        let ticking = tokio::spawn(async move {
            loop {
                executor.tick().await;
            }
        });
        Some(Self { connection, ticking })
    }
}

/// Returns whether there is something at a path; nothing is there where its file system does not answer.
async fn exists(path: &Path) -> bool {
    let path = path.to_path_buf();
    STATE.run(path.display().to_string(), ANSWER, move || path.exists()).await.unwrap_or(false)
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}
