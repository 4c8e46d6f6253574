//! `completions` and `man`: what shells and packages want, made from the command line's definition.
//!
//! They need no agent, no configuration and no home directory: packages are built without one.

use super::output::{self, Failure};
use super::{config_file, shells, usage};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use rolecall_core::domain::error::{Kind, UserError};
use std::io::{self, Write};
use std::path::Path;

/// Prints the completion script of a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    output::print_data(&script(shell))
}

/// Makes the completion script of a shell: clap's, and what asks the agent for names where clap's knows none.
pub(super) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut usage::command(), "rolecall", &mut script);
    let script = String::from_utf8(script).expect("clap writes text");
    match shell {
        Shell::Bash => script + shells::NAMES_BASH,
        Shell::Fish => script + shells::NAMES_FISH,
        Shell::Zsh => with_names_in_zsh(&script),
        _ => script,
    }
}

/// Puts the function that knows names in the place of clap's, which it calls by another name. A file of completions is one
/// function that zsh loads by the file's name, so that name has to be ours.
fn with_names_in_zsh(script: &str) -> String {
    let (body, tail) = script.split_once("\nif [ \"$funcstack[1]\"").expect("clap ends it so");
    let body = body.replacen("\n_rolecall() {", "\n_rolecall_described() {", 1);
    // In a shell without completions there is nothing to define.
    let tail = tail.replacen("\nelse\n", "\nelif (( $+functions[compdef] )); then\n", 1);
    format!("{body}{}\nif [ \"$funcstack[1]\"{tail}", shells::NAMES_ZSH)
}

/// Prints the main page, or writes the pages of all commands into a directory.
pub(super) fn man(dir: Option<&Path>) -> Result<(), Failure> {
    // The groups are for the screen; the page has the list of commands in its own form.
    let command = super::args::Cli::command();
    let Some(dir) = dir else {
        let page =
            page(&command).map_err(|e| UserError::new(Kind::Failed, format!("cannot make the manual page: {e}")))?;
        return output::print_data(&String::from_utf8_lossy(&page));
    };
    std::fs::create_dir_all(dir)
        .map_err(|e| UserError::new(Kind::Failed, format!("cannot create directory {}: {e}", dir.display())))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut written = 0;
    write_pages(&command, dir, &mut written)?;
    output::print(&format!("{written} pages are in {}\n", config_file::shown(dir)))
}

fn write_pages(command: &Command, dir: &Path, written: &mut usize) -> Result<(), UserError> {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        write_pages(sub, dir, written)?;
    }
    let file = dir.join(Man::new(command.clone()).get_filename());
    // Not as our own files are written: a page is for everybody to read.
    std::fs::File::create(&file)
        .and_then(|mut to| to.write_all(&page(command)?))
        .map_err(|e| UserError::new(Kind::Failed, format!("cannot write {}: {e}", file.display())))?;
    *written += 1;
    Ok(())
}

/// Makes a page. All but the examples is clap's: it would fill them like prose, and break the commands in them.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        page.extend_from_slice(b".SH EXAMPLES\n.nf\n");
        for line in text.to_string().lines() {
            // A first `.` or `'` would be a request, a `-` a hyphen that does not work when it is copied.
            writeln!(page, "\\&{}", line.replace('\\', "\\e").replace('-', "\\-"))?;
        }
        page.extend_from_slice(b".fi\n");
    }
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
        for page in ["rolecall-env.1", "rolecall-role-add.1", "rolecall-agent-restart.1"] {
            let text = std::fs::read_to_string(dir.path().join(page)).expect(page);
            assert!(text.contains(".SH SYNOPSIS") && text.contains(".SH EXAMPLES\n.nf\n\\&Example"), "{page}");
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
