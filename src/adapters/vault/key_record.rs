//! The text of one stored key, the same in every vault: one JSON object under two kilobytes.
//!
//! It knows no vault. Short and UTF-8, because Windows' Credential Manager takes 2560 bytes and KWallet takes only text.

use chrono::{DateTime, Utc};
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::secret::SecretKey;
use rolecall_core::domain::totp::TotpSecret;
use rolecall_ports::{NewKey, StoredKey};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// The largest text of one key.
pub(super) const BLOB_MAX: usize = 2000;

/// The form written today.
const VERSION: u32 = 1;

/// Why a text is no key. Never holds any of the text: a parser's own message can quote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyRecordError {
    /// It is not what rolecall writes.
    Unreadable,
    /// A later rolecall wrote it.
    Newer,
    /// It has more than `BLOB_MAX` bytes.
    TooLong,
}

/// One key as JSON. The secret is borrowed, so that the parser makes no copy that nobody wipes; a secret written with
/// JSON escapes would need one and is refused.
#[derive(Serialize, Deserialize)]
pub(super) struct KeyRecord<'a> {
    v: u32,
    #[serde(rename = "AccessKeyId", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "SecretAccessKey")]
    secret: &'a str,
    #[serde(rename = "Arn", borrow)]
    arn: Cow<'a, str>,
    #[serde(rename = "Stored")]
    stored: DateTime<Utc>,
    /// Left out where there is none: such a text is what it was before there were any, byte for byte.
    #[serde(rename = "TotpSecret", borrow, default, skip_serializing_if = "Option::is_none")]
    totp: Option<&'a str>,
    #[serde(rename = "Created", default, skip_serializing_if = "Option::is_none")]
    created: Option<DateTime<Utc>>,
    #[serde(rename = "Next", borrow, default, skip_serializing_if = "Option::is_none")]
    next: Option<Next<'a>>,
    #[serde(rename = "Imported", default, skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
    #[serde(rename = "First", borrow, default, skip_serializing_if = "Option::is_none")]
    first: Option<Cow<'a, str>>,
}

/// The key that takes the place of another. In the same item, so that at every moment of a rotation one text holds every
/// secret; a version that does not know of it reads the key that is still in use.
#[derive(Serialize, Deserialize)]
struct Next<'a> {
    #[serde(rename = "AccessKeyId", borrow)]
    id: Cow<'a, str>,
    #[serde(rename = "SecretAccessKey")]
    secret: &'a str,
    #[serde(rename = "Created", default, skip_serializing_if = "Option::is_none")]
    created: Option<DateTime<Utc>>,
}

/// The part that every version has.
#[derive(Deserialize)]
struct Version {
    v: u32,
}

impl<'a> KeyRecord<'a> {
    /// Looks at a key as an item.
    pub(super) fn of(key: &'a StoredKey) -> Self {
        Self {
            v: VERSION,
            id: Cow::Borrowed(&key.key.id),
            secret: key.key.secret.expose(),
            arn: Cow::Borrowed(&key.arn),
            stored: key.stored,
            totp: key.totp.as_ref().map(TotpSecret::expose),
            created: key.created,
            next: key.next.as_ref().map(|next| Next {
                id: Cow::Borrowed(&next.key.id),
                secret: next.key.secret.expose(),
                created: next.created,
            }),
            imported: key.imported,
            first: key.first.as_deref().map(Cow::Borrowed),
        }
    }

    /// Takes the key out.
    pub(super) fn to_key(&self) -> Result<StoredKey, KeyRecordError> {
        if self.v > VERSION {
            return Err(KeyRecordError::Newer);
        }
        Ok(StoredKey {
            key: AccessKey { id: self.id.to_string(), secret: SecretKey::new(self.secret.to_owned()) },
            arn: self.arn.to_string(),
            stored: self.stored,
            totp: self.totp.map(TotpSecret::parse).transpose().map_err(|_| KeyRecordError::Unreadable)?,
            created: self.created,
            next: self.next.as_ref().map(|next| NewKey {
                key: AccessKey { id: next.id.to_string(), secret: SecretKey::new(next.secret.to_owned()) },
                created: next.created,
            }),
            imported: self.imported,
            first: self.first.as_ref().map(ToString::to_string),
        })
    }
}

/// Writes a key as text.
pub(super) fn encode(key: &StoredKey) -> Result<Zeroizing<Vec<u8>>, KeyRecordError> {
    to_json(&KeyRecord::of(key), BLOB_MAX)
}

/// Reads a key from its text.
pub(super) fn decode(text: &[u8]) -> Result<StoredKey, KeyRecordError> {
    if text.len() > BLOB_MAX {
        return Err(KeyRecordError::TooLong);
    }
    let Version { v } = serde_json::from_slice(text).map_err(|_| KeyRecordError::Unreadable)?;
    if v > VERSION {
        return Err(KeyRecordError::Newer);
    }
    serde_json::from_slice::<KeyRecord<'_>>(text).map_err(|_| KeyRecordError::Unreadable)?.to_key()
}

/// Writes JSON into a buffer of its final size: one that grows leaves copies of the secret behind.
pub(super) fn to_json(value: &impl Serialize, max: usize) -> Result<Zeroizing<Vec<u8>>, KeyRecordError> {
    let mut text = Zeroizing::new(vec![0; max]);
    let mut rest = &mut text[..];
    serde_json::to_writer(&mut rest, value).map_err(|_| KeyRecordError::TooLong)?;
    let written = max - rest.len();
    text.truncate(written);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(arn: &str) -> StoredKey {
        StoredKey {
            key: AccessKey {
                id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret: SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into()),
            },
            arn: arn.into(),
            stored: DateTime::from_timestamp(1_790_000_000, 0).expect("in range"),
            totp: None,
            created: None,
            next: None,
            imported: false,
            first: None,
        }
    }

    #[test]
    fn the_text_is_what_other_tools_can_read() {
        let text = encode(&key("arn:aws:iam::111111111111:user/richard")).expect("short");
        assert_eq!(
            std::str::from_utf8(&text).expect("text"),
            r#"{"v":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","Arn":"arn:aws:iam::111111111111:user/richard","Stored":"2026-09-21T14:13:20Z"}"#
        );
        let back = decode(&text).expect("read");
        assert_eq!(back.key.id, "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(back.key.secret.expose(), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        assert_eq!(back.stored, key("").stored);
    }

    #[test]
    fn a_totp_secret_lies_beside_the_key_and_a_wrong_one_is_no_key() {
        let with = StoredKey { totp: TotpSecret::parse("GEZDGNBVGY3TQOJQ").ok(), ..key("arn") };
        let text = encode(&with).expect("short");
        assert_eq!(decode(&text).expect("read").totp, with.totp);
        let text = std::str::from_utf8(&text).expect("text");
        assert!(text.ends_with(r#","TotpSecret":"GEZDGNBVGY3TQOJQ"}"#), "{text}");
        assert_eq!(
            decode(text.replace("GEZDG", "canary").as_bytes()).expect_err("no base32"),
            KeyRecordError::Unreadable
        );
    }

    #[test]
    fn the_longest_totp_secret_fits_beside_the_longest_key() {
        let totp = TotpSecret::parse(&"A".repeat(205)).ok();
        assert!(totp.is_some(), "128 bytes");
        let arn = format!("arn:aws:iam::111111111111:user/{}", "x".repeat(512 + 64));
        let key = StoredKey { totp, ..key(&arn) };
        assert!(encode(&key).is_ok());
    }

    #[test]
    fn the_key_to_come_lies_in_the_same_text_and_an_older_reader_passes_it_over() {
        let created = DateTime::from_timestamp(1_790_000_100, 0);
        let next = NewKey {
            key: AccessKey { id: "AKIANEXTNEXTNEXTNEXT".into(), secret: SecretKey::new("s3cret-of-the-next".into()) },
            created,
        };
        let both = StoredKey { next: Some(next), ..key("arn:aws:iam::111111111111:user/richard") };
        let text = encode(&both).expect("short");
        let back = decode(&text).expect("read").next.expect("the next key");
        assert_eq!((back.key.id.as_str(), back.created), ("AKIANEXTNEXTNEXTNEXT", created));
        assert_eq!(back.key.secret.expose(), "s3cret-of-the-next");
        let text = std::str::from_utf8(&text).expect("text");
        assert!(text.starts_with(r#"{"v":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","#), "{text}");
        assert!(text.contains(r#","Next":{"AccessKeyId":"AKIANEXTNEXTNEXTNEXT","#), "{text}");
    }

    #[test]
    fn a_foreign_text_is_refused_and_never_quoted() {
        let good = encode(&key("arn")).expect("short");
        for end in 0..good.len() {
            assert_eq!(decode(&good[..end]).expect_err("cut"), KeyRecordError::Unreadable, "at {end}");
        }
        for foreign in ["", "null", "hunter2", r#"{"v":1}"#, r#"{"v":"canary"}"#, r#"{"v":-1}"#, "\u{0}"] {
            assert_eq!(decode(foreign.as_bytes()).expect_err("foreign"), KeyRecordError::Unreadable, "{foreign}");
        }
        assert_eq!(decode(br#"{"v":2,"Other":true}"#).expect_err("later"), KeyRecordError::Newer);
        assert_eq!(decode(&[b' '; BLOB_MAX + 1]).expect_err("long"), KeyRecordError::TooLong);
        assert_eq!(decode(&[0xff, 0xfe]).expect_err("no text"), KeyRecordError::Unreadable);
    }

    #[test]
    fn a_key_that_no_vault_could_hold_is_refused() {
        assert_eq!(encode(&key(&"x".repeat(BLOB_MAX))).expect_err("long"), KeyRecordError::TooLong);
    }
}
