//! Notices that an older vault file took the place of the last one.
//!
//! Each write of the vault counts up a number in the sealed text, the generation. The state directory remembers the newest
//! generation that was opened here. A smaller one, or another vault, is a restored backup, or somebody's old copy with keys
//! that were replaced since: the agent serves it with a warning, until a person accepts it or puts the newer file back.
//! Whoever can write both files is not noticed.
//!
//! A write after a rollback takes a number that no file had before. So the newest generation is the number of one file
//! only, and that file ends the warning.

use crate::clock::SystemClock;
use chrono::{DateTime, Utc};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::files::StateFile;
use rolecall_ports::Clock;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The form of the record.
const VERSION: u32 = 1;

/// The record has some 200 bytes.
const FILE_MAX: u64 = 4096;

/// The newest vault that was opened here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    v: u32,
    /// The salt, which a vault keeps for life.
    vault: String,
    generation: u64,
    /// The largest generation of this vault that was seen, which a write after a rollback may have made.
    #[serde(default)]
    highest: u64,
    /// The rollback that was neither accepted nor undone.
    #[serde(default)]
    replaced: Option<Replaced>,
    /// The same of a version that did not note when.
    #[serde(default, skip_serializing)]
    rolled_back: bool,
}

/// An older file, or another vault, in the place of the newest one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Replaced {
    /// When it was opened first.
    at: DateTime<Utc>,
    /// Whether it was an older file of the same vault.
    is_older: bool,
}

impl Record {
    fn new(vault: String, generation: u64) -> Self {
        Self { v: VERSION, vault, generation, highest: generation, replaced: None, rolled_back: false }
    }

    /// Dates the rollback that an earlier version has noted; it noted older files of the same vault only.
    fn dated(self, now: DateTime<Utc>) -> Self {
        let undated = self.rolled_back.then_some(Replaced { at: now, is_older: true });
        Self { replaced: self.replaced.or(undated), rolled_back: false, ..self }
    }

    /// Whether a file is the newest one, or one that followed it.
    fn is_followed_by(&self, vault: &str, generation: u64) -> bool {
        let is_later = self.replaced.is_none() && generation > self.highest.max(self.generation);
        self.vault == vault && (generation == self.generation || is_later)
    }
}

/// Compares each vault that is opened with the newest one.
pub(super) struct RollbackGuard {
    file: StateFile<Record>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    is_loaded: bool,
    /// Whether the record may be written: one that cannot be read may be of a later version.
    is_writable: bool,
    newest: Option<Record>,
    /// Why the record cannot be kept.
    problem: Option<String>,
}

impl RollbackGuard {
    /// Names the record; nothing is read yet.
    pub(super) fn new(record: PathBuf) -> Self {
        Self { file: StateFile::new(record, FILE_MAX, VERSION), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_loaded {
            known.is_loaded = true;
            match self.file.load() {
                Ok(record) => {
                    let record = record.map(|record: Record| record.dated(SystemClock.now().wall));
                    (known.newest, known.is_writable) = (record, true);
                }
                Err(why) => known.problem = Some(why),
            }
        }
        known
    }

    /// Returns the newest vault. It is taken before the file is read: another thread may write in between, and a file that
    /// is read later is never older than this, unless it was exchanged.
    pub(super) fn newest(&self) -> Option<Record> {
        self.known().newest.clone()
    }

    /// Compares a vault that was read with the newest one before it was read.
    pub(super) fn opened(&self, newest: Option<&Record>, vault: String, generation: u64) {
        let is_expected = newest.is_none_or(|newest| newest.is_followed_by(&vault, generation));
        let mut known = self.known();
        let kept = match known.newest.clone() {
            None => Record::new(vault, generation),
            Some(newest) if !is_expected => {
                let is_same = newest.vault == vault;
                let highest = if is_same { newest.highest.max(generation) } else { newest.highest };
                let now =
                    || Replaced { at: SystemClock.now().wall, is_older: is_same && generation < newest.generation };
                Record { highest, replaced: newest.replaced.clone().or_else(|| Some(now())), ..newest }
            }
            Some(newest) if newest.vault == vault && newest.generation == generation => {
                Record { replaced: None, ..newest }
            }
            Some(newest) if newest.is_followed_by(&vault, generation) => Record::new(vault, generation),
            // Another thread has written since this file was read.
            Some(newest) => newest,
        };
        self.keep(&mut known, kept);
    }

    /// Makes a vault the newest one: a person has made or accepted it.
    pub(super) fn begin(&self, vault: String, generation: u64) {
        self.keep(&mut self.known(), Record::new(vault, generation));
    }

    /// Returns the generation of the next write of a vault: a number that no file of this vault had before.
    pub(super) fn next(newest: Option<&Record>, vault: &str, generation: u64) -> u64 {
        let seen = newest.filter(|newest| newest.vault == vault).map(|newest| newest.highest.max(newest.generation));
        seen.unwrap_or(0).max(generation).saturating_add(1)
    }

    fn keep(&self, known: &mut Known, record: Record) {
        if known.newest.as_ref() == Some(&record) {
            return;
        }
        if known.is_writable {
            known.problem = self.file.save(&record).err().map(|error| error.to_string());
        }
        known.newest = Some(record);
    }

    /// Returns what a person should know.
    pub(super) fn warning(&self, vault_file: &Path) -> Option<UserError> {
        // Not loaded here: this is asked on the way of every `status`, and before an unlock there is nothing to compare.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let path = vault_file.display();
        if let Some(Replaced { at, is_older }) = known.newest.as_ref().and_then(|newest| newest.replaced.as_ref()) {
            let which = if *is_older { "older than" } else { "another one than" };
            let at = at.format("%Y-%m-%d %H:%M UTC");
            let message = format!("at {at} the vault file {path} was {which} the last one that was opened");
            return Some(UserError::new(Kind::Failed, message).hint(
                "if you restored a backup, accept it: `rolecall unlock --vault --accept-restored`; \
                 if not, put the newer file back: keys in this one may have been replaced",
            ));
        }
        let why = known.problem.as_ref()?;
        let message = format!("an older vault file would not be noticed: {}: {why}", self.file.path().display());
        let hint = format!("look at the file: `ls -l {}`", self.file.path().display());
        Some(UserError::new(Kind::Failed, message).hint(hint))
    }
}
