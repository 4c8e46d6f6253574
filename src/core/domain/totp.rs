//! The secret of a virtual MFA device, as it is typed or scanned, and the codes it makes (RFC 6238).
//!
//! It knows no vault and no clock: who asks says what time it is. Only what AWS's virtual devices are is taken: SHA-1, six
//! digits, a new code every 30 seconds. A secret of another kind would make codes that are never right.

use chrono::{DateTime, Utc};
use std::fmt;
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// How long a device shows a code (RFC 6238, section 5.2; IAM's virtual devices keep to it).
pub const STEP: Duration = Duration::from_secs(30);

/// Fewer bytes than any service gives; AWS gives 40.
const BYTES_MIN: usize = 10;

/// More would not fit a keyring's item beside the key; SHA-1 gains nothing beyond 64.
const BYTES_MAX: usize = 128;

/// A virtual device's secret: base32 in capitals, without blanks or padding.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct TotpSecret(String);

impl TotpSecret {
    /// Reads base32, with blanks, hyphens, padding or small letters in it, or an `otpauth://` URI. The error quotes nothing.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let secret = if starts_with_ignoring_case(text, "otpauth://") { secret_of_uri(text)? } else { text };
        let mut kept = Zeroizing::new(String::with_capacity(secret.len()));
        for letter in secret.chars() {
            match letter.to_ascii_uppercase() {
                ' ' | '-' => {}
                '=' if !kept.is_empty() => {}
                letter @ ('A'..='Z' | '2'..='7') => kept.push(letter),
                _ => return Err("a TOTP secret is base32: the letters A to Z and the digits 2 to 7"),
            }
        }
        // 1, 3 or 6 letters more than a multiple of 8 end in the middle of a byte (RFC 4648, section 6).
        if matches!(kept.len() % 8, 1 | 3 | 6) {
            return Err("the TOTP secret is not complete: some of its letters are missing");
        }
        match kept.len() * 5 / 8 {
            0..BYTES_MIN => Err("the TOTP secret is too short: 16 letters are the least"),
            BYTES_MIN..=BYTES_MAX => Ok(Self(std::mem::take(&mut *kept))),
            _ => Err("the TOTP secret is too long: 128 bytes are the most"),
        }
    }

    /// Gives the secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Gives the code that the device shows at a time.
    #[cfg(feature = "totp")]
    pub fn code_at(&self, time: DateTime<Utc>) -> super::secret::MfaCode {
        use totp_rs::{Builder, Secret};
        let secret = Secret::try_from_base32(&self.0).expect("only base32 is parsed");
        // "Noncompliant" is a secret under 16 bytes, as some devices have; the rest is the RFC's: SHA-1, 6 digits, 30 s.
        let totp = Builder::new().with_secret(secret).build_noncompliant();
        super::secret::MfaCode::new(totp.generate(u64::try_from(time.timestamp()).unwrap_or(0)).to_string())
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(redacted)")
    }
}

/// Tells how long the code of a time is still shown: more than nothing, at most 30 seconds.
pub fn left_of_step(time: DateTime<Utc>) -> Duration {
    let step = i64::try_from(STEP.as_millis()).expect("30 seconds");
    let gone = time.timestamp_millis().rem_euclid(step);
    Duration::from_millis(u64::try_from(step - gone).unwrap_or(0))
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

/// Takes the secret out of what a device's QR code holds: `otpauth://totp/LABEL?secret=…&issuer=…`.
fn secret_of_uri(uri: &str) -> Result<&str, &'static str> {
    const COUNTER: &str = "this otpauth URI is of another kind than `totp`; AWS takes no other";
    const OTHER: &str = "AWS's codes are SHA-1, six digits, every 30 seconds; this otpauth URI says otherwise";
    if !starts_with_ignoring_case(uri, "otpauth://totp/") {
        return Err(COUNTER);
    }
    let (_, query) = uri.split_once('?').ok_or("this otpauth URI has no secret in it")?;
    let mut secret = None;
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let fits = match key {
            // Padding is the only thing in base32 that a URI would escape.
            "secret" => {
                secret = Some(value.trim_end_matches("%3D").trim_end_matches("%3d"));
                true
            }
            "algorithm" => value.eq_ignore_ascii_case("SHA1"),
            "digits" => value == "6",
            "period" => value == "30",
            _ => true,
        };
        if !fits {
            return Err(OTHER);
        }
    }
    secret.ok_or("this otpauth URI has no secret in it")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "12345678901234567890", the secret of the RFC's vectors, as base32.
    const RFC_SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("in range")
    }

    /// RFC 6238, appendix B: the last six of the eight digits it lists for SHA-1.
    #[cfg(feature = "totp")]
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        let secret = TotpSecret::parse(RFC_SECRET).expect("base32");
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code_at(at(time)).expose(), code, "at {time}");
        }
    }

    #[test]
    fn a_secret_is_taken_as_people_and_qr_codes_write_it() {
        for text in [
            RFC_SECRET,
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            " GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ====\n",
            "otpauth://totp/Amazon%20Web%20Services:richard@1111?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=AWS",
            "OTPAUTH://TOTP/x?algorithm=SHA1&digits=6&period=30&secret=gezdgnbvgy3tqojqgezdgnbvgy3tqojq%3D%3D",
        ] {
            assert_eq!(
                TotpSecret::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).expose(),
                RFC_SECRET,
                "{text}"
            );
        }
    }

    #[test]
    fn what_makes_no_code_of_awss_is_refused_without_being_quoted() {
        let long = "A".repeat(208);
        for (text, why) in [
            ("", "too short"),
            ("====", "base32"),
            ("GEZDGNBV", "too short"),
            ("GEZDGNBVGY3TQOJQG", "missing"),
            (&long, "too long"),
            ("GEZDGNBVGY3TQOJ1", "base32"),
            ("GEZDGNBVGY3TQOJé", "base32"),
            ("123456", "base32"),
            ("otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQ&counter=1", "another kind"),
            ("otpauth://totp/x", "no secret"),
            ("otpauth://totp/x?issuer=AWS", "no secret"),
            ("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&digits=8", "six digits"),
            ("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&algorithm=SHA256", "SHA-1"),
            ("otpauth://totp/x?period=60&secret=GEZDGNBVGY3TQOJQ", "30 seconds"),
        ] {
            let said = TotpSecret::parse(text).expect_err(why);
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_code_is_shown_for_what_is_left_of_its_half_minute() {
        assert_eq!(left_of_step(at(60)), STEP);
        assert_eq!(left_of_step(at(89)), Duration::from_secs(1));
        assert_eq!(left_of_step(at(-1)), Duration::from_secs(1), "a clock before 1970 is no reason to fail");
    }

    #[test]
    fn debug_never_shows_it() {
        let secret = TotpSecret::parse(RFC_SECRET).expect("base32");
        assert_eq!(format!("{secret:?}"), "TotpSecret(redacted)");
    }
}
