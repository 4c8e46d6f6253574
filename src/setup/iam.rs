//! The IAM of both accounts: how long a call is repeated, and what its failure means for the user.
//!
//! IAM copies a change to all its endpoints, which takes time (IAM User Guide, "Changes that I make are not always
//! immediately visible"). A resource that was just created may be unknown, so a call that needs it is repeated.

use super::conversation::Conversation;
use super::journal::Journal;
use rolecall_core::domain::arn::{AccountId, IamUser};
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::MfaCode;
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_ports::{
    AccountSession, Accounts, Changed, Dependents, Listing, Resource, ResourceDetails, Retryability, TokenError,
};
use std::sync::Arc;

/// How often a resource is created, or a call repeated, if the answer is lost each time.
pub(super) const TRIES: u32 = 3;

/// The end of a hint: what the user does to continue or to give up.
const CONTINUE: &str = "what was made so far is kept and written down: the same command again goes on, \
                        `rolecall setup destroy` removes it";

/// One of the two accounts, with the credentials of its administrator.
pub(super) struct Account {
    pub(super) profile: String,
    pub(super) id: AccountId,
    pub(super) session: AccountSession,
}

/// Calls IAM and counts the calls.
pub(super) struct Iam {
    pub(super) talk: Conversation,
    pub(super) accounts: Arc<dyn Accounts>,
    pub(super) aws: Arc<AwsSettings>,
    pub(super) auth: Account,
    pub(super) workload: Account,
    /// The calls to IAM and STS so far, and those of the agent that tried a key.
    pub(super) calls: u32,
}

/// Why a change was not made.
pub(super) enum CallError {
    /// AWS refused it or did not answer; whether it was repeated until the tries were used up.
    Aws(Box<TokenError>, bool),
    /// The conversation ended first.
    Ended(UserError),
}

impl Iam {
    pub(super) fn account(&self, side: Side) -> &Account {
        match side {
            Side::Auth => &self.auth,
            Side::Workload => &self.workload,
        }
    }

    /// Returns the resource that a step creates, and its name for the user.
    pub(super) fn resource(&self, step: &Step) -> Option<(Resource, String)> {
        let arn = |kind: &str, path: &str, name: &str| {
            let account = self.account(step.side);
            format!("arn:{}:iam::{}:{kind}{path}{name}", account.session.partition.id(), account.id)
        };
        Some(match &step.call {
            Call::CreatePolicy { name, path, .. } => {
                (Resource::Policy(arn("policy", path, name)), format!("policy {name}"))
            }
            Call::CreateUser { name, .. } => (Resource::User(name.clone()), format!("user {name}")),
            Call::CreateRole { name, .. } => (Resource::Role(name.clone()), format!("role {name}")),
            Call::CreateInstanceProfile { name, .. } => {
                (Resource::InstanceProfile(name.clone()), format!("instance profile {name}"))
            }
            Call::CreateVirtualMFADevice { name, path, .. } => {
                (Resource::MfaDevice(arn("mfa", path, name)), format!("MFA device {name}"))
            }
            _ => return None,
        })
    }

    /// Reports that a call was made. The first word of its description is the kind of progress.
    pub(super) async fn say_done(&mut self, call: &Call) -> Result<(), UserError> {
        let what = call.what();
        let (word, rest) = what.split_once(' ').unwrap_or(("done", &what));
        self.talk.say(word, rest).await
    }

    /// Makes one change, and repeats it while AWS is known not to have acted. A call that creates something and whose
    /// answer is lost is not repeated: the caller must look whether the resource is there.
    pub(super) async fn change(&mut self, journal: &Journal, side: Side, call: &Call) -> Result<Changed, CallError> {
        let mut retries = self.talk.retries();
        loop {
            self.talk.check_interrupted()?;
            let answer = self.accounts.change(&self.aws, &self.account(side).session, call).await;
            self.calls += 1;
            let error = match answer {
                Ok(changed) => return Ok(changed),
                Err(error) => error,
            };
            if !is_worth_repeating(journal, call, &error) {
                return Err(CallError::from(error));
            }
            if !self.talk.pause(&format!("{}; trying again", error.report.message), &mut retries).await? {
                return Err(CallError::Aws(Box::new(error), true));
            }
        }
    }

    /// Removes something. Succeeds if it is gone already.
    pub(super) async fn remove(&mut self, journal: &Journal, call: &Call) -> Result<(), UserError> {
        match self.change(journal, Side::Auth, call).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(self.explain(Side::Auth, Some(call), error)),
        }
    }

    /// Gives an MFA device to its user, once.
    pub(super) async fn enable(
        &mut self,
        side: Side,
        device: (&str, &str),
        codes: &(MfaCode, MfaCode),
    ) -> Result<(), TokenError> {
        let session = &self.account(side).session;
        let answer = self.accounts.enable(&self.aws, session, device, (&codes.0, &codes.1)).await;
        self.calls += 1;
        answer
    }

    /// Reads a resource. Returns `None` if it is missing.
    pub(super) async fn read(&mut self, side: Side, resource: &Resource) -> Result<Option<ResourceDetails>, UserError> {
        let found = self
            .look(side, |_| false, async |iam, session| iam.accounts.read(&iam.aws, session, resource).await)
            .await?;
        if found.is_some() && matches!(resource, Resource::MfaDevice(_)) {
            // A device is searched in a list, then its tags are read.
            self.calls += 1;
        }
        Ok(found)
    }

    /// Lists what depends on a resource.
    pub(super) async fn dependents(&mut self, side: Side, resource: &Resource) -> Result<Dependents, UserError> {
        let (found, calls) = self
            .look(side, |_| false, async |iam, session| iam.accounts.hanging(&iam.aws, session, resource).await)
            .await?;
        self.calls = self.calls - 1 + calls;
        Ok(found)
    }

    /// Reads the document of a policy.
    pub(super) async fn document(&mut self, side: Side, arn: &str, version: &str) -> Result<String, UserError> {
        let policy = (arn, version);
        self.look(side, |_| false, async |iam, session| iam.accounts.document(&iam.aws, session, policy).await).await
    }

    /// Lists the access keys of a user. A user that this setup created may not be known yet.
    pub(super) async fn keys(&mut self, journal: &Journal, user: &IamUser) -> Result<Listing, UserError> {
        let is_new = |error: &TokenError| error.is_missing() && journal.is_made(user.as_str());
        self.look(Side::Auth, is_new, async |iam, session| iam.accounts.keys(&iam.aws, session, user).await).await
    }

    /// Makes a call that changes nothing, and repeats it while a later try may succeed.
    async fn look<T>(
        &mut self,
        side: Side,
        passes: impl Fn(&TokenError) -> bool,
        send: impl AsyncFn(&Self, &AccountSession) -> Result<T, TokenError>,
    ) -> Result<T, UserError> {
        let mut retries = self.talk.retries();
        loop {
            self.talk.check_interrupted()?;
            let answer = send(self, &self.account(side).session).await;
            self.calls += 1;
            let error = match answer {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let may_pass = error.outlook == Retryability::Transient || passes(&error);
            let why = format!("{}; trying again", error.report.message);
            if !(may_pass && self.talk.pause(&why, &mut retries).await?) {
                return Err(self.explain(side, None, error.into()));
            }
        }
    }

    /// Returns an error for the user of the command: whose credentials were used, and what to do.
    pub(super) fn explain(&self, side: Side, call: Option<&Call>, error: CallError) -> UserError {
        let (error, timed_out) = match error {
            CallError::Aws(error, timed_out) => (*error, timed_out),
            CallError::Ended(report) => return UserError { hint: Some(CONTINUE.to_owned()), ..report },
        };
        let Account { profile, id, .. } = self.account(side);
        let profile = printable(profile, 128);
        let advice = match error.aws_code() {
            "AccessDenied" => {
                let action = call.map_or_else(|| "what AWS names".to_owned(), |call| format!("iam:{}", call.action()));
                Some(format!("the credentials of profile {profile} (account {id}) must allow {action}"))
            }
            "LimitExceeded" => {
                Some(format!("a quota of account {id} is reached: `aws iam get-account-summary --profile {profile}`"))
            }
            "EntityAlreadyExists" => {
                Some("it was made by somebody else meanwhile; choose another name, or run it again".to_owned())
            }
            "DeleteConflict" => {
                let hint = "something hangs on it that this setup did not make; remove that, then run it again";
                return UserError { hint: Some(hint.to_owned()), ..error.report };
            }
            "MalformedPolicyDocument" => Some("look at the document: `rolecall setup plan`".to_owned()),
            "NoSuchEntity" => Some("look for a typing error in the names and ARNs".to_owned()),
            "ExpiredToken"
            | "InvalidClientTokenId"
            | "UnrecognizedClient"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch" => Some(format!(
                "the credentials of profile {profile} may be over, deleted or of another partition: \
                 `aws sts get-caller-identity --profile {profile}`"
            )),
            "" => {
                let retried = "it was tried for three minutes; the same command again goes on where this one stands";
                let parts = error.report.hint.iter().map(String::as_str).chain(timed_out.then_some(retried));
                Some(parts.collect::<Vec<_>>().join("; ")).filter(|advice| !advice.is_empty())
            }
            _ if error.report.kind == Kind::Unreachable => Some("try again in a moment".to_owned()),
            _ => None,
        };
        let hint = advice.map_or_else(|| CONTINUE.to_owned(), |advice| format!("{advice}; {CONTINUE}"));
        UserError { hint: Some(hint), ..error.report }
    }
}

impl CallError {
    fn aws(&self) -> Option<&TokenError> {
        match self {
            Self::Aws(error, _) => Some(error.as_ref()),
            Self::Ended(_) => None,
        }
    }

    /// Returns the code of AWS; empty if there was no answer.
    pub(super) fn code(&self) -> &str {
        self.aws().map_or("", TokenError::aws_code)
    }

    /// Returns what failed.
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Aws(error, _) => &error.report.message,
            Self::Ended(report) => &report.message,
        }
    }

    /// Returns whether IAM does not have the resource.
    pub(super) fn is_missing(&self) -> bool {
        self.aws().is_some_and(TokenError::is_missing)
    }

    /// Returns whether AWS may have acted: the answer is lost, incomplete or a server error.
    pub(super) fn may_have_acted(&self) -> bool {
        self.aws()
            .is_some_and(|error| error.outlook == Retryability::Transient && !error.is_throttled() && !is_busy(error))
    }
}

impl From<TokenError> for CallError {
    fn from(error: TokenError) -> Self {
        Self::Aws(Box::new(error), false)
    }
}

impl From<UserError> for CallError {
    fn from(report: UserError) -> Self {
        Self::Ended(report)
    }
}

/// Returns whether the same call may succeed later, and AWS has not acted.
fn is_worth_repeating(journal: &Journal, call: &Call, error: &TokenError) -> bool {
    if error.is_throttled() || is_busy(error) {
        return true;
    }
    if error.outlook == Retryability::Transient {
        return !call.creates();
    }
    // The words are those of AWS: its codes do not tell these cases apart.
    let words = error.words().to_ascii_lowercase();
    match (error.aws_code(), call) {
        // The trust policy names a user or role that was just created.
        ("MalformedPolicyDocument", Call::CreateRole { .. } | Call::UpdateAssumeRolePolicy { .. }) => {
            words.contains("principal")
        }
        // A missing policy that somebody else manages does not appear.
        ("NoSuchEntity", Call::AttachUserPolicy { arn, .. } | Call::AttachRolePolicy { arn, .. }) => {
            !words.contains(&arn.to_ascii_lowercase()) || journal.is_made(arn)
        }
        ("NoSuchEntity", call) => matches!(
            call,
            Call::CreateAccessKey { .. } | Call::PutRolePolicy { .. } | Call::AddRoleToInstanceProfile { .. }
        ),
        _ => false,
    }
}

/// Returns whether somebody else is changing the resource: AWS has not acted.
fn is_busy(error: &TokenError) -> bool {
    ["EntityTemporarilyUnmodifiable", "ConcurrentModification"].contains(&error.aws_code())
}
