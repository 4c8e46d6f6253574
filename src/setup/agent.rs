//! The agent of the user, which has the vault.

use super::conversation::Conversation;
use rolecall_core::domain::error::{Kind, MayPass, UserError};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_ipc::protocol::setup::Local;
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_ports::NewKey;
use std::sync::Arc;

/// Sends a request to the agent of this user.
pub type AskAgent = Arc<dyn Fn(Request) -> Result<Answer, UserError> + Send + Sync>;

/// The requests of a setup to the agent.
pub(super) struct Agent(pub(super) AskAgent);

impl Agent {
    /// Sends a request. The agent may prompt or call AWS, so this waits on another thread.
    async fn ask(&self, request: Request) -> Result<Answer, UserError> {
        let agent = Arc::clone(&self.0);
        let answer = tokio::task::spawn_blocking(move || agent(request)).await;
        answer.unwrap_or_else(|_| Err(UserError::new(Kind::Agent, "the agent could not be asked")))
    }

    /// Returns what the vault contains for an identity; `None` if the configuration does not have the identity.
    pub(super) async fn stored_key(&self, identity: &str) -> Result<Option<KeyStatus>, UserError> {
        match self.ask(Request::Keys).await? {
            Answer::Keys { keys } => Ok(keys.into_iter().find(|key| key.identity == identity)),
            _ => Err(unexpected()),
        }
    }

    /// Stores an access key. The agent verifies it with AWS, which may not know a new key for some seconds. Counts the
    /// calls to AWS in `calls`.
    pub(super) async fn store_key(
        &self,
        talk: &mut Conversation,
        calls: &mut u32,
        new: NewKey,
        local: &Local,
    ) -> Result<(), UserError> {
        let id = &new.key.id;
        let mut retries = talk.retries();
        loop {
            talk.check_interrupted()?;
            let request = Request::IdentityAdd {
                name: local.identity.clone(),
                access_key_id: id.clone(),
                secret_access_key: new.key.secret.clone(),
                region: local.region.clone(),
                arns: Vec::new(),
                // The vault was checked before: it has no key, or one of this user whose secret does not work.
                replace: true,
                imported: false,
            };
            let answer = self.ask(request).await;
            *calls += 1;
            let report = match answer {
                Ok(Answer::Key(_)) => return Ok(()),
                Ok(_) => return Err(unexpected()),
                Err(report) => report,
            };
            let why = if report.may_pass == Some(MayPass::UnknownKey) {
                format!("waiting for AWS to know {id}")
            } else if report.kind == Kind::Unreachable {
                format!("{}; trying again", report.message)
            } else {
                return Err(report);
            };
            if !talk.pause(&why, &mut retries).await? {
                return Err(report.with_note("it was tried for three minutes"));
            }
        }
    }

    /// Stores the secret of an MFA device. The agent verifies a code of it first. Returns the note of the agent.
    pub(super) async fn store_totp(
        &self,
        talk: &mut Conversation,
        calls: &mut u32,
        identity: &str,
        secret: &TotpSecret,
    ) -> Result<Option<String>, UserError> {
        let mut retries = talk.retries();
        loop {
            let request = Request::IdentityTotp { name: identity.to_owned(), secret: Some(secret.clone()) };
            *calls += 1;
            let report = match self.ask(request).await {
                Ok(Answer::Done { note }) => return Ok(note),
                Ok(_) => return Err(unexpected()),
                Err(report) => report,
            };
            // The codes of this half minute are used, and AWS may not know the device everywhere yet.
            let may_pass = matches!(report.kind, Kind::Refused | Kind::Unreachable);
            let why = "waiting for AWS to take the device's next code";
            if !(may_pass && talk.pause(why, &mut retries).await?) {
                return Err(report);
            }
        }
    }
}

fn unexpected() -> UserError {
    UserError::new(Kind::Agent, "the agent gave an answer that does not fit")
}
