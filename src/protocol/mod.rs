//! What the two binaries say to each other: requests, answers, frames, and the JSON that SDKs read.
//!
//! A request names a role or an identity and nothing else that could steer the agent: no endpoint, no program, no file.

pub mod frame;
pub mod message;
pub mod process_output;
pub mod status;

/// The version of everything in this module. An agent answers any other with a refusal that an old or new client can read.
pub const VERSION: u32 = 3;
