//! Whether what a source gave are credentials at all. Pure; nothing of it is echoed.

use chrono::{DateTime, Utc};
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::secret::{SecretKey, SessionToken};
use rolecall_ports::SourceResult;

/// With its JSON around it the token still fits the 8 KiB that callers of `credential_process` read.
const TOKEN_MAX: usize = 7 * 1024;

/// Credentials as they came.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) access_key_id: String,
    pub(super) secret: SecretKey,
    pub(super) token: Option<SessionToken>,
    pub(super) expiration: Option<String>,
}

/// Checks their form; says what is odd as the end of "… gave credentials …".
pub(super) fn check(raw: Raw) -> Result<SourceResult, &'static str> {
    let visible = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    let id = &raw.access_key_id;
    if !(16..=128).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("without an access key id as AWS issues them");
    }
    let secret = raw.secret.expose();
    if !(16..=256).contains(&secret.len()) || !visible(secret) {
        return Err("without a secret access key as AWS issues them");
    }
    let Some(token) = raw.token.filter(|token| !token.expose().is_empty()) else {
        if id.starts_with("ASIA") {
            return Err("of a temporary session (ASIA…) without its session token");
        }
        return Ok(SourceResult::Key(AccessKey { id: raw.access_key_id, secret: raw.secret }));
    };
    if !visible(token.expose()) {
        return Err("with a session token as AWS issues none");
    }
    if token.expose().len() > TOKEN_MAX {
        return Err("with a session token longer than callers can read");
    }
    let expiration = raw.expiration.filter(|text| !text.is_empty()).map(|text| time(&text)).transpose()?;
    Ok(SourceResult::Session { access_key_id: raw.access_key_id, secret: raw.secret, token, expiration })
}

fn time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| "whose end is no time as 2026-11-22T08:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(id: &str, secret: &str, token: Option<&str>, expiration: Option<&str>) -> Raw {
        Raw {
            access_key_id: id.into(),
            secret: SecretKey::new(secret.into()),
            token: token.map(|token| SessionToken::new(token.into())),
            expiration: expiration.map(str::to_owned),
        }
    }

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const SESSION: &str = "ASIAIOSFODNN7EXAMPLE";

    #[test]
    fn a_session_and_a_long_term_key_are_told_apart_by_their_token() {
        let session = check(raw(SESSION, SECRET, Some("IQoJb3"), Some("2026-11-22T08:00:00Z")));
        assert!(
            matches!(session, Ok(SourceResult::Session { expiration: Some(end), .. }) if end.timestamp() == 1_795_334_400)
        );
        assert!(matches!(
            check(raw(SESSION, SECRET, Some("IQoJb3"), None)),
            Ok(SourceResult::Session { expiration: None, .. })
        ));
        let fraction = check(raw(SESSION, SECRET, Some("IQoJb3"), Some("2026-11-22T08:00:00.123+00:00")));
        assert!(
            matches!(fraction, Ok(SourceResult::Session { expiration: Some(_), .. })),
            "EKS's agent writes fractions"
        );
        assert!(matches!(check(raw("AKIAIOSFODNN7EXAMPLE", SECRET, None, None)), Ok(SourceResult::Key(_))));
        assert!(matches!(check(raw("AKIAIOSFODNN7EXAMPLE", SECRET, Some(""), None)), Ok(SourceResult::Key(_))));
    }

    #[test]
    fn what_are_no_credentials_is_refused_by_name_and_not_repeated() {
        for (raw, what) in [
            (raw("", SECRET, None, None), "access key id"),
            (raw("<!DOCTYPE html><html>", SECRET, None, None), "access key id"),
            (raw(SESSION, "", Some("x"), None), "secret access key"),
            (raw(SESSION, "two words and a\nline end", Some("x"), None), "secret access key"),
            (raw(SESSION, SECRET, None, None), "without its session token"),
            (raw(SESSION, SECRET, Some("a b"), None), "session token"),
            (raw(SESSION, SECRET, Some(&"x".repeat(TOKEN_MAX + 1)), None), "longer"),
            (raw(SESSION, SECRET, Some("x"), Some("tomorrow")), "whose end"),
        ] {
            let said = check(raw).expect_err(what);
            assert!(said.contains(what), "{said}");
        }
    }
}
