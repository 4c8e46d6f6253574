//! `import`: what ~/.aws has becomes rolecall's; first the plan, then, after a yes, the keys, config.toml and both files.
//!
//! The order is safe to break off anywhere: keys are tried, stored and read back; config.toml names them; the config file
//! asks rolecall; only then do the keys go from the credentials file. What comes next time begins by looking at what is
//! there. What it changed rests in a journal without any secret, which `--undo` works from.

mod journal;
mod survey;
mod undo;

use super::args::ImportArgs;
use super::output::{self, Cell, Failure, Screen, Style, remark, table};
use super::{ask, config_file, unlock, waiting};
use crate::aws_files::document::FileKind;
use crate::aws_files::import::change::{self, Change};
use crate::aws_files::import::{NewIdentity, Origin, Plan, Tool};
use crate::aws_files::{diff, sync};
use crate::client::{self, Autostart};
use crate::domain::report::{Kind, Report, printable};
use crate::paths::Paths;
use crate::protocol::message::{Answer, ForeignTool, Request};
use journal::{Entry, FileChange, Journal};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write;
use survey::Survey;

/// The most profiles of which each is shown; of more, the rest is counted.
const SHOWN_MAX: usize = 400;

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Step {
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
pub(super) struct Shown {
    /// Whether it is a plan, done, or undone.
    step: Step,
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
    /// The change of each file as a unified diff, without secrets.
    diffs: Vec<String>,
    /// Names that an undo left in config.toml, since they were changed or are in use.
    kept: Vec<String>,
}

/// An identity.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownIdentity {
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
struct ShownRole {
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
struct ShownProfile {
    /// The profile.
    profile: String,
    /// The identity or role that it gets.
    name: String,
}

/// A profile and a word about it.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownLeft {
    /// The profile.
    profile: String,
    /// Why, or what.
    reason: String,
    /// File and line of its header.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

/// Does what was typed.
pub(super) fn run(paths: &Paths, args: &ImportArgs) -> Result<(), Failure> {
    if args.undo {
        return undo::run(paths, args);
    }
    let mut journal = Journal::open(paths)?;
    let mut survey = Survey::look(paths, args)?;
    let (plan, text) = planned(&mut survey, paths, args)?;
    if plan.is_empty() {
        if args.only.is_empty() && !args.config_only {
            journal.finish()?;
        }
        let shown = Shown { step: Step::Nothing, ..shown(paths, &survey, &plan, &text) };
        if args.json {
            return output::print_json(&shown);
        }
        return output::print(&nothing(paths, &plan, &shown));
    }
    let shown = shown(paths, &survey, &plan, &text);
    let can_go_on = args.dry_run || args.yes || (!args.json && ask::is_possible());
    if !args.json {
        output::print(&said(&plan, &shown, Screen::stdout()))?;
    }
    if args.dry_run {
        return if args.json { output::print_json(&shown) } else { output::print("nothing was changed\n") };
    }
    if !can_go_on {
        return Err(Report::new(Kind::Usage, "an import changes files, and there is nobody to ask")
            .hint("do it: `rolecall import --yes`; only look: `rolecall import --dry-run`")
            .into());
    }
    if !args.yes && !ask::consent("Take them over?")? {
        return output::print("nothing was changed\n");
    }
    if ask::is_possible() && plan.identities.iter().any(|identity| needs_vault(identity)) {
        unlock::ready_vault(paths)?;
    }
    let (plan, text) = apply(paths, args, &mut survey, &mut journal, (plan, text))?;
    let done = Shown { step: Step::Done, ..self::shown(paths, &survey, &plan, &text) };
    if args.json {
        return output::print_json(&done);
    }
    output::print(&finished(paths, args, &plan, &done, Screen::stdout()))
}

fn planned(survey: &mut Survey, paths: &Paths, args: &ImportArgs) -> Result<(Plan, String), Report> {
    let (mut plan, text) = survey.plan(paths)?;
    if args.config_only {
        (plan.config, plan.credentials) = (Vec::new(), Vec::new());
    }
    Ok((plan, text))
}

fn needs_vault(identity: &NewIdentity) -> bool {
    matches!(identity.origin, Origin::Key(_) | Origin::Keyring(..))
}

/// Does it all; gives the plan as it was done, without what failed.
fn apply(
    paths: &Paths,
    args: &ImportArgs,
    survey: &mut Survey,
    journal: &mut Journal,
    (mut plan, mut text): (Plan, String),
) -> Result<(Plan, String), Failure> {
    survey.still_holds(paths)?;
    let number = journal.begin(paths, entry(paths, survey, &plan, &text))?;
    if !args.config_only {
        // Whoever stands on a key that does not work stays; then others may have other names.
        loop {
            let failed = store_keys(paths, &plan)?;
            if failed.is_empty() {
                break;
            }
            survey.excluded.extend(failed);
            (plan, text) = planned(survey, paths, args)?;
            journal
                .put(number, Entry { continues: continues(journal, number), ..entry(paths, survey, &plan, &text) })?;
        }
    }
    let go_on = |report: Report| report.also("`rolecall import` again goes on where this ended");
    survey.still_holds(paths)?;
    config_file::write(paths, &survey.text, &text)?;
    config_file::reload(paths).map_err(go_on)?;
    for (path, old, changes) in [
        (&paths.aws_config, &survey.config, &plan.config),
        (&paths.aws_credentials, &survey.credentials, &plan.credentials),
    ] {
        sync::write_unbacked(path, old, &change::apply(old, changes)).map_err(go_on)?;
    }
    journal.finish()?;
    Ok((plan, text))
}

fn continues(journal: &Journal, number: u32) -> bool {
    journal.entries.iter().any(|(n, entry)| *n == number && entry.continues)
}

/// Stores every key; gives the profiles whose key is left where it is, and why. Fails where nobody can tell.
fn store_keys(paths: &Paths, plan: &Plan) -> Result<Vec<(String, String)>, Report> {
    let mut failed = Vec::new();
    for identity in &plan.identities {
        let name = identity.name.to_string();
        let request = match &identity.origin {
            Origin::Key(key) => Request::IdentityAdd {
                name,
                access_key_id: key.id.clone(),
                secret_access_key: key.secret.clone(),
                region: identity.region.clone(),
                replace: false,
                imported: true,
            },
            Origin::Keyring(tool, entry) => Request::IdentityAdopt {
                name,
                tool: match tool {
                    Tool::AwsVault => ForeignTool::AwsVault,
                    Tool::Granted => ForeignTool::Granted,
                },
                entry: entry.clone(),
                region: identity.region.clone(),
            },
            Origin::Machine(_) | Origin::Process(_) | Origin::WebIdentity { .. } => continue,
        };
        match waiting::ask(paths, request, Autostart::Yes) {
            Ok(Answer::Key(_)) => {}
            Ok(_) => return Err(client::odd_answer()),
            // AWS's word about this key, or the vault's about this name: the others may go on.
            Err(report) if matches!(report.kind, Kind::Refused | Kind::Usage) => {
                failed.push((identity.profile.clone(), format!("its key stays in place: {}", report.message)));
            }
            Err(report) => {
                let done = "no file was changed; `rolecall import` again goes on";
                let message = format!("{}: {}", printable(&identity.profile, 128), report.message);
                return Err(Report { message, ..report }.also(done));
            }
        }
    }
    Ok(failed)
}

fn entry(paths: &Paths, survey: &Survey, plan: &Plan, text: &str) -> Entry {
    let file = |path: &std::path::Path, old: &[u8], changes: &[Change]| FileChange {
        path: path.to_path_buf(),
        was_there: path.exists(),
        before: diff::fingerprint(old),
        after: diff::fingerprint(&change::apply(old, changes)),
        changes: changes.to_vec(),
    };
    let files = [
        file(&paths.aws_config, &survey.config, &plan.config),
        file(&paths.aws_credentials, &survey.credentials, &plan.credentials),
    ];
    let mut entry = Entry::new((survey.text.clone(), text.to_owned()), files);
    let new = plan.identities.iter().filter(|identity| !identity.is_there);
    entry.identities = new.map(|identity| identity.name.to_string()).collect();
    entry.roles = plan.roles.iter().filter(|role| !role.is_there).map(|role| role.name.to_string()).collect();
    entry.keys = plan
        .identities
        .iter()
        .filter_map(|identity| match &identity.origin {
            Origin::Key(key) => Some((identity.name.to_string(), Some(key.id.clone()))),
            Origin::Keyring(..) => Some((identity.name.to_string(), None)),
            _ => None,
        })
        .collect();
    entry
}

fn from(paths: &Paths, origin: &Origin) -> (String, Option<String>) {
    match origin {
        Origin::Key(key) => (config_file::shown(&paths.aws_credentials), Some(key.id.clone())),
        Origin::Keyring(tool, entry) => (format!("{}: {}", tool.as_str(), printable(entry, 128)), None),
        Origin::Machine(kind) => ((*kind).to_owned(), None),
        Origin::Process(_) => ("process".to_owned(), None),
        Origin::WebIdentity { .. } => ("web-identity".to_owned(), None),
    }
}

fn shown(paths: &Paths, survey: &Survey, plan: &Plan, text: &str) -> Shown {
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
        diff::unified(&paths.config, survey.text.as_bytes(), text.as_bytes()),
        diff::of_changes(&paths.aws_config, &survey.config, &plan.config),
        diff::of_changes(&paths.aws_credentials, &survey.credentials, &plan.credentials),
    ];
    diffs.retain(|diff| !diff.is_empty());
    Shown {
        step: Step::Plan,
        identities: plan.identities.iter().map(identity).collect(),
        roles: plan
            .roles
            .iter()
            .map(|role| ShownRole {
                name: role.name.to_string(),
                profile: safe(&role.profile),
                source: role.source.to_string(),
                role_arn: role.role_arn.clone(),
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
        diffs,
        kept: Vec::new(),
    }
}

/// Writes the plan for a person.
fn said(plan: &Plan, shown: &Shown, screen: Screen) -> String {
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
        shown.diffs.iter().for_each(|diff| out.push_str(diff));
        out.push('\n');
    }
    let keys = plan.identities.iter().filter(|identity| needs_vault(identity) && !identity.is_there).count();
    let _ = writeln!(
        out,
        "{}, {}; {} served by rolecall; {} left",
        self::keys(keys),
        count(plan.roles.iter().filter(|role| !role.is_there).count(), "role"),
        count(plan.served.len(), "profile"),
        plan.left.len()
    );
    out
}

fn row(profile: &str, what: &str, from: &str) -> Vec<Cell> {
    vec![Cell::plain(profile), Cell::new(Style::Good, what), Cell::new(Style::Dim, from)]
}

fn remarks(shown: &Shown, screen: Screen) -> String {
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

fn nothing(paths: &Paths, plan: &Plan, shown: &Shown) -> String {
    let mut out = remarks(shown, Screen::stdout());
    let file = config_file::shown(&paths.aws_config);
    let done =
        if plan.done > 0 { format!(": rolecall serves {} there", count(plan.done, "profile")) } else { String::new() };
    let _ = writeln!(out, "nothing to take over in {file}{done}");
    out
}

fn finished(paths: &Paths, args: &ImportArgs, plan: &Plan, shown: &Shown, screen: Screen) -> String {
    let mut out = remarks(shown, screen);
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
        keys(moved),
        count(plan.roles.len(), "role"),
        count(plan.served.len(), "profile"),
    );
    for identity in &plan.identities {
        if let Origin::Keyring(tool, entry) = &identity.origin {
            let entry = super::quote::word(entry);
            let command = match tool {
                Tool::AwsVault => format!("aws-vault remove {entry}"),
                Tool::Granted => format!("granted credentials remove {entry}"),
            };
            let _ = writeln!(out, "{} still has its key too; delete it: `{}`", tool.as_str(), printable(&command, 256));
        }
    }
    let example = plan.roles.first().map(|role| role.profile.as_str());
    if let Some(profile) = example.or_else(|| plan.served.first().map(|served| served.profile.as_str())) {
        let _ = writeln!(out, "next: `aws s3 ls --profile {}`", printable(&super::quote::word(profile), 256));
    }
    let _ = writeln!(out, "back: `rolecall import --undo`");
    out
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn keys(number: usize) -> String {
    count(number, "key")
}
