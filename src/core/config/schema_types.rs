//! The sections as they are written: text in the order in which it is written down.
//!
//! `sections` checks the values. Edits write these types as TOML, which leaves out `None`. The schema for editors is made from
//! them: an editor shows the first line of each comment beside the key.

mod many;

pub use many::{AccountSection, DefaultsSection, TemplateSection};

use super::validators::{self, ACCESS, AUDIT, LOCK_EVENTS, MFA_MODES, PROMPTS};
use crate::domain::catalogue::VaultKind;
use crate::domain::source::IdentityKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a name may look like, as `domain::names::Name` checks it.
const NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9_.@+/=:-]{0,127}$";
/// The same for a socket, as `domain::extra_socket::socket_name` checks it.
const SOCKET_NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$";
const DURATION: &str = "^([0-9]+[dhms])+$";
const DURATION_OR_NEVER: &str = "^(never|([0-9]+[dhms])+)$";
const ROLE_ARN: &str = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$";
const POLICY_ARN: &str = "^arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/.+$";
const REGION: &str = "^[a-z0-9]+(-[a-z0-9]+){1,3}-[0-9]+$";
const URL: &str = "^https?://[^/@?#]+(/[^?#]*)?$";
const PROXY: &str = "^http://[^/@?#]+/?$";
const PROXY_USER: &str = "^[!-9;-~]([ -9;-~]{0,126}[!-9;-~])?$";
const NO_PROXY: &str = "^(\\*|[A-Za-z0-9._:/\\[\\]-]{1,253})$";
const SESSION_WORD: &str = "^[A-Za-z0-9_+=,.@-]{2,64}$";
const EXTERNAL_ID: &str = "^[A-Za-z0-9_+=,.@:/-]{2,1224}$";
const MFA_SERIAL: &str = "^[A-Za-z0-9_+=/:,.@-]{9,256}$";
const TAG: &str = "^[A-Za-z0-9_.:/=+@-]{1,64}$";
const COLOR: &str = "^(#?[0-9A-Fa-f]{6}|[A-Za-z]{3,20})$";

fn words<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}

/// The configuration of rolecall: who you are, and what you can become.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Configuration {
    /// Further files, relative to this one; * stands for any characters of a file's name, as in "teams/*.toml".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, extend("uniqueItems" = true))]
    pub include: Vec<String>,
    /// The agent itself.
    pub agent: Option<AgentSection>,
    /// How AWS is reached: proxies, private endpoints, tests. AWS's own hosts where nothing is said.
    pub aws: Option<AwsSection>,
    /// What identities and roles inherit where they do not say it themselves.
    pub defaults: Option<DefaultsSection>,
    /// Who you are before any role, by name. Identities and roles share one namespace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("propertyNames" = { "pattern": NAME }))]
    pub identities: BTreeMap<String, IdentitySection>,
    /// What you can become, by name. Identities and roles share one namespace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("propertyNames" = { "pattern": NAME }))]
    pub roles: BTreeMap<String, RoleSection>,
    /// The accounts that templates make roles for, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("propertyNames" = { "pattern": NAME }))]
    pub accounts: BTreeMap<String, AccountSection>,
    /// Roles that there are in many accounts, by name: each makes a role for every account.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("propertyNames" = { "pattern": NAME }))]
    pub templates: BTreeMap<String, TemplateSection>,
    /// Further sockets of the agent, by name, for containers and remote machines: each serves a few roles' sessions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("propertyNames" = { "pattern": SOCKET_NAME }))]
    pub sockets: BTreeMap<String, SocketSection>,
}

/// The agent itself.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AgentSection {
    /// Every session is forgotten after this long without a request: 1m to 365d, or "never". 12h where nothing is said.
    #[schemars(regex(pattern = DURATION_OR_NEVER))]
    pub idle_lock: Option<String>,
    /// Every session is forgotten this long after the first one, used or not: 1m to 365d, or "never", the default.
    #[schemars(regex(pattern = DURATION_OR_NEVER))]
    pub max_unlocked: Option<String>,
    /// What happens if a line of the audit log cannot be written: "best-effort" counts it, "required" serves nothing.
    #[schemars(extend("enum" = words(&AUDIT)))]
    pub audit: Option<String>,
    /// Where long-term keys rest: "os" is the keyring, "file" an encrypted file for machines without one.
    #[schemars(extend("enum" = VaultKind::ALL.map(VaultKind::as_str)))]
    pub vault: Option<String>,
    /// How a person is asked, in order. An empty list asks nobody.
    #[schemars(extend("items" = { "type": "string", "enum": words(&PROMPTS) }, "uniqueItems" = true))]
    pub prompts: Option<Vec<String>>,
    /// The program that asks in a window, an absolute path; the system's `pinentry` where nothing is said.
    pub pinentry_program: Option<String>,
    /// What makes the agent forget every session: the screen's lock, the machine's sleep. Both where nothing is said.
    #[schemars(extend("items" = { "type": "string", "enum": words(&LOCK_EVENTS) }, "uniqueItems" = true))]
    pub lock_on: Option<Vec<String>>,
    /// How long before the end of an MFA session in use you are told: 1m to 36h, or "never". 30m where nothing is said.
    #[schemars(regex(pattern = DURATION_OR_NEVER))]
    pub warn_before: Option<String>,
    /// How long a yes to a role with access = "ask" holds: 1m to 1d. 1h where nothing is said.
    #[schemars(regex(pattern = DURATION))]
    pub consent: Option<String>,
}

/// How AWS is reached.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AwsSection {
    /// Asked instead of AWS's own hosts: https, or http to 127.0.0.1, ::1 and localhost.
    #[schemars(regex(pattern = URL))]
    pub endpoint_url: Option<String>,
    /// The same for STS alone; goes before endpoint_url.
    #[schemars(regex(pattern = URL))]
    pub endpoint_url_sts: Option<String>,
    /// The same for IAM alone; goes before endpoint_url.
    #[schemars(regex(pattern = URL))]
    pub endpoint_url_iam: Option<String>,
    /// The same for the console's sign-in alone; goes before endpoint_url.
    #[schemars(regex(pattern = URL))]
    pub endpoint_url_signin: Option<String>,
    /// A PEM file whose certificates are trusted instead of the system's; an absolute path.
    #[schemars(regex(pattern = "^/"))]
    pub ca_bundle: Option<String>,
    /// The HTTP proxy for calls to AWS, as http://proxy:3128; without user and password.
    #[schemars(regex(pattern = PROXY))]
    pub https_proxy: Option<String>,
    /// The user at the proxy. `rolecall unlock --proxy` stores the password in the vault.
    #[schemars(regex(pattern = PROXY_USER))]
    pub https_proxy_user: Option<String>,
    /// Hosts to reach without the proxy: a name with what is below it, an address, a network as 10.0.0.0/8, or "*".
    #[schemars(extend("items" = { "type": "string", "pattern": NO_PROXY }, "uniqueItems" = true))]
    pub no_proxy: Option<Vec<String>>,
    /// Whether AWS's FIPS hosts are used; excludes any endpoint_url.
    pub use_fips_endpoint: Option<bool>,
    /// Whether AWS's dual-stack hosts are used; excludes any endpoint_url.
    pub use_dualstack_endpoint: Option<bool>,
}

/// Who one is before any role.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct IdentitySection {
    /// Where the credentials come from; "iam-user" is an access key in the vault.
    #[schemars(extend("enum" = IdentityKind::ALL.map(IdentityKind::as_str)))]
    pub r#type: String,
    /// The MFA device: its ARN, or the serial number of a hardware one.
    #[schemars(regex(pattern = MFA_SERIAL))]
    pub mfa_serial: Option<String>,
    /// How long one code lasts: 15m to 36h. 12h where nothing is said.
    #[schemars(regex(pattern = DURATION))]
    pub mfa_session: Option<String>,
    /// A program that prints a code of the MFA device: its absolute path, then its arguments. No shell reads it.
    #[schemars(length(min = 1))]
    pub mfa_process: Option<Vec<String>>,
    /// The region whose STS is asked for this identity's roles.
    #[schemars(regex(pattern = REGION))]
    pub region: Option<String>,
    /// How old the access key may become before `status` warns: 1d to 3650d, as "90d". Never where nothing is said.
    #[schemars(regex(pattern = DURATION))]
    pub rotate_after: Option<String>,
    /// Type ec2: where the instance metadata service is, where it is not http://169.254.169.254.
    #[schemars(regex(pattern = "^http://[^/@?#]+/?$"))]
    pub ec2_metadata_service_endpoint: Option<String>,
    /// Type ecs: the path at 169.254.170.2; the agent's own environment says it where nothing is said.
    #[schemars(regex(pattern = "^/[^/]"))]
    pub container_credentials_relative_uri: Option<String>,
    /// Type ecs: the whole address: https, or http to this machine and to ECS's and EKS's own addresses.
    #[schemars(regex(pattern = "^https?://[^/@#]+(/[^#]*)?$"))]
    pub container_credentials_full_uri: Option<String>,
    /// Type ecs: the file whose content is sent as authorization, read anew each time; an absolute path.
    #[schemars(regex(pattern = "^/"))]
    pub container_authorization_token_file: Option<String>,
    /// Type web-identity: the file with the identity provider's token, read anew each time; an absolute path.
    #[schemars(regex(pattern = "^/"))]
    pub web_identity_token_file: Option<String>,
    /// Type web-identity: the role that the token is traded for.
    #[schemars(regex(pattern = ROLE_ARN))]
    pub role_arn: Option<String>,
    /// Type web-identity: how sessions are called in CloudTrail.
    #[schemars(regex(pattern = SESSION_WORD))]
    pub role_session_name: Option<String>,
    /// Type web-identity: how long a session lasts: 15m to 12h. 1h where nothing is said.
    #[schemars(regex(pattern = DURATION))]
    pub duration: Option<String>,
    /// Type process: the program that prints credentials, an absolute path, and its arguments; no shell reads them.
    #[schemars(length(min = 1))]
    pub credential_process: Option<Vec<String>>,
}

/// What one can become.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RoleSection {
    /// The identity or role that assumes this one; `[defaults]` may say it for all.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(default, regex(pattern = NAME))]
    pub source: String,
    /// The role's ARN.
    #[schemars(regex(pattern = ROLE_ARN))]
    pub role_arn: String,
    /// What the role's trust policy asks for.
    #[schemars(regex(pattern = EXTERNAL_ID))]
    pub external_id: Option<String>,
    /// How long a session lasts: 15m to 12h. AWS allows 1h behind an MFA session or another role; 1h where nothing is said.
    #[schemars(regex(pattern = DURATION))]
    pub duration: Option<String>,
    /// How sessions are called in CloudTrail.
    #[schemars(regex(pattern = SESSION_WORD))]
    pub role_session_name: Option<String>,
    /// The SourceIdentity to set; it stays along a chain, where no later role may set another.
    #[schemars(regex(pattern = SESSION_WORD))]
    pub source_identity: Option<String>,
    /// Session tags, up to 50; AWS takes keys that differ in case only for one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("maxProperties" = validators::TAGS_MAX))]
    pub session_tags: BTreeMap<String, String>,
    /// The keys of this role's own session_tags that pass on along a chain; inherited ones pass on by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = validators::TAGS_MAX), extend("uniqueItems" = true))]
    pub transitive_tag_keys: Vec<String>,
    /// An inline session policy, as JSON.
    #[schemars(length(max = validators::POLICY_MAX))]
    pub policy: Option<String>,
    /// The ARNs of managed session policies, up to 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = validators::POLICY_ARNS_MAX), inner(regex(pattern = POLICY_ARN)), extend("uniqueItems" = true))]
    pub policy_arns: Vec<String>,
    /// The region whose STS is asked, and that tools get.
    #[schemars(regex(pattern = REGION))]
    pub region: Option<String>,
    /// How MFA is done: one code for all roles, a code per session of up to 12h, or none.
    #[schemars(extend("enum" = words(&MFA_MODES)))]
    pub mfa: Option<String>,
    /// The MFA device for this role, where it is not the identity's.
    #[schemars(regex(pattern = MFA_SERIAL))]
    pub mfa_serial: Option<String>,
    /// Whether programs may have the role's sessions: allow, ask (a person is asked first), or deny.
    #[schemars(extend("enum" = words(&ACCESS)))]
    pub access: Option<String>,
    /// The same for single programs, by the absolute path of the file that runs or of a link to it; goes before access.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("propertyNames" = { "pattern": "^/" }, "additionalProperties" = { "type": "string", "enum": words(&ACCESS) }))]
    pub access_by_program: BTreeMap<String, String>,
    /// How the console shows the role.
    #[schemars(length(min = 1, max = validators::DISPLAY_NAME_MAX))]
    pub display_name: Option<String>,
    /// The colour of the role in the console: blue, green, orange, red, yellow, or six hexadecimal digits.
    #[schemars(regex(pattern = COLOR))]
    pub color: Option<String>,
    /// What the role is found by, as in `rolecall roles --tag team-a`; AWS never sees them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = validators::FOUND_BY_MAX), inner(regex(pattern = TAG)), extend("uniqueItems" = true))]
    pub tags: Vec<String>,
}

/// What a container or a remote machine gets.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SocketSection {
    /// The roles whose sessions the socket serves; it serves nothing else and manages nothing.
    #[schemars(length(min = 1), inner(regex(pattern = NAME)), extend("uniqueItems" = true))]
    pub roles: Vec<String>,
    /// Whether a person at the agent's own machine is asked before a use; false where nothing is said.
    pub ask: Option<bool>,
}
