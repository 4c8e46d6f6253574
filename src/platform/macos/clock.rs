//! The clock that counts the time a machine sleeps.

use rustix::time::ClockId;

/// Time since boot, sleep included: this one counts it, or is the nearest.
pub const BOOT_CLOCK: ClockId = ClockId::Monotonic;

/// Fails: no timer runs on that clock.
#[cfg(feature = "tokio")]
pub async fn wait_until(_boot: std::time::Duration) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
