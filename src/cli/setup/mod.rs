//! `setup`: a user or an application, a role and their trust, planned, made and removed again.
//!
//! `rolecall_core::setup` decides which resources a setup has. `request` reads its flags and policy files.

pub(super) mod apply;
pub(super) mod destroy;
mod machine;
pub(super) mod plan;
mod request;
mod runner;

use super::args::SetupCommand;
use super::output::Failure;
use rolecall_platform::paths::Paths;

/// Does what was typed.
pub(super) fn run(paths: &Paths, command: &SetupCommand) -> Result<(), Failure> {
    match command {
        SetupCommand::Plan(args) => plan::run(paths, args),
        SetupCommand::Apply(args) => apply::run(paths, args),
        SetupCommand::Destroy(args) => destroy::run(paths, args),
    }
}
