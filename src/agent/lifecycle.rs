//! From the bound socket to the last wiped session: what the agent does by itself, and the ways it ends.

use super::audit::Event;
use super::socket::Socket;
use super::{Agent, endpoint, server, watch};
use futures_util::FutureExt;
use rolecall_core::domain::catalogue::LockEvent;
use rolecall_ports::DesktopEvent;
use rustix::process::Signal;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// What is under way at the end gets this long. Together with the last word it stays below the five seconds that tools
/// such as systemd's smallest settings and impatient people give.
const DRAIN: Duration = Duration::from_millis(4500);

/// Who still waits then is told that it is over, and this is the time to say it in.
const LAST_WORD: Duration = Duration::from_millis(250);

/// How long the agent waits for its locks to be closed.
const UNLOCK: Duration = Duration::from_secs(1);

/// How often the agent looks whether its socket is still its own and whether it has idled long enough.
const LOOK_AROUND: Duration = Duration::from_secs(30);

/// A task that panics each time must not take the processor; one that panics once must not be missed.
const START_AGAIN: Duration = Duration::from_millis(100);

/// Why the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `rolecall agent stop`.
    Asked,
    /// The socket was removed or replaced: nobody finds this agent any more.
    Displaced,
    /// SIGTERM or SIGINT.
    Signal,
    /// A task that never ends has ended; its name. The agent cannot do its work without it.
    TaskEnded(&'static str),
}

/// Runs a task that never ends. A panic costs it what it was doing: it is started again. Returns its name if it ends.
pub async fn endless(name: &'static str, mut task: impl AsyncFnMut()) -> &'static str {
    while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
        tracing::error!(task = name, "the task starts again after an internal error");
        sleep(START_AGAIN).await;
    }
    name
}

/// Has a write beyond a limit of file sizes (`ulimit -f`) fail instead of ending the process. Before the first write.
pub fn outlive_file_size_limit() {
    // Without a handler the limit is as it was.
    let _ = signal_hook::flag::register(Signal::XFSZ.as_raw(), Arc::default());
}

/// Runs the agent until one of its endings; returns with every session wiped. What happens on the desktop comes by `events`.
pub async fn run(
    agent: Arc<Agent>,
    mut socket: Socket,
    connections: usize,
    mut events: mpsc::Receiver<DesktopEvent>,
    ready: impl FnOnce(),
) -> io::Result<Ending> {
    let listener = socket.listener()?;
    let slots = Arc::new(Semaphore::new(connections));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A closed terminal is no reason to end: the agent outlives the shell that started it.
    let mut hangup = signal(SignalKind::hangup())?;
    agent.audit.write(agent.audit.line(Event::Start));
    endpoint::create::resume(&agent.endpoint).await;
    let look = Notify::new();
    let changed = async || {
        agent.config.reload().await;
        look.notify_one();
    };
    ready();
    let ending = tokio::select! {
        name = endless("connections", async || server::serve(&agent, &listener, &slots).await) => Ending::TaskEnded(name),
        name = endless("extra sockets", async || server::serve_restricted(&agent, &slots).await) => Ending::TaskEnded(name),
        name = endless("renewal", async || refresh(&agent).await) => Ending::TaskEnded(name),
        name = endless("configuration watch", async || {
            watch::watch(|| agent.config.paths(), agent.paths.runtime_dir(), changed).await;
        }) => Ending::TaskEnded(name),
        name = endless("locking by time", async || lock_by_time(&agent).await) => Ending::TaskEnded(name),
        name = endless("notifications", async || agent.notices.run(&agent.config, &agent.cache, &agent.keys.facts).await) => Ending::TaskEnded(name),
        name = endless("desktop events", async || desktop_events(&agent, &mut events).await) => Ending::TaskEnded(name),
        name = endless("hangup signals", async || ignore(&mut hangup).await) => Ending::TaskEnded(name),
        _ = endless("socket check", async || displaced(&agent, &socket, &look).await) => Ending::Displaced,
        () = agent.stop.notified() => Ending::Asked,
        _ = terminate.recv() => Ending::Signal,
        _ = interrupt.recv() => Ending::Signal,
    };
    tracing::info!(?ending, "ending");
    // From here a new caller finds no socket and starts a new agent, while those under way get their answers: who has
    // connected already is let in before the socket and its lock are given up.
    // The ports go before the socket: the agent that is started next takes them up again.
    agent.endpoint.close().await;
    socket.unlink().await;
    agent.sockets.close().await;
    server::drain_backlog(&agent, &socket, &slots);
    drop(listener);
    close_apart(socket).await;
    agent.closing.send_replace(true);
    let all = u32::try_from(connections).unwrap_or(u32::MAX);
    let drained = timeout(DRAIN, slots.acquire_many(all)).await.is_ok();
    agent.lock.end().are_gone().await;
    if !drained {
        let _ = timeout(LAST_WORD, slots.acquire_many(all)).await;
    }
    agent.lock.lock("ending", None).are_gone().await;
    agent.audit.write_counts(true);
    let result = if let Ending::TaskEnded(_) = ending { "failed" } else { "ok" };
    let line = agent.audit.line(Event::Stop).result(result);
    agent.audit.write(match ending {
        Ending::TaskEnded(name) => line.message(format!("the task {name:?} ended, which never ends")),
        _ => line,
    });
    agent.audit.flush();
    Ok(ending)
}

/// Closes files on a thread of their own and waits a moment for it: a close can wait for the file system, as of the locks
/// of the agent.
///
/// Not on a lane of the pool, whose threads may all be waiting for the same disk. Without a thread the files stay open: the
/// end of the process closes them.
async fn close_apart(files: impl Send + 'static) {
    let files = ManuallyDrop::new(files);
    let (closed, is_closed) = oneshot::channel::<()>();
    let close = move || {
        drop(ManuallyDrop::into_inner(files));
        drop(closed);
    };
    if thread::Builder::new().name("close".to_owned()).spawn(close).is_ok() {
        let _ = timeout(UNLOCK, is_closed).await;
    }
}

/// Renews what is in use before anybody waits.
async fn refresh(agent: &Agent) {
    loop {
        let next = agent.broker.refresher.refresh_due();
        tokio::select! {
            () = agent.ports.clock.sleep_until(next) => {}
            () = agent.cache.changed.notified() => {}
        }
    }
}

/// Forgets everything when its time is over, and writes the counts of repeated audit lines.
async fn lock_by_time(agent: &Agent) {
    loop {
        agent.audit.write_counts(false);
        let rest =
            agent.lock.lock_if_over().map_or(LOOK_AROUND, |left| left.clamp(Duration::from_secs(1), LOOK_AROUND));
        let now = agent.ports.clock.now().boot;
        agent.ports.clock.sleep_until(now + rest).await;
    }
}

async fn displaced(agent: &Agent, socket: &Socket, look: &Notify) {
    while socket.is_in_place().await {
        mend_sockets(agent).await;
        let next = agent.ports.clock.now().boot + LOOK_AROUND;
        tokio::select! {
            // Told at once: as long as we hold the lock, nobody can start an agent that would be found.
            () = look.notified() => {}
            () = agent.ports.clock.sleep_until(next) => {}
        }
    }
    tracing::warn!("the socket was removed or replaced");
}

/// Opens again the restricted sockets that somebody removed, and tries again to open those that failed.
async fn mend_sockets(agent: &Agent) {
    let (sockets, consents) = (Arc::clone(&agent.sockets), Arc::clone(&agent.consents));
    agent.config.between_reloads(move |config| sockets.apply(config, &consents)).await;
}

/// Locks when the screen is locked or the machine goes to sleep, if the configuration names the event. After a wake-up the
/// sessions and the idle time may be over, so both are checked. Never returns.
async fn desktop_events(agent: &Agent, events: &mut mpsc::Receiver<DesktopEvent>) {
    while let Some(event) = events.recv().await {
        match event {
            DesktopEvent::ScreenLocked => agent.lock.lock_on(LockEvent::ScreenLock, "screen locked").await,
            DesktopEvent::Sleep(wiped) => {
                agent.lock.lock_on(LockEvent::Sleep, "going to sleep").await;
                // Who waited for it may have gone to sleep already.
                let _ = wiped.send(());
            }
            DesktopEvent::Wake => {
                agent.lock.lock_if_over();
                agent.cache.changed.notify_one();
            }
        }
    }
    // Nobody tells anything on this system.
    std::future::pending::<()>().await;
}

async fn ignore(signals: &mut tokio::signal::unix::Signal) {
    while signals.recv().await.is_some() {}
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose close waits until the sender is dropped.
    struct Slow(std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<thread::ThreadId>);

    impl Drop for Slow {
        fn drop(&mut self) {
            let _ = self.0.recv();
            let _ = self.1.send(thread::current().id());
        }
    }

    #[tokio::test]
    async fn close_that_waits_holds_up_no_thread_of_the_runtime() {
        let ((release, held), (by, closed_by)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        close_apart(Slow(held, by)).await;
        assert!(closed_by.try_recv().is_err(), "it is not closed yet");
        drop(release);
        assert_ne!(closed_by.recv().expect("it is closed"), thread::current().id());
    }

    #[tokio::test]
    async fn panicked_task_starts_again_and_returned_task_is_named() {
        let mut runs = 0;
        let name = endless("counting", async || {
            runs += 1;
            assert!(runs > 2, "a panic");
        });
        assert_eq!(name.await, "counting");
        assert_eq!(runs, 3);
    }
}
