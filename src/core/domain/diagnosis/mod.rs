//! What is wrong on the way from a name to AWS: links that hold or do not, and findings that say what to change.
//!
//! Pure: what was seen comes in, what it means goes out. Whoever probes AWS or this machine is elsewhere.
//!
//! | file | owns |
//! |---|---|
//! | `refusal` | what the code and the message of an AWS error mean |
//! | `document` | IAM policy documents, and what they say of one request |
//! | `attempt` | one AssumeRole that was refused, with all that is known around it |
//! | `explain` | from that to findings, each with how sure it is |
//! | `findings` | each finding in words |
//! | `key` | the same for a key that AWS does not take, a clock, a host that cannot be reached |
//! | `fix` | the statement to add or replace, the command to run |

pub mod attempt;
pub mod document;
mod explain;
mod findings;
mod fix;
pub mod key;
pub mod refusal;

pub use explain::{explain, narrow_session_policy};

use super::error::{Kind, UserError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A link of the way from a name to AWS, in the order in which they are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// The configuration file, and the name in it.
    Config,
    /// What keeps tools from asking rolecall: environment, AWS's own files.
    Shadowing,
    /// The agent.
    Agent,
    /// Where the long-term key rests.
    Vault,
    /// The key, or what the identity's source gives.
    Key,
    /// This machine's clock.
    Clock,
    /// The way to AWS.
    Network,
    /// What the caller's own policies allow.
    Permission,
    /// Whom the role trusts.
    Trust,
    /// What the trust policy asks for beside: MFA, an external id, a source identity, tags.
    Conditions,
    /// How long the session may last.
    Duration,
    /// The session policy.
    SessionPolicy,
    /// A harmless call with what came of it.
    Result,
}

impl LinkKind {
    /// Gives its word for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Shadowing => "shadowing",
            Self::Agent => "agent",
            Self::Vault => "vault",
            Self::Key => "key",
            Self::Clock => "clock",
            Self::Network => "network",
            Self::Permission => "permission",
            Self::Trust => "trust policy",
            Self::Conditions => "conditions",
            Self::Duration => "duration",
            Self::SessionPolicy => "session policy",
            Self::Result => "result",
        }
    }
}

/// Whether a link holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "State")]
pub enum LinkState {
    /// It does not.
    Broken,
    /// It does, as was seen.
    Holds,
    /// Nobody knows: something before it is broken, or nothing could be seen.
    Unproven,
}

/// One link as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// Which one.
    pub kind: LinkKind,
    /// The role or identity that it is about, where a chain has several of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Whether it holds.
    pub state: LinkState,
    /// What was seen, in one line.
    pub text: String,
}

impl Link {
    /// Makes a link of no role in particular.
    pub fn new(kind: LinkKind, state: LinkState, text: impl Into<String>) -> Self {
        Self { kind, of: None, state, text: text.into() }
    }

    /// Says which role or identity it is about.
    #[must_use]
    pub fn of(mut self, name: &str) -> Self {
        self.of = Some(name.to_owned());
        self
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// AWS or a document says so, or a variation of the call has shown it.
    Certain,
    /// Everything else that is known has been ruled out.
    Likely,
    /// One of several that look alike from here.
    Possible,
}

impl Certainty {
    /// Gives its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The agent does not run, and none can be started.
    AgentNotRunning,
    /// The agent is of another version.
    AgentOfAnotherVersion,
    /// What answered is not AWS, or not in order.
    AwsUnreachable,
    /// The caller of AWS has no way to it: no name, no route, no answer.
    EndpointUnreachable,
    /// The session would be longer than an hour, AWS's limit along a chain.
    ChainedOverOneHour,
    /// This machine's clock and AWS's are too far apart.
    ClockOff,
    /// The configuration does not hold, or lacks the name.
    Config,
    /// Longer than the role's MaxSessionDuration.
    DurationOverMaximum,
    /// A policy denies it outright.
    ExplicitDeny,
    /// The trust policy wants an external id, and none is set.
    ExternalIdMissing,
    /// The trust policy wants another external id.
    ExternalIdWrong,
    /// The access key is gone.
    KeyDeleted,
    /// The access key is switched off.
    KeyInactive,
    /// The vault has no key of the identity.
    KeyMissing,
    /// The secret does not belong to the key id.
    KeyWrong,
    /// The identity's source gives nothing.
    SourceFailed,
    /// A person has to give a code, and nobody could be asked.
    MfaCodeWanted,
    /// The trust policy wants MFA.
    MfaDemanded,
    /// AWS does not take the code or the device.
    MfaRefused,
    /// No policy of the caller's allows it.
    MissingIdentityPermission,
    /// Another rule of the trust policy is not met.
    OtherCondition,
    /// Something else that AWS says.
    Other,
    /// A permissions boundary or an organization's policy leaves it out.
    Guardrail,
    /// The proxy does not let the call through.
    ProxyWrong,
    /// There is no such role.
    RoleDeleted,
    /// STS is switched off in the region.
    RegionDisabled,
    /// The session policy is none that AWS takes.
    SessionPolicyInvalid,
    /// The session policy takes away what the role may do.
    SessionPolicyTooNarrow,
    /// Something is taken by tools before rolecall is asked.
    Shadowed,
    /// A source identity is wanted, not wanted, or not allowed.
    SourceIdentity,
    /// Session tags are wanted, not wanted, or not allowed.
    SessionTags,
    /// The certificate of the host does not hold.
    Tls,
    /// The vault is locked.
    VaultLocked,
    /// There is no vault.
    VaultAbsent,
    /// The trust policy does not name the caller.
    WrongPrincipal,
}

/// Whether a statement is new or stands in the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// It is added.
    Add,
    /// It is taken out.
    Remove,
    /// It takes the place of what is there.
    Replace,
}

impl Edit {
    /// Gives the word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add to",
            Self::Remove => "remove from",
            Self::Replace => "replace in",
        }
    }
}

/// What to change in a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Which document.
    pub document: String,
    /// How.
    pub edit: Edit,
    /// The statement, or the lines.
    pub text: String,
}

/// Something that is wrong, or may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What it is, as a word.
    pub cause: Cause,
    /// The link that it breaks.
    pub link: LinkKind,
    /// The role or identity that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// How sure it is.
    pub certainty: Certainty,
    /// Its class, which gives the exit code.
    pub kind: Kind,
    /// What is wrong, in one sentence.
    pub what: String,
    /// The account in which it has to be changed; nothing where it is on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// What to run, or to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// Makes a finding that AWS's refusal is about.
    pub fn new(cause: Cause, link: LinkKind, certainty: Certainty, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { cause, link, of: None, certainty, kind: Kind::Refused, what, account: None, change: None, fix: None }
    }

    /// Makes a finding of an error; its hint is the fix.
    pub fn of_error(cause: Cause, link: LinkKind, error: &UserError) -> Self {
        let finding = Self::new(cause, link, Certainty::Certain, &error.message);
        Self { kind: error.kind, fix: error.hint.clone(), ..finding }
    }

    /// Sets its class.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Says which role or identity it is about.
    #[must_use]
    pub fn of(mut self, name: &str) -> Self {
        self.of = Some(name.to_owned());
        self
    }

    /// Says whose account has to change.
    #[must_use]
    pub fn in_account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// Says what to change.
    #[must_use]
    pub fn change(mut self, document: impl Into<String>, edit: Edit, text: impl Into<String>) -> Self {
        self.change = Some(Change { document: document.into(), edit, text: text.into() });
        self
    }

    /// Says what to run or to do.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Gives the class of the whole: that of the first link that does not hold, in the order of the chain; nothing where all
/// do.
pub fn verdict(links: &[Link], findings: &[Finding]) -> Option<Kind> {
    let fails = |link: &&Link| link.state != LinkState::Holds;
    let first = links.iter().find(fails);
    let of_first = first.and_then(|link| findings.iter().find(|f| f.link == link.kind && f.of == link.of));
    // What is not proven is no success, whoever is to blame.
    of_first.or_else(|| findings.first()).map(|finding| finding.kind).or_else(|| first.map(|_| Kind::Failed))
}

#[cfg(test)]
mod tests;
