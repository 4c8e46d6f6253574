//! A process of its own that asks for an endpoint and lives on: what `rolecall exec` leaves behind.

use super::client::Place;
use crate::harness::inside::Inside;
use crate::harness::wire::framed;
use rolecall::protocol::frame::{self, Tag};
use rolecall::protocol::message::EndpointForm;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Connects, asks what it is told to, says what it heard, and lives until its input ends.
const ASKS: &str = r#"
import socket, sys
for line in sys.stdin.buffer:
    request = bytes.fromhex(line.decode().strip())
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(request)
    heard = b""
    while part := s.recv(65536):
        heard += part
    sys.stdout.write(heard.hex() + "\n")
    sys.stdout.flush()
"#;

pub(super) struct Process {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Process {
    pub(super) fn start(agent: &Inside) -> Self {
        Self::by(Command::new("python3"), agent)
    }

    /// Starts it by another program, which runs `python3`.
    pub(super) fn by(mut command: Command, agent: &Inside) -> Self {
        command.args(["-c", ASKS]).arg(&agent.paths.socket).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    pub(super) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Has it ask, and gives what it heard.
    pub(super) fn says(&mut self, request: &str) -> (Tag, Vec<u8>) {
        let call = format!(r#"{{"version":4,"request":{request},"context":{{}}}}"#);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        writeln!(self.child.stdin.as_mut().unwrap(), "{}", hex(&framed(call.as_bytes()))).unwrap();
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        let bytes: Vec<u8> =
            (0..line.trim().len() / 2).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16).unwrap()).collect();
        let (tag, payload) = frame::read_answer(&mut bytes.as_slice()).expect("an answer");
        (tag, payload.to_vec())
    }

    /// Has it ask for a container's place of its own.
    pub(super) fn asks(&mut self, agent: &Inside, name: &str) -> Place {
        self.asks_for(agent, name, EndpointForm::Container, "caller")
    }

    pub(super) fn asks_for(&mut self, agent: &Inside, name: &str, form: EndpointForm, owner: &str) -> Place {
        let form = serde_json::to_string(&form).unwrap();
        let request = format!(r#"{{"do":"endpoint","name":"{name}","form":{form},"owner":"{owner}","port":null}}"#);
        let (tag, payload) = self.says(&request);
        assert!(tag == Tag::Answer, "{}", String::from_utf8_lossy(&payload));
        let place = Place::of(serde_json::from_slice(&payload).unwrap());
        if !place.token.is_empty() {
            agent.canaries.add(&place.token);
        }
        place
    }

    /// Ends it, as a command ends.
    pub(super) fn end(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
