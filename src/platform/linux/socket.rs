//! Unix sockets: how one is made, who is at its other end.

use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use std::path::Path;

/// Makes an unconnected stream socket that no program inherits.
pub fn stream() -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// Binds a socket to a path that has a mode from the start: the path gets the mode of the socket.
pub fn bind(socket: &OwnedFd, path: &Path, mode: Mode) -> rustix::io::Result<()> {
    rustix::fs::fchmod(socket, mode)?;
    rustix::net::bind(socket, &SocketAddrUnix::new(path)?)
}

/// Returns an address outside the file system; `None` if the system has none.
pub fn abstract_address(name: &[u8]) -> Option<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(name).ok()
}
