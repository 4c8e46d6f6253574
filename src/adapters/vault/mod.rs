//! The vaults behind the [`Vault`] port: the operating system's keyring and the encrypted file, and the choice between them.
//!
//! It knows no AWS and no agent. The choice is the configuration's alone: a keyring that is missing is an error and never a
//! reason to take the file instead, because a key that changed places unseen is a key that nobody finds to revoke.

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
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::secret::Passphrase;
use rolecall_ports::{StoredKey, Vault, VaultState, no_key};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The record of the newest vault file, in the state directory.
const VAULT_RECORD: &str = "vault.json";

/// Both vaults, and which of them the configuration chose.
pub struct Vaults {
    kind: Mutex<VaultKind>,
    os: OsVault,
    file: FileVault,
    bus: Arc<SessionBus>,
    foreign: ThirdPartyKeyrings,
}

impl Vaults {
    /// Prepares both vaults and selects the keyring; touches neither.
    ///
    /// The state directory keeps which vault file is the newest. `service` is the attribute of our items in the keyring.
    pub fn new(vault_file: PathBuf, state: &Path, service: &str, bus: Arc<SessionBus>) -> Self {
        Self {
            kind: Mutex::default(),
            os: OsVault::new(Place { bus: Arc::clone(&bus), service: service.into() }),
            file: FileVault::new(vault_file, state.join(VAULT_RECORD)),
            foreign: ThirdPartyKeyrings::new(Arc::clone(&bus)),
            bus,
        }
    }

    fn kind(&self) -> VaultKind {
        *self.kind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Vault for Vaults {
    fn select(&self, kind: VaultKind) {
        *self.kind.lock().unwrap_or_else(PoisonError::into_inner) = kind;
        if kind == VaultKind::Os {
            // A vault that is no longer in use has no reason to stay open.
            self.file.lock();
        }
    }

    async fn state(&self) -> VaultState {
        match self.kind() {
            VaultKind::Os => self.os.state().await,
            VaultKind::File => self.file.state().await,
        }
    }

    async fn read(&self, identity: &Name) -> Result<StoredKey, UserError> {
        let kind = self.kind();
        let found = match kind {
            VaultKind::Os => self.os.read(identity).await?,
            VaultKind::File => self.file.read(identity).await?,
        };
        found.ok_or_else(|| no_key(kind, identity.as_str()))
    }

    async fn write(&self, identity: &Name, key: &StoredKey) -> Result<(), UserError> {
        match self.kind() {
            VaultKind::Os => self.os.write(identity, key).await,
            VaultKind::File => self.file.write(identity, key).await,
        }
    }

    async fn delete(&self, identity: &Name) -> Result<bool, UserError> {
        match self.kind() {
            VaultKind::Os => self.os.delete(identity).await,
            VaultKind::File => self.file.delete(identity).await,
        }
    }

    fn foreign(&self) -> Option<&dyn rolecall_ports::ForeignKeys> {
        self.foreign.as_port()
    }

    async fn unlock(&self, passphrase: Option<Passphrase>) -> Result<(), UserError> {
        match (self.kind(), passphrase) {
            (VaultKind::Os, None) => self.os.unlock().await,
            (VaultKind::File, Some(passphrase)) => self.file.unlock(passphrase).await,
            (VaultKind::Os, Some(_)) => Err(UserError::new(
                Kind::Usage,
                "the keyring takes no passphrase from rolecall, it has a dialog of its own",
            )
            .hint("open it: `rolecall unlock --vault`")),
            (VaultKind::File, None) => Err(UserError::new(Kind::Locked, "the vault file opens with its passphrase")
                .hint("give it: `rolecall unlock --vault`")),
        }
    }

    fn offer_bus(&self, address: &str) {
        self.bus.offer(address);
    }

    fn lock(&self) {
        // The keyring is the whole desktop's: other programs are not locked out of it because of us.
        self.file.lock();
    }

    async fn calls_end(&self) {
        // The keyring's calls hold one key each, for ten seconds at most.
        self.file.calls_end().await;
    }

    fn warning(&self) -> Option<UserError> {
        match self.kind() {
            VaultKind::Os => None,
            VaultKind::File => self.file.warning(),
        }
    }

    async fn accept_restored(&self) -> Result<(), UserError> {
        match self.kind() {
            VaultKind::Os => {
                Err(UserError::new(Kind::Usage, "the keys are in the keyring: there is no vault file to accept")
                    .hint("`--accept-restored` is for `vault = \"file\"`"))
            }
            VaultKind::File => self.file.accept_restored().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_vault_explains_what_it_does_not_do() {
        let dir = tempfile::tempdir().expect("tempdir");
        let bus = SessionBus::new(None);
        let vaults = Vaults::new(dir.path().join("data/vault"), dir.path(), "rolecall-test", bus);
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
