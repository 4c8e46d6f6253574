//! From the bound socket to the last wiped session: what the agent does by itself, and the ways it ends.

use super::audit::{Event, Line};
use super::server::{self, Socket};
use super::{Agent, desk, extra, watch};
use crate::ports::DeskEvent;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;

/// What is under way at the end gets this long. Together with the last word it stays below the five seconds that tools
/// such as systemd's smallest settings and impatient people give.
const DRAIN: Duration = Duration::from_millis(4500);

/// Who still waits then is told that it is over, and this is the time to say it in.
const LAST_WORD: Duration = Duration::from_millis(250);

/// How often the agent looks whether its socket is still its own and whether it has idled long enough.
const LOOK_AROUND: Duration = Duration::from_secs(30);

/// Why the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `rolecall agent stop`.
    Asked,
    /// The socket was removed or replaced: nobody finds this agent any more.
    Displaced,
    /// SIGTERM or SIGINT.
    Signal,
}

/// Runs the agent until one of its endings; returns with every session wiped. What happens on the desktop comes by `events`.
pub async fn run(
    agent: Arc<Agent>,
    socket: Socket,
    connections: usize,
    events: mpsc::Receiver<DeskEvent>,
    ready: impl FnOnce(),
) -> io::Result<Ending> {
    let listener = socket.listener()?;
    let slots = Arc::new(Semaphore::new(connections));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A closed terminal is no reason to end: the agent outlives the shell that started it.
    let mut hangup = signal(SignalKind::hangup())?;
    agent.audit.write(Line::new(agent.ports.clock.now().wall, Event::Start, "ok"));
    agent.resume_endpoint().await;
    let look = Notify::new();
    let changed = || {
        agent.reload();
        look.notify_one();
    };
    ready();
    let ending = tokio::select! {
        () = server::serve(&agent, &listener, &slots) => Ending::Displaced,
        () = extra::serve(&agent, &slots) => Ending::Displaced,
        () = refresh(&agent) => Ending::Displaced,
        () = watch::watch(|| agent.configuration.paths(), agent.paths.runtime_dir(), changed) => Ending::Displaced,
        () = idle_lock(&agent) => Ending::Displaced,
        () = agent.tell() => Ending::Displaced,
        () = desk::follow(&agent, events) => Ending::Displaced,
        () = displaced(&agent, &socket, &look) => Ending::Displaced,
        () = ignore(&mut hangup) => Ending::Displaced,
        () = agent.stop.notified() => Ending::Asked,
        _ = terminate.recv() => Ending::Signal,
        _ = interrupt.recv() => Ending::Signal,
    };
    tracing::info!(?ending, "ending");
    // From here a new caller finds no socket and starts a new agent, while those under way get their answers: who has
    // connected already is let in before the socket and its lock are given up.
    // The ports go before the socket: the agent that is started next takes them up again.
    agent.endpoint.close().await;
    socket.unlink();
    agent.extra.close();
    server::let_in(&agent, &socket, &slots);
    drop(listener);
    drop(socket);
    agent.closing.send_replace(true);
    let all = u32::try_from(connections).unwrap_or(u32::MAX);
    let drained = timeout(DRAIN, slots.acquire_many(all)).await.is_ok();
    agent.sessions.end().are_gone().await;
    if !drained {
        let _ = timeout(LAST_WORD, slots.acquire_many(all)).await;
    }
    agent.lock("ending", None).are_gone().await;
    agent.audit.write(Line::new(agent.ports.clock.now().wall, Event::Stop, "ok"));
    agent.audit.flush();
    Ok(ending)
}

/// Renews what is in use before anybody waits.
async fn refresh(agent: &Agent) {
    loop {
        let next = agent.sessions.refresh();
        tokio::select! {
            () = agent.ports.clock.sleep_until(next) => {}
            () = agent.sessions.changed.notified() => {}
        }
    }
}

async fn idle_lock(agent: &Agent) {
    loop {
        let rest = agent.lock_if_idle().map_or(LOOK_AROUND, |left| left.clamp(Duration::from_secs(1), LOOK_AROUND));
        let now = agent.ports.clock.now().boot;
        agent.ports.clock.sleep_until(now + rest).await;
    }
}

async fn displaced(agent: &Agent, socket: &Socket, look: &Notify) {
    while socket.is_in_place() {
        agent.mend_sockets();
        let next = agent.ports.clock.now().boot + LOOK_AROUND;
        tokio::select! {
            // Told at once: as long as we hold the lock, nobody can start an agent that would be found.
            () = look.notified() => {}
            () = agent.ports.clock.sleep_until(next) => {}
        }
    }
    tracing::warn!("the socket was removed or replaced");
}

async fn ignore(signals: &mut tokio::signal::unix::Signal) {
    while signals.recv().await.is_some() {}
    std::future::pending::<()>().await;
}
