//! One client of the SDK: its host, its connections, its limits of time and attempts, its clock. No credentials.

use super::connector;
use super::endpoint::Endpoint;
use super::errors::{Asked, Call};
use super::probe::ClockErrors;
use crate::domain::catalogue::AwsSettings;
use crate::domain::credential::Signer;
use crate::domain::report::Report;
use crate::ports::Clock;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, Config, IdentityCache, Region, StalledStreamProtectionConfig};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// All attempts together, as the SDK counts them.
const OPERATION: Duration = Duration::from_millis(9_500);
/// One attempt: two that hang still fit. A connection that died while the machine slept is found out this way.
const ATTEMPT: Duration = Duration::from_millis(4_500);
/// The one layer of retries; the agent adds none within a call.
const ATTEMPTS: u32 = 3;
/// A client for one region under one configuration.
pub(super) struct Reached {
    aws: Arc<AwsSettings>,
    region: String,
    endpoint: Endpoint,
    pub(super) client: Client,
}

impl Reached {
    /// Builds the client. Reads certificate files.
    pub(super) fn new(aws: Arc<AwsSettings>, region: String, clock: Arc<dyn Clock>) -> Result<Self, Report> {
        let endpoint = Endpoint::of(&aws, &region)?;
        let limits = TimeoutConfig::builder()
            .connect_timeout(connector::CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.clone()))
            .endpoint_url(&endpoint.url)
            .http_client(connector::client(&aws, &endpoint)?)
            .timeout_config(limits)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .retry_classifier(ClockErrors)
            .time_source(WallClock(clock))
            .sleep_impl(TokioSleep::new())
            // It would keep the long-term key in memory for later calls.
            .identity_cache(IdentityCache::no_cache())
            // An answer is read whole within the time of its attempt; there is no stream to watch.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Ok(Self { aws, region, endpoint, client: Client::from_conf(config) })
    }

    /// Tells whether it is the one for these settings and this region.
    pub(super) fn serves(&self, aws: &Arc<AwsSettings>, region: &str) -> bool {
        self.region == region && (Arc::ptr_eq(&self.aws, aws) || self.aws == *aws)
    }

    /// Describes a call for the message of its failure.
    pub(super) fn asked<'a>(&'a self, call: Call<'a>, signer: &'a Signer, secrets: &'a [&'a str]) -> Asked<'a> {
        let (key_id, by_session) = match signer {
            Signer::Key(key) => (&key.id, false),
            Signer::Session(session) => (&session.access_key_id, true),
        };
        Asked { key_id, by_session, ..self.asked_unsigned(call, secrets) }
    }

    /// Describes a call that nothing signs.
    pub(super) fn asked_unsigned<'a>(&'a self, call: Call<'a>, secrets: &'a [&'a str]) -> Asked<'a> {
        let proxied = self.aws.https_proxy.is_some() && !self.endpoint.loopback;
        Asked { call, host: &self.endpoint.host, region: &self.region, key_id: "", by_session: false, proxied, secrets }
    }
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
