//! Bytes on the agent's socket, as a client that is none of ours would send them, and as another user would.

use super::inside::LIMIT;
use super::needs::require;
use rolecall::domain::error::UserError;
use rolecall::protocol::frame::{self, Tag};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Uid;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Nobody, as every system calls it.
pub(crate) const NOBODY: u32 = 65534;

/// What came back on a raw connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Not a byte.
    Nothing,
    /// A refusal.
    Refusal(UserError),
    /// Anything else.
    Else(Vec<u8>),
}

/// Puts the length word before a payload, whatever the payload is.
pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// Sends bytes, then listens until the agent closes.
pub(crate) fn send(socket: &Path, bytes: &[u8]) -> Heard {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // The agent may have closed before it has read everything.
    let _ = stream.write_all(bytes);
    listen(&mut stream)
}

/// Listens until the agent closes.
pub(crate) fn listen(stream: &mut UnixStream) -> Heard {
    let mut heard = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(n) => heard.extend_from_slice(&part[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(e) => panic!("the agent neither answers nor closes: {e}"),
        }
    }
    if heard.is_empty() {
        return Heard::Nothing;
    }
    match frame::read_answer(&mut heard.as_slice()) {
        Ok((Tag::Refusal, payload)) => Heard::Refusal(serde_json::from_slice(&payload).expect("a report")),
        _ => Heard::Else(heard),
    }
}

/// Asks a port again and again and reads nothing, on so many connections, until every buffer on the way is full.
pub(crate) fn stuff(port: u16, request: &str, connections: usize) -> Vec<TcpStream> {
    let connect = |_| {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // Little room here, so that little is enough.
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let streams: Vec<TcpStream> = (0..connections).map(connect).collect();
    let mut sent = vec![0; connections];
    let requests = request.repeat(64);
    // Nothing tells that all are full but that nothing moves any more. Counted in rounds: a busy machine slows these down as
    // it does the agent.
    let mut still = 0;
    while still < 500 {
        still += 1;
        for (mut stream, sent) in streams.iter().zip(&mut sent) {
            // A request that was written in part is gone on with.
            if let Ok(n) = stream.write(&requests.as_bytes()[*sent..]) {
                *sent = (*sent + n) % requests.len();
                still = 0;
            }
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    streams
}

/// Whether the agent has closed its end, without reading what it sent before.
pub(crate) fn has_hung_up(stream: &UnixStream) -> bool {
    let mut polled = [PollFd::new(stream, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
    polled[0].revents().contains(PollFlags::HUP)
}

/// Tells whether the agent has reset a connection that nobody has read.
pub(crate) fn is_reset(stream: &TcpStream) -> bool {
    stream.take_error().unwrap().is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

/// Does something as another user, on a thread of its own: credentials belong to threads.
pub(crate) fn as_user<T: Send>(uid: u32, act: impl FnOnce() -> T + Send) -> T {
    require("root");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let uid = Uid::from_raw(uid);
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

/// Gives everything below a directory to nobody.
pub(crate) fn give_to_nobody(dir: &Path) {
    require("root");
    std::os::unix::fs::lchown(dir, Some(NOBODY), Some(NOBODY)).unwrap();
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        give_to_nobody(&entry.unwrap().path());
    }
}
