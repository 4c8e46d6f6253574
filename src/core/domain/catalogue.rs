//! The configuration as data: every identity and role that it names, each value checked once. `config_rules` checks the
//! whole.

mod settings;

use super::arn::{AccountId, MfaSerial, RoleArn};
use super::error::UserError;
use super::names::Name;
use super::palette;
use super::restricted_socket::RestrictedSocket;
use super::source::{IdentityKind, Source, WebIdentity};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub use settings::{AgentSettings, AuditMode, AwsSettings, LockEvent, PromptKind, VaultFacts, VaultKind};

/// An hour: STS's cap for a role assumed with temporary credentials, and the default life of a session.
pub const HOUR: Duration = Duration::from_hours(1);

/// The most roles in one chain. AWS sets no limit; more than this is a mistake.
pub const MAX_CHAIN: usize = 10;

/// Who one is before any role.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its name.
    pub name: Name,
    /// The source of its credentials; `None` is a key in the vault.
    pub source: Option<Source>,
    /// Its MFA device.
    pub mfa_serial: Option<MfaSerial>,
    /// How long one code lasts, 15 minutes to 36 hours.
    pub mfa_session: Duration,
    /// A program that prints a code of the device, and its arguments.
    pub mfa_process: Option<Vec<String>>,
    /// Whose STS is asked for its roles.
    pub region: Option<String>,
    /// How old its access key may become.
    pub rotate_after: Option<Duration>,
}

/// How a role gets its MFA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MfaMode {
    /// Each session takes a code of its own, and may last 12 hours.
    Direct,
    /// No MFA.
    None,
    /// One GetSessionToken session serves all roles of the identity that have its device.
    Session,
}

/// Whether a program may have a role's sessions. Ordered from the widest to the narrowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It may.
    #[default]
    Allow,
    /// A person is asked first.
    Ask,
    /// It may not.
    Deny,
}

impl Access {
    /// Gives the word that stands for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }
}

/// What one can become.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Role {
    /// Its name.
    pub name: Name,
    /// The identity or role that assumes it.
    pub source: Name,
    /// Its ARN.
    pub role_arn: RoleArn,
    /// Everything else that the configuration says of it.
    pub settings: RoleSettings,
}

/// The settings of a role. They serialize as the keys and values of the configuration, for `--json`; the comments are the
/// descriptions in its schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct RoleSettings {
    /// The ExternalId that goes with the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// How long a session is asked for.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "super::text::serialize_duration")]
    #[schemars(with = "Option<String>")]
    pub duration: Option<Duration>,
    /// What CloudTrail calls the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_session_name: Option<String>,
    /// The SourceIdentity that goes with the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// The session tags that go with the call.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub session_tags: BTreeMap<String, String>,
    /// Those of them that go on along the chain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitive_tag_keys: Vec<String>,
    /// The session policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies that narrow the session.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
    /// The role's own, or that of its identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How a code is used: `session`, `direct` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub mfa: Option<MfaMode>,
    /// The device, where it is not the identity's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub mfa_serial: Option<MfaSerial>,
    /// Who may have it: `allow`, `ask` or `deny`.
    #[schemars(with = "String")]
    pub access: Option<Access>,
    /// The same, for single programs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub access_by_program: BTreeMap<String, Access>,
    /// What the console calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Its colour in the console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// What the role is found by; AWS never sees them. `--json` prints them before the chain.
    #[serde(skip)]
    pub tags: Vec<String>,
}

/// An AWS account that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// What it is found by.
    pub tags: Vec<String>,
}

/// Everything the configuration says, checked as a whole.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `[agent]`.
    pub agent: AgentSettings,
    /// `[aws]`.
    pub aws: Arc<AwsSettings>,
    /// The identities by name.
    pub identities: HashMap<Name, Identity>,
    /// The roles by name.
    pub roles: HashMap<Name, Role>,
    /// The further sockets by name.
    pub sockets: BTreeMap<Name, RestrictedSocket>,
    /// The accounts that have a name, by it.
    pub accounts: BTreeMap<Name, Account>,
}

impl Role {
    /// Tells whether a program may have its sessions, by the path of its file; `leads_to` has the file that each rule's
    /// path leads to. Of several rules for one file the narrowest counts. A program that cannot be named gets the
    /// narrowest answer there is, or being gone would be a way around every rule.
    pub fn access(&self, program: Option<&str>, leads_to: &BTreeMap<String, String>) -> Access {
        let (all, rules) = (self.settings.access.unwrap_or_default(), &self.settings.access_by_program);
        let Some(program) = program else { return rules.values().copied().fold(all, Access::max) };
        let is_about = |path: &String| path == program || leads_to.get(path).is_some_and(|file| file == program);
        rules.iter().filter(|(path, _)| is_about(path)).map(|(_, access)| *access).max().unwrap_or(all)
    }
}

impl Identity {
    /// Returns its kind.
    pub fn kind(&self) -> IdentityKind {
        self.source.as_ref().map_or(IdentityKind::IamUser, Source::kind)
    }

    /// Returns whether the vault contains its long-term key.
    pub fn has_stored_key(&self) -> bool {
        self.kind().facts().has_stored_key
    }

    /// Returns the call to STS that exchanges the token of its source, if its source provides a token.
    pub fn web_identity(&self) -> Option<&WebIdentity> {
        match &self.source {
            Some(Source::WebIdentity(call)) => Some(call),
            _ => None,
        }
    }

    /// Returns whether AWS can accept MFA codes with its credentials.
    pub fn takes_codes(&self) -> bool {
        self.kind().facts().takes_codes
    }

    /// Gives the device whose code opens a role that it assumes itself.
    pub fn device<'a>(&'a self, first: &'a Role) -> Option<&'a MfaSerial> {
        first.settings.mfa_serial.as_ref().or(self.mfa_serial.as_ref())
    }
}

impl Config {
    /// Tells whether it names nobody.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.roles.is_empty()
    }

    /// Gives all names, of identities and roles.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.identities.keys().chain(self.roles.keys()).map(Name::as_str)
    }

    /// Returns a warning if the colour of a role is an old name of CSS; it names the first of these roles.
    pub fn color_warning(&self) -> Option<UserError> {
        let warnings = self.roles.values().filter_map(|role| {
            let warning = palette::warning(role.name.as_str(), role.settings.color.as_deref()?)?;
            Some((&role.name, warning))
        });
        warnings.min_by_key(|(name, _)| *name).map(|(_, warning)| warning)
    }
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
