//! The arguments of the commands that use a role in a program, a shell or a browser.

use super::values::name;
use clap::{Args, Parser, ValueEnum};
use rolecall_core::domain::names::Name;
use std::ffi::{OsStr, OsString};

#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    /// A role or an identity
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) way: WayArgs,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD", value_hint = clap::ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct SubshellArgs {
    /// A role or an identity
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) way: WayArgs,
}

/// How credentials reach what is started; the container endpoint where nothing is said.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct WayArgs {
    /// Set plain variables, which end with the session and are not renewed
    #[arg(long = "static", conflicts_with = "imds")]
    pub(crate) fixed: bool,
    /// Serve an instance metadata service (IMDSv2), for tools that know nothing else
    #[arg(long)]
    pub(crate) imds: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImdsArgs {
    /// A role or an identity
    pub(crate) name: String,
    /// Listen on this port of 127.0.0.1 [default: one that is free]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct ConsoleArgs {
    /// A role, or an identity of another type than iam-user
    pub(crate) name: String,
    /// Print the address instead of opening the browser; whoever has it is signed in
    #[arg(long)]
    pub(crate) print: bool,
    /// The service to land on, by the name that the AWS CLI has for it
    #[arg(long, short, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// The region to land in [default: the role's]
    #[arg(long, short, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// The page to land on, an https address of the console
    #[arg(long, value_name = "URL", conflicts_with_all = ["service", "region"])]
    pub(crate) destination: Option<String>,
    /// How long the console's session lasts, 15m to 12h; not for a role that another session assumes
    #[arg(long, value_name = "DURATION")]
    pub(crate) duration: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SwitchLinkArgs {
    /// A role that an IAM user assumes
    #[arg(value_parser = name)]
    pub(crate) name: Name,
}

#[derive(Debug, Args)]
pub(crate) struct PromptArgs {
    /// Print this instead, with `{}` for what is to say
    #[arg(long, value_name = "TEXT", conflicts_with = "long")]
    pub(crate) format: Option<String>,
    /// Say it in a sentence, outside of a role too, with what to do
    #[arg(long)]
    pub(crate) long: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Print what this shell reads at its start
    #[arg(value_enum)]
    pub(crate) shell: Option<InitShell>,
}

/// A shell that can be switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InitShell {
    /// sh, dash, ksh
    Sh,
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// What only our own shell functions call. A command line of its own, since clap puts hidden commands into completions.
#[derive(Debug, Parser)]
#[command(name = "rolecall", bin_name = "rolecall", disable_help_subcommand = true)]
pub(crate) enum Inner {
    /// Print what the function `role` evaluates
    ShellVariables(VariablesArgs),
    /// Print the names that a word of a command line can be
    CompleteNames(NamesArgs),
}

impl Inner {
    /// Tells whether a word is one of these commands.
    pub(crate) fn has(word: &OsStr) -> bool {
        word == "shell-variables" || word == "complete-names"
    }
}

/// What the function `role` evaluates.
#[derive(Debug, Args)]
pub(crate) struct VariablesArgs {
    /// A role or an identity
    pub(crate) name: String,
    /// What to write it for
    #[arg(long, value_enum)]
    pub(crate) shell: InitShell,
}

/// What a completion function asks.
#[derive(Debug, Args)]
pub(crate) struct NamesArgs {
    /// What is typed after `rolecall`, up to the cursor
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
    pub(crate) words: Vec<OsString>,
}
