//! The state file of one setup: what was created, or was being created, without secrets. Each call is written down before
//! and after it is made, so that an interrupted run can be continued.
//!
//! Only resources in this file, and those with the tag of the setup, are ever removed. A file that cannot be read is never
//! taken for a missing one.

use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Step};
use rolecall_ipc::protocol::setup::{Local, Made, ResourceState, STATE_VERSION, State};
use rolecall_platform::files::{self, StateFile, WriteError};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Two documents of each step fit a hundred times.
const FILE_MAX: u64 = 1024 * 1024;

/// How often the lock of another run is tried, and the time between: two seconds in all.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// The state of the setup, its file, and the lock that excludes a second run.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) setup: String,
    /// `None` if nothing was begun.
    pub(super) state: Option<State>,
    file: StateFile<State>,
    _lock: File,
}

impl Journal {
    /// Locks the setup for this run and reads its state.
    pub(super) fn open(dir: &Path, setup: &str) -> Result<Self, UserError> {
        let path = dir.join(format!("setup-{}.json", encoded(setup)));
        let lock_path = path.with_extension("lock");
        let failed = |e: io::Error| UserError::new(Kind::Failed, format!("cannot open {}: {e}", lock_path.display()));
        // The lock of a killed run is released when its last thread has ended.
        for _ in 0..TRIES {
            let lock = files::open_private_append(&lock_path).map_err(failed)?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&lock, &lock_path) => {
                    let file = StateFile::new(path, FILE_MAX, STATE_VERSION);
                    let mut journal = Self { setup: setup.to_owned(), state: None, file, _lock: lock };
                    journal.state = journal.load()?;
                    return Ok(journal);
                }
                Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                Err(e) => return Err(failed(e.into())),
            }
        }
        let message = format!("setup {} is being applied or destroyed right now", printable(setup, 128));
        Err(UserError::new(Kind::Failed, message).hint("wait for the other command's end"))
    }

    fn load(&self) -> Result<Option<State>, UserError> {
        self.file.load().map_err(|why| {
            UserError::new(Kind::Failed, format!("the state of the setup, {}: {why}", self.file.path().display())).hint(
                "look at the file; without it, `rolecall setup destroy` with the flags of `apply` finds what was made by its tags",
            )
        })
    }

    /// Returns the steps that were begun, oldest first.
    pub(super) fn made(&self) -> &[Made] {
        self.state.as_ref().map_or(&[], |state| &state.made)
    }

    /// Returns whether the setup created the resource with an ARN.
    pub(super) fn is_made(&self, arn: &str) -> bool {
        self.made().iter().any(|made| made.arn.as_deref() == Some(arn))
    }

    /// Returns an empty state of the setup between two accounts.
    pub(super) fn empty_state(&self, auth: String, workload: String) -> State {
        State {
            v: STATE_VERSION,
            setup: self.setup.clone(),
            auth,
            workload,
            external_id: String::new(),
            local: Local::default(),
            made: Vec::new(),
            proven: false,
            rebuilt: false,
            uses: Vec::new(),
        }
    }

    /// Returns the entry of a step, and begins it if it is missing.
    pub(super) fn entry(&mut self, step: &Step) -> &mut Made {
        let made = &mut self.state.as_mut().expect("begun before any step").made;
        let at = made.iter().position(|made| is_of_step(made, step));
        let at = at.unwrap_or_else(|| {
            let (stands, keys) = (ResourceState::Begun, Vec::new());
            made.push(Made { step: step.clone(), stands, arn: None, keys, window: None });
            made.len() - 1
        });
        made[at].step = step.clone();
        &mut made[at]
    }

    /// Writes down the progress of a step.
    pub(super) fn stand(&mut self, step: &Step, stands: ResourceState, arn: Option<String>) -> Result<(), UserError> {
        let entry = self.entry(step);
        entry.stands = stands;
        if arn.is_some() {
            entry.arn = arn;
        }
        self.record("the same command again goes on")
    }

    /// Writes the state; `consequence` is the end of the hint of an error, or empty.
    pub(super) fn record(&self, consequence: &str) -> Result<(), UserError> {
        self.save().map_err(|error| {
            let remedy = error.remedy().unwrap_or_else(|| "look at the disk".to_owned());
            let hint = if consequence.is_empty() { remedy } else { format!("{remedy}; {consequence}") };
            UserError::new(Kind::Failed, error.to_string()).hint(hint)
        })
    }

    /// Writes the state.
    pub(super) fn save(&self) -> Result<(), WriteError> {
        self.state.as_ref().map_or(Ok(()), |state| self.file.save(state))
    }

    /// Deletes the file: nothing is left of the setup.
    pub(super) fn remove(&mut self) -> Result<(), UserError> {
        let failed = |e| UserError::new(Kind::Failed, format!("cannot delete {}: {e}", self.file.path().display()));
        self.file.remove().map_err(failed)?;
        self.state = None;
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // If nothing was begun or nothing is left, the lock protects nothing.
        let path = self.file.path();
        if fs::symlink_metadata(path).is_err() {
            let _ = fs::remove_file(path.with_extension("lock"));
        }
    }
}

/// Returns whether an entry is about the same resource as a step, whatever their documents contain.
pub(super) fn is_of_step(made: &Made, step: &Step) -> bool {
    use Call::{
        AddRoleToInstanceProfile, AttachRolePolicy, AttachUserPolicy, CreateAccessKey, CreateInstanceProfile,
        CreatePolicy, CreateRole, CreateUser, CreateVirtualMFADevice, EnableMFADevice, PutRolePolicy,
    };
    let is_same = match (&made.step.call, &step.call) {
        (CreateUser { name: a, .. }, CreateUser { name: b, .. })
        | (CreateRole { name: a, .. }, CreateRole { name: b, .. })
        | (CreateInstanceProfile { name: a, .. }, CreateInstanceProfile { name: b, .. })
        | (CreateAccessKey { user: a }, CreateAccessKey { user: b }) => a == b,
        (CreatePolicy { name: a, path: p, .. }, CreatePolicy { name: b, path: q, .. })
        | (CreateVirtualMFADevice { name: a, path: p, .. }, CreateVirtualMFADevice { name: b, path: q, .. })
        | (PutRolePolicy { role: a, name: p, .. }, PutRolePolicy { role: b, name: q, .. })
        | (EnableMFADevice { user: a, serial: p }, EnableMFADevice { user: b, serial: q })
        | (AttachUserPolicy { user: a, arn: p }, AttachUserPolicy { user: b, arn: q })
        | (AttachRolePolicy { role: a, arn: p }, AttachRolePolicy { role: b, arn: q })
        | (AddRoleToInstanceProfile { profile: a, role: p }, AddRoleToInstanceProfile { profile: b, role: q }) => {
            (a, p) == (b, q)
        }
        _ => false,
    };
    is_same && made.step.side == step.side
}

/// Returns whether a path still leads to an open file: a run that held the lock before may have removed the file.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |meta: &fs::Metadata| (meta.dev(), meta.ino());
    matches!((file.metadata(), fs::symlink_metadata(path)), (Ok(held), Ok(there)) if id(&held) == id(&there))
}

/// Returns the name of a setup as a part of a file name.
fn encoded(setup: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.@+=".contains(&b);
    setup.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_written_state_is_private_read_back_and_removed() {
        let dir = tempfile::tempdir().expect("tempdir");
        let mut journal = Journal::open(dir.path(), "team/prod").expect("open");
        assert_eq!(journal.state, None);
        let state = journal.empty_state("111111111111".into(), "222222222222".into());
        journal.state = Some(state.clone());
        journal.save().expect("written");
        assert_eq!(journal.load().expect("read"), Some(state));
        let file = dir.path().join("setup-team%2Fprod.json");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(Journal::open(dir.path(), "team/prod").expect_err("one at a time").message.contains("right now"));
        journal.remove().expect("removed");
        journal.remove().expect("twice is no failure");
        drop(journal);
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 0, "nothing is left");
    }

    #[test]
    fn an_invalid_state_is_never_taken_for_none() {
        let dir = tempfile::tempdir().expect("tempdir");
        for broken in ["", "{", "[]", r#"{"v":99}"#] {
            fs::write(dir.path().join("setup-prod.json"), broken).expect("written");
            let error = Journal::open(dir.path(), "prod").expect_err(broken);
            assert!(error.message.contains("setup-prod.json"), "{broken}");
        }
    }
}
