//! `agent`: the agent's life from outside: run, start, stop, restart; install and uninstall are in files of their own.
//!
//! It knows no request but `Stop`. An agent that no longer answers, or speaks another version, must still be stoppable,
//! since `rolecall agent restart` is the remedy that its refusals name.

mod install;
mod launchd;
mod program;
mod systemd;

use super::args::AgentCommand;
use super::output::{self, Failure};
use super::{status, tell, waiting};
use crate::client::{self, Autostart};
use crate::domain::report::{Kind, Report};
use crate::paths::Paths;
use crate::protocol::message::Request;
use rustix::process::{Pid, Signal};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How often it is looked whether the agent is gone, and how many times: ten seconds in all. An agent drains for five.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;

/// Does what was typed.
pub(super) fn run(paths: &Paths, command: &AgentCommand) -> Result<(), Failure> {
    match command {
        // Takes the place of this program, so that signals and the exit code are the agent's own.
        AgentCommand::Run => {
            let mut command = client::agent_in_sight()?;
            let program = command.get_program().to_owned();
            let error = command.exec();
            Err(Report::new(Kind::Agent, format!("cannot run {}: {error}", program.display())).into())
        }
        AgentCommand::Start if client::connect_running(paths)?.is_some() => {
            output::print(&format!("the agent is running already{}\n", pid(paths)))
        }
        AgentCommand::Start => start(paths, "started"),
        AgentCommand::Stop => {
            let was_running = stop(paths)?;
            output::print(if was_running { "the agent has stopped\n" } else { "no agent is running\n" })
        }
        AgentCommand::Socket(command) => super::socket::run(paths, command),
        AgentCommand::Install(args) => install::install(paths, args),
        AgentCommand::Uninstall(args) => install::uninstall(args),
        AgentCommand::Restart => {
            systemd::reread();
            let was_running = stop(paths)?;
            start(paths, if was_running { "restarted" } else { "started" })
        }
    }
}

fn start(paths: &Paths, what: &str) -> Result<(), Failure> {
    waiting::meanwhile("waiting for the agent to start", || client::start_agent(paths))?;
    output::print(&format!("the agent has {what}{}\n", pid(paths)))
}

/// A remark only: an agent that is just ending does not make `start` a failure.
fn pid(paths: &Paths) -> String {
    status::fetch(paths, Autostart::No).map(|status| format!(", pid {}", status.agent.pid)).unwrap_or_default()
}

/// Ends the agent and waits until it is gone; tells whether there was one.
fn stop(paths: &Paths) -> Result<bool, Report> {
    let Some(connection) = client::connect_running(paths)? else { return Ok(false) };
    let process = status::fetch(paths, Autostart::No).ok().and_then(|status| i32::try_from(status.agent.pid).ok());
    let process = process.or_else(|| agent_behind(&connection));
    if let Err(refusal) = tell(paths, Request::Stop, Autostart::No) {
        if client::connect_running(paths)?.is_none() {
            return Ok(true);
        }
        if !process.is_some_and(terminate) && !systemd::stop_service() {
            return Err(refusal);
        }
    }
    drop(connection);
    if waiting::meanwhile("waiting for the agent to end", || is_over(paths, process))? {
        return Ok(true);
    }
    Err(Report::new(Kind::Agent, "the agent has not stopped within 10 seconds")
        .hint(format!("read its log: `tail {}`", paths.agent_log().display())))
}

/// Waits until the agent is gone; tells whether it is.
fn is_over(paths: &Paths, process: Option<i32>) -> Result<bool, Report> {
    for _ in 0..LOOKS {
        // Not by the socket where the process is known: somebody's `get` may have started the next agent already, or
        // systemd listens on for it.
        let gone = match process.map(is_gone) {
            Some(gone) => gone,
            None => client::connect_running(paths)?.is_none(),
        };
        if gone {
            return Ok(true);
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(false)
}

/// Gives the process behind the socket, if it is an agent.
///
/// The kernel names the process, no file does: a pid file could be old and its number somebody else's. And only a
/// `rolecalld` is ever signalled: behind a socket that systemd opened stands systemd itself.
#[cfg(target_os = "linux")]
fn agent_behind(connection: &UnixStream) -> Option<i32> {
    let process = client::peer_pid(connection)?;
    // Its name, not its program: the link to that is closed to all but root, as the agent shuts itself off.
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    (name.trim_end() == "rolecalld").then_some(process)
}

#[cfg(not(target_os = "linux"))]
fn agent_behind(_: &UnixStream) -> Option<i32> {
    None
}

/// Reads the variables that say where a service manager's own files are. Only absolute paths count, as in `paths`.
#[expect(clippy::disallowed_methods, reason = "the manager's directories, which are none of rolecall's paths")]
fn directory(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn home() -> Result<PathBuf, Report> {
    directory("HOME").ok_or_else(|| Report::new(Kind::Failed, "HOME is not set to an absolute path"))
}

fn config_home() -> Result<PathBuf, Report> {
    directory("XDG_CONFIG_HOME").map_or_else(|| home().map(|home| home.join(".config")), Ok)
}

fn runtime_dir() -> Option<PathBuf> {
    directory("XDG_RUNTIME_DIR")
}

/// Asks a process to end; tells whether it was asked.
fn terminate(process: i32) -> bool {
    Pid::from_raw(process).is_some_and(|process| rustix::process::kill_process(process, Signal::TERM).is_ok())
}

/// Tells whether a process has ended. One that its parent has not taken note of yet (a zombie) has.
fn is_gone(process: i32) -> bool {
    let zombie = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')));
    zombie || Pid::from_raw(process).is_none_or(|process| rustix::process::test_kill_process(process).is_err())
}
