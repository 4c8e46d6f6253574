//! One HTTP/1.1 exchange: name, TCP, proxy and TLS within one limit, then the head of the answer within another.
//!
//! The client of the SDK (`aws-smithy-http-client`) would do as well, but takes no verifier of certificates of ours.

use super::proxy::Proxy;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpConnector as SdkConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

/// Calls of one chain follow each other at once; what is older has often died with the network it was made on.
const IDLE: Duration = Duration::from_secs(10);
/// How many idle connections to one host are kept.
const IDLE_MAX: usize = 4;

/// How long the parts of an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Name, TCP, proxy and TLS together.
    pub(crate) connect: Duration,
    /// From the request to the head of its answer, the connection included.
    pub(crate) read: Duration,
}

/// A limit was reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TimedOut {
    /// There was no connection in time.
    Connect,
    /// There was no answer in time.
    Read,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection in time",
            Self::Read => "no answer in time",
        })
    }
}

impl std::error::Error for TimedOut {}

type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Sends requests, and keeps connections for the next ones.
pub(super) struct Sender {
    client: Client<Limited<HttpsConnector<Route>>, SdkBody>,
    read: Duration,
}

impl Sender {
    pub(super) fn new(tls: ClientConfig, limits: Limits, proxy: Option<Proxy>) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let secured = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(Limited(secured.wrap_connector(Route { http, proxy }), limits.connect));
        Self { client, read: limits.read }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl SdkConnector for Sender {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let (answer, read) = (self.client.request(request), self.read);
        HttpConnectorFuture::new(async move {
            let answer = match tokio::time::timeout(read, answer).await {
                Ok(Ok(answer)) => answer.map(SdkBody::from_body_1_x),
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => return Err(ConnectorError::timeout(Box::new(TimedOut::Read))),
            };
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Says whether the SDK may send the request again. A certificate is no better the next time.
fn failed(error: Error) -> ConnectorError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if inner.is::<TimedOut>() {
            return ConnectorError::timeout(error.into());
        }
        if inner.is::<rustls::Error>() {
            return ConnectorError::other(error.into(), None);
        }
        if inner.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return ConnectorError::other(error.into(), Some(ErrorKind::TransientError));
        }
        // An io::Error's `source` skips what it wraps.
        let wrapped = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map(|wrapped| wrapped as &(dyn std::error::Error + 'static)).or_else(|| inner.source());
    }
    ConnectorError::io(error.into())
}

/// The way to a host: through the proxy, or directly.
#[derive(Clone)]
struct Route {
    http: HttpConnector,
    proxy: Option<Proxy>,
}

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pending<Self::Response, BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        match self.proxy.as_ref().filter(|proxy| proxy.is_for(&host)) {
            None => {
                let connecting = self.http.call(host);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri.clone(), self.http.clone());
                if let Some(authorization) = proxy.authorization.clone() {
                    tunnel = tunnel.with_auth(authorization);
                }
                let connecting = tunnel.call(host);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
        }
    }
}

/// A connector with a limit of time.
#[derive(Clone)]
struct Limited<C>(C, Duration);

impl<C> Service<Uri> for Limited<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Response: 'static,
    C::Error: Into<BoxError> + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pending<C::Response, BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, host: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.1, self.0.call(host));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(TimedOut::Connect.into()),
            }
        })
    }
}
