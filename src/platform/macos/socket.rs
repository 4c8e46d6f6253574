//! Unix sockets: how one is made, who is at its other end.

use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, socket};
use std::path::Path;

/// Makes an unconnected stream socket that no program inherits.
pub fn stream() -> rustix::io::Result<OwnedFd> {
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

/// Binds a socket to a path. Until the mode is set, its directory alone keeps others out.
pub fn bind(socket: &OwnedFd, path: &Path, mode: Mode) -> rustix::io::Result<()> {
    rustix::net::bind(socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, mode)
}

/// Returns `None`: every address is a path.
pub fn abstract_address(_name: &[u8]) -> Option<SocketAddrUnix> {
    None
}
