//! `completions` and `man`: what shells and packages want, made from the command line's definition.
//!
//! They need no agent, no configuration and no home directory: packages are built without one.

use super::output::{self, Failure};
use super::usage;
use crate::domain::report::{Kind, Report};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::Path;

/// Prints the completion script of a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut usage::command(), "rolecall", &mut script);
    output::print_bytes(&script)
}

/// Prints the main page, or writes the pages of all commands into a directory.
pub(super) fn man(dir: Option<&Path>) -> Result<(), Failure> {
    // The groups are for the screen; the page has the list of commands in its own form.
    let command = super::args::Cli::command();
    let Some(dir) = dir else {
        return output::print_bytes(&page(command)?);
    };
    std::fs::create_dir_all(dir)
        .map_err(|e| Report::new(Kind::Failed, format!("cannot create directory {}: {e}", dir.display())))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut written = 0;
    write_pages(&command, dir, &mut written)?;
    output::print(&format!("{written} pages are in {}\n", dir.display()))
}

fn write_pages(command: &Command, dir: &Path, written: &mut usize) -> Result<(), Report> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub, dir, written)?;
    }
    // Not as our own files are written: a page is for everybody to read.
    Man::new(command.clone())
        .generate_to(dir)
        .map_err(|e| Report::new(Kind::Failed, format!("cannot write a page into {}: {e}", dir.display())))?;
    *written += 1;
    Ok(())
}

fn page(command: Command) -> Result<Vec<u8>, Report> {
    let mut page = Vec::new();
    let rendered = Man::new(command).render(&mut page);
    rendered.map_err(|e| Report::new(Kind::Failed, format!("cannot make the manual page: {e}")))?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_every_command() {
        let dir = tempfile::tempdir().expect("tempdir");
        let mut command = usage::command().disable_help_subcommand(true);
        command.build();
        let mut written = 0;
        write_pages(&command, dir.path(), &mut written).expect("written");
        for page in ["rolecall.1", "rolecall-env.1", "rolecall-identity-add.1", "rolecall-agent-restart.1"] {
            let text = std::fs::read_to_string(dir.path().join(page)).expect(page);
            assert!(text.contains(".SH SYNOPSIS"), "{page}");
        }
    }

    #[test]
    fn every_shell_has_a_script() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut usage::command(), "rolecall", &mut script);
            assert!(String::from_utf8_lossy(&script).contains("unlock"), "{shell}");
        }
    }
}
