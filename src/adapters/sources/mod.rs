//! The sources of credentials, behind the `Sources` port: one file and one `CredentialSource` for each kind.
//!
//! A source has no cache and knows neither identities nor sessions of rolecall. It gets the environment of the agent once, at
//! the start, and never the environment of a caller.
//!
//! The providers of the SDK (aws-config) are not used. If the service does not answer, the EC2 provider extends expired
//! sessions ("static stability"), which rolecall never hands out. Both providers read the environment at each call and have
//! no limit on the size of an answer, and they need 27 crates for about three hundred lines. The HTTP client is the same.

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
use process::Running;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::MfaCode;
use rolecall_core::domain::source::Source;
use rolecall_ports::{self as ports, Clock, SourceCredentials, TokenError};
use startup_env::Captured;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The deadline of a service: two requests that hang, and their repetition. Callers wait longer, so they get the reason.
const SERVICE: Duration = Duration::from_secs(8);
/// The deadline of a file, which can be on a network file system.
const FILE: Duration = Duration::from_secs(5);

/// Every kind of source, and what they share.
pub struct Sources {
    clock: Arc<dyn Clock>,
    ambient: Captured,
    running: Arc<Running>,
}

/// A kind of source, implemented by its settings.
#[async_trait]
trait CredentialSource: Sync {
    /// Requests the credentials.
    async fn request(&self, sources: &Sources, aws: &Arc<AwsSettings>) -> Result<SourceCredentials, TokenError>;
}

/// Returns the adapter of a source, and its deadline if the adapter has none of its own.
fn adapter(source: &Source) -> (&dyn CredentialSource, Option<Duration>) {
    match source {
        Source::Ec2(ec2) => (ec2, Some(SERVICE)),
        Source::Ecs(ecs) => (ecs, Some(SERVICE)),
        Source::Environment(environment) => (environment, None),
        Source::Process(process) => (process, None),
        Source::WebIdentity(web_identity) => (web_identity, Some(FILE)),
    }
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
        let (adapter, deadline) = adapter(source);
        let request = adapter.request(self, aws);
        let Some(limit) = deadline else { return request.await };
        tokio::time::timeout(limit, request).await.unwrap_or_else(|_| {
            let cause = format!("{source} was not done within {} seconds", limit.as_secs());
            Err(TokenError::transient(UserError::new(Kind::Unreachable, cause).hint("run it again in a moment")))
        })
    }

    async fn code(&self, argv: &[String]) -> Result<MfaCode, String> {
        process::code(argv, &self.ambient.ambient.of_program().await, &self.running).await
    }

    async fn running(&self) -> Vec<i32> {
        self.running.pids().await
    }
}
