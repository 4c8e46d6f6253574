//! The start of a chain without a stored key: what an identity's source gives, as a session like any other.
//!
//! A session of the source's is taken over as it is. A long-term key is traded for one, since no long-term key is ever
//! handed out, and so is an identity provider's token. A source is asked anew for each renewal; one that still gives the
//! session that is there is asked again when half of what is left of it is over, so that it is asked some ten times in
//! all and not in a storm.

use super::Agent;
use super::audit::Event;
use super::failure::{Failure, class};
use super::refresh::{Outcome, Start, session_name};
use super::renewal::RefreshPriority;
use super::sessions::Sessions;
use chrono::TimeDelta;
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::catalogue::{AwsSettings, HOUR};
use rolecall_core::domain::credential::{LONGEST_SESSION, Lifetime, Session, Signer};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{Plan, SessionTokenCall};
use rolecall_core::domain::source::Source;
use rolecall_ipc::protocol::process_output;
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_ports::{Issued, Retryability, SourceCredentials, SourceResult, TokenError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A session that does not say its end is served for an hour at a time and fetched again at half of it. Not longer: it is
/// a guess, and the shortest default of AWS's is an hour.
const UNKNOWN_LIFE: Duration = HOUR;

/// A source's clock and this machine's may differ by this much before an end is one that cannot be.
const CLOCKS: Duration = Duration::from_mins(5);

impl Agent {
    /// Tells of an identity without a stored key what is known from the session it has now. Nobody is asked for it.
    pub(super) fn describe_source(&self, key: &mut KeyStatus) {
        let plan = self.configuration.plan(&key.identity).ok();
        let Some(glance) = plan.and_then(|plan| self.sessions.glance(plan.key())) else { return };
        if let Some(held) = &glance.held {
            key.access_key_id = Some(held.access_key_id.clone());
            key.arn.clone_from(&held.arn);
            key.account = process_output::parse(&held.line).and_then(|s| s.account).map(|id| id.to_string());
        }
        key.error = glance.failure;
    }
}

impl Sessions {
    /// Makes the session of an identity from what its source gives.
    pub(super) async fn from_source(
        self: &Arc<Self>,
        aws: &Arc<AwsSettings>,
        plan: &Arc<Plan>,
        call: &SessionTokenCall,
        pace: &RefreshPriority,
    ) -> Outcome {
        let key = &plan.keys[0];
        let Some(source) = &plan.identity.source else {
            return Err(Failure::permanent(UserError::new(Kind::Failed, "a stored key is no source")));
        };
        let _turn = self.rate_limit(pace).await;
        let sourced = self.ports.tokens.sources().ask(aws, source).await.map_err(|error| Failure::of_aws(plan, &error));
        let sourced = match sourced {
            Ok(sourced) => sourced,
            Err(failure) => {
                let outcome = Err(failure);
                self.audit_of(Event::Source, plan, key, &outcome, None);
                return outcome;
            }
        };
        let user = user(plan, &sourced);
        match &sourced.given {
            SourceResult::Session { access_key_id, secret, token, expiration } => {
                let now = self.ports.clock.now();
                let unknown = || now.wall + sourced.skew + UNKNOWN_LIFE;
                let session = Session {
                    access_key_id: access_key_id.clone(),
                    secret: secret.clone(),
                    token: token.clone(),
                    expiration: expiration.unwrap_or_else(unknown),
                    account: sourced.account.clone(),
                };
                let outcome = match self.odd_end(source, &session, sourced.skew) {
                    Some(failure) => Err(failure),
                    None => {
                        self.cache(&Issued { session, arn: None, skew: sourced.skew, request_id: None }, &user, None)
                    }
                };
                self.audit_of(Event::Source, plan, key, &outcome, None);
                outcome
            }
            SourceResult::Key(long_term) => {
                let issued = self.ports.tokens.session_token(aws, long_term, call, None).await;
                match self.take(plan, issued, &user, sourced.account.as_ref()) {
                    Err(failure) => {
                        let signer = Signer::Key(long_term.clone());
                        Err(self.explain_unknown_key(aws, plan, 0, &signer, failure).await)
                    }
                    outcome => outcome,
                }
            }
            SourceResult::Token(token) => {
                let Source::WebIdentity(web) = source else {
                    return Err(Failure::permanent(UserError::new(Kind::Failed, "a token came from where none is")));
                };
                let name = web.session_name.clone().unwrap_or_else(|| session_name(plan.identity.name.as_str()));
                let issued = self.ports.tokens.web_identity(aws, &call.region, web, &name, token).await;
                self.take(plan, issued, &web.role_arn.name().into(), None)
            }
        }
    }

    /// Gets the long-term key that goes with an MFA code, from a source.
    pub(super) async fn key_of_source(
        &self,
        aws: &Arc<AwsSettings>,
        plan: &Plan,
        source: &Source,
    ) -> Result<Start, Failure> {
        let sourced =
            self.ports.tokens.sources().ask(aws, source).await.map_err(|error| Failure::of_aws(plan, &error))?;
        let user = user(plan, &sourced);
        match sourced.given {
            SourceResult::Key(key) => {
                Ok(Start { signer: Signer::Key(key), user, account: sourced.account, totp: None })
            }
            SourceResult::Session { .. } | SourceResult::Token(_) => Err(Failure::permanent(
                UserError::new(
                    Kind::Config,
                    format!(
                        "{source} gives a session, and AWS takes MFA codes with the long-term key of an IAM user only"
                    ),
                )
                .hint(format!("remove `mfa_serial` from [identities.{}]", plan.identity.name)),
            )),
        }
    }

    /// Takes over what STS issued for a key or a token of a source.
    fn take(
        &self,
        plan: &Plan,
        issued: Result<Issued, TokenError>,
        user: &Arc<str>,
        account: Option<&AccountId>,
    ) -> Outcome {
        self.counters.sts_calls.fetch_add(1, Ordering::Relaxed);
        let (outcome, request_id) = match issued {
            Ok(issued) => (self.cache(&issued, user, account), issued.request_id),
            Err(error) => (Err(Failure::of_aws(plan, &error)), error.request_id),
        };
        if outcome.is_err() {
            self.counters.sts_failures.fetch_add(1, Ordering::Relaxed);
        }
        self.audit_call(plan, &plan.keys[0], &outcome, request_id);
        outcome
    }

    /// Refuses a session that is over, which sources do give in an outage, and one that ends when none of AWS's does.
    fn odd_end(&self, source: &Source, session: &Session, skew: TimeDelta) -> Option<Failure> {
        let now = self.ports.clock.now();
        let end = process_output::timestamp(session.expiration);
        let (what, hint) = if (session.expiration - (now.wall + skew))
            .to_std()
            .is_ok_and(|life| life > LONGEST_SESSION + CLOCKS)
        {
            (
                format!("gave a session until {end}, and no session of AWS's lasts that long"),
                "look at this machine's clock",
            )
        } else if Lifetime::begin(session.expiration, skew, now).is_none() {
            let hint = match source {
                Source::Environment => {
                    "start the agent anew where the variables are of today: `rolecall agent stop`, then `rolecall agent run`"
                }
                _ => "run it again in a moment, and look at this machine's clock",
            };
            (format!("gave a session that was over at {end}"), hint)
        } else {
            return None;
        };
        let report = UserError::new(Kind::Unreachable, format!("{source} {what}")).hint(hint);
        Some(Failure { code: class(report.kind), report, outlook: Retryability::Transient })
    }
}

/// Names whose sessions these are: what the source says, else the identity.
fn user(plan: &Plan, sourced: &SourceCredentials) -> Arc<str> {
    sourced.user.as_deref().unwrap_or(plan.identity.name.as_str()).into()
}
