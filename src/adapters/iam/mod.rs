//! AWS Identity and Access Management: how a call is sent, and the `AccessKeys` port, the access keys of one user.
//!
//! Each function makes one call. The order of calls, the vault and the names of identities belong to the callers. Nothing is
//! read from the environment or from the AWS files.

mod accounts;
mod changes;
mod reads;

use super::aws::clients::{Clients, Connection, credentials, in_time, secrets};
use super::aws::endpoint::Endpoint;
use super::aws::errors::{self, Call, CallContext, MalformedResponse};
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

/// A user has at most two keys. A much longer list is not one of IAM.
const KEYS_MAX: usize = 100;

/// IAM over the network.
pub(super) struct Iam {
    clients: Clients<Client>,
}

impl Iam {
    /// Creates an instance without connections.
    pub(super) fn new(clock: Arc<dyn Clock>, passwords: Passwords) -> Self {
        let place = |aws: &AwsSettings, region: &str| {
            // A partition has one host, and one Region for signatures.
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

    /// Prepares a call to the IAM of a partition.
    async fn request<'a>(
        &'a self,
        aws: &Arc<AwsSettings>,
        partition: Partition,
        signer: &'a Signer,
        call: Call<'a>,
    ) -> Result<Request<'a>, TokenError> {
        let connection = self.clients.reach(aws, partition.default_region()).await?;
        let observer = ResponseInterceptor::new(Arc::clone(self.clients.clock()));
        let (secrets, is_once, is_whole) = (secrets(signer, None), false, false);
        Ok(Request { iam: self, connection, signer, call, secrets, is_once, is_whole, observer })
    }
}

/// A call that is ready to be sent with [`send!`].
struct Request<'a> {
    iam: &'a Iam,
    connection: Arc<Connection<Client>>,
    signer: &'a Signer,
    call: Call<'a>,
    /// What errors must not contain.
    secrets: Vec<&'a str>,
    /// Whether the SDK must not repeat it: a call whose answer is lost may have created something.
    is_once: bool,
    /// Whether an incomplete answer is an error.
    is_whole: bool,
    observer: ResponseInterceptor,
}

impl Request<'_> {
    /// Returns the credentials of this call and its limit of tries.
    fn config(&self) -> Builder {
        let config = Config::builder().identity_cache(IdentityCache::no_cache());
        let config = config.credentials_provider(credentials(self.signer));
        if self.is_once { config.retry_config(RetryConfig::disabled()) } else { config }
    }

    fn context(&self) -> CallContext<'_> {
        self.connection.asked(self.call, self.signer, &self.secrets)
    }

    fn malformed(&self, what: &'static str, request_id: Option<&str>) -> TokenError {
        let malformed = MalformedResponse(what, Retryability::Transient);
        errors::malformed_response(malformed, request_id.map(str::to_owned), &self.context())
    }
}

/// Sends one request of the SDK and returns its answer. The SDK has no public trait for this.
macro_rules! send {
    ($to:expr, |$client:ident| $request:expr) => {{
        let $client = &$to.connection.client;
        let request = $request.customize().interceptor($to.observer.clone());
        let sent = request.config_override($to.config()).send();
        let output = $to.iam.clients.answer(&$to.connection, &$to.context(), sent).await?;
        if $to.is_whole && !$to.observer.whole() {
            return Err($to.malformed("ends too early", aws_sdk_iam::operation::RequestId::request_id(&output)));
        }
        output
    }};
}
use send;

/// Creates an access key. `incomplete` is what the error says of an incomplete answer.
async fn create_key(mut to: Request<'_>, user: &str, incomplete: &'static str) -> Result<NewKey, TokenError> {
    (to.is_once, to.is_whole) = (true, false);
    let output = send!(to, |c| c.create_access_key().user_name(user));
    let request_id = output.request_id().map(str::to_owned);
    let malformed = |what| to.malformed(what, request_id.as_deref());
    let made = output.access_key.ok_or_else(|| malformed("has no access key"))?;
    let key = AccessKey { id: made.access_key_id, secret: SecretKey::new(made.secret_access_key) };
    if !to.observer.whole() {
        return Err(malformed(incomplete));
    }
    if key.check().is_err() || made.user_name != user {
        return Err(malformed("is not a key of this user"));
    }
    Ok(NewKey { key, created: made.create_date.and_then(time) })
}

/// Lists the access keys of a user. A key that is missing in an incomplete list would be taken for deleted.
async fn list_keys(mut to: Request<'_>, user: &str) -> Result<Listing, TokenError> {
    to.is_whole = true;
    let output = send!(to, |c| c.list_access_keys().user_name(user));
    let request_id = output.request_id().map(str::to_owned);
    let malformed = |what| to.malformed(what, request_id.as_deref());
    let listed = output.access_key_metadata;
    if output.is_truncated || listed.len() > KEYS_MAX {
        return Err(malformed("has more keys than a user can have"));
    }
    let mut keys = Vec::with_capacity(listed.len());
    for key in listed {
        let id = key.access_key_id.filter(|id| is_key_id(id)).ok_or_else(|| malformed("has no access key id"))?;
        // A key with an unknown status may still be in use.
        let active = key.status != Some(StatusType::Inactive);
        keys.push(ListedKey { id, active, created: key.create_date.and_then(time) });
    }
    let now = to.iam.clients.clock().now().wall.checked_add_signed(to.observer.skew()).unwrap_or_default();
    Ok(Listing { keys, now })
}

impl fmt::Debug for Iam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iam").field("clients", &self.clients.count()).finish()
    }
}

#[async_trait]
impl AccessKeys for Iam {
    async fn create(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser) -> Result<NewKey, TokenError> {
        let call = Call::CreateAccessKey(user.name());
        let created = async {
            create_key(self.request(aws, user.partition(), signer, call).await?, user.name(), "ends too early").await
        };
        in_time(call, "", created).await
    }

    async fn list(&self, aws: &Arc<AwsSettings>, signer: &Signer, user: &IamUser) -> Result<Listing, TokenError> {
        let call = Call::ListAccessKeys(user.name());
        let listed = async { list_keys(self.request(aws, user.partition(), signer, call).await?, user.name()).await };
        in_time(call, "", listed).await
    }

    async fn deactivate(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        user: &IamUser,
        id: &str,
    ) -> Result<(), TokenError> {
        let call = Call::UpdateAccessKey(id);
        let deactivated = async {
            let to = self.request(aws, user.partition(), signer, call).await?;
            send!(to, |c| {
                c.update_access_key().user_name(user.name()).access_key_id(id).status(StatusType::Inactive)
            });
            Ok(())
        };
        in_time(call, "", deactivated).await
    }

    async fn delete(
        &self,
        aws: &Arc<AwsSettings>,
        signer: &Signer,
        user: &IamUser,
        id: &str,
    ) -> Result<(), TokenError> {
        let call = Call::DeleteAccessKey(id);
        let deleted = async {
            let to = self.request(aws, user.partition(), signer, call).await?;
            send!(to, |c| c.delete_access_key().user_name(user.name()).access_key_id(id));
            Ok(())
        };
        in_time(call, "", deleted).await
    }
}

fn is_key_id(id: &str) -> bool {
    (16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn time(date: aws_sdk_iam::primitives::DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(date.secs(), 0)
}

#[cfg(test)]
mod tests;
