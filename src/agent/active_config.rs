//! The configuration in use: the last catalogue that held, and why what is on disk is not taken over if it is not.
//!
//! Each access to a file has a deadline: a file that does not answer is a file that cannot be read, and the configuration
//! that was read last stays in use.

use rolecall_core::config;
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::Plan;
use rolecall_platform::blocking::RELOAD;
use rolecall_platform::config_loader::{FileState, Snapshot};
use rolecall_platform::panics::Guard;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// How long a request waits for the configuration to be read again before it goes on with the one in use.
const RELOAD_DEADLINE: Duration = Duration::from_secs(4);

/// What was read: a configuration that is in use from now on, or why the one before stays in use.
pub(super) type Reloaded = Result<Arc<Config>, UserError>;

/// The configuration file and what was made of it.
pub(super) struct ActiveConfig {
    file: PathBuf,
    state: RwLock<State>,
    /// Held while the configuration is read and applied: two reloads at once could end with the older one.
    reloading: Mutex<()>,
    /// Applies what was read to the rest of the agent.
    apply: Box<dyn Fn(&Reloaded) + Send + Sync>,
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
    /// Reads the configuration for the first time; blocks. Each change is passed to `apply`. An invalid configuration does
    /// not stop the agent: every answer names the problem, and the file is read again when it has changed.
    pub(super) fn new(file: &Path, apply: impl Fn(&Reloaded) + Send + Sync + 'static) -> Arc<Self> {
        let (state, reloading) = Default::default();
        let config = Arc::new(Self { file: file.to_path_buf(), state, reloading, apply: Box::new(apply) });
        config.reload_here();
        config
    }

    /// Reads the files again; without a change this costs nothing. A caller does not wait longer than the deadline; the
    /// reading goes on.
    pub(super) async fn reload(self: &Arc<Self>) {
        self.on_reload_lane(Self::reload_here).await;
    }

    /// Runs a job on a thread that may block, with the configuration in use and not while another one is applied.
    pub(super) async fn between_reloads(self: &Arc<Self>, job: impl FnOnce(&Config) + Send + 'static) {
        self.on_reload_lane(|config| {
            let _one_at_a_time = config.reloading.guard();
            job(&config.catalogue());
        })
        .await;
    }

    async fn on_reload_lane(self: &Arc<Self>, job: impl FnOnce(&Self) + Send + 'static) {
        let config = Arc::clone(self);
        if let Err(error) = RELOAD.run(self.file.display().to_string(), RELOAD_DEADLINE, move || job(&config)).await {
            tracing::warn!(%error, "the configuration is not read again");
        }
    }

    fn reload_here(&self) {
        let _one_at_a_time = self.reloading.guard();
        if let Some(reloaded) = self.read_files() {
            (self.apply)(&reloaded);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files again; blocks. `None` when they say what they said before; else the new catalogue, or why the old one stays.
    fn read_files(&self) -> Option<Reloaded> {
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

    /// Finds the plan of a name. The files are read again if the name is unknown: it may have been added a moment ago.
    pub(super) async fn find_plan(self: &Arc<Self>, name: &str) -> Result<Arc<Plan>, UserError> {
        if let Ok(plan) = self.plan(name) {
            return Ok(plan);
        }
        self.reload().await;
        self.plan(name).map_err(|report| match self.problem() {
            // No configuration was ever applied: that, and not the name, is the cause.
            Some(problem) if self.catalogue().names().next().is_none() => problem,
            _ => self.with_remark(report),
        })
    }

    /// Adds to an error that the file on disk is not in use: it may be the reason.
    pub(super) fn with_remark(&self, report: UserError) -> UserError {
        match self.problem() {
            Some(problem) => report.with_note(&format!("the configuration on disk is not in use: {}", problem.message)),
            None => report,
        }
    }
}
