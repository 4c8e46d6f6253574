//! The audit log: one line of JSON per event, written off the request's path, capped at 10 MB in each of three files.
//!
//! Never a secret, an argument list, an environment or an MFA code. A line that cannot be written is counted, `status`
//! shows the count, and credentials are served all the same, unless the configuration has `audit = "required"`.

mod throttle;

use super::caller::Caller;
use chrono::{DateTime, Utc};
use rolecall_core::domain::catalogue::AuditMode;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_platform::files;
use rolecall_platform::panics::Guard;
use rolecall_ports::Clock;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use throttle::{Throttle, Written};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A file is rotated beyond this.
const FILE_MAX: u64 = 10 * 1024 * 1024;

/// `audit.jsonl`, `audit.jsonl.1`, `audit.jsonl.2`.
const OLD_FILES: u32 = 2;

/// Lines that wait for the disk; more are counted as lost rather than kept in memory without end.
const QUEUE: usize = 4096;

/// How long the agent's end waits for the disk.
const FLUSH: Duration = Duration::from_secs(1);

/// How long a hand-out waits for its line to be in the file. A disk that is busy needs a part of a second.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// The longest name of a request in a line.
const NAME_SHOWN: usize = 64;

/// The results of connections and requests that outsiders make.
pub(super) const FOREIGN_UID: &str = "foreign-uid";
pub(super) const BAD_TOKEN: &str = "token";

/// The results of a consent that a person has given or refused.
pub(super) const ALLOWED: &str = "ok";
pub(super) const REFUSED: &str = "refused";

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
pub(super) struct AuditLine {
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
    /// How many requests the line stands for, if they are not listed one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    /// The cause, where there is one to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Gives the schema of a line, which is what `rolecall log --json` prints; for the documents, no part of a run.
pub fn log_schema() -> serde_json::Value {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<AuditLine>();
    schema.insert("title".to_owned(), "a line of rolecall log --json".into());
    schema.to_value()
}

/// The builder of a line: [`Audit::line`] begins it, [`Audit::write`] writes it.
impl AuditLine {
    /// Begins the line of an event with the result `ok`; the log fills in its number.
    pub(super) fn new(time: DateTime<Utc>, event: Event) -> Self {
        Self {
            v: 1,
            time,
            seq: 0,
            event,
            result: "ok".to_owned(),
            name: None,
            role_arn: None,
            access_key_id: None,
            expiration: None,
            cached: None,
            request_id: None,
            count: None,
            caller: None,
            message: None,
        }
    }

    pub(super) fn result(self, result: impl Into<String>) -> Self {
        Self { result: result.into(), ..self }
    }

    /// Adds the role or identity of the request.
    pub(super) fn name(self, name: &(impl ToString + ?Sized)) -> Self {
        Self { name: Some(name.to_string()), ..self }
    }

    /// Adds the name of a request that may be anything.
    pub(super) fn unchecked_name(self, name: &str) -> Self {
        self.name(&shown_name(name))
    }

    pub(super) fn role_arn(self, role_arn: Option<String>) -> Self {
        Self { role_arn, ..self }
    }

    pub(super) fn access_key_id(self, id: impl Into<String>) -> Self {
        Self { access_key_id: Some(id.into()), ..self }
    }

    /// Adds the public facts of a session. Its ARN replaces that of the role, if it has one.
    pub(super) fn session(self, arn: Option<String>, access_key_id: &str, expiration: DateTime<Utc>) -> Self {
        let (role_arn, expiration) = (arn.or_else(|| self.role_arn.clone()), Some(expiration));
        Self { role_arn, expiration, ..self.access_key_id(access_key_id) }
    }

    pub(super) fn request_id(self, request_id: Option<String>) -> Self {
        Self { request_id, ..self }
    }

    pub(super) fn caller(self, caller: &Caller) -> Self {
        Self { caller: Some(caller.clone()), ..self }
    }

    pub(super) fn message(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// Adds the code of a failure and what the caller is told of it.
    pub(super) fn failure(self, code: &str, report: &UserError) -> Self {
        self.result(code).message(report.message.clone())
    }
}

/// Returns what a line shows of a name that may be anything.
pub(super) fn shown_name(name: &str) -> String {
    printable(name, NAME_SHOWN)
}

/// What the writer is given.
#[derive(Debug)]
enum Item {
    /// A line, and who waits for it to be in the file.
    Line(Box<AuditLine>, Option<oneshot::Sender<Result<(), String>>>),
    /// Asks for a sign when everything before it is written.
    Flush(SyncSender<()>),
}

/// The open log.
pub(super) struct Audit {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    queue: SyncSender<Item>,
    seq: AtomicU64,
    lost: Arc<AtomicU64>,
    throttle: Mutex<Throttle>,
}

impl Audit {
    /// Starts the writer. A log that cannot be opened is tried again with each line.
    pub(super) fn open(path: &Path, clock: Arc<dyn Clock>) -> Self {
        let (queue, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let file = LogFile { path: path.to_path_buf(), file: None, size: 0 };
        let counter = Arc::clone(&lost);
        // Without a thread the queue is closed, and every line is counted as lost.
        let _ = std::thread::Builder::new().name("audit".into()).spawn(move || write_all(&lines, file, &counter));
        let (seq, throttle) = Default::default();
        Self { path: path.to_path_buf(), clock, queue, seq, lost, throttle }
    }

    /// Begins the line of an event that happens now.
    pub(super) fn line(&self, event: Event) -> AuditLine {
        AuditLine::new(self.clock.now().wall, event)
    }

    /// Writes a line soon. Of the lines that outsiders cause, repeated ones are counted instead.
    pub(super) fn write(&self, line: AuditLine) {
        let is_admitted = {
            let mut throttle = self.throttle.guard();
            let is_admitted = throttle.admits(&line, Written::Queued, self.clock.now());
            if is_admitted {
                throttle.note(&line, Written::Queued);
            }
            is_admitted
        };
        if is_admitted {
            self.enqueue(line, None);
        }
    }

    /// Logs a hand-out, before anything leaves. With `audit = "required"` the line is in the file when this returns.
    ///
    /// Errors: the line is not in the file, so that nothing may be handed out.
    pub(super) async fn hand_out(&self, mode: AuditMode, line: AuditLine) -> Result<(), UserError> {
        match mode {
            AuditMode::Required => self.write_through(line).await,
            AuditMode::BestEffort => {
                self.write(line);
                Ok(())
            }
        }
    }

    /// Writes a line like [`Self::write`] and returns when it is in the file; an error if it is not within two seconds.
    async fn write_through(&self, line: AuditLine) -> Result<(), UserError> {
        if !self.throttle.guard().admits(&line, Written::Durable, self.clock.now()) {
            // The line that this one repeats is in the file.
            return Ok(());
        }
        let (written, is_written) = oneshot::channel();
        let waits = self.enqueue(line.clone(), Some(written));
        let why = match timeout(WRITTEN_WITHIN, is_written).await {
            Ok(Ok(Ok(()))) => {
                self.throttle.guard().note(&line, Written::Durable);
                return Ok(());
            }
            Ok(Ok(Err(why))) => why,
            Ok(Err(_)) if waits => "its writer has ended".to_owned(),
            Ok(Err(_)) => "too many lines wait for the disk".to_owned(),
            Err(_) => format!("the disk does not answer within {} seconds", WRITTEN_WITHIN.as_secs()),
        };
        let what = format!("the audit log cannot be written, so nothing is served: {why}");
        Err(UserError::new(Kind::Failed, what).hint(format!(
            "look at `{}` and the space on its disk; `audit = \"best-effort\"` in [agent] serves without a line",
            self.path.display()
        )))
    }

    /// Writes the counts of repeated lines whose hour is over, or of all at the end of the agent.
    pub(super) fn write_counts(&self, all: bool) {
        let counts = self.throttle.guard().counts(self.clock.now(), all);
        for line in counts {
            self.enqueue(line, None);
        }
    }

    /// Hands a line to the writer; returns `false` if the line is lost.
    fn enqueue(&self, mut line: AuditLine, waits: Option<oneshot::Sender<Result<(), String>>>) -> bool {
        line.seq = self.seq.fetch_add(1, Ordering::Relaxed);
        let item = Item::Line(Box::new(line), waits);
        let sent = self.queue.try_send(item).is_ok();
        if !sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    /// Waits until everything is written, but not for a disk that hangs.
    pub(super) fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
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
        // The thread ends when the queue is closed. It is not joined: its disk may hang.
        self.flush();
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
            Item::Line(line, waits) => {
                let done = log.write(&line).map_err(|error| error.to_string());
                if done.is_err() {
                    log.file = None;
                    lost.fetch_add(1, Ordering::Relaxed);
                }
                if let Some(waits) = waits {
                    // The caller may have stopped waiting.
                    let _ = waits.send(done);
                }
            }
            // Who asked may have given up.
            Item::Flush(done) => drop(done.send(())),
        }
    }
}

impl LogFile {
    fn write(&mut self, line: &AuditLine) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        if self.file.is_some() && self.size + bytes.len() as u64 > FILE_MAX {
            self.file = None;
            // Without a rotation the file grows: a line must not be lost for it, and `status` names what is in the way.
            let _ = self.rotate();
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                // The disk may have been full when the agent started. If the directory is still missing, opening fails.
                if let Some(dir) = self.path.parent().filter(|dir| !dir.exists()) {
                    let _ = files::ensure_private_dir(dir);
                }
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
        let mut file = files::open_private(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0])
    };
    last().map_or(true, |byte| byte == b'\n')
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
