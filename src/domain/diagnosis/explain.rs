//! From a refused AssumeRole to findings.
//!
//! What AWS or a document says is certain, and so is what a variation of the call has shown. Where nothing says more than
//! "not authorized", each cause that would look the same is told as possible, with its own fix; none is picked.

use super::attempt::{Attempt, Own, Party, Target, Variation};
use super::document::{Condition, Document, Holds, Statement};
use super::fix::{change_trust, grant, permission, quoted, section, trust, trust_policy_of};
use super::refusal::{PolicyKind, Refusal};
use super::{Cause, Certainty, Edit, Finding, LinkKind};
use crate::domain::arn::RoleArn;
use std::time::Duration;

use Certainty::{Certain, Likely, Possible};

/// Says why an AssumeRole was refused.
pub fn explain(attempt: &Attempt) -> Vec<Finding> {
    let found = match attempt.refusal {
        Refusal::OverMaximum => vec![over_maximum(attempt)],
        Refusal::OverChain => vec![over_chain(attempt)],
        Refusal::BadPolicy => vec![bad_policy(attempt)],
        Refusal::Region => vec![region(attempt)],
        Refusal::Mfa => vec![mfa_refused(attempt)],
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
        Refusal::Other => {
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
        Target::Missing => found.push(no_role(attempt, Certain)),
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
    if granted(Variation::CallerUnlimited) {
        found.push(narrow(&attempt.caller, attempt.role.as_str(), "sts:AssumeRole"));
    }
    if granted(Variation::WithMfa) {
        found.push(mfa(attempt, Certain));
    }
    if granted(Variation::WithoutExternalId) {
        found.push(external_id(attempt, Certain, None));
    }
    if granted(Variation::WithoutTags) {
        found.push(session_action(attempt, Cause::SessionTags, "sts:TagSession", "session_tags"));
    }
    if granted(Variation::WithoutSourceIdentity) {
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
        let what = format!("the trust policy of {} denies it to {} outright", attempt.role, attempt.caller.arn);
        return vec![
            Finding::new(Cause::ExplicitDeny, LinkKind::Trust, certainty, what)
                .in_account(attempt.role.account().as_str())
                .change(trust_policy_of(&attempt.role), Edit::Remove, &statement.text)
                .fix(change_trust(&attempt.role)),
        ];
    }
    let allowing: Vec<&&Statement> = statements.iter().filter(|s| !s.denies).collect();
    let naming: Vec<&&&Statement> = allowing.iter().filter(|s| s.names(&caller)).collect();
    // The statement that comes nearest is the one that is meant for us.
    let against = |statement: &Statement| {
        let unmet = statement.unmet(&facts);
        (unmet.iter().filter(|(_, holds)| *holds == Holds::No).count(), unmet.len())
    };
    let Some(nearest) = naming.into_iter().min_by_key(|statement| against(statement)) else {
        return vec![not_trusted(attempt, Certain, allowing.first().map(|s| s.text.as_str()))];
    };
    let unmet = nearest.unmet(&facts);
    let certain = unmet.iter().filter(|(_, holds)| *holds == Holds::No);
    let mut found: Vec<Finding> =
        certain.map(|(condition, _)| of_condition(attempt, condition, nearest, Certain)).collect();
    if found.is_empty() {
        found.extend(unmet.iter().map(|(condition, _)| of_condition(attempt, condition, nearest, Likely)));
    }
    found
}

fn of_condition(attempt: &Attempt, condition: &Condition, statement: &Statement, certainty: Certainty) -> Finding {
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
                .change(trust_policy_of(&attempt.role), Edit::Replace, &statement.text)
                .fix(change_trust(&attempt.role))
        }
    }
}

/// A key of the configuration that does not have what a condition wants.
fn wants(attempt: &Attempt, certainty: Certainty, condition: &Condition, cause: Cause, key: &str) -> Finding {
    let wanted = condition.values.join(" or ");
    let what = format!("the trust policy of {} wants {} to be {wanted}", attempt.role, condition.key);
    let line = match condition.key.split_once('/') {
        Some((_, tag)) => format!("{key} = {{ {} = {} }}", quoted(tag), quoted(&wanted)),
        None => format!("{key} = {}", quoted(&wanted)),
    };
    Finding::new(cause, LinkKind::Conditions, certainty, what)
        .change(section("roles", &attempt.name), Edit::Add, line)
        .fix("rolecall role show NAME shows what is set; edit the section and save it".replace("NAME", &attempt.name))
}

fn no_permission(attempt: &Attempt, certainty: Certainty) -> Finding {
    let may = if certainty == Certain { "no policy of" } else { "perhaps no policy of" };
    let what = format!("{may} {} allows sts:AssumeRole on {}", attempt.caller.arn, attempt.role);
    Finding::new(Cause::MissingIdentityPermission, LinkKind::Permission, certainty, what)
        .in_account(&attempt.caller.account())
        .change(format!("a policy of {}", attempt.caller.arn), Edit::Add, permission(&attempt.role))
        .fix(grant(&attempt.caller, &attempt.role))
}

fn not_trusted(attempt: &Attempt, certainty: Certainty, instead: Option<&str>) -> Finding {
    let what = match instead {
        Some(_) => format!("the trust policy of {} does not name {}", attempt.role, attempt.caller.arn),
        None if certainty == Certain => format!("the trust policy of {} allows nobody sts:AssumeRole", attempt.role),
        None => format!("perhaps the trust policy of {} does not name {}", attempt.role, attempt.caller.arn),
    };
    let edit = if instead.is_some() { Edit::Replace } else { Edit::Add };
    Finding::new(Cause::WrongPrincipal, LinkKind::Trust, certainty, what)
        .in_account(attempt.role.account().as_str())
        .change(trust_policy_of(&attempt.role), edit, trust(attempt))
        .fix(change_trust(&attempt.role))
}

fn no_role(attempt: &Attempt, certainty: Certainty) -> Finding {
    let (role, name) = (&attempt.role, attempt.role.name());
    let there = if certainty == Certain { "there is no role" } else { "perhaps there is no role" };
    let what = format!("{there} {role}: it was deleted, or the ARN is another's");
    Finding::new(Cause::RoleDeleted, LinkKind::Trust, certainty, what)
        .in_account(role.account().as_str())
        .change(
            section("roles", &attempt.name),
            Edit::Replace,
            "role_arn = \"the ARN that `aws iam list-roles` shows\"".to_owned(),
        )
        .fix(format!(
            "aws iam get-role --role-name {name} shows whether it is there; make it anew, or correct `role_arn`"
        ))
}

fn external_id(attempt: &Attempt, certainty: Certainty, condition: Option<&Condition>) -> Finding {
    let perhaps = if certainty == Certain { "" } else { "perhaps " };
    let (cause, what) = match (&attempt.external_id, condition) {
        (None, _) => (
            Cause::ExternalIdMissing,
            format!("{perhaps}the trust policy of {} wants an external id, and `external_id` is not set", attempt.role),
        ),
        (Some(_), None) if certainty == Certain => (
            Cause::ExternalIdWrong,
            format!("the trust policy of {} does not take the `external_id` that is set, and takes none", attempt.role),
        ),
        (Some(_), _) => (
            Cause::ExternalIdWrong,
            format!(
                "{perhaps}the trust policy of {} wants another external id than the `external_id` that is set",
                attempt.role
            ),
        ),
    };
    let wanted = condition.and_then(|condition| condition.values.first());
    let (edit, line) = match (wanted, &attempt.external_id) {
        (Some(wanted), None) => (Edit::Add, format!("external_id = {}", quoted(wanted))),
        (Some(wanted), Some(_)) => (Edit::Replace, format!("external_id = {}", quoted(wanted))),
        (None, None) => (Edit::Add, "external_id = \"what the owner of the role gave you\"".to_owned()),
        (None, Some(id)) if certainty == Certain => (Edit::Remove, format!("external_id = {}", quoted(id))),
        (None, Some(_)) => (Edit::Replace, "external_id = \"what the owner of the role gave you\"".to_owned()),
    };
    let fix = format!(
        "edit the section and save it; the owner of account {} has the id: aws iam get-role --role-name {}",
        attempt.role.account(),
        attempt.role.name()
    );
    Finding::new(cause, LinkKind::Conditions, certainty, what)
        .change(section("roles", &attempt.name), edit, line)
        .fix(fix)
}

fn mfa(attempt: &Attempt, certainty: Certainty) -> Finding {
    let perhaps = if certainty == Certain { "" } else { "perhaps " };
    let what = format!("{perhaps}the trust policy of {} wants MFA, and the call carries none", attempt.role);
    let finding = Finding::new(Cause::MfaDemanded, LinkKind::Conditions, certainty, what);
    if attempt.device.is_some() {
        return finding
            .change(section("roles", &attempt.name), Edit::Replace, "mfa = \"session\"")
            .fix("edit the section and save it: the identity's device is then asked for a code");
    }
    let user = attempt.caller.principal().map_or("USER", |(_, name)| name);
    if !attempt.takes_mfa {
        let what = "a chain's further roles cannot present a code; the trust policy has to do without, or the first role's session must carry it";
        return finding.in_account(attempt.role.account().as_str()).fix(what);
    }
    let partition = attempt.role.partition().id();
    finding
        .change(
            section("identities", &attempt.caller.name),
            Edit::Add,
            format!("mfa_serial = \"arn:{partition}:iam::{}:mfa/{user}\"", attempt.caller.account()),
        )
        .fix(format!(
            "aws iam list-mfa-devices --user-name {user} shows the device's ARN; edit the section and save it"
        ))
}

fn mfa_refused(attempt: &Attempt) -> Finding {
    Finding::new(Cause::MfaRefused, LinkKind::Conditions, Certain, &attempt.words)
        .in_account(&attempt.caller.account())
        .fix("wait for the device's next code; compare `mfa_serial` with: aws iam list-mfa-devices")
}

fn over_maximum(attempt: &Attempt) -> Finding {
    let wanted = attempt.duration.as_secs();
    let name = attempt.role.name();
    let known = match attempt.target {
        Target::Read { max_session: Some(most), .. } => Some(most),
        _ => None,
    };
    let of = known.map(|most| format!(", which is {}", span(most))).unwrap_or_default();
    let what =
        format!("`duration` is {}, longer than the MaxSessionDuration of {}{of}", span(attempt.duration), attempt.role);
    // An hour is the least that AWS takes for a maximum.
    let line = format!("duration = \"{}\"", span(known.unwrap_or(Duration::from_hours(1))));
    Finding::new(Cause::DurationOverMaximum, LinkKind::Duration, Certain, what)
        .in_account(attempt.role.account().as_str())
        .change(section("roles", &attempt.name), Edit::Replace, line)
        .fix(format!(
            "edit the section and save it; or, as an administrator of account {}: aws iam update-role --role-name {name} \
             --max-session-duration {wanted}",
            attempt.role.account()
        ))
}

fn over_chain(attempt: &Attempt) -> Finding {
    let what = format!(
        "`duration` is {}, and AWS limits a role that is assumed with temporary credentials to 1h",
        span(attempt.duration)
    );
    Finding::new(Cause::ChainedOverOneHour, LinkKind::Duration, Certain, what)
        .change(section("roles", &attempt.name), Edit::Replace, "duration = \"1h\"")
        .fix("edit the section and save it")
}

fn bad_policy(attempt: &Attempt) -> Finding {
    let what = format!("AWS does not take the session policy: {}", attempt.words);
    Finding::new(Cause::SessionPolicyInvalid, LinkKind::SessionPolicy, Certain, what)
        .change(section("roles", &attempt.name), Edit::Replace, "policy = '''…''', or policy_arns, as AWS takes them")
        .fix("aws accessanalyzer validate-policy --policy-type IDENTITY_POLICY --policy-document file://policy.json")
}

fn region(attempt: &Attempt) -> Finding {
    Finding::new(Cause::RegionDisabled, LinkKind::Network, Certain, &attempt.words)
        .in_account(&attempt.caller.account())
        .fix("enable STS for the region in IAM's account settings, or set another `region`")
}

/// An action on the session that the trust policy must allow beside sts:AssumeRole.
fn session_action(attempt: &Attempt, cause: Cause, action: &str, key: &str) -> Finding {
    let what = format!("`{key}` is set, and {action} is not allowed on {}", attempt.role);
    Finding::new(cause, LinkKind::Conditions, Certain, what)
        .in_account(attempt.role.account().as_str())
        .change(trust_policy_of(&attempt.role), Edit::Replace, trust(attempt))
        .fix(format!(
            "{}; {} must be allowed it too; or remove `{key}` from [roles.{}]",
            change_trust(&attempt.role),
            attempt.caller.arn,
            attempt.name
        ))
}

fn narrow(party: &Party, resource: &str, action: &str) -> Finding {
    let what = format!(
        "the session policy of `{}` is too narrow: it leaves out {action}, which the role itself may do",
        party.name
    );
    let statement = format!(
        "{{\n  \"Effect\": \"Allow\",\n  \"Action\": {},\n  \"Resource\": {}\n}}",
        quoted(action),
        quoted(resource)
    );
    Finding::new(Cause::SessionPolicyTooNarrow, LinkKind::SessionPolicy, Certain, what)
        .of(&party.name)
        .change(format!("`policy` of {}", section("roles", &party.name)), Edit::Add, statement)
        .fix("edit `policy` (or `policy_arns`) and save it; a session may do what both the role and this policy allow")
}

fn guardrail(attempt: &Attempt, certainty: Certainty) -> Finding {
    let what = format!(
        "a permissions boundary or a policy of the organization leaves out sts:AssumeRole for {}: {}",
        attempt.caller.arn, attempt.words
    );
    Finding::new(Cause::Guardrail, LinkKind::Permission, certainty, what)
        .in_account(&attempt.caller.account())
        .fix("ask who administers the organization: service and resource control policies, permissions boundaries")
}

fn denied(attempt: &Attempt, kind: PolicyKind) -> Finding {
    let (of_role, caller) = (attempt.role.account().as_str(), attempt.caller.account());
    let made =
        |link, what: String, account: &str| Finding::new(Cause::ExplicitDeny, link, Certain, what).in_account(account);
    match kind {
        PolicyKind::Identity => {
            let (policy, statement) = match &attempt.own {
                Own::Denied { policy, statement } => (policy.clone(), statement.clone()),
                _ => (None, None),
            };
            let which = policy.unwrap_or_else(|| "a policy".to_owned());
            let what = format!("{which} of {} denies sts:AssumeRole on {} outright", attempt.caller.arn, attempt.role);
            let finding = made(LinkKind::Permission, what, &caller);
            let finding = match statement {
                Some(statement) => finding.change(format!("{which} of {}", attempt.caller.arn), Edit::Remove, statement),
                None => finding.change(
                    format!("a policy of {}", attempt.caller.arn),
                    Edit::Remove,
                    format!(
                        "{{\n  \"Effect\": \"Deny\",\n  \"Action\": \"sts:AssumeRole\" (or a pattern that covers it),\n  \"Resource\": {} (or a pattern that covers it)\n}}",
                        quoted(attempt.role.as_str())
                    ),
                ),
            };
            finding.fix(look_at(&attempt.caller))
        }
        PolicyKind::Trust => {
            let statement = match &attempt.target {
                Target::Read { trust: Some(trust), .. } => {
                    trust.statements.iter().find(|s| s.denies).map(|s| s.text.clone())
                }
                _ => None,
            };
            let what = format!("the trust policy of {} denies it to {} outright", attempt.role, attempt.caller.arn);
            let finding = made(LinkKind::Trust, what, of_role).fix(change_trust(&attempt.role));
            match statement {
                Some(statement) => finding.change(trust_policy_of(&attempt.role), Edit::Remove, statement),
                None => finding,
            }
        }
        PolicyKind::Session => {
            let what = format!("the session policy of `{}` denies sts:AssumeRole outright", attempt.caller.name);
            made(LinkKind::SessionPolicy, what, &caller)
                .of(&attempt.caller.name)
                .fix(format!("edit `policy` of [roles.{}] and save it", attempt.caller.name))
        }
        PolicyKind::Boundary | PolicyKind::Organization | PolicyKind::Other => {
            let what = format!("a policy denies it outright: {}", attempt.words);
            made(LinkKind::Permission, what, &caller)
                .fix("look at permissions boundaries and at the organization's policies; ask who administers them")
        }
    }
}

fn look_at(caller: &Party) -> String {
    match caller.principal() {
        Some((true, user)) => format!(
            "aws iam list-user-policies --user-name {user}; aws iam list-attached-user-policies --user-name {user}"
        ),
        Some((false, name)) => format!(
            "aws iam list-role-policies --role-name {name}; aws iam list-attached-role-policies --role-name {name}"
        ),
        None => format!("look at the policies of {}", caller.arn),
    }
}

/// Writes a length of time as the configuration takes it.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds % 3600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}
