//! What the two binaries say to each other: requests, answers, frames, and the JSON that SDKs read.
//!
//! A request names a role or an identity and nothing else that could steer the agent: no endpoint, no program, no file.

use rolecall_core::domain::error::{Kind, UserError};

pub mod diagnosis;
pub mod frame;
pub mod message;
pub mod process_output;
pub mod setup;
pub mod status;

/// The version of everything in this module. An agent answers any other with a refusal that an old or new client can read.
pub const VERSION: u32 = 4;

/// How the refusal of another version begins, in every version.
const OTHER_VERSION: &str = "the client speaks protocol ";

/// Says that a client of another version is not understood.
pub fn other_version(client: u32) -> UserError {
    UserError::new(Kind::Agent, format!("{OTHER_VERSION}{client}, the running agent {VERSION}"))
        .hint("run `rolecall agent restart`")
}

/// Tells whether an agent has refused because it speaks another version.
pub fn is_of_another_version(refusal: &UserError) -> bool {
    refusal.kind == Kind::Agent && refusal.message.starts_with(OTHER_VERSION)
}
