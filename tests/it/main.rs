//! What users rely on, seen from outside: the real binaries, or the real agent on a clock that tests can move, against an
//! AWS that enforces AWS's rules.

#![expect(clippy::disallowed_methods, reason = "tests prepare files and deadlines of their own")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

// First: the other modules use its macro `needs!`.
#[macro_use]
mod harness;

mod access;
mod activation;
mod asking;
mod aws_files;
mod certificates;
mod channels;
mod client_binary;
mod console;
mod env;

mod desk;
mod disk;
mod docs;
mod doctor;
mod endings;
mod endpoint;
mod exec;
mod faults;
mod first_steps;
mod get;
mod hung_commands;
mod hung_files;
mod iam_sdk;
mod import;
mod lifecycle;
mod limits;
mod lock_under_way;
mod looks;
mod many;
mod memory;
mod mfa;
mod namespaces;
mod one_agent;
mod panics;
mod places;
mod printing;
mod proxy;
mod regions;
mod reload;
mod remote;
mod rotation;
mod sessions;
mod setup;
mod setup_plan;
mod socket;
mod sources;
mod state_files;
mod strangers;
mod typed;
mod vault;
