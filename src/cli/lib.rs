//! What was typed, one file per command: a request to the agent or an edit of a file, then output.
//!
//! The one place that prints. It imports no SDK, no runtime and nothing of the agent, so that the program which untrusted
//! tools start stays small.
//!
//! | file | owns |
//! |---|---|
//! | `args`, `usage` | the command line as typed; help, and the refusal of a wrong one |
//! | `output`, `line` | stdout and stderr: text, JSON, tables, colour; a line's width and where it is broken |
//! | `key_input`, `key_csv` | an access key from a terminal, JSON or CSV |
//! | `json` | the schemas of what `--json` prints |
//! | `quote` | values written for shells |
//! | `environment` | the variables of this process; those from which tools take credentials |
//! | `browser` | the program that shows an address |
//! | `confirm` | questions on the terminal |
//! | `setup` | plans and makes what two accounts need; a file for each of its three commands |
//! | `exec` | what a program in a role finds in its environment, and the program itself |
//! | `shells` | shells: completions with live names, and the function that switches one |
//! | `log_files` | the audit log's files and their rotation |
//! | `spinner` | what is waited for, said on a terminal |
//! | `overview`, `init` | `rolecall` alone, and the first steps |
//! | `config_file` | config.toml read, edited and written, and the agent told |
//! | the others | one command each |

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

mod agent;
mod args;
mod browser;
mod config_file;
mod confirm;
mod console;
mod doctor;
mod env;
mod environment;
mod exec;
mod identity;
mod import;
mod init;
mod json;
mod key_csv;
mod key_input;
mod line;
mod log;
mod log_files;
mod named_file;
mod output;
mod overview;
mod plan;
mod profiles;
mod prompt;
mod quote;
mod role;
mod roles;
mod setup;
mod shell_files;
mod shells;
mod socket;
mod spinner;
mod status;
mod unlock;
mod usage;

use args::{Cli, Command, Inner};
use clap::{FromArgMatches, Parser};
use output::Failure;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::client;
use rolecall_ipc::protocol::message::Context;
use rolecall_platform::paths::Paths;
use std::ffi::OsString;
use std::process::ExitCode;
use zeroize::Zeroizing;

pub use json::{command_line, json_schemas};

/// Runs the command line of this process and gives its exit code.
pub fn run() -> ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    if typed.get(1).is_some_and(|word| Inner::has(word)) {
        return run_inner(&typed);
    }
    if typed.len() <= 1 {
        return end(None, Paths::from_env().map_err(Failure::from).and_then(|paths| overview::run(&paths)));
    }
    let cli = usage::command().try_get_matches_from(&typed).and_then(|matches| Cli::from_arg_matches(&matches));
    let (subject, done) = match cli {
        Ok(cli) => (cli.command.subject(), dispatch(cli.command)),
        Err(e) => (None, usage::answer(&e, &typed)),
    };
    end(subject.as_deref(), done)
}

fn run_inner(typed: &[OsString]) -> ExitCode {
    match Inner::try_parse_from(typed) {
        Ok(Inner::CompleteNames(args)) => end(None, shells::names::run(&args)),
        Ok(Inner::ShellVariables(args)) => {
            let done = Paths::from_env().map_err(Failure::from).and_then(|paths| shells::variables(&paths, &args));
            end(Some(&args.name), done)
        }
        Err(e) => end(None, usage::answer(&e, typed)),
    }
}

/// Prints what a prompt shows, without the set-up of a command line, and gives the exit code.
pub fn prompt(format: Option<&str>) -> ExitCode {
    end(None, prompt::show(format, false))
}

fn end(subject: Option<&str>, done: Result<(), Failure>) -> ExitCode {
    match done {
        // Whoever closed the pipe has what they wanted.
        Ok(()) | Err(Failure::PipeClosed) => ExitCode::SUCCESS,
        Err(Failure::Exit(code)) => ExitCode::from(code),
        Err(Failure::Told(kind)) => ExitCode::from(kind.exit_code()),
        Err(Failure::Report(report)) => fail(subject, &report),
    }
}

/// Writes what a `credential_process` prints: everything in one write, or an error.
pub fn print_session(line: &Zeroizing<Vec<u8>>) -> Result<(), UserError> {
    let written = output::write_stdout(line);
    written.map_err(|e| UserError::new(Kind::Failed, format!("cannot write the credentials to stdout: {e}")))
}

/// Writes a failure to stderr, cause first, and gives its exit code.
pub fn fail(subject: Option<&str>, report: &UserError) -> ExitCode {
    output::complain(subject, report);
    ExitCode::from(report.kind.exit_code())
}

/// Runs a command as if these words were typed after `rolecall`.
fn run_words(words: &[&str]) -> Result<(), Failure> {
    let typed: Vec<OsString> = std::iter::once(&"rolecall").chain(words).map(OsString::from).collect();
    let cli = usage::command().try_get_matches_from(&typed).and_then(|matches| Cli::from_arg_matches(&matches));
    match cli {
        Ok(cli) => dispatch(cli.command),
        Err(e) => usage::answer(&e, &typed),
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    // Asked for in each arm: completions and pages must be made where there is no home, as in the build of a package.
    let paths = Paths::from_env;
    match command {
        Command::Agent(command) => agent::run(&paths()?, &command),
        Command::Completions(args) => shell_files::completions(args.shell),
        Command::Console(args) => console::run(&paths()?, &args),
        Command::Doctor(args) => doctor::run(&paths()?, &args),
        Command::Env(args) => env::run(paths, &args),
        Command::Exec(args) => exec::exec(&paths()?, &args),
        Command::Get(args) => Ok(print_session(&client::get(&paths()?, &args.name, Context::from_env())?)?),
        Command::Identity(command) => identity::run(&paths()?, &command),
        Command::Imds(args) => exec::imds(&paths()?, &args),
        Command::Import(args) => import::run(&paths()?, &args),
        Command::Init(args) => match args.shell {
            Some(shell) => shells::init(shell),
            None => init::run(&paths()?),
        },
        Command::Lock => unlock::lock(&paths()?),
        Command::Log(args) => log::run(&paths()?, &args),
        Command::Man(args) => shell_files::man(args.dir.as_deref()),
        Command::Profiles(command) => profiles::run(&paths()?, &command),
        Command::Prompt(args) => prompt::run(&args),
        Command::Role(command) => role::run(&paths()?, &command),
        Command::Roles(args) => roles::run(&paths()?, &args),
        Command::Setup(command) => setup::run(&paths()?, &command),
        Command::Shell(args) => exec::shell(&paths()?, &args),
        Command::Status(args) => status::run(&paths()?, &args),
        Command::SwitchLink(args) => console::switch_link(&paths()?, &args),
        Command::Unlock(args) => unlock::unlock(&paths()?, &args),
    }
}
