//! `env`: a role's credentials as the variables of a shell, or in a file, and what takes them back.
//!
//! It quotes for each shell as if the values were hostile, and knows nothing of how they came to be. What another tool
//! left in the environment goes first: a stale `AWS_PROFILE` beside new keys is two identities in one shell.

mod file;

use super::args::{EnvArgs, Format};
use super::launch::variables::{METADATA, REGIONS, ROLE};
use super::output::{Failure, print, secret_buffer};
use super::shadowing::SHADOWING;
use super::{config_file, quote, var};
use crate::client;
use crate::domain::credential::Session;
use crate::domain::report::{Kind, Report};
use crate::paths::Paths;
use crate::protocol::message::Context;
use crate::protocol::process_output::{self, timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use zeroize::Zeroizing;

/// Whose variables they are, and what of another role's is still there.
struct Place<'a> {
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
pub(super) fn run(paths: impl Fn() -> Result<Paths, Report>, args: &EnvArgs) -> Result<(), Failure> {
    let by_shell = || of_shell(var("SHELL").as_deref());
    let Some(name) = args.name.as_deref().filter(|_| !args.unset) else {
        return print(&unset(args.format.unwrap_or_else(by_shell), var(ROLE).is_some())?);
    };
    let paths = &paths()?;
    let target =
        args.write_file.as_deref().map(|path| file::Target::new(path, args.yes_secrets_on_disk)).transpose()?;
    let line = client::get(paths, name, Context::from_env())?;
    let session = process_output::parse(&line).ok_or_else(client::odd_answer)?;
    let region = config_file::region_of(paths, name);
    let place = Place { name, region: region.as_deref(), in_a_role: var(ROLE).is_some() };
    match target {
        Some(target) => {
            let format = args.format.unwrap_or_else(|| target.format());
            target.write(&render(&session, &place, format))?;
            let end = timestamp(session.expiration);
            print(&format!("written to {}, which holds secrets until {end}{}\n", target.shown(), target.remark()))
        }
        None => print(&render(&session, &place, args.format.unwrap_or_else(by_shell))),
    }
}

fn of_shell(shell: Option<&str>) -> Format {
    match shell.map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some("fish") => Format::Fish,
        Some("pwsh" | "powershell") => Format::Powershell,
        _ => Format::Sh,
    }
}

fn render(session: &Session, place: &Place<'_>, format: Format) -> Zeroizing<String> {
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
fn unset(format: Format, in_a_role: bool) -> Result<String, Report> {
    if matches!(format, Format::Dotenv | Format::Json) {
        return Err(Report::new(Kind::Usage, "a list of values can set variables and not unset them")
            .hint("give `--format` as sh, fish or powershell"));
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
mod tests {
    use super::*;
    use crate::domain::secret::{SecretKey, SessionToken};
    use chrono::DateTime;
    use std::process::Command;

    const HOSTILE: [&str; 6] = [
        "plain+/=",
        "it's $(touch x) `id` \"q\" \\ !history",
        "'; rm -rf /; '",
        "two\nlines\r\n",
        "\u{2019}; Remove-Item x; \u{2018}",
        "-n --help ~ * #",
    ];

    fn session(value: &str) -> Session {
        Session {
            access_key_id: "ASIAEXAMPLE".into(),
            secret: SecretKey::new(value.into()),
            token: SessionToken::new(value.into()),
            expiration: DateTime::from_timestamp(1_795_305_600, 0).expect("in range"),
            account: None,
        }
    }

    /// Runs a shell that takes the text over and shows what it has then.
    fn in_shell(shell: &str, text: &str) -> std::process::Output {
        let script = match shell {
            "fish" => {
                "set -gx AWS_PROFILE old; set -gx AMAZON_ACCESS_KEY_ID old; printf %s $argv[1] | source; or exit 9
                 env | grep -E '^(AWS_PROFILE|AMAZON_)'
                 printf '%s|%s|%s' \"$AWS_SESSION_TOKEN\" \"$AWS_CREDENTIAL_EXPIRATION\" \"$AWS_DEFAULT_REGION\""
            }
            _ => {
                "set -eu; export AWS_PROFILE=old AMAZON_ACCESS_KEY_ID=old; eval \"$1\"
                 if env | grep -E '^(AWS_PROFILE|AMAZON_)'; then exit 9; fi
                 printf '%s|%s|%s' \"${AWS_SESSION_TOKEN-}\" \"${AWS_CREDENTIAL_EXPIRATION-}\" \"${AWS_DEFAULT_REGION-}\""
            }
        };
        let mut command = Command::new(shell);
        command.args(["-c", script]);
        // The first argument of fish is the first, that of the others the script's own name.
        command.args((shell != "fish").then_some(shell)).arg(text);
        let home = tempfile::tempdir().expect("a directory");
        command.env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path()).output().expect(shell)
    }

    fn rendered(session: &Session, region: Option<&str>, format: Format) -> Zeroizing<String> {
        render(session, &Place { name: "prod", region, in_a_role: false }, format)
    }

    #[test]
    fn of_another_role_neither_region_nor_metadata_service_stays() {
        let place = Place { name: "prod", region: None, in_a_role: true };
        let text = render(&session("value"), &place, Format::Sh);
        assert!(text.starts_with("unset ") && text.lines().next().unwrap().contains("AWS_REGION"), "{}", &*text);
        assert!(
            text.contains("export ROLECALL_ROLE='prod'") || text.contains("export ROLECALL_ROLE=prod"),
            "{}",
            &*text
        );
        let names = |in_a_role| unset(Format::Sh, in_a_role).expect("a shell");
        assert!(names(true).contains("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
        assert!(!names(false).contains("AWS_EC2_METADATA"), "the person's own setting");
    }

    const SHELLS: [(&str, Format); 4] =
        [("sh", Format::Sh), ("bash", Format::Sh), ("zsh", Format::Sh), ("fish", Format::Fish)];

    #[test]
    fn shells_read_exactly_what_was_meant_and_lose_what_would_contradict_it() {
        for (shell, format) in SHELLS {
            for value in HOSTILE {
                let run = in_shell(shell, &rendered(&session(value), Some("eu-west-1"), format));
                let want = format!("{value}|2026-11-22T00:00:00Z|eu-west-1");
                assert_eq!(String::from_utf8_lossy(&run.stdout), want, "{shell} {value:?}: {run:?}");
                assert!(run.status.success() && run.stderr.is_empty(), "{shell} {value:?}: {run:?}");
            }
        }
    }

    #[test]
    fn what_env_has_set_is_taken_back_by_every_shell() {
        for (shell, format) in SHELLS {
            let text = rendered(&session("value"), Some("eu-west-1"), format);
            let run = in_shell(shell, &format!("{}{}", &*text, unset(format, false).expect("a shell")));
            assert_eq!(String::from_utf8_lossy(&run.stdout), "||", "{shell}: {run:?}");
            assert!(run.status.success() && run.stderr.is_empty(), "{shell}: {run:?}");
        }
        let powershell = unset(Format::Powershell, false).expect("a shell");
        assert_eq!(powershell.lines().count(), SHADOWING.len() + REGIONS.len() + 1);
        assert!(powershell.lines().all(|line| line.starts_with("$Env:") && line.ends_with(" = $null")));
        for format in [Format::Dotenv, Format::Json] {
            assert_eq!(unset(format, false).expect_err("sets only").kind, Kind::Usage);
        }
    }

    #[test]
    fn a_universal_variable_of_fish_is_left_to_its_owner_who_is_told() {
        let home = tempfile::tempdir().expect("a directory");
        let run = |script: &str, text: &str| {
            let mut fish = Command::new("fish");
            fish.args(["-c", script, text]).env("HOME", home.path()).env("XDG_CONFIG_HOME", home.path());
            fish.output().expect("fish")
        };
        run("set -Ux AWS_PROFILE old", "");
        let text = rendered(&session("value"), None, Format::Fish);
        let told = run("printf %s $argv[1] | source", &text);
        assert_eq!(
            String::from_utf8_lossy(&told.stderr),
            "rolecall: AWS_PROFILE is universal in fish and stays set; remove it: set -eU AWS_PROFILE\n"
        );
        assert!(run("set -qU AWS_PROFILE", "").status.success(), "it is every shell's");
    }

    #[test]
    fn every_format_names_every_variable_and_no_region_that_nobody_said() {
        for format in [Format::Sh, Format::Fish, Format::Powershell, Format::Dotenv, Format::Json] {
            let text = rendered(&session("v"), None, format);
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"]
            {
                assert!(text.contains(name), "{format:?} {name}");
            }
            assert!(!text.contains("REGION"), "{format:?}");
        }
        let json: BTreeMap<String, String> =
            serde_json::from_str(&rendered(&session("v\n\""), Some("eu-west-1"), Format::Json)).expect("JSON");
        assert_eq!((json.len(), json["AWS_SESSION_TOKEN"].as_str()), (6, "v\n\""));
    }

    #[test]
    fn no_value_makes_the_buffer_grow() {
        for format in [Format::Sh, Format::Fish, Format::Powershell, Format::Dotenv, Format::Json] {
            for c in ['\'', '\u{1}', '\u{2019}', '\n', '\\', '$'] {
                // `render` itself asserts that there was room.
                assert!(rendered(&session(&c.to_string().repeat(3000)), None, format).len() > 6000);
            }
        }
    }

    #[test]
    fn the_shell_that_runs_decides_the_format() {
        for (shell, format) in [
            (Some("/usr/bin/fish"), Format::Fish),
            (Some("/opt/microsoft/powershell/7/pwsh"), Format::Powershell),
            (Some("/bin/zsh"), Format::Sh),
            (None, Format::Sh),
        ] {
            assert_eq!(of_shell(shell), format);
        }
    }
}
