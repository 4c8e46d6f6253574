//! The ports between the agent and the outside: vault, token service, sources, prompts, clock.
//!
//! The agent gets its ports when it is built and never names an adapter. Tests decorate ports.

mod data;
mod errors;

pub use data::{
    AccountSession, CallerIdentity, Changed, Dependents, DesktopEvent, ForeignEntry, Issued, ListedKey, Listing,
    NewKey, PromptResult, Resource, ResourceDetails, RoleRead, ServiceCheck, Simulated, SourceCredentials,
    SourceResult, StoredKey, VaultState,
};
pub use errors::{AwsError, Retryability, TokenError, no_key};

use async_trait::async_trait;
use rolecall_core::domain::arn::{IamUser, RoleArn};
use rolecall_core::domain::catalogue::{AwsSettings, VaultKind};
use rolecall_core::domain::credential::{AccessKey, Now, Session, Signer};
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::{AssumeRole, SessionTokenCall};
use rolecall_core::domain::question::{Notice, Question, Surroundings};
use rolecall_core::domain::secret::{MfaCode, Passphrase, SecretKey, SigninUrl, WebToken};
use rolecall_core::domain::source::{Source, WebIdentity};
use rolecall_core::setup::call::Call;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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

/// The entries that other tools keep in this machine's keyring. They are read and never changed.
#[async_trait]
pub trait ForeignKeys: Send + Sync {
    /// Lists the entries of some collections, by name. Never prompts; a machine without a keyring has none.
    async fn list(&self, collections: &[&'static str]) -> Result<Vec<ForeignEntry>, UserError>;
    /// Reads the key of an entry; a locked collection is said, and never unlocked.
    async fn read(&self, entry: &ForeignEntry) -> Result<AccessKey, UserError>;
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

/// What an administrator does in an account. Every call returns within 10 seconds. A failure without AWS's code is one of which
/// nobody knows whether AWS acted.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Takes the password of the configuration's proxy user, which no vault has that is open here.
    fn use_proxy_password(&self, password: SecretKey);
    /// Returns the credentials and the Region of a profile of the AWS files.
    async fn profile(&self, aws: &Arc<AwsSettings>, profile: &str) -> Result<(Signer, String), UserError>;
    /// Returns whose the credentials of a profile are. If its Region rejects them, other Regions are tried.
    async fn caller(&self, aws: &Arc<AwsSettings>, signer: &Signer, region: &str)
    -> Result<CallerIdentity, TokenError>;
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

/// What time it is, and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Now;
    /// Returns when the boot-time clock, which counts sleep, has reached the given time.
    async fn sleep_until(&self, boot: Duration);
}
