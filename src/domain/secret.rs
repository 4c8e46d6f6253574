//! Secrets as types: wiped when dropped, hidden from `Debug`, without `Display`.
//!
//! `expose` is the only way out and is named so that a reviewer can find every place where a secret leaves.

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
