//! Sessions for callers: returned from the cache, or refreshed by a task that all callers of the session share.
//!
//! A fresh session is returned at once. A missing session is obtained by a task of the agent, so that a caller that
//! disconnects does not stop it. A failed refresh never replaces a session that is still valid, and no failure is ever
//! answered with the session of another identity.

use super::credential_cache::{CredentialCache, Entries, IN_USE, Refresh, ServedSession, Superseded, Waiting};
use super::credentials::{CachedCredentials, Outcome, random_fraction};
use super::deadline::{DEADLINE, Deadline, DeadlineExceeded};
use super::failure::{Failure, being_asked, being_fetched, internal_error, pause, still_asking, too_slow};
use super::notifications::Notifications;
use super::prompts::Prompts;
use super::rate_limit::{RefreshPriority, Urgency};
use super::refresh;
use super::sts_calls::StsCalls;
use futures_util::FutureExt;
use rolecall_core::domain::credential::{FLOOR, Freshness, renewal_at};
use rolecall_core::domain::plan::{Plan, SessionKey};
use rolecall_core::domain::secret::MfaCode;
use rolecall_ports::Retryability;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How long a caller waits for a refresh while there is a valid session. The JS SDK waits a second, older Rust SDKs five.
const LOW_DEADLINE: Duration = Duration::from_millis(2500);

/// How long a caller over HTTP waits for a refresh. AWS's SDKs give a container endpoint one to two seconds and the metadata
/// service as little as half of one (Go); an answer that asks to come again is better than none.
const HTTP_DEADLINE: Duration = Duration::from_millis(350);

/// How often the sessions in use are checked if nothing is due earlier.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Obtains sessions, one refresh per session at a time.
pub(super) struct Refresher {
    pub(super) cache: Arc<CredentialCache>,
    pub(super) calls: StsCalls,
    pub(super) prompts: Arc<Prompts>,
    pub(super) notices: Arc<Notifications>,
}

/// What becomes of a request for a session.
enum Decision {
    Done(Result<ServedSession, Failure>),
    Wait(Wait),
}

/// A refresh to wait for, and the session that will do if it fails.
struct Wait {
    refresh: Waiting,
    fallback: Option<Arc<CachedCredentials>>,
    locks: u64,
}

impl Refresher {
    /// Returns the session of a plan, refreshed as its freshness requires.
    pub(super) async fn get(self: &Arc<Self>, plan: &Arc<Plan>, deadline: Deadline) -> Result<ServedSession, Failure> {
        self.step_within(plan, plan.keys.len() - 1, Urgency::Foreground, deadline).await
    }

    /// Returns the session of one step of a plan.
    pub(super) async fn step(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        at: usize,
        urgency: Urgency,
    ) -> Result<ServedSession, Failure> {
        self.step_within(plan, at, urgency, Deadline::new()).await
    }

    async fn step_within(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        at: usize,
        urgency: Urgency,
        deadline: Deadline,
    ) -> Result<ServedSession, Failure> {
        let Wait { refresh, fallback, locks } = match self.decide(plan, at, urgency, FLOOR) {
            Decision::Wait(wait) => wait,
            Decision::Done(done) => return done,
        };
        let outcome = match (&fallback, urgency) {
            (None, Urgency::Background) => refresh.outcome().await,
            // The refresh goes on when this caller has given up: the next one finds its result.
            (None, Urgency::Foreground) => self.within(plan, refresh, deadline).await,
            // There is a valid session: wait for a better one, but not long, and not at its cost.
            (Some(_), _) => timeout(LOW_DEADLINE, refresh.outcome()).await.unwrap_or_else(|_| Err(too_slow())),
        };
        self.serve(outcome, fallback, locks)
    }

    /// Returns the session that a refresh has brought, or the valid one that was there before.
    fn serve(
        &self,
        outcome: Outcome,
        fallback: Option<Arc<CachedCredentials>>,
        locks: u64,
    ) -> Result<ServedSession, Failure> {
        self.cache.called_off_since(locks)?;
        match (outcome, fallback) {
            // The machine slept after the refresh.
            (Ok(held), _) if held.freshness(self.calls.ports.clock.now()) == Freshness::Expired => {
                Err(Failure::called_off())
            }
            (Ok(held), _) => Ok(ServedSession { held, cached: false, locks }),
            (Err(_), Some(held)) => Ok(ServedSession { held, cached: true, locks }),
            (Err(failure), None) => Err(failure),
        }
    }

    /// Waits for a refresh as long as a caller can, which is longer while a prompt is open.
    async fn within(&self, plan: &Plan, refresh: Waiting, deadline: Deadline) -> Outcome {
        let is_person_asked = || plan.mfa_serial().is_some_and(|serial| self.prompts.is_open(serial));
        deadline.with(refresh.outcome(), is_person_asked).await.unwrap_or_else(|in_vain| match in_vain {
            DeadlineExceeded::Person => Err(still_asking(plan)),
            DeadlineExceeded::Machine => Err(too_slow()),
        })
    }

    /// Returns the session of a plan to a caller that cannot wait: with this time left, or the valid one.
    ///
    /// Errors: the session is being refreshed, which goes on.
    pub(super) async fn quickly(self: &Arc<Self>, plan: &Arc<Plan>, floor: Duration) -> Result<ServedSession, Failure> {
        let Wait { refresh, fallback, locks } = match self.decide(plan, plan.keys.len() - 1, Urgency::Foreground, floor)
        {
            Decision::Wait(wait) => wait,
            Decision::Done(done) => return done,
        };
        let outcome = timeout(HTTP_DEADLINE, refresh.outcome()).await;
        let outcome = outcome.unwrap_or_else(|_| match plan.mfa_serial() {
            Some(serial) if self.prompts.is_open(serial) => Err(being_asked(plan)),
            _ => Err(being_fetched(plan)),
        });
        self.serve(outcome, fallback, locks)
    }

    fn decide(self: &Arc<Self>, plan: &Arc<Plan>, at: usize, urgency: Urgency, floor: Duration) -> Decision {
        let now = self.calls.ports.clock.now();
        let key = &plan.keys[at];
        let mut entries = self.cache.entries();
        let locks = entries.locks;
        let serve = |held| Decision::Done(Ok(ServedSession { held, cached: true, locks }));
        let entry = entries.map.entry(key.clone()).or_default();
        if urgency == Urgency::Foreground {
            entry.last_used = Some(now.boot);
            entry.floor = entry.floor.max(floor);
        }
        entry.remember(plan, at);
        let resting = now.boot < entry.retry_at;
        let held = entry.held.clone();
        let fresh = held.as_ref().map_or(Freshness::Expired, |held| held.freshness_above(floor, now));
        // A session that takes a code is renewed by a person, who is not prompted while there is a session.
        let renewable = key.step().mfa_serial().is_none();
        let fallback = match (fresh, held) {
            (Freshness::Fresh, Some(held)) => return serve(held),
            (Freshness::Due | Freshness::Low, Some(held)) if !renewable => return serve(held),
            (Freshness::Due, Some(held)) => {
                if !resting {
                    self.join_or_start(&mut entries, plan, at, Urgency::Background, None);
                }
                return serve(held);
            }
            (Freshness::Low, Some(held)) => {
                // A refresh failed a moment ago: there is no better session than this one.
                if resting {
                    return serve(held);
                }
                Some(held)
            }
            (Freshness::Expired, _) | (_, None) => None,
        };
        if fallback.is_none()
            && resting
            && let Some(failure) = entry.failure.clone().filter(|f| f.outlook == Retryability::Permanent)
        {
            return Decision::Done(Err(failure));
        }
        let refresh = self.join_or_start(&mut entries, plan, at, urgency, None);
        Decision::Wait(Wait { refresh, fallback, locks })
    }

    /// Refreshes the session of a step with a code that was taken for it, also if there is a valid session.
    pub(super) async fn unlock(self: &Arc<Self>, plan: &Arc<Plan>, at: usize, code: MfaCode) -> Outcome {
        let (refresh, locks) = {
            let mut entries = self.cache.entries();
            (self.join_or_start(&mut entries, plan, at, Urgency::Foreground, Some(code)), entries.locks)
        };
        let outcome = timeout(DEADLINE, refresh.outcome()).await.unwrap_or_else(|_| Err(too_slow()));
        self.cache.called_off_since(locks)?;
        outcome
    }

    /// Joins the refresh of a step, or starts it.
    fn join_or_start(
        self: &Arc<Self>,
        entries: &mut Entries,
        plan: &Arc<Plan>,
        at: usize,
        urgency: Urgency,
        code: Option<MfaCode>,
    ) -> Waiting {
        let key = plan.keys[at].clone();
        entries.refreshes += 1;
        let id = entries.refreshes;
        let aws = Arc::clone(&entries.aws);
        let entry = entries.map.entry(key.clone()).or_default();
        entry.remember(plan, at);
        // A refresh that does not prompt must not keep a caller from being prompted.
        let asks_nobody = |refresh: &Refresh| {
            urgency == Urgency::Foreground
                && refresh.urgency == Urgency::Background
                && plan.keys[at].step().mfa_serial().is_some()
        };
        let under_way = entry.refresh.as_ref().filter(|f| code.is_none() && !f.task.is_finished() && !asks_nobody(f));
        if let Some(outcome) = under_way.map(|refresh| refresh.outcome.clone()) {
            if urgency == Urgency::Foreground {
                let refreshes = plan.keys[..=at].iter().filter_map(|key| entries.map.get(key)?.refresh.as_ref());
                refreshes.for_each(|refresh| refresh.expedite.notify_one());
            }
            return Waiting { outcome };
        }
        let (send, outcome) = watch::channel(None);
        let expedite = Arc::new(Notify::new());
        let (refresher, plan, identity) = (Arc::clone(self), Arc::clone(plan), &plan.identity.name);
        let priority = RefreshPriority { urgency, expedite: Arc::clone(&expedite) };
        let task = tokio::spawn(async move {
            // A panic is a failure like others: waiting callers get an answer, and the next request starts again.
            let flown =
                AssertUnwindSafe(refresh::run(&refresher, &aws, &plan, at, &priority, code)).catch_unwind().await;
            let outcome = flown.unwrap_or_else(|_| Err(Failure::transient(internal_error())));
            refresher.complete(&key, id, &outcome);
            // No caller may wait any more: the result is in the cache all the same.
            let _ = send.send(Some(outcome));
        });
        let refresh = Refresh { id, outcome: outcome.clone(), urgency, expedite, task: task.abort_handle() };
        if let Some(replaced) = entry.refresh.replace(refresh) {
            let Refresh { task, outcome, .. } = replaced;
            entries.superseded.push(Superseded { identity: identity.clone(), task, outcome });
        }
        entries.superseded.retain(|refresh| !refresh.task.is_finished());
        Waiting { outcome }
    }

    /// Stores the result of a refresh, unless its entry was removed or has another refresh by now.
    fn complete(&self, key: &SessionKey, id: u64, outcome: &Outcome) {
        let now = self.calls.ports.clock.now();
        let mut entries = self.cache.entries();
        let Some(entry) = entries.map.get_mut(key) else { return };
        if entry.refresh.as_ref().is_none_or(|refresh| refresh.id != id) {
            return;
        }
        entry.refresh = None;
        match outcome {
            Ok(held) => {
                // The prompt for the code is answered, wherever the code came from.
                if let Some(serial) = key.step().mfa_serial() {
                    self.prompts.settle(serial);
                }
                entry.held = Some(Arc::clone(held));
                entry.failure = None;
                entry.failures = 0;
                entry.retry_at = Duration::ZERO;
            }
            Err(failure) => {
                entry.failures = entry.failures.saturating_add(1);
                entry.retry_at = now.boot + pause(failure, entry.failures, entry.held.is_some(), random_fraction());
                entry.failure = Some(failure.clone());
            }
        }
        if outcome.is_ok() {
            entries.opened.get_or_insert(now.boot);
        }
        drop(entries);
        self.cache.changed.notify_one();
    }

    /// Refreshes the sessions that are due. Returns the time of the next call, by the boot clock.
    pub(super) fn refresh_due(self: &Arc<Self>) -> Duration {
        let now = self.calls.ports.clock.now();
        let mut entries = self.cache.entries();
        let mut next = now.boot + LOOK_AGAIN;
        let mut due = Vec::new();
        entries.map.retain(|_, entry| {
            entry.drop_dead(now);
            entry.refresh.is_some() || entry.is_of_use(now)
        });
        for entry in entries.map.values() {
            let (Some(held), Some((plan, at))) = (&entry.held, &entry.plan) else { continue };
            let in_use = entry.last_used.is_some_and(|used| now.boot.saturating_sub(used) <= IN_USE);
            // A step that needs a code is renewed by a person; background work never prompts.
            if !in_use || entry.refresh.is_some() || plan.keys[*at].step().mfa_serial().is_some() {
                continue;
            }
            let at_left = renewal_at(held.lifetime.life, entry.floor.max(FLOOR), held.jitter);
            let wait = held.lifetime.left(now).saturating_sub(at_left);
            let when = (now.boot + wait).max(entry.retry_at);
            if when <= now.boot {
                due.push((Arc::clone(plan), *at));
            } else {
                next = next.min(when);
            }
        }
        for (plan, at) in due {
            self.join_or_start(&mut entries, &plan, at, Urgency::Background, None);
        }
        next
    }
}
