//! From a failed call to what a person is told and what the agent does next. Pure.
//!
//! AWS's words come from outside: they are cleaned of secrets, cut and made printable before anybody sees them.

pub(crate) use super::call::{Call, CallContext, Service, name};

use super::failure::{Class, Failure};
use super::proxy_route::{AWS_IS_ILL, may_need_proxy, on_the_way};
use super::redact::redact;
use rolecall_core::domain::diagnosis::key::is_unknown_key;
use rolecall_core::domain::diagnosis::refusal::{self, Refusal};
use rolecall_core::domain::error::{Kind, MayPass, UserError, printable};
use rolecall_core::domain::regions;
use rolecall_core::domain::remedy::Remedy;
use rolecall_platform::os::SET_CLOCK;
use rolecall_ports::{AwsError, Retryability, TokenError};

/// What was odd about an answer, as the end of "the answer …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedResponse(pub(crate) &'static str, pub(crate) Retryability);

struct Classification {
    kind: Kind,
    outlook: Retryability,
    hint: Option<String>,
    remedy: Option<Remedy>,
    is_throttled: bool,
}

impl Classification {
    /// AWS rejected the call, and the code is not known.
    const UNKNOWN: Self =
        Self { kind: Kind::Refused, outlook: Retryability::Permanent, hint: None, remedy: None, is_throttled: false };

    /// AWS rejected the call.
    fn refused(outlook: Retryability, hint: String) -> Self {
        Self { outlook, hint: Some(hint), ..Self::UNKNOWN }
    }

    /// AWS rejected the call for good, and what helps names an identity.
    fn remedied(remedy: Remedy) -> Self {
        Self { remedy: Some(remedy), ..Self::UNKNOWN }
    }
}

/// Tells a failure.
pub(crate) fn classify(failure: &Failure, asked: &CallContext<'_>) -> TokenError {
    let request_id = failure.request_id.as_deref().map(|id| printable(id, 64));
    let code = failure.code.as_deref().map(|code| redact(code, asked.secrets, 64));
    let words = redact(failure.message.as_deref().unwrap_or_default(), asked.secrets, 300);
    let (message, verdict) = match (failure.class, &code) {
        (Class::Refused, Some(code)) => {
            let verdict = of_code(code, failure.message.as_deref().unwrap_or_default(), failure.status, asked);
            let said = if verdict.kind == Kind::Refused { "AWS refused to" } else { "AWS could not" };
            let reason = if words.is_empty() { String::new() } else { format!(": {}", words.trim_end_matches('.')) };
            (format!("{said} {}{reason} ({code}{})", what(asked), id_of(request_id.as_deref())), verdict)
        }
        (class, _) => {
            let (why, hint) = on_the_way(class, failure, asked);
            let tail = request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default();
            let sent = class != Class::Unsent;
            let verdict = Classification {
                kind: if sent { Kind::Unreachable } else { Kind::Failed },
                outlook: if sent { Retryability::Transient } else { Retryability::Permanent },
                hint,
                ..Classification::UNKNOWN
            };
            (format!("cannot {}: {why}{tail}", what(asked)), verdict)
        }
    };
    let may_pass = code.as_deref().and_then(|code| match code {
        code if is_unknown_key(code) => Some(MayPass::UnknownKey),
        "AccessDenied" | "AccessDeniedException" => Some(MayPass::AccessDenied),
        _ => None,
    });
    let unproxied = !asked.proxied && may_need_proxy(failure.class);
    let report = UserError { kind: verdict.kind, message, hint: verdict.hint, unproxied, may_pass };
    let refusal = code
        .is_some()
        .then(|| Box::new(AwsError { words, remedy: verdict.remedy, is_throttled: verdict.is_throttled }));
    TokenError { report, refusal, outlook: verdict.outlook, code, request_id }
}

/// Tells an answer that is not what was asked for.
pub(crate) fn malformed_response(
    odd: MalformedResponse,
    request_id: Option<String>,
    asked: &CallContext<'_>,
) -> TokenError {
    let message = format!("cannot {}: the answer of {} {}", what(asked), asked.host, odd.0);
    let tail = request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default();
    let report = UserError::new(Kind::Unreachable, message + &tail).hint(format!(
        "look at `{}` and `https_proxy` under `[aws]`, and at this machine's clock",
        asked.call.service().endpoint_key()
    ));
    TokenError { outlook: odd.1, request_id, ..TokenError::permanent(report) }
}

fn what(asked: &CallContext<'_>) -> String {
    name(asked.call, asked.key_id)
}

fn id_of(request_id: Option<&str>) -> String {
    request_id.map(|id| format!(", request {id}")).unwrap_or_default()
}

/// How to set the clock of this machine.
fn clock_hint() -> String {
    format!("set this machine's clock: `{SET_CLOCK}`")
}

/// The codes of IAM User Guide "AWS STS API: common errors" and of the operations' own pages.
fn of_code(code: &str, message: &str, status: Option<u16>, asked: &CallContext<'_>) -> Classification {
    use Retryability::{Permanent, SignerExpired, Transient};
    let code = code.strip_suffix("Exception").unwrap_or(code);
    let no = Classification::refused;
    let refusal = refusal::read(code, message);
    if let Some(verdict) = of_web_identity(code, refusal, asked) {
        return verdict;
    }
    let later = |hint: &str| Classification { kind: Kind::Unreachable, ..no(Transient, hint.to_owned()) };
    match code {
        "AccessDenied" => denied(refusal, message, asked),
        // The base session is over, whichever way AWS says it; a long-term key cannot be.
        "ExpiredToken" | "InvalidClientTokenId" | "UnrecognizedClient" | "InvalidAccessKeyId" if asked.by_session => {
            no(SignerExpired, "run it again: the session that signed the call is no longer valid".into())
        }
        "InvalidClientTokenId" | "UnrecognizedClient" | "InvalidAccessKeyId" | "ExpiredToken" => {
            let opt_in_region = regions::must_be_enabled(asked.region).then(|| asked.region.to_owned());
            Classification::remedied(Remedy::UnknownKey { opt_in_region })
        }
        _ if refusal == Refusal::Clock => no(Transient, clock_hint()),
        "SignatureDoesNotMatch" | "InvalidSignature" | "IncompleteSignature" | "AuthFailure" => {
            if refusal == Refusal::Scope {
                let hint = "the host belongs to another Region or service: compare `region` with";
                no(Permanent, format!("{hint} `{}` under `[aws]`", asked.call.service().endpoint_key()))
            } else if asked.by_session {
                no(SignerExpired, "run it again; if it stays, look at `https_proxy` under `[aws]`".into())
            } else {
                Classification::remedied(Remedy::WrongSecret)
            }
        }
        "RegionDisabled" | "OptInRequired" => {
            no(Permanent, format!("enable STS for {} in IAM's account settings, or set another `region`", asked.region))
        }
        "ValidationError" | "Validation" | "InvalidParameterValue" => invalid(refusal, asked),
        "MalformedPolicyDocument" => no(Permanent, "correct the role's `policy`: it must be a JSON policy".into()),
        "PackedPolicyTooLarge" => no(Permanent, "shorten the role's `policy`, `policy_arns` or `session_tags`".into()),
        // A quota, where elsewhere it is a rate: it stays until a key is deleted.
        "LimitExceeded" if asked.call.service() == Service::Iam => {
            no(Permanent, "a user has at most two access keys: delete one that is not in use".into())
        }
        "NoSuchEntity" => no(Permanent, "look at the user's access keys: `aws iam list-access-keys`".into()),
        // The same user is being changed elsewhere, or was made a moment ago; or another service is slow.
        "EntityTemporarilyUnmodifiable" | "ConcurrentModification" | "ServiceFailure" | "IDPCommunicationError" => {
            later("try again in a moment")
        }
        _ if code.contains("Throttl") || THROTTLES.contains(&code) || status == Some(429) => {
            Classification { is_throttled: true, ..later("AWS limits how often it is asked: try again in a moment") }
        }
        "InternalFailure" | "InternalError" | "InternalServerError" | "ServiceUnavailable" => later(AWS_IS_ILL),
        _ if status.is_some_and(|s| s >= 500) => later(AWS_IS_ILL),
        _ => Classification::UNKNOWN,
    }
}

/// The errors of AssumeRoleWithWebIdentity alone (STS API reference, AssumeRoleWithWebIdentity, "Errors").
fn of_web_identity(code: &str, refusal: Refusal, asked: &CallContext<'_>) -> Option<Classification> {
    use Retryability::{Permanent, Transient};
    let Call::WebIdentity(role) = asked.call else { return None };
    // The token file is read for each call: a token that has expired may be renewed the next moment.
    let (outlook, hint) = match code {
        "AccessDenied" => {
            let role = role.trust_policy_command();
            let hint = "compare the role's trust policy with the token's issuer, audience and subject";
            return Some(Classification::refused(Permanent, format!("{hint}: {role}")));
        }
        "ExpiredToken" => (Transient, "see whether what renews `web_identity_token_file` still runs"),
        "InvalidIdentityToken" if refusal == Refusal::NoProvider => {
            (Permanent, "make an identity provider for the token's issuer: `aws iam create-open-id-connect-provider`")
        }
        "InvalidIdentityToken" => (
            Transient,
            "see what is in `web_identity_token_file`: its issuer, audience and signature must be the provider's",
        ),
        "IDPRejectedClaim" => (Transient, "see whether the identity provider still takes the token"),
        _ => return None,
    };
    Some(Classification::refused(outlook, hint.into()))
}

const THROTTLES: [&str; 6] = [
    "TooManyRequests",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
];

fn denied(refusal: Refusal, message: &str, asked: &CallContext<'_>) -> Classification {
    let no = |hint: String| Classification::refused(Retryability::Permanent, hint);
    if refusal == Refusal::MfaCode {
        let hint = "wait for the device's next code: each is accepted once";
        return Classification::refused(Retryability::WrongCode, hint.into());
    }
    if refusal == Refusal::Mfa {
        let hint = "if the device was replaced, set `mfa_serial` to the new one's ARN: `aws iam list-mfa-devices`";
        return no(hint.into());
    }
    if asked.call.service() == Service::Iam {
        // The caller knows the user, and which statement is missing.
        return no("the user's own policy must allow it".into());
    }
    let Call::AssumeRole(role) = asked.call else {
        return no("an administrator's policy denies this call; ask them".into());
    };
    let (action, key) = match refusal::denied_to_session(message) {
        Some(Refusal::TagSession) => ("sts:tagsession", "session_tags"),
        Some(_) => ("sts:setsourceidentity", "source_identity"),
        None => {
            let is_explicit = matches!(refusal, Refusal::Denied(_));
            return Classification::remedied(Remedy::AssumeDenied { role: role.clone(), is_explicit });
        }
    };
    no(format!("the role's trust policy must allow {action} too, or remove `{key}` from the role"))
}

fn invalid(refusal: Refusal, asked: &CallContext<'_>) -> Classification {
    let no = |hint: String| Classification::refused(Retryability::Permanent, hint);
    match (refusal, asked.call) {
        (Refusal::MfaCodeFormat, _) => {
            Classification::refused(Retryability::WrongCode, "type the six digits that the device shows".into())
        }
        (Refusal::OverChain, _) => no("set the role's `duration` to \"1h\", AWS's limit for chained roles".into()),
        (Refusal::OverMaximum, Call::AssumeRole(role) | Call::WebIdentity(role)) => {
            let role = role.trust_policy_command();
            no(format!("set the role's `duration` to at most its MaxSessionDuration: {role}"))
        }
        (Refusal::OverMaximum, _) => no("set the identity's `mfa_session` between 15m and 36h".into()),
        _ => no("correct the setting that AWS names: `rolecall role list`".into()),
    }
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
