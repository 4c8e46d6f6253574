//! The face: the fast paths of `get` and `prompt`, and the command line behind them.

use rolecall_cli as cli;
use rolecall_ipc::client;
use rolecall_ipc::protocol::message::Context;
use rolecall_platform::panics;
use rolecall_platform::paths::Paths;
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    panics::end_the_process();
    // `get NAME` is in front of every AWS call of every tool: it is looked for before anything else is set up.
    let mut args = env::args_os().skip(1);
    match (args.next(), args.next(), args.next()) {
        (Some(command), Some(name), None) if command == "get" => match name.to_str() {
            Some(name) if !name.starts_with('-') => get(name),
            _ => cli::run(),
        },
        // In front of every line that somebody types.
        (Some(command), None, None) if command == "prompt" => cli::prompt(None),
        (Some(command), Some(flag), Some(format)) if command == "prompt" && flag == "--format" => match format.to_str()
        {
            Some(format) if args.next().is_none() => cli::prompt(Some(format)),
            _ => cli::run(),
        },
        _ => cli::run(),
    }
}

fn get(name: &str) -> ExitCode {
    let done = Paths::from_env()
        .and_then(|paths| client::get(&paths, name, Context::from_env()))
        .and_then(|line| cli::print_session(&line));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => cli::fail(Some(name), &report),
    }
}
