//! The sessions: who gets which, when one is renewed, and how many callers one call to STS serves.
//!
//! A request is one look-up: what is fresh goes out at once. What is missing is fetched by a *flight*, a task of the agent's
//! own: callers wait for it, and one that dies changes nothing for the others. A flight that fails never replaces a
//! session that is still good, and no failure is ever answered with another identity's session.

use super::audit::{Audit, Event, Line};
use super::flight::{Held, Outcome};
use super::locked::LockedBytes;
use super::questions::Questions;
use super::{Counters, Ports};
use crate::domain::catalogue::AwsSettings;
use crate::domain::credential::{FLOOR, Freshness, Now, freshness, renewal_at};
use crate::domain::names::Name;
use crate::domain::plan::{Plan, SessionKey};
use crate::domain::report::{Kind, Report};
use crate::domain::secret::MfaCode;
use crate::ports::Outlook;
use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Roles asked for within this time are renewed before anybody waits; others lapse.
pub(super) const IN_USE: Duration = Duration::from_mins(30);

/// The whole of a request, however long its chain.
const DEADLINE: Duration = Duration::from_secs(20);

/// The same while a person is being asked: SDKs give up between 5 and 60 seconds, and leave us running.
const PERSON_DEADLINE: Duration = Duration::from_secs(55);

/// How long a caller waits for a renewal while there is a session that would do (the JS SDK's patience is a second,
/// older Rust SDKs' five).
const LOW_PATIENCE: Duration = Duration::from_millis(2500);

/// A permanent failure is answered from memory for this long, so that a loop of tools does not become a loop of STS calls.
const PERMANENT_PAUSE: Duration = Duration::from_secs(3);

/// The most calls to STS that background renewals have under way.
const BACKGROUND_FLIGHTS: usize = 4;

/// The least time between two background calls to STS: three a second.
const BACKGROUND_PACE: Duration = Duration::from_millis(334);

/// Why there is no session.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What the caller is told.
    pub(super) report: Report,
    /// What it means for the next try.
    pub(super) outlook: Outlook,
    /// What the audit log says.
    pub(super) code: String,
}

impl Failure {
    /// Makes a failure that the same request would meet again.
    pub(super) fn permanent(report: Report) -> Self {
        let code = class(report.kind);
        Self { report, outlook: Outlook::Permanent, code }
    }

    /// Makes a failure that may be over next time.
    pub(super) fn transient(report: Report) -> Self {
        Self { outlook: Outlook::Transient, ..Self::permanent(report) }
    }

    fn locked() -> Self {
        Self::transient(Report::new(Kind::Locked, "rolecall was locked while this was under way").hint("ask again"))
    }

    fn ending() -> Self {
        Self::transient(
            Report::new(Kind::Agent, "the agent ended while this was under way")
                .hint("ask again: that starts a new agent"),
        )
    }

    fn called_off() -> Self {
        Self::transient(
            Report::new(Kind::Failed, "this was called off before its end")
                .hint("ask again; `rolecall log` shows whether the identity's key was changed meanwhile"),
        )
    }
}

fn still_asking(plan: &Plan) -> Failure {
    Failure::transient(
        Report::new(Kind::Locked, "nobody has answered the question for an MFA code within 55 seconds")
            .hint(format!("answer it and ask again, or run `rolecall unlock {}`", plan.identity.name)),
    )
}

fn too_slow() -> Failure {
    Failure::transient(
        Report::new(Kind::Unreachable, "no session within 20 seconds")
            .hint("ask again: the request goes on meanwhile; `rolecall status` shows its end"),
    )
}

/// Names the class of a failure that has no code of AWS's.
pub(super) fn class(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What is known of one session: of one key, that is one identity and one series of calls.
#[derive(Default)]
struct Entry {
    held: Option<Arc<Held>>,
    flight: Option<Flight>,
    failure: Option<Failure>,
    failures: u32,
    /// No background renewal before this, and no answer but `failure` if that was permanent.
    retry_at: Duration,
    last_used: Option<Duration>,
    /// The plan to renew it by, and how far along it this session stands.
    plan: Option<(Arc<Plan>, usize)>,
    names: BTreeSet<Name>,
}

struct Flight {
    id: u64,
    outcome: watch::Receiver<Option<Outcome>>,
    urgency: Urgency,
    hurry: Arc<Notify>,
    task: AbortHandle,
}

/// Who wants a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Nobody waits: it is paced, and a person is never asked.
    Background,
    /// A caller waits.
    Foreground,
}

/// How soon a flight may call STS.
pub(super) struct Pace {
    /// Who wants it.
    pub(super) urgency: Urgency,
    /// Told when a caller has come to wait for a background flight.
    hurry: Arc<Notify>,
}

/// All sessions.
pub(super) struct Sessions {
    entries: Mutex<Entries>,
    /// Wakes the refresher when something nearer than it knows of has come up.
    pub(super) changed: Notify,
    pub(super) ports: Ports,
    pub(super) audit: Arc<Audit>,
    pub(super) counters: Arc<Counters>,
    pub(super) questions: Arc<Questions>,
    background: Semaphore,
}

#[derive(Default)]
struct Entries {
    map: HashMap<SessionKey, Entry>,
    flights: u64,
    /// Flights that no entry has any more, as an edit or a code came between; somebody may wait for them.
    strays: Vec<Stray>,
    /// How often everything was forgotten: what was asked for before is not handed out after.
    locks: u64,
    /// Why there is nothing more to come, where the agent is at its end.
    is_ending: bool,
    next_background: Duration,
    aws: Arc<AwsSettings>,
}

struct Stray {
    identity: Name,
    task: AbortHandle,
}

/// A session to hand out.
pub(super) struct HandOut {
    /// The session.
    pub(super) held: Arc<Held>,
    /// Whether it was there already.
    pub(super) cached: bool,
}

enum Decision {
    Serve(Arc<Held>),
    Fail(Failure),
    Wait { flight: Waiting, fallback: Option<Arc<Held>>, locks: u64 },
}

struct Waiting {
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Sessions {
    pub(super) fn new(ports: Ports, audit: Arc<Audit>, counters: Arc<Counters>) -> Arc<Self> {
        let questions = Questions::new(Arc::clone(&ports.clock), Arc::clone(&ports.prompter));
        Arc::new(Self {
            entries: Mutex::default(),
            changed: Notify::new(),
            ports,
            audit,
            counters,
            questions,
            background: Semaphore::new(BACKGROUND_FLIGHTS),
        })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // No code under this lock can panic half way through a change, so a poisoned lock still guards whole entries.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the session of a plan, fetched or renewed as the freshness rule says.
    pub(super) async fn get(self: &Arc<Self>, plan: &Arc<Plan>) -> Result<HandOut, Failure> {
        self.step(plan, plan.keys.len() - 1, Urgency::Foreground).await
    }

    /// Gives the session of one step of a plan.
    pub(super) async fn step(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        at: usize,
        urgency: Urgency,
    ) -> Result<HandOut, Failure> {
        match self.decide(plan, at, urgency) {
            Decision::Serve(held) => Ok(HandOut { held, cached: true }),
            Decision::Fail(failure) => Err(failure),
            Decision::Wait { flight, fallback, locks } => {
                let outcome = match (&fallback, urgency) {
                    (None, Urgency::Background) => flight.outcome().await,
                    // The flight goes on when this caller has given up: the next one finds its result.
                    (None, Urgency::Foreground) => self.patiently(plan, flight).await,
                    // There is a session that would do: wait for a better one, but not long, and not at its cost.
                    (Some(_), _) => timeout(LOW_PATIENCE, flight.outcome()).await.unwrap_or_else(|_| Err(too_slow())),
                };
                self.called_off_since(locks)?;
                match (outcome, fallback) {
                    (Ok(held), _) => Ok(HandOut { held, cached: false }),
                    (Err(_), Some(held)) => Ok(HandOut { held, cached: true }),
                    (Err(failure), None) => Err(failure),
                }
            }
        }
    }

    /// Waits for a flight as long as a caller can; longer while a person is being asked.
    async fn patiently(&self, plan: &Plan, flight: Waiting) -> Outcome {
        let mut outcome = pin!(flight.outcome());
        if let Ok(outcome) = timeout(DEADLINE, &mut outcome).await {
            return outcome;
        }
        match plan.mfa_serial() {
            Some(serial) if self.questions.is_open(serial) => {
                timeout(PERSON_DEADLINE.saturating_sub(DEADLINE), outcome)
                    .await
                    .unwrap_or_else(|_| Err(still_asking(plan)))
            }
            _ => Err(too_slow()),
        }
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

    fn decide(self: &Arc<Self>, plan: &Arc<Plan>, at: usize, urgency: Urgency) -> Decision {
        let now = self.ports.clock.now();
        let key = &plan.keys[at];
        let mut entries = self.entries();
        let entry = entries.map.entry(key.clone()).or_default();
        if urgency == Urgency::Foreground {
            entry.last_used = Some(now.boot);
        }
        entry.remember(plan, at);
        let resting = now.boot < entry.retry_at;
        let held = entry.held.clone();
        let fresh = held.as_ref().map_or(Freshness::Expired, |held| held.freshness(now));
        // What takes a code is renewed by a person, who is not asked while there is a session.
        let renewable = key.step().mfa_serial().is_none();
        let wait = match (fresh, held) {
            (Freshness::Fresh, Some(held)) => return Decision::Serve(held),
            (Freshness::Due | Freshness::Low, Some(held)) if !renewable => return Decision::Serve(held),
            (Freshness::Due, Some(held)) => {
                if !resting {
                    self.board(&mut entries, plan, at, Urgency::Background, None);
                }
                return Decision::Serve(held);
            }
            (Freshness::Low, Some(held)) => {
                // A renewal failed a moment ago: what is there is as good as it gets.
                if resting {
                    return Decision::Serve(held);
                }
                Some(held)
            }
            (Freshness::Expired, _) | (_, None) => None,
        };
        if wait.is_none()
            && resting
            && let Some(failure) = entry.failure.clone().filter(|f| f.outlook == Outlook::Permanent)
        {
            return Decision::Fail(failure);
        }
        let flight = self.board(&mut entries, plan, at, urgency, None);
        Decision::Wait { flight, fallback: wait, locks: entries.locks }
    }

    /// Fetches the session of a step with a code that a person has just given, whatever is there already.
    pub(super) async fn unlock(self: &Arc<Self>, plan: &Arc<Plan>, at: usize, code: MfaCode) -> Result<(), Failure> {
        let (flight, locks) = {
            let mut entries = self.entries();
            (self.board(&mut entries, plan, at, Urgency::Foreground, Some(code)), entries.locks)
        };
        let outcome = flight.outcome().await;
        self.called_off_since(locks)?;
        outcome.map(|_| ())
    }

    /// Joins the flight for a key, or starts it.
    fn board(
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
        // A flight that ended without landing has panicked; it must not keep its key for ever.
        // Nor may one that asks nobody keep a caller from being asked.
        let asks_nobody = |flight: &Flight| {
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
        let pace = Pace { urgency, hurry: Arc::clone(&hurry) };
        let task = tokio::spawn(async move {
            let outcome = sessions.fly(&aws, &plan, at, &pace, code).await;
            sessions.land(&key, id, &outcome);
            // Nobody waits any more: the result is in the cache all the same.
            let _ = send.send(Some(outcome));
        });
        let flight = Flight { id, outcome: outcome.clone(), urgency, hurry, task: task.abort_handle() };
        if let Some(replaced) = entry.flight.replace(flight) {
            entries.strays.push(Stray { identity: identity.clone(), task: replaced.task });
        }
        entries.strays.retain(|stray| !stray.task.is_finished());
        Waiting { outcome }
    }

    /// Waits for a background call's turn, or until a caller waits for it. A foreground call has no turn to wait for.
    pub(super) async fn turn(&self, pace: &Pace) -> Option<SemaphorePermit<'_>> {
        if pace.urgency == Urgency::Foreground {
            return None;
        }
        let turn = async {
            let permit = self.background.acquire().await.ok();
            let now = self.ports.clock.now().boot;
            let slot = {
                let mut entries = self.entries();
                let slot = entries.next_background.max(now);
                entries.next_background = slot + BACKGROUND_PACE;
                slot
            };
            if slot > now {
                self.ports.clock.sleep_until(slot).await;
            }
            permit
        };
        tokio::select! {
            permit = turn => permit,
            () = pace.hurry.notified() => None,
        }
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
        drop(entries);
        self.changed.notify_one();
    }

    /// Starts what is due and tells when to look again, by the boot-time clock.
    pub(super) fn refresh(self: &Arc<Self>) -> Duration {
        const LOOK_AGAIN: Duration = Duration::from_mins(1);
        let now = self.ports.clock.now();
        let mut entries = self.entries();
        let mut next = now.boot + LOOK_AGAIN;
        let mut due = Vec::new();
        entries.map.retain(|_, entry| entry.flight.is_some() || entry.is_of_use(now));
        for entry in entries.map.values() {
            let (Some(held), Some((plan, at))) = (&entry.held, &entry.plan) else { continue };
            let in_use = entry.last_used.is_some_and(|used| now.boot.saturating_sub(used) <= IN_USE);
            // A step that needs a code is for a person to renew; background work never asks.
            if !in_use || entry.flight.is_some() || plan.keys[*at].step().mfa_serial().is_some() {
                continue;
            }
            let at_left = renewal_at(held.lifetime.life, FLOOR, held.jitter);
            let wait = held.lifetime.left(now).saturating_sub(at_left);
            let when = (now.boot + wait).max(entry.retry_at);
            if when <= now.boot {
                due.push((Arc::clone(plan), *at));
            } else {
                next = next.min(when);
            }
        }
        for (plan, at) in due {
            self.board(&mut entries, &plan, at, Urgency::Background, None);
        }
        next
    }

    /// Forgets everything and hands nothing out that is under way.
    pub(super) fn lock(&self) {
        self.questions.lock();
        let (forgotten, strays) = {
            let mut entries = self.entries();
            entries.locks += 1;
            (std::mem::take(&mut entries.map), std::mem::take(&mut entries.strays))
        };
        let flights = forgotten.into_values().filter_map(|entry| Some(entry.flight?.task));
        flights.chain(strays.into_iter().map(|stray| stray.task)).for_each(|task| task.abort());
    }

    /// Does the same for good: who waits is told that the agent ends.
    pub(super) fn end(&self) {
        self.entries().is_ending = true;
        self.lock();
    }

    /// Takes a new configuration over: what means the same keeps its session.
    pub(super) fn retain(&self, aws: &Arc<AwsSettings>, plan_of: impl Fn(&Name) -> Option<Plan>) {
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
                strays.push(Stray { identity: key.identity().clone(), task: flight.task.clone() });
            }
            keep
        });
    }

    /// Forgets the sessions of one identity, as its key is another now.
    pub(super) fn forget(&self, identity: &Name) {
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

    /// Forgets a session that STS no longer takes.
    pub(super) fn drop_expired(&self, key: &SessionKey) {
        if let Some(entry) = self.entries().map.get_mut(key) {
            entry.held = None;
        }
    }

    /// Gives what `status` shows of one session.
    pub(super) fn glance(&self, key: &SessionKey) -> Option<Glance> {
        let entries = self.entries();
        let entry = entries.map.get(key)?;
        Some(Glance {
            held: entry.held.clone(),
            failure: entry.failure.as_ref().map(|f| f.report.clone()),
            last_used: entry.last_used,
        })
    }

    /// Writes a line of the audit log about a call to STS.
    pub(super) fn audit_call(
        &self,
        plan: &Plan,
        key: &SessionKey,
        outcome: &Result<Arc<Held>, Failure>,
        request_id: Option<String>,
    ) {
        let result = outcome.as_ref().map_or_else(|f| f.code.clone(), |_| "ok".to_owned());
        let mut line = Line::new(self.ports.clock.now().wall, Event::Sts, result);
        line.name = Some(plan.name.to_string());
        line.request_id = request_id;
        line.role_arn = super::flight::target(key.step());
        match outcome {
            Ok(held) => {
                line.role_arn = held.arn.clone().or(line.role_arn);
                line.access_key_id = Some(held.access_key_id.clone());
                line.expiration = Some(held.lifetime.expiration);
            }
            Err(failure) => line.message = Some(failure.report.message.clone()),
        }
        self.audit.write(line);
    }
}

/// What `status` shows of one session.
pub(super) struct Glance {
    pub(super) held: Option<Arc<Held>>,
    pub(super) failure: Option<Report>,
    pub(super) last_used: Option<Duration>,
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

    /// Tells whether there is a reason to remember it.
    fn is_of_use(&self, now: Now) -> bool {
        let valid = self.held.as_ref().is_some_and(|held| held.freshness(now) != Freshness::Expired);
        let recent = self.last_used.is_some_and(|used| now.boot.saturating_sub(used) <= IN_USE);
        valid || recent || now.boot < self.retry_at
    }
}

/// Decides how long to rest after a failure: seconds where a caller waits, minutes where a session still does.
fn pause(failure: &Failure, failures: u32, has_session: bool, jitter: f64) -> Duration {
    let range = |from: u64, to: u64| Duration::from_secs(from) + Duration::from_secs(to - from).mul_f64(jitter);
    match (failure.outlook, has_session, failures) {
        (Outlook::Permanent, false, _) => PERMANENT_PAUSE,
        // A caller without a session tries at once each time; single flight bounds it.
        (_, false, _) => Duration::ZERO,
        (_, true, 0..=2) => range(60, 120),
        (_, true, _) => range(300, 600),
    }
}

impl Held {
    /// Tells what may be done with it now.
    pub(super) fn freshness(&self, now: Now) -> Freshness {
        freshness(self.lifetime.life, self.lifetime.left(now), FLOOR, self.jitter)
    }
}

/// Keeps a line in locked pages.
pub(super) fn keep(line: &[u8]) -> Result<LockedBytes, Failure> {
    static SAID: Once = Once::new();
    let bytes = LockedBytes::new(line)
        .map_err(|e| Failure::transient(Report::new(Kind::Failed, format!("no memory for a session: {e}"))))?;
    if !bytes.is_locked() {
        SAID.call_once(|| {
            tracing::warn!("sessions may be swapped out: the limit of locked memory is reached (ulimit -l)");
        });
    }
    Ok(bytes)
}
