//! The data that the ports take and return.

use super::TokenError;
use chrono::{DateTime, TimeDelta, Utc};
use rolecall_core::domain::arn::{AccountId, Partition};
use rolecall_core::domain::credential::{AccessKey, Session, Signer};
use rolecall_core::domain::diagnosis::key::Obstacle;
use rolecall_core::domain::secret::{MfaCode, SecretKey, SessionToken, WebToken};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::Tags;
use std::fmt;
use std::time::Duration;
use tokio::sync::oneshot;

/// An access key in the vault.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The key.
    pub key: AccessKey,
    /// The ARN of its user, from GetCallerIdentity.
    pub arn: String,
    /// When it was stored.
    pub stored: DateTime<Utc>,
    /// The TOTP secret of the user's virtual MFA device, if it is stored.
    pub totp: Option<TotpSecret>,
    /// When AWS created it, if known.
    pub created: Option<DateTime<Utc>>,
    /// Its replacement during a rotation.
    pub next: Option<NewKey>,
    /// Whether an import moved it here from a file. Only such a key can be returned, for an undo.
    pub imported: bool,
    /// The id of the key that was stored first, if rotations have replaced it.
    pub first: Option<String>,
}

impl StoredKey {
    /// Returns when it was created; when it was stored, if that is unknown.
    pub fn since(&self) -> DateTime<Utc> {
        self.created.unwrap_or(self.stored)
    }
}

/// Whether the vault can be read, found out without a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultState {
    /// It can be read.
    Ready,
    /// A person must unlock it first.
    Locked,
    /// There is none, and why: a keyring has answered so.
    Absent(String),
    /// It did not answer, and why. There may be one.
    Unreached(String),
}

/// A session that the token service issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The credentials.
    pub session: Session,
    /// The assumed-role ARN; `None` for GetSessionToken, which does not return one.
    pub arn: Option<String>,
    /// How far the service's clock is ahead of ours, by its Date header.
    pub skew: TimeDelta,
    /// The request id of AWS.
    pub request_id: Option<String>,
}

/// Who a key belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    /// Its account.
    pub account: AccountId,
    /// Its ARN.
    pub arn: String,
    /// Its unique id.
    pub user_id: String,
}

/// An entry of another tool in the keyring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignEntry {
    /// The tool's collection: `awsvault` or `granted-aws-iam-credentials`.
    pub collection: &'static str,
    /// The entry's name.
    pub name: String,
}

/// An access key as IAM lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its id.
    pub id: String,
    /// Whether it can be used.
    pub active: bool,
    /// When it was created.
    pub created: Option<DateTime<Utc>>,
}

/// The access keys of a user at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// At most two.
    pub keys: Vec<ListedKey>,
    /// The time of IAM.
    pub now: DateTime<Utc>,
}

/// An access key that was just created.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key; AWS returns its secret only once.
    pub key: AccessKey,
    /// When it was created.
    pub created: Option<DateTime<Utc>>,
}

/// An IAM resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// An instance profile, by name.
    InstanceProfile(String),
    /// A virtual MFA device, by serial number.
    MfaDevice(String),
    /// A customer managed policy, by ARN.
    Policy(String),
    /// A role, by name.
    Role(String),
    /// A user, by name.
    User(String),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InstanceProfile(name) => write!(f, "instance profile {name}"),
            Self::MfaDevice(serial) => write!(f, "MFA device {serial}"),
            Self::Policy(arn) => write!(f, "policy {arn}"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::User(name) => write!(f, "user {name}"),
        }
    }
}

/// What IAM returns about a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceDetails {
    /// Its ARN; for a device its serial number.
    pub arn: String,
    /// Its tags.
    pub tags: Tags,
    /// When it was created, if IAM returns it.
    pub created: Option<DateTime<Utc>>,
    /// A role's trust policy, as JSON.
    pub trust: Option<String>,
    /// A role's MaxSessionDuration.
    pub max_session_seconds: Option<u32>,
    /// The default version of a policy.
    pub version: Option<String>,
    /// How many principals a policy is attached to.
    pub attachments: Option<usize>,
    /// The roles of an instance profile.
    pub roles: Vec<String>,
}

/// What must be removed before a resource can be deleted. AWS names the rarer ones (groups, passwords, signing certificates)
/// when the deletion fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependents {
    /// Managed policies that are attached, by ARN.
    pub attached: Vec<String>,
    /// Inline policies, by name.
    pub inline: Vec<String>,
    /// A user's MFA devices, by serial number.
    pub devices: Vec<String>,
    /// A user's access keys, by id.
    pub keys: Vec<String>,
    /// A role's instance profiles, by name.
    pub profiles: Vec<String>,
}

/// The result of a call that changes something.
#[derive(Debug)]
pub enum Changed {
    /// It is done; a resource that was created has this ARN.
    Done(Option<String>),
    /// An access key.
    Key(NewKey),
    /// A virtual MFA device, by serial number, and its secret.
    Device(String, TotpSecret),
}

/// The credentials of an administrator.
#[derive(Clone, Debug)]
pub struct AccountSession {
    /// Signs the calls.
    pub signer: Signer,
    /// The partition of the account.
    pub partition: Partition,
}

/// Whether AWS accepts credentials, and the time of AWS.
#[derive(Clone, Debug)]
pub struct ServiceCheck {
    /// Whose they are, or why AWS did not answer that.
    pub who: Result<CallerIdentity, TokenError>,
    /// How far the clock of AWS is ahead of ours, by the last answer.
    pub skew: TimeDelta,
    /// What failed, if no answer came from AWS.
    pub obstacle: Option<Obstacle>,
}

/// A role in IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRead {
    /// Its ARN, which differs from the requested one if the role of this name has another path.
    pub arn: String,
    /// Its trust policy, as JSON.
    pub trust: String,
    /// How long its sessions may last.
    pub max_session: Option<Duration>,
}

/// The result of the IAM policy simulator for one action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Simulated {
    /// It is allowed.
    Allowed,
    /// A statement denies it; the name of its policy, if the simulator returns it.
    Denied(Option<String>),
    /// No statement allows it.
    NotAllowed,
}

/// What a source returned.
#[derive(Clone, Debug)]
pub enum SourceResult {
    /// A long-term key, which is exchanged for a session.
    Key(AccessKey),
    /// A session.
    Session {
        /// The public half.
        access_key_id: String,
        /// The secret half.
        secret: SecretKey,
        /// The token.
        token: SessionToken,
        /// When it ends; `None` if the source does not return it.
        expiration: Option<DateTime<Utc>>,
    },
    /// The token of an identity provider, which is exchanged for a session.
    Token(WebToken),
}

/// The answer of a source.
#[derive(Clone, Debug)]
pub struct SourceCredentials {
    /// The credentials.
    pub given: SourceResult,
    /// The name of their role, if the source returns it; session names begin with it.
    pub user: Option<String>,
    /// Their account, if the source returns it.
    pub account: Option<AccountId>,
    /// How far the clock of the source is ahead of ours, if it returns a time.
    pub skew: TimeDelta,
}

/// The result of a prompt.
#[derive(Clone, Debug)]
pub enum PromptResult {
    /// The person consents.
    Allowed,
    /// The person cancels or does not consent.
    Cancelled,
    /// The code.
    Code(MfaCode),
    /// No prompt could be shown.
    Nobody,
}

/// An event of the desktop; the agent gets a stream of these.
#[derive(Debug)]
pub enum DesktopEvent {
    /// The screen of one of the user's sessions was locked.
    ScreenLocked,
    /// The machine is about to sleep. It waits until the agent reports that everything is wiped.
    Sleep(oneshot::Sender<()>),
    /// It is awake again.
    Wake,
}
