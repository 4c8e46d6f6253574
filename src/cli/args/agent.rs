//! `agent`: the agent's life as it is typed.

use super::SocketCommand;
use clap::{Args, Subcommand};

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
