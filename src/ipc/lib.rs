//! How the two programs talk: messages and frames, and the blocking client that finds, checks and starts the agent.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

pub mod client;
pub mod protocol;
