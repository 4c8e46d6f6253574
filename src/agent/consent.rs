//! Consent: whether a program may have a role that is configured with `access = "ask"`.
//!
//! Asked once however many ask, and a yes holds for a time, for that program in that terminal session. The question is the
//! agent's own task: a caller that dies or has no patience changes nothing for the others.

use super::prompts::{GivenConsent, Prompts, Subject, Unanswered};
use rolecall_core::domain::question::Question;
use rolecall_platform::panics::Guard;
use rolecall_ports::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A no holds this long: a tool that tries again at once is not the person's change of mind.
const NO_HOLDS: Duration = Duration::from_secs(10);

type Outcome = Result<(), Unanswered>;

enum Consent {
    Asking { outcome: watch::Receiver<Option<Outcome>>, task: AbortHandle },
    No { until: Duration },
    Yes { until: Duration },
}

/// All answers that are still valid, and all open prompts.
pub(super) struct Consents {
    pub(super) prompts: Arc<Prompts>,
    clock: Arc<dyn Clock>,
    all: Mutex<HashMap<GivenConsent, Consent>>,
}

impl Consents {
    pub(super) fn new(prompts: Arc<Prompts>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { prompts, clock, all: Mutex::default() })
    }

    /// Removes the consents of a socket that was closed or changed.
    pub(super) fn forget(&self, socket: &str) {
        self.all.guard().retain(|grant, consent| {
            let stays = grant.socket.as_deref() != Some(socket);
            if let (false, Consent::Asking { task, .. }) = (stays, consent) {
                task.abort();
            }
            stays
        });
    }

    /// Removes every answer and every prompt.
    pub(super) fn lock(&self) {
        self.prompts.lock();
        for (_, consent) in self.all.guard().drain() {
            if let Consent::Asking { task, .. } = consent {
                task.abort();
            }
        }
    }

    /// Returns whether there is a valid consent.
    pub(super) fn has_consent(&self, grant: &GivenConsent) -> bool {
        let now = self.clock.now().boot;
        matches!(self.all.guard().get(grant), Some(Consent::Yes { until }) if now < *until)
    }

    /// Asks for a consent, unless there is a valid one. A consent is valid for the given time. If this call shows the
    /// prompt, the answer of the person is passed to `log`.
    pub(super) async fn ask(
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
        let mut all = self.all.guard();
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
        let (consents, key) = (Arc::clone(self), grant.clone());
        let task = tokio::spawn(async move {
            let said = consents.prompts.ask_consent(&Subject::Grant(key.clone()), &question).await;
            let now = consents.clock.now().boot;
            let mut all = consents.all.guard();
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
