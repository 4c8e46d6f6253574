//! The configuration's `mfa_process`: a program that prints a code, as `ykman oath accounts code -s aws` does.
//!
//! No shell, no standard input, and an environment of names on a list. Whatever the program does (hangs, floods, leaves
//! children behind), it costs its deadline and nothing else; what it prints is a code or is thrown away, and only the first
//! line of its complaint is ever repeated.

use crate::domain::report::printable;
use crate::domain::secret::MfaCode;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, copy, sink};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Long enough to touch a security key. Shorter than a caller waits while nobody is asked (20 s), so that the question
/// which follows a program that hangs still finds the caller there.
const DEADLINE: Duration = Duration::from_secs(15);

/// A code has six digits; a page of text is none.
const STDOUT_MAX: usize = 1024;

/// The first line of a complaint is kept, up to here.
const STDERR_MAX: usize = 4096;
const COMPLAINT_MAX: usize = 200;

/// What the program gets of the agent's environment: where its user and that user's other programs are. No `AWS_*`, and
/// nothing that has another program loaded.
const ENVIRONMENT: [&str; 17] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LOGNAME",
    "PATH",
    "TZ",
    "USER",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

/// Runs the program and gives what it printed, or says why that is nothing.
pub(super) async fn run(argv: &[String]) -> Result<MfaCode, String> {
    run_within(argv, DEADLINE).await
}

async fn run_within(argv: &[String], deadline: Duration) -> Result<MfaCode, String> {
    let (program, args) = argv.split_first().ok_or("no program is named")?;
    let shown = printable(program, COMPLAINT_MAX);
    let mut command = Command::new(program);
    command.args(args).current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that what it started ends with it.
    command.process_group(0).kill_on_drop(true).env_clear();
    #[expect(clippy::disallowed_methods, reason = "hands an allow-list of variables on, and reads none of them")]
    command.envs(ENVIRONMENT.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value))));
    let mut running = Running(command.spawn().map_err(|e| format!("cannot run {shown}: {e}"))?);
    let (stdout, stderr) = (running.0.stdout.take(), running.0.stderr.take());
    let work = async {
        let (printed, complaint, status) =
            tokio::join!(beginning(stdout, STDOUT_MAX), beginning(stderr, STDERR_MAX), running.0.wait());
        let status = status.map_err(|e| format!("{shown}: {e}"))?;
        if !status.success() {
            let complaint = String::from_utf8_lossy(&complaint);
            let first = complaint.lines().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
            return Err(format!("{shown} failed ({status}): {}", printable(first.trim(), COMPLAINT_MAX)));
        }
        Ok(printed)
    };
    let printed =
        timeout(deadline, work).await.map_err(|_| format!("{shown} did not end within {} s", deadline.as_secs()))??;
    let code = std::str::from_utf8(&printed).map_err(|_| format!("{shown} printed no text"))?;
    Ok(MfaCode::new(code.trim().to_owned()))
}

/// Reads to the end and keeps the beginning: a pipe that nobody empties would stop the program.
async fn beginning(from: Option<impl AsyncRead + Unpin>, max: usize) -> Zeroizing<Vec<u8>> {
    let mut kept = Zeroizing::new(Vec::with_capacity(max));
    if let Some(mut from) = from {
        let limit = u64::try_from(max).expect("some KiB");
        // What cannot be read is not there; the program's own end says why.
        let _ = (&mut from).take(limit).read_to_end(&mut kept).await;
        let _ = copy(&mut from, &mut sink()).await;
    }
    kept
}

/// A program that does not outlive our interest in it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Only while the program itself is not reaped: then its group's number is surely still its own.
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = pid {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(script: &str) -> Result<String, String> {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        run_within(&argv, Duration::from_secs(5)).await.map(|code| code.expose().to_owned())
    }

    #[tokio::test]
    async fn what_it_prints_is_the_code_whatever_it_says_beside() {
        assert_eq!(of("echo touch the key >&2; printf ' 123456\\n\\n'").await.as_deref(), Ok("123456"));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_quoted_with_its_first_line_and_nothing_it_printed() {
        let why = of("echo 123456; printf '\\nno \\033[2Jkey\\nmore\\n' >&2; exit 3").await.expect_err("it failed");
        assert_eq!(why, "/bin/sh failed (exit status: 3): no \\u{1b}[2Jkey");
        let missing = run(&["/nowhere/program".to_owned()]).await.expect_err("not there");
        assert!(missing.starts_with("cannot run /nowhere/program: "), "{missing}");
    }

    #[tokio::test]
    async fn a_flood_is_cut_and_does_not_stop_the_program() {
        let flood = of("head -c 3000000 /dev/zero | tr '\\0' 7; head -c 3000000 /dev/zero >&2").await;
        assert_eq!(flood.expect("it ended well").len(), STDOUT_MAX);
        assert_eq!(of("printf '\\377'").await.expect_err("no text"), "/bin/sh printed no text");
    }

    #[tokio::test]
    async fn a_program_that_hangs_ends_with_all_that_it_started() {
        let dir = tempfile::tempdir().expect("tempdir");
        let pid = dir.path().join("pid");
        let script = format!("trap '' TERM; sleep 600 & echo $! > {}; sleep 600", pid.display());
        let argv = ["/bin/sh".to_owned(), "-c".to_owned(), script];
        let why = run_within(&argv, Duration::from_secs(1)).await.expect_err("it hangs");
        assert_eq!(why, "/bin/sh did not end within 1 s");
        let child: i32 = std::fs::read_to_string(&pid).expect("it ran").trim().parse().expect("a number");
        let state = || std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // Killed, and at most waiting for whoever inherits it to take note.
        while !(state().is_empty() || state().contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn it_gets_no_variable_that_is_not_on_the_list() {
        let names = of("env | cut -d= -f1 | grep -v -x -e PWD -e SHLVL -e _ -e OLDPWD").await.expect("names");
        for name in names.lines() {
            assert!(ENVIRONMENT.contains(&name), "{name}");
        }
    }
}
