//! The agent's own log on standard error: `agent.log`, the journal of systemd or a terminal.
//!
//! Writing a line never fails, blocks or ends the agent. A thread writes; a line that cannot be written, or that finds no
//! room because the disk or the reader hangs, is counted, and `status` shows the count. A disk that is full, a pipe
//! without a reader and a closed descriptor are everyday, and can be another user's doing.

use rolecall_core::domain::error::printable;
use rolecall_platform::panics;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines that wait for the writer. The agent writes a few lines an hour.
const QUEUE: usize = 256;

/// The longest line.
const LINE_MAX: usize = 4096;

/// How long the end of the agent waits for the last lines.
const FLUSH: Duration = Duration::from_secs(1);

/// Of the process, as its log and its panics are.
static LOST: AtomicU64 = AtomicU64::new(0);
static PANICS: AtomicU64 = AtomicU64::new(0);
static IS_MISSING: AtomicBool = AtomicBool::new(false);

/// Returns how many lines could not be written.
pub(super) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Returns how many panics there were; each has cost the request or the step that met it.
pub(super) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Returns whether there is no log: the client that started this agent could not open the file.
pub(super) fn is_missing() -> bool {
    IS_MISSING.load(Ordering::Relaxed)
}

enum Item {
    Line(Vec<u8>),
    /// Wants a sign when everything before it is written.
    Flush(SyncSender<()>),
}

/// The log of this process.
#[derive(Clone)]
pub struct Log(SyncSender<Item>);

impl Log {
    /// Starts the log and directs `tracing` and panics to it. Without a thread every line is counted as lost.
    ///
    /// `by_client`: whether a client has started this agent, which opens `agent.log`, or else `/dev/null`.
    pub fn start(by_client: bool) -> Self {
        IS_MISSING.store(by_client && leads_nowhere(), Ordering::Relaxed);
        let (queue, items) = sync_channel(QUEUE);
        let _ = std::thread::Builder::new().name("log".into()).spawn(move || write_all(&items, io::stderr()));
        let log = Self(queue);
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            // It would print to standard error by a macro that panics.
            .log_internal_errors(false)
            .with_ansi(false)
            .with_target(false);
        let ours = Targets::new().with_target("rolecall", tracing::Level::INFO);
        tracing_subscriber::registry().with(ours).with(lines).init();
        std::panic::set_hook(Box::new(|info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            tracing::error!(place = %panics::place(info), "internal error: what met it has failed");
        }));
        log
    }

    /// Waits until every line is written, but not for a disk or a reader that hangs.
    pub fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.0.try_send(Item::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(FLUSH);
        }
    }
}

/// `tracing` writes each line by one call.
impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        // A name from outside must not move the cursor of whoever reads the log.
        let line_of_log = format!("{}\n", printable(text.strip_suffix('\n').unwrap_or(&text), LINE_MAX));
        if self.0.try_send(Item::Line(line_of_log.into_bytes())).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns whether standard error is `/dev/null`.
fn leads_nowhere() -> bool {
    let device = |stat: rustix::fs::Stat| (stat.st_mode, stat.st_rdev);
    let null = rustix::fs::stat("/dev/null").map(device);
    null.is_ok() && rustix::fs::fstat(io::stderr()).map(device) == null
}

fn write_all(items: &Receiver<Item>, mut to: impl Write) {
    for item in items {
        match item {
            Item::Line(line) => {
                if to.write_all(&line).is_err() {
                    LOST.fetch_add(1, Ordering::Relaxed);
                }
            }
            // The agent may have stopped waiting.
            Item::Flush(done) => drop(done.send(())),
        }
    }
}
