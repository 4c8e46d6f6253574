//! Where an application runs: the metadata service, the container endpoint, an identity provider.
//!
//! Pages: EC2 User Guide, "Use the Instance Metadata Service to access instance metadata", "IAM roles for Amazon EC2"; SDKs
//! and Tools Reference Guide, "Container credential provider"; STS API reference, AssumeRoleWithWebIdentity.

use std::time::Duration;

use rolecall_sandbox::{Clock, Fault, FaultKind, Instance, OidcProvider, Role, Sandbox, Task, World, tutorials};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::{START, add_role, policy};

const ISSUER: &str = "token.example.com";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// Starts a sandbox with a role that the services of every place trust.
fn place() -> (Sandbox, Client, String) {
    let aws = Sandbox::start(World::tutorials(), Clock::at(START));
    let services = json!(["ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com"]);
    let trust = policy(&json!({"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}));
    let role = add_role(&aws, tutorials::AUTH_ACCOUNT, Role::new("AssumingRole", trust));
    aws.world(|world| {
        world.instance = Some(Instance::new(Some(&role)));
        world.task = Some(Task::new(&role));
    });
    let client = Client::new(&aws);
    (aws, client, role)
}

fn ask(client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request += "\r\n";
    client.exchange(&request).expect("the sandbox answers")
}

fn token(client: &Client, ttl: &str) -> String {
    let reply = ask(client, "PUT", "/latest/api/token", &[(TTL, ttl)]);
    assert!(reply.status == 200 && reply.head.contains(&format!("{TTL}: {ttl}")), "{reply:?}");
    reply.body
}

fn get(client: &Client, path: &str, token: &str) -> Reply {
    ask(client, "GET", path, &[("x-aws-ec2-metadata-token", token)])
}

fn credentials(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.body);
    serde_json::from_str(&reply.body).expect("JSON")
}

/// "400: the PUT request is not valid"; "403: … the IMDS is turned off"; "PUT requests that contain X-Forwarded-For".
#[test]
fn a_token_has_a_life_of_a_second_to_six_hours_and_is_not_given_through_a_proxy() {
    let (aws, client, _) = place();
    for ttl in ["0", "21601", "-1", "x", ""] {
        assert_eq!(ask(&client, "PUT", "/latest/api/token", &[(TTL, ttl)]).status, 400, "{ttl}");
    }
    assert_eq!(ask(&client, "PUT", "/latest/api/token", &[]).status, 400);
    let forwarded = [(TTL, "60"), ("X-Forwarded-For", "10.0.0.1")];
    assert_eq!(ask(&client, "PUT", "/latest/api/token", &forwarded).status, 403);
    assert_ne!(token(&client, "1"), token(&client, "21600"));
    aws.world(|world| world.instance.as_mut().expect("an instance").is_enabled = false);
    assert_eq!(ask(&client, "PUT", "/latest/api/token", &[(TTL, "60")]).status, 403);
}

/// "401 - Unauthorized: The GET request uses an invalid token." With tokens required, version 1 is no way in.
#[test]
fn nothing_is_told_without_a_token_that_is_valid_now() {
    let (aws, client, _) = place();
    assert_eq!(ask(&client, "GET", ROLES, &[]).status, 401);
    assert_eq!(get(&client, ROLES, "made-up").status, 401);
    let token = token(&client, "60");
    assert_eq!(
        (get(&client, ROLES, &token).status, get(&client, ROLES, &token).body),
        (200, "AssumingRole".to_owned())
    );
    aws.clock().advance(Duration::from_mins(1));
    assert_eq!(get(&client, ROLES, &token).status, 401);
}

#[test]
fn the_instances_credentials_are_a_session_of_its_role() {
    let (aws, client, role) = place();
    let token = token(&client, "21600");
    let body = credentials(&get(&client, &format!("{ROLES}AssumingRole"), &token));
    assert_eq!((&body["Code"], &body["Type"]), (&json!("Success"), &json!("AWS-HMAC")));
    assert_eq!(body["Expiration"], "2026-11-22T14:00:00Z");
    let text = |name: &str| body[name].as_str().expect("a text").to_owned();
    let mut session = client.clone();
    (session.key, session.secret, session.token) = (text("AccessKeyId"), text("SecretAccessKey"), Some(text("Token")));
    let who = session.sts("GetCallerIdentity", &[]);
    let id = aws.world(|world| world.instance.as_ref().expect("an instance").id.clone());
    assert_eq!(who.field("Arn"), format!("arn:aws:sts::111111111111:assumed-role/AssumingRole/{id}"));
    assert_eq!(get(&client, &format!("{ROLES}OtherRole"), &token).status, 404);
    aws.world(|world| world.role(&role).trust = crate::trust("arn:aws:iam::111111111111:root").into());
    aws.rotate_place();
    let body = credentials(&get(&client, &format!("{ROLES}AssumingRole"), &token));
    assert_eq!(body["Code"], "AssumeRoleUnauthorizedAccess");
    aws.world(|world| world.instance.as_mut().expect("an instance").role_arn = None);
    assert_eq!(get(&client, ROLES, &token).status, 404, "no instance profile");
}

/// "We make new credentials available at least five minutes before the expiration of the old credentials."
#[test]
fn the_same_session_is_given_until_five_minutes_before_its_end_and_beyond_it_in_an_outage() {
    let (aws, client, _) = place();
    let key = || {
        let token = token(&client, "60");
        credentials(&get(&client, &format!("{ROLES}AssumingRole"), &token))["AccessKeyId"].clone()
    };
    let first = key();
    aws.clock().advance(Duration::from_secs(6 * 3600 - 301));
    assert_eq!(key(), first);
    aws.clock().advance(Duration::from_secs(1));
    let second = key();
    assert_ne!(second, first);
    aws.world(|world| world.instance.as_mut().expect("an instance").is_stale = true);
    aws.clock().advance(Duration::from_hours(7));
    assert_eq!(key(), second, "over, and given all the same");
}

#[test]
fn a_task_is_found_by_its_path_and_a_pod_by_its_token() {
    let (aws, client, role) = place();
    let path = aws.world(|world| world.task.as_ref().expect("a task").path.clone());
    let body = credentials(&client.get(&path));
    assert_eq!(body["RoleArn"], role.as_str());
    assert!(body["Token"].is_string() && body["Expiration"] == "2026-11-22T14:00:00Z");
    assert_eq!(client.get("/v2/credentials/somebody-elses").status, 400);
    aws.world(|world| world.task = Some(Task::new(&role).with_authorization("pod-token")));
    assert_eq!(client.get("/v1/credentials").status, 401);
    assert_eq!(ask(&client, "GET", "/v1/credentials", &[("authorization", "pod-token ")]).status, 200);
    assert_eq!(ask(&client, "GET", "/v1/credentials", &[("authorization", "other")]).status, 401);
    let body = credentials(&ask(&client, "GET", "/v1/credentials", &[("authorization", "pod-token")]));
    assert_eq!((&body["AccountId"], &body["RoleArn"]), (&json!("111111111111"), &Value::Null));
}

#[test]
fn faults_befall_the_place_as_well_and_its_calls_are_written_down_without_secrets() {
    let (aws, client, _) = place();
    aws.fault(Fault::on("ImdsToken", FaultKind::Garbage).times(1));
    assert!(ask(&client, "PUT", "/latest/api/token", &[(TTL, "60")]).body.contains("<!DOCTYPE html>"));
    let token = token(&client, "60");
    get(&client, &format!("{ROLES}AssumingRole"), &token);
    let actions: Vec<String> =
        aws.calls().into_iter().map(|call| format!("{} {}", call.service, call.action)).collect();
    assert_eq!(actions, ["imds ImdsToken", "imds ImdsToken", "imds ImdsCredentials"]);
    assert!(!format!("{:?}", aws.calls()).contains(&token));
}

/// The trust policy names the provider and asks for audience and subject ("Create a role for OpenID Connect federation").
fn federated() -> (Sandbox, Client, String) {
    let aws = Sandbox::start(World::tutorials(), Clock::at(START));
    let provider = OidcProvider::new(tutorials::AUTH_ACCOUNT, ISSUER, "sts.amazonaws.com");
    let trust = policy(&json!({
        "Effect": "Allow",
        "Principal": {"Federated": provider.arn()},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {format!("{ISSUER}:aud"): "sts.amazonaws.com"},
            "StringLike": {format!("{ISSUER}:sub"): "repo:team/*"},
        },
    }));
    let role = add_role(&aws, tutorials::AUTH_ACCOUNT, Role::new("Deploy", trust));
    aws.world(|world| world.oidc_providers.push(provider));
    let client = Client::new(&aws);
    (aws, client, role)
}

fn present(client: &Client, role: &str, token: &str, more: &[(&str, &str)]) -> Reply {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .extend_pairs([("RoleArn", role), ("RoleSessionName", "build"), ("WebIdentityToken", token)])
        .extend_pairs(more)
        .finish();
    let request =
        format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    client.exchange(&request).expect("the sandbox answers")
}

#[test]
fn a_token_of_a_provider_is_traded_for_a_session_without_a_signature() {
    let (aws, client, role) = federated();
    let token = aws.web_token(ISSUER, "repo:team/app", "sts.amazonaws.com", 300);
    let reply = present(&client, &role, &token, &[("DurationSeconds", "900")]);
    reply.succeeds();
    assert_eq!(reply.expiration().to_rfc3339(), "2026-11-22T08:15:00+00:00");
    assert_eq!(reply.field("SubjectFromWebIdentityToken"), "repo:team/app");
    assert_eq!(reply.field("Audience"), "sts.amazonaws.com");
    assert_eq!(reply.field("Provider"), "arn:aws:iam::111111111111:oidc-provider/token.example.com");
    let arn = "arn:aws:sts::111111111111:assumed-role/Deploy/build";
    assert_eq!(client.with(&reply).sts("GetCallerIdentity", &[]).field("Arn"), arn);
    assert!(!format!("{:?}", aws.calls()).contains(&token), "the token is not written down");
}

/// The errors of the operation's page: ExpiredTokenException, InvalidIdentityToken, and AccessDenied by the trust policy.
#[test]
fn what_is_wrong_with_a_token_is_told_as_sts_does() {
    let (aws, client, role) = federated();
    let token = |issuer: &str, subject: &str, audience: &str| aws.web_token(issuer, subject, audience, 300);
    let good = token(ISSUER, "repo:team/app", "sts.amazonaws.com");
    let fails = |token: &str, status: u16, code: &str, words: &str| {
        present(&client, &role, token, &[]).fails(status, code, words);
    };
    fails("none", 400, "InvalidIdentityToken", "not a valid JWT");
    fails("x", 400, "ValidationError", "webIdentityToken");
    fails(&format!("{good}x"), 400, "InvalidIdentityToken", "signature");
    fails(
        &token("other.example.com", "repo:team/app", "sts.amazonaws.com"),
        400,
        "InvalidIdentityToken",
        "No OpenIDConnect provider",
    );
    fails(&token(ISSUER, "repo:team/app", "other"), 400, "InvalidIdentityToken", "Incorrect token audience");
    fails(&token(ISSUER, "repo:other/app", "sts.amazonaws.com"), 403, "AccessDenied", "Not authorized to perform");
    present(&client, "arn:aws:iam::111111111111:role/Missing", &good, &[]).fails(403, "AccessDenied", "Not authorized");
    present(&client, &role, &good, &[("DurationSeconds", "7200")]).fails(400, "ValidationError", "MaxSessionDuration");
    present(&client, tutorials::ROLE_ARN, &good, &[]).fails(400, "InvalidIdentityToken", "No OpenIDConnect provider");
    aws.clock().advance(Duration::from_mins(5));
    fails(&good, 400, "ExpiredTokenException", "must be before the expiration");
}
