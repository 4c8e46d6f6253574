//! Entry point of `fuzz/` into what STS and IAM return. Compiled for cargo-fuzz only.
//!
//! Every operation runs as in the agent, the SDK and its XML parser included; only the HTTP client is replaced.

use super::Sts;
use crate::aws::canned;
use crate::aws::clients::Clients;
use crate::aws::endpoint::Endpoint;
use crate::aws::proxy::Passwords;
use crate::iam::Iam;
use crate::signin::Signin;
use crate::sources::{Sources, StartupEnv};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Builder;
use aws_sdk_sts::config::retry::RetryConfig;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_ports::Clock;
use std::sync::Arc;

impl Sts {
    /// Creates one that sends nothing and reads a prepared answer.
    pub fn canned(clock: Arc<dyn Clock>) -> Self {
        let place = |aws: &AwsSettings, region: &str| Ok((Endpoint::sts(aws, region)?, region.to_owned()));
        let clients = Clients::new(Arc::clone(&clock), Passwords::default(), place, |config, _| {
            let config = Builder::from(config).retry_config(RetryConfig::disabled());
            Client::from_conf(config.http_client(canned::client()).build())
        });
        let ambient = StartupEnv::default();
        Self {
            clients,
            iam: Iam::canned(Arc::clone(&clock)),
            signin: Signin(Passwords::default()),
            sources: Sources::new(clock, ambient),
            passwords: Passwords::default(),
        }
    }
}

/// Sets what every operation reads from now on.
pub fn set_answer(status: u16, body: &[u8]) {
    canned::set(status, body);
}
