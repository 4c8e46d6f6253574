//! rolecall as its users meet it: the AWS CLI, boto3 and the SDK for JavaScript ask the real binaries, which keep the key
//! in a real gnome-keyring and ask the sandbox, or moto, which knows nothing of us.
//!
//! `tests/run peers` installs the clients. One that is missing fails its tests: what was not tried is not known to work.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and deadlines of their own")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[allow(dead_code, reason = "shared with the keyring's tests, which need more of it")]
#[path = "../keyring/desk.rs"]
mod desk;
#[macro_use]
#[path = "../it/harness/mod.rs"]
mod harness;

mod hours;
mod lister;
mod moto;
mod peers;
mod person;
mod roster;

mod application;
mod assume_role;
mod every_client;
mod every_day;
mod iam;
mod import;
mod keyring;
mod mfa;
mod morning;
mod profiles;
mod refusals;
mod remote;
mod rotation;
mod setup;
mod setup_forms;
