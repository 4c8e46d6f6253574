//! Shells: completions that know the names, and the function `role`, which switches the shell that calls it.
//!
//! What a shell runs is text in the files beside this one; only what differs from run to run is made here, and quoted. The
//! function keeps what was before in a variable that is not exported, as a script that puts it back: the shell's children
//! see the role and nothing of the way back.

pub(super) mod names;

use super::args::{InitShell, VariablesArgs, WayArgs};
use super::environment::var;
use super::exec;
use super::exec::variables::{Change, touched};
use super::output::{self, Failure};
use super::{quote, shell_files};
use clap_complete::Shell;
use rolecall_ipc::protocol::message::EndpointOwner;
use rolecall_platform::paths::Paths;
use zeroize::Zeroizing;

/// What makes completions know the names, for the shells that can be taught.
pub(super) const NAMES_BASH: &str = include_str!("names.bash");
pub(super) const NAMES_FISH: &str = include_str!("names.fish");
pub(super) const NAMES_ZSH: &str = include_str!("names.zsh");

const ROLE_SH: &str = include_str!("role.sh");
const ROLE_FISH: &str = include_str!("role.fish");

/// Where a shell keeps the way back; its children are not to see it, nor to take one over.
pub(super) const BACK: &str = "__rolecall_back";

/// Prints what a shell reads at its start.
pub(super) fn init(shell: InitShell) -> Result<(), Failure> {
    let (completed, word, completion) = match shell {
        InitShell::Sh => (None, "sh", ""),
        InitShell::Bash => (Some(Shell::Bash), "bash", "complete -F _rolecall_named role\n"),
        InitShell::Zsh => (Some(Shell::Zsh), "zsh", "if (( $+functions[compdef] )); then compdef _rolecall role; fi\n"),
        InitShell::Fish => (Some(Shell::Fish), "fish", ""),
    };
    let mut script = completed.map(shell_files::script).unwrap_or_default();
    script.push_str(&match shell {
        InitShell::Fish => ROLE_FISH.replace("__TOUCHED__", &touched().collect::<Vec<&str>>().join(" ")),
        // zsh expands aliases in all of an `eval` before it runs any of it; after the word `function` it expands none.
        InitShell::Bash | InitShell::Zsh => ROLE_SH.replace("__SHELL__", word).replace("__DEFINE__", "function role"),
        InitShell::Sh => ROLE_SH.replace("__SHELL__", word).replace("__DEFINE__", "role()"),
    });
    script.push_str(completion);
    output::print_data(&script)
}

/// Prints the script that switches the shell which has started us.
pub(super) fn variables(paths: &Paths, args: &VariablesArgs) -> Result<(), Failure> {
    let instead = format!("rolecall env {}", args.name);
    let changes = exec::changes(paths, &args.name, WayArgs::default(), EndpointOwner::Parent, &instead)?;
    output::print_data(&script(args.shell, &changes, var))
}

/// Writes changes as a script, after the script that undoes them and whatever was switched before.
fn script(shell: InitShell, changes: &[Change], var: impl Fn(&str) -> Option<String>) -> Zeroizing<String> {
    let before: Vec<Change> = touched().map(|name| (name, var(name).map(Zeroizing::new))).collect();
    let back = written(shell, &before);
    let mut out = Zeroizing::new(String::new());
    match shell {
        // A shell that is in a role already goes back first: what this role does not set is then as the person had it.
        InitShell::Fish => {
            out.push_str("set -q -g __rolecall_back; or set -g -u __rolecall_back ");
            quote::fish(&mut out, &back);
            out.push_str("\nprintf '%s\\n' $__rolecall_back | source\n");
        }
        InitShell::Sh | InitShell::Bash | InitShell::Zsh => {
            out.push_str("[ -n \"${__rolecall_back+x}\" ] || __rolecall_back=");
            quote::sh(&mut out, &back);
            out.push_str("\neval \"$__rolecall_back\"\n");
        }
    }
    out.push_str(&written(shell, changes));
    out
}

fn written(shell: InitShell, changes: &[Change]) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::new());
    for (name, value) in changes {
        match (shell, value) {
            (InitShell::Fish, None) => out.extend(["set -e -g ", name]),
            (InitShell::Fish, Some(value)) => {
                out.extend(["set -g -x ", name, " "]);
                quote::fish(&mut out, value);
            }
            (_, None) => out.extend(["unset ", name]),
            (_, Some(value)) => {
                out.extend(["export ", name, "="]);
                quote::sh(&mut out, value);
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const HOSTILE: &str = "it's $(touch x) `id` \"q\" \\ !h\ntwo ~ * #";

    #[test]
    fn a_switch_and_the_way_back_leave_every_variable_as_it_was() {
        let one: [Change; 3] = [
            ("ROLECALL_ROLE", Some(Zeroizing::new(HOSTILE.into()))),
            ("AWS_PROFILE", None),
            ("AWS_REGION", Some(Zeroizing::new("eu-west-1".into()))),
        ];
        // The second says nothing of the region: the person's own comes back.
        let two: [Change; 1] = [("ROLECALL_ROLE", Some(Zeroizing::new("data".into())))];
        let before = |name: &str| match name {
            "AWS_PROFILE" | "AWS_REGION" => Some(HOSTILE.to_owned()),
            _ => None,
        };
        let inside = |name: &str| (name == "AWS_REGION").then(|| "eu-west-1".to_owned());
        for (program, shell) in
            [("sh", InitShell::Sh), ("bash", InitShell::Bash), ("zsh", InitShell::Zsh), ("fish", InitShell::Fish)]
        {
            let show = "printenv ROLECALL_ROLE AWS_PROFILE AWS_REGION";
            let back = match shell {
                InitShell::Fish => "printf '%s\\n' $__rolecall_back | source",
                _ => "eval \"$__rolecall_back\"",
            };
            let text = format!(
                "{}\n{show}; echo MARK\n{}\n{show}; echo MARK\n{back}\n{show}",
                *script(shell, &one, before),
                *script(shell, &two, inside)
            );
            let mut command = Command::new(program);
            command
                .env("AWS_PROFILE", HOSTILE)
                .env("AWS_REGION", HOSTILE)
                .env_remove("ROLECALL_ROLE")
                .args(["-c", &text]);
            let run = command.env("HOME", "/nonexistent").output().expect(program);
            let shown = String::from_utf8_lossy(&run.stdout).into_owned();
            let wanted =
                format!("{HOSTILE}\neu-west-1\nMARK\ndata\n{HOSTILE}\n{HOSTILE}\nMARK\n{HOSTILE}\n{HOSTILE}\n");
            assert_eq!(shown, wanted, "{program}: {}", String::from_utf8_lossy(&run.stderr));
        }
    }
}
