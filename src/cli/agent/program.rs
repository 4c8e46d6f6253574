//! Running a service manager's command, with a deadline: one that hangs must not hang the person.

use rolecall_core::domain::error::{Kind, UserError, printable};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// How often it is looked whether it has ended, and how many times: thirty seconds in all. Ending an agent takes ten.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const LOOKS: u32 = 1500;

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
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| failed(e.to_string()))?;
        // What they print fits a pipe many times over, so that reading can wait for the end.
        for _ in 0..LOOKS {
            let Some(status) = child.try_wait().map_err(|e| failed(e.to_string()))? else {
                thread::sleep(LOOK_AGAIN);
                continue;
            };
            let (said, complaint) = (all(child.stdout.take()), all(child.stderr.take()));
            if status.success() {
                return Ok(said);
            }
            let first = complaint.lines().map(str::trim).find(|line| !line.is_empty());
            return Err(failed(first.map_or_else(|| status.to_string(), |line| printable(line, COMPLAINT_MAX))));
        }
        end(&mut child);
        Err(failed("has not ended within 30 seconds".to_owned()))
    }
}

fn all(pipe: Option<impl Read>) -> String {
    let mut text = Vec::new();
    let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
