//! An access key as a person or a program hands it over: typed, as JSON, as CSV.
//!
//! It knows neither agent nor configuration. Never argv and never the environment, which other processes can read;
//! every buffer is wiped, and no message repeats what was read.

use super::{confirm, key_csv, named_file};
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::SecretKey;
use rolecall_core::domain::text::{narrowing, wide};
use rolecall_core::domain::totp::TotpSecret;
use serde::{Deserialize, Deserializer};
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// A key as JSON or CSV is shorter than one KiB.
const INPUT_MAX: usize = 64 * 1024;

/// What stdin is called in a message.
const STDIN: &str = "stdin";

/// How a person pipes UTF-8.
const NARROW_STDIN: &str = "pipe UTF-8: in PowerShell set `$OutputEncoding = [Text.UTF8Encoding]::new()`";

const FORMS: &str = "give JSON as `aws iam create-access-key` prints it, the console's CSV, or run it on a terminal";

/// Asks for a key on the terminal.
pub(super) fn from_terminal() -> Result<AccessKey, UserError> {
    let id = confirm::visible("Access key ID: ")?.trim().to_owned();
    let typed = confirm::hidden("Secret access key (not shown): ")?;
    checked(AccessKey { id, secret: SecretKey::new(typed.trim().to_owned()) }, "what was typed")
}

/// Reads a key from stdin.
pub(super) fn from_stdin() -> Result<AccessKey, UserError> {
    read(&mut io::stdin().lock(), STDIN)
}

/// Reads a TOTP secret from stdin, and the key beside it if there is one.
pub(super) fn totp_from_stdin() -> Result<(Option<AccessKey>, TotpSecret), UserError> {
    let bytes = bytes(&mut io::stdin().lock(), "stdin")?;
    parse_totp(&bytes)
}

/// Reads a key from a file.
pub(super) fn from_file(path: &Path) -> Result<AccessKey, UserError> {
    let shown = printable(&path.display().to_string(), 512);
    let mut file = named_file::open(path, |e| {
        UserError::new(Kind::Failed, format!("cannot open {shown}: {e}"))
            .hint("give the CSV file that the console offered")
    })?;
    read(&mut file, &shown)
}

fn read(from: &mut impl Read, what: &str) -> Result<AccessKey, UserError> {
    parse(&bytes(from, what)?, what)
}

fn bytes(from: &mut impl Read, what: &str) -> Result<Zeroizing<Vec<u8>>, UserError> {
    // One byte more than fits tells a file that is too long from one that just fits.
    let mut bytes = Zeroizing::new(vec![0; INPUT_MAX + 1]);
    let mut length = 0;
    while length < bytes.len() {
        match from.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(UserError::new(Kind::Failed, format!("cannot read {what}: {e}"))),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn parse(bytes: &[u8], what: &str) -> Result<AccessKey, UserError> {
    let refused =
        |why: &str| Err(UserError::new(Kind::Failed, format!("{what} holds no access key: {why}")).hint(FORMS));
    if bytes.len() > INPUT_MAX {
        return refused("it is longer than 64 KiB");
    }
    if let Some(why) = wide(bytes) {
        return Err(UserError::new(Kind::Failed, format!("{what} {why}: no access key was read")).hint(match what {
            STDIN => NARROW_STDIN.to_owned(),
            file => narrowing(file),
        }));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return refused("it is not text in UTF-8") };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.is_empty() {
        return refused("it is empty");
    }
    let key = if text.starts_with('{') { read_json(text) } else { key_csv::read(text) };
    match key {
        Ok(key) => checked(key, what),
        Err(why) => refused(&why),
    }
}

fn parse_totp(bytes: &[u8]) -> Result<(Option<AccessKey>, TotpSecret), UserError> {
    let refused = |why: &str| {
        UserError::new(Kind::Failed, format!("stdin holds no TOTP secret: {why}"))
            .hint("give JSON: `{\"TotpSecret\": \"…\"}`, with `AccessKeyId` and `SecretAccessKey` for a new key")
    };
    if let Some(why) = wide(bytes) {
        return Err(UserError::new(Kind::Failed, format!("stdin {why}: no TOTP secret was read")).hint(NARROW_STDIN));
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= INPUT_MAX);
    let text = text.ok_or_else(|| refused("it is no text in UTF-8 of up to 64 KiB"))?;
    let input = input(text.trim_start_matches('\u{feff}')).map_err(|why| refused(&why))?;
    let secret = input.totp_secret.as_deref().ok_or_else(|| refused("its JSON has no `TotpSecret`"))?;
    let secret = TotpSecret::parse(secret).map_err(refused)?;
    let key = match (&input.access_key_id, &input.secret_access_key, &input.access_key) {
        (None, None, None) => None,
        _ => Some(checked(key_of(input).map_err(|why| refused(&why))?, "stdin")?),
    };
    Ok((key, secret))
}

fn checked(key: AccessKey, what: &str) -> Result<AccessKey, UserError> {
    match key.check() {
        Ok(()) => Ok(key),
        Err(why) => Err(UserError::new(Kind::Failed, format!("{what} is no access key: {why}"))
            .hint("make one in the console or with `aws iam create-access-key`")),
    }
}

/// Both shapes in one: the pair itself, or the pair inside `AccessKey`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    access_key_id: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    secret_access_key: Option<SecretKey>,
    access_key: Option<Box<Input>>,
    #[serde(default, deserialize_with = "wiped")]
    totp_secret: Option<Zeroizing<String>>,
}

fn wiped<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Zeroizing::new))
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretKey>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(SecretKey::new))
}

fn read_json(text: &str) -> Result<AccessKey, String> {
    let input = input(text)?;
    if input.totp_secret.is_some() {
        return Err("it has a `TotpSecret` too, which is kept with `--totp` only".into());
    }
    key_of(input)
}

fn input(text: &str) -> Result<Input, String> {
    // serde's own words could repeat a value.
    serde_json::from_str(text)
        .map_err(|e| format!("its JSON cannot be read at line {}, column {}", e.line(), e.column()))
}

fn key_of(input: Input) -> Result<AccessKey, String> {
    let input = input
        .access_key
        .map_or((input.access_key_id, input.secret_access_key), |inner| (inner.access_key_id, inner.secret_access_key));
    match input {
        (Some(id), Some(secret)) => Ok(AccessKey { id, secret }),
        (None, _) => Err("its JSON has no `AccessKeyId`".into()),
        (_, None) => Err("its JSON has no `SecretAccessKey`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn json_in_both_shapes_and_csv_are_told_apart() {
        for text in [
            format!(r#"{{"AccessKeyId":"{ID}","SecretAccessKey":"{SECRET}"}}"#),
            format!("\u{feff} \r\n{{\"SecretAccessKey\": \"{SECRET}\", \"AccessKeyId\": \"{ID}\", \"Other\": [1]}}\n"),
            format!(
                r#"{{"AccessKey":{{"UserName":"r","AccessKeyId":"{ID}","Status":"Active",
                "SecretAccessKey":"{}","CreateDate":"2026-11-22T00:00:00+00:00"}}}}"#,
                SECRET.replace('/', "\\/")
            ),
            format!("\u{feff}Access key ID,Secret access key\r\n{ID},{SECRET}\r\n"),
        ] {
            let key = parse(text.as_bytes(), "stdin").unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((key.id.as_str(), key.secret.expose()), (ID, SECRET));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        let canary = "canary-77aa";
        let (session, long) = (
            format!(r#"{{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"{SECRET}"}}"#),
            "x".repeat(INPUT_MAX + 1),
        );
        for (bytes, why) in [
            (&b""[..], "empty"),
            (b" \n", "empty"),
            (b"{", "line 1"),
            (br#"{"AccessKeyId": 7, "SecretAccessKey": "canary-77aa"}"#, "line 1"),
            (br#"{"AccessKeyId": "a", "SecretAccessKey": {"canary-77aa": 1}}"#, "line 1"),
            (br#"{"AccessKeyId": "a"}"#, "no `SecretAccessKey`"),
            (br#"{"AccessKey": {"SecretAccessKey": "canary-77aa"}}"#, "no `AccessKeyId`"),
            (br#"{"AccessKeyId":"canary-77aa","SecretAccessKey":"canary-77aa"}"#, "16 to 128"),
            (session.as_bytes(), "temporary session"),
            (b"\xff\xfea\0", "UTF-16"),
            (b"canary-77aa\xff", "UTF-8"),
            (b"canary-77aa", "columns"),
            (long.as_bytes(), "64 KiB"),
        ] {
            let report = parse(bytes, "stdin").expect_err(why);
            assert!(report.message.contains(why), "{why}: {}", report.message);
            assert!(!format!("{report:?}").contains(canary), "{report:?}");
            assert!(report.hint.is_some());
        }
    }

    #[test]
    fn a_totp_secret_comes_alone_or_beside_its_key() {
        let (alone, secret) = parse_totp(br#"{"TotpSecret": "gezd gnbv gy3t qojq"}"#).expect("alone");
        assert!(alone.is_none() && secret.expose() == "GEZDGNBVGY3TQOJQ");
        let both = format!(r#"{{"AccessKeyId":"{ID}","SecretAccessKey":"{SECRET}","TotpSecret":"GEZDGNBVGY3TQOJQ"}}"#);
        assert_eq!(parse_totp(both.as_bytes()).expect("both").0.expect("a key").id, ID);
        let unasked = parse(both.as_bytes(), "stdin").expect_err("nobody asked for it to be kept");
        assert!(unasked.message.contains("--totp"), "{}", unasked.message);
        for (text, why) in [
            (r#"{"TotpSecret": "canaryca"}"#.to_owned(), "too short"),
            (r#"{"TotpSecret": "canary-0189"}"#.to_owned(), "base32"),
            (both.replace("TotpSecret", "Other"), "no `TotpSecret`"),
            (both.replace("SecretAccessKey", "Other"), "no `SecretAccessKey`"),
            ("GEZDGNBVGY3TQOJQ".to_owned(), "line 1"),
        ] {
            let report = parse_totp(text.as_bytes()).expect_err(why);
            assert!(report.message.contains(why) && !report.message.contains("canary"), "{why}: {}", report.message);
        }
    }

    #[test]
    fn an_endless_file_is_not_read_to_its_end() {
        assert!(read(&mut io::repeat(b'x'), "it").expect_err("endless").message.contains("64 KiB"));
    }
}
