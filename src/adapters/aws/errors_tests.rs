//! Every error of STS's pages, and every way not to reach it: kind, outlook, and what the words must hold.

use super::*;
use Retryability::{Permanent, SignerExpired, Transient, WrongCode};
use rolecall_core::domain::arn::RoleArn;

const ROLE: &str = "arn:aws:iam::222222222222:role/AssumedRole";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn asked(call: Call<'_>, by_session: bool, proxied: bool) -> CallContext<'_> {
    CallContext {
        call,
        host: "sts.eu-central-1.amazonaws.com",
        region: "eu-central-1",
        key_id: "AKIAIOSFODNN7EXAMPLE",
        by_session,
        proxied,
        proxy_user: None,
        secrets: &[SECRET, "123456", "eyJ.canary.x"],
    }
}

fn tell(failure: &Failure, by_session: bool, proxied: bool) -> TokenError {
    let role = RoleArn::new(ROLE).expect("valid");
    classify(failure, &asked(Call::AssumeRole(&role), by_session, proxied))
}

fn hint_of(error: &TokenError) -> Option<String> {
    error.clone().told("IDENTITY").hint
}

fn answered(status: u16, code: &str, message: &str) -> Failure {
    Failure {
        class: Class::Refused,
        code: Some(code.into()),
        message: Some(message.into()),
        status: Some(status),
        request_id: Some("1234-abcd".into()),
        tls: None,
    }
}

#[test]
fn a_refused_web_identity_token_is_told_by_what_to_do_about_it() {
    let role = RoleArn::new(ROLE).expect("valid");
    let asked = asked(Call::WebIdentity(&role), false, false);
    for (status, code, words, outlook, hint) in [
        (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", Permanent, "trust policy"),
        (400, "ExpiredTokenException", "Token expired: current date/time", Transient, "`web_identity_token_file`"),
        (400, "InvalidIdentityToken", "No OpenIDConnect provider found", Permanent, "create-open-id-connect-provider"),
        (400, "InvalidIdentityToken", "Incorrect token audience eyJ.canary.x", Transient, "`web_identity_token_file`"),
        (403, "IDPRejectedClaim", "expired", Transient, "identity provider"),
        (400, "IDPCommunicationError", "x", Transient, "in a moment"),
        (400, "ValidationError", "DurationSeconds exceeds the MaxSessionDuration", Permanent, "`duration`"),
    ] {
        let told = classify(&answered(status, code, words), &asked);
        assert_eq!(told.outlook, outlook, "{code}");
        assert!(hint_of(&told).is_some_and(|said| said.contains(hint)), "{code}: {told:?}");
        assert!(told.report.message.contains("with a web identity token") && !format!("{told:?}").contains("canary"));
    }
}

/// Status, code and words of AWS; whether a session signed; kind, outlook and what the hint must hold.
type Row = (u16, &'static str, &'static str, bool, Kind, Retryability, &'static str);

const DENIED: &str =
    "User: arn:aws:iam::111111111111:user/r is not authorized to perform: sts:AssumeRole on resource: arn";

const SAID: &[Row] = &[
    (403, "AccessDenied", DENIED, false, Kind::Refused, Permanent, "`aws iam get-role --role-name AssumedRole`"),
    (403, "AccessDenied", DENIED, true, Kind::Refused, Permanent, "trust policy"),
    (403, "AccessDenied", "x with an explicit deny in a y policy", false, Kind::Refused, Permanent, "outright"),
    (
        403,
        "AccessDenied",
        "not authorized to perform: sts:TagSession",
        false,
        Kind::Refused,
        Permanent,
        "`session_tags`",
    ),
    (
        403,
        "AccessDenied",
        "not authorized to perform: sts:SetSourceIdentity",
        false,
        Kind::Refused,
        Permanent,
        "`source_identity`",
    ),
    (
        403,
        "AccessDenied",
        "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        false,
        Kind::Refused,
        WrongCode,
        "next code",
    ),
    (
        403,
        "AccessDenied",
        "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
        false,
        Kind::Refused,
        Permanent,
        "`mfa_serial`",
    ),
    (
        403,
        "AccessDenied",
        "MultiFactorAuthentication failed, unable to validate MFA code.",
        false,
        Kind::Refused,
        Permanent,
        "`mfa_serial`",
    ),
    (
        403,
        "ExpiredToken",
        "The security token included in the request is expired",
        true,
        Kind::Refused,
        SignerExpired,
        "run it again",
    ),
    (400, "ExpiredTokenException", "expired", true, Kind::Refused, SignerExpired, "run it again"),
    (
        403,
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        false,
        Kind::Refused,
        Permanent,
        "`rolecall doctor IDENTITY`",
    ),
    (
        403,
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        true,
        Kind::Refused,
        SignerExpired,
        "no longer valid",
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match",
        false,
        Kind::Refused,
        Permanent,
        "`rolecall identity add IDENTITY --replace`",
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 20261122T000000Z is now earlier than 20261122T010000Z",
        false,
        Kind::Refused,
        Transient,
        "clock",
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "Signature not yet current: 20261122T000000Z",
        true,
        Kind::Refused,
        Transient,
        "clock",
    ),
    (400, "RequestExpired", "Request has expired.", false, Kind::Refused, Transient, "clock"),
    (
        403,
        "RegionDisabledException",
        "STS is not activated in this region",
        false,
        Kind::Refused,
        Permanent,
        "eu-central-1",
    ),
    (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        false,
        Kind::Refused,
        Permanent,
        "MaxSessionDuration",
    ),
    (
        400,
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        true,
        Kind::Refused,
        Permanent,
        "\"1h\"",
    ),
    (
        400,
        "ValidationError",
        "Value '12345' at 'tokenCode' failed to satisfy constraint",
        false,
        Kind::Refused,
        WrongCode,
        "six digits",
    ),
    (
        400,
        "ValidationError",
        "Value 'x' at 'externalId' failed",
        false,
        Kind::Refused,
        Permanent,
        "setting that AWS names",
    ),
    (400, "MalformedPolicyDocument", "Syntax errors in policy.", false, Kind::Refused, Permanent, "`policy`"),
    (400, "PackedPolicyTooLarge", "Packed size 120%", false, Kind::Refused, Permanent, "`session_tags`"),
    (400, "IDPCommunicationError", "timeout", false, Kind::Unreachable, Transient, "again"),
    (400, "Throttling", "Rate exceeded", false, Kind::Unreachable, Transient, "again"),
    (400, "ThrottlingException", "Rate exceeded", false, Kind::Unreachable, Transient, "again"),
    (400, "RequestLimitExceeded", "Rate exceeded", false, Kind::Unreachable, Transient, "again"),
    (429, "Anything", "slow", false, Kind::Unreachable, Transient, "again"),
    (500, "InternalFailure", "oops", false, Kind::Unreachable, Transient, "outages"),
    (503, "ServiceUnavailable", "oops", false, Kind::Unreachable, Transient, "outages"),
    (502, "Unheard", "oops", false, Kind::Unreachable, Transient, "outages"),
];

#[test]
fn what_aws_says_becomes_a_cause_a_hint_and_an_outlook() {
    for &(status, code, message, by_session, kind, outlook, hint) in SAID {
        let error = tell(&answered(status, code, message), by_session, false);
        assert_eq!((error.report.kind, error.outlook), (kind, outlook), "{code}: {message}");
        let told = error.report.message.clone();
        let shown = message.trim_end_matches('.');
        assert!(told.contains(ROLE) && told.contains(shown), "{told}");
        assert!(told.ends_with(&format!("({code}, request 1234-abcd)")), "{told}");
        assert!(hint_of(&error).is_some_and(|h| h.contains(hint)), "{code}: {error:?}");
        assert_eq!((error.code.as_deref(), error.request_id.as_deref()), (Some(code), Some("1234-abcd")));
    }
}

#[test]
fn a_code_nobody_knows_is_told_as_it_is() {
    let error = tell(&answered(400, "NewlyInvented", ""), false, false);
    assert_eq!(error.report.message, format!("AWS refused to assume {ROLE} (NewlyInvented, request 1234-abcd)"));
    assert_eq!((error.report.kind, error.outlook), (Kind::Refused, Permanent));
}

#[test]
fn what_is_on_the_way_is_named() {
    use Class as C;
    for (class, status, proxied, words, hint) in [
        (C::Garbled, Some(200), false, "not STS (HTTP 200)", "sign-in page"),
        (C::Garbled, Some(302), false, "not STS (HTTP 302)", "sign-in page"),
        (C::Garbled, Some(503), false, "out of order (HTTP 503)", "again"),
        (C::TooLarge, None, false, "larger", "`https_proxy`"),
        (C::Timeout, None, false, "did not answer within 10 seconds", "`https_proxy`"),
        (C::ConnectTimeout, None, true, "through the proxy within 3 seconds", "`https_proxy`"),
        (C::Dns, None, false, "name sts.eu-central-1.amazonaws.com is not known", "`region`"),
        (C::Dns, None, true, "name of the proxy", "`https_proxy`"),
        (C::NoListener, None, false, "nothing listens at sts.eu", "network"),
        (C::NoListener, None, true, "at the proxy's address", "`https_proxy`"),
        (C::NoRoute, None, false, "no way to", "network"),
        (C::Cut, None, false, "closed the connection", "network"),
        (C::Tls, None, true, "the TLS handshake with sts.eu", "network"),
        (C::ProxyPassword, None, true, "asks for a user and a password", "`https_proxy_user`"),
        (C::Proxy, None, true, "proxy does not connect", "proxy"),
        (C::Network, None, false, "failed on the way", "network"),
    ] {
        let failure = Failure { status, ..Failure::without_answer(class) };
        let error = tell(&failure, false, proxied);
        assert_eq!((error.report.kind, error.outlook), (Kind::Unreachable, Transient), "{class:?}");
        let told = &error.report.message;
        assert!(told.starts_with(&format!("cannot assume {ROLE}: ")) && told.contains(words), "{told}");
        assert!(hint_of(&error).is_some_and(|h| h.contains(hint)), "{class:?}: {error:?}");
    }
    let error = tell(&Failure::without_answer(C::Unsent), false, false);
    assert_eq!((error.report.kind, error.outlook), (Kind::Failed, Permanent));
}

#[test]
fn no_secret_comes_back_in_any_field() {
    let echo =
        format!("The request signature does not match {SECRET} 123456\nThe Canonical String was 'POST\n/\n{SECRET}");
    let mut failure = answered(403, &format!("SignatureDoesNotMatch{SECRET}"), &echo);
    failure.request_id = Some("x\u{1b}[2J".into());
    let error = tell(&failure, false, false);
    let all = format!("{error:?}");
    assert!(!all.contains(SECRET) && !all.contains("123456") && !all.contains("POST"), "{all}");
    assert!(!error.report.message.contains('\u{1b}'));
}

/// Every text that a person can meet: each answer of AWS to each kind of call, by a key and by a session, and each way not to
/// get one. `ROLECALL_BLESS=1 cargo test -p rolecall-adapters wording` writes the file.
#[test]
fn wording_of_every_error_is_as_in_the_file() {
    use Class as C;
    use std::fmt::Write as _;
    let role = RoleArn::new(ROLE).expect("valid");
    let calls = [
        Call::AssumeRole(&role),
        Call::WebIdentity(&role),
        Call::SessionToken,
        Call::CallerIdentity,
        Call::CreateAccessKey("richard"),
        Call::SignIn,
        Call::ListBuckets,
    ];
    let mut page = String::new();
    let mut add = |title: &str, error: &TokenError| {
        let UserError { message, hint, .. } = error.clone().told("auth");
        let _ = writeln!(page, "{title}\n  {message}\n  hint: {}\n", hint.as_deref().unwrap_or("-"));
    };
    let opt_in = |call, by_session| CallContext { region: "af-south-1", ..asked(call, by_session, false) };
    let mut answers: Vec<_> = SAID.iter().map(|&(status, code, words, ..)| (status, code, words)).collect();
    answers.push((400, "NewlyInvented", ""));
    answers.dedup();
    for (status, code, words) in answers {
        for call in calls {
            for (signer, by_session) in [("a key", false), ("a session", true)] {
                let error = classify(&answered(status, code, words), &opt_in(call, by_session));
                add(&format!("{status} {code}, {words:?}, signed by {signer}:"), &error);
            }
        }
    }
    let codes = "UnrecognizedClientException InvalidAccessKeyId RequestTimeTooSkewed RequestInTheFuture SignatureExpired \
        InvalidSignature IncompleteSignature AuthFailure OptInRequired Validation InvalidParameterValue LimitExceeded \
        NoSuchEntity EntityTemporarilyUnmodifiable ConcurrentModification ServiceFailure InternalError \
        InternalServerError TooManyRequestsException BandwidthLimitExceeded SlowDown PriorRequestNotComplete \
        InvalidIdentityToken IDPRejectedClaim";
    for code in codes.split_whitespace() {
        for call in [Call::AssumeRole(&role), Call::CreateAccessKey("richard")] {
            let error = classify(&answered(400, code, "words of AWS"), &opt_in(call, false));
            add(&format!("400 {code}:"), &error);
        }
    }
    for class in [
        C::Garbled,
        C::TooLarge,
        C::Timeout,
        C::ConnectTimeout,
        C::Dns,
        C::NoListener,
        C::NoRoute,
        C::Cut,
        C::Certificate,
        C::Tls,
        C::ProxyPassword,
        C::Proxy,
        C::Unsent,
        C::Network,
    ] {
        for (way, proxied) in [("directly", false), ("by a proxy", true)] {
            add(&format!("{class:?}, {way}:"), &tell(&Failure::without_answer(class), false, proxied));
        }
    }
    crate::blessed::check(env!("CARGO_MANIFEST_DIR"), "aws/wording.txt", &page);
}
