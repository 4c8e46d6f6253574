//! `identity add`: a key into the vault, its section into config.toml, in an order that is safe to break off.
//!
//! The edit is tried out before anything happens, so that a name or value that does not fit costs nothing; then the agent
//! asks AWS about the key and stores it; then the file is written. What is said on failure names what has happened so far.

use super::totp;
use crate::args::IdentityAddArgs;
use crate::config_file::Edited;
use crate::output::{self, Failure, Screen, Style, remark};
use crate::{config_file, confirm, key_input, quote, spinner, unlock};
use rolecall_core::config::schema_types::IdentitySection;
use rolecall_core::config::{self, IfPresent};
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::source::IdentityKind;
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_platform::paths::Paths;
use std::fmt::Write;
use std::path::Path;

/// Adds an identity.
pub(super) fn run(paths: &Paths, args: &IdentityAddArgs) -> Result<(), Failure> {
    let name = args.name.as_str();
    if args.no_totp {
        return totp::remove(paths, name);
    }
    let (kind, has_key) = (args.kind.as_str(), args.kind.facts().has_stored_key);
    if args.totp && !has_key {
        return Err(UserError::new(
            Kind::Usage,
            format!("an identity of type {kind} has no key to keep a secret beside"),
        )
        .hint("leave out `--totp`; `mfa_process` in its section runs a program that prints codes")
        .into());
    }
    if args.csv.is_some() && !has_key {
        return Err(UserError::new(Kind::Usage, format!("an identity of type {kind} has no key to read"))
            .hint(format!("leave out `--csv`, or `--type {kind}`"))
            .into());
    }
    let file = Edited::open(paths, "identities", name)?;
    let (section, present) = section(&file.text, args)?;
    let edited = match present {
        None => Ok(file.text.clone()),
        Some(present) => config::add(config::EntryKind::Identities, &file.text, &file.part(), name, &section, present),
    };
    let edited = edited.map_err(|error| error.report)?;
    if !has_key {
        file.apply(paths, &edited)?;
        return output::print(&format!("[identities.{name}] is in {}\n{}", file.shown(), next(name)));
    }
    let (key, secret) = if args.totp {
        match totp::given(paths, args, section.mfa_serial.as_deref())? {
            Some(given) => (given.key, Some(given.secret)),
            None => return output::print("nothing was changed\n"),
        }
    } else {
        (Some(given_key(paths, args)?), None)
    };
    let stored = key.map(|key| store(paths, args, key, &section)).transpose()?;
    let after = file
        .write(&edited)
        .map_err(|report| {
            UserError::new(
                report.kind,
                format!("the key is in the vault, but its section is not written: {}", report.message),
            )
            .hint(by_hand(&file.shown(), name, &section))
        })
        .and_then(|()| {
            config_file::reload(paths).map_err(|report| {
                let message = format!("the key is in the vault; {}", report.message);
                UserError { message, ..report }
            })
        });
    after?;
    if let Some(stored) = &stored {
        output::print(&said(&file.shown(), stored, args.csv.as_deref()))?;
    }
    match secret {
        Some(secret) => output::print(&format!("{}\n", totp::keep(paths, name, secret)?)),
        None => Ok(()),
    }
}

fn given_key(paths: &Paths, args: &IdentityAddArgs) -> Result<AccessKey, UserError> {
    if confirm::is_possible() {
        // Before the key is typed: with a vault that cannot take it, the typing would be lost.
        unlock::ready_vault(paths)?;
    }
    match &args.csv {
        Some(file) => key_input::from_file(file),
        None if confirm::is_possible() => key_input::from_terminal(),
        None => key_input::from_stdin(),
    }
}

/// Merges the flags into the section that is in the file; `None` if the file has this section already.
fn section(text: &str, args: &IdentityAddArgs) -> Result<(IdentitySection, Option<IfPresent>), UserError> {
    // The text is valid. It is read again here, because the values stay as they are written: "12h" stays "12h".
    let document: toml::Table = toml::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
    let entry = document.get("identities").and_then(|table| table.get(args.name.as_str()));
    let old = entry.map(|entry| entry.as_table().cloned().unwrap_or_default());
    let mut merged = old.clone().unwrap_or_default();
    let kind = merged.get("type").and_then(toml::Value::as_str).unwrap_or(args.kind.as_str());
    if kind != args.kind.as_str() {
        if !args.replace {
            return Err(UserError::new(
                Kind::Config,
                format!("there is an identity of this name already, of type {kind}"),
            )
            .hint("choose another name, or add `--replace`"));
        }
        merged.retain(|key, _| !IdentityKind::ALL.iter().any(|kind| kind.facts().keys.contains(&key)));
    }
    merged.extend(toml::Table::try_from(&args.source).expect("strings and lists of strings"));
    merged.insert("type".to_owned(), args.kind.as_str().into());
    for (key, value) in [
        ("mfa_serial", &args.mfa_serial),
        ("mfa_session", &args.mfa_session),
        ("region", &args.region),
        ("rotate_after", &args.rotate_after),
    ] {
        merged.extend(value.clone().map(|value| (key.to_owned(), value.into())));
    }
    let present = match old {
        None => Some(IfPresent::Refuse),
        Some(old) => (old != merged).then_some(IfPresent::Replace),
    };
    let section = merged.try_into().map_err(|error| UserError::new(Kind::Config, error.to_string()))?;
    Ok((section, present))
}

fn store(
    paths: &Paths,
    args: &IdentityAddArgs,
    key: AccessKey,
    section: &IdentitySection,
) -> Result<KeyStatus, UserError> {
    let request = Request::IdentityAdd {
        name: args.name.to_string(),
        access_key_id: key.id,
        secret_access_key: key.secret,
        region: section.region.clone(),
        arns: section.mfa_serial.iter().cloned().collect(),
        replace: args.replace,
        imported: false,
    };
    match spinner::ask(paths, request, Autostart::Yes)? {
        Answer::Key(status) => Ok(*status),
        _ => Err(client::odd_answer()),
    }
}

fn by_hand(file: &str, name: &str, section: &IdentitySection) -> String {
    let table = toml::Table::try_from(section).unwrap_or_default();
    let keys: Vec<String> = table.iter().map(|(key, value)| printable(&format!("{key} = {value}"), 4096)).collect();
    format!("put `identities.\"{name}\" = {{ {} }}` into the first lines of {file} by hand", keys.join(", "))
}

fn said(file: &str, stored: &KeyStatus, csv: Option<&Path>) -> String {
    let name = printable(&stored.identity, 128);
    let whose = match (stored.arn.as_deref(), stored.account.as_deref()) {
        (Some(arn), Some(account)) => {
            format!("user {} in account {account}\n{}  {arn}", super::user(arn), " ".repeat(name.len()))
        }
        _ => "stored".to_owned(),
    };
    let whose = whose.lines().map(|line| printable(line, 2048)).collect::<Vec<_>>().join("\n");
    let key = printable(stored.access_key_id.as_deref().unwrap_or("the key"), 128);
    let mut out = format!("{name}: {whose}\n{key} is in the vault, [identities.{name}] in {file}\n");
    // A pipe holds nothing any more.
    if let Some(csv) = csv.filter(|csv| csv.is_file()) {
        let path = quote::word(&csv.display().to_string());
        let _ = writeln!(out, "the CSV file still holds the key; delete it: rm {}", printable(&path, 2048));
    }
    for warning in &stored.warnings {
        out.push_str(&remark(Screen::stdout(), (Style::Warning, "!"), &warning.message, warning.hint.as_deref()));
    }
    out.push_str(&next(&name));
    out
}

fn next(name: &str) -> String {
    format!("next: `rolecall role add NAME --source {name} --role-arn ARN`\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::SourceArgs;
    use rolecall_core::domain::names::Name;

    fn args(kind: &str, mfa: Option<&str>, replace: bool) -> IdentityAddArgs {
        IdentityAddArgs {
            name: Name::new("auth").expect("valid"),
            csv: None,
            kind: IdentityKind::named(kind).expect("a kind"),
            mfa_serial: mfa.map(str::to_owned),
            mfa_session: None,
            region: None,
            rotate_after: None,
            replace,
            totp: false,
            no_totp: false,
            yes: false,
            source: SourceArgs::default(),
        }
    }

    #[test]
    fn a_section_that_is_there_keeps_what_was_not_typed() {
        let text = "[identities.auth]\ntype = \"iam-user\"\nmfa_session = \"12h\"\nregion = \"eu-west-1\"\n";
        assert_eq!(section("", &args("iam-user", None, false)).expect("new").1, Some(IfPresent::Refuse));
        assert_eq!(section(text, &args("iam-user", None, false)).expect("same").1, None);
        let (merged, present) = section(text, &args("iam-user", Some("GAHT12345678"), false)).expect("more");
        assert_eq!((present, merged.mfa_session.as_deref()), (Some(IfPresent::Replace), Some("12h")));
        assert!(section(text, &args("ec2", None, false)).expect_err("other type").hint.is_some());
        assert_eq!(section(text, &args("ec2", None, true)).expect("replaced").1, Some(IfPresent::Replace));
        let text = format!("{text}mfa_process = [\"/bin/code\", \"-s\"]\n");
        let (merged, _) = section(&text, &args("iam-user", Some("GAHT12345678"), true)).expect("more");
        assert_eq!(merged.mfa_process, Some(vec!["/bin/code".to_owned(), "-s".to_owned()]));
    }

    #[test]
    fn the_line_to_put_in_by_hand_is_one_that_is_understood() {
        let (section, _) = section("", &args("iam-user", Some("arn:aws:iam::111111111111:mfa/r"), false)).expect("new");
        let hint = by_hand("/x/config.toml", "auth", &section);
        let line = hint.split('`').nth(1).expect("in backticks");
        let catalogue = config::parse(line, Path::new("c")).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert!(catalogue.identities["auth"].mfa_serial.is_some());
    }

    #[test]
    fn it_says_whose_key_it_is_and_where_the_key_still_lies() {
        let dir = tempfile::tempdir().expect("tempdir");
        let csv = dir.path().join("my keys.csv");
        std::fs::File::create(&csv).expect("made");
        let stored = KeyStatus {
            identity: "auth".into(),
            kind: "iam-user".into(),
            access_key_id: Some("AKIAIOSFODNN7EXAMPLE".into()),
            arn: Some("arn:aws:iam::111111111111:user/richard".into()),
            account: Some("111111111111".into()),
            ..KeyStatus::default()
        };
        let text = said("/x/config.toml", &stored, Some(&csv));
        assert!(text.starts_with("auth: user richard in account 111111111111\n"), "{text}");
        assert!(text.contains("  arn:aws:iam::111111111111:user/richard\n"), "{text}");
        assert!(text.contains(&format!("rm '{}'", csv.display())), "{text}");
    }
}
