//! Secret tokens in URLs and headers, and the digests by which they are found.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::EndpointToken;
use rolecall_platform::panics::Guard;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use zeroize::Zeroizing;

/// Of 256 bits no guess is worth trying.
const TOKEN_BYTES: usize = 32;

/// The JavaScript SDK requests a new token for every call, so the oldest are removed.
const TOKENS_MAX: usize = 4096;

/// The stored form of a token, by which it is found. The time that this takes reveals something of the digest, which no
/// client can choose, and nothing of the token.
pub(super) type Digest = [u8; 32];

pub(super) fn digest(token: &[u8]) -> Digest {
    Sha256::digest(token).into()
}

/// Returns a token of letters, digits, `-` and `_`, which a header, an environment and a URL contain unchanged.
pub(super) fn new_token() -> Result<EndpointToken, UserError> {
    let mut bytes = Zeroizing::new([0_u8; TOKEN_BYTES]);
    getrandom::fill(&mut *bytes)
        .map_err(|e| UserError::new(Kind::Failed, format!("the system gives no random numbers: {e}")))?;
    Ok(EndpointToken::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// The tokens of one metadata service, and until when each is good, by the boot-time clock.
#[derive(Default)]
pub(super) struct ImdsTokens(Mutex<HashMap<Digest, Duration>>);

impl ImdsTokens {
    pub(super) fn add(&self, token: &[u8], now: Duration, ttl: Duration) {
        let mut all = self.0.guard();
        if all.len() >= TOKENS_MAX {
            all.retain(|_, until| now < *until);
        }
        if all.len() >= TOKENS_MAX {
            // Half of them at once, or each further call would search again.
            let mut ends: Vec<Duration> = all.values().copied().collect();
            ends.sort_unstable();
            let middle = ends[ends.len() / 2];
            all.retain(|_, until| *until > middle);
        }
        all.insert(digest(token), now + ttl);
    }

    pub(super) fn has(&self, token: &[u8], now: Duration) -> bool {
        self.0.guard().get(&digest(token)).is_some_and(|until| now < *until)
    }
}
