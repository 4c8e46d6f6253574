//! The real world behind the [`ports`](rolecall_ports): where keys rest, who issues sessions, what the place gives, and what time it is.
//!
//! Adapters know the ports and the domain; nothing but the main of the agent knows adapters.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

mod aws;
#[cfg(test)]
#[path = "../../tests/blessed.rs"]
mod blessed;
pub mod clock;
pub mod desktop;
mod iam;
#[cfg(not(fuzzing))]
mod pinentry;
#[cfg(fuzzing)]
pub mod pinentry;
mod profiles;
pub mod program_environment;
mod s3;
mod signin;
pub mod sources;
pub mod sts;
// What is of one system as a whole, with its own dependencies: D-Bus on Linux, the keychain on macOS.
#[cfg(not(target_os = "linux"))]
#[path = "macos/mod.rs"]
mod system;
#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod system;
pub mod vault;

pub use system::{dbus, logind};
