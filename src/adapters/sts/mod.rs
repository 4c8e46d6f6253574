//! AWS's Security Token Service behind the `TokenService` port.
//!
//! It knows one call at a time: no caches of sessions, no names of identities, no prompts. Nothing comes from the
//! environment or from AWS's own files; the call's credentials are given with each call and forgotten with it.

mod answer;
mod diagnostics;
#[cfg(fuzzing)]
pub mod fuzzing;

use super::aws::clients::{Clients, credentials, in_time, secrets};
use super::aws::endpoint::Endpoint;
use super::aws::errors::{self, Call, CallContext, MalformedResponse};
use super::aws::failure::{Class, Failure};
use super::aws::proxy::Passwords;
use super::aws::response_interceptor::ResponseInterceptor;
use super::iam::Iam;
use super::signin::Signin;
use super::sources::{Sources, StartupEnv};
use answer::{Answer, Expected};
use async_trait::async_trait;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::{Builder, Config, IdentityCache};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use chrono::DateTime;
use rolecall_core::domain::arn::RoleArn;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{AccessKey, Signer};
use rolecall_core::domain::plan::{AssumeRole, SessionTokenCall};
use rolecall_core::domain::secret::{MfaCode, SecretKey, SessionToken, WebToken};
use rolecall_core::domain::source::WebIdentity;
use rolecall_ports::{
    self as ports, AccessKeys, CallerIdentity, Clock, Federation, Issued, Retryability, TokenError, TokenService, Vault,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// STS over the network; beside it IAM for the keys that sign, the console's sign-in, and the sources of those who have no
/// key.
pub struct Sts {
    clients: Clients<Client>,
    pub(super) iam: Iam,
    signin: Signin,
    sources: Sources,
    pub(super) passwords: Passwords,
}

impl Sts {
    /// Makes one that has no connections yet, with what the agent's environment says now; without a vault, no password is
    /// known of a proxy.
    pub fn new(clock: Arc<dyn Clock>, ambient: StartupEnv, vault: Option<Arc<dyn Vault>>) -> Self {
        let passwords = vault.map(Passwords::of_vault).unwrap_or_default();
        let place = |aws: &AwsSettings, region: &str| Ok((Endpoint::sts(aws, region)?, region.to_owned()));
        let clients = Clients::new(Arc::clone(&clock), passwords.clone(), place, |config, classifier| {
            Client::from_conf(Builder::from(config).retry_classifier(classifier).build())
        });
        let (iam, signin) = (Iam::new(Arc::clone(&clock), passwords.clone()), Signin(passwords.clone()));
        Self { clients, iam, signin, sources: Sources::new(clock, ambient), passwords }
    }

    fn probe(&self) -> ResponseInterceptor {
        ResponseInterceptor::new(Arc::clone(self.clients.clock()))
    }

    /// Checks what was issued.
    fn issue(
        &self,
        answer: Answer,
        role: Option<(&RoleArn, &str)>,
        duration: Duration,
        probe: &ResponseInterceptor,
        (request_id, asked): (Option<String>, &CallContext<'_>),
    ) -> Result<Issued, TokenError> {
        let (arn, skew) = (answer.arn.clone(), probe.skew());
        let now = self.clients.clock().now().wall.checked_add_signed(skew).unwrap_or_default();
        if !probe.whole() {
            return Err(errors::malformed_response(
                MalformedResponse("ends too early", Retryability::Transient),
                request_id,
                asked,
            ));
        }
        match answer::check(answer, &Expected { role, duration, now }) {
            Ok(session) => Ok(Issued { session, arn, skew, request_id }),
            Err(odd) => Err(errors::malformed_response(odd, request_id, asked)),
        }
    }

    /// Asks whose credentials sign.
    pub(super) async fn identify(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        region: &str,
    ) -> Result<CallerIdentity, TokenError> {
        let reached = self.clients.reach(aws, region).await?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::CallerIdentity, signer, &secrets);
        let sent = reached
            .client
            .get_caller_identity()
            .customize()
            .interceptor(self.probe())
            .config_override(signed_by(signer))
            .send();
        let output = self.clients.answer(&reached, &asked, sent).await?;
        let request_id = output.request_id().map(str::to_owned);
        diagnostics::identity(output.account, output.arn, output.user_id).ok_or_else(|| {
            errors::malformed_response(
                MalformedResponse("does not say who it is", Retryability::Transient),
                request_id,
                &asked,
            )
        })
    }
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sts").field("clients", &self.clients.count()).field("iam", &self.iam).finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenService for Sts {
    fn close(&self) {
        self.clients.close();
        self.iam.close();
    }

    async fn assume_role(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        call: &AssumeRole,
        session_name: &str,
        code: Option<&MfaCode>,
    ) -> Result<Issued, TokenError> {
        in_time(Call::AssumeRole(&call.role_arn), "", async {
            let reached = self.clients.reach(aws, &call.region).await?;
            let secrets = secrets(signer, code);
            let asked = reached.asked(Call::AssumeRole(&call.role_arn), signer, &secrets);
            let probe = self.probe();
            let list = |items: &[String]| (!items.is_empty()).then(|| items.to_vec());
            let mut tags = Vec::with_capacity(call.tags.len());
            for (key, value) in &call.tags {
                tags.push(Tag::builder().key(key).value(value).build().map_err(|_| errors::classify(&UNSENT, &asked))?);
            }
            let policies: Vec<_> =
                call.policy_arns.iter().map(|a| PolicyDescriptorType::builder().arn(a).build()).collect();
            let sent = reached
                .client
                .assume_role()
                .role_arn(call.role_arn.as_str())
                .role_session_name(session_name)
                .duration_seconds(seconds(call.duration))
                .set_external_id(call.external_id.clone())
                .set_source_identity(call.source_identity.clone())
                .set_tags((!tags.is_empty()).then_some(tags))
                .set_transitive_tag_keys(list(&call.transitive_tag_keys))
                .set_policy(call.policy.clone())
                .set_policy_arns((!policies.is_empty()).then_some(policies))
                .set_serial_number(call.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()))
                .set_token_code(code.map(|code| code.expose().to_owned()))
                .customize()
                .interceptor(probe.clone())
                .config_override(signed_by(signer))
                .send();
            let output = self.clients.answer(&reached, &asked, sent).await?;
            let request_id = output.request_id().map(str::to_owned);
            let arn = output.assumed_role_user.map(|user| user.arn);
            let answer = taken(output.credentials, arn);
            self.issue(answer, Some((&call.role_arn, session_name)), call.duration, &probe, (request_id, &asked))
        })
        .await
    }

    async fn session_token(
        &self,
        aws: &Arc<AwsSettings>,
        key: &AccessKey,
        call: &SessionTokenCall,
        code: Option<&MfaCode>,
    ) -> Result<Issued, TokenError> {
        in_time(Call::SessionToken, &key.id, async {
            let reached = self.clients.reach(aws, &call.region).await?;
            let signer = Signer::Key(key.clone());
            let secrets = secrets(&signer, code);
            let asked = reached.asked(Call::SessionToken, &signer, &secrets);
            let probe = self.probe();
            let sent = reached
                .client
                .get_session_token()
                .duration_seconds(seconds(call.duration))
                .set_serial_number(call.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()))
                .set_token_code(code.map(|code| code.expose().to_owned()))
                .customize()
                .interceptor(probe.clone())
                .config_override(signed_by(&signer))
                .send();
            let output = self.clients.answer(&reached, &asked, sent).await?;
            let request_id = output.request_id().map(str::to_owned);
            self.issue(taken(output.credentials, None), None, call.duration, &probe, (request_id, &asked))
        })
        .await
    }

    async fn web_identity(
        &self,
        aws: &Arc<AwsSettings>,
        region: &str,
        call: &WebIdentity,
        session_name: &str,
        token: &WebToken,
    ) -> Result<Issued, TokenError> {
        in_time(Call::WebIdentity(&call.role_arn), "", async {
            let reached = self.clients.reach(aws, region).await?;
            let secrets = [token.expose()];
            let asked = reached.asked_unsigned(Call::WebIdentity(&call.role_arn), &secrets);
            let probe = self.probe();
            let sent = reached
                .client
                .assume_role_with_web_identity()
                .role_arn(call.role_arn.as_str())
                .role_session_name(session_name)
                .duration_seconds(seconds(call.duration))
                .web_identity_token(token.expose())
                .customize()
                .interceptor(probe.clone())
                .send();
            let output = self.clients.answer(&reached, &asked, sent).await?;
            let request_id = output.request_id().map(str::to_owned);
            let arn = output.assumed_role_user.map(|user| user.arn);
            let answer = taken(output.credentials, arn);
            self.issue(answer, Some((&call.role_arn, session_name)), call.duration, &probe, (request_id, &asked))
        })
        .await
    }

    async fn caller_identity(
        &self,
        aws: &Arc<AwsSettings>,
        key: &AccessKey,
        region: &str,
    ) -> Result<CallerIdentity, TokenError> {
        in_time(Call::CallerIdentity, &key.id, self.identify(aws, &Signer::Key(key.clone()), region)).await
    }

    fn access_keys(&self) -> &dyn AccessKeys {
        &self.iam
    }

    fn federation(&self) -> &dyn Federation {
        &self.signin
    }

    fn probes(&self) -> &dyn ports::Probes {
        self
    }

    fn sources(&self) -> &dyn ports::Sources {
        &self.sources
    }
}

const UNSENT: Failure = Failure::without_answer(Class::Unsent);

/// The credentials of this one call.
fn signed_by(signer: &Signer) -> Builder {
    Config::builder().identity_cache(IdentityCache::no_cache()).credentials_provider(credentials(signer))
}

/// STS's own limits are far below; a larger number is STS's to refuse.
fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn taken(credentials: Option<aws_sdk_sts::types::Credentials>, arn: Option<String>) -> Answer {
    match credentials {
        Some(c) => Answer {
            access_key_id: c.access_key_id,
            secret: SecretKey::new(c.secret_access_key),
            token: SessionToken::new(c.session_token),
            expiration: DateTime::from_timestamp(c.expiration.secs(), 0),
            arn,
        },
        None => Answer {
            access_key_id: String::new(),
            secret: SecretKey::new(String::new()),
            token: SessionToken::new(String::new()),
            expiration: None,
            arn,
        },
    }
}

#[cfg(test)]
mod tests;
