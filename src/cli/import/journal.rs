//! What each import changed, on disk and without a secret: the backup that an undo works from, and the record that a
//! broken-off import is finished by.
//!
//! A file for each import, written before the first change. Of a line with a secret it has what stands around it; the
//! secret is in the vault.

use rolecall_awsfiles::import::change::{Change, Removed};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::files::{self, StateFile};
use rolecall_platform::paths::Paths;
use rolecall_platform::reach;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::PathBuf;

/// The form of the file.
const VERSION: u32 = 1;

/// The largest file that is read.
const SIZE_MAX: u64 = 64 << 20;

/// One import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ImportRecord {
    pub(super) v: u32,
    /// Whether it came to its end.
    pub(super) done: bool,
    /// Whether it goes on with the one before, which was broken off.
    pub(super) continues: bool,
    /// config.toml before and after.
    pub(super) config_toml: (String, String),
    /// The AWS files: the config first.
    pub(super) files: [FileChange; 2],
    /// The identities and roles that were added, in this order.
    pub(super) identities: Vec<String>,
    pub(super) roles: Vec<String>,
    /// The keys that came into the vault: the identity, and the key's id where it came from a file.
    pub(super) keys: Vec<(String, Option<String>)>,
}

/// What becomes of one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FileChange {
    pub(super) path: PathBuf,
    /// Whether there was one.
    pub(super) was_there: bool,
    /// What tells the text before and after from any other.
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) changes: Vec<Change>,
}

/// All imports that were not undone, the oldest first.
pub(super) struct Journal {
    dir: PathBuf,
    pub(super) entries: Vec<(u32, ImportRecord)>,
}

impl ImportRecord {
    pub(super) fn new(config_toml: (String, String), files: [FileChange; 2]) -> Self {
        let (identities, roles, keys) = (Vec::new(), Vec::new(), Vec::new());
        Self { v: VERSION, done: false, continues: false, config_toml, files, identities, roles, keys }
    }

    /// Tells whether it changed nothing.
    fn is_empty(&self) -> bool {
        self.files.iter().all(|file| file.changes.is_empty()) && self.config_toml.0 == self.config_toml.1
    }
}

impl Journal {
    /// Reads what there is.
    pub(super) fn open(paths: &Paths) -> Result<Self, UserError> {
        let dir = paths.state.join("imports");
        reach::ensure_answers(&dir)?;
        let mut entries = Vec::new();
        let names = match fs::read_dir(&dir) {
            Ok(found) => found.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(failed(&dir, &e.to_string())),
        };
        for name in names {
            let Some(number) = name.strip_suffix(".json").and_then(|number| number.parse().ok()) else { continue };
            let path = dir.join(&name);
            let Some(entry) = state_file(path.clone()).load().map_err(|why| failed(&path, &why))? else { continue };
            if !entry.is_empty() {
                entries.push((number, entry));
            }
        }
        entries.sort_by_key(|(number, _)| *number);
        Ok(Self { dir, entries })
    }

    /// Writes down an import that begins; gives its number.
    pub(super) fn begin(&mut self, paths: &Paths, mut entry: ImportRecord) -> Result<u32, UserError> {
        let last = self.entries.last();
        entry.continues = last.is_some_and(|(_, last)| !last.done);
        let number = last.map_or(1, |(number, _)| number + 1);
        files::ensure_private_dir(&paths.state)?;
        files::ensure_private_dir(&self.dir)?;
        files::clear_leftovers(&self.path(number));
        self.write(number, &entry)?;
        self.entries.push((number, entry));
        Ok(number)
    }

    /// Writes an import down anew.
    pub(super) fn put(&mut self, number: u32, entry: ImportRecord) -> Result<(), UserError> {
        self.write(number, &entry)?;
        if let Some(there) = self.entries.iter_mut().find(|(n, _)| *n == number) {
            there.1 = entry;
        }
        Ok(())
    }

    /// Takes note that nothing of any import is left to do.
    pub(super) fn finish(&mut self) -> Result<(), UserError> {
        if let Some((number, entry)) = self.entries.last().filter(|(_, entry)| !entry.done).cloned() {
            self.put(number, ImportRecord { done: true, ..entry })?;
        }
        Ok(())
    }

    /// Takes note that an undo begins: an import after one that was broken off goes on with what it left.
    pub(super) fn reopen(&mut self) -> Result<(), UserError> {
        if let Some((number, entry)) = self.entries.last().filter(|(_, entry)| entry.done).cloned() {
            self.put(number, ImportRecord { done: false, ..entry })?;
        }
        Ok(())
    }

    /// Gives the last import and those that it goes on with, the newest first.
    pub(super) fn last(&self) -> Vec<(u32, ImportRecord)> {
        let mut found = Vec::new();
        for (number, entry) in self.entries.iter().rev() {
            found.push((*number, entry.clone()));
            if !entry.continues {
                break;
            }
        }
        found
    }

    /// Forgets an import that was undone.
    pub(super) fn forget(&self, number: u32) -> Result<(), UserError> {
        let path = self.path(number);
        fs::remove_file(&path).map_err(|e| failed(&path, &e.to_string()))
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{number:04}.json"))
    }

    fn write(&self, number: u32, entry: &ImportRecord) -> Result<(), UserError> {
        let path = self.path(number);
        let changes = entry.files.iter().flat_map(|file| &file.changes);
        if changes.flat_map(|change| &change.removed).any(Removed::has_secret) {
            return Err(UserError::new(
                Kind::Failed,
                "a secret would stand in the journal of imports; nothing was written",
            )
            .hint("name the profiles that are to be taken over one by one: `rolecall import --only NAME`"));
        }
        Ok(state_file(path).save(entry)?)
    }
}

fn state_file(path: PathBuf) -> StateFile<ImportRecord> {
    StateFile::new(path, SIZE_MAX, VERSION)
}

fn failed(path: &std::path::Path, why: &str) -> UserError {
    UserError::new(Kind::Failed, format!("the journal of imports {}: {why}", path.display()))
        .hint("look at the file; without it, an import cannot be undone")
}
