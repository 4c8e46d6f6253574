//! The start of a chain without a stored key: what an identity's source gives, as a session like any other.
//!
//! A session of the source's is taken over as it is. A long-term key is traded for one, since no long-term key is ever
//! handed out, and so is an identity provider's token. A source is asked anew for each renewal; one that still gives the
//! session that is there is asked again when half of what is left of it is over, so that it is asked some ten times in
//! all and not in a storm.

use super::audit::Event;
use super::credentials::{CachedCredentials, Outcome, session_name};
use super::failure::{Failure, class};
use super::sts_calls::{Start, StepRefresh};
use super::unknown_key;
use chrono::TimeDelta;
use rolecall_core::domain::catalogue::HOUR;
use rolecall_core::domain::credential::{LONGEST_SESSION, Lifetime, Now, Session, Signer};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{Plan, SessionTokenCall};
use rolecall_core::domain::source::Source;
use rolecall_ipc::protocol::process_output;
use rolecall_ports::{Issued, Retryability, SourceCredentials, SourceResult};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A session that does not say its end is served for an hour at a time and fetched again at half of it. Not longer: it is
/// a guess, and the shortest default of AWS's is an hour.
const UNKNOWN_LIFE: Duration = HOUR;

/// A source's clock and this machine's may differ by this much before an end is one that cannot be.
const CLOCKS: Duration = Duration::from_mins(5);

/// Makes the session of an identity from the credentials of its source.
pub(super) async fn refresh(step: &StepRefresh<'_>, call: &SessionTokenCall) -> Outcome {
    let StepRefresh { calls, aws, plan, .. } = *step;
    let Some(source) = &plan.identity.source else {
        return Err(Failure::permanent(UserError::new(Kind::Failed, "a stored key is no source")));
    };
    let _turn = calls.rate.admit(step.priority).await;
    let sourced = match ask(step, source).await {
        Ok(sourced) => sourced,
        Err(failure) => {
            let outcome = Err(failure);
            step.log(Event::Source, &outcome, None);
            return outcome;
        }
    };
    let user = user(plan, &sourced);
    match &sourced.given {
        SourceResult::Session { access_key_id, secret, token, expiration } => {
            let now = calls.ports.clock.now();
            let unknown = || now.wall + sourced.skew + UNKNOWN_LIFE;
            let session = Session {
                access_key_id: access_key_id.clone(),
                secret: secret.clone(),
                token: token.clone(),
                expiration: expiration.unwrap_or_else(unknown),
                account: sourced.account.clone(),
            };
            let outcome = if let Some(failure) = odd_end(source, &session, sourced.skew, now) {
                Err(failure)
            } else {
                let issued = Issued { session, arn: None, skew: sourced.skew, request_id: None };
                CachedCredentials::new(&issued, &user, None, now)
            };
            step.log(Event::Source, &outcome, None);
            outcome
        }
        SourceResult::Key(long_term) => {
            let issued = calls.ports.tokens.session_token(aws, long_term, call, None).await;
            calls.counters.sts_calls.fetch_add(1, Ordering::Relaxed);
            match step.take(issued, &user, sourced.account.as_ref()) {
                Err(failure) => Err(unknown_key::explain(step, &Signer::Key(long_term.clone()), failure).await),
                outcome => outcome,
            }
        }
        SourceResult::Token(token) => {
            let Some(web) = plan.identity.web_identity() else {
                return Err(Failure::permanent(UserError::new(Kind::Failed, "a token came from where none is")));
            };
            let name = web.session_name.clone().unwrap_or_else(|| session_name(plan.identity.name.as_str()));
            let issued = calls.ports.tokens.web_identity(aws, &call.region, web, &name, token).await;
            calls.counters.sts_calls.fetch_add(1, Ordering::Relaxed);
            step.take(issued, &web.role_arn.name().into(), None)
        }
    }
}

/// Gets the long-term key that signs a call with an MFA code, from a source.
pub(super) async fn key(step: &StepRefresh<'_>, source: &Source) -> Result<Start, Failure> {
    let plan = step.plan;
    let sourced = ask(step, source).await?;
    let user = user(plan, &sourced);
    match sourced.given {
        SourceResult::Key(key) => Ok(Start { signer: Signer::Key(key), user, account: sourced.account, totp: None }),
        SourceResult::Session { .. } | SourceResult::Token(_) => Err(Failure::permanent(
            UserError::new(
                Kind::Config,
                format!("{source} gives a session, and AWS takes MFA codes with the long-term key of an IAM user only"),
            )
            .hint(format!("remove `mfa_serial` from [identities.{}]", plan.identity.name)),
        )),
    }
}

async fn ask(step: &StepRefresh<'_>, source: &Source) -> Result<SourceCredentials, Failure> {
    let asked = step.calls.ports.tokens.sources().ask(step.aws, source).await;
    asked.map_err(|error| Failure::of_aws(step.plan, &error))
}

/// Refuses a session that is over, which sources do give in an outage, and one that ends when none of AWS's does.
fn odd_end(source: &Source, session: &Session, skew: TimeDelta, now: Now) -> Option<Failure> {
    let end = process_output::timestamp(session.expiration);
    let (what, hint) = if (session.expiration - (now.wall + skew))
        .to_std()
        .is_ok_and(|life| life > LONGEST_SESSION + CLOCKS)
    {
        (format!("gave a session until {end}, and no session of AWS's lasts that long"), "look at this machine's clock")
    } else if Lifetime::begin(session.expiration, skew, now).is_none() {
        let retry = "run it again in a moment, and look at this machine's clock";
        (format!("gave a session that was over at {end}"), source.kind().facts().expired_hint.unwrap_or(retry))
    } else {
        return None;
    };
    let report = UserError::new(Kind::Unreachable, format!("{source} {what}")).hint(hint);
    Some(Failure { code: class(report.kind), report, outlook: Retryability::Transient })
}

/// Names whose sessions these are: what the source says, else the identity.
fn user(plan: &Plan, sourced: &SourceCredentials) -> Arc<str> {
    sourced.user.as_deref().unwrap_or(plan.identity.name.as_str()).into()
}
