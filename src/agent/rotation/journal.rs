//! The journal of rotations: at which step each one stands, on disk, so that one that was broken off is finished.
//!
//! It knows no AWS and no vault, and holds no secret: ids of keys, a user's ARN, times. One small file for all identities,
//! replaced whole at each step. What it says is a promise about access keys: only those that it names as ours are ever
//! switched off or deleted.

use chrono::{DateTime, Utc};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_platform::blocking::STATE;
use rolecall_platform::files::StateFile;
use rolecall_platform::panics::Guard;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The form of the file.
const VERSION: u32 = 1;

/// A thousand rotations at once.
const FILE_MAX: u64 = 1024 * 1024;

/// A disk may be slow, and each write waits for it.
const DEADLINE: Duration = Duration::from_secs(5);

/// Where a rotation stands: what is being done, or was when it was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// A new key is being made; whether AWS has is not known.
    Create,
    /// The new key is made; whether the vault has it is not known.
    Store,
    /// The vault has both keys; the new one is being tried.
    Verify,
    /// The new key works; the vault is being told to use it.
    Switch,
    /// The vault uses the new key; the old one is being switched off.
    Deactivate,
    /// The old key is off; the new one is being tried again.
    Check,
    /// The old key is being deleted.
    Delete,
}

impl Step {
    /// Gives the word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Store => "store",
            Self::Verify => "verify",
            Self::Switch => "switch",
            Self::Deactivate => "deactivate",
            Self::Check => "check",
            Self::Delete => "delete",
        }
    }
}

/// One rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Where it stands.
    pub(crate) step: Step,
    /// Whose keys they are.
    pub(crate) user: String,
    /// The key that is replaced.
    pub(crate) old: String,
    /// The key that replaces it, once AWS has named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) new: Option<String>,
    /// The user's keys before a new one was made: none of them is ours to delete but the old one.
    pub(crate) before: Vec<String>,
    /// When, by AWS's clock, we may have made a key.
    pub(crate) since: DateTime<Utc>,
    /// The end of that time.
    pub(crate) until: DateTime<Utc>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Content {
    v: u32,
    rotations: BTreeMap<String, Entry>,
}

/// The journal at one path.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    file: StateFile<Content>,
    /// One writer at a time: each writes the whole file.
    writing: Arc<Mutex<()>>,
}

impl Journal {
    /// Names the file; nothing is read yet.
    pub(crate) fn new(state: &Path) -> Self {
        Self { file: StateFile::new(state.join("rotations.json"), FILE_MAX, VERSION), writing: Arc::default() }
    }

    /// Reads every rotation that was begun and not finished.
    pub(crate) async fn all(&self) -> Result<BTreeMap<String, Entry>, UserError> {
        self.run(|journal| Ok(journal.load()?.rotations)).await
    }

    /// Reads how far an identity's rotation came.
    pub(crate) async fn entry(&self, identity: &Name) -> Result<Option<Entry>, UserError> {
        Ok(self.all().await?.remove(identity.as_str()))
    }

    /// Writes down where an identity's rotation stands; `None` when it is over.
    pub(crate) async fn record(&self, identity: &Name, entry: Option<&Entry>) -> Result<(), UserError> {
        let (identity, entry) = (identity.to_string(), entry.cloned());
        self.run(move |journal| {
            let _one_at_a_time = journal.writing.guard();
            let mut content = journal.load()?;
            content.v = VERSION;
            let before = content.rotations.get(&identity).cloned();
            if before == entry {
                return Ok(());
            }
            match entry {
                Some(entry) => drop(content.rotations.insert(identity, entry)),
                None => drop(content.rotations.remove(&identity)),
            }
            Ok(journal.file.save(&content)?)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Self) -> Result<T, UserError> + Send + 'static,
    ) -> Result<T, UserError> {
        let journal = self.clone();
        let shown = self.file.path().display().to_string();
        let done = STATE.run(shown.as_str(), DEADLINE, move || job(&journal)).await;
        done.unwrap_or_else(|error| {
            Err(UserError::new(Kind::Failed, format!("the journal of rotations {shown} {error}"))
                .hint("see whether its file system is mounted; `rolecall identity rotate` goes on where it stopped"))
        })
    }

    fn load(&self) -> Result<Content, UserError> {
        let failed = |why: String| {
            // A journal that is taken for empty would leave a key of ours at AWS that nobody knows of.
            UserError::new(Kind::Failed, format!("the journal of rotations {}: {why}", self.file.path().display()))
                .hint("look at the file; without it, compare `aws iam list-access-keys` with `rolecall identity list`")
        };
        Ok(self.file.load().map_err(failed)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn entry(step: Step) -> Entry {
        let at = DateTime::from_timestamp(1_795_305_600, 0).expect("in range");
        Entry {
            step,
            user: "arn:aws:iam::111111111111:user/richard".into(),
            old: "AKIAOLD".into(),
            new: None,
            before: vec!["AKIAOLD".into()],
            since: at,
            until: at,
        }
    }

    #[tokio::test]
    async fn what_is_written_down_is_read_back_private_and_gone_when_it_is_over() {
        let dir = tempfile::tempdir().expect("tempdir");
        let journal = Journal::new(dir.path());
        let (auth, other) = (Name::new("auth").expect("valid"), Name::new("team/other").expect("valid"));
        assert_eq!(journal.entry(&auth).await.expect("none yet"), None);
        journal.record(&auth, Some(&entry(Step::Create))).await.expect("written");
        journal.record(&other, Some(&entry(Step::Delete))).await.expect("written");
        journal.record(&auth, Some(&entry(Step::Verify))).await.expect("written");
        assert_eq!(journal.entry(&auth).await.expect("read"), Some(entry(Step::Verify)));
        let mode = std::fs::metadata(dir.path().join("rotations.json")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        journal.record(&auth, None).await.expect("written");
        let left: Vec<String> = journal.all().await.expect("read").into_keys().collect();
        assert_eq!(left, ["team/other"]);
    }

    #[tokio::test]
    async fn a_journal_that_cannot_be_understood_is_never_taken_for_an_empty_one() {
        let dir = tempfile::tempdir().expect("tempdir");
        let journal = Journal::new(dir.path());
        let name = Name::new("auth").expect("valid");
        for broken in ["", "{", "[]", r#"{"v":2,"rotations":{}}"#, r#"{"v":1,"rotations":{"auth":{"step":"fly"}}}"#] {
            rolecall_platform::files::write_atomically(&dir.path().join("rotations.json"), broken.as_bytes())
                .expect("written");
            assert!(journal.entry(&name).await.expect_err(broken).message.contains("rotations.json"), "{broken}");
            assert!(journal.record(&name, None).await.is_err(), "nor is it written over: {broken}");
        }
    }
}
