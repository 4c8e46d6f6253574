//! The findings about one AssumeRole: what is wrong, whose account it is in, what to write there, what to run.

use super::attempt::{Attempt, Own, Party, Target};
use super::document::{Condition, Statement};
use super::fix::{change_trust, grant, permission, quoted, section, trust, trust_action, trust_policy_of};
use super::refusal::PolicyKind;
use super::{Cause, Certainty, Edit, Finding, LinkKind};
use std::time::Duration;

use Certainty::Certain;

pub(super) fn no_permission(attempt: &Attempt, certainty: Certainty) -> Finding {
    let may = if certainty == Certain { "no policy of" } else { "perhaps no policy of" };
    let what = format!("{may} {} allows sts:AssumeRole on {}", attempt.caller.arn, attempt.role);
    Finding::new(Cause::MissingIdentityPermission, LinkKind::Permission, certainty, what)
        .in_account(&attempt.caller.account())
        .change(format!("a policy of {}", attempt.caller.arn), Edit::Add, permission("sts:AssumeRole", &attempt.role))
        .fix(grant(&attempt.caller, &attempt.role))
}

pub(super) fn not_trusted(attempt: &Attempt, certainty: Certainty, others: Option<&Statement>) -> Finding {
    let what = match others {
        Some(_) => format!("the trust policy of {} does not name {}", attempt.role, attempt.caller.arn),
        None if certainty == Certain => format!("the trust policy of {} allows nobody sts:AssumeRole", attempt.role),
        None => format!("perhaps the trust policy of {} does not name {}", attempt.role, attempt.caller.arn),
    };
    // Never in place of what is there: that would lock out whom the role trusts rightly.
    Finding::new(Cause::WrongPrincipal, LinkKind::Trust, certainty, what)
        .in_account(attempt.role.account().as_str())
        .change(trust_policy_of(&attempt.role), Edit::Add, trust(attempt, others))
        .fix(change_trust(&attempt.role))
}

pub(super) fn no_role(attempt: &Attempt, certainty: Certainty) -> Finding {
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

pub(super) fn another_path(attempt: &Attempt, arn: &str) -> Finding {
    let what = format!("there is no role {}: the one of that name has another path and is {arn}", attempt.role);
    Finding::new(Cause::RoleDeleted, LinkKind::Trust, Certain, what)
        .in_account(attempt.role.account().as_str())
        .change(section("roles", &attempt.name), Edit::Replace, format!("role_arn = {}", quoted(arn)))
        .fix("edit the section and save it; the policy of whoever assumes it has to name that ARN as well")
}

pub(super) fn external_id(attempt: &Attempt, certainty: Certainty, condition: Option<&Condition>) -> Finding {
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
    // A pattern is not an external id: any that fits it will do.
    let is_pattern = condition.is_some_and(|c| c.operator.to_ascii_lowercase().contains("like"));
    let wanted = condition.and_then(|condition| condition.values.first()).map(|wanted| {
        let fits = is_pattern && wanted.contains(['*', '?']);
        if fits { format!("one that fits {wanted}") } else { wanted.clone() }
    });
    let wanted = wanted.as_deref();
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

pub(super) fn mfa(attempt: &Attempt, certainty: Certainty) -> Finding {
    let perhaps = if certainty == Certain { "" } else { "perhaps " };
    let what = format!("{perhaps}the trust policy of {} wants MFA, and the call carries none", attempt.role);
    mfa_for(attempt, Finding::new(Cause::MfaDemanded, LinkKind::Conditions, certainty, what))
}

/// Says how the call comes to carry MFA.
fn mfa_for(attempt: &Attempt, finding: Finding) -> Finding {
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

pub(super) fn mfa_refused(attempt: &Attempt) -> Finding {
    Finding::new(Cause::MfaRefused, LinkKind::Conditions, Certain, &attempt.words)
        .in_account(&attempt.caller.account())
        .fix("wait for the device's next code; compare `mfa_serial` with: aws iam list-mfa-devices")
}

pub(super) fn over_maximum(attempt: &Attempt) -> Finding {
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

pub(super) fn over_chain(attempt: &Attempt) -> Finding {
    let what = format!(
        "`duration` is {}, and AWS limits a role that is assumed with temporary credentials to 1h",
        span(attempt.duration)
    );
    Finding::new(Cause::ChainedOverOneHour, LinkKind::Duration, Certain, what)
        .change(section("roles", &attempt.name), Edit::Replace, "duration = \"1h\"")
        .fix("edit the section and save it")
}

pub(super) fn bad_policy(attempt: &Attempt) -> Finding {
    let what = format!("AWS does not take the session policy: {}", attempt.words);
    Finding::new(Cause::SessionPolicyInvalid, LinkKind::SessionPolicy, Certain, what)
        .change(section("roles", &attempt.name), Edit::Replace, "policy = '''…''', or policy_arns, as AWS takes them")
        .fix("aws accessanalyzer validate-policy --policy-type IDENTITY_POLICY --policy-document file://policy.json")
}

pub(super) fn region(attempt: &Attempt) -> Finding {
    Finding::new(Cause::RegionDisabled, LinkKind::Network, Certain, &attempt.words)
        .in_account(&attempt.caller.account())
        .fix("enable STS for the region in IAM's account settings, or set another `region`")
}

/// An action on the session that the trust policy must allow beside sts:AssumeRole.
pub(super) fn session_action(attempt: &Attempt, cause: Cause, action: &str, key: &str) -> Finding {
    let what = format!("`{key}` is set, and {action} is not allowed on {}", attempt.role);
    if attempt.is_trusted_with(action) {
        // What is left is on the caller's side.
        return Finding::new(cause, LinkKind::Conditions, Certain, format!("{what} to {}", attempt.caller.arn))
            .in_account(&attempt.caller.account())
            .change(format!("a policy of {}", attempt.caller.arn), Edit::Add, permission(action, &attempt.role))
            .fix(format!(
                "the trust policy of the role allows it already; or remove `{key}` from [roles.{}]",
                attempt.name
            ));
    }
    Finding::new(cause, LinkKind::Conditions, Certain, what)
        .in_account(attempt.role.account().as_str())
        .change(trust_policy_of(&attempt.role), Edit::Add, trust_action(attempt, action))
        .fix(format!(
            "{}; {} must be allowed it too; or remove `{key}` from [roles.{}]",
            change_trust(&attempt.role),
            attempt.caller.arn,
            attempt.name
        ))
}

pub(super) fn narrow(party: &Party, resource: &str, action: &str) -> Finding {
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

pub(super) fn guardrail(attempt: &Attempt, certainty: Certainty) -> Finding {
    let what = format!(
        "a permissions boundary or a policy of the organization leaves out sts:AssumeRole for {}: {}",
        attempt.caller.arn, attempt.words
    );
    Finding::new(Cause::Guardrail, LinkKind::Permission, certainty, what)
        .in_account(&attempt.caller.account())
        .fix("ask who administers the organization: service and resource control policies, permissions boundaries")
}

pub(super) fn denied(attempt: &Attempt, kind: PolicyKind) -> Finding {
    let caller = attempt.caller.account();
    let made = |link, what: String| Finding::new(Cause::ExplicitDeny, link, Certain, what).in_account(&caller);
    match kind {
        PolicyKind::Identity => {
            let (policy, statement) = match &attempt.own {
                Own::Denied { policy, statement } => (policy.clone(), statement.clone()),
                _ => (None, None),
            };
            let which = policy.unwrap_or_else(|| "a policy".to_owned());
            // The usual policy that denies all but one's own device without MFA: it is right, and the call is not.
            if statement.as_ref().is_some_and(|text| text.to_ascii_lowercase().contains("aws:multifactorauth"))
                && !attempt.with_mfa
            {
                let what =
                    format!("{which} of {} denies what carries no MFA, and the call carries none", attempt.caller.arn);
                let finding = Finding::new(Cause::MfaDemanded, LinkKind::Conditions, Certain, what);
                return mfa_for(attempt, finding.in_account(&caller));
            }
            if statement.as_ref().is_some_and(|text| text.contains("\"Condition\"")) {
                let what = format!(
                    "{which} of {} denies sts:AssumeRole on {}, under a condition",
                    attempt.caller.arn, attempt.role
                );
                return made(LinkKind::Permission, what).fix(look_at(&attempt.caller));
            }
            let what = format!("{which} of {} denies sts:AssumeRole on {} outright", attempt.caller.arn, attempt.role);
            let finding = made(LinkKind::Permission, what);
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
            let looked = look_at(&attempt.caller);
            let is_known = matches!(&attempt.own, Own::Denied { statement: Some(_), .. });
            if is_known || attempt.with_mfa || !attempt.takes_mfa {
                return finding.fix(looked);
            }
            finding.fix(format!("{looked}; if it denies only what carries no MFA, set `mfa_serial` instead"))
        }
        PolicyKind::Trust => {
            let trust = match &attempt.target {
                Target::Read { trust, .. } => trust.as_ref(),
                _ => None,
            };
            denied_by_trust(attempt, Certain, trust.and_then(|trust| trust.statements.iter().find(|s| s.denies)))
        }
        PolicyKind::Session => {
            let what = format!("the session policy of `{}` denies sts:AssumeRole outright", attempt.caller.name);
            made(LinkKind::SessionPolicy, what)
                .of(&attempt.caller.name)
                .fix(format!("edit `policy` of [roles.{}] and save it", attempt.caller.name))
        }
        PolicyKind::Boundary | PolicyKind::Organization | PolicyKind::Other => {
            let what = format!("a policy denies it outright: {}", attempt.words);
            made(LinkKind::Permission, what)
                .fix("look at permissions boundaries and at the organization's policies; ask who administers them")
        }
    }
}

/// A statement of the trust policy denies it.
pub(super) fn denied_by_trust(attempt: &Attempt, certainty: Certainty, statement: Option<&Statement>) -> Finding {
    let what = format!("the trust policy of {} denies it to {} outright", attempt.role, attempt.caller.arn);
    let finding = Finding::new(Cause::ExplicitDeny, LinkKind::Trust, certainty, what)
        .in_account(attempt.role.account().as_str())
        .fix(change_trust(&attempt.role));
    match statement {
        Some(statement) => finding.change(trust_policy_of(&attempt.role), Edit::Remove, &statement.text),
        None => finding,
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
