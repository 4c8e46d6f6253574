//! What the agent's own environment says of credentials, taken once at its start.
//!
//! Threat: an agent's environment that could be set by a caller would decide for everybody who they are. A tool that starts
//! the agent passes none of these on (`client::INHERITED`); `rolecall agent run` and systemd do, because a person said so.

use super::credentials::{Raw, check};
use super::{CredentialSource, Sources};
use crate::dbus::SessionBus;
use async_trait::async_trait;
use chrono::TimeDelta;
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::LONGEST_SESSION;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::{SecretKey, SessionToken, WebToken};
use rolecall_core::domain::source::Environment;
use rolecall_ports::{SourceCredentials, SourceResult, TokenError};
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The agent's environment, as far as it concerns credentials.
#[derive(Clone, Default)]
pub struct StartupEnv {
    pub(super) key: Option<StartupKey>,
    pub(super) container: Container,
    /// What a credential program may know.
    program: Vec<(OsString, OsString)>,
    /// The session bus that such a program is told of.
    bus: Option<Arc<SessionBus>>,
}

/// The same, and when it was taken, by the boot-time clock.
pub(super) struct Captured {
    pub(super) at: Duration,
    pub(super) ambient: StartupEnv,
}

/// `AWS_ACCESS_KEY_ID` and its companions, unchecked.
#[derive(Clone, Debug)]
pub(super) struct StartupKey {
    pub(super) access_key_id: String,
    pub(super) secret: SecretKey,
    pub(super) token: Option<SessionToken>,
    pub(super) expiration: Option<String>,
    pub(super) account: Option<String>,
}

/// `AWS_CONTAINER_…`, unchecked.
#[derive(Clone, Debug, Default)]
pub(super) struct Container {
    pub(super) relative_uri: Option<String>,
    pub(super) full_uri: Option<String>,
    pub(super) token: Option<WebToken>,
    pub(super) token_file: Option<String>,
}

impl StartupEnv {
    /// Takes what concerns credentials out of an environment.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| var(name).map(|v| v.to_string_lossy().into_owned()).filter(|v| !v.is_empty());
        let key = text("AWS_ACCESS_KEY_ID").map(|access_key_id| StartupKey {
            access_key_id,
            secret: SecretKey::new(text("AWS_SECRET_ACCESS_KEY").unwrap_or_default()),
            token: text("AWS_SESSION_TOKEN").map(SessionToken::new),
            expiration: text("AWS_CREDENTIAL_EXPIRATION"),
            account: text("AWS_ACCOUNT_ID"),
        });
        let container = Container {
            relative_uri: text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
            full_uri: text("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
            token: text("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(WebToken::new),
            token_file: text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        };
        Self { key, container, program: Vec::new(), bus: None }
    }

    /// Adds the environment of credential programs, and the session bus that they are told of.
    #[must_use]
    pub fn with_programs(self, program: Vec<(OsString, OsString)>, bus: Arc<SessionBus>) -> Self {
        Self { program, bus: Some(bus), ..self }
    }

    /// Returns the environment of a credential program that is started now.
    pub(super) async fn of_program(&self) -> Vec<(OsString, OsString)> {
        let bus = match &self.bus {
            Some(bus) => bus.usable_address().await,
            None => None,
        };
        let bus = bus.map(|bus| ("DBUS_SESSION_BUS_ADDRESS".into(), bus.into()));
        self.program.iter().cloned().chain(bus).collect()
    }
}

/// Names and values of a program's environment are nobody's to read in a log.
impl fmt::Debug for StartupEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ambient").field("key", &self.key).field("container", &self.container).finish_non_exhaustive()
    }
}

const START: &str =
    "start the agent where the variables are set: `rolecall agent stop`, then `rolecall agent run` there";

#[async_trait]
impl CredentialSource for Environment {
    /// Returns the credentials that the environment contained when the agent started.
    async fn request(&self, sources: &Sources, _: &Arc<AwsSettings>) -> Result<SourceCredentials, TokenError> {
        let Some(key) = &sources.ambient.ambient.key else {
            // An agent that a tool has started is the usual reason: it inherits no such variable, on purpose.
            let cause = "the agent's own environment has no AWS_ACCESS_KEY_ID; an agent that a tool started has none of its variables";
            return Err(TokenError::permanent(UserError::new(Kind::Config, cause).hint(START)));
        };
        let raw = Raw {
            access_key_id: key.access_key_id.clone(),
            secret: key.secret.clone(),
            token: key.token.clone(),
            expiration: key.expiration.clone(),
        };
        let given = check(raw).map_err(|odd| {
            let cause = format!("the agent's environment has credentials {odd}");
            TokenError::permanent(
                UserError::new(Kind::Config, cause)
                    .hint(format!("correct AWS_ACCESS_KEY_ID and its companions; {START}")),
            )
        })?;
        // A session that does not say its end cannot be good for longer than any is.
        if matches!(given, SourceResult::Session { expiration: None, .. })
            && sources.clock.now().boot.saturating_sub(sources.ambient.at) >= LONGEST_SESSION
        {
            let cause =
                "the session in the agent's environment does not say when it ends, and is older than any can be";
            return Err(TokenError::permanent(UserError::new(Kind::Refused, cause).hint(START)));
        }
        let account = key.account.as_deref().and_then(|id| AccountId::new(id).ok());
        Ok(SourceCredentials { given, user: None, account, skew: TimeDelta::zero() })
    }
}
