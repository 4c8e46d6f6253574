//! The packages as people meet them: built by `packaging/release`, installed into a Debian that has nothing of ours, run by a
//! real `systemd --user` of an ordinary user, upgraded, removed.
//!
//! The programs in them are those of the tests' own profile; `ROLECALL_PROFILE=release` has the real ones built, which takes
//! many minutes.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and read the environment of their run")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]
#![expect(clippy::print_stderr, reason = "what systemd said is part of a failure's report")]

#[macro_use]
#[path = "../it/harness/mod.rs"]
mod harness;

mod built;
mod root;

mod deb;
mod tarball;
