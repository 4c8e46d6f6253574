//! Where identities without a stored key get their credentials, behind the `Sources` port.
//!
//! It knows one asking at a time: no caches, no names of identities, no sessions of ours. What the agent's own environment
//! says is given to it once, at the agent's start; a caller's environment never comes here.
//!
//! The SDK's providers (aws-config) are not used. Its one for EC2 gives a session that is over a later end of its own
//! making when the service does not answer ("static stability"), and an expired session is what rolecall never hands out;
//! both read the process's environment at each call; neither has a limit on what it reads; and they bring 27 crates for
//! some three hundred lines. The HTTP client under them is the one that is used here.

mod credentials;
mod ec2;
mod ecs;
mod http;
mod process;
mod startup_env;
mod token_file;

pub use startup_env::StartupEnv;

/// Entry point of `fuzz/` into the output of credential programs. Compiled for cargo-fuzz only.
#[cfg(fuzzing)]
pub mod fuzzing {
    use rolecall_ports::SourceCredentials;

    /// Reads the output of a program as its `credential_process` JSON.
    pub fn read(printed: &[u8]) -> Result<SourceCredentials, String> {
        super::process::read(printed)
    }
}

use async_trait::async_trait;
use chrono::TimeDelta;
use process::Running;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::MfaCode;
use rolecall_core::domain::source::Source;
use rolecall_ports::{self as ports, Clock, SourceCredentials, SourceResult, TokenError};
use startup_env::Captured;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Two requests that hang, and their repetition: a machine that is no instance is told so before a caller gives up.
const SERVICE: Duration = Duration::from_secs(8);
/// A file on a network's disk may hang; a token is read in no time.
const FILE: Duration = Duration::from_secs(5);

/// Every kind of source.
pub struct Sources {
    clock: Arc<dyn Clock>,
    ambient: Captured,
    running: Arc<Running>,
}

impl Sources {
    /// Makes them with what the agent's environment says now.
    pub fn new(clock: Arc<dyn Clock>, ambient: StartupEnv) -> Self {
        let ambient = Captured { at: clock.now().boot, ambient };
        Self { clock, ambient, running: Arc::default() }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("ambient", &self.ambient.ambient).finish_non_exhaustive()
    }
}

#[async_trait]
impl ports::Sources for Sources {
    async fn ask(&self, aws: &Arc<AwsSettings>, source: &Source) -> Result<SourceCredentials, TokenError> {
        match source {
            Source::Ec2 { endpoint } => in_time(source, SERVICE, ec2::ask(endpoint, self.clock.as_ref())).await,
            Source::Ecs { uri, token_file } => {
                let place =
                    ecs::ContainerEndpoint::of(uri.as_ref(), token_file.as_deref(), &self.ambient.ambient.container)?;
                in_time(source, SERVICE, ecs::ask(&place, aws, self.clock.as_ref())).await
            }
            Source::Environment => startup_env::ask(&self.ambient, self.clock.now().boot),
            Source::Process { argv } => {
                process::ask(argv, &self.ambient.ambient.of_program().await, &self.running).await
            }
            Source::WebIdentity(call) => {
                let token = in_time(source, FILE, token_file::web_identity(&call.token_file)).await?;
                Ok(SourceCredentials {
                    given: SourceResult::Token(token),
                    user: None,
                    account: None,
                    skew: TimeDelta::zero(),
                })
            }
        }
    }

    async fn code(&self, argv: &[String]) -> Result<MfaCode, String> {
        process::code(argv, &self.ambient.ambient.of_program().await, &self.running).await
    }

    async fn running(&self) -> Vec<i32> {
        self.running.pids().await
    }
}

async fn in_time<T>(
    source: &Source,
    limit: Duration,
    answer: impl Future<Output = Result<T, TokenError>>,
) -> Result<T, TokenError> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        let cause = format!("{source} was not done within {} seconds", limit.as_secs());
        Err(TokenError::transient(UserError::new(Kind::Unreachable, cause).hint("run it again in a moment")))
    })
}
