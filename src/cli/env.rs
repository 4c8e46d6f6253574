//! `env`: a role's credentials as the variables of a shell, or in a file, and what takes them back.
//!
//! It quotes for each shell as if the values were hostile, and knows nothing of how they came to be. What another tool
//! left in the environment goes first: a stale `AWS_PROFILE` beside new keys is two identities in one shell.

mod file;

use super::args::{EnvArgs, Format};
use super::environment::{SHADOWING, var};
use super::exec::variables::{METADATA, REGIONS, ROLE};
use super::output::{Failure, print, print_data, secret_buffer};
use super::{config_file, quote};
use rolecall_core::domain::credential::Session;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_ipc::client;
use rolecall_ipc::protocol::message::Context;
use rolecall_ipc::protocol::process_output::{self, timestamp};
use rolecall_platform::paths::Paths;
use std::collections::BTreeMap;
use std::path::Path;
use zeroize::Zeroizing;

/// Whose variables they are, and what of another role's is still there.
struct RoleContext<'a> {
    /// The role, and its region if it has one.
    name: &'a str,
    region: Option<&'a str>,
    /// Whether the shell that asks is in a role of ours: then its region may be that role's.
    in_a_role: bool,
}

/// What is said of a variable that fish keeps for all its shells.
const FISH_UNIVERSAL: &str = "  set -qU $rolecall_name; and echo \"rolecall: $rolecall_name is universal in fish and stays set; \
                              remove it: set -eU $rolecall_name\" >&2\n";

/// Prints the variables, writes them into a file, or prints what unsets them.
pub(super) fn run(paths: impl Fn() -> Result<Paths, UserError>, args: &EnvArgs) -> Result<(), Failure> {
    let for_shell = || args.format.map_or_else(|| of_shell(var("SHELL").as_deref()), Ok);
    let Some(name) = args.name.as_deref().filter(|_| !args.unset) else {
        return print_data(&unset(for_shell()?, var(ROLE).is_some())?);
    };
    // Before a session is fetched, perhaps with a code.
    let format = if args.write_file.is_some() { Format::Dotenv } else { for_shell()? };
    let paths = &paths()?;
    let target =
        args.write_file.as_deref().map(|path| file::Target::new(path, args.yes_secrets_on_disk)).transpose()?;
    let line = client::get(paths, name, Context::from_env())?;
    let session = process_output::parse(&line).ok_or_else(client::odd_answer)?;
    let region = config_file::region_of(paths, name);
    let place = RoleContext { name, region: region.as_deref(), in_a_role: var(ROLE).is_some() };
    match target {
        Some(target) => {
            let format = args.format.unwrap_or_else(|| target.format());
            target.write(&render(&session, &place, format))?;
            let end = timestamp(session.expiration);
            print(&format!("written to {}, which holds secrets until {end}{}\n", target.shown(), target.remark()))
        }
        None => print_data(&render(&session, &place, format)),
    }
}

/// Chooses the format that the caller's shell reads. Without `$SHELL`, as in cron and containers, it is that of sh.
fn of_shell(shell: Option<&str>) -> Result<Format, UserError> {
    let Some(shell) = shell else { return Ok(Format::Sh) };
    Ok(match Path::new(shell).file_name().and_then(|name| name.to_str()).unwrap_or_default() {
        "sh" | "bash" | "dash" | "zsh" | "ash" | "busybox" | "ksh" | "ksh93" | "lksh" | "mksh" | "oksh" | "posh"
        | "rbash" | "rksh" | "rzsh" | "yash" => Format::Sh,
        "fish" => Format::Fish,
        "csh" | "tcsh" => Format::Csh,
        "nu" => Format::Nushell,
        "xonsh" => Format::Xonsh,
        "pwsh" | "powershell" => Format::Powershell,
        _ => {
            let message = format!("$SHELL is {}, whose syntax rolecall does not know", printable(shell, 256));
            return Err(UserError::new(Kind::Usage, message)
                .hint("choose a syntax: `--format sh`, or fish, csh, nushell, xonsh, powershell, dotenv, json"));
        }
    })
}

fn render(session: &Session, place: &RoleContext<'_>, format: Format) -> Zeroizing<String> {
    let expiration = timestamp(session.expiration);
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID", session.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", session.secret.expose()),
        ("AWS_SESSION_TOKEN", session.token.expose()),
        ("AWS_CREDENTIAL_EXPIRATION", &expiration),
    ];
    if let Some(region) = place.region {
        variables.extend(REGIONS.map(|name| (name, region)));
    }
    if !matches!(format, Format::Dotenv | Format::Json) {
        // For the shell's prompt; a tool that reads a file or an object takes every name for its own.
        variables.push((ROLE, place.name));
    }
    let is_set = |name: &str| variables.iter().any(|(set, _)| *set == name);
    let left_behind = REGIONS.into_iter().filter(|_| place.in_a_role);
    let stale: Vec<&str> = SHADOWING.into_iter().chain(left_behind).filter(|name| !is_set(name)).collect();
    // No form of quoting makes more than six bytes of one.
    let room = variables.iter().map(|(name, value)| name.len() + 6 * value.len() + 32).sum::<usize>() + 4096;
    let mut out = secret_buffer(room);
    push_unset(&mut out, &stale, format);
    match format {
        Format::Sh => {
            for (name, value) in variables {
                push_all(&mut out, &["export ", name, "="]);
                quote::sh(&mut out, value);
                out.push('\n');
            }
        }
        Format::Fish => {
            for (name, value) in variables {
                push_all(&mut out, &["set -gx ", name, " "]);
                quote::fish(&mut out, value);
                out.push('\n');
            }
        }
        Format::Csh => {
            for (name, value) in variables {
                push_all(&mut out, &["setenv ", name, " "]);
                quote::csh(&mut out, value);
                out.push_str(";\n");
            }
        }
        Format::Nushell => {
            out.push_str("load-env {\n");
            for (name, value) in variables {
                push_all(&mut out, &["  ", name, ": "]);
                quote::nushell(&mut out, value);
                out.push('\n');
            }
            out.push_str("}\n");
        }
        Format::Xonsh => {
            for (name, value) in variables {
                push_all(&mut out, &["$", name, " = "]);
                quote::xonsh(&mut out, value);
                out.push('\n');
            }
        }
        Format::Powershell => {
            for (name, value) in variables {
                push_all(&mut out, &["$Env:", name, " = "]);
                quote::powershell(&mut out, value);
                out.push('\n');
            }
        }
        // A file of variables can set and not unset.
        Format::Dotenv => {
            for (name, value) in variables {
                push_all(&mut out, &[name, "="]);
                quote::dotenv(&mut out, value);
                out.push('\n');
            }
        }
        Format::Json => {
            let object: BTreeMap<&str, &str> = variables.into_iter().collect();
            let mut bytes = Zeroizing::new(Vec::with_capacity(room));
            serde_json::to_writer_pretty(&mut *bytes, &object).expect("strings only");
            out.push_str(std::str::from_utf8(&bytes).expect("JSON is UTF-8"));
            out.push('\n');
        }
    }
    debug_assert!(out.len() <= room, "the buffer grew and left a copy of the secret behind");
    out
}

/// Makes the text that unsets everything that says who one is, the region that goes with it included.
fn unset(format: Format, in_a_role: bool) -> Result<String, UserError> {
    if matches!(format, Format::Dotenv | Format::Json) {
        return Err(UserError::new(Kind::Usage, "a list of values can set variables and not unset them")
            .hint("give `--format` as sh, fish, csh, nushell, xonsh or powershell"));
    }
    // Where a machine's own metadata service is, is the person's setting, unless a role of ours has set it.
    let metadata = METADATA.into_iter().filter(|_| in_a_role);
    let names: Vec<&str> = SHADOWING.into_iter().chain(metadata).chain(REGIONS).chain([ROLE]).collect();
    let mut out = String::new();
    push_unset(&mut out, &names, format);
    Ok(out)
}

/// Writes what unsets variables; nothing where the format can only set.
fn push_unset(out: &mut String, names: &[&str], format: Format) {
    match format {
        Format::Sh => push_all(out, &["unset ", &names.join(" "), "\n"]),
        Format::Fish => {
            // A universal variable is every shell's and outlives them all, and no other one hides it from programs: its owner
            // is told, and removes it or not. Without the last word the look for it would be the whole script's outcome.
            let names = names.join(" ");
            push_all(out, &["for rolecall_name in ", &names, "\n  set -eg $rolecall_name\n", FISH_UNIVERSAL]);
            out.push_str("end\nset -e rolecall_name\ntrue\n");
        }
        // A statement each, with its own end: in `eval` the lines become one.
        Format::Csh => {
            for name in names {
                push_all(out, &["unsetenv ", name, ";\n"]);
            }
        }
        Format::Nushell => push_all(out, &["hide-env --ignore-errors ", &names.join(" "), "\n"]),
        Format::Xonsh => {
            for name in names {
                push_all(out, &["${...}.pop('", name, "', None)\n"]);
            }
        }
        Format::Powershell => {
            for name in names {
                push_all(out, &["$Env:", name, " = $null\n"]);
            }
        }
        Format::Dotenv | Format::Json => {}
    }
}

fn push_all(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

#[cfg(test)]
mod tests;
