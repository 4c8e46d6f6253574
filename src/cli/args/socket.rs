//! The flags of `agent socket`.

use super::{JsonArgs, name};
use clap::{Args, Subcommand};
use rolecall_core::domain::names::Name;

#[derive(Debug, Subcommand)]
pub(crate) enum SocketCommand {
    /// Open a socket that serves some roles' sessions and nothing else
    #[command(after_help = "\
For a container or, by `ssh -R`, a remote machine: what has the socket can get these roles' sessions and nothing else.

Examples:
  rolecall agent socket add vm --roles dev,staging
  rolecall agent socket add vm --roles dev --ask --replace")]
    Add(SocketAddArgs),
    /// List the further sockets, with their paths
    #[command(after_help = "\
Examples:
  rolecall agent socket list
  rolecall agent socket list --json | jq -r '.[].path'")]
    List(JsonArgs),
    /// Close a socket; its open connections end
    #[command(after_help = "\
Sessions that were handed out live until they end.

Example:
  rolecall agent socket remove vm")]
    Remove(SocketRemoveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SocketAddArgs {
    /// What to call it
    #[arg(value_parser = name)]
    pub(crate) name: Name,
    /// Whose sessions it serves
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', required = true)]
    pub(crate) roles: Vec<String>,
    /// Ask a person at this machine before a use
    #[arg(long)]
    pub(crate) ask: bool,
    /// Write the section anew if the socket is there already
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SocketRemoveArgs {
    /// Which one
    #[arg(value_parser = name)]
    pub(crate) name: Name,
}
