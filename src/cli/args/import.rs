//! `import` as it is typed.

use clap::Args;

#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed, which clap gives as bools")]
#[derive(Debug, Args)]
pub(in super::super) struct ImportArgs {
    /// Only these profiles, with what they stand on
    #[arg(long, visible_alias = "profile", value_name = "PROFILE", num_args = 1..)]
    pub(in super::super) only: Vec<String>,
    /// Show what would be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    pub(in super::super) dry_run: bool,
    /// Write config.toml alone; keys and ~/.aws stay as they are
    #[arg(long, conflicts_with = "undo")]
    pub(in super::super) config_only: bool,
    /// Take the last import back: both files as they were, with the keys in plain text; the agent asks for each key
    #[arg(long, conflicts_with = "only")]
    pub(in super::super) undo: bool,
    /// Do not ask; for a key that goes back into a file, the agent asks all the same
    #[arg(long, short)]
    pub(in super::super) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(in super::super) json: bool,
}
