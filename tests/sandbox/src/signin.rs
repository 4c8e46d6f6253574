//! The console's sign-in: the federation endpoint, and the page that its addresses lead to.
//!
//! Rules: IAM User Guide, "Enable custom identity broker access to the AWS console" (the parameters, SessionDuration of 900 to
//! 43200, a token that can be used for 15 minutes); AWS Knowledge Center, "Invalid credentials parameter" (no SessionDuration
//! with role chaining); IAM User Guide, "Compare AWS STS credentials" (no console with a session of GetSessionToken).
//!
//! AWS takes GetSigninToken by GET as well. This one refuses it: a session in a URL is in somebody's log, and a client that
//! puts it there is wrong whatever AWS says. And a token is good for one sign-in here, which is narrower than anything that
//! AWS promises.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::caller::{Holder, Session};
use crate::exchange::Exchange;
use crate::mint;
use crate::request::Request;

/// "The sign-in token is valid for 15 minutes."
const TOKEN_LIFE: TimeDelta = TimeDelta::minutes(15);

/// "from 900 seconds (15 minutes) to 43200 seconds (12 hours)".
const DURATION: (i64, i64) = (900, 43_200);

/// A browser that has signed in to the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// Whose session it was signed in with.
    pub arn: String,
    /// Where it was sent.
    pub destination: String,
    /// When the console's session ends.
    pub until: DateTime<Utc>,
}

/// A sign-in token that waits to be used.
#[derive(Debug)]
struct Issued {
    at: DateTime<Utc>,
    arn: String,
    until: DateTime<Utc>,
}

/// The tokens, and who came with one.
#[derive(Debug, Default)]
pub(crate) struct Signin {
    tokens: BTreeMap<String, Issued>,
    pub(crate) signed_in: Vec<SignIn>,
}

/// Names what a request asks for, and its parameters; `None` if it is not for this service.
pub(crate) fn action(request: &Request) -> Option<(&'static str, Vec<(String, String)>)> {
    if request.path != "/federation" {
        return None;
    }
    let mut parameters = request.query_parameters();
    if request.method == Method::POST {
        parameters.extend(crate::request::pairs(&request.body));
    }
    let action = parameters.iter().find(|(name, _)| name == "Action").map(|(_, value)| value.as_str());
    let action = match action {
        Some("getSigninToken") => "GetSigninToken",
        Some("login") => "ConsoleLogin",
        _ => "Federation",
    };
    Some((action, parameters))
}

pub(crate) fn answer(exchange: &mut Exchange<'_>) -> Answer {
    match exchange.operation.action.as_str() {
        "GetSigninToken" => token(exchange),
        "ConsoleLogin" => login(exchange),
        _ => refuse("the Action is missing or unknown"),
    }
}

fn token(exchange: &mut Exchange<'_>) -> Answer {
    if exchange.request.method != Method::POST || exchange.request.query.contains("Session=") {
        return refuse("the sandbox wants the session in the body of a POST");
    }
    let parameter = |name: &str| exchange.operation.parameter(name);
    let Some(given) = parameter("Session").and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return invalid();
    };
    let text = |name: &str| given[name].as_str().unwrap_or_default();
    let (now, id) = (exchange.now, text("sessionId"));
    // A long-term key has no session to be found.
    let Some(session) = exchange.state.sessions.find(id) else { return invalid() };
    let credentials = &session.credentials;
    let is_real =
        credentials.secret_access_key == text("sessionKey") && credentials.session_token == text("sessionToken");
    if !is_real || credentials.expiration <= now {
        return invalid();
    }
    let Holder::Role(role) = &session.holder else { return invalid() };
    let until = match parameter("SessionDuration").map(str::parse::<i64>) {
        None => credentials.expiration,
        Some(Ok(seconds)) if (DURATION.0..=DURATION.1).contains(&seconds) && !is_chained(session) => {
            now + TimeDelta::seconds(seconds)
        }
        Some(_) => return invalid(),
    };
    let arn = role.arn(session.holder.account());
    exchange.caller_arn = Some(arn.clone());
    let token = mint::signin_token();
    exchange.state.signin.tokens.insert(token.clone(), Issued { at: now, arn, until });
    Answer::new(200, "application/json", json!({ "SigninToken": token }).to_string())
}

/// Tells whether temporary credentials assumed the role.
fn is_chained(session: &Session) -> bool {
    session.facts.is_chained
}

fn login(exchange: &mut Exchange<'_>) -> Answer {
    let parameter = |name: &str| exchange.operation.parameter(name).unwrap_or_default().to_owned();
    let (token, destination) = (parameter("SigninToken"), parameter("Destination"));
    let issued = exchange.state.signin.tokens.remove(&token);
    let Some(issued) = issued.filter(|issued| exchange.now - issued.at < TOKEN_LIFE) else {
        return refuse("the sign-in token is invalid or has expired");
    };
    if !destination.starts_with("https://") {
        return refuse("the Destination is no page of the console");
    }
    exchange.caller_arn = Some(issued.arn.clone());
    let done = SignIn { arn: issued.arn, destination: destination.clone(), until: issued.until };
    exchange.state.signin.signed_in.push(done);
    Answer::new(302, "text/html", "").with_header("location", destination)
}

fn invalid() -> Answer {
    refuse("Invalid credentials parameter")
}

/// AWS answers people here, so it answers with a page.
fn refuse(why: &str) -> Answer {
    let page = format!(
        "<html><head><title>Error</title></head><body><h1>HTTP Status 400 - {why}</h1><p>The request sent by the client \
         was syntactically incorrect.</p></body></html>"
    );
    Answer::new(400, "text/html", page).failed("InvalidRequest")
}
