//! What a panic prints: one line with the place in the source, and nothing else. The message and a backtrace may quote a
//! secret, and `RUST_BACKTRACE` belongs to the caller. And how a lock is taken that a panic has poisoned.

use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, also after a panic of a task that held it: a panic costs one request, not all later ones. So no code under
/// such a lock may panic half way through a change.
pub trait Guard<T> {
    /// Takes the lock.
    fn guard(&self) -> MutexGuard<'_, T>;
}

impl<T> Guard<T> for Mutex<T> {
    fn guard(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the place of a panic as `FILE:LINE`.
pub fn place(info: &PanicHookInfo<'_>) -> String {
    info.location().map_or_else(|| "an unknown place".to_owned(), |at| format!("{}:{}", at.file(), at.line()))
}

/// Ends the process with exit code 1 at its first panic, without unwinding.
///
/// For programs that serve one person with one command: no other caller loses anything. Not by `abort`, which dumps core.
pub fn end_the_process() {
    panic::set_hook(Box::new(|info| {
        let place = place(info);
        let _ = writeln!(
            io::stderr(),
            "rolecall: internal error at {place}\nhint: report it with the command and `rolecall --version`"
        );
        #[expect(clippy::disallowed_methods, clippy::exit, reason = "nothing is left that could return an exit code")]
        std::process::exit(1);
    }));
}
