//! One refresh: from the long-term key or the session before, through one call to STS, to a session.

use super::credentials::Outcome;
use super::failure::Failure;
use super::mfa_codes::{Unattended, because, without_a_person};
use super::prompts::{Unanswered, unanswered};
use super::rate_limit::{RefreshPriority, Urgency};
use super::refresher::Refresher;
use super::sts_calls::{Start, StepRefresh};
use super::{source_credentials, unknown_key};
use rolecall_core::domain::arn;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Signer;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{Plan, Step};
use rolecall_core::domain::secret::MfaCode;
use rolecall_ipc::protocol::process_output;
use rolecall_ports::Retryability;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often a person may enter a code before the device is taken for the wrong one.
const TRIES: usize = 3;

/// Makes the session of one step. The sessions of the steps before it are taken from the cache or refreshed first.
///
/// Boxed: a step waits for the step before it, which is another refresh by this same function.
pub(super) fn run<'a>(
    refresher: &'a Arc<Refresher>,
    aws: &'a Arc<AwsSettings>,
    plan: &'a Arc<Plan>,
    at: usize,
    priority: &'a RefreshPriority,
    code: Option<MfaCode>,
) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
    let step = StepRefresh { calls: &refresher.calls, aws, plan, at, priority };
    Box::pin(Run { refresher, step }.session(code))
}

/// A refresh while it runs.
struct Run<'a> {
    refresher: &'a Arc<Refresher>,
    step: StepRefresh<'a>,
}

impl Run<'_> {
    async fn session(self, code: Option<MfaCode>) -> Outcome {
        let StepRefresh { plan, at, .. } = self.step;
        let step = self.step.step();
        if let Step::Source(call) = step {
            return source_credentials::refresh(&self.step, call).await;
        }
        let Some(serial) = step.mfa_serial() else { return self.call_renewing(None).await };
        // It is marked as used already.
        if let Some(code) = code {
            return self.call_renewing(Some(&code)).await;
        }
        let whom = plan.unlock_name();
        if self.step.priority.urgency == Urgency::Background {
            return Err(Failure::transient(unanswered(Unanswered::Nobody, serial, whom)));
        }
        // Before the prompt: without a key the code would be useless. The key is kept until the refresh ends, so that a vault
        // that prompts for it prompts once.
        let mut start = self.start().await?;
        let mut reason = match without_a_person(&self.step, &self.refresher.prompts.codes, &start).await {
            Unattended::Settled(Err(failure)) => {
                return Err(unknown_key::explain(&self.step, &start.signer, failure).await);
            }
            Unattended::Settled(outcome) => return outcome,
            Unattended::AskWith(reason) => reason,
        };
        let without = reason.clone();
        for _ in 0..TRIES {
            let given = self.refresher.prompts.ask(plan, serial, reason).await.map_err(|no| {
                let report = because(unanswered(no, serial, whom), without.as_deref());
                if no == Unanswered::Nobody {
                    self.refresher.notices.wants_code(serial, whom, &plan.name);
                }
                // A person who cancelled is not prompted again for a moment, however often a tool retries. If nobody was
                // asked, the code may come at any time.
                match no {
                    Unanswered::Cancelled | Unanswered::NoCode => Failure::permanent(report),
                    Unanswered::CalledOff | Unanswered::Nobody | Unanswered::Patience => Failure::transient(report),
                }
            })?;
            let mut outcome = self.step.call(&start, Some(&given.code)).await;
            // A rotation has ended while the prompt was open. AWS has not used the code.
            if let Err(failure) = &outcome
                && failure.is_unknown_key()
                && at == 0
                && self.has_other_key(&start.signer).await
            {
                start = self.start().await?;
                outcome = self.step.call(&start, Some(&given.code)).await;
            }
            given.tell(&outcome);
            match outcome {
                Err(failure) if failure.outlook == Retryability::WrongCode => {
                    reason = Some("AWS did not accept that code; wait for the device's next one".to_owned());
                }
                Err(failure) => return Err(unknown_key::explain(&self.step, &start.signer, failure).await),
                outcome => return outcome,
            }
        }
        Err(Failure::permanent(
            UserError::new(
                Kind::Refused,
                format!("AWS accepted none of {TRIES} codes of MFA device {}", serial.as_str()),
            )
            .hint("compare the device with `mfa_serial` in the configuration, and its clock with this machine's"),
        ))
    }

    async fn call_renewing(&self, code: Option<&MfaCode>) -> Outcome {
        let StepRefresh { plan, at, .. } = self.step;
        let mut renewed = false;
        loop {
            let start = self.start().await?;
            let outcome = self.step.call(&start, code).await;
            match outcome {
                // For STS the session of the step before has expired, whatever our clocks say: refresh it, once.
                Err(failure) if failure.outlook == Retryability::SignerExpired && at > 0 && !renewed => {
                    let failure = unknown_key::explain(&self.step, &start.signer, failure).await;
                    if failure.outlook != Retryability::SignerExpired {
                        return Err(failure);
                    }
                    renewed = true;
                    self.refresher.cache.drop_expired(&plan.keys[at - 1]);
                }
                // A rotation has replaced and deactivated this key since it was read.
                Err(failure)
                    if failure.is_unknown_key() && at == 0 && !renewed && self.has_other_key(&start.signer).await =>
                {
                    renewed = true;
                }
                Err(failure) => return Err(unknown_key::explain(&self.step, &start.signer, failure).await),
                outcome => return outcome,
            }
        }
    }

    /// Returns whether the key in the vault is another one than the signer.
    async fn has_other_key(&self, signer: &Signer) -> bool {
        let Signer::Key(used) = signer else { return false };
        let now = self.step.calls.ports.vault.read(&self.step.plan.identity.name).await;
        now.is_ok_and(|stored| stored.key.id != used.id)
    }

    /// Gets the signer of the call: the key in the vault for the first step, else the session of the step before.
    async fn start(&self) -> Result<Start, Failure> {
        let StepRefresh { calls, plan, at, .. } = self.step;
        if let Some(source) = plan.identity.source.as_ref().filter(|_| at == 0) {
            return source_credentials::key(&self.step, source).await;
        }
        if at == 0 {
            calls.counters.vault_reads.fetch_add(1, Ordering::Relaxed);
            let stored = calls.ports.vault.read(&plan.identity.name).await.map_err(Failure::transient)?;
            self.refresher.cache.note_open();
            let user = stored.arn.rsplit('/').next().unwrap_or_default().into();
            let account = arn::account_of(&stored.arn);
            return Ok(Start { account, user, signer: Signer::Key(stored.key), totp: stored.totp });
        }
        let before = self.refresher.step(plan, at - 1, self.step.priority.urgency).await?.held;
        let session = process_output::parse(&before.line).ok_or_else(|| {
            Failure::transient(UserError::new(Kind::Failed, "a session in memory cannot be read back"))
        })?;
        let (account, user) = (session.account.clone(), Arc::clone(&before.user));
        Ok(Start { account, user, signer: Signer::Session(session), totp: None })
    }
}
