//! The signals that the live screen takes note of, so that a terminal is never left as it was drawn on.
//!
//! A handler only sets a flag and writes a byte into a pipe, which wakes whoever waits for keys. A second signal that ends
//! the program does so at once: the first may have come while the terminal takes no output.

use rolecall_core::domain::error::{Kind, UserError};
use rustix::process::Signal;
use signal_hook::{flag, low_level};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What asks the program to end, each by the name that the shell will see.
const ENDINGS: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

/// What has come.
pub(super) struct Signals {
    endings: Vec<(Signal, Arc<AtomicBool>)>,
    suspend: Arc<AtomicBool>,
    resumed: Arc<AtomicBool>,
    wake: UnixStream,
}

impl Signals {
    /// Takes note of them from now on. Whatever is written to `waker` wakes as well.
    pub(super) fn new(wake: UnixStream, waker: &UnixStream) -> Result<Self, UserError> {
        let set_up = || -> io::Result<Self> {
            wake.set_nonblocking(true)?;
            let flag_of = |signal: Signal| -> io::Result<Arc<AtomicBool>> {
                let is_set = Arc::new(AtomicBool::new(false));
                if ENDINGS.contains(&signal) {
                    flag::register_conditional_default(signal.as_raw(), Arc::clone(&is_set))?;
                }
                flag::register(signal.as_raw(), Arc::clone(&is_set))?;
                low_level::pipe::register(signal.as_raw(), waker.try_clone()?)?;
                Ok(is_set)
            };
            let endings = ENDINGS.iter().map(|signal| Ok((*signal, flag_of(*signal)?))).collect::<io::Result<_>>()?;
            // The screen looks at its size whenever it is drawn; being woken is all that a new size needs.
            flag_of(Signal::WINCH)?;
            Ok(Self { endings, suspend: flag_of(Signal::TSTP)?, resumed: flag_of(Signal::CONT)?, wake })
        };
        set_up().map_err(|e| UserError::new(Kind::Failed, format!("cannot take note of signals: {e}")))
    }

    /// Becomes readable when something has come.
    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Takes the waking away.
    pub(super) fn awake(&mut self) {
        let mut bytes = [0; 64];
        while self.wake.read(&mut bytes).is_ok_and(|read| read > 0) {}
    }

    /// Gives the signal that asks for the end.
    pub(super) fn ending(&self) -> Option<Signal> {
        self.endings.iter().find(|(_, is_set)| is_set.load(Ordering::Relaxed)).map(|(signal, _)| *signal)
    }

    /// Tells whether the program is to be suspended, once for each time.
    pub(super) fn is_suspended(&self) -> bool {
        self.suspend.swap(false, Ordering::Relaxed)
    }

    /// Tells whether it goes on after it was stopped, once for each time.
    pub(super) fn is_resumed(&self) -> bool {
        self.resumed.swap(false, Ordering::Relaxed)
    }
}

/// Does what a signal does to a program that takes no note of it: ends or stops this process.
pub(super) fn obey(signal: Signal) {
    // It cannot fail for these; and if it did, the program goes on, which is right after a stop.
    let _ = low_level::emulate_default_handler(signal.as_raw());
}
