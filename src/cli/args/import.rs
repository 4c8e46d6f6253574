//! `import` as it is typed.

use clap::Args;

#[expect(clippy::struct_excessive_bools, reason = "flags as they are typed, which clap gives as bools")]
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Only these profiles, with what they stand on
    #[arg(long, visible_alias = "profile", value_name = "PROFILE", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Show what would be done, and do nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Write config.toml alone; keys and ~/.aws stay as they are
    #[arg(long, conflicts_with = "undo")]
    pub(crate) config_only: bool,
    /// Take the last import back: both files as they were, with the keys in plain text; the agent asks for each key
    #[arg(long, conflicts_with = "only")]
    pub(crate) undo: bool,
    /// Do not ask; for a key that goes back into a file, the agent asks all the same
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
