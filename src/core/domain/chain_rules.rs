//! What a chain hands from session to session, checked against AWS's rules: the source identity and the transitive tags;
//! and what one call may pass in all.
//!
//! Rules: STS API reference, AssumeRole (SourceIdentity, Tags, TransitiveTagKeys, Policy, PolicyArns); IAM User Guide,
//! "Chaining roles with session tags" and "Monitor and control actions taken with assumed roles". What an identity's own
//! source has set cannot be known here.

use super::catalogue::{ConfigProblem, Role};
use std::collections::HashMap;

/// What AWS takes of inline and managed session policies together, as plain text.
const POLICIES_MAX: usize = 2048;

/// Checks a role by the roles before it; `chain` begins with the role itself and ends at the identity.
pub(super) fn check(chain: &[&Role], found: &mut Vec<ConfigProblem>) {
    let Some((role, before)) = chain.split_first() else { return };
    check_source_identity(role, before, found);
    check_tags(role, before, found);
    check_policies(role, found);
}

/// "You cannot change the source identity" of a session, nor of what is assumed with it; the same one may be said again.
fn check_source_identity(role: &Role, before: &[&Role], found: &mut Vec<ConfigProblem>) {
    let first = before.iter().rev().find_map(|role| Some((&role.name, role.source_identity.as_deref()?)));
    if let (Some(own), Some((setter, set))) = (&role.source_identity, first)
        && own != set
    {
        let message = format!("role `{setter}` before it in the chain has set `{set}`, and AWS lets no one change it");
        found.push(ConfigProblem::role(&role.name, "source_identity", message));
    }
}

fn check_tags(role: &Role, before: &[&Role], found: &mut Vec<ConfigProblem>) {
    // "Tag key-value pairs are not case sensitive, but case is preserved."
    let mut inherited: HashMap<String, &Role> = HashMap::new();
    for role in before {
        inherited.extend(role.transitive_tag_keys.iter().map(|key| (key.to_lowercase(), *role)));
    }
    for key in role.session_tags.keys() {
        if let Some(setter) = inherited.get(&key.to_lowercase()) {
            let mut problem = ConfigProblem::role(
                &role.name,
                "session_tags",
                format!(
                    "role `{}` before it in the chain hands this tag on, and AWS lets no one replace it",
                    setter.name
                ),
            );
            problem.path.push(key.clone());
            found.push(problem);
        }
    }
    for key in &role.transitive_tag_keys {
        let is_own = role.session_tags.keys().any(|own| own.to_lowercase() == key.to_lowercase());
        let message = match inherited.get(&key.to_lowercase()) {
            _ if is_own => continue,
            Some(setter) => format!("`{key}` is handed on by role `{}` already, all along the chain", setter.name),
            None => format!("`{key}` is none of the role's own session_tags, and AWS hands on no other"),
        };
        found.push(ConfigProblem::role(&role.name, "transitive_tag_keys", message));
    }
}

fn check_policies(role: &Role, found: &mut Vec<ConfigProblem>) {
    let inline = role.policy.as_ref().map_or(0, |policy| policy.chars().count());
    let managed: usize = role.policy_arns.iter().map(|arn| arn.chars().count()).sum();
    if inline > 0 && inline + managed > POLICIES_MAX {
        let total = inline + managed;
        let message = format!("`policy` and `policy_arns` have {total} characters together, AWS takes {POLICIES_MAX}");
        found.push(ConfigProblem::role(&role.name, "policy", message));
    }
}
