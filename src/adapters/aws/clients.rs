//! The clients of one service: one per configuration and region, made when they are needed. No credentials.
//!
//! A client has its host, its connections, its limits of time and attempts, its clock. The SDK's crates each have a client
//! type of their own; what makes one is a function.

use super::connector;
use super::endpoint::Endpoint;
use super::errors::{self, Call, CallContext};
use super::failure::{Class, Failure};
use super::proxy::{Passwords, is_proxied};
use super::response_interceptor::ClockErrors;
use super::tls_roots;
use aws_credential_types::Credentials;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, IdentityCache, Region, StalledStreamProtectionConfig};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SdkConfig;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Signer;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::{MfaCode, SecretKey};
use rolecall_ports::{Clock, TokenError};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

/// The port's promise, reading of certificates included.
pub(crate) const WHOLE: Duration = Duration::from_secs(10);
/// One per region in use, and a few from before the last change of the configuration.
pub(crate) const CLIENTS: usize = 8;
/// All attempts together, as the SDK counts them.
const OPERATION: Duration = Duration::from_millis(9_500);
/// One attempt: two that hang still fit. A connection that died while the machine slept is found out this way.
const ATTEMPT: Duration = Duration::from_millis(4_500);
/// The one layer of retries; the agent adds none within a call.
const ATTEMPTS: u32 = 3;

/// Where a service is: its host for a region, and the region that its signatures name.
type EndpointOf = fn(&AwsSettings, &str) -> Result<(Endpoint, String), UserError>;

/// The clients of one service.
pub(crate) struct Clients<C> {
    clock: Arc<dyn Clock>,
    passwords: Passwords,
    place: EndpointOf,
    make: fn(&SdkConfig, ClockErrors) -> C,
    held: Mutex<Vec<Arc<Connection<C>>>>,
}

impl<C: Send + Sync + 'static> Clients<C> {
    /// Makes a pool that has no connections yet.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        passwords: Passwords,
        place: EndpointOf,
        make: fn(&SdkConfig, ClockErrors) -> C,
    ) -> Self {
        Self { clock, passwords, place, make, held: Mutex::default() }
    }

    /// Gives the client for these settings and this region.
    pub(crate) async fn reach(&self, aws: &Arc<AwsSettings>, region: &str) -> Result<Arc<Connection<C>>, TokenError> {
        if let Some(held) = self.find(aws, region) {
            return Ok(held);
        }
        let password = self.passwords.of(aws).await?;
        let (settings, asked, clock) = (Arc::clone(aws), region.to_owned(), Arc::clone(&self.clock));
        let (place, make) = (self.place, self.make);
        let job = move || Connection::new(settings, asked, clock, password.as_ref(), (place, make));
        let built = tls_roots::reading(aws.ca_bundle.as_deref(), job).await;
        let built = Arc::new(built.map_err(unsent)?);
        let mut clients = self.lock();
        // Another call may have been quicker.
        if let Some(held) = clients.iter().find(|held| held.serves(aws, region)) {
            return Ok(Arc::clone(held));
        }
        if clients.len() == CLIENTS {
            clients.remove(0);
        }
        clients.push(Arc::clone(&built));
        Ok(built)
    }

    fn find(&self, aws: &Arc<AwsSettings>, region: &str) -> Option<Arc<Connection<C>>> {
        self.lock().iter().find(|held| held.serves(aws, region)).cloned()
    }

    /// Forgets a client whose certificates or proxy password did not serve, so that corrected ones are read.
    fn forget(&self, reached: &Arc<Connection<C>>) {
        self.lock().retain(|held| !Arc::ptr_eq(held, reached));
    }

    /// Drops every client; a call that is under way keeps its own to its end.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Connection<C>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Gives the clock that they live by.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Waits for one call of the SDK and tells its failure.
    pub(crate) async fn answer<O, E>(
        &self,
        reached: &Arc<Connection<C>>,
        asked: &CallContext<'_>,
        sent: impl Future<Output = Result<O, SdkError<E, HttpResponse>>>,
    ) -> Result<O, TokenError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        // At its finer levels the SDK logs headers with the session token, and whole answers where a variable says so.
        let sent = sent.with_subscriber(NoSubscriber::default());
        let failure = match sent.await {
            Ok(output) => return Ok(output),
            Err(error) => Failure::of(&error),
        };
        if matches!(failure.class, Class::Certificate | Class::Tls | Class::ProxyPassword) {
            self.forget(reached);
        }
        Err(errors::classify(&failure, asked))
    }
}

/// A client for one region under one configuration.
pub(crate) struct Connection<C> {
    aws: Arc<AwsSettings>,
    region: String,
    endpoint: Endpoint,
    pub(crate) client: C,
}

impl<C> Connection<C> {
    /// Builds the client. Reads certificate files.
    fn new(
        aws: Arc<AwsSettings>,
        region: String,
        clock: Arc<dyn Clock>,
        password: Option<&SecretKey>,
        (place, make): (EndpointOf, fn(&SdkConfig, ClockErrors) -> C),
    ) -> Result<Self, UserError> {
        let (endpoint, signing_region) = place(&aws, &region)?;
        let limits = TimeoutConfig::builder()
            .connect_timeout(connector::CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(signing_region))
            .endpoint_url(&endpoint.url)
            .http_client(connector::client(&aws, &endpoint, password)?)
            .timeout_config(limits)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .time_source(WallClock(clock))
            .sleep_impl(TokioSleep::new())
            // It would keep the long-term key in memory for later calls.
            .identity_cache(IdentityCache::no_cache())
            // An answer is read whole within the time of its attempt; there is no stream to watch.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let client = make(&config, ClockErrors);
        Ok(Self { aws, region, endpoint, client })
    }

    /// Tells whether it is the one for these settings and this region.
    fn serves(&self, aws: &Arc<AwsSettings>, region: &str) -> bool {
        self.region == region && (Arc::ptr_eq(&self.aws, aws) || self.aws == *aws)
    }

    /// Describes a call for the message of its failure.
    pub(crate) fn asked<'a>(&'a self, call: Call<'a>, signer: &'a Signer, secrets: &'a [&'a str]) -> CallContext<'a> {
        let (key_id, by_session) = match signer {
            Signer::Key(key) => (&key.id, false),
            Signer::Session(session) => (&session.access_key_id, true),
        };
        CallContext { key_id, by_session, ..self.asked_unsigned(call, secrets) }
    }

    /// Describes a call that nothing signs.
    pub(crate) fn asked_unsigned<'a>(&'a self, call: Call<'a>, secrets: &'a [&'a str]) -> CallContext<'a> {
        let proxied = is_proxied(&self.aws, &self.endpoint.url);
        let proxy_user = self.aws.https_proxy_user.as_deref();
        let (host, region) = (self.endpoint.host.as_str(), self.region.as_str());
        CallContext { call, host, region, key_id: "", by_session: false, proxied, proxy_user, secrets }
    }
}

/// Keeps the port's promise of time.
pub(crate) async fn in_time<T>(
    call: Call<'_>,
    key_id: &str,
    answer: impl Future<Output = Result<T, TokenError>>,
) -> Result<T, TokenError> {
    tokio::time::timeout(WHOLE, answer).await.unwrap_or_else(|_| {
        let service = call.service().name();
        let cause =
            format!("cannot {}: the call to {service} was not over within 10 seconds", errors::name(call, key_id));
        let report =
            UserError::new(Kind::Unreachable, cause).hint("look at the network, and at the files that `[aws]` names");
        Err(TokenError::transient(report))
    })
}

fn unsent(report: UserError) -> TokenError {
    TokenError::permanent(report)
}

/// The credentials of one call; the SDK wipes its copy.
pub(crate) fn credentials(signer: &Signer) -> Credentials {
    const SOURCE: &str = "rolecall";
    match signer {
        Signer::Key(key) => Credentials::new(&key.id, key.secret.expose(), None, None, SOURCE),
        Signer::Session(session) => {
            let token = session.token.expose().to_owned();
            Credentials::new(&session.access_key_id, session.secret.expose(), Some(token), None, SOURCE)
        }
    }
}

/// What of a call must not be repeated to anybody.
pub(crate) fn secrets<'a>(signer: &'a Signer, code: Option<&'a MfaCode>) -> Vec<&'a str> {
    let mut secrets = match signer {
        Signer::Key(key) => vec![key.secret.expose()],
        Signer::Session(session) => vec![session.secret.expose(), session.token.expose()],
    };
    secrets.extend(code.map(MfaCode::expose));
    secrets
}

/// The port's clock as the SDK asks for it.
struct WallClock(Arc<dyn Clock>);

impl TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        self.0.now().wall.into()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}
