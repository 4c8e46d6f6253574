//! Another program's credentials: run without a shell, with a clean environment, a deadline, and a cap on what it says.
//!
//! The form of its answer is AWS's (SDKs and Tools Reference Guide, "Process credential provider"). The program leads a
//! process group of its own, which is killed as a whole when the time is over or nobody wants the answer any more; what it
//! leaves behind when it ends by itself, as an agent of its own, lives on.

use super::credentials::{Raw, check};
use super::{CredentialSource, Sources};
use async_trait::async_trait;
use chrono::TimeDelta;
use rolecall_core::domain::arn::AccountId;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::{MfaCode, SecretKey, SessionToken};
use rolecall_core::domain::source::Process;
use rolecall_platform::blocking::SOURCES;
use rolecall_platform::child::signal_group;
use rolecall_ports::{SourceCredentials, TokenError};
use rustix::process::Signal;
use serde::Deserialize;
use std::ffi::OsString;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::RwLock;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long a program may take. A caller waits for 20 seconds in all and has to hear why in that time.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long its start may take, which reads its file.
const START: Duration = Duration::from_secs(5);

/// What is still on its way when the program has ended; one that it left behind may hold the pipe open for ever.
const LAST_WORD: Duration = Duration::from_millis(200);

/// Credentials have two KiB; more is not an answer.
const ANSWER_MAX: usize = 64 * 1024;

/// Of what it complains, the beginning is kept.
const COMPLAINT_MAX: usize = 4 * 1024;

/// How long a caller waits for a program that is just being started, whose number is not known yet. A start takes a
/// millisecond, but the program may lie on a file system that does not answer, and nobody else is to wait for that.
const STARTING: Duration = Duration::from_millis(200);

/// The programs that run now.
#[derive(Debug, Default)]
pub(super) struct Running {
    list: Mutex<Vec<i32>>,
    /// Held by each program while it is being started, and by nobody longer.
    starting: RwLock<()>,
    /// Whether a start was waited for in vain; nobody waits for it again.
    is_slow: AtomicBool,
}

impl Running {
    /// Gives their process ids: also those that a program sends us as its first deed.
    pub(super) async fn pids(&self) -> Vec<i32> {
        if self.starting.try_write().is_ok() {
            self.is_slow.store(false, Ordering::Relaxed);
        } else if !self.is_slow.load(Ordering::Relaxed) {
            let is_slow = timeout(STARTING, self.starting.write()).await.is_err();
            self.is_slow.store(is_slow, Ordering::Relaxed);
        }
        self.list().clone()
    }

    fn list(&self) -> MutexGuard<'_, Vec<i32>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program under way. Dropped before it has ended, it is killed with all that it has started.
struct Run {
    child: Child,
    pid: i32,
    running: Arc<Running>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.running.list().retain(|pid| *pid != self.pid);
        signal_group(&self.child, Signal::KILL);
    }
}

/// What a program said, and how it ended.
struct ProgramOutput {
    status: ExitStatus,
    answer: Zeroizing<Vec<u8>>,
    complaint: Zeroizing<Vec<u8>>,
}

#[async_trait]
impl CredentialSource for Process {
    async fn request(&self, sources: &Sources, _: &Arc<AwsSettings>) -> Result<SourceCredentials, TokenError> {
        ask(&self.argv, &sources.ambient.ambient.of_program().await, &sources.running).await
    }
}

/// Runs the program and reads its credentials.
async fn ask(
    argv: &[String],
    environment: &[(OsString, OsString)],
    running: &Arc<Running>,
) -> Result<SourceCredentials, TokenError> {
    let name = printable(argv.first().map_or("", String::as_str), 200);
    let by_hand = format!("run it by hand to see what it does: `{name}` with the arguments of `credential_process`");
    // Remembered for seconds, as what AWS refuses is: a loop of tools must not be a loop of programs.
    let failed = |why: String| {
        TokenError::permanent(UserError::new(Kind::Failed, format!("the program {name} {why}")).hint(by_hand.clone()))
    };
    let answer = run(argv, environment, running).await.map_err(|no| match no {
        NoAnswer::CannotRun(_) => TokenError::permanent(
            UserError::new(Kind::Config, format!("the program {name} {no}"))
                .hint("correct `credential_process`, or the program's rights: `ls -l`"),
        ),
        NoAnswer::Failed(why) => failed(why),
    })?;
    read(&answer).map_err(|odd| failed(format!("printed {odd}")))
}

/// Runs a program that prints an MFA code (`mfa_process`) and returns the code.
pub(super) async fn code(
    argv: &[String],
    environment: &[(OsString, OsString)],
    running: &Arc<Running>,
) -> Result<MfaCode, String> {
    let name = printable(argv.first().map_or("", String::as_str), 200);
    let answer = run(argv, environment, running).await.map_err(|no| format!("{name} {no}"))?;
    let text = std::str::from_utf8(&answer).map_err(|_| format!("{name} printed what is no text"))?;
    Ok(MfaCode::new(text.trim().to_owned()))
}

/// Why a program gave nothing, as the rest of a sentence that begins with its name.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    /// It cannot even be started.
    #[error("cannot be run: {0}")]
    CannotRun(std::io::Error),
    /// It ran, and what came of it.
    #[error("{0}")]
    Failed(String),
}

/// Runs a program to its end and gives what it printed.
async fn run(
    argv: &[String],
    environment: &[(OsString, OsString)],
    running: &Arc<Running>,
) -> Result<Zeroizing<Vec<u8>>, NoAnswer> {
    let failed = |why: String| NoAnswer::Failed(why);
    let said = timeout(DEADLINE, async {
        let run = start(argv, environment, running).await.map_err(NoAnswer::CannotRun)?;
        hear(run).await.map_err(|error| failed(format!("could not be heard: {error}")))
    });
    let Ok(said) = said.await else {
        return Err(failed(format!("was not done within {} seconds and was killed", DEADLINE.as_secs())));
    };
    let said = said?;
    // First: closing the pipe on it is what it then fails of.
    if said.answer.len() > ANSWER_MAX {
        return Err(failed(format!("printed more than {} KiB", ANSWER_MAX / 1024)));
    }
    if !said.status.success() {
        let how = said
            .status
            .code()
            .map_or_else(|| "was ended by a signal".to_owned(), |code| format!("failed with exit code {code}"));
        return Err(failed(format!("{how}{}", complaint(&said.complaint))));
    }
    if said.answer.trim_ascii().is_empty() {
        return Err(failed(format!("printed nothing{}", complaint(&said.complaint))));
    }
    Ok(said.answer)
}

/// Starts a program. A start returns when the program's file has been opened, which may lie on a file system that hangs.
async fn start(argv: &[String], environment: &[(OsString, OsString)], running: &Arc<Running>) -> std::io::Result<Run> {
    let (program, arguments) = argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let starting = running.starting.read().await;
    let started = SOURCES.run(program.as_str(), START, move || command.spawn()).await;
    let child = started.map_err(std::io::Error::other)??;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).ok_or(std::io::ErrorKind::NotFound)?;
    running.list().push(pid);
    drop(starting);
    Ok(Run { child, pid, running: Arc::clone(running) })
}

/// Reads what the program says until it has ended. Dropping the wait kills it.
async fn hear(mut run: Run) -> std::io::Result<ProgramOutput> {
    let (stdout, stderr) = (run.child.stdout.take(), run.child.stderr.take());
    let mut answer = Zeroizing::new(Vec::with_capacity(ANSWER_MAX + 1));
    let mut complaint = Zeroizing::new(Vec::with_capacity(COMPLAINT_MAX));
    let status = {
        let reading = async {
            tokio::join!(
                fill(stdout, &mut answer, ANSWER_MAX + 1, false),
                fill(stderr, &mut complaint, COMPLAINT_MAX, true)
            );
        };
        let mut reading = pin!(reading);
        tokio::select! {
            () = &mut reading => run.child.wait().await?,
            status = run.child.wait() => {
                // What it had said by then is in the pipe; whoever else holds the pipe is not waited for.
                let _ = timeout(LAST_WORD, reading).await;
                status?
            }
        }
    };
    Ok(ProgramOutput { status, answer, complaint })
}

/// Reads up to a limit, into memory that does not grow and so leaves no copies. What is beyond is read and thrown away
/// where that is wanted; else the pipe is closed and the program told so by its next write.
async fn fill<R: AsyncRead + Unpin>(from: Option<R>, into: &mut Vec<u8>, max: usize, drain: bool) {
    let Some(mut from) = from else { return };
    let mut part = Zeroizing::new([0_u8; 4096]);
    while let Ok(read @ 1..) = from.read(&mut part[..]).await {
        let room = max - into.len();
        into.extend_from_slice(&part[..read.min(room)]);
        if into.len() == max && !drain {
            return;
        }
    }
}

/// Gives the first line of what it complained of.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.is_empty() { String::new() } else { format!(": {}", printable(line, 200)) }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    version: serde_json::Value,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    expiration: Option<String>,
    account_id: Option<String>,
}

/// Reads an answer; says what is odd as the end of "the program … printed …". Nothing of it is repeated.
pub(super) fn read(answer: &[u8]) -> Result<SourceCredentials, String> {
    let output: Output = serde_json::from_slice(answer)
        .map_err(|_| "something else than the JSON of a credential_process".to_owned())?;
    if output.version != 1 {
        return Err("a Version other than the number 1".to_owned());
    }
    let raw = Raw {
        access_key_id: output.access_key_id.unwrap_or_default(),
        secret: SecretKey::new(output.secret_access_key.unwrap_or_default()),
        token: output.session_token.map(SessionToken::new),
        expiration: output.expiration,
    };
    let given = check(raw).map_err(|odd| format!("credentials {odd}"))?;
    let account = output.account_id.and_then(|id| AccountId::new(&id).ok());
    Ok(SourceCredentials { given, user: None, account, skew: TimeDelta::zero() })
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
