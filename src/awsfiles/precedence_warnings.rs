//! What keeps tools from asking rolecall for a profile: sections, keys, bad lines and environment variables in the way.
//!
//! Reads text and names of variables; knows neither their values nor the machine. Who wins over `credential_process`
//! differs by SDK; the table is from their sources (botocore `credentials.py`, Go `resolveCredsFromProfile`,
//! JavaScript `resolveProfileData`, Java `ProfileCredentialsUtils`, Rust `repr.rs`, Ruby and PHP provider chains).

use super::document::{Document, FileKind, Section};
use super::parse_issue::ParseIssueKind;
use super::{managed_block, place};
use rolecall_core::domain::error::printable;
use rolecall_core::domain::names::Name;
use std::ops::Range;
use std::path::{Path, PathBuf};

mod environment;

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct ProfileFiles<'a> {
    /// The config file and its text; empty text if it is missing.
    pub config: (&'a Path, &'a [u8]),
    /// The credentials file and its text.
    pub credentials: (&'a Path, &'a [u8]),
    /// The profiles that rolecall serves.
    pub names: &'a [Name],
    /// The environment variables that are set and not empty.
    pub variables: &'a [&'a str],
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing is wrong yet.
    Note,
    /// Some tools do not get what rolecall serves.
    Shadows,
    /// Some tools refuse the whole file.
    Breaks,
}

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precedence {
    /// A section of our name stands outside the block.
    ForeignSection,
    /// A key of the same profile wins over `credential_process`.
    WinningKey,
    /// A section of our name in the credentials file.
    CredentialsSection,
    /// `[DEFAULT]`, whose keys Python gives to every profile.
    PythonDefaults,
    /// A name that some SDKs do not accept.
    UnreadName,
    /// A bad line.
    BadLine(ParseIssueKind),
    /// Markers that `profiles sync` refuses.
    Markers,
    /// A variable of the environment.
    Variable,
}

/// Something in the way of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub trouble: Precedence,
    /// The profile, if it is about one.
    pub name: Option<Name>,
    /// File and line, counted from 1, if it is in a file.
    pub at: Option<(PathBuf, usize)>,
    /// One line: where and what.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Lists everything in the way, the worst first.
pub fn warnings(scene: &ProfileFiles<'_>) -> Vec<Warning> {
    let mut found = Vec::new();
    config(scene, &mut found);
    credentials(scene, &mut found);
    found.extend(environment::warnings(scene.variables));
    found.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.at.cmp(&b.at)));
    found
}

/// Keys that give credentials, and the tools in which they win over `credential_process` of the same profile.
struct Rival {
    keys: &'static [&'static str],
    winners: &'static str,
    also: &'static str,
}

const RIVALS: [Rival; 5] = [
    Rival {
        keys: &["role_arn"],
        winners: "the AWS CLI, boto3 and the Go, JavaScript, Java, Rust and Ruby SDKs",
        also: "",
    },
    Rival {
        keys: &["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"],
        winners: "the AWS CLI, boto3 and the Go, Java, Rust and Ruby SDKs",
        also: ", and an incomplete sso_* group is an error in several",
    },
    Rival { keys: &["login_session"], winners: "the AWS CLI, boto3 and the Go and Rust SDKs", also: "" },
    Rival { keys: &["credential_source"], winners: "the Go and Rust SDKs", also: "" },
    Rival { keys: &["aws_access_key_id"], winners: "the Go, JavaScript and Ruby SDKs", also: "" },
];

/// In the credentials file, keys win in more tools than in the config file.
const KEYS_IN_CREDENTIALS: &str = "the AWS CLI, boto3 and the Go, JavaScript, Ruby and PHP SDKs";

fn config(scene: &ProfileFiles<'_>, found: &mut Vec<Warning>) {
    let (file, text) = scene.config;
    let document = Document::parse(text, FileKind::Config);
    let own = match managed_block::find(file, text) {
        Ok(span) => span.map_or(0..0, |span| span.lines),
        Err(report) => {
            found.push(Warning {
                severity: Severity::Shadows,
                trouble: Precedence::Markers,
                name: None,
                at: None,
                message: report.message,
                hint: report.hint.unwrap_or_default(),
            });
            0..0
        }
    };
    bad_lines(file, &document, scene.names, found);
    for name in scene.names {
        let written = document.profile(name.as_str()).any(|section| own.contains(&section.line));
        for section in document.profile(name.as_str()) {
            foreign_section(file, name, section, &own, written, found);
            winning_keys(file, name, section, false, found);
        }
        // botocore takes any name; the specification's identifier has no `=`.
        if name.as_str().contains('=') {
            found.push(Warning {
                severity: Severity::Shadows,
                trouble: Precedence::UnreadName,
                name: Some(name.clone()),
                at: None,
                message: format!("{name}: SDKs that follow the specification skip a profile with `=` in its name"),
                hint: format!("give {name} a name without `=` in config.toml"),
            });
        }
    }
    for section in document.sections().iter().filter(|section| section.header == "DEFAULT" && !section.keys.is_empty())
    {
        found.push(Warning {
            severity: Severity::Shadows,
            trouble: Precedence::PythonDefaults,
            name: None,
            at: Some((file.to_path_buf(), section.line)),
            message: format!(
                "{}: the AWS CLI and boto3 add the keys of [DEFAULT] to every profile",
                place(file, section.line)
            ),
            hint: "write `[default]` in lower case, or delete the section".into(),
        });
    }
}

fn foreign_section(
    file: &Path,
    name: &Name,
    section: &Section<'_>,
    own: &Range<usize>,
    written: bool,
    found: &mut Vec<Warning>,
) {
    if own.contains(&section.line) || (!written && asks_us(section, name)) {
        return;
    }
    let consequence = if written {
        "names the profile again; the AWS CLI and boto3 read only the last of the two, other tools mix them"
    } else {
        "stands outside rolecall's block, so tools read it and do not ask rolecall"
    };
    found.push(Warning {
        severity: Severity::Shadows,
        trouble: Precedence::ForeignSection,
        name: Some(name.clone()),
        at: Some((file.to_path_buf(), section.line)),
        message: format!("{}: [{}] {consequence}", place(file, section.line), printable(&section.header, 128)),
        hint: "delete it, or rename it, then run `rolecall profiles sync`".into(),
    });
}

/// Tells whether a profile's command is ours, for this name.
pub(super) fn asks_us(section: &Section<'_>, name: &Name) -> bool {
    section.key("credential_process").is_some_and(|key| {
        let command = String::from_utf8_lossy(key.written);
        command.contains("rolecall") && command.ends_with(&format!(" get {name}"))
    })
}

fn winning_keys(file: &Path, name: &Name, section: &Section<'_>, in_credentials: bool, found: &mut Vec<Warning>) {
    let hint = if in_credentials {
        format!("store the key with `rolecall identity add`, then delete [{name}] from the credentials file")
    } else {
        format!("delete it, so that {name} has only `credential_process`")
    };
    for rival in &RIVALS {
        let Some(key) = rival.keys.iter().find_map(|key| section.key(key)) else { continue };
        let winners =
            if in_credentials && key.name == "aws_access_key_id" { KEYS_IN_CREDENTIALS } else { rival.winners };
        found.push(Warning {
            severity: Severity::Shadows,
            trouble: Precedence::WinningKey,
            name: Some(name.clone()),
            at: Some((file.to_path_buf(), key.line)),
            message: format!(
                "{}: {} of {name} wins over credential_process in {winners}{}",
                place(file, key.line),
                key.name,
                rival.also
            ),
            hint: hint.clone(),
        });
    }
}

fn credentials(scene: &ProfileFiles<'_>, found: &mut Vec<Warning>) {
    let (file, text) = scene.credentials;
    let document = Document::parse(text, FileKind::Credentials);
    bad_lines(file, &document, scene.names, found);
    for name in scene.names {
        for section in document.profile(name.as_str()) {
            let before = found.len();
            winning_keys(file, name, section, true, found);
            if found.len() > before {
                continue;
            }
            found.push(Warning {
                severity: Severity::Note,
                trouble: Precedence::CredentialsSection,
                name: Some(name.clone()),
                at: Some((file.to_path_buf(), section.line)),
                message: format!(
                    "{}: [{name}] is in the credentials file too; keys that another tool puts there win for ever",
                    place(file, section.line)
                ),
                hint: format!("delete [{name}] from the credentials file"),
            });
        }
    }
}

fn bad_lines(file: &Path, document: &Document<'_>, names: &[Name], found: &mut Vec<Warning>) {
    let is_ours = |line: usize| {
        let section = document.sections().iter().find(|section| section.line == line);
        section.is_some_and(|section| names.iter().any(|name| name.as_str() == section.name))
    };
    for flaw in document.flaws() {
        // Of a profile of ours, `foreign_section` says it.
        if matches!(flaw.kind, ParseIssueKind::SecondHeader { .. }) && is_ours(flaw.line) {
            continue;
        }
        let breaks = flaw.kind.stops_python() || flaw.kind.stops_rust();
        found.push(Warning {
            severity: if breaks { Severity::Breaks } else { Severity::Note },
            trouble: Precedence::BadLine(flaw.kind),
            name: None,
            at: Some((file.to_path_buf(), flaw.line)),
            message: format!("{}: {}; {}", place(file, flaw.line), flaw.kind.what(), flaw.kind.consequence()),
            hint: format!("{} (line {})", flaw.kind.remedy(), flaw.line),
        });
    }
}

#[cfg(test)]
#[path = "shadow_tests.rs"]
mod tests;
