//! Policy documents on their way into the world and out of it.
//!
//! Rules: IAM User Guide, "AWS JSON policy elements: Principal" ("IAM transforms the principal ARN to a unique principal
//! ID when you save the policy") and "IAM and AWS STS quotas" ("IAM doesn't count white space").

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::grammar;
use super::refusals::{limit_exceeded, malformed};
use crate::error::ApiError;
use crate::policy::Policy;
use crate::policy::principal::Principal;
use crate::world::World;

/// "The policy returned is URL-encoded compliant with RFC 3986."
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Writes a document as IAM's answers carry it.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Returns how many characters of a document count.
pub(super) fn size(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// Reads a document that says what an identity may do.
pub(super) fn permissions(text: &str) -> Result<Policy, ApiError> {
    let policy = Policy::parse(text).and_then(|policy| policy.check_identity_based().map(|()| policy));
    let policy = policy.map_err(|error| malformed(error.to_string()))?;
    grammar::check(text).map_err(malformed)?;
    Ok(policy)
}

/// Reads a document that says who may assume a role; whom it names must exist.
pub(super) fn trust(text: &str, known: &World, quota: usize) -> Result<Policy, ApiError> {
    let policy = Policy::parse(text).and_then(|policy| policy.check_trust().map(|()| policy));
    let mut policy = policy.map_err(|error| malformed(error.to_string()))?;
    grammar::check(text).map_err(malformed)?;
    if size(text) > quota {
        return Err(limit_exceeded(format!("Cannot exceed quota for ACLSizePerRole: {quota}")));
    }
    let named: Vec<Principal> = policy.principals().cloned().collect();
    for principal in named {
        match &principal {
            Principal::Account(account) if !known.accounts.contains_key(account) => {
                let shown = [account.clone(), format!("arn:aws:iam::{account}:root")];
                let shown = shown.iter().find(|name| text.contains(&format!("\"{name}\""))).unwrap_or(account);
                return Err(invalid("AWS", shown));
            }
            Principal::Arn(arn) if arn.split(':').nth(2) == Some("iam") => {
                let id = known.principal_id(arn).ok_or_else(|| invalid("AWS", arn))?;
                policy.bind(arn, &id);
            }
            Principal::Service(service) if !service.ends_with(".amazonaws.com") => {
                return Err(invalid("SERVICE", service));
            }
            _ => {}
        }
    }
    Ok(policy)
}

fn invalid(kind: &str, name: &str) -> ApiError {
    malformed(format!("Invalid principal in policy: \"{kind}\":\"{name}\""))
}
