//! The arguments of `agent` and `agent socket`.

use super::values::{JsonArgs, NameArgs, name};
use clap::{Args, Subcommand};
use rolecall_core::domain::names::Name;

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Run the agent in the foreground
    #[command(after_help = "\
Example:
  rolecall agent run")]
    Run,
    /// Start the agent in the background, if none runs
    #[command(after_help = "\
Example:
  rolecall agent start")]
    Start,
    /// End the agent; its sessions are forgotten
    #[command(after_help = "\
Example:
  rolecall agent stop")]
    Stop,
    /// End the agent and start it anew, as after an update
    #[command(after_help = "\
Example:
  rolecall agent restart")]
    Restart,
    /// Further sockets, for containers and remote machines
    #[command(
        subcommand,
        after_help = "\
Examples:
  rolecall agent socket add vm --roles dev,staging
  rolecall agent socket list"
    )]
    Socket(SocketCommand),
    /// Have your systemd or launchd run the agent
    #[command(after_help = "\
It is not needed: `rolecall get NAME` starts the agent where none runs. With systemd, a socket is listened on from login on and the agent is started by the first call.

Examples:
  rolecall agent install --dry-run
  rolecall agent install && systemctl --user status rolecall.service
  rolecall agent install --confined      for who needs no `access_by_program`; without the flag it is as before")]
    Install(InstallArgs),
    /// Undo what `install` did
    #[command(after_help = "\
Example:
  rolecall agent uninstall")]
    Uninstall(UninstallArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Let the agent write nothing but its own files (systemd's ProtectSystem=strict); it cannot see then which program asks
    #[arg(long)]
    pub(crate) confined: bool,
    /// Show what would be written and run
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Show what would be removed and run
    #[arg(long)]
    pub(crate) dry_run: bool,
}

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
    Remove(NameArgs),
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
