//! The console's sign-in.
//!
//! Pages: IAM User Guide, "Enable custom identity broker access to the AWS console", "Compare AWS STS credentials"; AWS
//! Knowledge Center, "Invalid credentials parameter".

use std::time::Duration;

use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use rolecall_sandbox::{Clock, Sandbox, World};
use serde_json::{Value, json};

use crate::START;
use crate::client::{Client, Reply};

const HOME: &str = "https://eu-west-1.console.aws.amazon.com/console/home";

fn start() -> (Sandbox, Client) {
    let aws = Sandbox::start(World::tutorials(), Clock::at(START));
    let client = Client::new(&aws).signed_by(&aws.access_key(USER_ARN));
    (aws, client)
}

fn session_of(client: &Client) -> String {
    json!({"sessionId": client.key, "sessionKey": client.secret, "sessionToken": client.token}).to_string()
}

fn post(client: &Client, session: &str, more: &[(&str, &str)]) -> Reply {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", "getSigninToken").extend_pairs(more).append_pair("Session", session);
    let body = form.finish();
    let head = "POST /federation HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    client.exchange(&format!("{head}content-length: {}\r\n\r\n{body}", body.len())).expect("the sandbox answers")
}

fn token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let body: Value = serde_json::from_str(&reply.body).expect("JSON");
    body["SigninToken"].as_str().expect("a token").to_owned()
}

fn login(client: &Client, token: &str) -> Reply {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("Action", "login").append_pair("Issuer", "x");
    query.append_pair("Destination", HOME).append_pair("SigninToken", token);
    client.get(&format!("/federation?{}", query.finish()))
}

#[test]
fn a_roles_session_is_traded_for_a_token_that_signs_in_once_within_fifteen_minutes() {
    let (aws, client) = start();
    let role = client.with(&client.assume(ROLE_ARN, &[]));
    let first = token(&post(&role, &session_of(&role), &[]));
    let reply = login(&client, &first);
    assert!(reply.status == 302 && reply.head.contains(&format!("location: {HOME}")), "{reply:?}");
    let [browser] = aws.signed_in().try_into().expect("one sign-in");
    assert_eq!(browser.arn, "arn:aws:sts::222222222222:assumed-role/AssumedRole/session");
    assert_eq!(browser.until.to_rfc3339(), "2026-11-22T09:00:00+00:00", "as long as the session");
    assert_eq!(login(&client, &first).status, 400, "used");
    let late = token(&post(&role, &session_of(&role), &[]));
    aws.clock().advance(Duration::from_mins(15));
    assert_eq!(login(&client, &late).status, 400);
    assert!(!format!("{:?}", aws.calls()).contains(&role.secret), "nothing secret is written down");
    assert!(!format!("{:?}", aws.calls()).contains(&late));
}

#[test]
fn only_a_session_of_a_role_that_is_valid_now_can_sign_in() {
    let (aws, client) = start();
    let user = client.with(&client.sts("GetSessionToken", &[]));
    assert_eq!(post(&client, &session_of(&user), &[]).status, 400, "a user's own session");
    assert_eq!(post(&client, &session_of(&client), &[]).status, 400, "a long-term key");
    let role = client.with(&client.assume(ROLE_ARN, &[]));
    let mut wrong = role.clone();
    wrong.secret.push('x');
    for session in [session_of(&wrong), "{}".to_owned(), "none".to_owned()] {
        assert_eq!(post(&client, &session, &[]).status, 400);
    }
    aws.clock().advance(Duration::from_hours(1));
    let reply = post(&client, &session_of(&role), &[]);
    assert!(reply.status == 400 && reply.body.contains("Invalid credentials parameter"), "{reply:?}");
}

#[test]
fn a_duration_is_taken_within_its_range_and_not_along_a_chain() {
    let (aws, client) = start();
    let role = client.with(&client.assume(ROLE_ARN, &[]));
    let with = |client: &Client, seconds: &str| post(client, &session_of(client), &[("SessionDuration", seconds)]);
    for seconds in ["899", "43201", "-1", "x", ""] {
        assert_eq!(with(&role, seconds).status, 400, "{seconds}");
    }
    login(&client, &token(&with(&role, "43200")));
    assert_eq!(aws.signed_in()[0].until.to_rfc3339(), "2026-11-22T20:00:00+00:00");
    // A session of a user has assumed the role: temporary credentials, as those of another role.
    let chained = client.with(&client.with(&client.sts("GetSessionToken", &[])).assume(ROLE_ARN, &[]));
    assert_eq!(with(&chained, "900").status, 400);
    assert_eq!(post(&chained, &session_of(&chained), &[]).status, 200);
}

#[test]
fn a_session_in_a_url_is_refused_here() {
    let (_aws, client) = start();
    let role = client.with(&client.assume(ROLE_ARN, &[]));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("Action", "getSigninToken").append_pair("Session", &session_of(&role));
    assert_eq!(client.get(&format!("/federation?{}", query.finish())).status, 400);
    assert_eq!(client.get("/federation?Action=other").status, 400);
}
