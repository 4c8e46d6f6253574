//! Consent: whether a program may have a role that is configured with `access = "ask"`.
//!
//! Asked once however many ask, and a yes holds for a time, for that program in that terminal session. The question is the
//! agent's own task: a caller that dies or has no patience changes nothing for the others.

use super::caller::TerminalSession;
use super::prompts::{Prompts, Subject, Unanswered};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::question::Question;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A no holds this long: a tool that tries again at once is not the person's change of mind.
const NO_HOLDS: Duration = Duration::from_secs(10);

/// Who wants what: the reach of one yes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GivenConsent {
    /// The role.
    pub(super) role: Name,
    /// The program's path; `None` is every program that cannot be named.
    pub(super) program: Option<String>,
    /// Where it runs; `None` is everything that has no terminal.
    pub(super) terminal: Option<TerminalSession>,
    /// The extra socket by which it is wanted.
    pub(super) socket: Option<String>,
}

type Outcome = Result<(), Unanswered>;

enum Consent {
    Asking { outcome: watch::Receiver<Option<Outcome>>, task: AbortHandle },
    No { until: Duration },
    Yes { until: Duration },
}

/// Every answer that still holds, and every question under way.
#[derive(Default)]
pub(super) struct Consents(Mutex<HashMap<GivenConsent, Consent>>);

impl Consents {
    fn all(&self) -> MutexGuard<'_, HashMap<GivenConsent, Consent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was said of a socket, which is closed or no longer what it was.
    pub(super) fn forget(&self, socket: &str) {
        self.all().retain(|grant, consent| {
            let stays = grant.socket.as_deref() != Some(socket);
            if let (false, Consent::Asking { task, .. }) = (stays, consent) {
                task.abort();
            }
            stays
        });
    }

    /// Forgets every answer and calls the questions off.
    pub(super) fn lock(&self) {
        for (_, consent) in self.all().drain() {
            if let Consent::Asking { task, .. } = consent {
                task.abort();
            }
        }
    }
}

impl Prompts {
    /// Tells whether there is a consent that holds.
    pub(super) fn has_consent(&self, grant: &GivenConsent) -> bool {
        let now = self.clock.now().boot;
        matches!(self.consents.all().get(grant), Some(Consent::Yes { until }) if now < *until)
    }

    /// Asks for a consent, unless there is one that holds; a yes will hold for the given time. If this call is the one that
    /// asks, the answer of the person is passed to `log`.
    pub(super) async fn consent(
        self: &Arc<Self>,
        grant: GivenConsent,
        question: Question,
        holds: Duration,
        log: impl FnOnce(bool) + Send + 'static,
    ) -> Outcome {
        let mut outcome = match self.join_or_ask(grant, question, holds, log) {
            Ok(outcome) => outcome,
            Err(known) => return known,
        };
        let said = outcome.wait_for(Option::is_some).await.map(|said| *said);
        // Without an answer the question was called off.
        said.ok().flatten().unwrap_or(Err(Unanswered::CalledOff))
    }

    fn join_or_ask(
        self: &Arc<Self>,
        grant: GivenConsent,
        question: Question,
        holds: Duration,
        log: impl FnOnce(bool) + Send + 'static,
    ) -> Result<watch::Receiver<Option<Outcome>>, Outcome> {
        let now = self.clock.now().boot;
        let mut all = self.consents.all();
        all.retain(|_, consent| match consent {
            Consent::Asking { task, .. } => !task.is_finished(),
            Consent::No { until } | Consent::Yes { until } => now < *until,
        });
        match all.get(&grant) {
            Some(Consent::Yes { .. }) => return Err(Ok(())),
            Some(Consent::No { .. }) => return Err(Err(Unanswered::Cancelled)),
            Some(Consent::Asking { outcome, .. }) => return Ok(outcome.clone()),
            None => {}
        }
        let (send, outcome) = watch::channel(None);
        let (questions, key) = (Arc::clone(self), grant.clone());
        let task = tokio::spawn(async move {
            let said = questions.ask_consent(&Subject::Grant(key.clone()), &question).await;
            let now = questions.clock.now().boot;
            let mut all = questions.consents.all();
            // A lock that came between has forgotten the question, and with it what was said.
            if !all.contains_key(&key) {
                return;
            }
            match said {
                Ok(()) => drop(all.insert(key, Consent::Yes { until: now + holds })),
                Err(Unanswered::Cancelled) => drop(all.insert(key, Consent::No { until: now + NO_HOLDS })),
                Err(_) => drop(all.remove(&key)),
            }
            drop(all);
            if let Ok(()) | Err(Unanswered::Cancelled) = said {
                log(said.is_ok());
            }
            let _ = send.send(Some(said));
        });
        all.insert(grant, Consent::Asking { outcome: outcome.clone(), task: task.abort_handle() });
        Ok(outcome)
    }
}
