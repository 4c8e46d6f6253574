//! Who is at the other end of the agent's socket, by the kernel's word.
//!
//! Knows nothing of what is asked there. rustix has the same call and takes the number for one that is never zero; the
//! kernel gives zero for a process of another pid namespace, as of an agent whose socket lies in a container.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// Gives the process that listens there; `None` where it has no number here.
#[allow(unsafe_code, reason = "the socket option has no safe form for a process without a number")]
pub fn peer_pid(connection: &UnixStream) -> Option<i32> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).expect("twelve bytes");
    // SAFETY: the kernel writes at most `length` bytes, the size of `peer`, and any bytes are a `ucred`.
    let done = unsafe {
        libc::getsockopt(
            connection.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    (done == 0 && peer.pid > 0).then_some(peer.pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    /// The directory of the socket is the one this process stands in.
    const SOCKET: &str = "socket";

    #[test]
    fn a_process_of_another_namespace_has_no_number_and_any_other_its_own() {
        let (one, _other) = UnixStream::pair().expect("a pair");
        assert_eq!(peer_pid(&one).and_then(|pid| u32::try_from(pid).ok()), Some(std::process::id()));
        let dir = tempfile::tempdir().expect("tempdir");
        let _listener = UnixListener::bind(dir.path().join(SOCKET)).expect("bound");
        let inside = Command::new("unshare")
            .args(["--user", "--map-current-user", "--pid", "--fork"])
            .arg(std::env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", "client::peer::tests::from_within_a_namespace"])
            .current_dir(dir.path())
            .output()
            .expect("unshare is installed");
        let said = String::from_utf8_lossy(&inside.stdout);
        assert!(inside.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    #[ignore = "run by the test above, in a namespace of its own"]
    fn from_within_a_namespace() {
        assert_eq!(peer_pid(&UnixStream::connect(SOCKET).expect("connected")), None);
    }
}
