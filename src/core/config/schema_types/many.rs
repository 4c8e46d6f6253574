//! The sections as they are written for many accounts: defaults, accounts, templates. A template has the keys of a role; the
//! type lists those that differ.

use super::{ACCESS, COLOR, DURATION, EXTERNAL_ID, MFA_MODES, REGION, RoleSection, SESSION_WORD, TAG, words};
use crate::config::validators;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

/// What a template says where a role has a value: text with {account}, {account_name} and {name}.
const PATTERN_ARN: &str = "^arn:aws[a-z-]*:iam::.*\\{account(_name)?\\}.*$";
const PATTERN_NAME: &str = "^.*\\{account(_name)?\\}.*$";

/// What identities and roles inherit where they do not say it themselves.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DefaultsSection {
    /// The identity or role that assumes roles and templates which name none.
    pub source: Option<String>,
    /// The region of identities that have none, and so of their roles.
    #[schemars(regex(pattern = REGION))]
    pub region: Option<String>,
    /// How long a role's session lasts: 15m to 12h; more than 1h is for roles that an identity assumes.
    #[schemars(regex(pattern = DURATION))]
    pub duration: Option<String>,
    /// How sessions are called in CloudTrail.
    #[schemars(regex(pattern = SESSION_WORD))]
    pub role_session_name: Option<String>,
    /// How MFA is done for roles that an identity with a device assumes.
    #[schemars(extend("enum" = words(&MFA_MODES)))]
    pub mfa: Option<String>,
    /// Whether programs may have a role's sessions: allow, ask, or deny.
    #[schemars(extend("enum" = words(&ACCESS)))]
    pub access: Option<String>,
    /// In which colour the console shows a role.
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
    #[schemars(regex(pattern = REGION))]
    pub region: Option<String>,
    /// The colour of the roles in it, where their template names none.
    #[schemars(regex(pattern = COLOR))]
    pub color: Option<String>,
    /// What the trust policies of the roles in it ask for, where their template says nothing.
    #[schemars(regex(pattern = EXTERNAL_ID))]
    pub external_id: Option<String>,
    /// What templates choose it by, and its roles are found by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = validators::FOUND_BY_MAX), inner(regex(pattern = TAG)), extend("uniqueItems" = true))]
    pub tags: Vec<String>,
}

/// A role that there is in many accounts.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = add_role_keys)]
pub struct TemplateSection {
    /// The roles' ARN: {account} stands for the account's number, {account_name} for its name, {name} for the template's.
    #[schemars(regex(pattern = PATTERN_ARN))]
    pub role_arn: String,
    /// What the roles are called, with the same placeholders; "{account_name}-{name}" where nothing is said.
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
    pub source: Option<String>,
    /// What the roles' trust policies ask for; may have placeholders. The account's where nothing is said.
    pub external_id: Option<String>,
    /// How sessions are called in CloudTrail; may have placeholders.
    pub role_session_name: Option<String>,
    /// The region whose STS is asked, and that tools get; the account's where nothing is said.
    #[schemars(regex(pattern = REGION))]
    pub region: Option<String>,
    /// How the console shows the roles; may have placeholders.
    pub display_name: Option<String>,
    /// Their colour in the console, by default that of the account: blue, green, orange, red, yellow, or six hexadecimal digits.
    #[schemars(regex(pattern = COLOR))]
    pub color: Option<String>,
    /// What the roles are found by, beside the tags of their accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, length(max = validators::FOUND_BY_MAX), inner(regex(pattern = TAG)), extend("uniqueItems" = true))]
    pub tags: Vec<String>,
}

/// Adds the keys of a role that mean the same in a template.
fn add_role_keys(template: &mut Schema) {
    let role = RoleSection::json_schema(&mut SchemaGenerator::default());
    let of_role = role.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let keys = template.get_mut("properties").and_then(Value::as_object_mut).expect("a template has keys");
    for (key, schema) in of_role {
        keys.entry(key).or_insert(schema);
    }
}
