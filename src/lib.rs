//! rolecall: a background agent that hands out AWS role sessions to every tool.
//!
//! The map, from the edge inwards. `bin -> cli, client | agent + adapters -> protocol, config, aws_files -> domain`;
//! a test (`tests/it/layers.rs`) reads the `use` lines and fails on a step against the stream.
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | what was typed, one file per command; output |
//! | [`client`] | finding, checking and starting the agent; the fast path of `get` |
//! | [`agent`] | the running agent: socket, sessions, audit, life cycle |
//! | [`adapters`] | the real vault, STS and clocks behind the [`ports`] |
//! | [`oneshot`] | a setup carried out with an administrator's credentials, for one command |
//! | [`protocol`] | requests, answers and frames between the two binaries |
//! | [`blocking`] | blocking calls on a bounded pool of threads, each with a deadline |
//! | [`reach`] | looks at paths that may never answer, for commands and for the start of the agent |
//! | [`config`] | config.toml: text to a checked catalogue, and edits that keep comments |
//! | [`config_disk`] | the files of a configuration on disk, for both programs |
//! | [`aws_files`] | `~/.aws/config`, read and edited line by line |
//! | [`setup`] | what a setup makes in two accounts, as data; its forms |
//! | [`domain`] | what the words mean; pure |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

#[cfg(feature = "agent")]
pub mod adapters;
#[cfg(feature = "agent")]
pub mod agent;
pub mod aws_files;
pub mod blocking;
pub mod cli;
pub mod client;
pub mod config;
pub mod config_disk;
pub mod domain;
pub mod files;
#[cfg(feature = "agent")]
pub mod oneshot;
pub mod panics;
pub mod paths;
#[cfg(feature = "agent")]
pub mod ports;
pub mod process;
pub mod protocol;
pub mod reach;
pub mod setup;
