//! Forgetting: everything at a lock, what an edit has made another meaning, and the sessions of a key that is another now.

use super::{Entries, ServedSession, Sessions, Superseded, Waiting};
use crate::failure::Failure;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::Plan;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// A task that was called off ends within microseconds; one that does not is stuck in a library.
const GONE: Duration = Duration::from_secs(1);

/// Connections that are closed end on threads of their own, which tell nobody; each needs microseconds.
const CLOSING: Duration = Duration::from_millis(5);

/// Flights that were called off, requests that were ended and connections that were cut: a task ends when its thread gets to it, and only then is
/// what it held wiped.
#[must_use = "who says that everything is wiped waits for it first"]
pub(crate) struct CalledOff {
    flights: Vec<Waiting>,
    /// Each closes when the last of its connections or requests is gone.
    others: [watch::Sender<()>; 2],
}

impl CalledOff {
    /// Adds connections and requests, which hold what they carry until they are gone.
    pub(crate) fn and(self, others: [watch::Sender<()>; 2]) -> Self {
        Self { others, ..self }
    }

    /// Waits until the last of them is gone; not for ever, should one of them never yield.
    pub(crate) async fn are_gone(self) {
        let _ = timeout(GONE, async {
            for flight in self.flights {
                drop(flight.outcome().await);
            }
            for others in &self.others {
                others.closed().await;
            }
            sleep(CLOSING).await;
        })
        .await;
    }
}

impl Sessions {
    /// Forgets everything and hands nothing out that is under way.
    pub(crate) fn lock(&self) -> CalledOff {
        self.questions.lock();
        self.notices.lock();
        let (forgotten, strays) = {
            let mut entries = self.entries();
            entries.locks += 1;
            entries.opened = None;
            (std::mem::take(&mut entries.map), std::mem::take(&mut entries.strays))
        };
        let flights = forgotten.into_values().filter_map(|entry| entry.flight.map(|f| (f.task, f.outcome)));
        let called_off = flights.chain(strays.into_iter().map(|stray| (stray.task, stray.outcome)));
        let called_off = called_off.map(|(task, outcome)| {
            task.abort();
            Waiting { outcome }
        });
        CalledOff { flights: called_off.collect(), others: Default::default() }
    }

    /// Fails when everything has been forgotten since a session was chosen, which stays where it is.
    pub(crate) fn check(&self, given: &ServedSession) -> Result<(), Failure> {
        self.called_off_since(given.locks)
    }

    /// Does the same for good: who waits is told that the agent ends.
    pub(crate) fn end(&self) -> CalledOff {
        self.entries().is_ending = true;
        self.lock()
    }

    /// Takes a new configuration over: what means the same keeps its session.
    pub(crate) fn retain(&self, aws: &Arc<AwsSettings>, plan_of: impl Fn(&Name) -> Option<Plan>) {
        let mut entries = self.entries();
        let Entries { map, strays, aws: used, .. } = &mut *entries;
        let moved = used != aws;
        *used = Arc::clone(aws);
        map.retain(|key, entry| {
            entry.names.retain(|name| plan_of(name).is_some_and(|plan| plan.keys.contains(key)));
            // A failure may be what the edit has mended.
            entry.retry_at = Duration::ZERO;
            entry.failure = None;
            let keep = !moved && !entry.names.is_empty();
            // Who waits for it asked before the edit, and is answered; but a lock must still find it.
            if let Some(flight) = entry.flight.as_ref().filter(|_| !keep) {
                let (task, outcome) = (flight.task.clone(), flight.outcome.clone());
                strays.push(Superseded { identity: key.identity().clone(), task, outcome });
            }
            keep
        });
    }

    /// Forgets the sessions of one identity, as its key is another now.
    pub(crate) fn forget(&self, identity: &Name) {
        let mut entries = self.entries();
        entries.map.retain(|key, entry| {
            let keep = key.identity() != identity;
            if let Some(flight) = entry.flight.as_ref().filter(|_| !keep) {
                flight.task.abort();
            }
            keep
        });
        entries.strays.iter().filter(|stray| stray.identity == *identity).for_each(|stray| stray.task.abort());
    }
}
