//! What AWS's own words about a refusal give away.
//!
//! IAM User Guide, "Troubleshoot access denied error messages": the reason stands at the end, after "because no … policy
//! allows" or "with an explicit deny in …". Across accounts AWS mostly leaves it out, and what is left looks the same for
//! a role that is not there, one that does not trust us, and one that wants an external id or MFA.

/// Which kind of policy a refusal speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// The caller's own.
    Identity,
    /// A permissions boundary.
    Boundary,
    /// The role's trust policy.
    Trust,
    /// A policy of the organization: service or resource control.
    Organization,
    /// The caller's session policy.
    Session,
    /// One that has no word here.
    Other,
}

/// What a refusal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No policy of this kind allows the action.
    NotAllowed(PolicyKind),
    /// A policy of this kind denies it outright.
    Denied(PolicyKind),
    /// The session may not have tags.
    TagSession,
    /// The session may not have a source identity.
    SetSourceIdentity,
    /// The code or the device is wrong.
    Mfa,
    /// Longer than the role allows.
    OverMaximum,
    /// Longer than a chain may be.
    OverChain,
    /// The session policy is none, or too large.
    BadPolicy,
    /// STS is switched off in the region.
    Region,
    /// Nothing beside the refusal itself.
    Bare,
    /// A refusal of another kind.
    Other,
}

/// Reads AWS's code and words.
pub fn read(code: &str, words: &str) -> Refusal {
    let words = words.to_ascii_lowercase();
    let has = |part: &str| words.contains(part);
    match code.strip_suffix("Exception").unwrap_or(code) {
        "MalformedPolicyDocument" | "PackedPolicyTooLarge" => Refusal::BadPolicy,
        "RegionDisabled" | "OptInRequired" => Refusal::Region,
        "ValidationError" | "Validation" | "InvalidParameterValue" if has("durationseconds") => {
            if has("chaining") || has("1 hour") { Refusal::OverChain } else { Refusal::OverMaximum }
        }
        "AccessDenied" => denied(&words),
        _ => Refusal::Other,
    }
}

fn denied(words: &str) -> Refusal {
    let has = |part: &str| words.contains(part);
    if has("multifactorauthentication") {
        return Refusal::Mfa;
    }
    let kind = |text: &str| match () {
        () if text.starts_with("identity-based") => PolicyKind::Identity,
        () if text.starts_with("permissions boundary") => PolicyKind::Boundary,
        () if text.starts_with("session") => PolicyKind::Session,
        () if text.starts_with("resource-based") || text.starts_with("role trust") => PolicyKind::Trust,
        () if text.starts_with("service control") || text.starts_with("resource control") => PolicyKind::Organization,
        () => PolicyKind::Other,
    };
    let article =
        |rest: &str| ["a ", "an ", "the "].iter().find_map(|a| rest.strip_prefix(a)).unwrap_or(rest).to_owned();
    let after = |mark: &str| words.split_once(mark).map(|(_, rest)| article(rest));
    if let Some(rest) = after("explicit deny in ") {
        return Refusal::Denied(kind(&rest));
    }
    if has("explicit deny") {
        return Refusal::Denied(PolicyKind::Other);
    }
    // The role is refused before what is done to its session: an answer about that is about that alone.
    if has("perform: sts:tagsession") {
        return Refusal::TagSession;
    }
    if has("perform: sts:setsourceidentity") {
        return Refusal::SetSourceIdentity;
    }
    match after("because no ") {
        Some(rest) => Refusal::NotAllowed(kind(&rest)),
        None => Refusal::Bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_awss_endings_is_told_from_the_others() {
        let asked = "User: arn:aws:iam::111111111111:user/u is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::222222222222:role/R";
        for (end, want) in [
            ("", Refusal::Bare),
            (
                " because no identity-based policy allows the sts:AssumeRole action",
                Refusal::NotAllowed(PolicyKind::Identity),
            ),
            (
                " because no resource-based policy allows the sts:AssumeRole action",
                Refusal::NotAllowed(PolicyKind::Trust),
            ),
            (" because no session policy allows the sts:AssumeRole action", Refusal::NotAllowed(PolicyKind::Session)),
            (
                " because no permissions boundary allows the sts:AssumeRole action",
                Refusal::NotAllowed(PolicyKind::Boundary),
            ),
            (
                " because no service control policy allows the sts:AssumeRole action",
                Refusal::NotAllowed(PolicyKind::Organization),
            ),
            (" with an explicit deny in an identity-based policy", Refusal::Denied(PolicyKind::Identity)),
            (" with an explicit deny in the role trust policy", Refusal::Denied(PolicyKind::Other)),
            (" with an explicit deny in a service control policy", Refusal::Denied(PolicyKind::Organization)),
            (" with an explicit deny in a session policy", Refusal::Denied(PolicyKind::Session)),
            (" with an explicit deny", Refusal::Denied(PolicyKind::Other)),
        ] {
            let words = format!("{asked}{end}");
            let got = read("AccessDenied", &words);
            let want = if end.contains("role trust") { Refusal::Denied(PolicyKind::Trust) } else { want };
            assert_eq!(got, want, "{words}");
        }
        for (code, words, want) in [
            (
                "AccessDenied",
                "User: x is not authorized to perform: sts:TagSession on resource: y",
                Refusal::TagSession,
            ),
            (
                "AccessDenied",
                "User: x is not authorized to perform: sts:SetSourceIdentity on resource: y",
                Refusal::SetSourceIdentity,
            ),
            ("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.", Refusal::Mfa),
            (
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                Refusal::OverMaximum,
            ),
            (
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
                Refusal::OverChain,
            ),
            ("MalformedPolicyDocument", "Syntax errors in policy.", Refusal::BadPolicy),
            ("PackedPolicyTooLarge", "Packed size of policy consumes 137% of allotted space.", Refusal::BadPolicy),
            ("RegionDisabledException", "STS is not activated in this region", Refusal::Region),
            ("ValidationError", "1 validation error detected", Refusal::Other),
        ] {
            assert_eq!(read(code, words), want, "{words}");
        }
    }
}
