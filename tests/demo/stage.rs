//! Where the demo plays: a throw-away home, the sandbox, the two programs; and the way out, which leaves nothing behind.
//!
//! Whatever ends the demo (its last line, a failed step, a panic, Ctrl-C, a closed terminal) goes through the same
//! clean-up: the agent is asked to stop, waited for, and the directory removed.

use rolecall_sandbox::{Clock, Sandbox, World};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tempfile::TempDir;

/// What opens the vault of the throw-away home.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

const ROLECALL: &str = env!("CARGO_BIN_EXE_rolecall");

/// What there is to clean up; `None` once it is.
type Props = Arc<Mutex<Option<TempDir>>>;

/// The running set-up.
pub(crate) struct Stage {
    aws: Sandbox,
    home: PathBuf,
    props: Props,
}

impl Stage {
    /// Makes the home, starts the sandbox, writes the configuration that leads there.
    pub(crate) fn set() -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("cannot prepare a home: {e}");
        let dir = tempfile::Builder::new()
            .prefix("rolecall-demo-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(failed)?;
        let home = dir.path().to_path_buf();
        let aws = Sandbox::start(World::tutorials(), Clock::system());
        let stage = Self { aws, home, props: Arc::new(Mutex::new(Some(dir))) };
        stage.end_on_signals();
        for below in ["run", ".aws", ".config/rolecall"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(stage.home.join(below)).map_err(failed)?;
        }
        let config = format!(
            "[agent]\nvault = \"file\"   # no keyring here\nprompts = []       # and nobody to ask\n\n[aws]\nendpoint_url = \"{}\"   # the sandbox\n",
            stage.aws.url()
        );
        fs::write(stage.home.join(".config/rolecall/config.toml"), config).map_err(failed)?;
        Ok(stage)
    }

    pub(crate) fn aws(&self) -> &Sandbox {
        &self.aws
    }

    /// Runs `rolecall` and gives what it printed; an exit code other than 0, or a word on stderr, is a failure.
    pub(crate) fn run(&self, args: &[&str], input: Option<&str>) -> Result<String, String> {
        let typed = format!("rolecall {}", args.join(" "));
        let output = self.output(&typed, args, input)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.success() && stderr.is_empty() {
            // As short as in a real home.
            let home = self.home.display().to_string();
            Ok(String::from_utf8_lossy(&output.stdout).replace(&home, "~"))
        } else {
            Err(format!("`{typed}` ended with {}: {}", output.status, stderr.trim_end()))
        }
    }

    /// Runs `rolecall` where nobody can be asked, and gives what it said on stderr; any other exit code is a failure.
    pub(crate) fn refused(&self, args: &[&str], code: i32) -> Result<String, String> {
        let typed = format!("rolecall {}", args.join(" "));
        let output = self.output(&typed, args, None)?;
        if output.status.code() == Some(code) && output.stdout.is_empty() {
            Ok(String::from_utf8_lossy(&output.stderr).into_owned())
        } else {
            Err(format!("`{typed}` ended with {}, not with {code}", output.status))
        }
    }

    /// Starts `rolecall` with pipes for its input and output, as one who goes on talking to it.
    pub(crate) fn begin(&self, args: &[&str]) -> Result<Child, String> {
        let props = hold(&self.props);
        if props.is_none() {
            return Err("the demo was broken off".to_owned());
        }
        let mut command = command(&self.home, args);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        child.map_err(|e| format!("cannot run `rolecall {}`: {e}", args.join(" ")))
    }

    fn output(&self, typed: &str, args: &[&str], input: Option<&str>) -> Result<Output, String> {
        // Held while the command runs: a clean-up waits for it, so that no agent is started behind its back.
        let props = hold(&self.props);
        if props.is_none() {
            return Err("the demo was broken off".to_owned());
        }
        let failed = |e: std::io::Error| format!("cannot run `{typed}`: {e}");
        let mut command = command(&self.home, args);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // A command that does not read its input says more by its exit code than we by our broken pipe.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(failed)?;
        drop(props);
        Ok(output)
    }

    /// Writes a file of the home, as an editor does.
    pub(crate) fn write(&self, below: &str, text: &str) -> Result<(), String> {
        fs::write(self.home.join(below), text).map_err(|e| format!("cannot write {below}: {e}"))
    }

    /// Reads a file of the home, or nothing.
    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.home.join(below)).unwrap_or_default()
    }

    /// Searches every file of the home for secrets and tells how many there are; a secret that is found is a failure.
    pub(crate) fn search(&self, secrets: &[String]) -> Result<usize, String> {
        let (mut searched, mut directories) = (0, vec![self.home.clone()]);
        let failed = |e: std::io::Error| format!("cannot search the home: {e}");
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let kind = entry.file_type().map_err(failed)?;
                if kind.is_dir() {
                    directories.push(entry.path());
                } else if kind.is_file() {
                    searched += 1;
                    let content = fs::read(entry.path()).map_err(failed)?;
                    let is_in = |secret: &String| content.windows(secret.len()).any(|part| part == secret.as_bytes());
                    if secrets.iter().any(is_in) {
                        return Err(format!("a secret is on disk: {}", entry.path().display()));
                    }
                }
            }
        }
        Ok(searched)
    }

    /// Stops the agent and gives what the command printed.
    pub(crate) fn stop_agent(&self) -> Result<String, String> {
        let _props = hold(&self.props);
        stop(&self.home)
    }

    /// Ends the agent, if it still runs, and removes the home.
    pub(crate) fn strike(&self) -> Result<(), String> {
        strike(&self.props)
    }

    fn end_on_signals(&self) {
        let props = Arc::clone(&self.props);
        // Fails only where there are no threads to be had; then Ctrl-C leaves a directory behind.
        let _ = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let Some(number) = wait_for_signal() else { return };
            let _ = strike(&props);
            std::process::exit(128 + number);
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.strike();
    }
}

fn hold(props: &Props) -> MutexGuard<'_, Option<TempDir>> {
    props.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a `rolecall` command with nothing of the outer environment but the search path.
fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(ROLECALL);
    command
        .args(args)
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("XDG_RUNTIME_DIR", home.join("run"))
        .current_dir(home);
    command
}

fn strike(props: &Props) -> Result<(), String> {
    let mut props = hold(props);
    let Some(dir) = props.take() else { return Ok(()) };
    let stopped = stop(dir.path());
    dir.close().map_err(|e| format!("the throw-away home is still there: {e}"))?;
    stopped.map(drop)
}

/// Stops the agent of a home, if there is one, waits until its process is gone, and gives what the command printed.
fn stop(home: &Path) -> Result<String, String> {
    // Taken hold of before it is asked to end: afterwards its number could be another process's.
    let agent = Agent::of(home);
    let output = command(home, &["agent", "stop"]).stdin(Stdio::null()).output();
    if let Some(agent) = agent {
        agent.see_off();
    }
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()),
        Err(e) => Err(format!("cannot stop the agent: {e}")),
    }
}

/// The agent's process; where the system has no handles for processes, `agent stop`, which waits by itself, has to do.
struct Agent {
    #[cfg(target_os = "linux")]
    handle: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Agent {
    fn of(home: &Path) -> Option<Self> {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};
        let output = command(home, &["status", "--json"]).stdin(Stdio::null()).output().ok()?;
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let pid = Pid::from_raw(i32::try_from(status["agent"]["pid"].as_i64()?).ok()?)?;
        Some(Self { handle: pidfd_open(pid, PidfdFlags::empty()).ok()? })
    }

    /// Waits until it has ended, and ends it if it does not within ten seconds.
    fn see_off(&self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use rustix::process::{Signal, pidfd_send_signal};
        const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&PATIENCE));
        if !ended.is_ok_and(|ended| ended > 0) {
            let _ = pidfd_send_signal(&self.handle, Signal::KILL);
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Agent {
    fn of(_: &Path) -> Option<Self> {
        None
    }

    fn see_off(&self) {}
}

/// Waits for a signal that asks to end, and gives its number.
fn wait_for_signal() -> Option<i32> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).ok()?;
        let mut terminate = signal(SignalKind::terminate()).ok()?;
        let mut hangup = signal(SignalKind::hangup()).ok()?;
        Some(tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = hangup.recv() => SignalKind::hangup().as_raw_value(),
        })
    })
}
