//! The keyring of macOS and Windows: Keychain and Credential Manager, as the `keyring` crate chooses.
//!
//! It knows no items beyond their names. There is nothing to look at first: both systems lock with the person's login and ask
//! by themselves, and their stores hold no connection that could break.

use super::dbus::SessionBus;
use crate::vault::os::{REASON_MAX, VaultError};
use rolecall_core::domain::error::printable;
use rolecall_core::domain::names::Name;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Whose items.
#[derive(Clone)]
pub(crate) struct Place {
    #[expect(dead_code, reason = "only Linux has one")]
    pub(crate) bus: Arc<SessionBus>,
    pub(crate) service: Arc<str>,
}

/// Stands for the system's own store, of which the `keyring` crate keeps one.
pub(crate) struct Keyring(Place);

impl Keyring {
    pub(crate) fn new(place: Place) -> Self {
        Self(place)
    }

    /// Finds nothing in the way: only a call would tell.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the Linux keyring needs both")]
    pub(crate) fn look(&mut self) -> Result<(), VaultError> {
        Ok(())
    }

    /// Reads the item of a name; `None` if there is none.
    pub(crate) fn read(&mut self, name: &Name) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        found(self.entry(name)?.get_secret().map(Zeroizing::new))
    }

    /// Writes the item of a name.
    pub(crate) fn write(&mut self, name: &Name, secret: &[u8]) -> Result<(), VaultError> {
        self.entry(name)?.set_secret(secret).map_err(trouble)
    }

    /// Deletes the item of a name; tells whether there was one.
    pub(crate) fn delete(&mut self, name: &Name) -> Result<bool, VaultError> {
        Ok(found(self.entry(name)?.delete_credential())?.is_some())
    }

    fn entry(&self, name: &Name) -> Result<keyring::Entry, VaultError> {
        keyring::Entry::new(&self.0.service, name.as_str()).map_err(trouble)
    }
}

/// Leaves the dialog to the system, which shows it when an item is read.
#[expect(clippy::unnecessary_wraps, reason = "the Linux keyring can refuse")]
pub(crate) fn unlock(_place: &Place) -> Result<(), VaultError> {
    Ok(())
}

fn found<T>(answer: keyring::Result<T>) -> Result<Option<T>, VaultError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(keyring::Error::NoEntry) => Ok(None),
        Err(error) => Err(trouble(error)),
    }
}

/// Takes over what the `keyring` crate says.
fn trouble(error: keyring::Error) -> VaultError {
    use keyring::Error::{Ambiguous, BadDataFormat, BadEncoding, NoStorageAccess};
    match error {
        // These two carry the secret itself.
        BadEncoding(mut bytes) | BadDataFormat(mut bytes, _) => {
            bytes.zeroize();
            VaultError::Unreadable
        }
        Ambiguous(_) => VaultError::Ambiguous,
        NoStorageAccess(_) => VaultError::Locked,
        other => VaultError::Failed(printable(&other.to_string(), REASON_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_with_the_secret_is_never_shown() {
        let canary = b"canary-6f1d".to_vec();
        let broken = || Box::new(std::io::Error::other("bad")) as Box<dyn std::error::Error + Send + Sync>;
        for error in
            [keyring::Error::BadEncoding(canary.clone()), keyring::Error::BadDataFormat(canary.clone(), broken())]
        {
            assert_eq!(trouble(error), VaultError::Unreadable);
        }
    }
}
