//! What is read of IAM where something is wrong: a role, what a principal's policies say, one of them.
//!
//! Whoever asks often may not: a refusal is an answer like any other. Documents come percent-encoded (IAM API Reference,
//! GetRole: "compliant with RFC 3986").

use super::{Iam, signed_by};
use crate::aws::clients::secrets;
use crate::aws::errors::{self, Call, MalformedResponse};
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use rolecall_core::domain::arn::{Partition, RoleArn};
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Signer;
use rolecall_ports::{Retryability, RoleRead, Simulated, TokenError};
use std::sync::Arc;
use std::time::Duration;

/// No document of IAM's is longer (IAM quotas: 10,240 characters for the inline policies of a role, without white space).
const DOCUMENT_MAX: usize = 64 * 1024;

impl Iam {
    /// Reads a role.
    pub(crate) async fn read_role(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        role: &RoleArn,
    ) -> Result<RoleRead, TokenError> {
        let reached = self.clients.reach(aws, role.partition().default_region()).await?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::Look(role.as_str()), signer, &secrets);
        let sent = reached
            .client
            .get_role()
            .role_name(role.name())
            .customize()
            .interceptor(self.probe())
            .config_override(signed_by(signer))
            .send();
        let output = self.clients.answer(&reached, &asked, sent).await?;
        let odd = |what| errors::malformed_response(MalformedResponse(what, Retryability::Transient), None, &asked);
        let read = output.role.ok_or_else(|| odd("has no role"))?;
        let trust = read.assume_role_policy_document.as_deref().and_then(decoded);
        let trust = trust.ok_or_else(|| odd("has no trust policy"))?;
        let seconds = read.max_session_duration.and_then(|seconds| u64::try_from(seconds).ok());
        Ok(RoleRead { arn: read.arn, trust, max_session: seconds.map(Duration::from_secs) })
    }

    /// Asks the simulator.
    pub(crate) async fn simulate(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        principal: &str,
        role: &RoleArn,
        with_mfa: bool,
    ) -> Result<Simulated, TokenError> {
        let reached = self.clients.reach(aws, role.partition().default_region()).await?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::Look(principal), signer, &secrets);
        let mfa = ContextEntry::builder()
            .context_key_name("aws:MultiFactorAuthPresent")
            .context_key_type(ContextKeyTypeEnum::Boolean)
            .context_key_values("true")
            .build();
        let sent = reached
            .client
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .action_names("sts:AssumeRole")
            .resource_arns(role.as_str())
            .set_context_entries(with_mfa.then(|| vec![mfa]))
            .customize()
            .interceptor(self.probe())
            .config_override(signed_by(signer))
            .send();
        let output = self.clients.answer(&reached, &asked, sent).await?;
        let evaluations = output.evaluation_results.unwrap_or_default();
        let Some(result) = evaluations.first() else {
            return Err(errors::malformed_response(
                MalformedResponse("has no result", Retryability::Transient),
                None,
                &asked,
            ));
        };
        Ok(match result.eval_decision() {
            PolicyEvaluationDecisionType::Allowed => Simulated::Allowed,
            PolicyEvaluationDecisionType::ExplicitDeny => {
                let policy = result.matched_statements().iter().find_map(|statement| statement.source_policy_id());
                Simulated::Denied(policy.map(str::to_owned))
            }
            PolicyEvaluationDecisionType::ImplicitDeny => Simulated::NotAllowed,
            _ => {
                return Err(errors::malformed_response(
                    MalformedResponse("has a result of an unknown kind", Retryability::Transient),
                    None,
                    &asked,
                ));
            }
        })
    }

    /// Reads an inline policy.
    pub(crate) async fn read_inline_policy(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        principal: &str,
        policy: &str,
    ) -> Result<String, TokenError> {
        let partition = principal.split(':').nth(1).unwrap_or_default();
        let region = Partition::of_id(partition).unwrap_or(Partition::Aws).default_region();
        let reached = self.clients.reach(aws, region).await?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::Look(principal), signer, &secrets);
        let name = principal.rsplit('/').next().unwrap_or_default();
        let document = if principal.contains(":role/") {
            let call = reached.client.get_role_policy().role_name(name).policy_name(policy).customize();
            let sent = call.interceptor(self.probe()).config_override(signed_by(signer)).send();
            self.clients.answer(&reached, &asked, sent).await?.policy_document
        } else {
            let call = reached.client.get_user_policy().user_name(name).policy_name(policy).customize();
            let sent = call.interceptor(self.probe()).config_override(signed_by(signer)).send();
            self.clients.answer(&reached, &asked, sent).await?.policy_document
        };
        decoded(&document).ok_or_else(|| {
            errors::malformed_response(MalformedResponse("has no policy", Retryability::Transient), None, &asked)
        })
    }
}

/// Undoes the percent-encoding; nothing where it is none, or too long.
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
    fn a_document_comes_out_as_it_was_written_or_not_at_all() {
        assert_eq!(decoded("%7B%22a%22%3A%20%22b+c%22%7D").as_deref(), Some(r#"{"a": "b+c"}"#));
        for broken in ["%", "%7", "%zz", "%ff"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }
}
