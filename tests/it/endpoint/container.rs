//! The container endpoint: what an SDK that asks properly is told.

use super::client::{container, credentials, place};
use crate::harness::inside::{Inside, TUTORIAL, until};
use rolecall::protocol::status::EndpointStatus;
use std::net::TcpListener;

#[test]
fn a_role_is_served_with_everything_that_any_sdk_wants() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    assert_eq!(prod.path, "/role/prod");
    assert!(prod.token.len() >= 43, "256 bits");
    assert!(prod.token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "goes into any header");
    let heard = prod.get();
    let body = credentials(&agent, &heard);
    let session = agent.get("prod").unwrap();
    assert_eq!(body["AccessKeyId"], session.access_key_id);
    assert_eq!(body["SecretAccessKey"], session.secret.expose());
    assert_eq!(body["Token"], session.token.expose());
    assert_eq!(body["Expiration"], "2026-11-22T09:00:00Z");
    assert_eq!(body["AccountId"], "222222222222");
    assert_eq!(body["RoleArn"], "arn:aws:iam::222222222222:role/AssumedRole");
    assert_eq!(body.as_object().unwrap().len(), 6, "and nothing else");
    assert_eq!(heard.header("content-type"), Some("application/json"), "Go takes it with nothing behind it");
    assert_eq!(heard.header("cache-control"), Some("no-store"));
    assert!(!heard.head.to_lowercase().contains("access-control"), "no page may read it");
    assert_eq!(agent.aws.count("AssumeRole"), 1);
}

#[test]
fn nothing_listens_before_the_first_grant_and_after_the_last_the_port_stays_ours_and_opens_nothing() {
    let agent = Inside::start(TUTORIAL);
    agent.get("prod").unwrap();
    let kept = || {
        std::fs::read_dir(&agent.paths.state)
            .unwrap()
            .any(|file| file.unwrap().file_name().to_string_lossy().starts_with("endpoint"))
    };
    assert_eq!(agent.status().endpoint, EndpointStatus::default());
    assert!(!kept());
    let mut owner = super::owner::Process::start(&agent);
    let place = owner.asks(&agent, "prod");
    assert!(kept());
    assert_eq!(agent.status().endpoint.port, Some(place.port));
    assert_eq!(place.get().status, 200);
    owner.end();
    until("nothing is kept of it", || !kept());
    assert_eq!(agent.status().endpoint, EndpointStatus { port: Some(place.port), grants: Vec::new() });
    assert!(TcpListener::bind(("127.0.0.1", place.port)).is_err(), "another user's would be asked by what lives on");
    assert_eq!(place.get().status, 401);
    assert_eq!(self::place(&agent, container("prod")).unwrap().port, place.port);
}
