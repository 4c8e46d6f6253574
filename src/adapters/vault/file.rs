//! The encrypted-file vault: one file that holds every key, for machines without a keyring.
//!
//! It knows no keyring and asks nobody for a passphrase. What it keeps between calls is the key that the passphrase made,
//! never the passphrase and never a stored key. All of it runs on threads that may block: stretching a passphrase takes a
//! fifth of a second, and a file can lie on a disk that hangs.

use super::Backend;
use super::key_record::{self, BLOB_MAX, KeyRecord};
use super::rollback::RollbackGuard;
use super::vault_format::{COST, Cost, Key, VaultFormatError};
use async_trait::async_trait;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::Passphrase;
use rolecall_platform::blocking::STATE;
use rolecall_platform::files;
use rolecall_platform::files::ownership::{self, Exposed};
use rolecall_ports::{StoredKey, VaultState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// The largest file that is read: two thousand keys.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// The shortest passphrase of a new vault. Argon2id makes a guess cost a fifth of a second and 64 MiB; below this length
/// even that runs out in days. It is counted in characters, not bytes.
const PASSPHRASE_MIN: usize = 8;

/// How long a call may take. The most expensive file that is accepted takes a second; the rest is for slow machines and
/// disks. A call may wait as long again for those before it: thirty seconds in all.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long a look may take that is made for `status`.
const STATE_DEADLINE: Duration = Duration::from_secs(2);

/// How long a write waits for another process's write, and in which steps: `flock` has no deadline of its own.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_STEP: Duration = Duration::from_millis(20);

/// The form of the sealed text.
const CONTENT_VERSION: u32 = 1;

/// The sealed text: every key by the name of its identity.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    v: u32,
    /// How often the vault was written; 0 in a file of a version that did not count.
    #[serde(default)]
    generation: u64,
    #[serde(borrow)]
    keys: BTreeMap<&'a str, KeyRecord<'a>>,
}

type Keys = BTreeMap<Name, StoredKey>;

/// Returns the error of an unlock that a lock has ended.
fn relocked() -> UserError {
    UserError::new(Kind::Locked, "the vault was locked again meanwhile")
        .hint("give its passphrase again: `rolecall unlock --vault`")
}

/// The sealed text of an open vault.
struct Contents {
    generation: u64,
    keys: Keys,
}

/// The encrypted-file vault at one path.
#[derive(Clone)]
pub(super) struct FileVault(Arc<Inner>);

struct Inner {
    path: PathBuf,
    cost: Cost,
    open: Mutex<Open>,
    /// One passphrase is stretched at a time: each takes 64 MiB.
    stretching: Mutex<()>,
    rollback: RollbackGuard,
}

#[derive(Default)]
struct Open {
    /// Counts `lock` calls, so that an `unlock` that was under way does not undo one.
    locks: u64,
    key: Option<Arc<Key>>,
    /// The passphrases of the unlocks that wait for a thread. They are here so that `lock` wipes them.
    waiting: BTreeMap<u64, Passphrase>,
    /// Counts the passphrases that have waited.
    waited: u64,
    /// Closed while no call since the last `lock` holds keys. Each has a receiver, until its thread has ended it.
    calls: watch::Sender<()>,
    /// The same of the calls that a `lock` has met.
    locked_calls: Vec<watch::Sender<()>>,
}

/// One waiting passphrase. If the caller gives up, the drop wipes the passphrase.
struct WaitingPassphrase<'a>(&'a Inner, u64);

impl Drop for WaitingPassphrase<'_> {
    fn drop(&mut self) {
        self.0.open().waiting.remove(&self.1);
    }
}

impl FileVault {
    /// Names the file, and the record of the newest one; nothing is read or written yet.
    pub(super) fn new(path: PathBuf, record: PathBuf) -> Self {
        Self::with_cost(path, record, COST)
    }

    pub(super) fn with_cost(path: PathBuf, record: PathBuf, cost: Cost) -> Self {
        let rollback = RollbackGuard::new(record);
        Self(Arc::new(Inner { path, cost, open: Mutex::default(), stretching: Mutex::default(), rollback }))
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Inner) -> Result<T, UserError> + Send + 'static,
    ) -> Result<T, UserError> {
        let call = self.0.open().calls.subscribe();
        self.run_within(DEADLINE, move |inner| {
            let _call = call;
            job(inner)
        })
        .await
    }

    async fn run_within<T: Send + 'static>(
        &self,
        deadline: Duration,
        job: impl FnOnce(&Inner) -> Result<T, UserError> + Send + 'static,
    ) -> Result<T, UserError> {
        let inner = Arc::clone(&self.0);
        let done = STATE.run(self.0.path.display().to_string(), deadline, move || job(&inner)).await;
        done.unwrap_or_else(|error| Err(self.0.fault(&error.to_string())))
    }
}

#[async_trait]
impl Backend for FileVault {
    async fn state(&self) -> VaultState {
        match self.run_within(STATE_DEADLINE, |vault| vault.held().map(|_| ())).await {
            Ok(()) => VaultState::Ready,
            Err(report) if report.kind == Kind::Locked => VaultState::Locked,
            Err(report) => VaultState::Absent(report.message),
        }
    }

    async fn read(&self, identity: &Name) -> Result<Option<StoredKey>, UserError> {
        let identity = identity.clone();
        self.run(move |vault| {
            let (_, mut contents) = vault.contents()?;
            Ok(contents.keys.remove(&identity))
        })
        .await
    }

    async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), UserError> {
        let (identity, new) = (identity.clone(), key.clone());
        self.run(move |vault| {
            key_record::encode(&new).map_err(|_| too_long(&identity))?;
            let _lock = vault.exclusive()?;
            let (key, mut contents) = vault.contents()?;
            contents.keys.insert(identity, new);
            vault.save(&key, contents)
        })
        .await
    }

    async fn delete(&self, identity: &Name) -> Result<bool, UserError> {
        let identity = identity.clone();
        self.run(move |vault| {
            let _lock = vault.exclusive()?;
            if vault.load()?.is_none() {
                return Ok(false);
            }
            let (key, mut contents) = vault.contents()?;
            let found = contents.keys.remove(&identity).is_some();
            if found {
                vault.save(&key, contents)?;
            }
            Ok(found)
        })
        .await
    }

    /// Opens the file with its passphrase, or creates it.
    async fn unlock(&self, passphrase: Option<Passphrase>) -> Result<(), UserError> {
        let passphrase = passphrase.ok_or_else(|| {
            UserError::new(Kind::Locked, "the vault file opens with its passphrase")
                .hint("give it: `rolecall unlock --vault`")
        })?;
        let (locks, number) = {
            let mut open = self.0.open();
            let number = open.waited;
            open.waited += 1;
            open.waiting.insert(number, passphrase);
            (open.locks, number)
        };
        let _waiting = WaitingPassphrase(&self.0, number);
        self.run(move |vault| {
            let passphrase = vault.open().waiting.remove(&number).ok_or_else(relocked)?;
            vault.unlock(&passphrase, locks)
        })
        .await
    }

    async fn accept_restored(&self) -> Result<(), UserError> {
        self.run(|vault| {
            let (key, contents) = vault.contents()?;
            vault.rollback.begin(key.vault(), contents.generation);
            Ok(())
        })
        .await
    }

    fn warning(&self) -> Option<UserError> {
        self.0.rollback.warning(&self.0.path)
    }

    /// Wipes the key, and the passphrases that no thread has taken yet.
    fn lock(&self) {
        let mut open = self.0.open();
        open.locks += 1;
        open.key = None;
        open.waiting.clear();
        let calls = mem::take(&mut open.calls);
        open.locked_calls.push(calls);
        open.locked_calls.retain(|calls| !calls.is_closed());
    }

    async fn calls_end(&self) {
        let met = self.0.open().locked_calls.clone();
        for calls in met {
            calls.closed().await;
        }
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing under this lock can be half done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the key and the file that it fits.
    fn held(&self) -> Result<(Arc<Key>, Vec<u8>), UserError> {
        let Some(bytes) = self.load()? else {
            return Err(UserError::new(Kind::Locked, format!("there is no vault file {} yet", self.path.display()))
                .hint("choose its passphrase: `rolecall unlock --vault`"));
        };
        let locked = |what: &str| {
            UserError::new(Kind::Locked, format!("the vault file {} {what}", self.path.display()))
                .hint("give its passphrase: `rolecall unlock --vault`")
        };
        let key = self.open().key.clone();
        // A file that could not be opened anyway is told from a locked one, and before anybody types a passphrase.
        match key {
            Some(key) if key.fits(&bytes).map_err(|flaw| self.flaw(flaw))? => Ok((key, bytes)),
            Some(_) => Err(locked("was replaced since it was unlocked")),
            None => {
                Key::check(&bytes).map_err(|flaw| self.flaw(flaw))?;
                Err(locked("is locked"))
            }
        }
    }

    /// Opens the file with the key that is held.
    fn contents(&self) -> Result<(Arc<Key>, Contents), UserError> {
        let newest = self.rollback.newest();
        let (key, bytes) = self.held()?;
        let contents = read_contents(&key, &bytes).map_err(|flaw| match flaw {
            // The key opened this very salt before: it is not the passphrase that is wrong.
            VaultFormatError::Sealed => self.damaged("is damaged"),
            flaw => self.flaw(flaw),
        })?;
        self.rollback.opened(newest.as_ref(), key.vault(), contents.generation);
        Ok((key, contents))
    }

    /// Opens the file, unless it was locked since the given count.
    fn unlock(&self, passphrase: &Passphrase, locks: u64) -> Result<(), UserError> {
        let stretching = self.stretching.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = self.rollback.newest();
        let key = match self.load()? {
            Some(bytes) => {
                let (key, generation) = self.derive(passphrase, &bytes)?;
                self.rollback.opened(newest.as_ref(), key.vault(), generation);
                key
            }
            None => self.create(passphrase)?,
        };
        drop(stretching);
        let mut open = self.open();
        if open.locks != locks {
            return Err(relocked());
        }
        open.key = Some(Arc::new(key));
        Ok(())
    }

    /// Makes the key of a file, and tells which generation the file is.
    fn derive(&self, passphrase: &Passphrase, bytes: &[u8]) -> Result<(Key, u64), UserError> {
        let opened = Key::derive(passphrase, bytes)
            .and_then(|key| read_contents(&key, bytes).map(|contents| (key, contents.generation)));
        opened.map_err(|flaw| self.flaw(flaw))
    }

    fn create(&self, passphrase: &Passphrase) -> Result<Key, UserError> {
        if passphrase.expose().chars().count() < PASSPHRASE_MIN {
            let cause = format!("the passphrase of a new vault has at least {PASSPHRASE_MIN} characters");
            return Err(UserError::new(Kind::Usage, cause).hint("choose a longer one: `rolecall unlock --vault`"));
        }
        let _lock = self.exclusive()?;
        // Another process may have been first.
        if let Some(bytes) = self.load()? {
            return self.derive(passphrase, &bytes).map(|(key, _)| key);
        }
        let key = Key::create(passphrase, self.cost).map_err(|flaw| self.flaw(flaw))?;
        self.save(&key, Contents { generation: 0, keys: Keys::new() })?;
        self.rollback.begin(key.vault(), 1);
        Ok(key)
    }

    /// Reads the file; `None` where there is none. A symlink to a place of this user is followed.
    fn load(&self) -> Result<Option<Vec<u8>>, UserError> {
        let place = ownership::resolve(&self.path)
            .map_err(|Exposed { why, hint }| self.fault(&format!("is not safe where it is: {why}")).hint(hint))?;
        let bytes = files::read_private(&place.path, FILE_MAX)
            .map_err(|error| self.fault(&format!("cannot be read: {error}")))?;
        if bytes.is_some() && place.meta.is_some_and(|meta| meta.mode() & 0o077 != 0) {
            let hint = format!("close it: `chmod 600 {}`", place.path.display());
            return Err(self.fault("can be read or written by other users").hint(hint));
        }
        Ok(bytes)
    }

    /// Seals and writes the next generation of what was read.
    fn save(&self, key: &Key, Contents { generation, keys }: Contents) -> Result<(), UserError> {
        let newest = self.rollback.newest();
        let generation = RollbackGuard::next(newest.as_ref(), &key.vault(), generation);
        let items = keys.iter().map(|(name, stored)| (name.as_str(), KeyRecord::of(stored))).collect();
        let content = Content { v: CONTENT_VERSION, generation, keys: items };
        // A name has at most 128 characters; the rest is punctuation.
        let most = (keys.len() + 1) * (BLOB_MAX + 256);
        let full =
            || self.fault("would become too large").hint("remove what is no longer used: `rolecall identity list`");
        let text: Zeroizing<Vec<u8>> = key_record::to_json(&content, most).map_err(|_| full())?;
        let sealed = key.seal(text).map_err(|flaw| self.flaw(flaw))?;
        if sealed.len() as u64 > FILE_MAX {
            return Err(full());
        }
        files::write_atomically(&self.path, &sealed)?;
        self.rollback.opened(newest.as_ref(), key.vault(), generation);
        Ok(())
    }

    /// Keeps other processes from writing until the guard is dropped, and removes what a killed one left behind.
    ///
    /// The lock is on a file of its own, which is never removed: the vault itself is replaced by each write, and a lock
    /// on a replaced file holds nobody.
    fn exclusive(&self) -> Result<File, UserError> {
        let dir = self.path.parent().unwrap_or_else(|| Path::new("/"));
        files::ensure_private_dir(dir)?;
        let mut lock_path = self.path.clone().into_os_string();
        lock_path.push(".lock");
        let file = files::open_private_append(Path::new(&lock_path))
            .map_err(|e| self.fault(&format!("cannot be locked for writing: {e}")))?;
        for _ in 0..LOCK_WAIT.as_millis() / LOCK_STEP.as_millis() {
            match file.try_lock() {
                Ok(()) => {
                    // Sealed bytes that a killed write has left.
                    files::clear_leftovers(&self.path);
                    return Ok(file);
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_STEP),
                Err(TryLockError::Error(e)) => return Err(self.fault(&format!("cannot be locked for writing: {e}"))),
            }
        }
        Err(self.fault("is being written by another process").hint("try again; `fuser -v` on its .lock file names it"))
    }

    fn fault(&self, what: &str) -> UserError {
        UserError::new(Kind::Failed, format!("the vault file {} {what}", self.path.display()))
    }

    fn damaged(&self, what: &str) -> UserError {
        let path = self.path.display();
        self.fault(what)
            .hint(format!("restore it from a backup, or move it away and begin a new one: `mv {path} {path}.old`"))
    }

    fn flaw(&self, flaw: VaultFormatError) -> UserError {
        let path = self.path.display();
        match flaw {
            VaultFormatError::Empty => self.damaged("is empty"),
            VaultFormatError::Foreign => self.damaged("is not a vault of rolecall"),
            VaultFormatError::Short => self.damaged("is cut short"),
            VaultFormatError::Cost => self.damaged("asks for more memory or time than a vault needs"),
            VaultFormatError::Newer => {
                self.fault("was written by a later version").hint("upgrade: `rolecall --version` tells yours")
            }
            VaultFormatError::Machine => self.fault("needs more memory or random bytes than this machine gives now"),
            VaultFormatError::Sealed => {
                UserError::new(Kind::Locked, format!("wrong passphrase, or the vault file {path} is damaged"))
                    .hint("give the passphrase again: `rolecall unlock --vault`")
            }
        }
    }
}

fn read_contents(key: &Key, bytes: &[u8]) -> Result<Contents, VaultFormatError> {
    let text = key.open(bytes)?;
    // Only who knows the passphrase can have sealed this, so what cannot be read is a later version's.
    let content: Content<'_> = serde_json::from_slice(&text).map_err(|_| VaultFormatError::Newer)?;
    if content.v > CONTENT_VERSION {
        return Err(VaultFormatError::Newer);
    }
    let read = |(name, item): (&&str, &KeyRecord<'_>)| Some((Name::in_vault(name).ok()?, item.to_key().ok()?));
    let keys = content.keys.iter().map(read).collect::<Option<Keys>>().ok_or(VaultFormatError::Newer)?;
    Ok(Contents { generation: content.generation, keys })
}

/// Returns the names of the keys in a file.
#[cfg(fuzzing)]
pub(super) fn names_in(key: &Key, bytes: &[u8]) -> Result<Vec<String>, VaultFormatError> {
    read_contents(key, bytes).map(|contents| contents.keys.keys().map(ToString::to_string).collect())
}

fn too_long(identity: &Name) -> UserError {
    UserError::new(Kind::Failed, format!("the key of {identity} is too long to be stored"))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
