//! Programs that are run with a deadline, and killed when nobody waits for them any more.
//!
//! A killed program that waits for a disk does not end. So its end is waited for with a deadline as well.

use crate::process::{ProcessHandle, is_readable};
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// How often a program is looked at on a system that cannot wait for the end of a process with a deadline.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long the end of a killed program is waited for.
const KILLED: Duration = Duration::from_millis(200);

/// A program without input, whose output and complaint are read. It is killed when this is dropped.
#[derive(Debug)]
pub struct ChildProcess(Child);

impl ChildProcess {
    /// Starts a program.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map(Self)
    }

    /// Waits for the end of the program; returns `None` if it has not ended before the deadline.
    ///
    /// Nothing is read meanwhile: it is for programs whose output fits a pipe.
    pub fn end(&mut self, deadline: Duration) -> io::Result<Option<ExitStatus>> {
        if let Some(handle) = i32::try_from(self.0.id()).ok().and_then(ProcessHandle::of) {
            handle.ends_within(deadline);
            return self.0.try_wait();
        }
        for _ in 0..deadline.as_millis() / LOOK_AGAIN.as_millis() {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(LOOK_AGAIN);
        }
        self.0.try_wait()
    }

    /// Returns what a program has printed and complained of that has ended.
    pub fn output(&mut self) -> (String, String) {
        (all(self.0.stdout.take()), all(self.0.stderr.take()))
    }

    /// Returns what the program prints first, up to a number of bytes, without waiting for its end; nothing after the
    /// deadline.
    pub fn first_output(&mut self, max: usize, deadline: Duration) -> Vec<u8> {
        let mut bytes = vec![0; max];
        let output = self.0.stdout.as_mut().filter(|output| is_readable(&**output, deadline));
        let length = output.and_then(|output| output.read(&mut bytes).ok());
        bytes.truncate(length.unwrap_or_default());
        bytes
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.end(KILLED);
        }
    }
}

fn all(pipe: Option<impl Read>) -> String {
    let mut text = Vec::new();
    let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

/// Sends a signal to a program that leads a process group, and to all that it started.
///
/// Nothing is sent once its end was waited for: from then on the number may be that of another process.
#[cfg(feature = "tokio")]
pub fn signal_group(child: &tokio::process::Child, signal: rustix::process::Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = id.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    fn sh(script: &str) -> ChildProcess {
        ChildProcess::start(Command::new("sh").args(["-c", script])).expect("sh runs")
    }

    #[test]
    fn ended_program_returns_status_and_output() {
        let mut program = sh("echo said; echo complained >&2; exit 3");
        let status = program.end(LONG).expect("waited for").expect("it ends");
        assert_eq!(status.code(), Some(3));
        assert_eq!(program.output(), ("said\n".into(), "complained\n".into()));
    }

    #[test]
    fn late_program_is_killed_by_the_drop() {
        let mut program = sh("echo said; exec sleep 3600");
        assert_eq!(program.first_output(100, LONG), b"said\n");
        assert_eq!(program.first_output(100, SHORT), b"", "it prints no more");
        assert_eq!(program.end(SHORT).expect("waited for"), None);
        let pid = i32::try_from(program.0.id()).expect("a pid");
        let handle = ProcessHandle::of(pid);
        drop(program);
        if let Some(handle) = handle {
            assert!(handle.ends_within(LONG));
        }
    }
}
