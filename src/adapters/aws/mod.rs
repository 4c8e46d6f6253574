//! What every call to AWS has in common, whichever service is asked: host, proxy, certificates, limits of time and size,
//! and what an error means.
//!
//! It knows no operation. Apart from the services because the rules are those of one AWS: a proxy that breaks off STS's
//! answers breaks off IAM's.

mod call;
#[cfg(fuzzing)]
pub(super) mod canned;
mod certificate;
pub(super) mod clients;
pub(super) mod connector;
pub(super) mod endpoint;
pub(super) mod errors;
pub(super) mod failure;
pub(super) mod http;
mod policies;
pub(super) mod proxy;
mod proxy_route;
pub(crate) mod redact;
pub(super) mod response_interceptor;
pub(super) mod tls_roots;
mod verifier;
