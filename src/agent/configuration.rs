//! The configuration in use: the last catalogue that held, and why the file on disk is not taken over if it is not.

use crate::config;
use crate::domain::catalogue::Catalogue;
use crate::domain::plan::Plan;
use crate::domain::report::{Kind, Report};
use rustix::fs::{Mode, OFlags};
use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The configuration file and what was made of it.
pub(super) struct Configuration {
    file: PathBuf,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// What the file held when it was last read; `None` before that.
    seen: Option<u64>,
    catalogue: Arc<Catalogue>,
    problem: Option<Report>,
    /// Plans are made when they are first asked for: ten thousand roles are a file, not a day's work.
    plans: HashMap<String, Arc<Plan>>,
}

impl Configuration {
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_path_buf(), state: RwLock::default() }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again. `None` when it says what it said before; else the new catalogue, or why the old one stays.
    pub(super) fn reload(&self) -> Option<Result<Arc<Catalogue>, Report>> {
        let content = read_trusted(&self.file);
        let mut hasher = DefaultHasher::new();
        match &content {
            Ok(bytes) => bytes.hash(&mut hasher),
            Err(report) => report.message.hash(&mut hasher),
        }
        let seen = Some(hasher.finish());
        if self.read().seen == seen {
            return None;
        }
        // Parsed outside the lock: a request meanwhile is served by the old catalogue.
        let in_use = self.catalogue();
        let parsed = content.and_then(|bytes| match bytes {
            // An editor that has moved the file away or emptied it is about to write it; a full disk leaves it empty. Neither
            // is a wish to forget every role and its session.
            None if !in_use.is_empty() => Err(self.missing("is gone")),
            Some(bytes) if bytes.is_empty() && !in_use.is_empty() => Err(self.missing("is empty")),
            Some(bytes) => config::parse_bytes(&bytes, &self.file).map_err(|e| e.report()),
            None => Ok(Catalogue::default()),
        });
        let mut state = self.write();
        state.seen = seen;
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

    fn missing(&self, what: &str) -> Report {
        Report::new(Kind::Config, format!("{} {what}", self.file.display()))
            .hint("what it said last stays in use; `rolecall agent restart` does without it")
    }

    /// Gives the catalogue in use.
    pub(super) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.read().catalogue)
    }

    /// Gives what is wrong with the file on disk.
    pub(super) fn problem(&self) -> Option<Report> {
        self.read().problem.clone()
    }

    /// Gives the plan of a name.
    pub(super) fn plan(&self, name: &str) -> Result<Arc<Plan>, Report> {
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

/// Reads a file that decides who becomes what: it must be ours or root's, and nobody else may write it (CVE-2022-24765).
/// `None` where there is no file.
fn read_trusted(path: &Path) -> Result<Option<Vec<u8>>, Report> {
    let failed = |e: &io::Error| {
        Report::new(Kind::Config, format!("cannot read {}: {e}", path.display()))
            .hint(format!("look at its rights: `ls -lL {}`", path.display()))
    };
    // Without waiting: a pipe in its place would keep the agent until somebody writes into it.
    let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty());
    let file = match opened.map_err(io::Error::from) {
        Ok(file) => File::from(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    let meta = file.metadata().map_err(|e| failed(&e))?;
    let uid = rustix::process::geteuid().as_raw();
    let refuse = |why: &str, fix: &str| {
        Err(Report::new(Kind::Config, format!("{} {why}", path.display())).hint(format!("{fix} {}`", path.display())))
    };
    if !meta.is_file() {
        return refuse("is not a file", "look at it: `ls -ld");
    }
    if meta.uid() != uid && meta.uid() != 0 {
        return refuse("belongs to another user", "make it yours: `chown $USER");
    }
    if meta.mode() & 0o022 != 0 {
        return refuse("can be written by other users", "close it: `chmod go-w");
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(config::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    Ok(Some(bytes))
}
