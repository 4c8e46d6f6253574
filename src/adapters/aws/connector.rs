//! The HTTP client under the SDK: TLS, proxy, time limits, and a cap on what an answer may weigh.
//!
//! It knows no service. One connection pool serves every call of a client; a connection that waits for the next keeps in
//! its buffers what it sent and got last, a session's token with it, so a lock drops the pool with the client.

use super::endpoint::Endpoint;
use super::trust;
use crate::domain::catalogue::AwsSettings;
use crate::domain::report::{Kind, Report};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use std::fmt;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Name, TCP, proxy and TLS together.
pub(in crate::adapters) const CONNECT: Duration = Duration::from_secs(3);
/// From the request to the head of its answer.
const READ: Duration = Duration::from_secs(4);
/// Calls of one chain follow each other at once; what is older has often died with the network it was made on.
const IDLE: Duration = Duration::from_secs(10);
/// An answer of STS or IAM has a few KiB. Without a cap a hostile or broken proxy could fill the agent's memory.
const ANSWER_MAX: usize = 256 * 1024;

/// The answer was larger than any of AWS's.
#[derive(Debug)]
pub(in crate::adapters) struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer has more than {ANSWER_MAX} bytes")
    }
}

impl std::error::Error for TooLarge {}

/// Builds the client for one endpoint. Reads certificate files, so it may take a moment.
pub(in crate::adapters) fn client(aws: &AwsSettings, endpoint: &Endpoint) -> Result<SharedHttpClient, Report> {
    let connector = sender(aws, endpoint)?;
    // The SDK asks for a connector per set of limits; ours are fixed above.
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// Builds what sends requests to one endpoint, without the SDK between. Reads certificate files, so it may take a moment.
pub(in crate::adapters) fn sender(aws: &AwsSettings, endpoint: &Endpoint) -> Result<SharedHttpConnector, Report> {
    let limits = HttpConnectorSettings::builder().connect_timeout(CONNECT).read_timeout(READ).build();
    connector(endpoint.tls, aws.ca_bundle.as_deref(), limits, proxy(aws, endpoint)?)
}

/// Builds what sends one request and reads its answer up to the cap. Reads certificate files if there is TLS.
pub(in crate::adapters) fn connector(
    tls: bool,
    ca_bundle: Option<&Path>,
    limits: HttpConnectorSettings,
    proxy: ProxyConfig,
) -> Result<SharedHttpConnector, Report> {
    // Without TLS there is nothing to verify, and a machine without authorities can still speak to itself.
    let roots = if tls { trust::store(ca_bundle)? } else { TrustStore::empty() };
    let tls = TlsContext::builder()
        .with_trust_store(roots)
        .build()
        .map_err(|_| Report::new(Kind::Failed, "TLS cannot be set up").hint("look at `ca_bundle` under `[aws]`"))?;
    let connector = Connector::builder()
        .connector_settings(limits)
        .sleep_impl(TokioSleep::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(4)
        .proxy_config(proxy)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls)
        .build();
    Ok(SharedHttpConnector::new(Capped(SharedHttpConnector::new(connector))))
}

fn proxy(aws: &AwsSettings, endpoint: &Endpoint) -> Result<ProxyConfig, Report> {
    match &aws.https_proxy {
        Some(url) if !endpoint.loopback => ProxyConfig::https(url.as_str()).map_err(|_| {
            // The address is not shown: it may hold a password.
            Report::new(Kind::Config, "`https_proxy` is not the address of a proxy")
                .hint("set it under `[aws]` to one like http://proxy.example.com:3128")
        }),
        _ => Ok(ProxyConfig::disabled()),
    }
}

/// Reads an answer whole, up to the cap, into memory that is wiped when the SDK lets go of it.
#[derive(Debug)]
struct Capped(SharedHttpConnector);

impl HttpConnector for Capped {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = read(&mut answer).await?;
            *answer.body_mut() = SdkBody::from(Bytes::from_owner(body));
            Ok(answer)
        })
    }
}

async fn read(answer: &mut HttpResponse) -> Result<Zeroizing<Vec<u8>>, ConnectorError> {
    let too_large = || ConnectorError::other(Box::new(TooLarge), None);
    let announced = answer.headers().get("content-length").and_then(|n| n.parse::<usize>().ok()).unwrap_or(8 * 1024);
    if announced > ANSWER_MAX {
        return Err(too_large());
    }
    let mut stream = ByteStream::new(answer.take_body());
    let mut whole = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(part) = stream.next().await {
        let part = part.map_err(|e| ConnectorError::io(e.into()))?;
        let size = whole.len() + part.len();
        if size > ANSWER_MAX {
            return Err(too_large());
        }
        if size > whole.capacity() {
            // Growing in place would leave a copy behind, unwiped.
            let mut grown = Zeroizing::new(Vec::with_capacity(size * 2));
            grown.extend_from_slice(&whole);
            whole = grown;
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole)
}
