//! The real world behind the [`ports`](rolecall_ports): where keys rest, who issues sessions, what the place gives, and what time it is.
//!
//! Adapters know the ports and the domain; nothing but the main of the agent knows adapters.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

mod aws;
pub mod clock;
#[cfg_attr(not(target_os = "linux"), path = "no_bus.rs")]
pub mod dbus;
pub mod desktop;
mod iam;
#[cfg(target_os = "linux")]
pub mod logind;
#[cfg(target_os = "linux")]
mod notifications;
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
pub mod vault;
