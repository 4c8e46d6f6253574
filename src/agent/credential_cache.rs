//! The cache of the sessions: one entry for each key of a plan, with its session, its refresh and its last failure.
//!
//! It contains no rule about when a session is refreshed; see `refresher`. A lock, an edit of the configuration or a changed
//! key removes entries. Their refreshes are cancelled or end without an entry, and nothing chosen before a lock is returned
//! after it.

use super::audit::AuditLine;
use super::credentials::{CachedCredentials, Outcome};
use super::failure::Failure;
use super::rate_limit::Urgency;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{Freshness, Now};
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::{Plan, SessionKey};
use rolecall_platform::panics::Guard;
use rolecall_ports::Clock;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// Roles that were requested within this time are refreshed before a caller waits; others expire.
pub(super) const IN_USE: Duration = Duration::from_mins(30);

/// A cancelled task ends within microseconds; one that does not is stuck in a library.
const GONE: Duration = Duration::from_secs(1);

/// Closed connections end on threads of their own and report no end; each needs microseconds.
const CLOSING: Duration = Duration::from_millis(5);

/// The entry of one key, that is of one identity and one series of calls.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) held: Option<Arc<CachedCredentials>>,
    pub(super) refresh: Option<Refresh>,
    pub(super) failure: Option<Failure>,
    pub(super) failures: u32,
    /// No background refresh starts before this time, and a permanent `failure` is answered until then.
    pub(super) retry_at: Duration,
    pub(super) last_used: Option<Duration>,
    /// The least time that a served session must have left: the most that any caller has required.
    pub(super) floor: Duration,
    /// The plan of the session and its step, for a refresh.
    pub(super) plan: Option<(Arc<Plan>, usize)>,
    names: BTreeSet<Name>,
}

pub(super) struct Refresh {
    pub(super) id: u64,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
    pub(super) urgency: Urgency,
    pub(super) expedite: Arc<Notify>,
    pub(super) task: AbortHandle,
}

/// All sessions.
pub(super) struct CredentialCache {
    clock: Arc<dyn Clock>,
    entries: Mutex<Entries>,
    /// Wakes the task that refreshes sessions when its next time may have changed.
    pub(super) changed: Notify,
}

#[derive(Default)]
pub(super) struct Entries {
    pub(super) map: HashMap<SessionKey, Entry>,
    pub(super) refreshes: u64,
    /// Refreshes that no entry has any more, after an edit or a code; callers may still wait for them.
    pub(super) superseded: Vec<Superseded>,
    /// The number of locks: a session that was requested before one is not returned after it.
    pub(super) locks: u64,
    /// Whether the agent ends, which waiting callers are told.
    is_ending: bool,
    /// Since when a session or the vault has been open, by the boot clock.
    pub(super) opened: Option<Duration>,
    pub(super) aws: Arc<AwsSettings>,
}

pub(super) struct Superseded {
    pub(super) identity: Name,
    pub(super) task: AbortHandle,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

/// A running refresh that a caller waits for.
pub(super) struct Waiting {
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

/// A session for a caller.
pub(super) struct ServedSession {
    /// The session.
    pub(super) held: Arc<CachedCredentials>,
    /// Whether it was in the cache.
    pub(super) cached: bool,
    /// The number of locks when it was requested.
    pub(super) locks: u64,
}

impl ServedSession {
    /// Adds the session to the audit line of its hand-out.
    pub(super) fn log(&self, line: AuditLine) -> AuditLine {
        let CachedCredentials { arn, access_key_id, lifetime, .. } = &*self.held;
        AuditLine { cached: Some(self.cached), ..line.session(arn.clone(), access_key_id, lifetime.expiration) }
    }
}

/// What `status` shows of one session.
pub(super) struct SessionPeek {
    pub(super) held: Option<Arc<CachedCredentials>>,
    pub(super) failure: Option<UserError>,
    pub(super) last_used: Option<Duration>,
}

/// Refreshes that were cancelled, and requests and connections that were ended by a lock. Each is wiped when its task ends,
/// which happens when its thread runs it the next time.
#[must_use = "only after waiting for it is everything wiped"]
pub(super) struct CalledOff {
    refreshes: Vec<Waiting>,
    /// Closes when the last request or connection that has a secret is gone.
    requests: Option<watch::Sender<()>>,
}

impl CalledOff {
    /// Adds requests and connections, which hold their secrets until they are gone.
    pub(super) fn and(self, requests: watch::Sender<()>) -> Self {
        Self { requests: Some(requests), ..self }
    }

    /// Waits until the last of them is gone, for at most a second: one of them may never yield.
    pub(super) async fn are_gone(self) {
        let _ = timeout(GONE, async {
            for refresh in self.refreshes {
                drop(refresh.outcome().await);
            }
            if let Some(requests) = &self.requests {
                requests.closed().await;
            }
            sleep(CLOSING).await;
        })
        .await;
    }
}

impl CredentialCache {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, entries: Mutex::default(), changed: Notify::new() }
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        // No code under this lock can panic half way through a change, so a poisoned lock still guards whole entries.
        self.entries.guard()
    }

    /// Returns the session, unless a lock has come since it was requested.
    pub(super) fn still_holds(&self, given: ServedSession) -> Result<ServedSession, Failure> {
        self.called_off_since(given.locks).map(|()| given)
    }

    /// Fails if a lock has come since there were so many.
    pub(super) fn called_off_since(&self, locks: u64) -> Result<(), Failure> {
        let entries = self.entries();
        match entries.locks == locks {
            true => Ok(()),
            false if entries.is_ending => Err(Failure::ending()),
            false => Err(Failure::locked()),
        }
    }

    /// Removes a session that STS no longer accepts.
    pub(super) fn drop_expired(&self, key: &SessionKey) {
        if let Some(entry) = self.entries().map.get_mut(key) {
            entry.held = None;
        }
    }

    /// Wipes all sessions and cancels all refreshes.
    pub(super) fn lock(&self) -> CalledOff {
        let (forgotten, superseded) = {
            let mut entries = self.entries();
            entries.locks += 1;
            entries.opened = None;
            (std::mem::take(&mut entries.map), std::mem::take(&mut entries.superseded))
        };
        let refreshes = forgotten.into_values().filter_map(|entry| entry.refresh.map(|f| (f.task, f.outcome)));
        let called_off = refreshes.chain(superseded.into_iter().map(|refresh| (refresh.task, refresh.outcome)));
        let called_off = called_off.map(|(task, outcome)| {
            task.abort();
            Waiting { outcome }
        });
        CalledOff { refreshes: called_off.collect(), requests: None }
    }

    /// Fails if a lock has come since a session was requested.
    pub(super) fn check(&self, given: &ServedSession) -> Result<(), Failure> {
        self.called_off_since(given.locks)
    }

    /// Makes the next lock the last one: waiting callers are told that the agent ends.
    pub(super) fn end(&self) {
        self.entries().is_ending = true;
    }

    /// Applies a new configuration: keys that it still contains keep their sessions.
    pub(super) fn retain(&self, aws: &Arc<AwsSettings>, plan_of: impl Fn(&Name) -> Option<Plan>) {
        let mut entries = self.entries();
        let Entries { map, superseded, aws: used, .. } = &mut *entries;
        let moved = used != aws;
        *used = Arc::clone(aws);
        map.retain(|key, entry| {
            entry.names.retain(|name| plan_of(name).is_some_and(|plan| plan.keys.contains(key)));
            // The edit may have corrected the cause of a failure.
            entry.retry_at = Duration::ZERO;
            entry.failure = None;
            let keep = !moved && !entry.names.is_empty();
            // Callers that wait for it requested it before the edit and get it. But a lock must still find it.
            if let Some(refresh) = entry.refresh.as_ref().filter(|_| !keep) {
                let (task, outcome) = (refresh.task.clone(), refresh.outcome.clone());
                superseded.push(Superseded { identity: key.identity().clone(), task, outcome });
            }
            keep
        });
    }

    /// Removes the sessions of one identity, because its key has changed.
    pub(super) fn forget(&self, identity: &Name) {
        let mut entries = self.entries();
        entries.map.retain(|key, entry| {
            let keep = key.identity() != identity;
            if let Some(refresh) = entry.refresh.as_ref().filter(|_| !keep) {
                refresh.task.abort();
            }
            keep
        });
        entries
            .superseded
            .iter()
            .filter(|refresh| refresh.identity == *identity)
            .for_each(|refresh| refresh.task.abort());
    }

    /// Returns what `status` shows of one session.
    pub(super) fn glance(&self, key: &SessionKey) -> Option<SessionPeek> {
        let entries = self.entries();
        let entry = entries.map.get(key)?;
        Some(SessionPeek {
            held: entry.held.clone(),
            failure: entry.failure.as_ref().map(|f| UserError { may_pass: None, ..f.report.clone() }),
            last_used: entry.last_used,
        })
    }

    /// Notes that the vault is open.
    pub(super) fn note_open(&self) {
        let now = self.clock.now().boot;
        self.entries().opened.get_or_insert(now);
    }

    /// Returns since when a session or the vault has been open, by the boot clock; `None` after a lock.
    pub(super) fn opened_since(&self) -> Option<Duration> {
        self.entries().opened
    }
}

impl Waiting {
    pub(super) async fn outcome(mut self) -> Outcome {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Failure::called_off())),
            Err(_) => Err(Failure::called_off()),
        }
    }
}

impl Entry {
    /// Notes a name and the plan of the session: the name keeps it after an edit, the plan refreshes it.
    pub(super) fn remember(&mut self, plan: &Arc<Plan>, at: usize) {
        if !self.names.contains(&plan.name) {
            self.names.insert(plan.name.clone());
        }
        self.plan = Some((Arc::clone(plan), at));
    }

    /// Wipes an expired session. After a sleep of the machine it would otherwise stay in memory while its role is used.
    pub(super) fn drop_dead(&mut self, now: Now) {
        self.held.take_if(|held| held.freshness(now) == Freshness::Expired);
    }

    /// Returns whether there is a reason to keep the entry.
    pub(super) fn is_of_use(&self, now: Now) -> bool {
        let recent = self.last_used.is_some_and(|used| now.boot.saturating_sub(used) <= IN_USE);
        self.held.is_some() || recent || now.boot < self.retry_at
    }
}
