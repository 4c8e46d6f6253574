//! The agent.

use std::process::ExitCode;

fn main() -> ExitCode {
    rolecall_daemon::main()
}
