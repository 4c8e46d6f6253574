//! Connects to the socket of an agent, which may accept no connection: one that is stopped, or that hangs, leaves the
//! queue of its socket full.

use super::holder::lock_holder;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::os::socket;
use rolecall_platform::paths::Paths;
use rustix::net::{SocketAddrUnix, connect};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a connection may take. A busy agent needs a part of a second.
pub(super) const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// Connects; an error of kind `WouldBlock` if the queue of the socket stays full until the deadline.
///
/// The deadline stays that of each write. The path was looked at before, so that its file system answers.
pub(super) fn dial(path: &Path, deadline: Duration) -> io::Result<UnixStream> {
    let stream = UnixStream::from(socket::stream()?);
    // The kernel waits for room in the queue as long as for room to write (SO_SNDTIMEO in socket(7)).
    stream.set_write_timeout(Some(deadline))?;
    let address = SocketAddrUnix::new(path)?;
    rustix::io::retry_on_intr(|| connect(&stream, &address))?;
    Ok(stream)
}

/// Says that the queue of the socket is full.
pub(super) fn not_accepted(paths: &Paths) -> UserError {
    let locks = [Some(paths.runtime_dir().join("agent.lock")), paths.lock.clone()];
    let holder = locks.into_iter().flatten().find_map(|lock| lock_holder(&lock));
    let what = format!("the agent at {} accepts no connection: it is stopped or hangs", paths.socket.display());
    UserError::new(Kind::Agent, what).hint(match holder {
        Some(holder) => format!(
            "it is process {0} ({1}): continue it with `kill -CONT {0}`, or end it with `kill -KILL {0}`",
            holder.pid, holder.program
        ),
        None => "run `rolecall agent restart`".to_owned(),
    })
}
