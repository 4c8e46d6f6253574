//! The container credential endpoint: `GET /role/NAME` with a grant's token in `Authorization`, as ECS and EKS serve it.
//!
//! Clients that do not read the token variable use the metadata service below `/metadata/TOKEN`, with the same grant. The
//! Rust crate `object_store` is such a client.
//!
//! Never 404, which Java reads as "there is no such service" and goes on to the next provider; never 200 without a session.

use super::http::{Answer, Problem, check, json, no_memory, single};
use super::serving::{refuse_token, serve_lease};
use super::{Endpoint, credentials_body, imds, peer, redirect_tickets};
use hyper::{Method, Request, StatusCode};
use rolecall_core::domain::credential::FLOOR;
use rolecall_ipc::protocol::message::{METADATA_PATH, ROLE_PATH};

/// Answers one request.
pub(super) async fn answer<B>(endpoint: &Endpoint, request: &Request<B>, port: u16) -> Result<Answer, Problem> {
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    if let Some(below) = path.strip_prefix(METADATA_PATH) {
        return metadata(endpoint, request, port, below).await;
    }
    check(request, port, &[Method::GET])?;
    if let Some(nonce) = path.strip_prefix(redirect_tickets::PATH) {
        return Ok(redirect_tickets::answer(endpoint.visit(nonce).as_ref()));
    }
    let name = path.strip_prefix(ROLE_PATH);
    let token = single(request, "authorization");
    // A token of one role opens no other, and an unknown path is told apart from a wrong token to nobody.
    let grant = token.and_then(|token| endpoint.find(token)).filter(|grant| Some(&*grant.name) == name);
    let grant = grant.ok_or_else(|| unauthorized(endpoint, port))?;
    let (plan, given) = serve_lease(&endpoint.broker, &grant, FLOOR).await?;
    let body = credentials_body::container(&given.held, &plan).ok_or_else(no_memory)?;
    Ok(json(StatusCode::OK, body))
}

/// Answers one request to the metadata service of a container endpoint: `below` is the token and the path after it.
///
/// The token is part of an address that clients print in errors. So it must not be the only protection: the service
/// exists only if the kernel reports the user of each connection.
async fn metadata<B>(endpoint: &Endpoint, request: &Request<B>, port: u16, below: &str) -> Result<Answer, Problem> {
    let at = below.find('/').unwrap_or(below.len());
    let (token, path) = below.split_at(at);
    check(request, port, &[imds::method(path)])?;
    peer::can_be_told("use `rolecall exec --static`")
        .map_err(|report| Problem::new(StatusCode::FORBIDDEN, "NotAllowed", report.message))?;
    let grant = endpoint.find(token.as_bytes()).ok_or_else(|| unauthorized(endpoint, port))?;
    imds::serve(&endpoint.broker, request, &grant, path, port).await
}

/// Records a request without a valid token and returns its refusal.
fn unauthorized(endpoint: &Endpoint, port: u16) -> Problem {
    refuse_token(&endpoint.broker, port);
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "Unauthorized",
        "no token of this path: it is wrong, or its shell or command has ended, or its time is over; hint: start it again with `rolecall exec` or `rolecall shell`",
    )
}
