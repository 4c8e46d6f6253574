//! rolecall on a desktop: the real agent hears a stand-in of logind on a real bus, tells a stand-in of the desktop's
//! notifications, and runs under a real `systemd --user` with its bus.
//!
//! The stand-ins are in this process and emit what logind's documentation says it emits (org.freedesktop.login1(5)).

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and deadlines of their own")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[allow(dead_code, reason = "shared with the keyring's tests, which need more of it")]
#[path = "../keyring/desk.rs"]
mod desk;
#[macro_use]
#[path = "../it/harness/mod.rs"]
mod harness;

mod login;
mod server;

mod memory;
mod notices;
mod screen;
mod systemd;
