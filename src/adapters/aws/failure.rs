//! What went wrong, taken out of the SDK's error. Nothing of the raw answer comes along.
//!
//! The SDK's own texts are of no use: `Display` says "service error", and the long form prints the whole response.

use super::certificate::CertificateFault;
use super::connector::TooLarge;
use super::http::TimedOut;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use rolecall_core::domain::error::printable;
use std::error::Error;
use std::io;

/// How much of the TLS library's words is shown.
const WORDS_MAX: usize = 120;

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// AWS said no, with a code.
    Refused,
    /// Something answered, but not as AWS does.
    Garbled,
    /// The answer was larger than the cap.
    TooLarge,
    /// No answer in time.
    Timeout,
    /// No connection in time.
    ConnectTimeout,
    /// The host's name has no address.
    Dns,
    /// Nothing listens there.
    NoListener,
    /// No way to the host.
    NoRoute,
    /// The connection ended early.
    Cut,
    /// A certificate was rejected.
    Certificate,
    /// Another failure of TLS.
    Tls,
    /// The proxy wants a password.
    ProxyPassword,
    /// The proxy did not connect.
    Proxy,
    /// The call was never sent.
    Unsent,
    /// Anything else on the way.
    Network,
}

/// One failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How far it came.
    pub(crate) class: Class,
    /// AWS's code.
    pub(crate) code: Option<String>,
    /// AWS's own words, unchecked.
    pub(crate) message: Option<String>,
    /// The HTTP status.
    pub(crate) status: Option<u16>,
    /// AWS's id of the call.
    pub(crate) request_id: Option<String>,
    /// What TLS failed on.
    pub(crate) tls: Option<Tls>,
}

/// What TLS failed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// A certificate.
    Certificate(Box<CertificateFault>),
    /// The handshake, in the library's words.
    Handshake(String),
}

impl Failure {
    /// Makes one without an answer.
    pub(crate) const fn without_answer(class: Class) -> Self {
        Self { class, code: None, message: None, status: None, request_id: None, tls: None }
    }

    /// Takes the SDK's error apart.
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let tls = match error {
            SdkError::DispatchFailure(failure) => failure.as_connector_error().and_then(|error| of_tls(error)),
            _ => None,
        };
        let class = match error {
            SdkError::ServiceError(service) if service.err().code().is_some() => Class::Refused,
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => Class::Garbled,
            SdkError::TimeoutError(_) => Class::Timeout,
            SdkError::DispatchFailure(failure) => failure.as_connector_error().map_or(Class::Network, of_connector),
            _ => Class::Unsent,
        };
        Self {
            class,
            code: error.code().map(str::to_owned),
            message: error.message().map(str::to_owned),
            status: error.raw_response().map(|answer| answer.status().as_u16()),
            request_id: error.request_id().or_else(|| error.meta().request_id()).map(str::to_owned),
            tls,
        }
    }
}

impl Failure {
    /// Takes the error of a request apart that was sent without the SDK.
    pub(crate) fn of_sending(error: &ConnectorError) -> Self {
        Self { tls: of_tls(error), ..Self::without_answer(of_connector(error)) }
    }
}

/// Tells how far a request came that got no answer.
fn of_connector(error: &ConnectorError) -> Class {
    // A broken configuration of the SDK ends here, not as a construction failure.
    let default = if error.is_user() { Class::Unsent } else { Class::Network };
    of_chain(error).unwrap_or(if error.is_timeout() { Class::Timeout } else { default })
}

/// Looks for the first cause that says what happened. Types where there are types; hyper-util has only words.
fn of_chain(error: &(dyn Error + 'static)) -> Option<Class> {
    let mut by_words = None;
    for error in causes(error) {
        if error.is::<TooLarge>() {
            return Some(Class::TooLarge);
        }
        match error.downcast_ref::<TimedOut>() {
            Some(TimedOut::Connect) => return Some(Class::ConnectTimeout),
            Some(TimedOut::Read) => return Some(Class::Timeout),
            None => {}
        }
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            let is_certificate = matches!(tls, rustls::Error::InvalidCertificate(_));
            return Some(if is_certificate { Class::Certificate } else { Class::Tls });
        }
        let io = error.downcast_ref::<io::Error>();
        if let Some(kind) = io.filter(|io| io.get_ref().is_none()).map(io::Error::kind) {
            return Some(by_words.unwrap_or(of_io(kind)));
        }
        by_words = by_words.or_else(|| of_words(&error.to_string()));
    }
    by_words
}

/// Looks for what TLS failed on.
fn of_tls(error: &(dyn Error + 'static)) -> Option<Tls> {
    let tls = causes(error).find_map(|error| error.downcast_ref::<rustls::Error>())?;
    if let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) = tls
        && let Some(fault) = other.0.downcast_ref::<CertificateFault>()
    {
        return Some(Tls::Certificate(Box::new(fault.clone())));
    }
    Some(Tls::Handshake(printable(&tls.to_string(), WORDS_MAX)))
}

/// Goes through an error and what caused it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        // An io::Error's `source` skips what it wraps.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

fn of_words(text: &str) -> Option<Class> {
    [
        ("dns error", Class::Dns),
        ("tunnel error: proxy authorization required", Class::ProxyPassword),
        ("tunnel error: unsuccessful", Class::Proxy),
        ("connection closed before message completed", Class::Cut),
    ]
    .into_iter()
    .find_map(|(words, class)| text.starts_with(words).then_some(class))
}

fn of_io(kind: io::ErrorKind) -> Class {
    use io::ErrorKind as K;
    match kind {
        K::ConnectionRefused => Class::NoListener,
        K::NetworkUnreachable | K::HostUnreachable | K::NetworkDown | K::AddrNotAvailable => Class::NoRoute,
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => Class::Cut,
        K::TimedOut => Class::ConnectTimeout,
        _ => Class::Network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::CertificateError as Cert;
    use std::fmt;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<dyn Error + Send + Sync>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_ref().map(|e| &**e as &(dyn Error + 'static))
        }
    }

    fn layered(words: &'static str, inner: impl Into<Box<dyn Error + Send + Sync>>) -> Layer {
        Layer("client error (Connect)", Some(Box::new(Layer(words, Some(inner.into())))))
    }

    #[test]
    fn the_cause_that_says_what_happened_is_found_at_any_depth() {
        let io = |kind| io::Error::from(kind);
        let tls = |e: rustls::Error| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, e));
        for (error, want) in [
            (layered("dns error", io::Error::other("failed to lookup address information")), Class::Dns),
            (layered("tcp connect error", io(io::ErrorKind::ConnectionRefused)), Class::NoListener),
            (layered("tcp connect error", io(io::ErrorKind::NetworkUnreachable)), Class::NoRoute),
            (layered("x", io(io::ErrorKind::ConnectionReset)), Class::Cut),
            (layered("x", tls(rustls::Error::InvalidCertificate(Cert::BadSignature))), Class::Certificate),
            (layered("x", tls(rustls::Error::DecryptError)), Class::Tls),
            (layered("tunnel error: proxy authorization required", "x"), Class::ProxyPassword),
            (layered("x", TimedOut::Connect), Class::ConnectTimeout),
            (layered("x", TimedOut::Read), Class::Timeout),
            (layered("x", TooLarge), Class::TooLarge),
        ] {
            assert_eq!(of_chain(&error), Some(want), "{error:?}");
        }
        assert_eq!(of_chain(&layered("x", "y")), None);
    }
}
