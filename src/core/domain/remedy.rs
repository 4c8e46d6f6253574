//! What helps against an AWS error, if the hint must name an identity or a caller of the configuration.
//!
//! The code that reads an AWS error knows keys and ARNs. The names are known where the error is shown.

use super::arn::RoleArn;

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
    ///
    /// `identity` is the name of the identity whose key signed. `caller` describes the principal of an AssumeRole call.
    pub fn hint(&self, identity: &str, caller: &str) -> String {
        match self {
            Self::UnknownKey { opt_in_region } => {
                let region = opt_in_region.as_ref();
                let region = region.map(|region| format!(", or its account has not enabled {region}"));
                format!(
                    "possible causes: the key was deleted or is inactive, it belongs to another partition{}; \
                     `rolecall doctor {identity}` finds out",
                    region.unwrap_or_default()
                )
            }
            Self::WrongSecret => format!(
                "the stored secret does not belong to the key id: \
                 store both again with `rolecall identity add {identity} --replace`"
            ),
            Self::AssumeDenied { role, is_explicit: true } => format!(
                "a policy denies it outright: look at the policies of {caller} and at {}",
                role.trust_policy_command()
            ),
            // AWS says the same whether the role is missing, does not trust us, wants MFA or an external id, or our own
            // policy is silent.
            Self::AssumeDenied { role, is_explicit: false } => format!(
                "the role's trust policy must name {caller}, with `external_id` and `mfa` as they are set: {}; \
                 and a policy of {caller} must allow sts:AssumeRole on it",
                role.trust_policy_command()
            ),
        }
    }
}
