//! Notices that an older vault file took the place of the last one.
//!
//! Each write of the vault counts up a number in the sealed text, the generation. The state directory remembers the newest
//! generation that was opened here. A smaller one, or another vault, is a restored backup, or somebody's old copy with keys
//! that were replaced since: the agent serves it with a warning, until a person accepts it. Whoever can write both files is
//! not noticed.

use crate::domain::report::{Kind, Report};
use crate::files::StateFile;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The form of the record.
const VERSION: u32 = 1;

/// The record has some 100 bytes.
const FILE_MAX: u64 = 4096;

/// The newest vault that was opened here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    v: u32,
    /// The salt, which a vault keeps for life.
    vault: String,
    generation: u64,
    /// Whether an older file, or another vault, was opened since and not accepted.
    #[serde(default)]
    rolled_back: bool,
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
    /// The vault that was opened last.
    current: Option<Record>,
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
                Ok(record) => (known.newest, known.is_writable) = (record, true),
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
        let is_older = newest.is_some_and(|newest| newest.vault != vault || newest.generation > generation);
        let mut known = self.known();
        let opened = Record { v: VERSION, vault, generation, rolled_back: false };
        known.current = Some(opened.clone());
        let kept = match known.newest.clone() {
            None => opened,
            Some(newest) if is_older => Record { rolled_back: true, ..newest },
            Some(newest) if newest.vault == opened.vault && newest.generation < opened.generation => {
                Record { rolled_back: newest.rolled_back, ..opened }
            }
            Some(newest) => newest,
        };
        self.keep(&mut known, kept);
    }

    /// Makes a vault the newest one: a person has made or accepted it.
    pub(super) fn begin(&self, vault: String, generation: u64) {
        let mut known = self.known();
        let record = Record { v: VERSION, vault, generation, rolled_back: false };
        known.current = Some(record.clone());
        self.keep(&mut known, record);
    }

    fn keep(&self, known: &mut Known, record: Record) {
        if known.newest.as_ref() == Some(&record) {
            return;
        }
        if known.is_writable {
            known.problem = self.file.save(&record).err().map(|report| report.message);
        }
        known.newest = Some(record);
    }

    /// Returns what a person should know.
    pub(super) fn warning(&self, vault_file: &Path) -> Option<Report> {
        // Not loaded here: this is asked on the way of every `status`, and before an unlock there is nothing to compare.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let path = vault_file.display();
        if let (Some(newest), Some(current)) = (known.newest.as_ref().filter(|it| it.rolled_back), &known.current) {
            let which = if newest.vault == current.vault { "is older than" } else { "is another one than" };
            let message = format!("the vault file {path} {which} the last one that was opened");
            return Some(Report::new(Kind::Failed, message).hint(
                "if you restored a backup, accept it: `rolecall unlock --vault --accept-restored`; \
                 if not, put the newer file back: keys in this one may have been replaced",
            ));
        }
        let why = known.problem.as_ref()?;
        let message = format!("an older vault file would not be noticed: {}: {why}", self.file.path().display());
        let hint = format!("look at the file: `ls -l {}`", self.file.path().display());
        Some(Report::new(Kind::Failed, message).hint(hint))
    }
}
