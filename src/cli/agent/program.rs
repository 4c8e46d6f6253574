//! Running a service manager's command, with a deadline: one that hangs must not hang the person.

use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_platform::child::ChildProcess;
use std::process::Command;
use std::time::Duration;

/// How long a command may take. Ending an agent takes ten seconds.
const DEADLINE: Duration = Duration::from_secs(30);

/// As much of a complaint as fits a line.
const COMPLAINT_MAX: usize = 300;

/// A command of a service manager.
pub(super) struct Step {
    pub(super) program: &'static str,
    pub(super) arguments: Vec<String>,
}

impl Step {
    pub(super) fn new(program: &'static str, arguments: &[&str]) -> Self {
        Self { program, arguments: arguments.iter().map(ToString::to_string).collect() }
    }

    /// Gives it as one would type it.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.program, self.arguments.join(" "))
    }

    /// Runs it and gives what it printed; its complaint is the error.
    pub(super) fn run(&self) -> Result<String, UserError> {
        let failed = |why: String| UserError::new(Kind::Failed, format!("`{}`: {why}", self.shown()));
        let mut command = Command::new(self.program);
        let mut child = ChildProcess::start(command.args(&self.arguments)).map_err(|e| failed(e.to_string()))?;
        // What they print fits a pipe many times over, so that reading can wait for the end.
        let Some(status) = child.end(DEADLINE).map_err(|e| failed(e.to_string()))? else {
            return Err(failed(format!("has not ended within {} seconds", DEADLINE.as_secs())));
        };
        let (said, complaint) = child.output();
        if status.success() {
            return Ok(said);
        }
        let first = complaint.lines().map(str::trim).find(|line| !line.is_empty());
        Err(failed(first.map_or_else(|| status.to_string(), |line| printable(line, COMPLAINT_MAX))))
    }
}
