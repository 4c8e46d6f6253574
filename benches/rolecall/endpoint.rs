//! The container endpoint under load: an agent that may use one processor only, two hundred who dawdle, and what that
//! costs those who ask properly.

#![expect(clippy::disallowed_methods, reason = "time is what is measured here")]

use crate::Programs;
use crate::sheet::Sheet;
use crate::stage::Stage;
use rolecall::protocol::message::{Answer, EndpointForm, EndpointOwner, Request};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// Requests a second that one processor has to answer.
const RATE: u32 = 2000;

/// Clients at once.
const CLIENTS: u32 = 4;

/// Shorter than the agent's patience with those who dawdle: they hang on it all the while.
const TIME: Duration = Duration::from_secs(4);

struct Place {
    port: u16,
    request: String,
}

pub(crate) fn run(programs: &Programs, sheet: &mut Sheet) {
    sheet.part("Container endpoint, agent on one processor, 200 who dawdle");
    let stage = Stage::start(programs, 1);
    pin(stage.pid);
    let answer = stage.ask(Request::Endpoint {
        name: "r0".to_owned(),
        form: EndpointForm::Container,
        owner: EndpointOwner::Caller,
        port: None,
    });
    let Answer::Endpoint { url, token: Some(token), .. } = answer else { panic!("no endpoint") };
    let (port, path) = url.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once('/')).expect("a URL");
    let token = token.expose();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n\r\n");
    let place = Place { port: port.parse().expect("a port"), request };
    for (how, stays) in [("a connection each", false), ("connections that stay", true)] {
        let dawdling = dawdle(&place);
        let most = all(&place, stays, None);
        drop(dawdling);
        let dawdling = dawdle(&place);
        let paced = all(&place, stays, Some(TIME / (RATE / CLIENTS) / u32::try_from(TIME.as_secs()).expect("seconds")));
        drop(dawdling);
        sheet.note(&format!("{how}: requests a second at most"), &per_second(&most));
        sheet.at_most(&format!("{how}: time per request"), 1e6 * TIME.as_secs_f64() / count(&most), 500.0, " µs");
        sheet.at_most(&format!("{how}: p99 at {RATE} a second"), milliseconds(&paced, 99), 5.0, " ms");
        sheet.note(&format!("{how}: median at {RATE} a second"), &format!("{:.2} ms", milliseconds(&paced, 50)));
        sheet.note(&format!("{how}: of {RATE} a second came"), &per_second(&paced));
    }
}

/// Leaves the agent one processor, with all its threads.
fn pin(pid: u32) {
    let done = Command::new("taskset").args(["-a", "-c", "-p", "0", &pid.to_string()]).output();
    assert!(done.is_ok_and(|done| done.status.success()), "taskset (util-linux) is needed");
}

/// Two hundred connections: half say nothing whole, half never read what they asked for.
fn dawdle(place: &Place) -> Vec<TcpStream> {
    let open = |at: usize| {
        let mut stream = connect(place.port);
        let sent = if at.is_multiple_of(2) { place.request[..40].to_owned() } else { place.request.repeat(50) };
        stream.write_all(sent.as_bytes()).expect("sent");
        stream
    };
    (0..200).map(open).collect()
}

/// Asks from several threads for a while; gives how long each request took, from when it was due.
fn all(place: &Place, stays: bool, interval: Option<Duration>) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| client(place, stays, interval))).collect();
        let mut took: Vec<Duration> = clients.into_iter().flat_map(|client| client.join().expect("served")).collect();
        took.sort_unstable();
        took
    })
}

fn client(place: &Place, stays: bool, interval: Option<Duration>) -> Vec<Duration> {
    let begin = Instant::now();
    let mut took = Vec::new();
    let mut stream = None;
    while begin.elapsed() < TIME {
        let due = match interval {
            Some(interval) => begin + interval * u32::try_from(took.len()).expect("not so many"),
            None => Instant::now(),
        };
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let connection = stream.get_or_insert_with(|| connect(place.port));
        ask(connection, &place.request);
        took.push(due.elapsed());
        if !stays {
            stream = None;
        }
    }
    took
}

fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens")
}

fn ask(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut heard = Vec::with_capacity(4096);
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).expect("an answer");
        assert!(read > 0, "closed without an answer");
        heard.extend_from_slice(&part[..read]);
        if heard.ends_with(b"}") {
            assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard[..60]));
            return;
        }
    }
}

fn count(took: &[Duration]) -> f64 {
    f64::from(u32::try_from(took.len()).expect("not so many"))
}

fn per_second(took: &[Duration]) -> String {
    format!("{:.0}", count(took) / TIME.as_secs_f64())
}

fn milliseconds(took: &[Duration], percentile: usize) -> f64 {
    took[(took.len() * percentile / 100).min(took.len() - 1)].as_secs_f64() * 1e3
}
