//! The flags of `doctor`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// A role or an identity [default: every role that no other starts from, and every identity without roles]
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a report to send to somebody, without secrets and external ids; it is shown first
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "rolecall-doctor.json",
        conflicts_with = "json"
    )]
    pub(crate) bundle: Option<PathBuf>,
    /// Write the report without a question
    #[arg(long, requires = "bundle")]
    pub(crate) yes: bool,
}
