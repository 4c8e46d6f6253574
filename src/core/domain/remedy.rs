//! What helps against an AWS error, if the hint must name an identity or a caller of the configuration.
//!
//! The code that reads an AWS error knows keys and ARNs. The names are known where the error is shown.

use super::arn::RoleArn;
use super::source::Source;

/// Who made a call that AWS rejected, as the configuration names it.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'a> {
    /// The identity at the start of the chain.
    pub identity: &'a str,
    /// Where its credentials come from; `None` if its key is in the vault.
    pub source: Option<&'a Source>,
    /// The role whose session signed; `None` for the first call of a chain.
    pub role: Option<&'a RoleArn>,
}

impl<'a> Principal<'a> {
    /// Returns an identity whose key in the vault signed.
    pub fn of_key(identity: &'a str) -> Self {
        Self { identity, source: None, role: None }
    }
}

/// The remedy of an AWS error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// AWS does not know the access key.
    UnknownKey {
        /// The Region of the call, if an account must enable it before it can be used.
        opt_in_region: Option<String>,
    },
    /// The secret does not belong to the access key.
    WrongSecret,
    /// AssumeRole was denied.
    AssumeDenied {
        /// The role of the call.
        role: RoleArn,
        /// Whether a statement denies it, and not only none allows it.
        is_explicit: bool,
    },
}

impl Remedy {
    /// Returns the hint.
    pub fn hint(&self, principal: &Principal<'_>) -> String {
        let Principal { identity, source, role: assumed } = *principal;
        let caller = || assumed.map_or_else(|| format!("the user of identity `{identity}`"), RoleArn::to_string);
        match (self, source) {
            (Self::UnknownKey { .. }, Some(source)) => {
                format!("the key that {source} gives may be deleted, inactive or of another partition")
            }
            (Self::UnknownKey { opt_in_region }, None) => {
                let region = opt_in_region.as_ref();
                let region = region.map(|region| format!(", or its account has not enabled {region}"));
                format!(
                    "possible causes: the key was deleted or is inactive, it belongs to another partition{}; \
                     `rolecall doctor {identity}` finds out",
                    region.unwrap_or_default()
                )
            }
            (Self::WrongSecret, Some(source)) => {
                format!("correct the key that {source} gives: AWS does not know it as it is")
            }
            (Self::WrongSecret, None) => format!(
                "the stored secret does not belong to the key id: \
                 store both again with `rolecall identity add {identity} --replace`"
            ),
            (Self::AssumeDenied { role, is_explicit: true }, _) => format!(
                "a policy denies it outright: look at the policies of {} and at {}",
                caller(),
                role.trust_policy_command()
            ),
            // AWS returns the same error if the role does not exist, does not trust the caller, requires MFA or an external
            // ID, or if no policy of the caller allows the call.
            (Self::AssumeDenied { role, is_explicit: false }, _) => format!(
                "the role's trust policy must name {caller}, with `external_id` and `mfa` as they are set: {}; \
                 and a policy of {caller} must allow sts:AssumeRole on it",
                role.trust_policy_command(),
                caller = caller(),
            ),
        }
    }
}
