//! Who serves a connected socket, by the kernel's word.
//!
//! A request can carry a key or an MFA code, and an answer holds a session. The path of the socket proves nothing: who can
//! write to a directory above it can exchange that directory between two system calls. The connected socket cannot be
//! exchanged, so it is what is checked, before a byte is written to it or read from it.

use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::process;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Refuses a socket that a process of another user listens on.
///
/// The kernel notes the user of the listener when it begins to listen (SO_PEERCRED in unix(7)); whoever accepts the
/// connection does not matter.
pub(super) fn verify(stream: &UnixStream, socket: &Path) -> Result<(), UserError> {
    let ours = rustix::process::geteuid().as_raw();
    let refused = |why: String| UserError::new(Kind::Agent, format!("the socket {} {why}", socket.display()));
    let theirs = process::peer_uid(stream).map_err(|error| refused(format!("does not show who serves it: {error}")))?;
    if theirs == ours {
        return Ok(());
    }
    Err(refused(format!("is served by uid {theirs}, not by you (uid {ours}); nothing was sent"))
        .hint(format!("look who can write to its directories: `namei -l {}`", socket.display())))
}
