//! The configuration in use: the last catalogue that held, and why what is on disk is not taken over if it is not.
//!
//! Each access to a file has a deadline: a file that does not answer is a file that cannot be read, and the configuration
//! that was read last stays in use.

use rolecall_core::config;
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::Plan;
use rolecall_platform::config_loader::{FileState, Snapshot};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The configuration file and what was made of it.
pub(super) struct ActiveConfig {
    file: PathBuf,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// What was read last, of all files; `None` before that.
    seen: Option<FileState>,
    catalogue: Arc<Config>,
    problem: Option<UserError>,
    /// Plans are made when they are first asked for: ten thousand roles are a file, not a day's work.
    plans: HashMap<String, Arc<Plan>>,
}

impl ActiveConfig {
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_path_buf(), state: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files again; blocks. `None` when they say what they said before; else the new catalogue, or why the old one stays.
    pub(super) fn reload(&self) -> Option<Result<Arc<Config>, UserError>> {
        let look = Snapshot::default();
        if self.read().seen.as_ref().is_some_and(|seen| look.is_as(seen)) {
            return None;
        }
        // Parsed outside the lock: a request meanwhile is served by the old catalogue.
        let parsed = match look.gap(&self.file) {
            // An editor that has moved the file away or emptied it is about to write it; a full disk leaves it empty. Neither
            // is a wish to forget every role and its session.
            Some(what) if !self.catalogue().is_empty() => Err(self.missing(what)),
            _ => config::load(&self.file, &look).map(|loaded| loaded.catalogue).map_err(|e| e.report()),
        };
        let mut state = self.write();
        state.seen = Some(look.into_seen());
        Some(match parsed {
            Ok(catalogue) => {
                state.catalogue = Arc::new(catalogue);
                state.plans.clear();
                state.problem = None;
                Ok(Arc::clone(&state.catalogue))
            }
            Err(report) => {
                state.problem = Some(report.clone());
                Err(report)
            }
        })
    }

    /// Gives the files and directories whose change could change it.
    pub(super) fn paths(&self) -> BTreeSet<PathBuf> {
        let state = self.read();
        let seen = state.seen.iter().flat_map(FileState::paths).map(Path::to_path_buf);
        seen.chain([self.file.clone()]).collect()
    }

    fn missing(&self, what: &str) -> UserError {
        UserError::new(Kind::Config, format!("{} {what}", self.file.display()))
            .hint("what it said last stays in use; `rolecall agent restart` does without it")
    }

    /// Gives the catalogue in use.
    pub(super) fn catalogue(&self) -> Arc<Config> {
        Arc::clone(&self.read().catalogue)
    }

    /// Gives what is wrong with the file on disk.
    pub(super) fn problem(&self) -> Option<UserError> {
        self.read().problem.clone()
    }

    /// Gives the plan of a name.
    pub(super) fn plan(&self, name: &str) -> Result<Arc<Plan>, UserError> {
        let catalogue = {
            let state = self.read();
            if let Some(plan) = state.plans.get(name) {
                return Ok(Arc::clone(plan));
            }
            Arc::clone(&state.catalogue)
        };
        let plan = Arc::new(Plan::of(&catalogue, name)?);
        let mut state = self.write();
        // A reload may have come between; a plan of the old catalogue is then used once and not remembered.
        if Arc::ptr_eq(&state.catalogue, &catalogue) {
            state.plans.insert(name.to_owned(), Arc::clone(&plan));
        }
        Ok(plan)
    }
}
