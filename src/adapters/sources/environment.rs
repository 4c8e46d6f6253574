//! The agent's own `AWS_ACCESS_KEY_ID` and its companions. A caller's are never looked at.

use super::credentials::{Raw, check};
use super::never;
use super::startup_env::Captured;
use chrono::TimeDelta;
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::credential::LONGEST_SESSION;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ports::{SourceCredentials, SourceResult, TokenError};
use std::time::Duration;

const START: &str =
    "start the agent where the variables are set: `rolecall agent stop`, then `rolecall agent run` there";

/// Gives what the environment held when the agent started.
pub(super) fn ask(captured: &Captured, now: Duration) -> Result<SourceCredentials, TokenError> {
    let Some(key) = &captured.ambient.key else {
        // An agent that a tool has started is the usual reason: it inherits no such variable, on purpose.
        let cause = "the agent's own environment has no AWS_ACCESS_KEY_ID; an agent that a tool started has none of its variables";
        return Err(never(UserError::new(Kind::Config, cause).hint(START)));
    };
    let raw = Raw {
        access_key_id: key.access_key_id.clone(),
        secret: key.secret.clone(),
        token: key.token.clone(),
        expiration: key.expiration.clone(),
    };
    let given = check(raw).map_err(|odd| {
        let cause = format!("the agent's environment has credentials {odd}");
        never(
            UserError::new(Kind::Config, cause).hint(format!("correct AWS_ACCESS_KEY_ID and its companions; {START}")),
        )
    })?;
    // A session that does not say its end cannot be good for longer than any is.
    if matches!(given, SourceResult::Session { expiration: None, .. })
        && now.saturating_sub(captured.at) >= LONGEST_SESSION
    {
        let cause = "the session in the agent's environment does not say when it ends, and is older than any can be";
        return Err(never(UserError::new(Kind::Refused, cause).hint(START)));
    }
    let account = key.account.as_deref().and_then(|id| AccountId::new(id).ok());
    Ok(SourceCredentials { given, user: None, account, skew: TimeDelta::zero() })
}
