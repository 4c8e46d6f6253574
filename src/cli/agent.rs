//! `agent`: the agent's life from outside: run, start, stop, restart; install and uninstall are in files of their own.
//!
//! How a running agent is ended, one that no longer answers too, is in `stop`.

mod install;
mod launchd;
mod service;
mod stop;
mod systemd;

use super::args::AgentCommand;
use super::output::{self, Failure};
use super::{config_file, quote, spinner, status};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::client::{self, Autostart};
use rolecall_platform::os::SERVICE_MANAGER;
use rolecall_platform::paths::{Paths, file_id};
use rolecall_platform::service::Manager;
use std::os::unix::process::CommandExt;
use std::path::Path;
use stop::stop;

/// Does what was typed.
pub(super) fn run(paths: &Paths, command: &AgentCommand) -> Result<(), Failure> {
    match command {
        // Takes the place of this program, so that signals and the exit code are the agent's own.
        AgentCommand::Run => {
            client::refuse_extra_socket(paths)?;
            let mut command = client::agent_in_sight()?;
            let program = command.get_program().to_owned();
            let error = command.exec();
            Err(UserError::new(Kind::Agent, format!("cannot run {}: {error}", program.display())).into())
        }
        AgentCommand::Start if client::connect_running(paths)?.is_some() => {
            client::refuse_extra_socket(paths)?;
            output::print(&format!("the agent is running already{}\n", pid(paths)))
        }
        AgentCommand::Start => start(paths, "started"),
        AgentCommand::Stop => {
            let was_running = stop(paths)?;
            output::print(if was_running { "the agent has stopped\n" } else { "no agent is running\n" })
        }
        AgentCommand::Socket(command) => super::socket::run(paths, command),
        AgentCommand::Install(args) => install::install(paths, args),
        AgentCommand::Uninstall(args) => install::uninstall(paths, args),
        AgentCommand::Restart => {
            // Before the running agent is stopped: the next one would refuse to start.
            paths.ensure_usable()?;
            let was_running = stop(paths)?;
            if let Err(report) = install::note_places(paths) {
                // On a full disk; an agent that this command starts itself gets the variables.
                output::complain(None, &report);
            }
            systemd::reread(paths);
            start(paths, if was_running { "restarted" } else { "started" })
        }
    }
}

fn start(paths: &Paths, what: &str) -> Result<(), Failure> {
    spinner::meanwhile("waiting for the agent to start", || client::start_agent(paths))?;
    check_configuration(paths)?;
    output::print(&format!("the agent has {what}{}\n", pid(paths)))
}

/// Fails if the agent uses another configuration than ROLECALL_CONFIG names: a service manager has started it, without this
/// variable. The variable is not noted, since it is the choice of one caller.
fn check_configuration(paths: &Paths) -> Result<(), UserError> {
    let Some(status) = status::fetch(&paths.looked_up_again(), Autostart::No).ok().filter(|_| paths.config_is_named)
    else {
        return Ok(());
    };
    let used = &status.agent.config;
    let here = file_id(&paths.config);
    if Path::new(used) == paths.config || (matches!(here, Ok(Some(_))) && here == file_id(Path::new(used))) {
        return Ok(());
    }
    let (manager, separator) = match SERVICE_MANAGER {
        Manager::Launchd => ("launchctl setenv", ' '),
        Manager::Systemd => ("systemctl --user set-environment", '='),
    };
    let named = quote::word(&paths.config.display().to_string());
    let (used, here) = (config_file::shown(Path::new(used)), config_file::shown(&paths.config));
    let message = format!("the service manager has started the agent with {used}, not with ROLECALL_CONFIG={here}");
    Err(UserError::new(Kind::Config, message).hint(format!(
        "`{manager} ROLECALL_CONFIG{separator}{named}`, then `rolecall agent restart`; to use the other file, unset \
         ROLECALL_CONFIG"
    )))
}

/// A remark only: an agent that is just ending does not make `start` a failure.
fn pid(paths: &Paths) -> String {
    status::fetch(&paths.looked_up_again(), Autostart::No)
        .map(|status| format!(", pid {}", status.agent.pid))
        .unwrap_or_default()
}
