//! `import --undo`: both AWS files as they were, keys included, and config.toml without what came into it.
//!
//! The keys come back out of the vault, which gives only those that an import put there. Files go first and the vault last,
//! so that at every moment each key is somewhere. What was changed since is looked for line by line; where a piece
//! cannot be found nothing is done, and it is said what to do by hand.

use super::journal::{ImportRecord, Journal};
use super::report::{ImportProgress, ImportView};
use crate::args::ImportArgs;
use crate::config_file::{self, Edited};
use crate::confirm;
use crate::output::{self, Failure};
use crate::spinner::tell;
use rolecall_awsfiles::import::change::{self, Change, fingerprint};
use rolecall_awsfiles::{diff, file_io};
use rolecall_core::config::{self, EditTarget as _};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::secret::SecretKey;
use rolecall_ipc::client::{self, Autostart};
use rolecall_ipc::protocol::message::{Answer, Context, Request};
use rolecall_platform::paths::Paths;
use std::collections::BTreeMap;
use std::fmt::Write;
use zeroize::Zeroizing;

/// Undoes the last import.
pub(super) fn run(paths: &Paths, args: &ImportArgs) -> Result<(), Failure> {
    let mut journal = Journal::open(paths)?;
    let entries = journal.last();
    if entries.is_empty() {
        return Err(UserError::new(Kind::Usage, "there is no import to undo")
            .hint("`rolecall import` makes one")
            .into());
    }
    let placeholder = |_: &str| Some(Zeroizing::new("********".to_owned()));
    let files = Files::read(&entries)?;
    let (shown_texts, lost) = files.back(&entries, &placeholder)?;
    if !lost.is_empty() {
        return Err(by_hand(&lost).into());
    }
    let file = Edited::first(paths)?;
    let (new_text, kept) = config_back(&file, &entries);
    let keys = wanted(&files, &entries);
    let mut diffs = vec![diff::unified(&paths.config, file.text.as_bytes(), new_text.as_bytes())];
    for ((path, text, _), back) in files.0.iter().zip(&shown_texts) {
        diffs.push(diff::unified(path, text, back));
    }
    diffs.retain(|diff| !diff.is_empty());
    let mut said = String::new();
    if !args.json {
        said.push_str(&diffs.concat());
        for (identity, id) in &keys {
            let _ = writeln!(said, "{} of {identity} goes back into a file, in PLAIN TEXT", printable(id, 128));
        }
        output::print(&said)?;
    }
    let mut result = ImportView::default();
    (result.step, result.diffs) = (ImportProgress::Plan, diffs);
    if args.dry_run {
        return if args.json { output::print_json(&result) } else { output::print("nothing was changed\n") };
    }
    if !args.yes {
        let hint = "run it in a terminal; `--yes` answers for the files, and for no key that goes back";
        confirm::ensure_possible(false, "an undo changes files", hint)?;
        // For each key the agent asks itself.
        if keys.is_empty() && !confirm::consent("Undo the import?")? {
            return output::print("nothing was changed\n");
        }
        crate::unlock::ready_vault(paths)?;
    }
    for (path, ..) in files.0.iter().filter(|(path, ..)| !file_io::is_null_device(path)) {
        file_io::verify(path)?;
    }
    super::clear_leftovers(paths);
    let secrets = take_back(paths, &keys)?;
    let secret_of = |identity: &str| secrets.get(identity).map(|key| Zeroizing::new(key.expose().to_owned()));
    let (texts, _) = files.back(&entries, &secret_of)?;
    journal.reopen()?;
    // The credentials file first: with its keys, tools work whatever the others say.
    for at in [1, 0] {
        let (path, old, was_there) = &files.0[at];
        if let Err(report) = file_io::write_unbacked(path, old, &texts[at]) {
            if at == 1 {
                // Nothing was changed: what is imported next is an import of its own.
                journal.finish()?;
            }
            return Err(report.into());
        }
        if !was_there && texts[at].is_empty() && path.is_file() {
            // It was made by the import.
            let _ = std::fs::remove_file(path);
        }
    }
    file.write(&new_text)?;
    let is_made_by_import = entries.last().is_some_and(|(_, oldest)| oldest.config_toml.0.is_empty());
    if new_text.is_empty() && is_made_by_import && paths.config.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        // There was none, or one with nothing in it, which means the same.
        let _ = std::fs::remove_file(&paths.config);
    }
    config_file::reload(paths)?;
    let left = config_file::load(paths)?;
    for (identity, _) in entries.iter().flat_map(|(_, entry)| &entry.keys) {
        if !left.identities.contains_key(identity.as_str()) {
            tell(paths, Request::IdentityRemove { name: identity.clone() }, Autostart::Yes)?;
        }
    }
    for (number, _) in &entries {
        journal.forget(*number)?;
    }
    result.step = ImportProgress::Undone;
    result.kept = kept;
    if args.json {
        return output::print_json(&result);
    }
    let mut out = String::from("what the import changed is taken back; what was changed later stays\n");
    for name in &result.kept {
        let _ = writeln!(out, "kept: {} was changed since, or something else stands on it", printable(name, 128));
    }
    if !keys.is_empty() {
        let _ = writeln!(
            out,
            "{} in plain text again; `rolecall import` takes them back",
            output::count(keys.len(), "key")
        );
    }
    output::print(&out)
}

/// Takes the keys from the agent, each of which asks a person before it returns one.
fn take_back(paths: &Paths, keys: &BTreeMap<String, String>) -> Result<BTreeMap<String, SecretKey>, UserError> {
    let mut secrets = BTreeMap::new();
    for (identity, id) in keys {
        let request = Request::IdentityTakeBack { name: identity.clone(), access_key_id: id.clone() };
        match client::ask(paths, request, Context::from_env(), Autostart::Yes)
            .map_err(|report| report.with_note("nothing was changed"))?
        {
            Answer::AccessKey { secret_access_key, .. } => drop(secrets.insert(identity.clone(), secret_access_key)),
            _ => return Err(client::odd_answer()),
        }
    }
    Ok(secrets)
}

/// Both AWS files: path, text, whether there was one before the import.
struct Files(Vec<(std::path::PathBuf, Zeroizing<Vec<u8>>, bool)>);

impl Files {
    fn read(entries: &[(u32, ImportRecord)]) -> Result<Self, UserError> {
        let Some((_, oldest)) = entries.last() else { return Ok(Self(Vec::new())) };
        let read = |at: usize| {
            let file = &oldest.files[at];
            let text = file_io::read(&file.path)?;
            Ok::<_, UserError>((file.path.clone(), text, file.was_there))
        };
        Ok(Self(vec![read(0)?, read(1)?]))
    }

    /// Gives the texts as they were, and what cannot be found to be put back.
    #[expect(clippy::type_complexity, reason = "two texts, and the pieces that are lost")]
    fn back(
        &self,
        entries: &[(u32, ImportRecord)],
        secret_of: &change::SecretOf<'_>,
    ) -> Result<(Vec<Zeroizing<Vec<u8>>>, Vec<(String, Change)>), UserError> {
        let no_secret = |identity: String| {
            UserError::new(Kind::Failed, format!("the vault gave no key of {}", printable(&identity, 128)))
        };
        let (mut texts, mut lost) = (Vec::new(), Vec::new());
        for (at, (path, text, _)) in self.0.iter().enumerate() {
            let mut text = text.clone();
            for (_, entry) in entries {
                let file = &entry.files[at];
                let now = fingerprint(&text);
                if now == file.before {
                    continue;
                }
                if now == file.after {
                    text = change::revert(&text, &file.changes, secret_of).map_err(no_secret)?;
                    continue;
                }
                let (found, missing) = change::revert_found(&text, &file.changes, secret_of).map_err(no_secret)?;
                let name = config_file::shown(path);
                lost.extend(missing.into_iter().map(|at| (name.clone(), file.changes[at].clone())));
                text = found;
            }
            texts.push(text);
        }
        Ok((texts, lost))
    }
}

/// Names the keys that go back: those whose lines are not there.
fn wanted(files: &Files, entries: &[(u32, ImportRecord)]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (at, (_, text, _)) in files.0.iter().enumerate() {
        let now = fingerprint(text);
        if entries.iter().any(|(_, entry)| entry.files[at].before == now && entry.files[at].after != now) {
            continue;
        }
        for (_, entry) in entries {
            let of = entry.files[at].changes.iter().flat_map(|change| &change.removed);
            for identity in of.filter_map(|line| line.secret_of.as_ref()) {
                let id = entry.keys.iter().find(|(name, _)| name == identity).and_then(|(_, id)| id.clone());
                found.extend(id.map(|id| (identity.clone(), id)));
            }
        }
    }
    found
}

/// Takes what was added out of config.toml; gives the names that stay, since they were changed or are in use.
fn config_back(file: &Edited<'_>, entries: &[(u32, ImportRecord)]) -> (String, Vec<String>) {
    let (mut text, mut kept) = (file.text.clone(), Vec::new());
    let first = file.part();
    for (_, entry) in entries {
        if text == entry.config_toml.1 {
            text.clone_from(&entry.config_toml.0);
            continue;
        }
        if text == entry.config_toml.0 {
            continue;
        }
        let read = |text: &str| first.load(text).map(|loaded| loaded.catalogue).unwrap_or_default();
        let (as_added, now) = (read(&entry.config_toml.1), read(&text));
        for name in entry.roles.iter().rev().filter(|name| now.roles.contains_key(name.as_str())) {
            let is_same = now.roles.get(name.as_str()) == as_added.roles.get(name.as_str());
            match config::remove(config::EntryKind::Roles, &text, &first, name).ok().filter(|_| is_same) {
                Some(without) => text = without,
                None => kept.push(name.clone()),
            }
        }
        for name in entry.identities.iter().rev().filter(|name| now.identities.contains_key(name.as_str())) {
            let is_same = now.identities.get(name.as_str()) == as_added.identities.get(name.as_str());
            match config::remove(config::EntryKind::Identities, &text, &first, name).ok().filter(|_| is_same) {
                Some(without) => text = without,
                None => kept.push(name.clone()),
            }
        }
    }
    (text, kept)
}

fn by_hand(lost: &[(String, Change)]) -> UserError {
    let (file, first) = &lost[0];
    let place = match first.header.trim() {
        "" => first.removed.first().or(None).map_or("a new section", |line| line.head.trim()),
        header => header,
    };
    let more = if lost.len() > 1 { format!(" and {} more places", lost.len() - 1) } else { String::new() };
    let place = printable(place, 128);
    UserError::new(Kind::Failed, format!("{file}: {place}{more} was changed since the import; nothing was changed")).hint(
        format!("change {place} back to what `rolecall import` made of it, or edit the file by hand: `rolecall profiles sync` tells what is in the way"),
    )
}
