//! AWS's words made fit to be shown: without secrets, on one line, short. Pure.
//!
//! Threat: SignatureDoesNotMatch echoes the canonical request with its session token, and ValidationError the value that
//! it dislikes, which may be the MFA code.

use rolecall_core::domain::error::printable;
use std::borrow::Cow;
use std::fmt::Write;

/// From here on, an error text repeats the request.
const ECHOES: [&str; 4] = ["aws4-hmac", "the canonical string", "canonical request", "string-to-sign"];
/// No word that helps is longer and without a colon, which every ARN has; a session token is.
const WORD_MAX: usize = 100;
const GONE: &str = "[removed]";

/// Cleans a text and cuts it.
pub(crate) fn redact(text: &str, secrets: &[&str], max: usize) -> String {
    let lower = text.to_ascii_lowercase();
    let end = ECHOES.iter().filter_map(|echo| lower.find(echo)).min().unwrap_or(text.len());
    let mut text = Cow::Borrowed(&text[..end]);
    for secret in secrets {
        for form in [(*secret).to_owned(), percent(secret)] {
            text = without(text, &form);
        }
    }
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| if word.len() > WORD_MAX && !word.contains(':') { GONE } else { word })
        .collect();
    printable(&words.join(" "), max)
}

/// Removes a secret; a code of digits only where no further digit touches it, so that account numbers stay.
fn without<'a>(text: Cow<'a, str>, secret: &str) -> Cow<'a, str> {
    if secret.is_empty() || !text.contains(secret) {
        return text;
    }
    if !secret.bytes().all(|b| b.is_ascii_digit()) {
        return text.replace(secret, GONE).into();
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(secret) {
        let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_digit);
        let bytes = text.as_bytes();
        if !digit(at.checked_sub(1).and_then(|i| bytes.get(i))) && !digit(bytes.get(at + secret.len())) {
            out.push_str(&text[from..at]);
            out.push_str(GONE);
            from = at + secret.len();
        }
    }
    out.push_str(&text[from..]);
    out.into()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(char::from(b));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn what_must_not_be_shown_is_removed_in_every_form() {
        let token = "Fwo/GZX+Iv".repeat(40);
        let secrets = [SECRET, &token, "123456"];
        for (text, want) in [
            ("plain words", "plain words"),
            ("a\nb\tc \u{1b}[2J", "a b c \\u{1b}[2J"),
            (&format!("key {SECRET} was"), "key [removed] was"),
            (&format!("key '{}' was", percent(SECRET)), "key '[removed]' was"),
            (&format!("token={token}"), "token=[removed]"),
            (&format!("other {}", "x/y+".repeat(50)), "other [removed]"),
            ("Value '123456' at 'tokenCode'", "Value '[removed]' at 'tokenCode'"),
            ("account 123456123456 or 111123456111", "account 123456123456 or 111123456111"),
            ("does not match. The Canonical String for this request should have been 'POST", "does not match."),
            ("see AWS4-HMAC-SHA256 Credential=", "see"),
        ] {
            assert_eq!(redact(text, &secrets, 300), want);
        }
        assert_eq!(redact(&"long ".repeat(100), &[], 9), "long long…");
    }

    #[test]
    fn a_long_arn_is_no_secret() {
        let arn = format!("arn:aws:iam::222222222222:role/{}/Name", "p".repeat(200));
        assert_eq!(redact(&arn, &[], 300), arn);
    }
}
