//! Requests that hold secrets and are no refresh: a lock ends their calls, and returns when they have let go.
//!
//! A refresh belongs to `sessions`, which ends its task. A sign-in to the console, a key that goes back to its file, a key
//! or TOTP secret that is tried, a rotation and a diagnosis run in the task of their connection. Each takes a watch before
//! the first secret is read, runs what takes long through it, and checks it before anything is stored or returned.

use super::failure::Failure;
use rolecall_platform::panics::Guard;
use std::sync::Mutex;
use tokio::sync::watch;

/// Ends what watches it.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<watch::Sender<()>>);

impl Locks {
    /// Watches for the next lock.
    pub(super) fn watch(&self) -> LockWatch {
        LockWatch(self.0.guard().subscribe())
    }

    /// Ends what watches. The sender that is returned closes when the last of these requests has let go.
    pub(super) fn lock(&self) -> watch::Sender<()> {
        let ended = std::mem::take(&mut *self.0.guard());
        ended.send_replace(());
        ended
    }
}

/// A lock that has come since, or has not. While one is held, a lock waits.
#[must_use = "a lock is noticed by whoever asks"]
pub(super) struct LockWatch(watch::Receiver<()>);

impl LockWatch {
    /// Does work; a lock drops it where it stands. Work that is done counts as done, also in the moment of a lock.
    ///
    /// Errors: a lock has come.
    pub(super) async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.locked() => Err(Failure::locked()),
        }
    }

    /// Returns when a lock has come.
    pub(super) async fn locked(&self) {
        // A copy: a lock that it has seen must be seen by `check` as well.
        let _ = self.0.clone().changed().await;
    }

    /// Errors: a lock has come.
    pub(super) fn check(&self) -> Result<(), Failure> {
        // A sender that is gone has sent before.
        if self.0.has_changed().unwrap_or(true) { Err(Failure::locked()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    #[tokio::test]
    async fn lock_ends_what_watched_before_and_nothing_after() {
        let locks = Locks::default();
        let before = locks.watch();
        assert_eq!(before.run(async { 1 }).await.expect("no lock yet"), 1);
        let ended = locks.lock();
        let after = locks.watch();
        assert!(before.check().is_err());
        assert!(before.run(pending::<()>()).await.is_err());
        assert!(before.run(async {}).await.is_ok() && before.check().is_err(), "what is done is done");
        assert_eq!(after.run(async { 2 }).await.expect("a later one"), 2);
        assert!(!ended.is_closed());
        drop(before);
        ended.closed().await;
    }
}
