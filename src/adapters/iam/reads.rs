//! What `doctor` reads in IAM: a role, what the policies of a principal allow, one policy.
//!
//! Users often may not make these calls: a refusal is an answer like any other. Documents are percent-encoded (IAM API
//! Reference, GetRole: "compliant with RFC 3986").

use super::{Iam, send};
use crate::aws::errors::Call;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use rolecall_core::domain::arn::{Partition, RoleArn};
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Signer;
use rolecall_ports::{RoleRead, Simulated, TokenError};
use std::sync::Arc;
use std::time::Duration;

/// No document of IAM is longer (IAM quotas: 10,240 characters for the inline policies of a role, without white space).
const DOCUMENT_MAX: usize = 64 * 1024;

impl Iam {
    /// Reads a role.
    pub(crate) async fn read_role(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        role: &RoleArn,
    ) -> Result<RoleRead, TokenError> {
        let to = self.request(aws, role.partition(), signer, Call::Look(role.as_str())).await?;
        let output = send!(to, |c| c.get_role().role_name(role.name()));
        let read = output.role.ok_or_else(|| to.malformed("has no role", None))?;
        let trust = read.assume_role_policy_document.as_deref().and_then(decoded);
        let trust = trust.ok_or_else(|| to.malformed("has no trust policy", None))?;
        let seconds = read.max_session_duration.and_then(|seconds| u64::try_from(seconds).ok());
        Ok(RoleRead { arn: read.arn, trust, max_session: seconds.map(Duration::from_secs) })
    }

    /// Asks the policy simulator whether a principal may assume a role.
    pub(crate) async fn simulate(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        principal: &str,
        role: &RoleArn,
        with_mfa: bool,
    ) -> Result<Simulated, TokenError> {
        let to = self.request(aws, role.partition(), signer, Call::Look(principal)).await?;
        let mfa = ContextEntry::builder()
            .context_key_name("aws:MultiFactorAuthPresent")
            .context_key_type(ContextKeyTypeEnum::Boolean)
            .context_key_values("true")
            .build();
        let output = send!(to, |c| {
            let c = c.simulate_principal_policy().policy_source_arn(principal).action_names("sts:AssumeRole");
            c.resource_arns(role.as_str()).set_context_entries(with_mfa.then(|| vec![mfa]))
        });
        let evaluations = output.evaluation_results.unwrap_or_default();
        let result = evaluations.first().ok_or_else(|| to.malformed("has no result", None))?;
        match result.eval_decision() {
            PolicyEvaluationDecisionType::Allowed => Ok(Simulated::Allowed),
            PolicyEvaluationDecisionType::ExplicitDeny => {
                let policy = result.matched_statements().iter().find_map(|statement| statement.source_policy_id());
                Ok(Simulated::Denied(policy.map(str::to_owned)))
            }
            PolicyEvaluationDecisionType::ImplicitDeny => Ok(Simulated::NotAllowed),
            _ => Err(to.malformed("has a result of an unknown kind", None)),
        }
    }

    /// Reads an inline policy of a user or role.
    pub(crate) async fn read_inline_policy(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        principal: &str,
        policy: &str,
    ) -> Result<String, TokenError> {
        let partition = principal.split(':').nth(1).and_then(Partition::of_id).unwrap_or(Partition::Aws);
        let to = self.request(aws, partition, signer, Call::Look(principal)).await?;
        let name = principal.rsplit('/').next().unwrap_or_default();
        let document = if principal.contains(":role/") {
            send!(to, |c| c.get_role_policy().role_name(name).policy_name(policy)).policy_document
        } else {
            send!(to, |c| c.get_user_policy().user_name(name).policy_name(policy)).policy_document
        };
        decoded(&document).ok_or_else(|| to.malformed("has no policy", None))
    }
}

/// Decodes a percent-encoded document. Returns `None` if the encoding is invalid or the document is too long.
fn decoded(text: &str) -> Option<String> {
    if text.len() > DOCUMENT_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn an_invalid_encoding_is_no_document() {
        assert_eq!(decoded("%7B%22a%22%3A%20%22b+c%22%7D").as_deref(), Some(r#"{"a": "b+c"}"#));
        for broken in ["%", "%7", "%zz", "%ff"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }
}
