//! One flight: from the long-term key or the session before, through one call to STS, to a session ready to hand out.

use super::audit::{AuditLine, Event};
use super::endpoint::Bodies;
use super::failure::Failure;
use super::locked_memory::LockedBytes;
use super::mfa_codes::{Unattended, because};
use super::prompts::{Unanswered, unanswered};
use super::renewal::{RefreshPriority, Urgency};
use super::sessions::Sessions;
use rolecall_core::domain::arn;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{FLOOR, Freshness, LAST_CALL, Lifetime, Now, Signer, freshness};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{Plan, SessionKey, Step};
use rolecall_core::domain::secret::MfaCode;
use rolecall_core::domain::totp::TotpSecret;
use rolecall_ipc::protocol::process_output;
use rolecall_ports::{Issued, Retryability};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};
use std::time::Duration;

/// How often a person may type a code before it is taken for the wrong device.
const TRIES: usize = 3;

/// What a flight brings.
pub(super) type Outcome = Result<Arc<CachedCredentials>, Failure>;

/// A session at rest: its ready-made line in locked pages, and what is no secret beside it.
#[derive(Debug)]
pub(super) struct CachedCredentials {
    /// What `get` prints.
    pub(super) line: LockedBytes,
    /// Its public half.
    pub(super) access_key_id: String,
    /// The assumed-role ARN.
    pub(super) arn: Option<String>,
    /// How long it lasts.
    pub(super) lifetime: Lifetime,
    /// Where in the tenth before half its life it is renewed.
    pub(super) jitter: f64,
    /// What endpoints say of it.
    pub(super) bodies: Bodies,
    /// Whose sessions these are: the start of the session names along the chain.
    user: Arc<str>,
}

/// What signs a step's call, and for whom.
pub(super) struct Start {
    pub(super) signer: Signer,
    pub(super) user: Arc<str>,
    pub(super) account: Option<arn::AccountId>,
    /// What makes the codes of the identity's device, if the vault has it.
    pub(super) totp: Option<TotpSecret>,
}

/// Names what a step leads to, for the audit log.
pub(super) fn target(step: &Step) -> Option<String> {
    match step {
        Step::AssumeRole(call) => Some(call.role_arn.to_string()),
        Step::SessionToken(_) | Step::Source(_) => None,
    }
}

impl Sessions {
    /// Makes the session of one step; the steps before it are fetched or found on the way.
    ///
    /// Boxed: a step waits for the step before it, which is another flight of this same function.
    pub(super) fn start_refresh<'a>(
        self: &'a Arc<Self>,
        aws: &'a Arc<AwsSettings>,
        plan: &'a Arc<Plan>,
        at: usize,
        pace: &'a RefreshPriority,
        code: Option<MfaCode>,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>> {
        Box::pin(self.make(aws, plan, at, pace, code))
    }

    async fn make(
        self: &Arc<Self>,
        aws: &Arc<AwsSettings>,
        plan: &Arc<Plan>,
        at: usize,
        pace: &RefreshPriority,
        code: Option<MfaCode>,
    ) -> Outcome {
        let step = plan.keys[at].step();
        if let Step::Source(call) = step {
            return self.from_source(aws, plan, call, pace).await;
        }
        let Some(serial) = step.mfa_serial() else { return self.call_renewing(aws, plan, at, pace, None).await };
        // It was taken for its one use by who gave it.
        if let Some(code) = code {
            return self.call_renewing(aws, plan, at, pace, Some(&code)).await;
        }
        let whom = plan.unlock_name();
        if pace.urgency == Urgency::Background {
            return Err(Failure::transient(unanswered(Unanswered::Nobody, serial, whom)));
        }
        // A code is typed for nothing if there is no key to go with it. It is kept until the flight is over: a vault that
        // asks before it gives a key asks once.
        let mut start = self.start(aws, plan, at, pace.urgency).await?;
        let mut reason = match self.without_a_person(aws, plan, at, pace, &start).await {
            Unattended::Settled(Err(failure)) => {
                return Err(self.explain_unknown_key(aws, plan, at, &start.signer, failure).await);
            }
            Unattended::Settled(outcome) => return outcome,
            Unattended::AskWith(reason) => reason,
        };
        let without = reason.clone();
        for _ in 0..TRIES {
            let given = self.questions.ask(plan, serial, reason).await.map_err(|no| {
                let report = because(unanswered(no, serial, whom), without.as_deref());
                if no == Unanswered::Nobody {
                    self.notices.wants_code(serial, whom, &plan.name);
                }
                // A person who said no is left alone for a moment, whatever retries behind them; where nobody was asked
                // the code may come the next moment.
                match no {
                    Unanswered::Cancelled | Unanswered::NoCode => Failure::permanent(report),
                    Unanswered::CalledOff | Unanswered::Nobody | Unanswered::Patience => Failure::transient(report),
                }
            })?;
            let mut outcome = self.call(aws, plan, &plan.keys[at], &start, pace, Some(&given.code)).await;
            // A rotation came to its end while the person was looking for the device. The code was not looked at.
            if let Err(failure) = &outcome
                && failure.is_unknown_key()
                && at == 0
                && self.has_other_key(plan, &start.signer).await
            {
                start = self.start(aws, plan, at, pace.urgency).await?;
                outcome = self.call(aws, plan, &plan.keys[at], &start, pace, Some(&given.code)).await;
            }
            given.tell(&outcome);
            match outcome {
                Err(failure) if failure.outlook == Retryability::WrongCode => {
                    reason = Some("AWS did not accept that code; wait for the device's next one".to_owned());
                }
                Err(failure) => return Err(self.explain_unknown_key(aws, plan, at, &start.signer, failure).await),
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

    async fn call_renewing(
        self: &Arc<Self>,
        aws: &Arc<AwsSettings>,
        plan: &Arc<Plan>,
        at: usize,
        pace: &RefreshPriority,
        code: Option<&MfaCode>,
    ) -> Outcome {
        let mut renewed = false;
        loop {
            let start = self.start(aws, plan, at, pace.urgency).await?;
            let outcome = self.call(aws, plan, &plan.keys[at], &start, pace, code).await;
            match outcome {
                // The session before this one is over in STS's eyes, whatever our clocks say: renew it, once.
                Err(failure) if failure.outlook == Retryability::SignerExpired && at > 0 && !renewed => {
                    let failure = self.explain_unknown_key(aws, plan, at, &start.signer, failure).await;
                    if failure.outlook != Retryability::SignerExpired {
                        return Err(failure);
                    }
                    renewed = true;
                    self.drop_expired(&plan.keys[at - 1]);
                }
                // A rotation has put another key into the vault since this one was read, and switched this one off.
                Err(failure)
                    if failure.is_unknown_key()
                        && at == 0
                        && !renewed
                        && self.has_other_key(plan, &start.signer).await =>
                {
                    renewed = true;
                }
                Err(failure) => return Err(self.explain_unknown_key(aws, plan, at, &start.signer, failure).await),
                outcome => return outcome,
            }
        }
    }

    /// Tells whether the vault's key is another than the one that signed.
    async fn has_other_key(&self, plan: &Plan, signer: &Signer) -> bool {
        let Signer::Key(used) = signer else { return false };
        let now = self.ports.vault.read(&plan.identity.name).await;
        now.is_ok_and(|stored| stored.key.id != used.id)
    }

    /// Gets what signs the call: the vault's key for the first step, else the session of the step before.
    async fn start(
        self: &Arc<Self>,
        aws: &Arc<AwsSettings>,
        plan: &Arc<Plan>,
        at: usize,
        urgency: Urgency,
    ) -> Result<Start, Failure> {
        if let Some(source) = plan.identity.source.as_ref().filter(|_| at == 0) {
            return self.key_of_source(aws, plan, source).await;
        }
        if at == 0 {
            self.counters.vault_reads.fetch_add(1, Ordering::Relaxed);
            let stored = self.ports.vault.read(&plan.identity.name).await.map_err(Failure::transient)?;
            self.note_open();
            let user = stored.arn.rsplit('/').next().unwrap_or_default().into();
            let account = arn::account_of(&stored.arn);
            return Ok(Start { account, user, signer: Signer::Key(stored.key), totp: stored.totp });
        }
        let before = self.step(plan, at - 1, urgency).await?.held;
        let session = process_output::parse(&before.line).ok_or_else(|| {
            Failure::transient(UserError::new(Kind::Failed, "a session in memory cannot be read back"))
        })?;
        let (account, user) = (session.account.clone(), Arc::clone(&before.user));
        Ok(Start { account, user, signer: Signer::Session(session), totp: None })
    }

    pub(super) async fn call(
        &self,
        aws: &Arc<AwsSettings>,
        plan: &Plan,
        key: &SessionKey,
        start: &Start,
        pace: &RefreshPriority,
        code: Option<&MfaCode>,
    ) -> Outcome {
        let _turn = self.rate_limit(pace).await;
        self.counters.sts_calls.fetch_add(1, Ordering::Relaxed);
        let issued = match (key.step(), &start.signer) {
            (Step::AssumeRole(call), signer) => {
                let name = call.session_name.clone().unwrap_or_else(|| session_name(&start.user));
                self.ports.tokens.assume_role(aws, signer, call, &name, code).await
            }
            (Step::SessionToken(call), Signer::Key(long_term)) => {
                self.ports.tokens.session_token(aws, long_term, call, code).await
            }
            (Step::Source(_) | Step::SessionToken(_), _) => {
                // STS refuses it (GetSessionToken takes long-term keys only), and no plan asks for it.
                return Err(Failure::permanent(UserError::new(
                    Kind::Failed,
                    "a session cannot be traded for a session",
                )));
            }
        };
        let (outcome, request_id) = match issued {
            Ok(issued) => (self.cache(&issued, &start.user, start.account.as_ref()), issued.request_id),
            Err(error) => (Err(Failure::of_aws(plan, &error)), error.request_id),
        };
        if outcome.is_err() {
            self.counters.sts_failures.fetch_add(1, Ordering::Relaxed);
        }
        self.audit_call(plan, key, &outcome, request_id);
        outcome
    }

    /// Writes a line of the audit log about a call to STS.
    pub(super) fn audit_call(
        &self,
        plan: &Plan,
        key: &SessionKey,
        outcome: &Result<Arc<CachedCredentials>, Failure>,
        request_id: Option<String>,
    ) {
        self.audit_of(Event::Sts, plan, key, outcome, request_id);
    }

    /// Writes a line of the audit log about an event that was to give a session.
    pub(super) fn audit_of(
        &self,
        event: Event,
        plan: &Plan,
        key: &SessionKey,
        outcome: &Result<Arc<CachedCredentials>, Failure>,
        request_id: Option<String>,
    ) {
        let result = outcome.as_ref().map_or_else(|f| f.code.clone(), |_| "ok".to_owned());
        let mut line = AuditLine::new(self.ports.clock.now().wall, event, result);
        line.name = Some(plan.name.to_string());
        line.request_id = request_id;
        line.role_arn = target(key.step());
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

    pub(super) fn cache(&self, issued: &Issued, user: &Arc<str>, account: Option<&arn::AccountId>) -> Outcome {
        let now = self.ports.clock.now();
        let odd =
            |what: &str| Failure::transient(UserError::new(Kind::Unreachable, format!("STS gave a session {what}")));
        let lifetime =
            Lifetime::begin(issued.session.expiration, issued.skew, now).ok_or_else(|| odd("that is over already"))?;
        let mut session = issued.session.clone();
        session.account = session.account.or_else(|| account.cloned());
        let line = process_output::line(&session).ok_or_else(|| odd("too long for every SDK to read (8 KiB)"))?;
        debug_assert!(lifetime.life > LAST_CALL, "Lifetime::begin gives none shorter");
        Ok(Arc::new(CachedCredentials {
            line: keep(&line)?,
            access_key_id: session.access_key_id.clone(),
            arn: issued.arn.clone(),
            lifetime,
            jitter: super::random_fraction(),
            bodies: Bodies::default(),
            user: Arc::clone(user),
        }))
    }
}

/// Makes a session name that CloudTrail readers of both accounts can follow: the user, and a tag that our audit log has
/// too. No host name: it would leave the company in the other account's logs.
pub(super) fn session_name(user: &str) -> String {
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)).take(56).collect();
    let user = if user.is_empty() { "rolecall" } else { &user };
    format!("{user}-{}", super::random_tag())
}

impl CachedCredentials {
    /// Tells what may be done with it now.
    pub(super) fn freshness(&self, now: Now) -> Freshness {
        self.freshness_above(FLOOR, now)
    }

    /// Tells the same for who wants more to be left.
    pub(super) fn freshness_above(&self, floor: Duration, now: Now) -> Freshness {
        freshness(self.lifetime.life, self.lifetime.left(now), floor, self.jitter)
    }
}

/// Keeps a line in locked pages.
fn keep(line: &[u8]) -> Result<LockedBytes, Failure> {
    static SAID: Once = Once::new();
    let bytes = LockedBytes::new(line)
        .map_err(|e| Failure::transient(UserError::new(Kind::Failed, format!("no memory for a session: {e}"))))?;
    if !bytes.is_locked() {
        SAID.call_once(|| {
            tracing::warn!("sessions may be swapped out: the limit of locked memory is reached (ulimit -l)");
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_is_the_user_and_a_tag_within_aws_limits() {
        let name = session_name("richard");
        assert!(name.starts_with("richard-"), "{name}");
        assert_ne!(name, session_name("richard"), "the tag differs");
        for user in ["", "ünïcode", &"x".repeat(200), "a b/c"] {
            let name = session_name(user);
            assert!(rolecall_core::domain::names::check_session_word(&name).is_ok(), "{name}");
        }
    }
}
