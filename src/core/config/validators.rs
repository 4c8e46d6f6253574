//! The checks of single values for which the domain has no type: durations, tags, policies, colours, words.
//!
//! Each takes text and says what is wrong in words of its own; where the value stands is not known here.

use crate::domain::catalogue::{Access, AuditMode, LockEvent, MfaMode, PromptKind};
use crate::domain::credential::LONGEST_SESSION;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The words of `audit`.
pub(super) const AUDIT: [(&str, AuditMode); 2] =
    [("best-effort", AuditMode::BestEffort), ("required", AuditMode::Required)];

/// The words of `prompts`.
pub(super) const PROMPTS: [(&str, PromptKind); 2] = [("pinentry", PromptKind::Pinentry), ("tty", PromptKind::Tty)];

/// The words of `lock_on`.
pub(super) const LOCK_EVENTS: [(&str, LockEvent); 2] =
    [("screen-lock", LockEvent::ScreenLock), ("sleep", LockEvent::Sleep)];

/// The words of `mfa`.
pub(super) const MFA_MODES: [(&str, MfaMode); 3] =
    [("session", MfaMode::Session), ("direct", MfaMode::Direct), ("none", MfaMode::None)];

/// The words of `access`.
pub(super) const ACCESS: [(&str, Access); 3] = [("allow", Access::Allow), ("ask", Access::Ask), ("deny", Access::Deny)];

/// AWS's limits on session tags and session policies (STS AssumeRole).
pub(super) const TAGS_MAX: usize = 50;
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;
pub(super) const POLICY_MAX: usize = 2048;
pub(super) const POLICY_ARNS_MAX: usize = 10;

/// More words than this are not read by anybody who looks for something.
pub(super) const FOUND_BY_MAX: usize = 20;
/// More hosts than this are a list that nobody reads.
pub(super) const NO_PROXY_MAX: usize = 100;
const FOUND_BY_LENGTH_MAX: usize = 64;

/// The console's limit on the name of a switched role.
pub(super) const DISPLAY_NAME_MAX: usize = 64;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What STS gives for AssumeRole.
pub(super) const ROLE_DURATION: RangeInclusive<u64> = 15 * MINUTE..=12 * HOUR;
/// What STS gives for GetSessionToken.
pub(super) const MFA_SESSION: RangeInclusive<u64> = 15 * MINUTE..=LONGEST_SESSION.as_secs();
/// A key that lives less than a day is a session; one of ten years is one that nobody means to rotate.
pub(super) const ROTATE_AFTER: RangeInclusive<u64> = DAY..=3650 * DAY;
/// Shorter would lock between two commands; longer is spelled "never".
pub(super) const IDLE_LOCK: RangeInclusive<u64> = MINUTE..=365 * DAY;
/// No MFA session lasts longer; within the last minute there is no time to do anything about it.
pub(super) const WARN_BEFORE: RangeInclusive<u64> = MINUTE..=LONGEST_SESSION.as_secs();

/// A yes that holds for less than a minute is asked again by the same command; a day is a working day and more.
pub(super) const CONSENT: RangeInclusive<u64> = MINUTE..=DAY;

/// Reads a duration: whole numbers with the units d, h, m and s, largest first, each at most once, as `1h30m`.
///
/// A bare number is refused: AWS counts seconds where people mean hours, and a guess would be silent.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "a duration looks like 1h, 90m or 1h30m, with the units d, h, m and s";
    let mut units = [('d', DAY), ('h', HOUR), ('m', MINUTE), ('s', 1)].into_iter();
    let mut rest = text;
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(FORM)?;
        let number: u64 = rest[..digits].parse().map_err(|_| FORM)?;
        let unit = rest[digits..].chars().next().ok_or(FORM)?;
        let (_, size) = units.find(|(letter, _)| *letter == unit).ok_or(FORM)?;
        seconds = number.checked_mul(size).and_then(|n| n.checked_add(seconds)).ok_or("the duration is too long")?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    if text.is_empty() { Err(FORM) } else { Ok(Duration::from_secs(seconds)) }
}

/// Reads a duration within limits.
pub(super) fn duration_in(text: &str, range: &RangeInclusive<u64>) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if range.contains(&duration.as_secs()) {
        Ok(duration)
    } else {
        Err(format!("{text} is not between {} and {}", spell(*range.start()), spell(*range.end())))
    }
}

fn spell(seconds: u64) -> String {
    match seconds {
        s if s > 2 * DAY && s.is_multiple_of(DAY) => format!("{}d", s / DAY),
        s if s.is_multiple_of(HOUR) => format!("{}h", s / HOUR),
        s => format!("{}m", s / MINUTE),
    }
}

/// Checks a SourceIdentity.
pub(super) fn check_source_identity(text: &str) -> Result<(), &'static str> {
    if text.to_ascii_lowercase().starts_with("aws:") {
        return Err("AWS keeps what starts with aws: to itself");
    }
    crate::domain::names::check_session_word(text)
}

/// Checks the key of a session tag.
pub(super) fn check_tag_key(text: &str) -> Result<(), &'static str> {
    if text.to_ascii_lowercase().starts_with("aws:") {
        return Err("AWS keeps tags that start with aws: to itself");
    }
    if !(1..=TAG_KEY_MAX).contains(&text.chars().count()) {
        return Err("a tag's key has 1 to 128 characters");
    }
    check_tag_letters(text)
}

/// Checks the value of a session tag.
pub(super) fn check_tag_value(text: &str) -> Result<(), &'static str> {
    if text.chars().count() > TAG_VALUE_MAX {
        return Err("a tag's value has at most 256 characters");
    }
    check_tag_letters(text)
}

/// Checks a tag that a role or an account is found by.
pub(super) fn check_found_by(text: &str) -> Result<(), &'static str> {
    if !(1..=FOUND_BY_LENGTH_MAX).contains(&text.len()) {
        return Err("a tag has 1 to 64 characters");
    }
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:/=+-@".contains(&b)) {
        Ok(())
    } else {
        Err("a tag is made of letters, digits and _ . : / = + - @")
    }
}

/// AWS's `[\p{L}\p{Z}\p{N}_.:/=+\-@]`; white space that is no control character is exactly `\p{Z}`.
fn check_tag_letters(text: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c);
    if text.chars().all(allowed) {
        Ok(())
    } else {
        Err("AWS allows letters, digits, spaces and _ . : / = + - @ in tags")
    }
}

/// Checks an inline session policy: a JSON object within AWS's size and letters.
pub(super) fn check_policy(text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if length > POLICY_MAX {
        return Err(format!("the policy has {length} characters, AWS takes {POLICY_MAX}"));
    }
    if !text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
        return Err("AWS allows Latin-1 characters only in a policy".to_owned());
    }
    let error = match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(_)) => return Ok(()),
        Ok(_) => return Err("the policy is not a JSON object".to_owned()),
        Err(error) => error,
    };
    Err(format!("the policy is not JSON, at its line {} column {}", error.line(), error.column()))
}

/// Checks the name that the console shows.
pub(super) fn check_display_name(text: &str) -> Result<(), &'static str> {
    if !(1..=DISPLAY_NAME_MAX).contains(&text.chars().count()) {
        return Err("the console shows 1 to 64 characters");
    }
    if text.chars().any(char::is_control) { Err("control characters cannot be shown") } else { Ok(()) }
}

/// Checks a path: a relative one would follow whoever started the agent.
pub(super) fn absolute_path(text: &str) -> Result<PathBuf, &'static str> {
    if text.starts_with('~') {
        return Err("~ is not expanded here, as AWS does not; write the whole path");
    }
    if text.chars().any(char::is_control) {
        return Err("a path has no control characters");
    }
    if Path::new(text).is_absolute() { Ok(PathBuf::from(text)) } else { Err("the path does not start with /") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_one_order() {
        for (text, seconds) in [("1h", 3600), ("90m", 5400), ("1h30m", 5400), ("3600s", 3600), ("1d12h", 129_600)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "1", "3600", "h", "1x", "1.5h", "30m1h", "1h1h", "1h ", " 1h", "-1h", "1H", "1hé", "٣h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_duration("99999999999999999999h").ok(), None);
        assert_eq!(parse_duration("18446744073709551615d"), Err("the duration is too long"));
        assert_eq!(duration_in("5m", &ROLE_DURATION), Err("5m is not between 15m and 12h".into()));
        assert_eq!(duration_in("37h", &MFA_SESSION), Err("37h is not between 15m and 36h".into()));
        assert_eq!(duration_in("30s", &IDLE_LOCK), Err("30s is not between 1m and 365d".into()));
    }

    #[test]
    fn tags_follow_the_letters_of_aws() {
        for good in ["Project", "cost center", "Tëam:a/b=c+d-e@f_g.h", "\u{a0}x"] {
            assert!(check_tag_key(good).is_ok(), "{good}");
        }
        for bad in ["", "aws:x", "AWS:x", "a\tb", "a\nb", "a*b", "a\u{200b}b", &"x".repeat(129)] {
            assert!(check_tag_key(bad).is_err(), "{bad:?}");
        }
        assert!(check_tag_value("").is_ok());
        assert!(check_tag_value(&"é".repeat(256)).is_ok());
        assert!(check_tag_value(&"x".repeat(257)).is_err());
    }

    #[test]
    fn a_policy_is_a_json_object_of_limited_size() {
        assert_eq!(check_policy(r#"{"Version":"2012-10-17","Statement":[]}"#), Ok(()));
        assert_eq!(check_policy("[]"), Err("the policy is not a JSON object".into()));
        assert!(check_policy("{").is_err_and(|e| e.contains("line 1")));
        assert!(check_policy("{}x").is_err());
        assert!(check_policy(r#"{"a":"→"}"#).is_err_and(|e| e.contains("Latin-1")));
        assert!(check_policy(&format!("{{\"a\":\"{}\"}}", "x".repeat(2048))).is_err_and(|e| e.contains("2056")));
        assert!(check_policy(&"[".repeat(2000)).is_err());
    }

    #[test]
    fn paths_are_taken_as_written() {
        assert!(absolute_path("/etc/ssl/corp.pem").is_ok());
        for bad in ["", "corp.pem", "~/corp.pem", "./x", "/a\nb"] {
            assert!(absolute_path(bad).is_err(), "{bad:?}");
        }
    }
}
