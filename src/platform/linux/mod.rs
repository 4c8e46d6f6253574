//! Linux: what differs between the operating systems. `macos` has the same names.

pub mod clock;
pub(crate) mod look_mark;
pub mod process;
pub(crate) mod reach;
pub mod socket;
pub mod tcp_peer;

use crate::service::Manager;

/// Whether `/proc` describes processes, and a process can be held.
pub const HAS_PROC: bool = true;

/// What starts the agent with the session of a user.
pub const SERVICE_MANAGER: Manager = Manager::Systemd;

/// The command that sets the clock of the machine.
pub const SET_CLOCK: &str = "timedatectl set-ntp true";

/// The program that opens an address on every desktop; `None` if a display is needed first.
pub const OPENER: Option<&str> = None;

/// A longer socket path does not fit `sockaddr_un`: 108 bytes with its final NUL.
pub const SOCKET_PATH_MAX: usize = 107;

/// Whether the keyring itself may ask a person before it returns an item.
pub const KEYRING_ASKS: bool = false;

/// Where distributions keep the list of certificate authorities.
pub const CERTIFICATE_BUNDLES: [&str; 7] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
    "/etc/certs/ca-certificates.crt",
];

/// What is missing without certificate authorities, and how to get them.
pub const NO_CERTIFICATES: (&str, &str) = (
    "this machine has no list of certificate authorities",
    "install the package `ca-certificates`, or set `ca_bundle` under `[aws]`",
);

/// Returns the certificates of the system in DER: none, they are in files.
#[cfg(feature = "tokio")]
pub fn keychain() -> Vec<Vec<u8>> {
    Vec::new()
}
