//! Whether an answer of STS is what was asked for. Pure.
//!
//! Threat: a broken or hostile endpoint whose answer would replace a good session, as happened to
//! rolesanywhere-credential-helper. Nothing of the answer is echoed.

use crate::aws::errors::MalformedResponse;
use chrono::{DateTime, Utc};
use rolecall_core::domain::arn::{RoleArn, account_of};
use rolecall_core::domain::credential::{LONGEST_SESSION, Session};
use rolecall_core::domain::secret::{SecretKey, SessionToken};
use rolecall_ports::Retryability;
use std::time::Duration;

/// With its JSON around it the token still fits the 8 KiB that callers of `credential_process` read.
const TOKEN_MAX: usize = 7 * 1024;
/// Whole seconds, rounding and the way there and back.
const SLACK: Duration = Duration::from_mins(5);

/// What STS sent.
pub(super) struct Answer {
    /// The public half.
    pub(super) access_key_id: String,
    /// The secret half.
    pub(super) secret: SecretKey,
    /// The token.
    pub(super) token: SessionToken,
    /// When it ends; `None` where the time is none.
    pub(super) expiration: Option<DateTime<Utc>>,
    /// Who it is, where STS says.
    pub(super) arn: Option<String>,
}

/// What was asked for.
pub(super) struct Expected<'a> {
    /// The role and the name of the session.
    pub(super) role: Option<(&'a RoleArn, &'a str)>,
    /// How long it should last.
    pub(super) duration: Duration,
    /// What time it is, by STS's clock.
    pub(super) now: DateTime<Utc>,
}

/// Takes the answer over as a session, or says what is odd about it.
pub(super) fn check(answer: Answer, expected: &Expected<'_>) -> Result<Session, MalformedResponse> {
    let odd = |what| Err(MalformedResponse(what, Retryability::Transient));
    let id = &answer.access_key_id;
    if !(16..=128).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return odd("has no access key id");
    }
    let secret = answer.secret.expose();
    if !(16..=256).contains(&secret.len()) || !visible(secret) {
        return odd("has no secret access key");
    }
    let token = answer.token.expose();
    if token.is_empty() || !visible(token) {
        return odd("has no session token");
    }
    if token.len() > TOKEN_MAX {
        return Err(MalformedResponse("has a session token longer than callers can read", Retryability::Permanent));
    }
    let Some(expiration) = answer.expiration else { return odd("does not say when the session ends") };
    if expiration <= expected.now {
        return odd("is a session that is over already");
    }
    let longest = expected.duration.min(LONGEST_SESSION) + SLACK;
    if (expiration - expected.now).to_std().is_ok_and(|life| life > longest) {
        return odd("is a session that lasts longer than was asked");
    }
    let account = match expected.role {
        None => None,
        Some((role, session_name)) => {
            let arn = answer.arn.as_deref().unwrap_or_default();
            let named = arn.rsplit('/').next() == Some(session_name);
            if !role.is_assumed_by(arn) || !named {
                return Err(MalformedResponse("is a session of another role", Retryability::Permanent));
            }
            account_of(arn)
        }
    };
    Ok(Session { access_key_id: answer.access_key_id, secret: answer.secret, token: answer.token, expiration, account })
}

/// Tells whether a text has neither spaces nor control characters.
pub(super) fn visible(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Retryability::{Permanent, Transient};

    const ARN: &str = "arn:aws:sts::222222222222:assumed-role/AssumedRole/me";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).expect("in range")
    }

    fn good() -> Answer {
        Answer {
            access_key_id: "ASIAIOSFODNN7EXAMPLE".into(),
            secret: SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
            token: SessionToken::new("FwoGZXIvYXdzEXAMPLE==".into()),
            expiration: Some(at(3600)),
            arn: Some(ARN.into()),
        }
    }

    fn checked(answer: Answer) -> Result<Session, MalformedResponse> {
        let role = RoleArn::new("arn:aws:iam::222222222222:role/team/AssumedRole").expect("valid");
        let duration = Duration::from_hours(1);
        check(answer, &Expected { role: Some((&role, "me")), duration, now: at(0) })
    }

    #[test]
    fn a_good_answer_is_taken_over_with_its_account() {
        let session = checked(good()).expect("good");
        assert_eq!(session.account.expect("known").as_str(), "222222222222");
        assert_eq!(session.expiration, at(3600));
        let token = Expected { role: None, duration: Duration::from_hours(36), now: at(0) };
        let answer = Answer { arn: None, expiration: Some(at(129_600)), ..good() };
        assert_eq!(check(answer, &token).expect("good").account, None);
    }

    #[test]
    fn what_was_not_asked_for_is_refused_by_name() {
        let token = |text: String| Answer { token: SessionToken::new(text), ..good() };
        let secret = |text: &str| Answer { secret: SecretKey::new(text.into()), ..good() };
        let id = |text: &str| Answer { access_key_id: text.into(), ..good() };
        let ends = |seconds: i64| Answer { expiration: Some(at(seconds)), ..good() };
        let arn = |text: Option<&str>| Answer { arn: text.map(Into::into), ..good() };
        for (answer, what, outlook) in [
            (id(""), "access key id", Transient),
            (id("ASIA\nIOSFODNN7EXAMPLE"), "access key id", Transient),
            (id(&"A".repeat(129)), "access key id", Transient),
            (secret(""), "secret access key", Transient),
            (secret("wJalrXUtnFEMI/K7MDENG\u{1b}[2J"), "secret access key", Transient),
            (token(String::new()), "no session token", Transient),
            (token("a b".into()), "no session token", Transient),
            (token("a".repeat(TOKEN_MAX + 1)), "longer than callers", Permanent),
            (Answer { expiration: None, ..good() }, "when the session ends", Transient),
            (ends(0), "over already", Transient),
            (ends(-86_400), "over already", Transient),
            (ends(3600 + 301), "longer than was asked", Transient),
            (ends(10 * 365 * 86_400), "longer than was asked", Transient),
            (arn(None), "another role", Permanent),
            (arn(Some("arn:aws:sts::222222222222:assumed-role/Admin/me")), "another role", Permanent),
            (arn(Some("arn:aws:sts::333333333333:assumed-role/AssumedRole/me")), "another role", Permanent),
            (arn(Some("arn:aws:sts::222222222222:assumed-role/AssumedRole/you")), "another role", Permanent),
        ] {
            let odd = checked(answer).expect_err(what);
            assert!(odd.0.contains(what), "{odd:?}");
            assert_eq!(odd.1, outlook, "{what}");
        }
    }

    #[test]
    fn no_session_lasts_longer_than_any_can() {
        let forever = Expected { role: None, duration: Duration::from_secs(u64::MAX), now: at(0) };
        let answer = Answer { expiration: Some(at(37 * 3600)), ..good() };
        assert!(check(answer, &forever).is_err());
    }
}
