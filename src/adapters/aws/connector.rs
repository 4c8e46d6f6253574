//! The HTTP client under the SDK: TLS, proxy, time limits, and a cap on what an answer may weigh.
//!
//! It knows no service. One connection pool serves every call of a client; a connection that waits for the next keeps in
//! its buffers what it sent and got last, a session's token with it, so a lock drops the pool with the client.

use super::endpoint::Endpoint;
use super::http::{Limits, Sender};
use super::proxy::{Passwords, Proxy};
use super::{tls_roots, verifier};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::SecretKey;
use rolecall_ports::TokenError;
use rustls::RootCertStore;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Name, TCP, proxy and TLS together.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// From the request to the head of its answer.
const READ: Duration = Duration::from_secs(4);
/// An answer of STS or IAM has a few KiB. Without a cap a hostile or broken proxy could fill the agent's memory.
const ANSWER_MAX: usize = 256 * 1024;

/// The answer was larger than any of AWS's.
#[derive(Debug)]
pub(crate) struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer has more than {ANSWER_MAX} bytes")
    }
}

impl std::error::Error for TooLarge {}

/// Builds the client for one endpoint. Reads certificate files, so it may take a moment.
pub(crate) fn client(
    aws: &AwsSettings,
    endpoint: &Endpoint,
    password: Option<&SecretKey>,
) -> Result<SharedHttpClient, UserError> {
    let connector = sender(aws, endpoint, password)?;
    // The SDK asks for a connector per set of limits; ours are fixed above.
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// Builds what sends requests to one endpoint, without the SDK between; `password` is the proxy's. Reads certificate files,
/// so it may take a moment.
pub(crate) fn sender(
    aws: &AwsSettings,
    endpoint: &Endpoint,
    password: Option<&SecretKey>,
) -> Result<SharedHttpConnector, UserError> {
    let proxy = Proxy::of(aws, password.map(SecretKey::expose))?;
    connector(endpoint.tls, aws.ca_bundle.as_deref(), Limits { connect: CONNECT, read: READ }, proxy)
}

/// Builds what sends requests to one endpoint, with the password of the proxy. For a service that the SDK does not know: its
/// connection ends with the call.
pub(crate) async fn one_off(
    passwords: &Passwords,
    aws: &Arc<AwsSettings>,
    endpoint: &Endpoint,
) -> Result<SharedHttpConnector, TokenError> {
    let settings = (Arc::clone(aws), endpoint.clone());
    let password = passwords.of(aws).await?;
    let job = move || sender(&settings.0, &settings.1, password.as_ref());
    tls_roots::reading(aws.ca_bundle.as_deref(), job).await.map_err(TokenError::permanent)
}

/// Builds what sends one request and reads its answer up to the cap. Reads certificate files if there is TLS.
pub(crate) fn connector(
    tls: bool,
    ca_bundle: Option<&Path>,
    limits: Limits,
    proxy: Option<Proxy>,
) -> Result<SharedHttpConnector, UserError> {
    // Without TLS there is nothing to verify, and a machine without authorities can still speak to itself.
    let roots = if tls { tls_roots::store(ca_bundle)? } else { RootCertStore::empty() };
    let tls = verifier::client_config(roots)
        .map_err(|_| UserError::new(Kind::Failed, "TLS cannot be set up").hint("look at `ca_bundle` under `[aws]`"))?;
    Ok(SharedHttpConnector::new(Capped(SharedHttpConnector::new(Sender::new(tls, limits, proxy)))))
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
