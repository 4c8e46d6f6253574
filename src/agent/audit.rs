//! The audit log: one line of JSON per event, written off the request's path, capped at 10 MB in each of three files.
//!
//! Never a secret, an argument list, an environment or an MFA code. A line that cannot be written is counted and costs
//! nobody a session: `status` says it.

mod by_socket;

use super::caller::Caller;
use crate::files;
use by_socket::BySocket;
use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A file is rotated beyond this.
const FILE_MAX: u64 = 10 * 1024 * 1024;

/// `audit.jsonl`, `audit.jsonl.1`, `audit.jsonl.2`.
const OLD_FILES: u32 = 2;

/// Lines that wait for the disk; more are counted as lost rather than kept in memory without end.
const QUEUE: usize = 4096;

/// How long the agent's end waits for the disk.
const FLUSH: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Event {
    /// A person was asked whether a program may have a role.
    Consent,
    /// A browser was to be signed in to the console.
    Console,
    /// A call to AWS that was made to find out what is wrong; its session, if there was one, was wiped at once.
    Doctor,
    /// A session was served over HTTP, for the first time to this grant, or could not be.
    Endpoint,
    /// A request for credentials.
    Get,
    /// A process was given a place that serves a name over HTTP, or that has ended.
    Grant,
    /// A key was stored or removed.
    Identity,
    /// Everything was forgotten.
    Lock,
    /// A connection was turned away.
    Refuse,
    /// The configuration was taken over, or not.
    Reload,
    /// A step of a key's rotation.
    Rotate,
    /// A source was asked for an identity's credentials.
    Source,
    /// The agent started.
    Start,
    /// The agent ended.
    Stop,
    /// A call to STS.
    Sts,
    /// A code or a passphrase was given.
    Unlock,
}

/// One line.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Line {
    /// The version of this form.
    pub v: u8,
    /// When, by the wall clock.
    pub time: DateTime<Utc>,
    /// Counts up from the agent's start: shows a gap.
    pub seq: u64,
    /// What happened.
    pub event: Event,
    /// `ok`, or AWS's error code, or the class of the failure.
    pub result: String,
    /// The role or identity that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The session's ARN, or the role's where there is no session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The public half of what was handed out: the key to find its use in CloudTrail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// When that ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<DateTime<Utc>>,
    /// Whether it came without a call to STS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
    /// AWS's id of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    /// The cause, where there is one to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Gives the schema of a line, which is what `rolecall log --json` prints; for the documents, no part of a run.
pub fn log_schema() -> serde_json::Value {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Line>();
    schema.insert("title".to_owned(), "a line of rolecall log --json".into());
    schema.to_value()
}

impl Line {
    /// Makes a line of an event; the log fills in its number.
    pub(super) fn new(time: DateTime<Utc>, event: Event, result: impl Into<String>) -> Self {
        Self {
            v: 1,
            time,
            seq: 0,
            event,
            result: result.into(),
            name: None,
            role_arn: None,
            access_key_id: None,
            expiration: None,
            cached: None,
            request_id: None,
            caller: None,
            message: None,
        }
    }
}

/// What the writer is given.
#[derive(Debug)]
enum Item {
    Line(Box<Line>),
    /// Asks for a sign when everything before it is written.
    Flush(SyncSender<()>),
}

/// The open log.
#[derive(Debug)]
pub(super) struct Audit {
    queue: Option<SyncSender<Item>>,
    writer: Option<JoinHandle<()>>,
    seq: AtomicU64,
    lost: Arc<AtomicU64>,
    by_socket: Mutex<BySocket>,
}

impl Audit {
    /// Starts the writer. A log that cannot be opened is tried again with each line.
    pub(super) fn open(path: &Path) -> Self {
        let (queue, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let file = LogFile { path: path.to_path_buf(), file: None, size: 0 };
        let counter = Arc::clone(&lost);
        let writer = std::thread::Builder::new().name("audit".into()).spawn(move || write_all(&lines, file, &counter));
        let (seq, by_socket) = Default::default();
        Self { queue: Some(queue), writer: writer.ok(), seq, lost, by_socket }
    }

    /// Writes a line, soon; of an extra socket's what is news.
    pub(super) fn write(&self, line: Line) {
        let (counts, is_told) = self.by_socket.lock().unwrap_or_else(PoisonError::into_inner).sift(&line);
        for line in counts.into_iter().chain(is_told.then_some(line)) {
            self.enqueue(line);
        }
    }

    fn enqueue(&self, mut line: Line) {
        line.seq = self.seq.fetch_add(1, Ordering::Relaxed);
        let sent = self.queue.as_ref().is_some_and(|queue| queue.try_send(Item::Line(Box::new(line))).is_ok());
        if !sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything is written, but not for a disk that hangs.
    pub(super) fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.queue.as_ref().is_some_and(|queue| queue.try_send(Item::Flush(done)).is_ok()) {
            let _ = is_done.recv_timeout(FLUSH);
        }
    }

    /// Tells how many lines could not be written.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // The thread ends when the queue is closed and empty; it has nothing to tell.
            let _ = writer.join();
        }
    }
}

struct LogFile {
    path: PathBuf,
    file: Option<File>,
    size: u64,
}

fn write_all(items: &Receiver<Item>, mut log: LogFile, lost: &AtomicU64) {
    for item in items {
        match item {
            Item::Line(line) => {
                if log.write(&line).is_err() {
                    log.file = None;
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Who asked may have given up.
            Item::Flush(done) => drop(done.send(())),
        }
    }
}

impl LogFile {
    fn write(&mut self, line: &Line) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        if self.file.is_some() && self.size + bytes.len() as u64 > FILE_MAX {
            self.file = None;
            self.rotate()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = files::open_private_append(&self.path)?;
                self.size = file.metadata()?.len();
                // A full disk or a killed agent may have left half a line: ours must not become its end.
                if self.size > 0 && !ends_a_line(&self.path) {
                    bytes.insert(0, b'\n');
                }
                none.insert(file)
            }
        };
        // One write per line: with O_APPEND two writers never mix within a line.
        file.write_all(&bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn rotate(&self) -> std::io::Result<()> {
        let old =
            |n: u32| if n == 0 { self.path.clone() } else { PathBuf::from(format!("{}.{n}", self.path.display())) };
        for n in (0..OLD_FILES).rev() {
            match fs::rename(old(n), old(n + 1)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Tells whether a file ends with a whole line; one that cannot be read is taken at its best.
fn ends_a_line(path: &Path) -> bool {
    let last = || -> std::io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0])
    };
    last().map_or(true, |byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn line(message: &str) -> Line {
        let time = DateTime::from_timestamp(1_795_305_600, 0).expect("in range");
        Line { message: Some(message.into()), ..Line::new(time, Event::Get, "ok") }
    }

    #[test]
    fn lines_are_numbered_private_and_flushed_at_the_end() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("audit.jsonl");
        let audit = Audit::open(&path);
        audit.write(line("a"));
        audit.write(line("b\n\"c"));
        drop(audit);
        let text = fs::read_to_string(&path).expect("read");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                r#"{"v":1,"time":"2026-11-22T00:00:00Z","seq":0,"event":"get","result":"ok","message":"a"}"#,
                r#"{"v":1,"time":"2026-11-22T00:00:00Z","seq":1,"event":"get","result":"ok","message":"b\n\"c"}"#
            ]
        );
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn three_files_of_ten_megabytes_are_kept() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("audit.jsonl");
        let mut log = LogFile { path: path.clone(), file: None, size: 0 };
        let megabyte = line(&"x".repeat(1024 * 1024));
        for _ in 0..45 {
            log.write(&megabyte).expect("written");
        }
        let mut sizes: Vec<u64> =
            fs::read_dir(dir.path()).expect("dir").map(|e| e.expect("entry").metadata().expect("meta").len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes.len(), 3, "{sizes:?}");
        assert!(sizes.iter().all(|size| *size <= FILE_MAX), "{sizes:?}");
    }

    #[test]
    fn a_log_that_cannot_be_written_is_counted_and_taken_up_again() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("later/audit.jsonl");
        let lost = AtomicU64::new(0);
        let mut log = LogFile { path: path.clone(), file: None, size: 0 };
        assert!(log.write(&line("a")).is_err());
        fs::create_dir(dir.path().join("later")).expect("mkdir");
        assert!(log.write(&line("b")).is_ok());
        assert_eq!(lost.load(Ordering::Relaxed), 0);
    }
}
