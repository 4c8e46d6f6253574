//! The call to STS for one step of a plan: rate limit, call, count, audit line.

use super::audit::{Audit, Event};
use super::credentials::{CachedCredentials, Outcome, session_name, target};
use super::failure::Failure;
use super::ports::{Counters, Ports};
use super::rate_limit::{RateLimit, RefreshPriority};
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Signer;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{Plan, Step};
use rolecall_core::domain::secret::MfaCode;
use rolecall_core::domain::totp::TotpSecret;
use rolecall_ports::{Issued, TokenError};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Calls STS, counts the calls and writes them to the audit log.
pub(super) struct StsCalls {
    pub(super) ports: Ports,
    pub(super) audit: Arc<Audit>,
    pub(super) counters: Arc<Counters>,
    pub(super) rate: RateLimit,
}

/// The signer of the call of a step, and its user.
pub(super) struct Start {
    pub(super) signer: Signer,
    pub(super) user: Arc<str>,
    pub(super) account: Option<AccountId>,
    /// The TOTP secret of the device of the identity, if it is in the vault.
    pub(super) totp: Option<TotpSecret>,
}

impl StsCalls {
    pub(super) fn new(ports: Ports, audit: Arc<Audit>, counters: Arc<Counters>) -> Self {
        let rate = RateLimit::new(Arc::clone(&ports.clock));
        Self { ports, audit, counters, rate }
    }
}

/// One step of a plan whose session is being refreshed.
#[derive(Clone, Copy)]
pub(super) struct StepRefresh<'a> {
    pub(super) calls: &'a StsCalls,
    pub(super) aws: &'a Arc<AwsSettings>,
    pub(super) plan: &'a Arc<Plan>,
    pub(super) at: usize,
    pub(super) priority: &'a RefreshPriority,
}

impl StepRefresh<'_> {
    pub(super) fn step(&self) -> &Step {
        self.plan.keys[self.at].step()
    }

    /// Makes the call of the step.
    pub(super) async fn call(&self, start: &Start, code: Option<&MfaCode>) -> Outcome {
        let StsCalls { ports, counters, rate, .. } = self.calls;
        let _turn = rate.admit(self.priority).await;
        counters.sts_calls.fetch_add(1, Ordering::Relaxed);
        let issued = match (self.step(), &start.signer) {
            (Step::AssumeRole(call), signer) => {
                let name = call.session_name.clone().unwrap_or_else(|| session_name(&start.user));
                ports.tokens.assume_role(self.aws, signer, call, &name, code).await
            }
            (Step::SessionToken(call), Signer::Key(long_term)) => {
                ports.tokens.session_token(self.aws, long_term, call, code).await
            }
            (Step::Source(_) | Step::SessionToken(_), _) => {
                // GetSessionToken accepts long-term keys only, and no plan contains such a step.
                return Err(Failure::permanent(UserError::new(
                    Kind::Failed,
                    "a session cannot be traded for a session",
                )));
            }
        };
        self.take(issued, &start.user, start.account.as_ref())
    }

    /// Keeps a session that STS has issued, and logs the call.
    pub(super) fn take(
        &self,
        issued: Result<Issued, TokenError>,
        user: &Arc<str>,
        account: Option<&AccountId>,
    ) -> Outcome {
        let (outcome, request_id) = match issued {
            Ok(issued) => {
                let now = self.calls.ports.clock.now();
                (CachedCredentials::new(&issued, user, account, now), issued.request_id)
            }
            Err(error) => (Err(Failure::of_aws(self.plan, &error)), error.request_id),
        };
        if outcome.is_err() {
            self.calls.counters.sts_failures.fetch_add(1, Ordering::Relaxed);
        }
        self.log(Event::Sts, &outcome, request_id);
        outcome
    }

    /// Writes a line to the audit log about a call that was made for a session.
    pub(super) fn log(&self, event: Event, outcome: &Outcome, request_id: Option<String>) {
        let audit = &self.calls.audit;
        let line = audit.line(event).name(&self.plan.name).role_arn(target(self.step())).request_id(request_id);
        audit.write(match outcome {
            Ok(held) => line.session(held.arn.clone(), &held.access_key_id, held.lifetime.expiration),
            Err(failure) => line.failure(&failure.code, &failure.report),
        });
    }
}
