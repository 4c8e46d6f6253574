//! The clock that counts the time a machine sleeps.

use rustix::time::ClockId;

/// Time since boot, sleep included.
pub const BOOT_CLOCK: ClockId = ClockId::Boottime;

/// Waits for a time of that clock, also while the machine sleeps.
#[cfg(feature = "tokio")]
pub async fn wait_until(boot: std::time::Duration) -> std::io::Result<()> {
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let at = Timespec { tv_sec: boot.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: boot.subsec_nanos().into() };
    let alarm = Itimerspec { it_interval: never, it_value: at };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &alarm)?;
    #[expect(
        deprecated,
        reason = "its successor is unsafe; its promise holds here: an OwnedFd owns its descriptor and keeps it"
    )]
    let timer = AsyncFd::new(timer)?;
    let _ready = timer.readable().await?;
    Ok(())
}
