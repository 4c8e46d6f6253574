//! Who is at the other end of a connection over loopback: the kernel says which user owns that socket.
//!
//! A token can be read by others in an environment that leaks, and the metadata service knows none at all. So each
//! connection is looked up before a byte of it is read ([`tcp_peer`]). A user that is not known is a foreign one.

use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::os::tcp_peer;

/// Refuses what has no other protection, where the system does not say who is at the other end.
pub(crate) fn can_be_told(instead: &str) -> Result<(), UserError> {
    if tcp_peer::IS_KNOWN {
        return Ok(());
    }
    let what =
        "this system does not say who is at the other end of a connection, so that every user of it would be served";
    Err(UserError::new(Kind::Failed, what).hint(instead))
}
