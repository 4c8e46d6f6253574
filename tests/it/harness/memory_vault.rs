//! A vault in memory that counts its reads and can be told to fail or to hang.

use async_trait::async_trait;
use rolecall::domain::catalogue::VaultKind;
use rolecall::domain::error::{Kind, UserError};
use rolecall::domain::names::Name;
use rolecall::domain::secret::Passphrase;
use rolecall::ports::{StoredKey, Vault, VaultState};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the vault does when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// What it holds cannot be told, but it could be written.
    Blind,
    Hung,
    Locked,
    /// It panics.
    Mad,
    Well,
}

pub(crate) struct MemoryVault {
    keys: Mutex<HashMap<Name, StoredKey>>,
    mood: Mutex<Mood>,
    reads: AtomicUsize,
    locks: AtomicUsize,
}

impl MemoryVault {
    pub(crate) fn new() -> Self {
        Self {
            keys: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            reads: AtomicUsize::new(0),
            locks: AtomicUsize::new(0),
        }
    }

    pub(crate) fn put(&self, name: &str, key: StoredKey) {
        self.keys.lock().unwrap().insert(Name::new(name).unwrap(), key);
    }

    /// Gives what is stored under a name.
    pub(crate) fn stored(&self, name: &str) -> StoredKey {
        self.keys.lock().unwrap().get(name).cloned().expect("there is a key")
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Tells how often it was told to forget what opened it.
    pub(crate) fn locks(&self) -> usize {
        self.locks.load(Ordering::SeqCst)
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Vault for MemoryVault {
    fn select(&self, _kind: VaultKind) {}

    async fn state(&self) -> VaultState {
        if *self.mood.lock().unwrap() == Mood::Well { VaultState::Ready } else { VaultState::Locked }
    }

    async fn read(&self, identity: &Name) -> Result<StoredKey, UserError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Blind => Err(UserError::new(Kind::Failed, "a later version of rolecall stored it")),
            Mood::Hung => std::future::pending().await,
            Mood::Locked => Err(UserError::new(Kind::Locked, "the keyring is locked").hint("unlock it")),
            Mood::Mad => panic!("a vault that panics"),
            Mood::Well => {
                let key = self.keys.lock().unwrap().get(identity).cloned();
                key.ok_or_else(|| {
                    UserError::new(Kind::Config, format!("the vault has no key of identity `{identity}`"))
                })
            }
        }
    }

    async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), UserError> {
        if *self.mood.lock().unwrap() == Mood::Locked {
            return Err(UserError::new(Kind::Locked, "the keyring is locked").hint("unlock it"));
        }
        self.keys.lock().unwrap().insert(identity.clone(), key.clone());
        Ok(())
    }

    async fn delete(&self, identity: &Name) -> Result<bool, UserError> {
        Ok(self.keys.lock().unwrap().remove(identity).is_some())
    }

    async fn unlock(&self, _passphrase: Option<Passphrase>) -> Result<(), UserError> {
        self.set(Mood::Well);
        Ok(())
    }

    fn lock(&self) {
        self.locks.fetch_add(1, Ordering::SeqCst);
    }
}
