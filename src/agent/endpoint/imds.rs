//! The instance metadata service, version 2: for tools that know nothing else.
//!
//! It has no secret of its own: what keeps others out is the check of who is at the other end, and what keeps web pages
//! out is the PUT with a header of its own before everything. Only what leads to credentials is served; all else is not
//! there, as on an instance without it.
//!
//! Each service has a port of its own, because the AWS SDK for Go drops a path prefix of the endpoint address.

use super::credentials_body;
use super::http::{Answer, Problem, check, json, no_memory, single, text};
use super::leases::EndpointLease;
use super::serving::{refuse_token, serve_lease};
use super::tokens::new_token;
use crate::broker::Broker;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use rolecall_core::domain::credential::FLOOR_OF_METADATA;
use std::time::Duration;

const TOKEN_PATH: &str = "/latest/api/token";
const CREDENTIALS_PATH: &str = "/latest/meta-data/iam/security-credentials";
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";

/// The longest that EC2 gives.
const TTL_MAX: u64 = 21_600;

/// Answers one request.
pub(super) async fn answer<B>(broker: &Broker, request: &Request<B>, grant: &EndpointLease) -> Result<Answer, Problem> {
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    check(request, grant.port(), &[method(path)])?;
    if !grant.holds(broker.ports.clock.now().boot) {
        return Err(over());
    }
    serve(broker, request, grant, path, grant.port()).await
}

/// Returns the method of a path.
pub(super) fn method(path: &str) -> Method {
    if path == TOKEN_PATH { Method::PUT } else { Method::GET }
}

/// Answers one request that `http::check` has accepted, for a valid lease.
pub(super) async fn serve<B>(
    broker: &Broker,
    request: &Request<B>,
    grant: &EndpointLease,
    path: &str,
    port: u16,
) -> Result<Answer, Problem> {
    let now = broker.ports.clock.now().boot;
    if path == TOKEN_PATH {
        return give_token(request, grant, now);
    }
    if !single(request, TOKEN_HEADER).is_some_and(|token| grant.tokens.has(token, now)) {
        refuse_token(broker, port);
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "a token is needed that is still good: PUT /latest/api/token gives one",
        ));
    }
    let name = path.strip_prefix(CREDENTIALS_PATH).ok_or_else(nothing)?;
    match name.strip_prefix('/') {
        None if !name.is_empty() => Err(nothing()),
        None | Some("") => Ok(text(StatusCode::OK, grant.name.clone())),
        Some(name) if name == grant.name => {
            let (_, given) = serve_lease(broker, grant, FLOOR_OF_METADATA).await?;
            Ok(json(StatusCode::OK, credentials_body::imds(&given.held).ok_or_else(no_memory)?))
        }
        Some(_) => Err(nothing()),
    }
}

fn give_token<B>(request: &Request<B>, grant: &EndpointLease, now: Duration) -> Result<Answer, Problem> {
    let asked = single(request, TTL_HEADER).and_then(|value| std::str::from_utf8(value).ok()?.parse::<u64>().ok());
    let Some(ttl) = asked.filter(|ttl| (1..=TTL_MAX).contains(ttl)) else {
        let what = format!("{TTL_HEADER} has to say how long the token is good: 1 to {TTL_MAX} seconds");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "BadRequest", what));
    };
    let token =
        new_token().map_err(|report| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", report.message))?;
    grant.tokens.add(token.expose().as_bytes(), now, Duration::from_secs(ttl));
    let mut answer = text(StatusCode::OK, token.expose().to_owned());
    // Go and Rust take no token whose end they are not told.
    answer.headers_mut().insert(TTL_HEADER, HeaderValue::from(ttl));
    Ok(answer)
}

fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "NotFound", "of an instance's metadata only its credentials are here")
}

/// Returns the problem of a service whose lease has ended.
pub(super) fn over() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "Ended",
        "what this service was started for has ended, or its time is over; hint: start it again with `rolecall imds`",
    )
}
