//! The container endpoint under load: an agent that may use one processor only, two hundred who dawdle, and what that
//! costs those who ask properly.

#![expect(clippy::disallowed_methods, reason = "time is what is measured here")]

use crate::Programs;
use crate::sheet::Sheet;
use crate::stage::Stage;
use rolecall::protocol::message::{Answer, EndpointForm, EndpointOwner, Request};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, socket};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

/// Requests a second that one processor has to answer.
const RATE: u32 = 2000;

/// Clients at once.
const CLIENTS: u32 = 4;

/// Shorter than the agent's patience with those who dawdle: they hang on it all the while.
const TIME: Duration = Duration::from_secs(4);

/// What one who does not read asks for: some 150 KB of answers, more than the agent's side of a connection takes.
const UNREAD: usize = 100;

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
        let dawdling = dawdle(&place, stage.pid);
        let most = all(&place, stays, None);
        drop(dawdling);
        let dawdling = dawdle(&place, stage.pid);
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

/// Two hundred connections: half say nothing whole, half do not read what they asked for. Comes back when the agent has done
/// what it can for them: the thousands of answers until it is stuck are work of their own, and not what is measured.
fn dawdle(place: &Place, agent: u32) -> Vec<TcpStream> {
    let open = |at: usize| {
        let (mut stream, sent) = if at.is_multiple_of(2) {
            (connect(place.port), place.request[..40].to_owned())
        } else {
            (connect_with_little_room(place.port), place.request.repeat(UNREAD))
        };
        stream.write_all(sent.as_bytes()).expect("sent");
        stream
    };
    let dawdling = (0..200).map(open).collect();
    let mut before = ticks(agent);
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let now = ticks(agent);
        if now == before {
            return dawdling;
        }
        before = now;
    }
}

/// Gives the processor time that a process has used, in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // Behind the program's name in brackets: user and system time are the 12th and 13th field (proc_pid_stat(5)).
    let fields = stat.rsplit(')').next().expect("one");
    fields.split_ascii_whitespace().skip(11).take(2).map(|time| time.parse::<u64>().expect("a number")).sum()
}

/// Connects with so little room for answers that a few fill it.
fn connect_with_little_room(port: u16) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    set_socket_recv_buffer_size(&socket, 4096).expect("less room");
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).expect("it listens");
    socket.into()
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
