//! The vaults, behind the [`Vault`] port: one `Backend` for each kind, and the choice between them.
//!
//! They know neither AWS nor the agent. Only the configuration chooses. A missing keyring is an error and never replaced by
//! the file: the owner would not find a key there to revoke.

pub(crate) mod blocking_worker;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod key_record;
pub(crate) mod os;
mod rollback;
mod vault_format;

use crate::system::dbus::SessionBus;
use crate::system::keyring::Place;
use crate::system::third_party_keyring::ThirdPartyKeyrings;
use async_trait::async_trait;
use file::FileVault;
use os::OsVault;
use rolecall_core::domain::catalogue::VaultKind;
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::Passphrase;
use rolecall_ports::{StoredKey, Vault, VaultState, no_key};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The record of the newest vault file, in the state directory.
const VAULT_RECORD: &str = "vault.json";

/// One kind of vault. Its calls have the limits of [`Vault`].
#[async_trait]
trait Backend: Send + Sync {
    /// Returns whether the vault can be read. Never prompts.
    async fn state(&self) -> VaultState;
    /// Reads a key; `None` if the vault has none of this name.
    async fn read(&self, identity: &Name) -> Result<Option<StoredKey>, UserError>;
    /// Stores a key, and replaces one of the same name.
    async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), UserError>;
    /// Deletes a key; returns whether there was one.
    async fn delete(&self, identity: &Name) -> Result<bool, UserError>;
    /// Opens the vault, or explains why it does not open with a passphrase, or without one.
    async fn unlock(&self, passphrase: Option<Passphrase>) -> Result<(), UserError>;
    /// Wipes what `unlock` kept.
    fn lock(&self) {}
    /// Returns when no call that a `lock` has interrupted holds keys any more.
    async fn calls_end(&self) {}
    /// Returns the warning about the vault that was opened last.
    fn warning(&self) -> Option<UserError> {
        None
    }
    /// Accepts a restored vault as the current one.
    async fn accept_restored(&self) -> Result<(), UserError>;
}

/// Every vault, and the kind that the configuration chose.
pub struct Vaults {
    kind: Mutex<VaultKind>,
    backends: [(VaultKind, Box<dyn Backend>); VaultKind::ALL.len()],
    bus: Arc<SessionBus>,
    foreign: ThirdPartyKeyrings,
}

impl Vaults {
    /// Prepares the vaults and selects the keyring; opens none.
    ///
    /// The state directory contains the record of the newest vault file. `service` is the attribute of the keyring items.
    pub fn new(vault_file: &Path, state: &Path, service: &str, bus: Arc<SessionBus>) -> Self {
        let backend = |kind| -> Box<dyn Backend> {
            match kind {
                VaultKind::Os => Box::new(OsVault::new(Place { bus: Arc::clone(&bus), service: service.into() })),
                VaultKind::File => Box::new(FileVault::new(vault_file.to_owned(), state.join(VAULT_RECORD))),
            }
        };
        Self {
            kind: Mutex::default(),
            backends: VaultKind::ALL.map(|kind| (kind, backend(kind))),
            foreign: ThirdPartyKeyrings::new(Arc::clone(&bus)),
            bus,
        }
    }

    fn kind(&self) -> VaultKind {
        *self.kind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the vault that the configuration chose.
    fn chosen(&self) -> &dyn Backend {
        let kind = self.kind();
        &*self.backends.iter().find(|(of, _)| *of == kind).expect("there is a backend for each kind").1
    }
}

#[async_trait]
impl Vault for Vaults {
    fn select(&self, kind: VaultKind) {
        *self.kind.lock().unwrap_or_else(PoisonError::into_inner) = kind;
        // A vault that is not in use does not stay open.
        self.backends.iter().filter(|(of, _)| *of != kind).for_each(|(_, backend)| backend.lock());
    }

    async fn state(&self) -> VaultState {
        self.chosen().state().await
    }

    async fn read(&self, identity: &Name) -> Result<StoredKey, UserError> {
        let kind = self.kind();
        self.chosen().read(identity).await?.ok_or_else(|| no_key(kind, identity.as_str()))
    }

    async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), UserError> {
        self.chosen().write(identity, key).await
    }

    async fn delete(&self, identity: &Name) -> Result<bool, UserError> {
        self.chosen().delete(identity).await
    }

    fn foreign(&self) -> Option<&dyn rolecall_ports::ForeignKeys> {
        self.foreign.as_port()
    }

    async fn unlock(&self, passphrase: Option<Passphrase>) -> Result<(), UserError> {
        self.chosen().unlock(passphrase).await
    }

    fn offer_bus(&self, address: &str) {
        self.bus.offer(address);
    }

    fn lock(&self) {
        self.backends.iter().for_each(|(_, backend)| backend.lock());
    }

    async fn calls_end(&self) {
        for (_, backend) in &self.backends {
            backend.calls_end().await;
        }
    }

    fn warning(&self) -> Option<UserError> {
        self.chosen().warning()
    }

    async fn accept_restored(&self) -> Result<(), UserError> {
        self.chosen().accept_restored().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_vault_explains_what_it_does_not_do() {
        let dir = tempfile::tempdir().expect("tempdir");
        let bus = SessionBus::new(None);
        let vaults = Vaults::new(&dir.path().join("data/vault"), dir.path(), "rolecall-test", bus);
        let passphrase = || Passphrase::new("correct horse".into());
        let told =
            |report: UserError| format!("{:?}: {report}; {}", report.kind, report.hint.as_deref().unwrap_or_default());
        assert_eq!(
            told(vaults.unlock(Some(passphrase())).await.expect_err("a dialog")),
            "Usage: the keyring takes no passphrase from rolecall, it has a dialog of its own; open it: `rolecall unlock \
             --vault`"
        );
        assert_eq!(
            told(vaults.accept_restored().await.expect_err("no file")),
            "Usage: the keys are in the keyring: there is no vault file to accept; `--accept-restored` is for `vault = \
             \"file\"`"
        );
        vaults.select(VaultKind::File);
        assert_eq!(
            told(vaults.unlock(None).await.expect_err("no passphrase")),
            "Locked: the vault file opens with its passphrase; give it: `rolecall unlock --vault`"
        );
        let name = Name::new("auth").expect("a name");
        vaults.unlock(Some(passphrase())).await.expect("made");
        assert_eq!(
            told(vaults.read(&name).await.expect_err("empty")),
            "Config: the vault file holds no key of auth; store one: `rolecall identity add auth`"
        );
        vaults.select(VaultKind::File);
        assert_eq!(vaults.state().await, VaultState::Ready);
        vaults.select(VaultKind::Os);
        vaults.select(VaultKind::File);
        assert_eq!(vaults.state().await, VaultState::Locked, "a vault that is not in use is closed");
        let no_key = no_key(VaultKind::Os, "auth");
        assert_eq!(no_key.message, "the keyring holds no key of auth");
    }
}
