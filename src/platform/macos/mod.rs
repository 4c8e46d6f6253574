//! macOS, and every other system than Linux: what differs between the operating systems. `linux` has the same names.

pub mod clock;
pub(crate) mod look_mark;
pub mod process;
pub(crate) mod reach;
pub mod socket;
pub mod tcp_peer;

use crate::service::Manager;

/// Whether `/proc` describes processes, and a process can be held.
pub const HAS_PROC: bool = false;

/// What starts the agent with the session of a user.
pub const SERVICE_MANAGER: Manager = Manager::Launchd;

/// The command that sets the clock of the machine.
pub const SET_CLOCK: &str = "sudo sntp -sS time.apple.com";

/// The program that opens an address on every desktop.
pub const OPENER: Option<&str> = Some("open");

/// A longer socket path does not fit `sockaddr_un`: 104 bytes with its final NUL.
pub const SOCKET_PATH_MAX: usize = 103;

/// Whether the keyring itself may ask a person before it returns an item, as after an update of rolecall.
pub const KEYRING_ASKS: bool = true;

/// Where distributions keep the list of certificate authorities: the keychain has them.
pub const CERTIFICATE_BUNDLES: [&str; 0] = [];

/// What is missing without certificate authorities, and how to get them.
pub const NO_CERTIFICATES: (&str, &str) =
    ("the keychain has no certificate authorities", "set `ca_bundle` under `[aws]`");

/// Returns the certificates of the system in DER.
#[cfg(feature = "tokio")]
pub fn keychain() -> Vec<Vec<u8>> {
    rustls_native_certs::load_native_certs().certs.iter().map(|certificate| certificate.to_vec()).collect()
}
