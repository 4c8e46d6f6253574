//! The way of a browser to the console: an address of this machine that is no secret, once.

use super::client::Place;
use crate::harness::inside::{Inside, TUTORIAL};
use crate::harness::wire::{NOBODY, as_user};
use rolecall::protocol::message::{Answer, Request};
use std::time::Duration;

fn visit(agent: &Inside) -> Place {
    let wanted = Request::Console { name: "prod".into(), destination: None, duration_seconds: None, by_browser: true };
    let Answer::Console { url, valid_seconds } = agent.ask(wanted).unwrap() else { panic!("no console") };
    assert_eq!(valid_seconds, 60);
    let (port, path) = url.expose().strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
    Place { port: port.parse().unwrap(), path: format!("/{path}"), token: String::new() }
}

#[test]
fn a_browser_is_sent_to_the_sign_in_address_once_within_a_minute_and_only_its_own_users() {
    needs!("root");
    let config = TUTORIAL.replace("[identities", "endpoint_url_signin = \"ENDPOINT\"\n\n[identities");
    let agent = Inside::start(&config);
    let place = visit(&agent);
    assert!(as_user(NOBODY, || place.send(place.request(""))).is_none());
    assert_eq!(place.get_with("Referer: https://evil.example/\r\n").status, 403);
    let sent = place.get();
    assert_eq!(sent.status, 303, "{sent:?}");
    let address = sent.header("location").unwrap();
    assert!(address.contains("SigninToken="), "{address}");
    agent.canaries.add(address);
    assert_eq!((sent.header("referrer-policy"), sent.header("cache-control")), (Some("no-referrer"), Some("no-store")));
    assert_eq!(place.get().status, 410, "once");
    let late = visit(&agent);
    agent.clock.advance(Duration::from_mins(1));
    assert_eq!(late.get().status, 410, "after a minute");
}
