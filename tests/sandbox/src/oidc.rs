//! Tokens of identity providers: made here, and read as STS reads them.
//!
//! A signature is random, and the provider remembers what it has signed: that it cannot be forged is what counts, not its
//! mathematics. Claims: IAM User Guide, "OIDC federation"; OpenID Connect Core, "ID Token".

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::mint;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The issuer without `https://`.
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) expires: DateTime<Utc>,
}

/// Makes a token.
pub(crate) fn mint_token(claims: &Claims, now: DateTime<Utc>) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "RS256", "typ": "JWT", "kid": "sandbox"}));
    let body = part(json!({
        "iss": format!("https://{}", claims.issuer),
        "sub": claims.subject,
        "aud": claims.audience,
        "iat": now.timestamp(),
        "exp": claims.expires.timestamp(),
    }));
    let signature = URL_SAFE_NO_PAD.encode(format!("{}{}", mint::secret_key(), mint::session_token()));
    format!("{head}.{body}.{signature}")
}

/// Reads a token's claims; `None` if it is no token.
pub(crate) fn read(token: &str) -> Option<Claims> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, body, signature] = parts[..] else { return None };
    let body: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    (!signature.is_empty()).then_some(())?;
    Some(Claims {
        issuer: text("iss")?.strip_prefix("https://")?.to_owned(),
        subject: text("sub")?,
        audience: text("aud")?,
        expires: DateTime::from_timestamp(body["exp"].as_i64()?, 0)?,
    })
}
