//! The policy documents that a setup writes itself: which role may be assumed, who is trusted, which service.
//!
//! Text in IAM's own order of keys, without white space, since IAM counts the characters.

use super::{Service, Setup, Trust, Who};
use crate::domain::arn::AccountId;
use serde::Serialize;

/// The version of the policy language; every document of a setup is written in it.
const VERSION: &str = "2012-10-17";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    statement: [Statement<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Principal<'a>>,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition<'a>>,
}

#[derive(Serialize)]
enum Principal<'a> {
    #[serde(rename = "AWS")]
    Aws(&'a str),
    Service(&'a str),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bool: Option<Mfa>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_equals: Option<Equals<'a>>,
}

#[derive(Serialize)]
struct Mfa {
    #[serde(rename = "aws:MultiFactorAuthPresent")]
    present: &'static str,
}

#[derive(Serialize)]
enum Equals<'a> {
    #[serde(rename = "sts:ExternalId")]
    ExternalId(&'a str),
    #[serde(rename = "aws:SourceAccount")]
    SourceAccount(&'a str),
}

fn text(statement: Statement<'_>) -> String {
    let document = Document { version: VERSION, statement: [statement] };
    serde_json::to_string(&document).expect("keys are strings")
}

/// Writes what lets a user or a role assume one role, or every one that trusts them (`*`).
pub(super) fn may_assume(resource: &str) -> String {
    text(Statement {
        effect: "Allow",
        principal: None,
        action: "sts:AssumeRole",
        resource: Some(resource),
        condition: None,
    })
}

/// Writes the trust policy of the role in the workload account.
pub(super) fn trust(setup: &Setup) -> String {
    let role = &setup.role;
    let principal = match (role.trust, &setup.who) {
        (Trust::Account, _) => format!("arn:{}:iam::{}:root", setup.partition.id(), setup.auth),
        (Trust::User | Trust::Role, Who::Person(_) | Who::Application(_)) => setup.caller_arn(),
    };
    let condition = (role.require_mfa || role.external_id.is_some()).then(|| Condition {
        bool: role.require_mfa.then_some(Mfa { present: "true" }),
        string_equals: role.external_id.as_deref().map(Equals::ExternalId),
    });
    text(Statement {
        effect: "Allow",
        principal: Some(Principal::Aws(&principal)),
        action: "sts:AssumeRole",
        resource: None,
        condition,
    })
}

/// Writes the trust policy of an application's own role, in its account.
///
/// For ECS the account whose tasks may have it is named, as AWS advises against a confused deputy (ECS Developer Guide, "Amazon
/// ECS task IAM role"; `ecs-trust-policy.json` of aws/agent-toolkit-for-aws).
pub(super) fn service_trust(service: Service, account: &AccountId) -> String {
    let account = (service == Service::Ecs).then(|| Equals::SourceAccount(account.as_str()));
    text(Statement {
        effect: "Allow",
        principal: Some(Principal::Service(service.principal())),
        action: "sts:AssumeRole",
        resource: None,
        condition: account.map(|account| Condition { bool: None, string_equals: Some(account) }),
    })
}

impl Service {
    /// Gives the service's name in a trust policy, which is the same in every partition.
    ///
    /// Sources: aws-cdk, `region-info/lib/default.ts` ("service principals are now globally SERVICE.amazonaws.com"); for ECS
    /// in China terraform-aws-ecs, pull request 125.
    pub const fn principal(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2.amazonaws.com",
            Self::Ecs => "ecs-tasks.amazonaws.com",
            Self::Lambda => "lambda.amazonaws.com",
        }
    }
}

/// Takes the white space between a JSON text's words away; order, numbers and strings stay as they were written.
pub fn compact(json: &str) -> String {
    let (mut out, mut in_string, mut escaped) = (String::with_capacity(json.len()), false, false);
    for c in json.chars() {
        if !in_string && matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        out.push(c);
    }
    out
}

/// Lays a JSON text out for a person, two spaces a level, in the order in which it was written.
pub fn pretty(json: &str) -> String {
    let compact = compact(json);
    let (mut out, mut depth, mut in_string, mut escaped) = (String::new(), 0_usize, false, false);
    let mut chars = compact.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = chars.next() {
        if in_string || c == '"' {
            in_string ^= c == '"' && !escaped;
            escaped = in_string && c == '\\' && !escaped;
            out.push(c);
            continue;
        }
        match c {
            '{' | '[' if chars.next_if(|next| matches!(next, '}' | ']')).is_some() => {
                out.push_str(if c == '{' { "{}" } else { "[]" });
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
