//! How secrets get onto the wire and off it.
//!
//! Nowhere else can one be serialized: a secret has no form for serde of its own, so that a new field of a message cannot carry
//! one unawares.

use rolecall_core::domain::secret::{EndpointToken, MfaCode, Passphrase, SecretKey, SigninUrl};
use rolecall_core::domain::totp::TotpSecret;
use serde::{Deserialize, Deserializer, Serializer};
use zeroize::Zeroizing;

/// A secret that knows how to leave.
pub(crate) trait Expose {
    fn text(&self) -> &str;
}

macro_rules! wire_secret {
    ($($name:ident: $type:ty),*) => {$(
        impl Expose for $type {
            fn text(&self) -> &str {
                self.expose()
            }
        }

        pub(crate) fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
            String::deserialize(from).map(<$type>::new)
        }
    )*};
}

wire_secret!(secret_key: SecretKey, mfa_code: MfaCode, signin_url: SigninUrl);

impl Expose for Passphrase {
    fn text(&self) -> &str {
        self.expose()
    }
}

impl Expose for EndpointToken {
    fn text(&self) -> &str {
        self.expose()
    }
}

impl Expose for TotpSecret {
    fn text(&self) -> &str {
        self.expose()
    }
}

pub(crate) fn optional_secret_key<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretKey>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(SecretKey::new))
}

pub(crate) fn totp_secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TotpSecret>, D::Error> {
    let text = Option::<String>::deserialize(from)?.map(Zeroizing::new);
    text.map(|text| TotpSecret::parse(&text)).transpose().map_err(serde::de::Error::custom)
}

pub(crate) fn totp<'de, D: Deserializer<'de>>(from: D) -> Result<TotpSecret, D::Error> {
    let text = Zeroizing::new(String::deserialize(from)?);
    TotpSecret::parse(&text).map_err(serde::de::Error::custom)
}

pub(crate) fn endpoint_token<'de, D: Deserializer<'de>>(from: D) -> Result<Option<EndpointToken>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(EndpointToken::new))
}

pub(crate) fn passphrase<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Passphrase>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Passphrase::new))
}

pub(crate) fn expose<T: Expose, S: Serializer>(secret: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.text())
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(crate) fn expose_option<T: Expose, S: Serializer>(secret: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => to.serialize_some(secret.text()),
        None => to.serialize_none(),
    }
}
