//! `import`: what ~/.aws has becomes rolecall's; first the plan, then, after a yes, the keys, config.toml and both files.
//!
//! The order is safe to break off anywhere: keys are tried, stored and read back; config.toml names them; the config file
//! asks rolecall; only then do the keys go from the credentials file. What comes next time begins by looking at what is
//! there. What it changed rests in a journal without any secret, which `--undo` works from.

mod discover;
mod journal;
mod report;
mod undo;

use super::args::ImportArgs;
use super::output::{self, Failure, Screen};
use super::{config_file, confirm, spinner, unlock};
use discover::Discovered;
use journal::{FileChange, ImportRecord, Journal};
pub(super) use report::ImportView;
use report::{ImportProgress, ShownWarning, finished, nothing, said};
use rolecall_awsfiles::file_io;
use rolecall_awsfiles::import::change::{self, Change, fingerprint};
use rolecall_awsfiles::import::{NewIdentity, Origin, Plan};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_platform::files;
use rolecall_platform::paths::Paths;

/// Does what was typed.
pub(super) fn run(paths: &Paths, args: &ImportArgs) -> Result<(), Failure> {
    if args.undo {
        return undo::run(paths, args);
    }
    let mut journal = Journal::open(paths)?;
    let mut survey = Discovered::look(paths, args)?;
    survey.know(args)?;
    let (plan, text) = planned(&mut survey, paths, args)?;
    if plan.is_empty() {
        if !args.dry_run {
            // What a killed undo left may hold the keys that this import finds in the vault.
            clear_leftovers(paths);
        }
        if args.only.is_empty() && !args.config_only {
            journal.finish()?;
        }
        let mut shown = report::shown(paths, &survey, &plan, &text);
        shown.step = ImportProgress::Nothing;
        if args.json {
            return output::print_json(&shown);
        }
        return output::print(&nothing(paths, &plan, &shown));
    }
    let shown = report::shown(paths, &survey, &plan, &text);
    if !args.json {
        output::print(&said(&plan, &shown, Screen::stdout()))?;
    }
    if args.dry_run {
        return if args.json { output::print_json(&shown) } else { output::print("nothing was changed\n") };
    }
    if !args.yes {
        let hint = "do it: `rolecall import --yes`; only look: `rolecall import --dry-run`";
        confirm::ensure_possible(args.json, "an import changes files", hint)?;
        if !confirm::consent("Take them over?")? {
            return output::print("nothing was changed\n");
        }
    }
    if confirm::is_possible() && plan.identities.iter().any(needs_vault) {
        unlock::ready_vault(paths)?;
    }
    let mut warnings = Vec::new();
    let (plan, text) = apply(paths, args, &mut survey, &mut journal, (plan, text), &mut warnings)?;
    let mut done = report::shown(paths, &survey, &plan, &text);
    done.warnings = warnings;
    if plan.is_empty() {
        // No key worked. Whoever reads the exit code alone must not take that for done.
        let why = plan.left.first().map_or("", |left| left.reason.as_str());
        let message = format!("nothing was taken over: {}", printable(why, 512));
        return Err(UserError::new(Kind::Refused, message)
            .hint("`rolecall import --dry-run` lists every profile")
            .into());
    }
    done.step = ImportProgress::Done;
    if args.json {
        return output::print_json(&done);
    }
    output::print(&finished(paths, args, &plan, &done, Screen::stdout()))
}

fn planned(survey: &mut Discovered<'_>, paths: &Paths, args: &ImportArgs) -> Result<(Plan, String), UserError> {
    let (mut plan, text) = survey.plan(paths)?;
    if args.config_only {
        (plan.config, plan.credentials) = (Vec::new(), Vec::new());
    }
    Ok((plan, text))
}

/// Removes what a kill has left of writes to the AWS files.
fn clear_leftovers(paths: &Paths) {
    files::clear_leftovers(&paths.aws_config);
    files::clear_leftovers(&paths.aws_credentials);
}

fn needs_vault(identity: &NewIdentity) -> bool {
    identity.origin.kind().facts().has_stored_key
}

/// Does it all; gives the plan as it was done, without what failed, and adds what a person should know of the keys.
fn apply(
    paths: &Paths,
    args: &ImportArgs,
    survey: &mut Discovered<'_>,
    journal: &mut Journal,
    (mut plan, mut text): (Plan, String),
    warnings: &mut Vec<ShownWarning>,
) -> Result<(Plan, String), Failure> {
    survey.still_holds(paths)?;
    for (path, changes) in [(&paths.aws_config, &plan.config), (&paths.aws_credentials, &plan.credentials)] {
        // Before a key goes into the vault: half of an import would be the first and not the last step.
        if !changes.is_empty() {
            file_io::verify(path)?;
        }
    }
    clear_leftovers(paths);
    let number = journal.begin(paths, entry(paths, survey, &plan, &text))?;
    if !args.config_only {
        // Whoever stands on a key that does not work stays; then others may have other names.
        loop {
            warnings.clear();
            let failed = store_keys(paths, &plan, warnings)?;
            if failed.is_empty() {
                break;
            }
            survey.excluded.extend(failed);
            (plan, text) = planned(survey, paths, args)?;
            if plan.is_empty() {
                // Nothing was done: an undo must not find this one in front of the import that it is to undo.
                journal.forget(number)?;
                return Ok((plan, text));
            }
            journal.put(
                number,
                ImportRecord { continues: continues(journal, number), ..entry(paths, survey, &plan, &text) },
            )?;
        }
    }
    let go_on = |report: UserError| report.with_note("`rolecall import` again goes on where this ended");
    survey.still_holds(paths)?;
    survey.file.write(&text)?;
    config_file::reload(paths).map_err(go_on)?;
    for (path, old, changes) in [
        (&paths.aws_config, &survey.config, &plan.config),
        (&paths.aws_credentials, &survey.credentials, &plan.credentials),
    ] {
        file_io::write_unbacked(path, old, &change::apply(old, changes)).map_err(go_on)?;
    }
    journal.finish()?;
    Ok((plan, text))
}

fn continues(journal: &Journal, number: u32) -> bool {
    journal.entries.iter().any(|(n, entry)| *n == number && entry.continues)
}

/// Stores every key; gives the profiles whose key is left where it is, and why. Fails where nobody can tell. A key that
/// is stored can have warnings.
fn store_keys(
    paths: &Paths,
    plan: &Plan,
    warnings: &mut Vec<ShownWarning>,
) -> Result<Vec<(String, String)>, UserError> {
    let mut failed = Vec::new();
    for identity in &plan.identities {
        let name = identity.name.to_string();
        let request = match &identity.origin {
            Origin::Key(key) => Request::IdentityAdd {
                name,
                access_key_id: key.id.clone(),
                secret_access_key: key.secret.clone(),
                region: identity.region.clone(),
                arns: arns(plan, identity),
                replace: false,
                imported: true,
            },
            Origin::Keyring(tool, entry) => Request::IdentityAdopt {
                name,
                tool: *tool,
                entry: entry.clone(),
                region: identity.region.clone(),
                arns: arns(plan, identity),
            },
            Origin::Machine(_) | Origin::Process(_) | Origin::WebIdentity { .. } => continue,
        };
        match spinner::ask(paths, request, Autostart::Yes) {
            Ok(Answer::Key(key)) => {
                warnings.extend(key.warnings.iter().map(|warning| ShownWarning::new(&identity.profile, warning)));
            }
            Ok(_) => return Err(client::odd_answer()),
            // AWS's word about this key, or the vault's about this name: the others may go on.
            Err(report) if matches!(report.kind, Kind::Refused | Kind::Usage) => {
                failed.push((identity.profile.clone(), format!("its key stays in place: {}", report.message)));
            }
            Err(report) => {
                let done = "no file was changed; `rolecall import` again goes on";
                let message = format!("{}: {}", printable(&identity.profile, 128), report.message);
                return Err(UserError { message, ..report }.with_note(done));
            }
        }
    }
    Ok(failed)
}

/// Returns the ARNs that tell the partition of an identity: its MFA device, and the roles that it is the source of.
fn arns(plan: &Plan, identity: &NewIdentity) -> Vec<String> {
    let roles = plan.roles.iter().filter(|role| role.source == identity.name).map(|role| role.section.role_arn.clone());
    identity.mfa_serial.clone().into_iter().chain(roles.take(1)).collect()
}

fn entry(paths: &Paths, survey: &Discovered<'_>, plan: &Plan, text: &str) -> ImportRecord {
    let file = |path: &std::path::Path, old: &[u8], changes: &[Change]| FileChange {
        path: path.to_path_buf(),
        was_there: path.exists(),
        before: fingerprint(old),
        after: fingerprint(&change::apply(old, changes)),
        changes: changes.to_vec(),
    };
    let files = [
        file(&paths.aws_config, &survey.config, &plan.config),
        file(&paths.aws_credentials, &survey.credentials, &plan.credentials),
    ];
    let mut entry = ImportRecord::new((survey.file.text.clone(), text.to_owned()), files);
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
