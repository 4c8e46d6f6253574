//! The JSON that a `credential_process` prints: made once by the agent, copied by the client, read back where a client
//! needs the parts.
//!
//! Every detail is somebody's parser: `Version` a number (Go, Rust), whole seconds and a literal `Z` (Ruby, C++, Rust), one
//! line and nothing after it (Rust), under 8 KiB (Go v1 cuts there), no byte on stderr beside it (C++).

use chrono::{DateTime, SecondsFormat, Utc};
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::credential::Session;
use rolecall_core::domain::secret::{SecretKey, SessionToken};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The most that aws-sdk-go v1 reads (`DefaultBufSize`).
pub const OUTPUT_MAX: usize = 8 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

/// Writes the line, with its newline; `None` if it would not fit what every SDK reads.
pub fn line(session: &Session) -> Option<Zeroizing<Vec<u8>>> {
    let output = Output {
        version: 1,
        access_key_id: &session.access_key_id,
        secret_access_key: session.secret.expose(),
        session_token: session.token.expose(),
        expiration: timestamp(session.expiration),
        account_id: session.account.as_ref().map(AccountId::as_str),
    };
    // Room for the whole from the start: growing would leave copies of the secret behind.
    let mut line = Zeroizing::new(Vec::with_capacity(2 * OUTPUT_MAX));
    serde_json::to_writer(&mut *line, &output).ok()?;
    line.push(b'\n');
    (line.len() < OUTPUT_MAX).then_some(line)
}

/// Writes a time in the one form that every SDK's parser takes: `YYYY-MM-DDTHH:MM:SSZ`.
pub fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: DateTime<Utc>,
    account_id: Option<String>,
}

/// Reads a line that [`line()`] wrote.
pub fn parse(line: &[u8]) -> Option<Session> {
    let input: Input = serde_json::from_slice(line).ok()?;
    Some(Session {
        access_key_id: input.access_key_id,
        secret: SecretKey::new(input.secret_access_key),
        token: SessionToken::new(input.session_token),
        expiration: input.expiration,
        account: input.account_id.and_then(|id| AccountId::new(&id).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(token: &str) -> Session {
        Session {
            access_key_id: "ASIAEXAMPLE".into(),
            secret: SecretKey::new("se/c+ret".into()),
            token: SessionToken::new(token.into()),
            expiration: DateTime::from_timestamp(1_795_305_600, 123_456_789).expect("in range"),
            account: AccountId::new("222222222222").ok(),
        }
    }

    #[test]
    fn the_line_is_what_every_sdk_takes() {
        let line = line(&session("to\"ken")).expect("fits");
        assert_eq!(
            std::str::from_utf8(&line).expect("UTF-8"),
            concat!(
                r#"{"Version":1,"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"se/c+ret","SessionToken":"to\"ken","#,
                r#""Expiration":"2026-11-22T00:00:00Z","AccountId":"222222222222"}"#,
                "\n"
            )
        );
        let back = parse(&line).expect("its own line");
        assert_eq!((back.token.expose(), back.secret.expose()), ("to\"ken", "se/c+ret"));
    }

    #[test]
    fn a_token_that_go_v1_would_cut_is_not_printed() {
        assert!(line(&session(&"x".repeat(7_900))).is_some());
        assert!(line(&session(&"x".repeat(8_100))).is_none());
    }
}
