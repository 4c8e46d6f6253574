//! `env`: a role's credentials as the variables of a shell.
//!
//! It quotes for each shell as if the values were hostile, and knows nothing of how they came to be. What another tool
//! left in the environment goes first: a stale `AWS_PROFILE` beside new keys is two identities in one shell.

use super::args::{EnvArgs, Format};
use super::output::{Failure, print, secret_buffer};
use super::shadowing::SHADOWING;
use super::{config_file, quote, var};
use crate::client;
use crate::domain::credential::Session;
use crate::paths::Paths;
use crate::protocol::message::Context;
use crate::protocol::process_output::{self, timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use zeroize::Zeroizing;

/// Prints the variables.
pub(super) fn run(paths: &Paths, args: &EnvArgs) -> Result<(), Failure> {
    let line = client::get(paths, &args.name, Context::from_env())?;
    let session = process_output::parse(&line).ok_or_else(client::odd_answer)?;
    let region = config_file::region_of(paths, &args.name);
    let format = args.format.unwrap_or_else(|| of_shell(var("SHELL").as_deref()));
    print(&render(&session, region.as_deref(), format))
}

fn of_shell(shell: Option<&str>) -> Format {
    match shell.map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some("fish") => Format::Fish,
        Some("pwsh" | "powershell") => Format::Powershell,
        _ => Format::Sh,
    }
}

fn render(session: &Session, region: Option<&str>, format: Format) -> Zeroizing<String> {
    let expiration = timestamp(session.expiration);
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID", session.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", session.secret.expose()),
        ("AWS_SESSION_TOKEN", session.token.expose()),
        ("AWS_CREDENTIAL_EXPIRATION", &expiration),
    ];
    if let Some(region) = region {
        variables.extend([("AWS_REGION", region), ("AWS_DEFAULT_REGION", region)]);
    }
    let is_set = |name: &str| variables.iter().any(|(set, _)| *set == name);
    let stale: Vec<&str> = SHADOWING.into_iter().filter(|name| !is_set(name)).collect();
    // No form of quoting makes more than six bytes of one.
    let room = variables.iter().map(|(name, value)| name.len() + 6 * value.len() + 32).sum::<usize>() + 2048;
    let mut out = secret_buffer(room);
    match format {
        Format::Sh => {
            push_all(&mut out, &["unset ", &stale.join(" "), "\n"]);
            for (name, value) in variables {
                push_all(&mut out, &["export ", name, "="]);
                quote::sh(&mut out, value);
                out.push('\n');
            }
        }
        Format::Fish => {
            for name in &stale {
                push_all(&mut out, &["set -e ", name, "\n"]);
            }
            for (name, value) in variables {
                push_all(&mut out, &["set -gx ", name, " "]);
                quote::fish(&mut out, value);
                out.push('\n');
            }
        }
        Format::Powershell => {
            for name in &stale {
                push_all(&mut out, &["$Env:", name, " = $null\n"]);
            }
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

    #[test]
    fn shells_read_exactly_what_was_meant() {
        for shell in ["sh", "bash"] {
            for value in HOSTILE {
                let text = render(&session(value), Some("eu-west-1"), Format::Sh);
                let script = "set -eu; AWS_PROFILE=old; eval \"$1\"; test -z \"${AWS_PROFILE-}\"; \
                     printf '%s|%s|%s' \"$AWS_SESSION_TOKEN\" \"$AWS_CREDENTIAL_EXPIRATION\" \"$AWS_DEFAULT_REGION\"";
                let run = Command::new(shell).args(["-c", script, shell, &text]).output().expect(shell);
                let want = format!("{value}|2026-11-22T00:00:00Z|eu-west-1");
                assert_eq!(String::from_utf8_lossy(&run.stdout), want, "{shell} {value:?}");
                assert!(run.status.success() && run.stderr.is_empty(), "{shell} {value:?}: {run:?}");
            }
        }
    }

    #[test]
    fn every_format_names_every_variable_and_no_region_that_nobody_said() {
        for format in [Format::Sh, Format::Fish, Format::Powershell, Format::Dotenv, Format::Json] {
            let text = render(&session("v"), None, format);
            for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"]
            {
                assert!(text.contains(name), "{format:?} {name}");
            }
            assert!(!text.contains("REGION"), "{format:?}");
        }
        let json: BTreeMap<String, String> =
            serde_json::from_str(&render(&session("v\n\""), Some("eu-west-1"), Format::Json)).expect("JSON");
        assert_eq!((json.len(), json["AWS_SESSION_TOKEN"].as_str()), (6, "v\n\""));
    }

    #[test]
    fn no_value_makes_the_buffer_grow() {
        for format in [Format::Sh, Format::Fish, Format::Powershell, Format::Dotenv, Format::Json] {
            for c in ['\'', '\u{1}', '\u{2019}', '\n', '\\', '$'] {
                // `render` itself asserts that there was room.
                assert!(render(&session(&c.to_string().repeat(3000)), None, format).len() > 6000);
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
