//! A gate: requests arrive, are counted, and wait until they are let through.
//!
//! It lets a test prove that so many callers cause so many requests, without waiting for a time to pass.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::fault::Match;

/// How long a test waits for arrivals before it fails: far longer than any machine needs.
const PATIENCE: Duration = Duration::from_mins(5);

/// Holds requests back until it is released or dropped.
#[derive(Debug)]
pub struct Hold {
    gate: Arc<Gate>,
}

#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) when: Match,
    /// Counted twice, for those who wait on a thread and those who wait in a task.
    arrived: Mutex<usize>,
    arrival: Condvar,
    arrivals: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    pub(crate) fn new(when: Match) -> Arc<Self> {
        Arc::new(Self {
            when,
            arrived: Mutex::new(0),
            arrival: Condvar::new(),
            arrivals: watch::Sender::new(0),
            open: watch::Sender::new(false),
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Counts a request and waits until the gate is open.
    pub(crate) async fn pass(&self) {
        let mut opening = self.open.subscribe();
        *self.arrived.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.arrival.notify_all();
        self.arrivals.send_modify(|count| *count += 1);
        // A gate that is gone is open.
        let _ = opening.wait_for(|open| *open).await;
    }
}

impl Hold {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    /// Returns how many requests have arrived.
    pub fn arrived(&self) -> usize {
        *self.gate.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many requests have arrived; panics after five minutes.
    pub fn wait_for_arrivals(&self, wanted: usize) {
        let arrived = self.gate.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.gate.arrival.wait_timeout_while(arrived, PATIENCE, |arrived| *arrived < wanted);
        let (arrived, timeout) = outcome.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{wanted} requests should have arrived, {} did", *arrived);
    }

    /// Waits in a task until so many requests have arrived; panics after five minutes.
    pub async fn arrivals(&self, wanted: usize) {
        let mut arrivals = self.gate.arrivals.subscribe();
        let arrived = tokio::time::timeout(PATIENCE, arrivals.wait_for(|arrived| *arrived >= wanted)).await;
        assert!(arrived.is_ok(), "{wanted} requests should have arrived, {} did", self.arrived());
    }

    /// Lets everything through, now and from now on.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.gate.open.send_replace(true);
    }
}
