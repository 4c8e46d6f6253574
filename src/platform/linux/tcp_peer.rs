//! Which user is at the other end of a connection over loopback: the kernel says which user owns that socket.
//!
//! The socket with exactly the two addresses of the peer is looked up by `sock_diag(7)`, or in `/proc/net/tcp` if that is
//! not available (a container's filter, gVisor).

use std::net::SocketAddrV4;

/// Whether the system says it.
pub const IS_KNOWN: bool = true;

/// Returns the user at the other end; `None` if the kernel does not say, or if no process holds that socket any more.
pub fn uid(local: SocketAddrV4, peer: SocketAddrV4) -> Option<u32> {
    diag::uid(local, peer).unwrap_or_else(|_| table::uid(local, peer))
}

mod diag {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
    use std::io;
    use std::net::SocketAddrV4;

    /// `linux/sock_diag.h`, `linux/netlink.h`, `netinet/in.h`.
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const REQUEST: u16 = 1;
    const AF_INET: u8 = 2;
    const TCP: u8 = 6;
    const LISTENS: u8 = 10;

    /// A netlink header and `inet_diag_req_v2`; a header and `inet_diag_msg`.
    const ASKED: usize = 16 + 56;
    const TOLD: usize = 16 + 72;

    /// Asks the kernel; an error where it cannot be asked.
    pub(super) fn uid(local: SocketAddrV4, peer: SocketAddrV4) -> io::Result<Option<u32>> {
        let socket =
            socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
        send(&socket, &question(local, peer), SendFlags::empty())?;
        let mut told = [0_u8; 512];
        // The answer is there when `send` returns; a kernel that gives none must not keep us.
        let (_, length) = recv(&socket, &mut told, RecvFlags::DONTWAIT)?;
        Ok(answer(&told[..length.min(told.len())], local))
    }

    /// Asks for the peer's own socket: seen from there, it is the source and we are the destination.
    fn question(local: SocketAddrV4, peer: SocketAddrV4) -> [u8; ASKED] {
        let mut bytes = [0_u8; ASKED];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, &u32::try_from(ASKED).expect("a small number").to_ne_bytes());
        put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        put(6, &REQUEST.to_ne_bytes());
        put(16, &[AF_INET, TCP]);
        // In every state, and whatever its cookie.
        put(20, &[0xff; 4]);
        put(24, &peer.port().to_be_bytes());
        put(26, &local.port().to_be_bytes());
        put(28, &peer.ip().octets());
        put(44, &local.ip().octets());
        put(64, &[0xff; 8]);
        bytes
    }

    fn answer(told: &[u8], local: SocketAddrV4) -> Option<u32> {
        let word = |at: usize| Some(u32::from_ne_bytes(told.get(at..at + 4)?.try_into().ok()?));
        let half = |at: usize| Some([*told.get(at)?, *told.get(at + 1)?]);
        if told.len() < TOLD || u16::from_ne_bytes(half(4)?) != SOCK_DIAG_BY_FAMILY {
            return None;
        }
        // Where the connection is gone the kernel may tell of a listener on that port instead.
        let is_connection = told[17] != LISTENS && u16::from_be_bytes(half(22)?) == local.port();
        let (uid, inode) = (word(80)?, word(84)?);
        // Without an inode nobody holds it any more, and its user reads as root.
        (is_connection && inode != 0).then_some(uid)
    }
}

mod table {
    use std::fs;
    use std::net::SocketAddrV4;

    pub(super) fn uid(local: SocketAddrV4, peer: SocketAddrV4) -> Option<u32> {
        find(&fs::read_to_string("/proc/net/tcp").ok()?, local, peer)
    }

    /// Finds the peer's own socket in a table (proc_pid_net(5)): addresses in hexadecimal, as the machine keeps them.
    pub(super) fn find(table: &str, local: SocketAddrV4, peer: SocketAddrV4) -> Option<u32> {
        let named = |at: SocketAddrV4| format!("{:08X}:{:04X}", u32::from_ne_bytes(at.ip().octets()), at.port());
        let (source, destination) = (named(peer), named(local));
        let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = fields.into_iter().find(|fields| {
            fields.get(1).is_some_and(|at| *at == source) && fields.get(2).is_some_and(|at| *at == destination)
        })?;
        let is_held = found.get(9).is_some_and(|inode| *inode != "0");
        found.get(7)?.parse().ok().filter(|_| is_held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        let SocketAddr::V4(address) = address else { panic!("not IPv4: {address}") };
        address
    }

    #[test]
    fn the_owner_of_the_other_end_is_told_by_both_books_and_nobody_once_it_is_closed() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (accepted, peer) = listener.accept().expect("accepted");
        let (local, peer) = (v4(accepted.local_addr().expect("bound")), v4(peer));
        let own = Some(rustix::process::geteuid().as_raw());
        assert_eq!(diag::uid(local, peer).expect("the kernel answers"), own);
        assert_eq!(table::uid(local, peer), own);
        drop(client);
        assert_eq!(diag::uid(local, peer).expect("the kernel answers"), None);
        assert_eq!(table::uid(local, peer), None);
    }

    #[test]
    fn a_listener_on_the_peers_port_is_not_taken_for_the_peer() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let at = |socket: &TcpListener| v4(socket.local_addr().expect("bound"));
        assert_eq!(uid(at(&listener), at(&other)), None);
    }
}
