//! The container credential endpoint: `GET /role/NAME` with a grant's token in `Authorization`, as ECS and EKS serve it.
//!
//! Never 404, which Java reads as "there is no such service" and goes on to the next provider; never 200 without a session.

use super::http::{Answer, Problem, check, json, single};
use super::{body, visits};
use crate::agent::Agent;
use crate::domain::credential::FLOOR;
use hyper::{Method, Request, StatusCode};

/// Below this path. No client takes an empty one (Ruby), and a name in it lets a person see in an error which role it was.
pub(super) const PATH: &str = "/role/";

/// Answers one request.
pub(super) async fn answer<B>(agent: &Agent, request: &Request<B>, port: u16) -> Result<Answer, Problem> {
    check(request, port, &[Method::GET])?;
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    if let Some(nonce) = path.strip_prefix(visits::PATH) {
        return Ok(visits::answer(agent.endpoint.visit(agent, nonce).as_ref()));
    }
    let name = path.strip_prefix(PATH);
    let token = single(request, "authorization");
    // A token of one role opens no other, and an unknown path is told apart from a wrong token to nobody.
    let grant = token.and_then(|token| agent.endpoint.find(agent, token)).filter(|grant| Some(&*grant.name) == name);
    let Some(grant) = grant else {
        agent.refuse_token(port);
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "Unauthorized",
            "no token of this path: it is wrong, or its shell or command has ended, or its time is over; hint: start it again with `rolecall exec` or `rolecall shell`",
        ));
    };
    let (plan, given) = agent.serve_grant(&grant, FLOOR).await?;
    let body = body::container(&given.held, &plan).ok_or_else(no_memory)?;
    Ok(json(StatusCode::OK, body))
}

/// Says that a session could not be put into words.
pub(super) fn no_memory() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Unavailable", "there is no memory for an answer; ask again")
}
