//! The instance metadata service, version 2 only (`HttpTokens=required`), as far as credentials need it.
//!
//! Rules: EC2 User Guide, "Use the Instance Metadata Service to access instance metadata", "Retrieve security credentials
//! from instance metadata", "Troubleshoot IAM roles". The hop limit is a fact of the network: a fault that leaves the PUT
//! without an answer is what a client sees of it.

use chrono::{SecondsFormat, TimeDelta};
use http::Method;
use serde_json::json;

use crate::answer::Answer;
use crate::exchange::Exchange;
use crate::mint;
use crate::request::Request;

const TOKEN: &str = "/latest/api/token";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// "The TTL is … a maximum of six hours (21,600 seconds)."
const LONGEST_TTL: i64 = 21_600;

/// Names what a request asks for; `None` if it is not for this service.
pub(crate) fn action(request: &Request) -> Option<&'static str> {
    match request.path.as_str() {
        TOKEN => Some("ImdsToken"),
        path if path.trim_end_matches('/') == CREDENTIALS => Some("ImdsRole"),
        path if path.starts_with(CREDENTIALS) => Some("ImdsCredentials"),
        path if path.starts_with("/latest/") => Some("ImdsOther"),
        _ => None,
    }
}

pub(crate) fn answer(exchange: &mut Exchange<'_>) -> Answer {
    let Some(instance) = exchange.state.world.instance.clone() else { return failure(404, "Not Found") };
    if !instance.is_enabled {
        return failure(403, "Forbidden");
    }
    let request = exchange.request;
    if request.path == TOKEN {
        return token(exchange);
    }
    if request.method != Method::GET {
        return failure(405, "Method Not Allowed");
    }
    // "401 - Unauthorized: The GET request uses an invalid token." A request of version 1 has none.
    let given = request.header("x-aws-ec2-metadata-token").unwrap_or_default();
    if exchange.state.place.tokens.get(given).is_none_or(|end| exchange.now >= *end) {
        return failure(401, "Unauthorized");
    }
    let Some(role_arn) = instance.role_arn.as_deref() else { return failure(404, "Not Found") };
    let name = role_arn.rsplit('/').next().unwrap_or_default().to_owned();
    match request.path.strip_prefix(CREDENTIALS).map(|rest| rest.trim_start_matches('/')) {
        Some("") => Answer::new(200, "text/plain", name),
        Some(asked) if asked == name => {
            let now = exchange.now;
            let issued = exchange.state.session_of_place(
                "ec2.amazonaws.com",
                role_arn,
                &instance.id,
                instance.session_seconds,
                now,
                instance.is_stale,
            );
            let updated = now.to_rfc3339_opts(SecondsFormat::Secs, true);
            let body = match issued {
                Some(session) => json!({
                    "Code": "Success",
                    "LastUpdated": updated,
                    "Type": "AWS-HMAC",
                    "AccessKeyId": session.access_key_id,
                    "SecretAccessKey": session.secret_access_key,
                    "Token": session.session_token,
                    "Expiration": session.expiration_text(),
                }),
                None => json!({
                    "Code": "AssumeRoleUnauthorizedAccess",
                    "Message": format!("EC2 cannot assume the role {name}. Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."),
                    "LastUpdated": updated,
                }),
            };
            // The service names no JSON in its header.
            Answer::new(200, "text/plain", body.to_string())
        }
        _ => failure(404, "Not Found"),
    }
}

fn token(exchange: &mut Exchange<'_>) -> Answer {
    let request = exchange.request;
    // "PUT requests that contain an X-Forwarded-For header are rejected."
    if request.method == Method::PUT && request.headers.contains_key("x-forwarded-for") {
        return failure(403, "Forbidden");
    }
    if request.method != Method::PUT {
        return failure(405, "Method Not Allowed");
    }
    // "400 - Missing or Invalid Parameters: The PUT request is not valid."
    let ttl = request.header(TTL).and_then(|ttl| ttl.parse::<i64>().ok()).filter(|ttl| (1..=LONGEST_TTL).contains(ttl));
    let Some(ttl) = ttl else { return failure(400, "Bad Request") };
    let token = mint::metadata_token();
    let end = exchange.now + TimeDelta::seconds(ttl);
    exchange.state.place.tokens.insert(token.clone(), end);
    Answer::new(200, "text/plain", token).with_header(TTL, ttl.to_string())
}

fn failure(status: u16, title: &str) -> Answer {
    let page = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>{status} - {title}</title></head>\
         <body><h1>{status} - {title}</h1></body></html>\n"
    );
    Answer::new(status, "text/html", page).failed(&status.to_string())
}
