//! One session in memory: the line that `get` prints, in locked pages, and its public facts.

use super::failure::Failure;
use super::locked_memory::LockedBytes;
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::credential::{FLOOR, Freshness, LAST_CALL, Lifetime, Now, freshness};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::Step;
use rolecall_ipc::protocol::process_output;
use rolecall_ports::Issued;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

/// The result of a refresh.
pub(super) type Outcome = Result<Arc<CachedCredentials>, Failure>;

/// A session in memory: its line in locked pages, and its public facts.
#[derive(Debug)]
pub(super) struct CachedCredentials {
    /// The output of `get`.
    pub(super) line: LockedBytes,
    /// The access key ID.
    pub(super) access_key_id: String,
    /// The assumed-role ARN.
    pub(super) arn: Option<String>,
    /// Its begin and end.
    pub(super) lifetime: Lifetime,
    /// The random part of its renewal point.
    pub(super) jitter: f64,
    /// Its bodies for HTTP clients.
    pub(super) bodies: Bodies,
    /// The user of the chain, with which its session names begin.
    pub(super) user: Arc<str>,
}

/// The HTTP bodies of a session, each made when it is first served.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    pub(super) container: OnceLock<Option<LockedBytes>>,
    pub(super) imds: OnceLock<Option<LockedBytes>>,
}

/// Returns the role of a step, for the audit log.
pub(super) fn target(step: &Step) -> Option<String> {
    match step {
        Step::AssumeRole(call) => Some(call.role_arn.to_string()),
        Step::SessionToken(_) | Step::Source(_) => None,
    }
}

impl CachedCredentials {
    /// Keeps a session that AWS or a source has issued.
    ///
    /// Errors: the session is over, or too long for the SDKs, or there is no memory for it.
    pub(super) fn new(issued: &Issued, user: &Arc<str>, account: Option<&AccountId>, now: Now) -> Outcome {
        let odd =
            |what: &str| Failure::transient(UserError::new(Kind::Unreachable, format!("STS gave a session {what}")));
        let lifetime =
            Lifetime::begin(issued.session.expiration, issued.skew, now).ok_or_else(|| odd("that is over already"))?;
        let mut session = issued.session.clone();
        session.account = session.account.or_else(|| account.cloned());
        let line = process_output::line(&session).ok_or_else(|| odd("too long for every SDK to read (8 KiB)"))?;
        debug_assert!(lifetime.life > LAST_CALL, "Lifetime::begin gives none shorter");
        Ok(Arc::new(Self {
            line: keep(&line)?,
            access_key_id: session.access_key_id.clone(),
            arn: issued.arn.clone(),
            lifetime,
            jitter: random_fraction(),
            bodies: Bodies::default(),
            user: Arc::clone(user),
        }))
    }

    /// Returns its freshness now.
    pub(super) fn freshness(&self, now: Now) -> Freshness {
        self.freshness_above(FLOOR, now)
    }

    /// Returns the same for a caller that requires more time to be left.
    pub(super) fn freshness_above(&self, floor: Duration, now: Now) -> Freshness {
        freshness(self.lifetime.life, self.lifetime.left(now), floor, self.jitter)
    }
}

/// Copies a line into locked pages.
fn keep(line: &[u8]) -> Result<LockedBytes, Failure> {
    static SAID: Once = Once::new();
    let bytes = LockedBytes::new(line)
        .map_err(|e| Failure::transient(UserError::new(Kind::Failed, format!("no memory for a session: {e}"))))?;
    if !bytes.is_locked() {
        SAID.call_once(|| {
            tracing::warn!("sessions may be swapped out: the limit of locked memory is reached (ulimit -l)");
        });
    }
    Ok(bytes)
}

/// Returns a session name that readers of CloudTrail in both accounts can follow: the user, and a tag that the audit log
/// contains too. It contains no host name, which would appear in the logs of the other account.
pub(super) fn session_name(user: &str) -> String {
    let user: String = user.chars().filter(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)).take(56).collect();
    let user = if user.is_empty() { "rolecall" } else { &user };
    format!("{user}-{}", random_tag())
}

/// Returns a fraction of 0.0 to 1.0, which spreads actions that would otherwise happen at once.
pub(super) fn random_fraction() -> f64 {
    let mut bytes = [0_u8; 4];
    // Without randomness renewals are not spread; nothing else depends on it.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

/// Returns six letters and digits that distinguish sessions in CloudTrail.
fn random_tag() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 6];
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_is_the_user_and_a_tag_within_aws_limits() {
        let name = session_name("richard");
        assert!(name.starts_with("richard-"), "{name}");
        assert_ne!(name, session_name("richard"), "the tag differs");
        for user in ["", "ünïcode", &"x".repeat(200), "a b/c"] {
            let name = session_name(user);
            assert!(rolecall_core::domain::names::check_session_word(&name).is_ok(), "{name}");
        }
    }
}
