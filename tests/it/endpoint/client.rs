//! A client of the agent's HTTP ports: raw bytes there, one answer back. And a process that owns what it was given.

use super::super::harness::inside::{Inside, LIMIT};
use rolecall::domain::error::UserError;
use rolecall::protocol::message::{Answer, EndpointForm, EndpointOwner, Request};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// What came back.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Heard {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Gives a header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A place that was given.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) token: String,
}

impl Place {
    pub(super) fn of(answer: Answer) -> Self {
        let Answer::Endpoint { url, token, .. } = answer else { panic!("no place: {answer:?}") };
        let rest = url.strip_prefix("http://127.0.0.1:").expect(&url);
        let (port, path) =
            rest.split_once('/').map_or((rest, String::new()), |(port, path)| (port, format!("/{path}")));
        let token = token.map(|token| token.expose().to_owned()).unwrap_or_default();
        Self { port: port.parse().unwrap(), path, token }
    }

    /// Asks as an SDK does.
    pub(super) fn get(&self) -> Heard {
        self.get_with("")
    }

    /// The same with further header lines, each with its end.
    pub(super) fn get_with(&self, more: &str) -> Heard {
        self.send(self.request(more)).expect("an answer")
    }

    pub(super) fn request(&self, more: &str) -> String {
        let Self { port, path, token } = self;
        format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\nAuthorization: {token}\r\n{more}\r\n"
        )
    }

    /// Sends bytes as they are; `None` where not one came back.
    pub(super) fn send(&self, bytes: impl AsRef<[u8]>) -> Option<Heard> {
        send(self.port, bytes.as_ref())
    }
}

pub(super) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    // Only turns a hang into a failure.
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

pub(super) fn send(port: u16, bytes: &[u8]) -> Option<Heard> {
    let mut stream = connect(port);
    // The agent may have closed before it has read everything.
    let _ = stream.write_all(bytes);
    hear(&mut stream)
}

/// Reads one answer.
pub(super) fn hear(stream: &mut TcpStream) -> Option<Heard> {
    let mut heard = Vec::new();
    let mut part = [0; 4096];
    loop {
        if let Some(answer) = whole(&heard) {
            return Some(answer);
        }
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(n) => heard.extend_from_slice(&part[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => break,
            Err(e) => panic!("the agent neither answers nor closes: {e}"),
        }
    }
    assert!(heard.is_empty(), "half an answer: {}", String::from_utf8_lossy(&heard));
    None
}

fn whole(bytes: &[u8]) -> Option<Heard> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.to_lowercase().split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>().ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() >= length).then(|| Heard { status, head: head.to_owned(), body: body[..length].to_owned() })
}

pub(super) fn container(name: &str) -> Request {
    Request::Endpoint { name: name.to_owned(), form: EndpointForm::Container, owner: EndpointOwner::Caller, port: None }
}

pub(super) fn imds(name: &str, port: Option<u16>) -> Request {
    Request::Endpoint { name: name.to_owned(), form: EndpointForm::Imds, owner: EndpointOwner::Caller, port }
}

/// Asks for a place whose owner is this test, and never lets its token be found on disk or in a message.
pub(super) fn place(agent: &Inside, request: Request) -> Result<Place, UserError> {
    let place = Place::of(agent.ask(request)?);
    if !place.token.is_empty() {
        agent.canaries.add(&place.token);
    }
    Ok(place)
}

/// Asks an answer for its credentials, and takes note of their secrets.
#[track_caller]
pub(super) fn credentials(agent: &Inside, heard: &Heard) -> Value {
    assert_eq!(heard.status, 200, "{heard:?}");
    let body = heard.json();
    for secret in ["SecretAccessKey", "Token"] {
        agent.canaries.add(body[secret].as_str().unwrap());
    }
    body
}
