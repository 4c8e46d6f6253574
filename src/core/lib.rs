//! What rolecall is about, without I/O and without a clock: names, secrets, sessions, plans, the configuration, setups.
//!
//! | module | owns |
//! |---|---|
//! | [`domain`] | names, ARNs, secrets, sessions and their freshness, the plan of a chain, errors |
//! | [`config`] | config.toml: text to a checked catalogue, and edits that keep comments |
//! | [`setup`] | what a setup makes in two accounts, as data; its forms |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

#[cfg(test)]
#[path = "../../tests/blessed.rs"]
mod blessed;
pub mod config;
pub mod domain;
pub mod setup;
