//! `agent`: the agent's life from outside: run, start, stop, restart.
//!
//! It knows no request but `Stop`. An agent that no longer answers, or speaks another version, must still be stoppable,
//! since `rolecall agent restart` is the remedy that its refusals name.

use super::args::AgentCommand;
use super::output::{self, Failure};
use super::{status, tell};
use crate::client::{self, Autostart};
use crate::domain::report::{Kind, Report};
use crate::paths::Paths;
use crate::protocol::message::Request;
use std::os::unix::process::CommandExt;
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
            let mut command = client::agent_command()?;
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
        AgentCommand::Restart => {
            let was_running = stop(paths)?;
            start(paths, if was_running { "restarted" } else { "started" })
        }
    }
}

fn start(paths: &Paths, what: &str) -> Result<(), Failure> {
    client::start_agent(paths)?;
    output::print(&format!("the agent has {what}{}\n", pid(paths)))
}

/// A remark only: an agent that is just ending does not make `start` a failure.
fn pid(paths: &Paths) -> String {
    status::fetch(paths, Autostart::No).map(|status| format!(", pid {}", status.agent.pid)).unwrap_or_default()
}

/// Ends the agent and waits until it is gone; tells whether there was one.
fn stop(paths: &Paths) -> Result<bool, Report> {
    let Some(connection) = client::connect_running(paths)? else { return Ok(false) };
    if let Err(refusal) = tell(paths, Request::Stop, Autostart::No) {
        if client::connect_running(paths)?.is_none() {
            return Ok(true);
        }
        if !terminate(&connection) {
            return Err(refusal);
        }
    }
    drop(connection);
    for _ in 0..LOOKS {
        if client::connect_running(paths)?.is_none() {
            return Ok(true);
        }
        thread::sleep(LOOK_AGAIN);
    }
    Err(Report::new(Kind::Agent, "the agent has not stopped within 10 seconds")
        .hint(format!("read its log: `tail {}`", paths.agent_log().display())))
}

/// Asks the process behind the socket to end, if it is an agent; tells whether it was asked.
///
/// The kernel names the process, no file does: a pid file could be old and its number somebody else's. And only a
/// `rolecalld` is ever signalled: behind a socket that systemd opened stands systemd itself.
#[cfg(target_os = "linux")]
fn terminate(connection: &std::os::unix::net::UnixStream) -> bool {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(connection) else { return false };
    let Ok(program) = std::fs::read_link(format!("/proc/{}/exe", peer.pid.as_raw_nonzero())) else { return false };
    // An update has replaced the file of the running agent, and Linux says so.
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.strip_suffix(" (deleted)").unwrap_or(name) == "rolecalld"
        && rustix::process::kill_process(peer.pid, rustix::process::Signal::TERM).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn terminate(_: &std::os::unix::net::UnixStream) -> bool {
    false
}
