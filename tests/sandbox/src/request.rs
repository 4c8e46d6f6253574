//! A request as it arrived, and which operation of which service it asks for.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::signature::Presented;

/// A request whose body has been read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The path as it was sent, still encoded.
    pub(crate) path: String,
    /// The query as it was sent, still encoded.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A service the sandbox may speak for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Iam,
    Sts,
    S3,
    Kms,
    /// The instance metadata service.
    Imds,
    /// The container endpoint.
    Container,
    /// The console's sign-in.
    Signin,
}

impl Service {
    /// Returns the name a signature's scope must have; what needs no signature has a name for the log.
    pub(crate) fn signing_name(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::S3 => "s3",
            Self::Kms => "kms",
            Self::Imds => "imds",
            Self::Container => "container",
            Self::Signin => "signin",
        }
    }
}

/// What a request asks for, before anybody asked whether it may.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) service: Service,
    /// The name of the service in the signature's scope, or `-`.
    pub(crate) service_name: String,
    pub(crate) action: String,
    /// The parameters in the order they came; of several with one name AWS takes the first.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Request {
    /// Returns a header that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns path and query as they were sent.
    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// Returns the parameters of the query, decoded.
    pub(crate) fn query_parameters(&self) -> Vec<(String, String)> {
        pairs(self.query.as_bytes())
    }

    /// Says what is asked for; the service comes from the signature's scope, as one address serves them all.
    pub(crate) fn operation(&self, presented: Option<&Presented>) -> Operation {
        let place = presented.is_none().then(|| {
            let imds = crate::imds::action(self).map(|action| (Service::Imds, action));
            imds.or_else(|| crate::container::action(self).map(|action| (Service::Container, action)))
        });
        if let Some((service, action)) = place.flatten() {
            let service_name = service.signing_name().to_owned();
            return Operation { service, service_name, action: action.to_owned(), parameters: Vec::new() };
        }
        if let Some((action, parameters)) = crate::signin::action(self) {
            let service = Service::Signin;
            let service_name = service.signing_name().to_owned();
            return Operation { service, service_name, action: action.to_owned(), parameters };
        }
        let mut parameters = self.query_parameters();
        if self.method == Method::POST && self.path == "/" {
            parameters.extend(pairs(&self.body));
        }
        let action = first(&parameters, "Action").map(str::to_owned);
        let service_name = presented.map_or("-", |presented| &presented.scope.service).to_owned();
        let (service, action) = match (service_name.as_str(), action) {
            ("sts", action) => (Service::Sts, action.unwrap_or_default()),
            ("iam", action) => (Service::Iam, action.unwrap_or_default()),
            ("kms", _) => (Service::Kms, crate::kms::action(self)),
            // A scope that names no service of ours: the form of the request says whom it is meant for.
            (name, Some(action)) if name != "s3" => (Service::Sts, action),
            _ => (Service::S3, crate::s3::action(self)),
        };
        Operation { service, service_name, action, parameters }
    }
}

impl Operation {
    /// Returns the first parameter with a name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        first(&self.parameters, name)
    }
}

fn first<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

pub(crate) fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).map(|(key, value)| (Cow::into_owned(key), Cow::into_owned(value))).collect()
}
