//! The sections as they are written for many accounts: defaults, accounts, templates.

use super::{
    ACCESS, BTreeMap, COLOR, DURATION, EXTERNAL_ID, MFA_MODES, MFA_SERIAL, POLICY_ARN, REGION, SESSION_WORD, TAG, words,
};
use crate::config::validators;
use schemars::JsonSchema;
use serde::Serialize;

/// What a template says where a role has a value: text with {account}, {account_name} and {name}.
const PATTERN_ARN: &str = "^arn:aws[a-z-]*:iam::.*\\{account(_name)?\\}.*$";
const PATTERN_NAME: &str = "^.*\\{account(_name)?\\}.*$";

/// What identities and roles inherit where they do not say it themselves.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DefaultsSection {
    /// The identity or role that assumes roles and templates which name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The region of identities that have none, and so of their roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = REGION))]
    pub region: Option<String>,
    /// How long a role's session lasts: 15m to 12h; more than 1h is for roles that an identity assumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION))]
    pub duration: Option<String>,
    /// How sessions are called in CloudTrail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = SESSION_WORD))]
    pub role_session_name: Option<String>,
    /// How MFA is done for roles that an identity with a device assumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words(&MFA_MODES)))]
    pub mfa: Option<String>,
    /// Whether programs may have a role's sessions: allow, ask, or deny.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words(&ACCESS)))]
    pub access: Option<String>,
    /// In which colour the console shows a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = COLOR))]
    pub color: Option<String>,
}

/// An account that templates make roles for.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AccountSection {
    /// The account's number.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub id: String,
    /// The region of the roles in it, where their template names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = REGION))]
    pub region: Option<String>,
    /// The colour of the roles in it, where their template names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = COLOR))]
    pub color: Option<String>,
    /// What the trust policies of the roles in it ask for, where their template says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = EXTERNAL_ID))]
    pub external_id: Option<String>,
    /// What templates choose it by, and its roles are found by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = validators::FOUND_BY_MAX), inner(regex(pattern = TAG)), extend("uniqueItems" = true))]
    pub tags: Vec<String>,
}

/// A role that there is in many accounts.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TemplateSection {
    /// The roles' ARN: {account} stands for the account's number, {account_name} for its name, {name} for the template's.
    #[schemars(regex(pattern = PATTERN_ARN))]
    pub role_arn: String,
    /// What the roles are called, with the same placeholders; "{account_name}-{name}" where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PATTERN_NAME))]
    pub name: Option<String>,
    /// The accounts that it makes roles for, by name; * stands for any characters. All where nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(min = 1), extend("uniqueItems" = true))]
    pub accounts: Vec<String>,
    /// The same by the accounts' tags; what either names is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(min = 1), inner(regex(pattern = TAG)), extend("uniqueItems" = true))]
    pub account_tags: Vec<String>,
    /// The identity or role that assumes them; may have placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the roles' trust policies ask for; may have placeholders. The account's where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// How long a session lasts: 15m to 12h. AWS allows 1h behind an MFA session or another role; 1h where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = DURATION))]
    pub duration: Option<String>,
    /// How sessions are called in CloudTrail; may have placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_session_name: Option<String>,
    /// The SourceIdentity to set; it stays along a chain, where no later role may set another.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = validators::POLICY_MAX))]
    pub policy: Option<String>,
    /// The ARNs of managed session policies, up to 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = validators::POLICY_ARNS_MAX), inner(regex(pattern = POLICY_ARN)), extend("uniqueItems" = true))]
    pub policy_arns: Vec<String>,
    /// The region whose STS is asked, and that tools get; the account's where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = REGION))]
    pub region: Option<String>,
    /// How MFA is done: one code for all roles, a code per session of up to 12h, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words(&MFA_MODES)))]
    pub mfa: Option<String>,
    /// The MFA device for this role, where it is not the identity's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MFA_SERIAL))]
    pub mfa_serial: Option<String>,
    /// Whether programs may have the role's sessions: allow, ask (a person is asked first), or deny.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = words(&ACCESS)))]
    pub access: Option<String>,
    /// The same for single programs, by the absolute path of the file that runs or of a link to it; goes before access.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default, extend("propertyNames" = { "pattern": "^/" }, "additionalProperties" = { "type": "string", "enum": words(&ACCESS) }))]
    pub access_by_program: BTreeMap<String, String>,
    /// How the console shows the roles; may have placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Their colour in the console, by default that of the account: blue, green, orange, red, yellow, or six hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = COLOR))]
    pub color: Option<String>,
    /// What the roles are found by, beside the tags of their accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = validators::FOUND_BY_MAX), inner(regex(pattern = TAG)), extend("uniqueItems" = true))]
    pub tags: Vec<String>,
}
