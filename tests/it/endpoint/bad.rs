//! What is not served: wrong, old and stolen tokens, other names and other pages, requests that two readers could
//! understand differently, crowds that dawdle, other users.

use super::client::{Place, connect, container, hear, imds, place, send};
use super::owner::Process;
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::wire::{NOBODY, as_user, is_reset, stuff};
use rolecall::domain::error::Kind;
use std::cell::Cell;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

pub(super) fn two_roles() -> String {
    format!(
        "{TUTORIAL}\n[roles.other]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"\nrole_session_name = \"other\"\n"
    )
}

#[test]
fn a_token_that_is_wrong_missing_doubled_or_anothers_opens_nothing_and_says_so_in_both_spellings() {
    let agent = Inside::start(&two_roles());
    let prod = place(&agent, container("prod")).unwrap();
    let other = place(&agent, container("other")).unwrap();
    assert_eq!(prod.port, other.port, "one port serves many roles");
    assert_ne!(prod.token, other.token);
    let cut = prod.token[1..].to_owned();
    let flipped = format!("{}{}", if prod.token.starts_with('A') { 'B' } else { 'A' }, cut);
    for token in [
        String::new(),
        cut,
        flipped,
        format!("Bearer {}", prod.token),
        format!("{} x", prod.token),
        other.token.clone(),
    ] {
        let refused = Place { token, ..prod.clone() }.get();
        assert_eq!(refused.status, 401, "{refused:?}");
        let body = refused.json();
        assert_eq!(body["Code"], "Unauthorized");
        assert_eq!((&body["code"], &body["message"]), (&body["Code"], &body["Message"]));
        assert!(body["message"].as_str().unwrap().contains("rolecall exec"), "{body}");
        assert_eq!(refused.header("content-type"), Some("application/json"));
    }
    assert_eq!(prod.get_with(&format!("Authorization: {}\r\n", prod.token)).status, 401, "twice");
    for path in ["/", "/role/", "/role/prod/", "/role/prod?x", "/role/PROD", "/favicon.ico", "/latest/api/token"] {
        let refused = Place { path: path.to_owned(), ..prod.clone() }.get();
        assert_eq!(refused.status, 401, "{path}: never 404, which Java takes for an absent service: {refused:?}");
    }
    assert_eq!((prod.get().status, other.get().status), (200, 200));
    until("it is noted once", || agent.audit("refuse").len() == 1);
    agent.clock.advance(Duration::from_hours(1));
    until("the rest is counted", || agent.audit("refuse").len() == 2);
    assert_eq!(agent.audit("refuse")[1]["count"], 13);
}

#[test]
fn a_name_that_was_rebound_to_this_machine_is_refused() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    let right = format!("Host: 127.0.0.1:{}", prod.port);
    for (host, status) in [
        ("Host: evil.example".to_owned(), 403),
        (format!("Host: evil.example:{}", prod.port), 403),
        (format!("Host: localhost:{}", prod.port), 403),
        ("Host: 127.0.0.1".to_owned(), 403),
        (format!("{right}0"), 403),
        (format!("Host: 127.0.0.1:0{}", prod.port), 403),
        (format!("{right}\r\n{right}"), 400),
        (format!("{right}\r\nHost: evil.example"), 400),
        ("X: y".to_owned(), 400),
        ("Host:".to_owned(), 403),
    ] {
        let refused = prod.send(prod.request("").replace(&right, &host)).expect("an answer");
        assert_eq!(refused.status, status, "{host}: {refused:?}");
        assert!(!refused.body.contains("evil"), "what was sent is not repeated: {refused:?}");
    }
    assert_eq!(prod.get().status, 200);
}

#[test]
fn what_comes_from_a_web_page_or_through_a_proxy_is_refused_and_no_page_may_read_the_answer() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    for header in [
        "Origin: null",
        "origin: https://evil.example",
        "Referer: https://evil.example/",
        "X-Forwarded-For: 10.0.0.1",
        "Forwarded: for=10.0.0.1",
        "Via: 1.1 proxy",
        "Access-Control-Request-Method: GET",
        "Sec-Fetch-Site: cross-site",
        "sec-fetch-site: same-site",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site",
    ] {
        let refused = prod.get_with(&format!("{header}\r\n"));
        assert_eq!(refused.status, 403, "{header}: {refused:?}");
        assert!(!refused.head.to_lowercase().contains("access-control-allow"), "{refused:?}");
        assert!(!refused.body.contains("evil"), "{refused:?}");
    }
    let preflight = prod.request("Origin: https://evil.example\r\nAccess-Control-Request-Headers: authorization\r\n");
    let refused = prod.send(preflight.replacen("GET", "OPTIONS", 1)).expect("an answer");
    assert_eq!(refused.status, 403, "{refused:?}");
    let of_page = Place { token: String::new(), ..prod.clone() };
    assert_eq!(of_page.get_with("Sec-Fetch-Site: cross-site\r\n").status, 403);
    assert_eq!(prod.get_with("Sec-Fetch-Site: none\r\n").status, 200, "what a person opens has no site");
    let mut agent = agent;
    agent.restart();
    assert!(agent.audit("refuse").is_empty(), "a web page cannot write into the audit log");
}

#[test]
fn required_audit_without_a_log_answers_503() {
    let config = format!("[agent]\naudit = \"required\"\n{TUTORIAL}");
    let agent = Inside::start_after(&config, |paths| std::fs::create_dir_all(paths.audit_log()).unwrap());
    let prod = place(&agent, container("prod")).unwrap();
    for _ in 0..2 {
        let refused = prod.get();
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.body.contains("the audit log cannot be written, so nothing is served"), "{refused:?}");
    }
    assert_eq!(agent.get("prod").expect_err("refused").kind, Kind::Failed);
    std::fs::remove_dir(agent.paths.audit_log()).unwrap();
    assert_eq!(prod.get().status, 200);
    assert_eq!(agent.audit("endpoint").len(), 1, "the line is in the file before the answer");
}

#[test]
fn a_request_that_two_readers_could_understand_differently_is_refused_and_what_follows_it_is_not_read() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    let behind = prod.request("");
    let refused = |what: &str, bytes: String| {
        let mut stream = connect(prod.port);
        let _ = stream.write_all(bytes.as_bytes());
        let first = hear(&mut stream);
        assert!(first.as_ref().is_none_or(|heard| (400..500).contains(&heard.status)), "{what}: {first:?}");
        let second = hear(&mut stream);
        assert!(second.is_none(), "{what}: what was smuggled behind it is answered: {second:?}");
    };
    let with = |more: &str| prod.request(more);
    refused("a body", format!("{}GET /x", with("Content-Length: 6\r\n")));
    refused("a body that is a request", format!("{}{behind}", with(&format!("Content-Length: {}\r\n", behind.len()))));
    refused("chunks", format!("{}0\r\n\r\n{behind}", with("Transfer-Encoding: chunked\r\n")));
    refused("both", format!("{}0\r\n\r\n{behind}", with("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n")));
    refused("an odd encoding", format!("{}{behind}", with("Transfer-Encoding: xchunked\r\n")));
    refused("two lengths", format!("{}{behind}", with("Content-Length: 0\r\nContent-Length: 5\r\n")));
    refused("a negative length", format!("{}{behind}", with("Content-Length: -1\r\n")));
    refused("a folded header", format!("{}{behind}", with("X: y\r\n z: w\r\n")));
    refused("a space before the colon", format!("{}{behind}", with("X : y\r\n")));
    refused(
        "a whole URL",
        format!(
            "{}{behind}",
            with("").replacen(&prod.path, &format!("http://127.0.0.1:{}{}", prod.port, prod.path), 1)
        ),
    );
    refused("another method", format!("{}{behind}", with("").replacen("GET", "POST", 1)));
    refused("CONNECT", format!("CONNECT 127.0.0.1:{0} HTTP/1.1\r\nHost: 127.0.0.1:{0}\r\n\r\n{behind}", prod.port));
    refused("an old version", format!("{}{behind}", with("").replacen("HTTP/1.1", "HTTP/1.0", 1)));
    refused("HTTP/2", format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{behind}"));
    refused("an upgrade", format!("{}{behind}", with("Connection: Upgrade\r\nUpgrade: h2c\r\n")));
    refused("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\r\n\r\n".to_owned());
    assert_eq!(prod.get().status, 200);
}

#[test]
fn a_megabyte_of_headers_is_refused_and_nobody_else_is_stuck() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    for headers in [format!("X: {}\r\n", "y".repeat(1 << 20)), "X: y\r\n".repeat(150_000), "X: y\r\n".repeat(500)] {
        let mut stream = connect(prod.port);
        let _ = stream.write_all(prod.request(&headers).as_bytes());
        assert_eq!(prod.get().status, 200);
        let refused = hear(&mut stream);
        assert!(refused.as_ref().is_none_or(|heard| heard.status == 431), "{refused:?}");
    }
}

#[test]
fn slow_clients_hold_up_nobody_and_are_cut() {
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    // Half of them say nothing whole; half never read what they asked for.
    let mut halves: Vec<TcpStream> = (0..10).map(|_| connect(prod.port)).collect();
    for stream in &mut halves {
        stream.write_all(&prod.request("").as_bytes()[..40]).unwrap();
    }
    let unread = stuff(prod.port, &prod.request(""), 10);
    for _ in 0..100 {
        assert_eq!(prod.get().status, 200);
    }
    for mut stream in halves {
        let heard = hear(&mut stream);
        assert!(heard.as_ref().is_none_or(|heard| heard.status == 408), "cut, after some seconds: {heard:?}");
    }
    assert!(!unread.iter().any(is_reset), "who does not read has a minute");
    agent.clock.advance(Duration::from_mins(1));
    let cut = Cell::new(0);
    until("who never reads is cut", || {
        // An error is told once.
        cut.set(cut.get() + unread.iter().filter(|stream| is_reset(stream)).count());
        cut.get() == unread.len()
    });
    assert_eq!(prod.get().status, 200);
}

#[test]
fn another_user_is_closed_without_a_byte_at_the_endpoint_and_at_the_metadata_service() {
    needs!("root");
    let agent = Inside::start(TUTORIAL);
    let prod = place(&agent, container("prod")).unwrap();
    let service = place(&agent, imds("prod", None)).unwrap();
    let token = format!(
        "PUT /latest/api/token HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n",
        service.port
    );
    for _ in 0..10 {
        assert!(as_user(NOBODY, || send(prod.port, prod.request("").as_bytes())).is_none(), "a stolen token");
        assert!(as_user(NOBODY, || send(service.port, token.as_bytes())).is_none());
    }
    assert_eq!(prod.get().status, 200);
    assert_eq!(service.send(&token).unwrap().status, 200);
    assert_eq!(agent.status().counts.turned_away, 20);
    until("it is noted, once for each port", || agent.audit("refuse").len() == 2);
    let noted = agent.audit("refuse");
    assert!(noted.iter().all(|line| line["message"].as_str().unwrap().contains("uid 65534")), "{noted:?}");
}

#[test]
fn a_token_dies_with_its_process_and_after_a_week() {
    let agent = Inside::start(TUTORIAL);
    let kept = place(&agent, container("prod")).unwrap();
    let mut owner = Process::start(&agent);
    let place = owner.asks(&agent, "prod");
    assert_eq!(place.get().status, 200);
    owner.end();
    assert_eq!(place.get().status, 401, "at once");
    assert_eq!(kept.get().status, 200, "nobody else's");
    until("the grant is gone", || agent.status().endpoint.grants.len() == 1);
    agent.clock.advance(Duration::from_hours(7 * 24));
    until("so is the last", || agent.status().endpoint.grants.is_empty());
    assert_eq!(kept.get().status, 401, "told by us: the port stays ours");
    until("and that is noted", || agent.audit("grant").iter().filter(|line| line["result"] == "ended").count() == 2);
}

#[test]
fn what_cannot_reach_the_agents_loopback_is_told_what_works_there() {
    needs!("root");
    let agent = Inside::start(TUTORIAL);
    let mut command = std::process::Command::new("unshare");
    command.args(["--net", "python3"]);
    let mut elsewhere = Process::by(command, &agent);
    let (_, refusal) = elsewhere.says(r#"{"do":"endpoint","name":"prod","form":"container"}"#);
    let refusal = String::from_utf8(refusal).unwrap();
    assert!(refusal.contains("another network namespace") && refusal.contains("credential_process"), "{refusal}");
    assert!(agent.status().endpoint.port.is_none());
}
