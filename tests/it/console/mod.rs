//! The web console: signing a browser in, switching roles there, and the configuration of tools that do.

mod browser;
mod print;
mod refused;
mod roles;
mod switch_link;

use crate::harness::home::{CHAIN, Home, chained_world, text};
use crate::harness::inside::until;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Output;

/// A home whose `prod` is assumed by the key itself, and `data` by `prod`.
fn home() -> Home {
    let home = Home::ready(&all_services(CHAIN));
    let mut world = chained_world();
    // The key that was stored is the one of this world too.
    world.user(USER_ARN).access_keys = vec![home.aws.access_key(USER_ARN)];
    home.aws.world(|now| *now = world);
    home
}

/// Names the sandbox for every service, the sign-in included.
fn all_services(config: &str) -> String {
    config.replace("endpoint_url_sts", "endpoint_url")
}

/// Takes a sign-in address that was printed apart, and keeps its token from being shown elsewhere.
fn parameters(home: &Home, output: &Output) -> BTreeMap<String, String> {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let url = text(&output.stdout);
    let (address, query) = url.trim_end().split_once('?').expect("a query");
    assert_eq!(address, format!("{}/federation", home.aws.url()));
    let parameters: BTreeMap<String, String> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), decoded(v))).collect();
    home.canaries.add(&parameters["SigninToken"]);
    parameters
}

/// Runs a command whose standard output is a secret that it is asked for.
fn run_secret(home: &Home, args: &[&str]) -> Output {
    let output = home.rolecall(args).output().unwrap();
    home.canaries.shown(&text(&output.stderr));
    output
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Opens a page of the sandbox as a browser does; gives the status and where it leads.
fn visit(url: &str) -> (u16, Option<String>) {
    use std::io::{Read, Write};
    let rest = url.trim().strip_prefix("http://").expect("plain http to this machine");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let status = reply.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let head = reply.split("\r\n\r\n").next().unwrap_or_default();
    let location = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then(|| value.to_owned())
    });
    (status, location)
}

/// Waits until the log has events of a kind, and gives the last one.
fn last_event(home: &Home, event: &str) -> Value {
    until(&format!("an event {event}"), || !home.events(event).is_empty());
    home.events(event).pop().expect("one")
}
