//! What the code and the message of an AWS error mean. The adapter words its errors by this, and `doctor` its findings.
//!
//! IAM User Guide, "Troubleshoot access denied error messages": the reason stands at the end, after "because no … policy
//! allows" or "with an explicit deny in …". Across accounts AWS mostly leaves it out, and what is left looks the same for
//! a role that is not there, one that does not trust the caller, and one that requires an external ID or MFA.

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

/// What an error of AWS means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No policy of this kind allows the action.
    NotAllowed(PolicyKind),
    /// A policy of this kind denies it explicitly.
    Denied(PolicyKind),
    /// The session may not have tags.
    TagSession,
    /// The session may not have a source identity.
    SetSourceIdentity,
    /// The MFA device is wrong, or a code is missing.
    Mfa,
    /// The MFA code is wrong or was used before.
    MfaCode,
    /// The MFA code is not six digits.
    MfaCodeFormat,
    /// Longer than the role allows.
    OverMaximum,
    /// Longer than a chain may be.
    OverChain,
    /// The session policy is invalid or too large.
    BadPolicy,
    /// STS is not active in the Region.
    Region,
    /// The signature is too old, or from the future.
    Clock,
    /// The signature is for another Region or service.
    Scope,
    /// The account has no identity provider for the issuer of the token.
    NoProvider,
    /// Access is denied without a reason.
    Bare,
    /// An error of another kind.
    Other,
}

/// Reads the code and the message of an error.
pub fn read(code: &str, message: &str) -> Refusal {
    let words = message.to_ascii_lowercase();
    let has = |part: &str| words.contains(part);
    match code.strip_suffix("Exception").unwrap_or(code) {
        "MalformedPolicyDocument" | "PackedPolicyTooLarge" => Refusal::BadPolicy,
        "RegionDisabled" | "OptInRequired" => Refusal::Region,
        "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" | "SignatureExpired" => Refusal::Clock,
        "SignatureDoesNotMatch" | "InvalidSignature" | "IncompleteSignature" | "AuthFailure" => match () {
            () if has("expired") || has("not yet current") => Refusal::Clock,
            () if has("credential should be scoped") => Refusal::Scope,
            () => Refusal::Other,
        },
        "ValidationError" | "Validation" | "InvalidParameterValue" => match () {
            () if has("tokencode") => Refusal::MfaCodeFormat,
            () if !has("durationseconds") => Refusal::Other,
            () if has("chaining") || has("1 hour") => Refusal::OverChain,
            () => Refusal::OverMaximum,
        },
        "InvalidIdentityToken" if has("provider") => Refusal::NoProvider,
        "AccessDenied" => denied(&words),
        _ => Refusal::Other,
    }
}

/// Returns what a session may not have, if access is denied because of that. The reason of the denial does not matter.
pub fn denied_to_session(message: &str) -> Option<Refusal> {
    let words = message.to_ascii_lowercase();
    match () {
        () if words.contains("sts:tagsession") => Some(Refusal::TagSession),
        () if words.contains("sts:setsourceidentity") => Some(Refusal::SetSourceIdentity),
        () => None,
    }
}

fn denied(words: &str) -> Refusal {
    let has = |part: &str| words.contains(part);
    if has("multifactorauthentication") {
        return if has("invalid mfa one time pass code") { Refusal::MfaCode } else { Refusal::Mfa };
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
    // AWS checks the role before its session: an error about the session is about that alone.
    let bare = || after("because no ").map_or(Refusal::Bare, |rest| Refusal::NotAllowed(kind(&rest)));
    denied_to_session(words).unwrap_or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_of_aws_is_read_by_its_end() {
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
            ("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.", Refusal::MfaCode),
            ("AccessDenied", "MultiFactorAuthentication failed, unable to validate MFA code.", Refusal::Mfa),
            ("ValidationError", "Value '12345' at 'tokenCode' failed to satisfy constraint", Refusal::MfaCodeFormat),
            ("SignatureDoesNotMatch", "Signature expired: 20261122T000000Z is now earlier than", Refusal::Clock),
            ("SignatureDoesNotMatch", "Credential should be scoped to a valid region", Refusal::Scope),
            ("SignatureDoesNotMatch", "The request signature we calculated does not match", Refusal::Other),
            ("InvalidIdentityToken", "No OpenIDConnect provider found in your account", Refusal::NoProvider),
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
