//! Looks at AWS behind the `Probes` port: who one is and what time it is there, one call to S3, and reads of IAM.
//!
//! They ride on the clients of the token service, with the same hosts, proxy, certificates and limits; a refusal is an
//! answer here, and told as one.

use super::Sts;
use crate::aws::clients::{in_time, secrets};
use crate::aws::errors::{self, Call, MalformedResponse};
use crate::aws::failure::{Class, Failure};
use crate::s3;
use async_trait::async_trait;
use aws_sdk_sts::operation::RequestId;
use chrono::TimeDelta;
use rolecall_core::domain::arn::{AccountId, RoleArn, account_of};
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{Session, Signer};
use rolecall_core::domain::diagnosis::key::Obstacle;
use rolecall_ports::{CallerIdentity, Probes, Retryability, RoleRead, ServiceCheck, Simulated, TokenError};
use std::sync::{Arc, Mutex};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

impl Sts {
    async fn look(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        region: &str,
        seen: &Mutex<(TimeDelta, Option<Obstacle>)>,
    ) -> Result<CallerIdentity, TokenError> {
        let note = |skew, obstacle| {
            if let Ok(mut seen) = seen.lock() {
                *seen = (skew, obstacle);
            }
        };
        // A deadline that strikes meanwhile is silence on the way.
        note(TimeDelta::zero(), Some(Obstacle::Way));
        let reached = self.clients.reach(aws, region).await.inspect_err(|_| note(TimeDelta::zero(), None))?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::CallerIdentity, signer, &secrets);
        let probe = self.probe();
        let sent = reached
            .client
            .get_caller_identity()
            .customize()
            .interceptor(probe.clone())
            .config_override(super::signed_by(signer))
            .send()
            .with_subscriber(NoSubscriber::default());
        let output = match sent.await {
            Ok(output) => output,
            Err(error) => {
                let failure = Failure::of(&error);
                note(probe.skew(), obstacle(&failure, asked.proxied));
                return Err(errors::classify(&failure, &asked));
            }
        };
        note(probe.skew(), None);
        let request_id = output.request_id().map(str::to_owned);
        identity(output.account, output.arn, output.user_id).ok_or_else(|| {
            note(probe.skew(), Some(Obstacle::Answer));
            errors::malformed_response(
                MalformedResponse("does not say who it is", Retryability::Transient),
                request_id,
                &asked,
            )
        })
    }
}

/// Returns the identity that an answer names, if the answer is complete and plausible.
pub(super) fn identity(
    account: Option<String>,
    arn: Option<String>,
    user_id: Option<String>,
) -> Option<CallerIdentity> {
    let sane = |text: Option<String>| text.filter(|t| !t.is_empty() && t.len() <= 2048 && super::answer::visible(t));
    let account = AccountId::new(&account?).ok()?;
    let (arn, user_id) = (sane(arn)?, sane(user_id)?);
    (account_of(&arn).as_ref() == Some(&account)).then_some(CallerIdentity { account, arn, user_id })
}

/// Returns what kept a call from AWS; `None` if AWS rejected it. On the way to a proxy, the proxy is the obstacle.
fn obstacle(failure: &Failure, proxied: bool) -> Option<Obstacle> {
    match failure.class {
        Class::Refused if failure.status.is_none_or(|status| status < 500) => None,
        Class::Refused | Class::Garbled | Class::TooLarge => Some(Obstacle::Answer),
        Class::Certificate | Class::Tls => Some(Obstacle::Certificate),
        Class::Proxy | Class::ProxyPassword => Some(Obstacle::Proxy),
        Class::Unsent => None,
        Class::Timeout
        | Class::ConnectTimeout
        | Class::Dns
        | Class::NoListener
        | Class::NoRoute
        | Class::Cut
        | Class::Network => Some(if proxied { Obstacle::Proxy } else { Obstacle::Way }),
    }
}

#[async_trait]
impl Probes for Sts {
    async fn who(&self, aws: &Arc<AwsSettings>, signer: &Signer, region: &str) -> ServiceCheck {
        let id = match signer {
            Signer::Key(key) => &key.id,
            Signer::Session(session) => &session.access_key_id,
        };
        let seen = Mutex::new((TimeDelta::zero(), None));
        let who = in_time(Call::CallerIdentity, id, self.look(aws, signer, region, &seen)).await;
        let (skew, obstacle) = seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        ServiceCheck { who, skew, obstacle }
    }

    async fn list_buckets(&self, aws: &Arc<AwsSettings>, session: &Session, region: &str) -> Result<(), TokenError> {
        let now = self.clients.clock().now().wall;
        in_time(Call::ListBuckets, &session.access_key_id, s3::list_buckets(&self.passwords, aws, session, region, now))
            .await
    }

    async fn role(&self, aws: &Arc<AwsSettings>, signer: &Signer, role: &RoleArn) -> Result<RoleRead, TokenError> {
        in_time(Call::Look(role.as_str()), "", self.iam.read_role(aws, signer, role)).await
    }

    async fn simulate(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        principal: &str,
        role: &RoleArn,
        with_mfa: bool,
    ) -> Result<Simulated, TokenError> {
        in_time(Call::Look(principal), "", self.iam.simulate(aws, signer, principal, role, with_mfa)).await
    }

    async fn inline_policy(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        principal: &str,
        policy: &str,
    ) -> Result<String, TokenError> {
        in_time(Call::Look(principal), "", self.iam.read_inline_policy(aws, signer, principal, policy)).await
    }
}
