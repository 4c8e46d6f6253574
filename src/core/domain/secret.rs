//! Secrets as types: wiped when dropped, hidden from `Debug`, without `Display`.
//!
//! `expose` is the only way out and is named so that a reviewer can find every place where a secret leaves.

use super::text::is_hidden;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Zeroize, ZeroizeOnDrop)]
        pub struct $name(String);

        impl $name {
            /// Takes the text over; the caller must not keep a copy.
            pub fn new(text: String) -> Self {
                Self(text)
            }

            /// Gives the secret itself.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        impl From<Zeroizing<String>> for $name {
            fn from(mut text: Zeroizing<String>) -> Self {
                Self(std::mem::take(&mut *text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

secret! {
    /// The secret half of an access key, long-term or of a session.
    SecretKey
}
secret! {
    /// The token that goes with a session's access key.
    SessionToken
}
secret! {
    /// What opens the encrypted-file vault.
    Passphrase
}
secret! {
    /// A one-time code of an MFA device: six digits.
    MfaCode
}
secret! {
    /// What an identity provider says of us: traded for a session by AssumeRoleWithWebIdentity.
    WebToken
}

secret! {
    /// What a program shows to the container endpoint to be served.
    EndpointToken
}
secret! {
    /// An address that signs whoever opens it in to the console.
    SigninUrl
}

impl MfaCode {
    /// Takes a code as a person types or pastes it: with blanks or hyphens between the digits, or with the digits of
    /// another script. Any other text stays as it is, to be refused.
    pub fn typed(text: &str) -> Self {
        let text = text.trim();
        let mut digits = Zeroizing::new(String::with_capacity(8));
        for c in text.chars().filter(|c| !c.is_whitespace() && !is_hidden(*c) && *c != '-') {
            match digit(c) {
                Some(digit) if digits.len() < 8 => digits.push(digit),
                _ => return Self::new(text.to_owned()),
            }
        }
        if is_mfa_code(&digits) { Self::from(digits) } else { Self::new(text.to_owned()) }
    }
}

/// Reads a decimal digit: of ASCII, full-width, Arabic-Indic, Eastern Arabic-Indic or Devanagari.
fn digit(c: char) -> Option<char> {
    const ZEROS: [char; 5] = ['0', '\u{ff10}', '\u{660}', '\u{6f0}', '\u{966}'];
    ZEROS.iter().find_map(|zero| char::from_digit(u32::from(c).checked_sub(u32::from(*zero))?, 10))
}

/// What is said of anything else that is given for a code.
pub const NOT_A_CODE: &str = "an MFA code is six digits";

/// Tells whether a text has the form of an MFA code: exactly six digits (sts AssumeRole, TokenCode).
pub fn is_mfa_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_codes_lose_blanks_and_nothing_else() {
        for text in
            ["123456", " 123 456\n", "12-34-56", "123\u{a0}456", "\u{200b}123\u{2009}456", "１２３４５６", "١٢٣٤٥٦"]
        {
            assert_eq!(MfaCode::typed(text).expose(), "123456", "{text:?}");
        }
        for text in ["12345", "1234567", "123456789012", "12345a", "123.456", "", "-", "word word"] {
            assert_eq!(MfaCode::typed(text).expose(), text.trim(), "{text:?}");
            assert!(!is_mfa_code(MfaCode::typed(text).expose()));
        }
    }

    #[test]
    fn debug_never_shows_a_secret() {
        let canary = "canary-6f1d";
        let shown = format!(
            "{:?} {:#?} {:?} {:?} {:?} {:?} {:?}",
            SecretKey::new(canary.into()),
            SessionToken::new(canary.into()),
            Passphrase::new(canary.into()),
            MfaCode::new(canary.into()),
            WebToken::new(canary.into()),
            EndpointToken::new(canary.into()),
            SigninUrl::new(canary.into())
        );
        assert!(!shown.contains(canary), "{shown}");
        assert!(shown.contains("SecretKey(redacted)"), "{shown}");
    }
}
