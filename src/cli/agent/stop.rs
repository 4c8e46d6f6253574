//! Ending a running agent, one that no longer answers too.
//!
//! An agent that is stuck, or speaks another version, must still be stoppable, since `rolecall agent restart` is the remedy
//! that its refusals name. But what an agent refuses is not done behind its back: the end of a socket for containers and
//! remote machines is nobody who may end it, and behind a tunnel stands a program of another machine.

use super::super::{spinner, status};
use super::systemd;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::client::{self, Autostart, NotStopped, QuickReply, ask_briefly};
use rolecall_ipc::protocol::message::Request;
use rolecall_platform::os;
use rolecall_platform::paths::Paths;
use rustix::process::{Pid, Signal};
use std::thread;
use std::time::Duration;

/// How often it is looked whether the agent is gone, and how many times: ten seconds in all. An agent drains for five.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;

/// How long it may take to say anything where nothing is known of it but its socket.
const WORD: Duration = Duration::from_secs(1);

/// Ends the agent and waits until it is gone; tells whether there was one.
pub(super) fn stop(paths: &Paths) -> Result<bool, UserError> {
    if !client::listens(paths)? {
        return Ok(false);
    }
    // What it says of itself is true on its own machine only.
    let process = status::fetch(paths, Autostart::No).ok().and_then(|status| i32::try_from(status.agent.pid).ok());
    let mut process = process.filter(|process| is_agent(*process));
    match spinner::meanwhile("waiting for the agent", || client::stop(paths)) {
        Ok(()) => {}
        Err(NotStopped::Refused(refusal)) => return Err(refusal),
        Err(NotStopped::Deaf(why)) => {
            if !client::listens(paths)? {
                return Ok(true);
            }
            process = agent_of(paths);
            if !process.is_some_and(terminate) {
                return if systemd::stop_service(paths) { Ok(true) } else { Err(why) };
            }
        }
    }
    if spinner::meanwhile("waiting for the agent to end", || is_over(paths, process)) {
        return Ok(true);
    }
    Err(UserError::new(Kind::Agent, "the agent has not stopped within 10 seconds")
        .hint(format!("read its log: `tail {}`", paths.agent_log().display())))
}

/// Waits until the agent is gone; tells whether it is.
fn is_over(paths: &Paths, process: Option<i32>) -> bool {
    for _ in 0..LOOKS {
        // Not by the socket where the process is known: somebody's `get` may have started the next agent already, or
        // systemd listens on for it. Not by connecting alone: at a tunnel's end sshd takes connections all the same.
        let gone =
            process.map_or_else(|| matches!(ask_briefly(paths, Request::Names, WORD), QuickReply::NoAgent), is_gone);
        if gone {
            return true;
        }
        thread::sleep(LOOK_AGAIN);
    }
    false
}

/// Gives the process of the agent that made this socket, if it runs on this machine: the one that holds the lock beside it.
///
/// The kernel names the process, no file does: a pid file could be old and its number somebody else's. Not the peer of a
/// connection: behind a socket that systemd opened stands systemd, behind a tunnel sshd, behind an extra socket an agent
/// that has refused, and a process of another pid namespace has no number here. Beside none of these lies a lock.
fn agent_of(paths: &Paths) -> Option<i32> {
    let locks = [Some(paths.runtime_dir().join("agent.lock")), paths.lock.clone()];
    let holder = locks.into_iter().flatten().find_map(|lock| client::lock_holder(&lock))?;
    is_agent(holder.pid).then_some(holder.pid)
}

/// Tells whether a process is an agent. By its name: the link to its program is closed to all but root, as the agent shuts
/// itself off.
fn is_agent(process: i32) -> bool {
    !os::HAS_PROC
        || std::fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim_end() == "rolecalld")
}

/// Asks a process to end, also if it is stopped (SIGSTOP); returns whether it was asked.
fn terminate(process: i32) -> bool {
    let send = |signal| Pid::from_raw(process).is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok());
    send(Signal::TERM) && send(Signal::CONT)
}

/// Tells whether a process has ended. One that its parent has not taken note of yet (a zombie) has.
fn is_gone(process: i32) -> bool {
    let zombie = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')));
    zombie || Pid::from_raw(process).is_none_or(|process| rustix::process::test_kill_process(process).is_err())
}
