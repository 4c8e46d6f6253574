//! The sessions: who gets which, when one is renewed, and how many callers one call to STS serves.
//!
//! A request is one look-up: what is fresh goes out at once. What is missing is fetched by a *flight*, a task of the agent's
//! own: callers wait for it, and one that dies changes nothing for the others. A flight that fails never replaces a
//! session that is still good, and no failure is ever answered with another identity's session.

mod forget;
mod peek;
mod quick;

pub(super) use forget::CalledOff;
pub(super) use peek::SessionPeek;

use super::audit::{Audit, AuditLine};
use super::deadline::{DEADLINE, Deadline, DeadlineExceeded};
use super::failure::{Failure, internal_error, pause, still_asking, too_slow};
use super::notifications::Notifications;
use super::prompts::Prompts;
use super::refresh::{CachedCredentials, Outcome};
use super::renewal::{BACKGROUND_FLIGHTS, FOREGROUND_FLIGHTS, IN_USE, RefreshPriority, Urgency};
use super::{Counters, Ports};
use futures_util::FutureExt;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{FLOOR, Freshness, Now};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::{Plan, SessionKey};
use rolecall_core::domain::secret::MfaCode;
use rolecall_ports::Retryability;
use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// How long a caller waits for a renewal while there is a session that would do (the JS SDK's patience is a second,
/// older Rust SDKs' five).
const LOW_PATIENCE: Duration = Duration::from_millis(2500);

/// What is known of one session: of one key, that is one identity and one series of calls.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) held: Option<Arc<CachedCredentials>>,
    pub(super) flight: Option<Refresh>,
    failure: Option<Failure>,
    failures: u32,
    /// No background renewal before this, and no answer but `failure` if that was permanent.
    pub(super) retry_at: Duration,
    pub(super) last_used: Option<Duration>,
    /// How much is to be left of what is served: the most that anybody has wanted.
    pub(super) floor: Duration,
    /// The plan to renew it by, and how far along it this session stands.
    pub(super) plan: Option<(Arc<Plan>, usize)>,
    names: BTreeSet<Name>,
}

pub(super) struct Refresh {
    id: u64,
    outcome: watch::Receiver<Option<Outcome>>,
    urgency: Urgency,
    hurry: Arc<Notify>,
    task: AbortHandle,
}

/// All sessions.
pub(super) struct Sessions {
    entries: Mutex<Entries>,
    /// Wakes the refresher when something nearer than it knows of has come up.
    pub(super) changed: Notify,
    pub(super) ports: Ports,
    pub(super) audit: Arc<Audit>,
    pub(super) counters: Arc<Counters>,
    pub(super) questions: Arc<Prompts>,
    pub(super) notices: Notifications,
    pub(super) foreground: Semaphore,
    pub(super) background: Semaphore,
}

#[derive(Default)]
pub(super) struct Entries {
    pub(super) map: HashMap<SessionKey, Entry>,
    flights: u64,
    /// Flights that no entry has any more, as an edit or a code came between; somebody may wait for them.
    strays: Vec<Superseded>,
    /// How often everything was forgotten: what was asked for before is not handed out after.
    locks: u64,
    /// Why there is nothing more to come, where the agent is at its end.
    is_ending: bool,
    pub(super) next_background: Duration,
    /// Since when a session or the vault has been open, by the boot clock.
    opened: Option<Duration>,
    aws: Arc<AwsSettings>,
}

struct Superseded {
    identity: Name,
    task: AbortHandle,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// A session to hand out.
pub(super) struct ServedSession {
    /// The session.
    pub(super) held: Arc<CachedCredentials>,
    /// Whether it was there already.
    pub(super) cached: bool,
    /// How often everything had been forgotten when it was asked for.
    locks: u64,
}

impl ServedSession {
    /// Writes into a line of the audit log what is handed out.
    pub(super) fn tell(&self, line: &mut AuditLine) {
        line.role_arn = self.held.arn.clone().or_else(|| line.role_arn.take());
        line.access_key_id = Some(self.held.access_key_id.clone());
        line.expiration = Some(self.held.lifetime.expiration);
        line.cached = Some(self.cached);
    }
}

enum Decision {
    Serve { held: Arc<CachedCredentials>, locks: u64 },
    Fail(Failure),
    Wait { flight: Waiting, fallback: Option<Arc<CachedCredentials>>, locks: u64 },
}

pub(super) struct Waiting {
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Sessions {
    pub(super) fn new(ports: Ports, audit: Arc<Audit>, counters: Arc<Counters>) -> Arc<Self> {
        let questions = Prompts::new(Arc::clone(&ports.clock), Arc::clone(&ports.prompter));
        Arc::new(Self {
            entries: Mutex::default(),
            changed: Notify::new(),
            ports,
            audit,
            counters,
            questions,
            notices: Notifications::default(),
            foreground: Semaphore::new(FOREGROUND_FLIGHTS),
            background: Semaphore::new(BACKGROUND_FLIGHTS),
        })
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, Entries> {
        // No code under this lock can panic half way through a change, so a poisoned lock still guards whole entries.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the session of a plan, fetched or renewed as the freshness rule says.
    pub(super) async fn get(self: &Arc<Self>, plan: &Arc<Plan>, patience: Deadline) -> Result<ServedSession, Failure> {
        self.step_within(plan, plan.keys.len() - 1, Urgency::Foreground, patience).await
    }

    /// Gives the session of one step of a plan.
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
        patience: Deadline,
    ) -> Result<ServedSession, Failure> {
        match self.decide(plan, at, urgency, FLOOR) {
            Decision::Serve { held, locks } => Ok(ServedSession { held, cached: true, locks }),
            Decision::Fail(failure) => Err(failure),
            Decision::Wait { flight, fallback, locks } => {
                let outcome = match (&fallback, urgency) {
                    (None, Urgency::Background) => flight.outcome().await,
                    // The flight goes on when this caller has given up: the next one finds its result.
                    (None, Urgency::Foreground) => self.patiently(plan, flight, patience).await,
                    // There is a session that would do: wait for a better one, but not long, and not at its cost.
                    (Some(_), _) => timeout(LOW_PATIENCE, flight.outcome()).await.unwrap_or_else(|_| Err(too_slow())),
                };
                self.called_off_since(locks)?;
                match (outcome, fallback) {
                    // The machine slept between its arrival and this moment.
                    (Ok(held), _) if held.freshness(self.ports.clock.now()) == Freshness::Expired => {
                        Err(Failure::called_off())
                    }
                    (Ok(held), _) => Ok(ServedSession { held, cached: false, locks }),
                    (Err(_), Some(held)) => Ok(ServedSession { held, cached: true, locks }),
                    (Err(failure), None) => Err(failure),
                }
            }
        }
    }

    /// Waits for a flight as long as a caller can; longer while a person is being asked.
    async fn patiently(&self, plan: &Plan, flight: Waiting, patience: Deadline) -> Outcome {
        let is_person_asked = || plan.mfa_serial().is_some_and(|serial| self.questions.is_open(serial));
        patience.with(flight.outcome(), is_person_asked).await.unwrap_or_else(|in_vain| match in_vain {
            DeadlineExceeded::Person => Err(still_asking(plan)),
            DeadlineExceeded::Machine => Err(too_slow()),
        })
    }

    /// Fails when everything has been forgotten since a session was chosen to be handed out: for whom waits in between.
    pub(super) fn still_holds(&self, given: ServedSession) -> Result<ServedSession, Failure> {
        self.called_off_since(given.locks).map(|()| given)
    }

    /// Fails when everything has been forgotten since, whichever flight brought a session and however far it was.
    fn called_off_since(&self, locks: u64) -> Result<(), Failure> {
        let entries = self.entries();
        match entries.locks == locks {
            true => Ok(()),
            false if entries.is_ending => Err(Failure::ending()),
            false => Err(Failure::locked()),
        }
    }

    fn decide(self: &Arc<Self>, plan: &Arc<Plan>, at: usize, urgency: Urgency, floor: Duration) -> Decision {
        let now = self.ports.clock.now();
        let key = &plan.keys[at];
        let mut entries = self.entries();
        let locks = entries.locks;
        let serve = |held| Decision::Serve { held, locks };
        let entry = entries.map.entry(key.clone()).or_default();
        if urgency == Urgency::Foreground {
            entry.last_used = Some(now.boot);
            entry.floor = entry.floor.max(floor);
        }
        entry.remember(plan, at);
        let resting = now.boot < entry.retry_at;
        let held = entry.held.clone();
        let fresh = held.as_ref().map_or(Freshness::Expired, |held| held.freshness_above(floor, now));
        // What takes a code is renewed by a person, who is not asked while there is a session.
        let renewable = key.step().mfa_serial().is_none();
        let wait = match (fresh, held) {
            (Freshness::Fresh, Some(held)) => return serve(held),
            (Freshness::Due | Freshness::Low, Some(held)) if !renewable => return serve(held),
            (Freshness::Due, Some(held)) => {
                if !resting {
                    self.join_or_start(&mut entries, plan, at, Urgency::Background, None);
                }
                return serve(held);
            }
            (Freshness::Low, Some(held)) => {
                // A renewal failed a moment ago: what is there is as good as it gets.
                if resting {
                    return serve(held);
                }
                Some(held)
            }
            (Freshness::Expired, _) | (_, None) => None,
        };
        if wait.is_none()
            && resting
            && let Some(failure) = entry.failure.clone().filter(|f| f.outlook == Retryability::Permanent)
        {
            return Decision::Fail(failure);
        }
        let flight = self.join_or_start(&mut entries, plan, at, urgency, None);
        Decision::Wait { flight, fallback: wait, locks }
    }

    /// Fetches the session of a step with a code that was taken for it, whatever is there already.
    pub(super) async fn unlock(self: &Arc<Self>, plan: &Arc<Plan>, at: usize, code: MfaCode) -> Outcome {
        let (flight, locks) = {
            let mut entries = self.entries();
            (self.join_or_start(&mut entries, plan, at, Urgency::Foreground, Some(code)), entries.locks)
        };
        let outcome = timeout(DEADLINE, flight.outcome()).await.unwrap_or_else(|_| Err(too_slow()));
        self.called_off_since(locks)?;
        outcome
    }

    /// Joins the flight for a key, or starts it.
    pub(super) fn join_or_start(
        self: &Arc<Self>,
        entries: &mut Entries,
        plan: &Arc<Plan>,
        at: usize,
        urgency: Urgency,
        code: Option<MfaCode>,
    ) -> Waiting {
        let key = plan.keys[at].clone();
        entries.flights += 1;
        let id = entries.flights;
        let aws = Arc::clone(&entries.aws);
        let entry = entries.map.entry(key.clone()).or_default();
        entry.remember(plan, at);
        // A flight that asks nobody must not keep a caller from being asked.
        let asks_nobody = |flight: &Refresh| {
            urgency == Urgency::Foreground
                && flight.urgency == Urgency::Background
                && plan.keys[at].step().mfa_serial().is_some()
        };
        let under_way = entry.flight.as_ref().filter(|f| code.is_none() && !f.task.is_finished() && !asks_nobody(f));
        if let Some(outcome) = under_way.map(|flight| flight.outcome.clone()) {
            if urgency == Urgency::Foreground {
                let flights = plan.keys[..=at].iter().filter_map(|key| entries.map.get(key)?.flight.as_ref());
                flights.for_each(|flight| flight.hurry.notify_one());
            }
            return Waiting { outcome };
        }
        let (send, outcome) = watch::channel(None);
        let hurry = Arc::new(Notify::new());
        let (sessions, plan, identity) = (Arc::clone(self), Arc::clone(plan), &plan.identity.name);
        let pace = RefreshPriority { urgency, hurry: Arc::clone(&hurry) };
        let task = tokio::spawn(async move {
            // A panic is a failure like others: whoever waits has an answer, and the next try makes another flight.
            let flown = AssertUnwindSafe(sessions.start_refresh(&aws, &plan, at, &pace, code)).catch_unwind().await;
            let outcome = flown.unwrap_or_else(|_| Err(Failure::transient(internal_error())));
            sessions.land(&key, id, &outcome);
            // Nobody waits any more: the result is in the cache all the same.
            let _ = send.send(Some(outcome));
        });
        let flight = Refresh { id, outcome: outcome.clone(), urgency, hurry, task: task.abort_handle() };
        if let Some(replaced) = entry.flight.replace(flight) {
            let Refresh { task, outcome, .. } = replaced;
            entries.strays.push(Superseded { identity: identity.clone(), task, outcome });
        }
        entries.strays.retain(|stray| !stray.task.is_finished());
        Waiting { outcome }
    }

    /// Takes the result of a flight over, unless the entry has been forgotten or given to another flight meanwhile.
    fn land(&self, key: &SessionKey, id: u64, outcome: &Outcome) {
        let now = self.ports.clock.now();
        let mut entries = self.entries();
        let Some(entry) = entries.map.get_mut(key) else { return };
        if entry.flight.as_ref().is_none_or(|flight| flight.id != id) {
            return;
        }
        entry.flight = None;
        match outcome {
            Ok(held) => {
                // However the code came, nobody wants it any more.
                if let Some(serial) = key.step().mfa_serial() {
                    self.questions.settle(serial);
                }
                entry.held = Some(Arc::clone(held));
                entry.failure = None;
                entry.failures = 0;
                entry.retry_at = Duration::ZERO;
            }
            Err(failure) => {
                entry.failures = entry.failures.saturating_add(1);
                entry.retry_at =
                    now.boot + pause(failure, entry.failures, entry.held.is_some(), super::random_fraction());
                entry.failure = Some(failure.clone());
            }
        }
        if outcome.is_ok() {
            entries.opened.get_or_insert(now.boot);
        }
        drop(entries);
        self.changed.notify_one();
    }

    /// Forgets a session that STS no longer takes.
    pub(super) fn drop_expired(&self, key: &SessionKey) {
        if let Some(entry) = self.entries().map.get_mut(key) {
            entry.held = None;
        }
    }
}

impl Waiting {
    async fn outcome(mut self) -> Outcome {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(Failure::called_off())),
            Err(_) => Err(Failure::called_off()),
        }
    }
}

impl Entry {
    /// Takes note of whose session this is: what an edit keeps, and how it is renewed.
    fn remember(&mut self, plan: &Arc<Plan>, at: usize) {
        if !self.names.contains(&plan.name) {
            self.names.insert(plan.name.clone());
        }
        self.plan = Some((Arc::clone(plan), at));
    }

    /// Wipes a session that is over: after a night's sleep it would else lie in memory for as long as its role is used.
    pub(super) fn drop_dead(&mut self, now: Now) {
        self.held.take_if(|held| held.freshness(now) == Freshness::Expired);
    }

    /// Tells whether there is a reason to remember it.
    pub(super) fn is_of_use(&self, now: Now) -> bool {
        let recent = self.last_used.is_some_and(|used| now.boot.saturating_sub(used) <= IN_USE);
        self.held.is_some() || recent || now.boot < self.retry_at
    }
}
