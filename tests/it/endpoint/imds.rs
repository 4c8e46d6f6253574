//! The metadata service: what tools that know nothing else are told.

use super::client::{Heard, Place, container, credentials, imds, place};
use crate::harness::inside::{Inside, TUTORIAL, until};
use chrono::{DateTime, Utc};
use rolecall::domain::error::Kind;
use rolecall::protocol::message::Request;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, ipproto, recv, socket_with};
use std::net::TcpListener;
use std::time::Duration;

const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials";

fn put(service: &Place, more: &str) -> Heard {
    let port = service.port;
    let request =
        format!("PUT /latest/api/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n{more}\r\n");
    service.send(request).expect("an answer")
}

fn ttl(seconds: &str) -> String {
    format!("X-aws-ec2-metadata-token-ttl-seconds: {seconds}\r\n")
}

fn get(service: &Place, path: &str, more: &str) -> Heard {
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{more}\r\n", service.port);
    service.send(request).expect("an answer")
}

fn with(token: &str) -> String {
    format!("X-aws-ec2-metadata-token: {token}\r\n")
}

/// Asks as an SDK does: for a token, for the name, for the session.
pub(super) fn whole(agent: &Inside, service: &Place) -> Heard {
    let token = put(service, &ttl("21600"));
    assert_eq!((token.status, token.header("x-aws-ec2-metadata-token-ttl-seconds")), (200, Some("21600")));
    agent.canaries.add(&token.body);
    let name = get(service, &format!("{CREDENTIALS}/"), &with(&token.body));
    assert_eq!((name.status, &*name.body), (200, "prod"));
    get(service, &format!("{CREDENTIALS}/{}", name.body), &with(&token.body))
}

#[test]
fn a_role_is_served_as_an_instance_serves_its_own() {
    let agent = Inside::start(TUTORIAL);
    let service = place(&agent, imds("prod", None)).unwrap();
    assert!(service.path.is_empty() && service.token.is_empty(), "no trailing slash, which Java cannot bear");
    let body = credentials(&agent, &whole(&agent, &service));
    assert_eq!((&body["Code"], &body["Type"]), (&"Success".into(), &"AWS-HMAC".into()));
    assert_eq!(body["LastUpdated"], "2026-11-22T08:00:00Z");
    assert_eq!(body["Expiration"], "2026-11-22T09:00:00Z");
    assert_eq!(body["AccessKeyId"], agent.get("prod").unwrap().access_key_id);
    let shown = agent.status().endpoint;
    assert_eq!((shown.port, shown.grants[0].port), (None, Some(service.port)), "a port of its own");
}

#[test]
fn without_a_token_that_is_still_good_nothing_is_told_and_a_token_says_how_long_it_is() {
    let agent = Inside::start(TUTORIAL);
    let service = place(&agent, imds("prod", None)).unwrap();
    for bad in ["", "0", "21601", "-1", "x", "99999999999999999999"] {
        assert_eq!(put(&service, &ttl(bad)).status, 400, "{bad}");
    }
    assert_eq!(put(&service, "").status, 400);
    assert_eq!(get(&service, "/latest/api/token", &ttl("60")).status, 405);
    for header in ["X-Forwarded-For: 10.0.0.1\r\n", "Origin: https://evil.example\r\n"] {
        assert_eq!(put(&service, &format!("{}{header}", ttl("60"))).status, 403, "{header}");
    }
    let path = format!("{CREDENTIALS}/prod");
    assert_eq!(get(&service, &path, "").status, 401, "version 1 is not spoken");
    assert_eq!(get(&service, &path, &with("x")).status, 401);
    let rebound = format!("PUT /latest/api/token HTTP/1.1\r\nHost: evil.example\r\n{}\r\n", ttl("60"));
    assert_eq!(service.send(rebound).unwrap().status, 403);
    let token = put(&service, &ttl("60")).body;
    agent.canaries.add(&token);
    credentials(&agent, &get(&service, &path, &with(&token)));
    let second = place(&agent, imds("prod", None)).unwrap();
    assert_eq!(get(&second, &path, &with(&token)).status, 401, "another service's");
    for (path, status) in [
        (format!("{CREDENTIALS}-extended/"), 404),
        (format!("{CREDENTIALS}-extended/prod"), 404),
        (format!("{CREDENTIALS}/other"), 404),
        ("/latest/meta-data/placement/region".to_owned(), 404),
        ("/latest/dynamic/instance-identity/document".to_owned(), 404),
        ("/".to_owned(), 404),
        (CREDENTIALS.to_owned(), 200),
    ] {
        assert_eq!(get(&service, &path, &with(&token)).status, status, "{path}");
    }
    agent.clock.advance(Duration::from_mins(1));
    assert_eq!(get(&service, &path, &with(&token)).status, 401, "its time is over");
}

#[test]
fn what_it_serves_has_half_an_hour_left() {
    let agent = Inside::start(TUTORIAL);
    let service = place(&agent, imds("prod", None)).unwrap();
    let left = |body: &serde_json::Value| {
        let end: DateTime<Utc> = body["Expiration"].as_str().unwrap().parse().unwrap();
        (end - agent.aws.clock().now()).num_minutes()
    };
    let served = || left(&credentials(&agent, &whole(&agent, &service)));
    for _ in 0..150 {
        agent.clock.advance(Duration::from_mins(1));
        let minutes = served();
        assert!(minutes >= 30, "{minutes} minutes");
        if minutes <= 32 {
            until("it is renewed before anybody needs it", || served() > 32);
        }
    }
    assert!(agent.aws.count("AssumeRole") <= 7, "renewed once in half an hour: {}", agent.aws.count("AssumeRole"));
}

#[test]
fn a_port_that_is_taken_or_the_systems_is_said_so() {
    let agent = Inside::start(TUTORIAL);
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = place(&agent, imds("prod", Some(port))).expect_err("taken");
    assert_eq!(refused.message, format!("port {port} of 127.0.0.1 is taken by another program"));
    assert!(refused.hint.unwrap().contains("one that is free"));
    drop(taken);
    assert_eq!(place(&agent, imds("prod", Some(port))).unwrap().port, port);
    for low in [0, 80, 1023] {
        assert_eq!(place(&agent, imds("prod", Some(low))).expect_err("low").kind, Kind::Usage);
    }
    let Request::Endpoint { name, form, owner, .. } = container("prod") else { unreachable!() };
    let chosen = Request::Endpoint { name, form, owner, port: Some(port) };
    assert_eq!(place(&agent, chosen).expect_err("shared").kind, Kind::Usage);
    assert_eq!(place(&agent, container("nobody")).expect_err("unknown").kind, Kind::Config);
}

#[test]
fn a_service_ends_with_its_process_and_a_locked_one_still_gives_tokens() {
    let agent = Inside::start(TUTORIAL);
    let mut owner = super::owner::Process::start(&agent);
    let service = owner.asks_for(&agent, "prod", rolecall::protocol::message::EndpointForm::Imds, "caller");
    credentials(&agent, &whole(&agent, &service));
    agent.ask(Request::Lock).unwrap();
    assert_eq!(put(&service, &ttl("60")).status, 200, "SDKs take a refused token for the old version");
    owner.end();
    until("its port is free", || TcpListener::bind(("127.0.0.1", service.port)).is_ok());
}

#[test]
fn its_answers_get_no_further_than_this_machine() {
    needs!("root");
    let agent = Inside::start(TUTORIAL);
    let service = place(&agent, imds("prod", None)).unwrap();
    let wire = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::TCP)).unwrap();
    until("an answer is seen on the wire", || {
        put(&service, &ttl("60"));
        let mut packet = vec![0; 65536];
        while let Ok((n, _)) = recv(&wire, packet.as_mut_slice(), RecvFlags::DONTWAIT) {
            let (ip, tcp) = packet[..n].split_at(usize::from(packet[0] & 15) * 4);
            let is_its = tcp[..2] == service.port.to_be_bytes();
            if is_its && tcp.len() > usize::from(tcp[12] >> 4) * 4 {
                assert_eq!(ip[8], 1, "hops that it may go");
                return true;
            }
        }
        false
    });
}
