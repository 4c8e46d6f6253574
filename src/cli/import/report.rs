//! What a person or a program is shown of an import: the plan, what is left, what is done.

use super::discover::Discovered;
use super::{ImportArgs, needs_vault};
use crate::config_file;
use crate::output::{Cell, Screen, Style, count, remark, table};
use rolecall_awsfiles::diff;
use rolecall_awsfiles::document::FileKind;
use rolecall_awsfiles::import::change;
use rolecall_awsfiles::import::{NewIdentity, Origin, Plan};
use rolecall_core::domain::error::{UserError, printable};
use rolecall_core::domain::source::ForeignTool;
use rolecall_platform::paths::Paths;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write;

/// The most profiles of which each is shown; of more, the rest is counted.
const SHOWN_MAX: usize = 400;

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Step")]
pub(super) enum ImportProgress {
    /// It is what would be done.
    #[default]
    Plan,
    /// It is done.
    Done,
    /// There was nothing to do.
    Nothing,
    /// It is undone.
    Undone,
}

/// What `--json` prints.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ImportView {
    /// Whether it is a plan, done, or undone.
    pub(super) step: ImportProgress,
    /// The identities, new or there already.
    identities: Vec<ShownIdentity>,
    /// The roles, new or there already.
    roles: Vec<ShownRole>,
    /// The profiles that rolecall serves from then on.
    profiles: Vec<ShownProfile>,
    /// The profiles that stay as they are.
    left: Vec<ShownLeft>,
    /// What is worth knowing of profiles that are taken over.
    notes: Vec<ShownLeft>,
    /// What was found of keys that are now in the vault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<ShownWarning>,
    /// The change of each file as a unified diff, without secrets.
    pub(super) diffs: Vec<String>,
    /// Names that an undo left in config.toml, since they were changed or are in use.
    pub(super) kept: Vec<String>,
}

/// An identity.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownIdentity {
    /// Its name.
    name: String,
    /// The profile that it was found in.
    profile: String,
    /// Where its credentials come from: a file, a tool's keyring, or the configuration's type.
    from: String,
    /// The public half of its key, where a file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    /// Whether the configuration has it already.
    is_there: bool,
}

/// A role.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownRole {
    /// Its name.
    name: String,
    /// The profile that it was found in.
    profile: String,
    /// The identity or role that assumes it.
    source: String,
    /// Its ARN.
    role_arn: String,
    /// Whether the configuration has it already.
    is_there: bool,
}

/// A profile that rolecall serves.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownProfile {
    /// The profile.
    profile: String,
    /// The identity or role that it gets.
    name: String,
}

/// A profile and a word about it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownLeft {
    /// The profile.
    profile: String,
    /// Why, or what.
    reason: String,
    /// File and line of its header.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

/// A key that is in the vault, and what is wrong around it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ShownWarning {
    /// The profile that the key was found in.
    profile: String,
    /// What is wrong.
    message: String,
    /// What corrects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl ShownWarning {
    pub(super) fn new(profile: &str, warning: &UserError) -> Self {
        Self { profile: printable(profile, 256), message: warning.message.clone(), hint: warning.hint.clone() }
    }
}

pub(super) fn from(paths: &Paths, origin: &Origin) -> (String, Option<String>) {
    match origin {
        Origin::Key(key) => (config_file::shown(&paths.aws_credentials), Some(key.id.clone())),
        Origin::Keyring(tool, entry) => (format!("{}: {}", tool.as_str(), printable(entry, 128)), None),
        _ => (origin.kind().as_str().to_owned(), None),
    }
}

pub(super) fn shown(paths: &Paths, survey: &Discovered<'_>, plan: &Plan, text: &str) -> ImportView {
    let safe = |text: &str| printable(text, 256);
    let identity = |identity: &NewIdentity| {
        let (from, access_key_id) = from(paths, &identity.origin);
        let profile = safe(&identity.profile);
        ShownIdentity { name: identity.name.to_string(), profile, from, access_key_id, is_there: identity.is_there }
    };
    let mut left: Vec<ShownLeft> = plan
        .left
        .iter()
        .map(|left| ShownLeft {
            profile: safe(&left.profile),
            reason: printable(&left.reason, 2048),
            at: left.at.map(|(file, line)| {
                let path = if file == FileKind::Config { &paths.aws_config } else { &paths.aws_credentials };
                format!("{}:{line}", config_file::shown(path))
            }),
        })
        .collect();
    if let Some(report) = &survey.unseen {
        let reason = format!("keys that other tools keep there are not seen: {}", report.message);
        left.push(ShownLeft { profile: "the keyring".to_owned(), reason, at: None });
    }
    let mut diffs = vec![
        diff::unified(&paths.config, survey.file.text.as_bytes(), text.as_bytes()),
        diff::unified(&paths.aws_config, &survey.config, &change::apply(&survey.config, &plan.config)),
        diff::unified(
            &paths.aws_credentials,
            &survey.credentials,
            &change::apply(&survey.credentials, &plan.credentials),
        ),
    ];
    diffs.retain(|diff| !diff.is_empty());
    ImportView {
        step: ImportProgress::Plan,
        identities: plan.identities.iter().map(identity).collect(),
        roles: plan
            .roles
            .iter()
            .map(|role| ShownRole {
                name: role.name.to_string(),
                profile: safe(&role.profile),
                source: role.source.to_string(),
                role_arn: role.section.role_arn.clone(),
                is_there: role.is_there,
            })
            .collect(),
        profiles: plan
            .served
            .iter()
            .map(|served| ShownProfile { profile: safe(&served.profile), name: served.name.to_string() })
            .collect(),
        left,
        notes: plan
            .notes
            .iter()
            .map(|(profile, note)| ShownLeft { profile: safe(profile), reason: printable(note, 512), at: None })
            .collect(),
        warnings: Vec::new(),
        diffs,
        kept: Vec::new(),
    }
}

/// Writes the plan for a person.
pub(super) fn said(plan: &Plan, shown: &ImportView, screen: Screen) -> String {
    let mut rows = Vec::new();
    for identity in &shown.identities {
        let key = identity.access_key_id.as_deref().map(|id| format!("key {id} from ")).unwrap_or_default();
        let what = format!("identity {}", identity.name);
        rows.push(row(&identity.profile, &what, &format!("{key}{}", identity.from)));
    }
    for role in &shown.roles {
        rows.push(row(&role.profile, &format!("role {}", role.name), &format!("{} by {}", role.role_arn, role.source)));
    }
    let hidden = rows.len().saturating_sub(SHOWN_MAX);
    rows.truncate(SHOWN_MAX);
    let mut out = table(screen, &rows);
    if hidden > 0 {
        let _ = writeln!(out, "and {hidden} more");
    }
    out.push_str(&remarks(shown, screen));
    let is_many = plan.served.len() > SHOWN_MAX;
    if is_many {
        let _ = writeln!(out, "the diffs have too many lines to be shown; `--dry-run --json` has them");
    } else {
        out.push('\n');
        out.push_str(&shown.diffs.concat());
        out.push('\n');
    }
    let moved = plan.identities.iter().filter(|identity| needs_vault(identity) && !identity.is_there).count();
    let _ = writeln!(
        out,
        "{}, {}; {} served by rolecall; {} left",
        count(moved, "key"),
        count(plan.roles.iter().filter(|role| !role.is_there).count(), "role"),
        count(plan.served.len(), "profile"),
        plan.left.len()
    );
    out
}

pub(super) fn row(profile: &str, what: &str, from: &str) -> Vec<Cell> {
    vec![Cell::plain(profile), Cell::new(Style::Good, what), Cell::new(Style::Dim, from)]
}

pub(super) fn remarks(shown: &ImportView, screen: Screen) -> String {
    let mut out = String::new();
    for note in shown.notes.iter().take(SHOWN_MAX) {
        out.push_str(&remark(screen, (Style::Dim, "note:"), &format!("{}: {}", note.profile, note.reason), None));
    }
    for left in shown.left.iter().take(SHOWN_MAX) {
        let at = left.at.as_deref().map(|at| format!(" ({at})")).unwrap_or_default();
        let message = format!("{}{at}: {}", left.profile, left.reason);
        out.push_str(&remark(screen, (Style::Warning, "left:"), &message, None));
    }
    out
}

pub(super) fn nothing(paths: &Paths, plan: &Plan, shown: &ImportView) -> String {
    let mut out = remarks(shown, Screen::stdout());
    let file = config_file::shown(&paths.aws_config);
    let done =
        if plan.done > 0 { format!(": rolecall serves {} there", count(plan.done, "profile")) } else { String::new() };
    let _ = writeln!(out, "nothing to take over in {file}{done}");
    out
}

pub(super) fn finished(paths: &Paths, args: &ImportArgs, plan: &Plan, shown: &ImportView, screen: Screen) -> String {
    let mut out = remarks(shown, screen);
    for ShownWarning { profile, message, hint } in &shown.warnings {
        out.push_str(&remark(screen, (Style::Warning, "!"), &format!("{profile}: {message}"), hint.as_deref()));
    }
    let moved = plan.identities.iter().filter(|identity| needs_vault(identity)).count();
    let file = config_file::shown(&paths.config);
    if args.config_only {
        let _ = writeln!(out, "{file} has them; the keys are not in the vault yet");
        for identity in plan.identities.iter().filter(|identity| needs_vault(identity)) {
            let _ = writeln!(out, "next: `rolecall identity add {}`", identity.name);
        }
        return out;
    }
    let _ = writeln!(
        out,
        "1 command typed: {} in the vault, {} in {file}, {} served by rolecall",
        count(moved, "key"),
        count(plan.roles.len(), "role"),
        count(plan.served.len(), "profile"),
    );
    for identity in &plan.identities {
        if let Origin::Keyring(tool, entry) = &identity.origin {
            let entry = crate::quote::word(entry);
            let command = match tool {
                ForeignTool::AwsVault => format!("aws-vault remove {entry}"),
                ForeignTool::Granted => format!("granted credentials remove {entry}"),
            };
            let _ = writeln!(out, "{} still has its key too; delete it: `{}`", tool.as_str(), printable(&command, 256));
        }
    }
    let example = plan.roles.first().map(|role| role.profile.as_str());
    if let Some(profile) = example.or_else(|| plan.served.first().map(|served| served.profile.as_str())) {
        let _ = writeln!(out, "next: `aws s3 ls --profile {}`", printable(&crate::quote::word(profile), 256));
    }
    let _ = writeln!(out, "back: `rolecall import --undo`");
    out
}
