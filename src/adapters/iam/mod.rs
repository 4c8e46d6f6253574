//! AWS's Identity and Access Management behind the `AccessKeys` port: the long-term keys of one user.
//!
//! It knows one call at a time: no order of steps, no vault, no names of identities. Nothing comes from the environment
//! or from AWS's own files.

mod accounts;
mod changes;
mod reads;

use super::aws::clients::{Clients, Connection, credentials, in_time, secrets};
use super::aws::endpoint::Endpoint;
use super::aws::errors::{self, Call, MalformedResponse};
use super::aws::proxy::Passwords;
use super::aws::response_interceptor::ResponseInterceptor;
use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{Builder, Config, IdentityCache};
use aws_sdk_iam::operation::RequestId;
use aws_sdk_iam::types::StatusType;
use chrono::{DateTime, Utc};
use rolecall_core::domain::arn::{IamUser, Partition};
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::{AccessKey, Signer};
use rolecall_core::domain::secret::SecretKey;
use rolecall_ports::{AccessKeys, Clock, ListedKey, Listing, NewKey, Retryability, TokenError};
use std::fmt;
use std::sync::Arc;

/// A user has two keys at most; what is far beyond is no list of IAM's.
const KEYS_MAX: usize = 100;

/// IAM over the network.
pub(super) struct Iam {
    clients: Clients<Client>,
}

impl Iam {
    /// Makes one that has no connections yet.
    pub(super) fn new(clock: Arc<dyn Clock>, passwords: Passwords) -> Self {
        let place = |aws: &AwsSettings, region: &str| {
            // One host for a whole partition, and one region that its signatures name.
            Ok((Endpoint::iam(aws, region)?, Partition::of_region(region).default_region().to_owned()))
        };
        let make = |config: &aws_types::SdkConfig, classifier| {
            Client::from_conf(Builder::from(config).retry_classifier(classifier).build())
        };
        Self { clients: Clients::new(clock, passwords, place, make) }
    }

    /// Creates one that sends nothing and reads a prepared answer.
    #[cfg(fuzzing)]
    pub(super) fn canned(clock: Arc<dyn Clock>) -> Self {
        let place = |aws: &AwsSettings, region: &str| Ok((Endpoint::iam(aws, region)?, region.to_owned()));
        let make = |config: &aws_types::SdkConfig, _| {
            let config = Builder::from(config).retry_config(RetryConfig::disabled());
            Client::from_conf(config.http_client(super::aws::canned::client()).build())
        };
        Self { clients: Clients::new(clock, super::aws::proxy::Passwords::default(), place, make) }
    }

    /// Drops every connection.
    pub(super) fn close(&self) {
        self.clients.close();
    }

    async fn reach(&self, aws: &Arc<AwsSettings>, user: &IamUser) -> Result<Arc<Connection<Client>>, TokenError> {
        self.clients.reach(aws, user.partition().default_region()).await
    }

    fn probe(&self) -> ResponseInterceptor {
        ResponseInterceptor::new(Arc::clone(self.clients.clock()))
    }

    async fn make(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser) -> Result<NewKey, TokenError> {
        let reached = self.reach(aws, user).await?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::CreateAccessKey(user.name()), signer, &secrets);
        let probe = self.probe();
        let sent = reached
            .client
            .create_access_key()
            .user_name(user.name())
            .customize()
            .interceptor(probe.clone())
            // A try whose answer is lost may have made a key: whether to try again is not for the SDK to decide.
            .config_override(signed_by(signer).retry_config(RetryConfig::disabled()))
            .send();
        let output = self.clients.answer(&reached, &asked, sent).await?;
        let request_id = output.request_id().map(str::to_owned);
        let odd = |what| {
            errors::malformed_response(MalformedResponse(what, Retryability::Transient), request_id.clone(), &asked)
        };
        let made = output.access_key.ok_or_else(|| odd("has no access key"))?;
        let key = AccessKey { id: made.access_key_id, secret: SecretKey::new(made.secret_access_key) };
        if !probe.whole() {
            return Err(odd("ends too early"));
        }
        if key.check().is_err() || made.user_name != user.name() {
            return Err(odd("is not a key of this user"));
        }
        Ok(NewKey { key, created: made.create_date.and_then(time) })
    }

    async fn look(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser) -> Result<Listing, TokenError> {
        let reached = self.reach(aws, user).await?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::ListAccessKeys(user.name()), signer, &secrets);
        let probe = self.probe();
        let sent = reached
            .client
            .list_access_keys()
            .user_name(user.name())
            .customize()
            .interceptor(probe.clone())
            .config_override(signed_by(signer))
            .send();
        let output = self.clients.answer(&reached, &asked, sent).await?;
        let request_id = output.request_id().map(str::to_owned);
        let odd = |what| {
            errors::malformed_response(MalformedResponse(what, Retryability::Transient), request_id.clone(), &asked)
        };
        // What is not in a list that broke off would be taken for gone.
        if !probe.whole() {
            return Err(odd("ends too early"));
        }
        let listed = output.access_key_metadata;
        if output.is_truncated || listed.len() > KEYS_MAX {
            return Err(odd("has more keys than a user can have"));
        }
        let mut keys = Vec::with_capacity(listed.len());
        for key in listed {
            let id = key.access_key_id.filter(|id| is_key_id(id)).ok_or_else(|| odd("has no access key id"))?;
            // A status that is not known is not one that is switched off.
            let active = key.status != Some(StatusType::Inactive);
            keys.push(ListedKey { id, active, created: key.create_date.and_then(time) });
        }
        let now = self.clients.clock().now().wall.checked_add_signed(probe.skew()).unwrap_or_default();
        Ok(Listing { keys, now })
    }

    async fn switch_off(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        user: &IamUser,
        id: &str,
    ) -> Result<(), TokenError> {
        let reached = self.reach(aws, user).await?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::UpdateAccessKey(id), signer, &secrets);
        let sent = reached
            .client
            .update_access_key()
            .user_name(user.name())
            .access_key_id(id)
            .status(StatusType::Inactive)
            .customize()
            .interceptor(self.probe())
            .config_override(signed_by(signer))
            .send();
        self.clients.answer(&reached, &asked, sent).await.map(drop)
    }

    async fn remove(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        user: &IamUser,
        id: &str,
    ) -> Result<(), TokenError> {
        let reached = self.reach(aws, user).await?;
        let secrets = secrets(signer, None);
        let asked = reached.asked(Call::DeleteAccessKey(id), signer, &secrets);
        let sent = reached
            .client
            .delete_access_key()
            .user_name(user.name())
            .access_key_id(id)
            .customize()
            .interceptor(self.probe())
            .config_override(signed_by(signer))
            .send();
        self.clients.answer(&reached, &asked, sent).await.map(drop)
    }
}

impl fmt::Debug for Iam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iam").field("clients", &self.clients.count()).finish()
    }
}

#[async_trait]
impl AccessKeys for Iam {
    async fn create(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser) -> Result<NewKey, TokenError> {
        in_time(Call::CreateAccessKey(user.name()), "", self.make(aws, signer, user)).await
    }

    async fn list(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser) -> Result<Listing, TokenError> {
        in_time(Call::ListAccessKeys(user.name()), "", self.look(aws, signer, user)).await
    }

    async fn deactivate(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        user: &IamUser,
        id: &str,
    ) -> Result<(), TokenError> {
        in_time(Call::UpdateAccessKey(id), "", self.switch_off(aws, signer, user, id)).await
    }

    async fn delete(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        user: &IamUser,
        id: &str,
    ) -> Result<(), TokenError> {
        in_time(Call::DeleteAccessKey(id), "", self.remove(aws, signer, user, id)).await
    }
}

/// The credentials of this one call.
fn signed_by(signer: &Signer) -> Builder {
    Config::builder().identity_cache(IdentityCache::no_cache()).credentials_provider(credentials(signer))
}

fn is_key_id(id: &str) -> bool {
    (16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn time(date: aws_sdk_iam::primitives::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(date.secs(), 0)
}

#[cfg(test)]
mod tests;
