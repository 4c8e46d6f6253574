//! From a refused AssumeRole to findings.
//!
//! What AWS or a document says is certain, and so is what a variation of the call has shown. Where nothing says more than
//! "not authorized", each cause that would look the same is told as possible, with its own fix; none is picked.

use super::attempt::{Attempt, Own, Party, RequestVariation, Target};
use super::document::{Condition, Document, Holds, Statement};
use super::findings::{
    another_path, bad_policy, denied, denied_by_trust, external_id, guardrail, mfa, mfa_refused, narrow, no_permission,
    no_role, not_trusted, over_chain, over_maximum, region, session_action,
};
use super::fix::{change_trust, quoted, section};
use super::refusal::{PolicyKind, Refusal};
use super::{Cause, Certainty, Edit, Finding, LinkKind};
use crate::domain::arn::RoleArn;

use Certainty::{Certain, Likely, Possible};

/// Says why an AssumeRole was refused.
pub fn explain(attempt: &Attempt) -> Vec<Finding> {
    let found = match attempt.refusal {
        Refusal::OverMaximum => vec![over_maximum(attempt)],
        Refusal::OverChain => vec![over_chain(attempt)],
        Refusal::BadPolicy => vec![bad_policy(attempt)],
        Refusal::Region => vec![region(attempt)],
        Refusal::Mfa | Refusal::MfaCode => vec![mfa_refused(attempt)],
        Refusal::TagSession => vec![session_action(attempt, Cause::SessionTags, "sts:TagSession", "session_tags")],
        Refusal::SetSourceIdentity => {
            vec![session_action(attempt, Cause::SourceIdentity, "sts:SetSourceIdentity", "source_identity")]
        }
        Refusal::NotAllowed(PolicyKind::Identity) => vec![no_permission(attempt, Certain)],
        Refusal::NotAllowed(PolicyKind::Session) => {
            vec![narrow(&attempt.caller, attempt.role.as_str(), "sts:AssumeRole")]
        }
        Refusal::NotAllowed(PolicyKind::Boundary | PolicyKind::Organization) => vec![guardrail(attempt, Certain)],
        Refusal::Denied(kind) => vec![denied(attempt, kind)],
        Refusal::Bare | Refusal::NotAllowed(PolicyKind::Trust | PolicyKind::Other) => bare(attempt),
        Refusal::MfaCodeFormat | Refusal::Clock | Refusal::Scope | Refusal::NoProvider | Refusal::Other => {
            vec![Finding::new(Cause::Other, LinkKind::Trust, Certain, &attempt.words)]
        }
    };
    found.into_iter().map(|finding| if finding.of.is_none() { finding.of(&attempt.name) } else { finding }).collect()
}

/// Says that a session policy takes a harmless call away that the role itself may make.
pub fn narrow_session_policy(name: &str, role: &RoleArn, action: &str) -> Finding {
    let party = Party { name: name.to_owned(), arn: role.to_string(), session_arn: None };
    narrow(&party, "*", action)
}

fn bare(attempt: &Attempt) -> Vec<Finding> {
    let shown = shown_by_variation(attempt);
    if !shown.is_empty() {
        return shown;
    }
    let mut found = Vec::new();
    match &attempt.own {
        Own::Denied { .. } => return vec![denied(attempt, PolicyKind::Identity)],
        Own::NotAllowed => found.push(no_permission(attempt, Certain)),
        Own::Allowed | Own::Unread => {}
    }
    match &attempt.target {
        // A permission for a role that is not there helps nobody: the name may be mistyped.
        Target::Missing => found = vec![no_role(attempt, Certain)],
        Target::Elsewhere(arn) => found = vec![another_path(attempt, arn)],
        Target::Read { trust: Some(trust), .. } => {
            let of_trust = read_trust(attempt, trust);
            if of_trust.is_empty() && found.is_empty() {
                // The role would have it: what is left is on the caller's side, or above both.
                found.push(match attempt.own {
                    Own::Unread => no_permission(attempt, Likely),
                    _ => guardrail(attempt, Likely),
                });
            }
            found.extend(of_trust);
        }
        // One cause is certain; what else may be wrong is seen when that is mended.
        Target::Unread | Target::Read { trust: None, .. } if !found.is_empty() => {}
        Target::Unread | Target::Read { trust: None, .. } => found.extend(alike(attempt)),
    }
    found
}

/// Lists what looks the same from here.
fn alike(attempt: &Attempt) -> Vec<Finding> {
    let mut found = Vec::new();
    if attempt.own == Own::Unread && attempt.refusal != Refusal::NotAllowed(PolicyKind::Trust) {
        found.push(no_permission(attempt, Possible));
    }
    found.push(not_trusted(attempt, Possible, None));
    if !matches!(attempt.target, Target::Read { .. }) {
        found.push(no_role(attempt, Possible));
    }
    found.push(external_id(attempt, Possible, None));
    if !attempt.with_mfa && attempt.takes_mfa {
        found.push(mfa(attempt, Possible));
    }
    found
}

fn shown_by_variation(attempt: &Attempt) -> Vec<Finding> {
    let granted = |variation| attempt.granted.contains(&variation);
    let mut found = Vec::new();
    if granted(RequestVariation::CallerUnlimited) {
        found.push(narrow(&attempt.caller, attempt.role.as_str(), "sts:AssumeRole"));
    }
    if granted(RequestVariation::WithMfa) {
        found.push(mfa(attempt, Certain));
    }
    if granted(RequestVariation::WithoutExternalId) {
        found.push(external_id(attempt, Certain, None));
    }
    if granted(RequestVariation::WithoutTags) {
        found.push(session_action(attempt, Cause::SessionTags, "sts:TagSession", "session_tags"));
    }
    if granted(RequestVariation::WithoutSourceIdentity) {
        found.push(session_action(attempt, Cause::SourceIdentity, "sts:SetSourceIdentity", "source_identity"));
    }
    found
}

/// Looks for what a trust policy that was read has against the call; nothing where it has nothing.
fn read_trust(attempt: &Attempt, document: &Document) -> Vec<Finding> {
    let (caller, facts) = (attempt.caller.names(), attempt.facts());
    let about_us = |statement: &&Statement| statement.actions.covers_action("sts:AssumeRole");
    let statements: Vec<&Statement> = document.statements.iter().filter(about_us).collect();
    let denying = statements.iter().filter(|s| s.denies && s.names(&caller)).find_map(|statement| {
        let unmet = statement.unmet(&facts);
        let certainty = if unmet.is_empty() { Certain } else { Likely };
        unmet.iter().all(|(_, holds)| *holds != Holds::No).then_some((statement, certainty))
    });
    if let Some((statement, certainty)) = denying {
        return vec![denied_by_trust(attempt, certainty, Some(statement))];
    }
    let allowing: Vec<&&Statement> = statements.iter().filter(|s| !s.denies).collect();
    let naming: Vec<&&&Statement> = allowing.iter().filter(|s| s.names(&caller)).collect();
    // The statement that comes nearest is the one that is meant for us.
    let against = |statement: &Statement| {
        let unmet = statement.unmet(&facts);
        (unmet.iter().filter(|(_, holds)| *holds == Holds::No).count(), unmet.len())
    };
    let Some(nearest) = naming.into_iter().min_by_key(|statement| against(statement)) else {
        return vec![not_trusted(attempt, Certain, allowing.first().map(|s| **s))];
    };
    let unmet = nearest.unmet(&facts);
    let certain = unmet.iter().filter(|(_, holds)| *holds == Holds::No);
    let mut found: Vec<Finding> = certain.map(|(condition, _)| of_condition(attempt, condition, Certain)).collect();
    if found.is_empty() {
        found.extend(unmet.iter().map(|(condition, _)| of_condition(attempt, condition, Likely)));
    }
    found
}

fn of_condition(attempt: &Attempt, condition: &Condition, certainty: Certainty) -> Finding {
    match condition.key.to_ascii_lowercase().as_str() {
        "sts:externalid" => external_id(attempt, certainty, Some(condition)),
        "aws:multifactorauthpresent" | "aws:multifactorauthage" => mfa(attempt, certainty),
        "sts:sourceidentity" => wants(attempt, certainty, condition, Cause::SourceIdentity, "source_identity"),
        key if key.starts_with("aws:requesttag/") || key == "aws:tagkeys" || key == "sts:transitivetagkeys" => {
            wants(attempt, certainty, condition, Cause::SessionTags, "session_tags")
        }
        _ => {
            let what = format!(
                "the trust policy of {} has a condition {} on {}: {}",
                attempt.role,
                if certainty == Certain { "that is not met" } else { "that cannot be judged from here" },
                condition.key,
                condition.values.join(", ")
            );
            Finding::new(Cause::OtherCondition, LinkKind::Conditions, certainty, what)
                .in_account(attempt.role.account().as_str())
                .fix(format!("look at that condition, with whoever owns the role: {}", change_trust(&attempt.role)))
        }
    }
}

/// A key of the configuration that does not have what a condition wants.
fn wants(attempt: &Attempt, certainty: Certainty, condition: &Condition, cause: Cause, key: &str) -> Finding {
    let wanted = condition.values.join(" or ");
    let what = format!("the trust policy of {} wants {} to be {wanted}", attempt.role, condition.key);
    let one = condition.values.first().map_or("", String::as_str);
    let line = match condition.key.split_once('/') {
        Some((_, tag)) => format!("{key} = {{ {} = {} }}", quoted(tag), quoted(one)),
        None => format!("{key} = {}", quoted(one)),
    };
    Finding::new(cause, LinkKind::Conditions, certainty, what)
        .change(section("roles", &attempt.name), Edit::Add, line)
        .fix(format!("rolecall role show {} shows what is set; edit the section and save it", attempt.name))
}
