//! The seams between the agent and the world: where keys rest, who issues sessions, what the place gives where the agent
//! runs, who asks a person, what time it is.
//!
//! The agent is told its ports from outside and never names an adapter. Tests put decorators here, not switches there.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rolecall_core::domain::arn::{AccountId, IamUser, Partition, RoleArn};
use rolecall_core::domain::catalogue::{AwsSettings, VaultKind};
use rolecall_core::domain::credential::{AccessKey, Now, Session, Signer};
use rolecall_core::domain::diagnosis::key::Obstacle;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::{AssumeRole, SessionTokenCall};
use rolecall_core::domain::question::{Notice, Question, Surroundings};
use rolecall_core::domain::remedy::Remedy;
use rolecall_core::domain::secret::{MfaCode, Passphrase, SecretKey, SessionToken, SigninUrl, WebToken};
use rolecall_core::domain::source::{Source, WebIdentity};
use rolecall_core::domain::totp::TotpSecret;
use rolecall_core::setup::call::{Call, Tags};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// An access key as the vault keeps it, with what is known of its owner.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The key.
    pub key: AccessKey,
    /// The user's ARN, as GetCallerIdentity gave it.
    pub arn: String,
    /// When it was stored.
    pub stored: DateTime<Utc>,
    /// The secret of the user's virtual MFA device, where its owner wanted it kept here.
    pub totp: Option<TotpSecret>,
    /// When AWS made it, where that is known.
    pub created: Option<DateTime<Utc>>,
    /// The key that is to take its place, while a rotation is under way.
    pub next: Option<NewKey>,
    /// Whether an import took it out of a file, into which it may go back. No other key ever leaves.
    pub imported: bool,
    /// The key that was stored by hand or by a setup, where rotations have made this one of it.
    pub first: Option<String>,
}

impl StoredKey {
    /// Tells since when it can have been in somebody's hands: since AWS made it, or, where nobody said when, since it
    /// was stored.
    pub fn since(&self) -> DateTime<Utc> {
        self.created.unwrap_or(self.stored)
    }
}

/// Whether the vault would answer, found out without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultState {
    /// It can be read.
    Ready,
    /// A person must unlock it first.
    Locked,
    /// There is none, and why: a keyring was asked and has said so.
    Absent(String),
    /// It could not be asked, and why. There may be one all the same.
    Unreached(String),
}

/// Where long-term keys rest. Every call but `unlock`, which waits for a person, returns within 30
/// seconds, and none unlocks anything unasked.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Chooses the kind of vault; the configuration's word, at start and after each change of it.
    fn select(&self, kind: VaultKind);
    /// Tells whether the vault would answer. Never prompts.
    async fn state(&self) -> VaultState;
    /// Reads a key; a missing one is a `UserError` that names the identity and `rolecall identity add`.
    async fn read(&self, identity: &Name) -> Result<StoredKey, UserError>;
    /// Stores a key, replacing one of the same name.
    async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), UserError>;
    /// Deletes a key; tells whether there was one.
    async fn delete(&self, identity: &Name) -> Result<bool, UserError>;
    /// Gives what other tools keep in the keyring, where this machine has one.
    fn foreign(&self) -> Option<&dyn ForeignKeys> {
        None
    }
    /// Opens the vault: the file with its passphrase (created where there is none), the keyring through its own dialog.
    async fn unlock(&self, passphrase: Option<Passphrase>) -> Result<(), UserError>;
    /// Forgets what `unlock` learned.
    fn lock(&self);
    /// Returns when the calls that hold keys have ended. A `lock` ends none of them: a write may wait for its disk.
    async fn calls_end(&self) {}
    /// Takes note of the session bus that a caller has: the agent's own may be that of a login that has ended.
    fn offer_bus(&self, _address: &str) {}
    /// Returns what a person should know of the vault that was opened last: that an older file was put in its place.
    fn warning(&self) -> Option<UserError> {
        None
    }
    /// Accepts the vault that is open as the current one, after a person has restored a backup.
    async fn accept_restored(&self) -> Result<(), UserError> {
        Ok(())
    }
}

/// Says that a vault has no key of an identity.
pub fn no_key(kind: VaultKind, identity: &str) -> UserError {
    let place = match kind {
        VaultKind::Os => "the keyring",
        VaultKind::File => "the vault file",
    };
    UserError::new(Kind::Config, format!("{place} holds no key of {identity}"))
        .hint(format!("store one: `rolecall identity add {identity}`"))
}

/// A session as the token service issued it.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The credentials.
    pub session: Session,
    /// Who they are: the assumed-role ARN; `None` where the service does not say (GetSessionToken).
    pub arn: Option<String>,
    /// How far the service's clock is ahead of ours, by its Date header.
    pub skew: TimeDelta,
    /// The service's own id of the call.
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

/// Which tool's entry in a keyring, and what the tool calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignEntry {
    /// The tool's collection: `awsvault` or `granted-aws-iam-credentials`.
    pub collection: &'static str,
    /// The entry's name.
    pub name: String,
}

/// The entries that other tools keep in this machine's keyring. They are read and never changed.
#[async_trait]
pub trait ForeignKeys: Send + Sync {
    /// Lists the entries of some collections, by name. Never prompts; a machine without a keyring has none.
    async fn list(&self, collections: &[&'static str]) -> Result<Vec<ForeignEntry>, UserError>;
    /// Reads the key of an entry; a locked collection is said, and never unlocked.
    async fn read(&self, entry: &ForeignEntry) -> Result<AccessKey, UserError>;
}

/// What a failed call means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryability {
    /// The same call fails again until somebody changes something.
    Permanent,
    /// The signer has expired: renew it and try once more.
    SignerExpired,
    /// A later try may succeed.
    Transient,
    /// The MFA code was wrong or used already.
    WrongCode,
}

/// An error that AWS returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The message of AWS, without secrets.
    pub words: String,
    /// What helps, if its hint must name an identity: the adapter knows keys and ARNs.
    pub remedy: Option<Remedy>,
    /// Whether AWS limits the rate of calls, so that it did not look at this one.
    pub is_throttled: bool,
}

/// A call that did not give a session.
#[derive(Clone, Debug)]
pub struct TokenError {
    /// What a person is told. It has no hint if there is a remedy.
    pub report: UserError,
    /// What AWS answered; `None` if there was no answer.
    pub refusal: Option<Box<Refusal>>,
    /// What it means for the next call.
    pub outlook: Retryability,
    /// AWS's error code, as `AccessDenied`.
    pub code: Option<String>,
    /// The service's own id of the call.
    pub request_id: Option<String>,
}

impl TokenError {
    /// Makes the error of a call that was not sent, or that the next call would meet again.
    pub fn permanent(report: UserError) -> Self {
        Self { report, refusal: None, outlook: Retryability::Permanent, code: None, request_id: None }
    }

    /// Makes the error of a call that may succeed later.
    pub fn transient(report: UserError) -> Self {
        Self { outlook: Retryability::Transient, ..Self::permanent(report) }
    }

    /// Returns what a person is told if the key of an identity signed the call.
    pub fn told(self, identity: &str) -> UserError {
        let caller = || format!("the user of identity `{identity}`");
        let remedy = self.remedy().map(|remedy| remedy.hint(identity, &caller()));
        UserError { hint: remedy.or(self.report.hint), ..self.report }
    }

    /// Returns what helps, if its hint must name an identity.
    pub fn remedy(&self) -> Option<&Remedy> {
        self.refusal.as_ref()?.remedy.as_ref()
    }

    /// Returns the message of AWS; empty if there was no answer.
    pub fn words(&self) -> &str {
        self.refusal.as_ref().map_or("", |refusal| &refusal.words)
    }

    /// Gives AWS's code, without the end that some services add; nothing where there was no answer.
    pub fn aws_code(&self) -> &str {
        let code = self.code.as_deref().unwrap_or_default();
        code.strip_suffix("Exception").unwrap_or(code)
    }

    /// Tells a call that AWS turned away before it looked at it.
    pub fn is_throttled(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.is_throttled)
    }

    /// Tells a thing that IAM does not have.
    pub fn is_missing(&self) -> bool {
        self.aws_code() == "NoSuchEntity"
    }
}

/// An access key as the service lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its public half.
    pub id: String,
    /// Whether it can be used.
    pub active: bool,
    /// When it was made.
    pub created: Option<DateTime<Utc>>,
}

/// The access keys of a user at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Two at most, at AWS.
    pub keys: Vec<ListedKey>,
    /// The service's own time.
    pub now: DateTime<Utc>,
}

/// An access key that was just made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key; its secret is told this once.
    pub key: AccessKey,
    /// When it was made.
    pub created: Option<DateTime<Utc>>,
}

/// The long-term keys of a user, by the user's name. Every call returns within 10 seconds. A failure without AWS's code is
/// one of which nobody knows whether AWS acted.
#[async_trait]
pub trait AccessKeys: Send + Sync {
    /// Makes a key. Sent once only: a second try would make a second key.
    async fn create(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser) -> Result<NewKey, TokenError>;
    /// Lists the keys.
    async fn list(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser) -> Result<Listing, TokenError>;
    /// Switches a key off.
    async fn deactivate(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        user: &IamUser,
        id: &str,
    ) -> Result<(), TokenError>;
    /// Deletes a key.
    async fn delete(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser, id: &str)
    -> Result<(), TokenError>;
}

/// A thing of IAM's that has a name of its own.
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

/// A thing as IAM has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceDetails {
    /// Its ARN; of a device its serial number.
    pub arn: String,
    /// Its tags.
    pub tags: Tags,
    /// When it was made, where IAM says so.
    pub created: Option<DateTime<Utc>>,
    /// A role's trust policy, as JSON.
    pub trust: Option<String>,
    /// A role's MaxSessionDuration.
    pub max_session_seconds: Option<u32>,
    /// The version of a policy that counts.
    pub version: Option<String>,
    /// To how many a policy is attached.
    pub attachments: Option<usize>,
    /// The roles of an instance profile.
    pub roles: Vec<String>,
}

/// What hangs on a thing and keeps it from being deleted; of what is rarer (groups, passwords, signing certificates) AWS itself
/// tells when it comes to that.
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

/// What a call that changes something gave.
#[derive(Debug)]
pub enum Changed {
    /// It is done; what was made has this ARN.
    Done(Option<String>),
    /// An access key.
    Key(NewKey),
    /// A virtual MFA device, by serial number, and its secret.
    Device(String, TotpSecret),
}

/// The credentials of an account's administrator, and where they are valid.
#[derive(Clone, Debug)]
pub struct AccountSession {
    /// Signs the calls.
    pub signer: Signer,
    /// Whose IAM is asked.
    pub partition: Partition,
}

/// What an administrator does in an account. Every call returns within 10 seconds. A failure without AWS's code is one of which
/// nobody knows whether AWS acted.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Takes the password of the configuration's proxy user, which no vault has that is open here.
    fn use_proxy_password(&self, password: SecretKey);
    /// Says who a profile of the AWS files is.
    async fn profile(
        &self,
        aws: &Arc<AwsSettings>,
        profile: &str,
    ) -> Result<(AccountSession, CallerIdentity), TokenError>;
    /// Changes one thing. What makes something is sent once only.
    async fn change(&self, aws: &Arc<AwsSettings>, office: &AccountSession, call: &Call)
    -> Result<Changed, TokenError>;
    /// Gives a new device to its user, by two codes of it that follow each other.
    async fn enable(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        device: (&str, &str),
        codes: (&MfaCode, &MfaCode),
    ) -> Result<(), TokenError>;
    /// Reads one thing; `None` where there is none.
    async fn read(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        thing: &Resource,
    ) -> Result<Option<ResourceDetails>, TokenError>;
    /// Reads the document of a policy's version, as JSON.
    async fn document(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        policy: (&str, &str),
    ) -> Result<String, TokenError>;
    /// Lists what hangs on a thing, and says how many calls that took.
    async fn hanging(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        thing: &Resource,
    ) -> Result<(Dependents, u32), TokenError>;
    /// Lists a user's access keys.
    async fn keys(
        &self,
        aws: &Arc<AwsSettings>,
        office: &AccountSession,
        user: &IamUser,
    ) -> Result<Listing, TokenError>;
}

/// Who signs browsers in to the console.
#[async_trait]
pub trait Federation: Send + Sync {
    /// Trades a session for an address that signs in whoever opens it and leads on to `destination`. Returns within 10
    /// seconds.
    async fn sign_in(
        &self,
        aws: &Arc<AwsSettings>,
        region: &str,
        session: &Session,
        duration: Option<Duration>,
        destination: &str,
    ) -> Result<SigninUrl, TokenError>;
}

/// Whether credentials are taken, and what time AWS has.
#[derive(Clone, Debug)]
pub struct ServiceCheck {
    /// Whose they are, or why that cannot be told.
    pub who: Result<CallerIdentity, TokenError>,
    /// How far AWS's clock is ahead of ours, by the last answer there was.
    pub skew: TimeDelta,
    /// What stood in the way, where no answer came, or none of AWS's.
    pub obstacle: Option<Obstacle>,
}

/// A role as IAM shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRead {
    /// Its ARN: another than was asked for where a role of this name has another path.
    pub arn: String,
    /// Its trust policy, as JSON.
    pub trust: String,
    /// How long its sessions may last.
    pub max_session: Option<Duration>,
}

/// What IAM's simulator says of one action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Simulated {
    /// It is allowed.
    Allowed,
    /// A statement denies it: the policy's name, where the simulator tells.
    Denied(Option<String>),
    /// No statement allows it.
    NotAllowed,
}

/// Looks at AWS that change nothing there, give no session, and are made where something is wrong. Every call returns within
/// 10 seconds.
#[async_trait]
pub trait Probes: Send + Sync {
    /// Asks whose credentials these are; needs no permission.
    async fn who(&self, aws: &Arc<AwsSettings>, signer: &Signer, region: &str) -> ServiceCheck;
    /// Lists one bucket: a call that shows whether a session can do anything at all.
    async fn list_buckets(&self, aws: &Arc<AwsSettings>, session: &Session, region: &str) -> Result<(), TokenError>;
    /// Reads a role.
    async fn role(&self, aws: &Arc<AwsSettings>, signer: &Signer, role: &RoleArn) -> Result<RoleRead, TokenError>;
    /// Asks IAM's simulator whether a user's or role's policies allow it to assume a role.
    async fn simulate(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        principal: &str,
        role: &RoleArn,
        with_mfa: bool,
    ) -> Result<Simulated, TokenError>;
    /// Reads an inline policy of a user or role, as JSON.
    async fn inline_policy(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        principal: &str,
        policy: &str,
    ) -> Result<String, TokenError>;
}

/// Who issues sessions. Every call returns within 10 seconds.
#[async_trait]
pub trait TokenService: Send + Sync {
    /// Closes every connection that waits for its next call: its buffers hold what was sent and received last.
    fn close(&self);
    /// Becomes a role. The answer is checked: the right account and role, a sane Expiration.
    async fn assume_role(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        call: &AssumeRole,
        session_name: &str,
        code: Option<&MfaCode>,
    ) -> Result<Issued, TokenError>;
    /// Trades a long-term key for a session.
    async fn session_token(
        &self,
        aws: &Arc<AwsSettings>,
        key: &AccessKey,
        call: &SessionTokenCall,
        code: Option<&MfaCode>,
    ) -> Result<Issued, TokenError>;
    /// Trades an identity provider's token for a session of a role. The answer is checked as that of `assume_role`.
    async fn web_identity(
        &self,
        aws: &Arc<AwsSettings>,
        region: &str,
        call: &WebIdentity,
        session_name: &str,
        token: &WebToken,
    ) -> Result<Issued, TokenError>;
    /// Asks who a key belongs to; needs no permission.
    async fn caller_identity(
        &self,
        aws: &Arc<AwsSettings>,
        key: &AccessKey,
        region: &str,
    ) -> Result<CallerIdentity, TokenError>;
    /// Gives what is done about long-term keys.
    fn access_keys(&self) -> &dyn AccessKeys;
    /// Gives who signs browsers in.
    fn federation(&self) -> &dyn Federation;
    /// Gives what is looked at where something is wrong.
    fn probes(&self) -> &dyn Probes;
    /// Gives where identities without a stored key get their credentials.
    fn sources(&self) -> &dyn Sources;
}

/// What a source gave.
#[derive(Clone, Debug)]
pub enum SourceResult {
    /// A long-term key, to be traded for a session.
    Key(AccessKey),
    /// A session.
    Session {
        /// The public half.
        access_key_id: String,
        /// The secret half.
        secret: SecretKey,
        /// The token.
        token: SessionToken,
        /// When it ends; `None` where the source does not say.
        expiration: Option<DateTime<Utc>>,
    },
    /// An identity provider's token, to be traded for a session.
    Token(WebToken),
}

/// What a source gave, and what it said beside it.
#[derive(Clone, Debug)]
pub struct SourceCredentials {
    /// The credentials.
    pub given: SourceResult,
    /// Who they are, in a word that may begin a session's name: the role's name, where the source says it.
    pub user: Option<String>,
    /// Their account, where the source says it.
    pub account: Option<AccountId>,
    /// How far the source's clock is ahead of ours, where it tells.
    pub skew: TimeDelta,
}

/// Where identities without a stored key get their credentials. Every call returns within 20 seconds.
#[async_trait]
pub trait Sources: Send + Sync {
    /// Asks a source. Nothing is kept: each call asks anew.
    async fn ask(&self, aws: &Arc<AwsSettings>, source: &Source) -> Result<SourceCredentials, TokenError>;
    /// Has a program print the code of an MFA device; says why there is none, the program's name first.
    async fn code(&self, argv: &[String]) -> Result<MfaCode, String>;
    /// Gives the credential programs that run now, by their process ids. Costs next to nothing while there is none.
    async fn running(&self) -> Vec<i32>;
}

/// What became of a question.
#[derive(Clone, Debug)]
pub enum PromptResult {
    /// The person consents.
    Allowed,
    /// The person does not want to answer, or does not consent.
    Cancelled,
    /// The code.
    Code(MfaCode),
    /// Nobody could be asked.
    Nobody,
}

/// Who asks a person in a window of its own, and who tells one something.
#[async_trait]
pub trait Prompter: Send + Sync {
    /// Asks, by the program that the configuration names or the system's own. Waits as long as the person does, but no
    /// longer than `start` until the question can be seen.
    async fn ask(
        &self,
        program: Option<&Path>,
        question: &Question,
        surroundings: &Surroundings,
        start: Duration,
    ) -> PromptResult;
    /// Returns when every terminal that was drawn on is as it was before; within 2 seconds.
    async fn settled(&self);
    /// Gives where the agent itself could show a window: for questions whose caller is on another machine.
    fn at_home(&self) -> Surroundings;
    /// Tells something on the desktop. Returns within 5 seconds; where there is no desktop nothing happens.
    async fn notify(&self, notice: &Notice);
}

/// What happens on the desktop. No port: nothing is asked of it, so the agent is handed a stream of these.
#[derive(Debug)]
pub enum DesktopEvent {
    /// The screen of one of the user's sessions was locked.
    ScreenLocked,
    /// The machine is about to sleep, and waits until it is told that everything is wiped.
    Sleep(oneshot::Sender<()>),
    /// It is awake again.
    Wake,
}

/// What time it is, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Now;
    /// Returns when the boot-time clock, which counts sleep, has reached the given time.
    async fn sleep_until(&self, boot: Duration);
}
