//! Processes as the kernel shows them, and the real agent in the foreground of a test.

use super::home::{Home, text};
use super::inside::until;
use super::programs::ROLECALLD;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A process that ends with the test at the latest.
pub(crate) struct Running {
    child: Child,
    said: Option<BufReader<std::process::ChildStdout>>,
}

/// Copies a program that will be run. By another process: while this one holds a file open for writing, a child that
/// another test forks just then holds it too, and the kernel runs no such file ("text file busy").
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("--").args([from, to]).status().unwrap();
    assert!(copied.success(), "{} is copied", from.display());
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = child.stdout.take().map(BufReader::new);
        Self { child, said }
    }

    /// Starts the real agent and waits until it says that it answers.
    pub(crate) fn agent(home: &Home) -> Self {
        Self::agent_by(&mut home.command(ROLECALLD))
    }

    pub(crate) fn agent_by(command: &mut Command) -> Self {
        let mut agent = Self::start(command);
        let line = agent.line();
        assert!(line.contains("the agent is running"), "not running: {line} {}", agent.complaint());
        agent
    }

    /// Waits for a line on its standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    /// Waits for its end and gives what it said on standard error.
    pub(crate) fn complaint(&mut self) -> String {
        let mut said = Vec::new();
        std::io::Read::read_to_end(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        text(&said)
    }

    /// Gives its standard error, which nobody reads from then on but the caller.
    pub(crate) fn take_stderr(&mut self) -> std::process::ChildStderr {
        self.child.stderr.take().expect("not taken before")
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self::signal(self.pid(), signal);
    }

    /// Waits for its end, but not for ever.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let child = std::cell::RefCell::new(&mut self.child);
        until("the process ends", || child.borrow_mut().try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Tells whether a process lives; a zombie does not.
pub(crate) fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| stat[0] != "Z" && stat[0] != "X")
}

/// Gives `/proc/PID/stat` from the state on.
pub(crate) fn stat(pid: i32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(of(pid).join("stat")).ok()?;
    Some(stat[stat.rfind(')')? + 2..].split_whitespace().map(str::to_owned).collect())
}

/// Gives the processor time that a process has used.
pub(crate) fn processor_time(pid: i32) -> Duration {
    let stat = stat(pid).expect("it lives");
    // Fields 14 and 15 of proc_pid_stat(5), in hundredths of a second.
    let ticks: u64 = stat[11].parse::<u64>().unwrap() + stat[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Gives what a process's descriptors lead to.
pub(crate) fn descriptors(pid: i32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(of(pid).join("fd")) else { return Vec::new() };
    entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

/// Gives the resident memory of a process, in KiB.
pub(crate) fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(of(pid).join("status")).expect("it lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("every process has memory");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub(crate) fn of(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}
