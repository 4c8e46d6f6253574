//! Checked names: what a person calls an identity or a role, and the words AWS wants in an AssumeRole call.

use std::borrow::Borrow;
use std::fmt;

/// The longest identity or role name: it becomes an AWS profile name and an argument of a command line.
const NAME_MAX: usize = 128;
/// What the vault keeps under this name is no access key.
const RESERVED: &str = "rolecall:https_proxy";

/// What an identity or a role is called. Identities and roles share one namespace.
///
/// The alphabet is what survives every SDK's way of running a `credential_process` (argv, `sh -c`, `cmd /C`) without
/// quotes, and what every parser of `~/.aws/config` accepts in `[profile NAME]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// Checks and takes a name; the error says what is wrong, without the name.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("a name cannot be empty");
        }
        if text.len() > NAME_MAX {
            return Err("a name has at most 128 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@+/=:-".contains(&b)) {
            return Err("a name is made of letters, digits and _ . @ + / = : -");
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return Err("a name starts with a letter, a digit or _");
        }
        if text.eq_ignore_ascii_case(RESERVED) {
            return Err("this name is reserved");
        }
        Ok(Self(text.into()))
    }

    /// Returns the name under which the vault keeps the password of the proxy. No identity can have it.
    pub fn https_proxy() -> Self {
        Self(RESERVED.to_owned().into_boxed_str())
    }

    /// Takes a name under which a vault keeps something: that of an identity, or the reserved one.
    pub fn in_vault(text: &str) -> Result<Self, &'static str> {
        if text == RESERVED { Ok(Self::https_proxy()) } else { Self::new(text) }
    }

    /// Gives the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Finds up to three known names that a person may have meant, nearest first.
pub fn nearest<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // What cannot be a name is not like one, and comparing a book with ten thousand names takes minutes.
    if asked.len() > NAME_MAX {
        return Vec::new();
    }
    let mut near: Vec<(f64, &str)> = known
        .map(|name| (strsim::jaro_winkler(&asked.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= 0.75)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Returns the end of a message about an unknown name: the known name that may be meant; empty if none is near.
pub fn did_you_mean<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(asked, known).first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Checks a word that AWS limits by `[\w+=,.@-]*` and a length, as RoleSessionName and SourceIdentity.
pub fn check_session_word(text: &str) -> Result<(), &'static str> {
    if !(2..=64).contains(&text.len()) {
        return Err("AWS wants 2 to 64 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
        return Err("AWS allows letters, digits and _ + = , . @ -");
    }
    Ok(())
}

/// Checks an ExternalId: 2 to 1224 characters of `[\w+=,.@:\/-]*`.
pub fn check_external_id(text: &str) -> Result<(), &'static str> {
    if !(2..=1224).contains(&text.len()) {
        return Err("AWS wants 2 to 1224 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b)) {
        return Err("AWS allows letters, digits and _ + = , . @ : / -");
    }
    Ok(())
}

/// Checks a region by its form, as `eu-west-1` or `us-gov-east-1`; new regions need no new release.
pub fn check_region(text: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = text.split('-').collect();
    let word = |p: &&str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let numbered = parts.last().is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    if (3..=5).contains(&parts.len()) && parts.iter().all(word) && numbered && text.len() <= 32 {
        Ok(())
    } else {
        Err("a region looks like eu-west-1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_shell_or_a_profile_would_change_are_refused() {
        for good in ["prod", "team/prod", "a.b@c", "_x", "9", "acct:role"] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "a;b", "a'b", "a\"b", "a$b", "a\nb", "é", "a]b", "a#b", "a%b", &"x".repeat(129)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_typing_error_finds_the_name_that_was_meant() {
        let known = ["prod", "prod-eu", "staging", "data"];
        assert_eq!(nearest("prdo", known.into_iter())[0], "prod");
        assert!(nearest("zzz", known.into_iter()).is_empty());
    }

    #[test]
    fn regions_are_checked_by_form() {
        for good in ["eu-west-1", "us-gov-east-1", "ap-southeast-12", "us-iso-east-1", "eusc-de-east-1"] {
            assert!(check_region(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "europe",
            "eu-west",
            "eu west-1",
            "EU-WEST-1",
            "eu-west-1.evil.com",
            "-west-1",
            "eu-west-one",
            "eu-west-",
        ] {
            assert!(check_region(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn regions_over_32_characters_are_rejected() {
        for (length, valid) in [(32, true), (33, false)] {
            assert_eq!(check_region(&format!("eu-{}-1", "w".repeat(length - 5))).is_ok(), valid, "{length}");
        }
    }

    #[test]
    fn session_words_and_external_ids_have_the_letters_and_lengths_of_aws() {
        for (length, word, external_id) in [
            (1, false, false),
            (2, true, true),
            (64, true, true),
            (65, false, true),
            (1224, false, true),
            (1225, false, false),
        ] {
            let text = "x".repeat(length);
            assert_eq!(check_session_word(&text).is_ok(), word, "a session word of {length} characters");
            assert_eq!(check_external_id(&text).is_ok(), external_id, "an external ID of {length} characters");
        }
        for (text, word, external_id) in
            [("aZ9_+=,.@-", true, true), ("a:b/c", false, true), ("a b", false, false), ("é", false, false)]
        {
            assert_eq!(check_session_word(text).is_ok(), word, "{text}");
            assert_eq!(check_external_id(text).is_ok(), external_id, "{text}");
        }
    }

    #[test]
    fn only_the_vault_accepts_the_name_of_the_proxy() {
        assert!(Name::new("rolecall:https_proxy").is_err());
        assert_eq!(Name::in_vault("rolecall:https_proxy"), Ok(Name::https_proxy()));
        assert_eq!(Name::in_vault("prod"), Name::new("prod"));
        assert!(Name::in_vault("a b").is_err());
        assert_eq!(Name::https_proxy().to_string(), "rolecall:https_proxy");
    }

    #[test]
    fn suggestions_stop_at_the_longest_name() {
        let longest = "x".repeat(NAME_MAX);
        assert_eq!(nearest(&longest, [longest.as_str()].into_iter()), [longest.as_str()]);
        assert!(nearest(&format!("{longest}x"), [longest.as_str()].into_iter()).is_empty());
    }
}
