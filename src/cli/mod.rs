//! What was typed, one file per command: a request to the agent or an edit of a file, then output.
//!
//! The one place that prints. It imports no SDK, no runtime and nothing of the agent.

use crate::domain::report::{Report, printable};
use std::io::{self, Write};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Runs the command line of this process and gives its exit code.
pub fn run() -> ExitCode {
    ExitCode::from(2)
}

/// Writes what a `credential_process` prints: everything in one write, or an error.
pub fn print_session(line: &Zeroizing<Vec<u8>>) -> Result<(), Report> {
    // Not through std's stdout: its buffer would be filled and flushed line by line, in front of every AWS call.
    let mut rest = line.as_slice();
    let mut write = || -> io::Result<()> {
        while !rest.is_empty() {
            match rustix::io::write(rustix::stdio::stdout(), rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    };
    write().map_err(|e| {
        Report::new(crate::domain::report::Kind::Failed, format!("cannot write the credentials to stdout: {e}"))
    })
}

/// Writes a failure to stderr, cause first, and gives its exit code.
pub fn fail(subject: Option<&str>, report: &Report) -> ExitCode {
    let subject = subject.map(|s| format!("{}: ", printable(s, 128))).unwrap_or_default();
    let mut text = format!("rolecall: {subject}{}\n", report.message);
    if let Some(hint) = &report.hint {
        text.push_str("hint: ");
        text.push_str(hint);
        text.push('\n');
    }
    // Nobody is left to tell when stderr is gone; the exit code still says it.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(report.kind.exit_code())
}
