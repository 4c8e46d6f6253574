//! What `status` and the listings show; the same types are the documented `--json`.

use super::message::EndpointForm;
use chrono::{DateTime, Utc};
use rolecall_core::domain::catalogue::{Identity, Role, VaultFacts, VaultKind};
use rolecall_core::domain::error::{Kind, UserError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of everything.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The agent itself.
    pub agent: AgentStatus,
    /// What a person should know, most urgent first.
    pub warnings: Vec<UserError>,
    /// The vault that the configuration chose.
    pub vault: VaultStatus,
    /// What a person is being asked, or was and did not answer.
    #[serde(default)]
    pub questions: Vec<QuestionStatus>,
    /// By name.
    pub identities: Vec<IdentityStatus>,
    /// By name.
    pub roles: Vec<RoleStatus>,
    /// What is served over HTTP.
    #[serde(default)]
    pub endpoint: EndpointStatus,
    /// The further sockets, by name.
    #[serde(default)]
    pub sockets: Vec<SocketStatus>,
    /// Files that do not answer, as on a dead mount; for each, a thread of the agent waits.
    #[serde(default)]
    pub hung_files: Vec<String>,
    /// What has happened since the agent started.
    pub counts: Counts,
}

/// What is served over HTTP on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointStatus {
    /// The port of the container endpoint; nothing where nobody needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Who is served, the oldest first.
    #[serde(default)]
    pub grants: Vec<GrantStatus>,
}

/// A place that serves a name to one process and what it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GrantStatus {
    /// The role or identity.
    pub name: String,
    /// `container` or `imds`.
    pub form: EndpointForm,
    /// Its own port, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The process with whose end it ends.
    pub pid: i32,
    /// What runs there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How often it gave a session.
    #[serde(default)]
    pub served: u64,
}

/// The running agent.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AgentStatus {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: DateTime<Utc>,
    /// What time it has.
    pub now: DateTime<Utc>,
    /// Which file it reads.
    pub config: String,
    /// Where it answers.
    pub socket: String,
    /// The directory of the separate world that it belongs to; absent in the one that every caller of the user shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
}

/// The vault.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VaultStatus {
    /// `os` or `file`.
    pub kind: String,
    /// `ready`, `locked` or `absent`.
    pub state: String,
    /// Why it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl VaultStatus {
    /// Returns the facts of the vault; `None` if a newer agent has a vault that this program does not know.
    pub fn facts(&self) -> Option<VaultFacts> {
        VaultKind::named(&self.kind).map(VaultKind::facts)
    }
}

/// A question to the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QuestionStatus {
    /// `mfa-code` or `consent`.
    pub kind: String,
    /// Whose code, where one is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Of which device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// For which role or identity.
    pub name: String,
    /// On behalf of which program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Since when it is wanted.
    pub since: DateTime<Utc>,
    /// Whether a person is looking at it; otherwise nobody could be asked.
    pub open: bool,
    /// The command that answers it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_with: Option<String>,
}

/// An identity.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct IdentityStatus {
    /// Its name.
    pub name: String,
    /// Its kind, as in the configuration.
    pub kind: String,
    /// Its MFA device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_serial: Option<String>,
    /// How old its access key is; nothing for an identity that has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyAge>,
    /// Its own session (of GetSessionToken, or what its source gave), if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionStatus>,
    /// Why its source gave none at the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<UserError>,
}

impl IdentityStatus {
    /// Returns what the configuration contains of an identity.
    pub fn of(identity: &Identity) -> Self {
        Self {
            name: identity.name.to_string(),
            kind: identity.kind().as_str().to_owned(),
            mfa_serial: identity.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()),
            key: None,
            session: None,
            error: None,
        }
    }
}

/// How old an identity's access key is; empty where the vault has not been open yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyAge {
    /// The public half of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Since when it exists: when AWS made it, or, where that is not known, when it was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// How many seconds ago that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// Whether it is older than `rotate_after` allows.
    #[serde(default)]
    pub overdue: bool,
    /// Whether the vault has no key of this identity.
    #[serde(default)]
    pub missing: bool,
}

/// Which access key took the place of which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rotated {
    /// The identity's name.
    pub identity: String,
    /// Whose keys they are.
    pub arn: String,
    /// The key that is gone.
    pub old_access_key_id: String,
    /// The key that is in use.
    pub access_key_id: String,
    /// Other keys that were deleted on the way: one that was consented to, or one of ours whose secret was lost.
    pub deleted: Vec<String>,
    /// Whether an earlier rotation was finished.
    pub resumed: bool,
}

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RoleStatus {
    /// Its name.
    pub name: String,
    /// What assumes it.
    pub source: String,
    /// Its ARN.
    pub role_arn: String,
    /// Its session, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionStatus>,
    /// Why the last attempt to get or renew one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<UserError>,
    /// When it was last asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<DateTime<Utc>>,
    /// By which program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_caller: Option<String>,
}

impl RoleStatus {
    /// Returns what the configuration contains of a role.
    pub fn of(role: &Role) -> Self {
        Self {
            name: role.name.to_string(),
            source: role.source.to_string(),
            role_arn: role.role_arn.to_string(),
            session: None,
            error: None,
            last_used: None,
            last_caller: None,
        }
    }
}

/// A further socket, which serves some roles' sessions and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SocketStatus {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// Whose sessions it serves.
    pub roles: Vec<String>,
    /// Whether a person is asked before a use.
    pub ask: bool,
    /// When a session was last handed out through it, since the agent began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<DateTime<Utc>>,
    /// Why it is not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<UserError>,
}

/// A session; its secret stays where it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionStatus {
    /// Its public half: the key to find it by in CloudTrail (`userIdentity.accessKeyId`).
    pub access_key_id: String,
    /// When it ends.
    pub expiration: DateTime<Utc>,
    /// How many seconds are left, by the stricter of two clocks.
    pub left_seconds: u64,
    /// How many seconds it lives in all.
    pub life_seconds: u64,
    /// `fresh`, `due`, `low` or `expired`.
    pub freshness: String,
}

/// A key in the vault; its secret stays where it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct KeyStatus {
    /// The identity's name.
    pub identity: String,
    /// The identity's kind, as in the configuration.
    pub kind: String,
    /// The public half of the key, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Whose key it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// In which account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<DateTime<Utc>>,
    /// When AWS made it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<DateTime<Utc>>,
    /// The key that rotations have made this one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Its MFA device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_serial: Option<String>,
    /// Whether the secret of that device lies beside the key.
    #[serde(default)]
    pub totp: bool,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<UserError>,
    /// What a person should know of it: that it is too old, or half rotated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<UserError>,
}

impl KeyStatus {
    /// Returns the ID of the access key, if the vault has one; fails if the vault cannot be read.
    pub fn stored_id(&self) -> Result<Option<&str>, UserError> {
        match &self.error {
            // A missing key is an error of the configuration.
            Some(error) if error.kind != Kind::Config => Err(error.clone()),
            _ => Ok(self.access_key_id.as_deref()),
        }
    }
}

/// What has happened since the agent started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Requests for credentials.
    pub gets: u64,
    /// Those answered with a session.
    pub handed_out: u64,
    /// Calls to STS.
    pub sts_calls: u64,
    /// Those that failed.
    pub sts_failures: u64,
    /// Reads of the vault.
    pub vault_reads: u64,
    /// Connections turned away: another user, too many at once.
    pub turned_away: u64,
    /// Audit lines that could not be written.
    pub audit_lost: u64,
    /// Lines of the agent's own log that could not be written.
    #[serde(default)]
    pub log_lost: u64,
    /// Internal errors (panics); each has ended one request or one step.
    #[serde(default)]
    pub internal_errors: u64,
}
