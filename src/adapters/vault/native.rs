//! The keyring of macOS and Windows: Keychain and Credential Manager, as the `keyring` crate chooses.
//!
//! It knows no items beyond their names. There is nothing to look at first: both systems lock with the person's login and ask
//! by themselves, and their stores hold no connection that could break.

use super::os::{SERVICE, Trouble};
use crate::domain::names::Name;

/// Stands for the system's own store, of which the `keyring` crate keeps one.
pub(super) struct Keyring;

impl Keyring {
    pub(super) fn new() -> Self {
        Self
    }

    /// Finds nothing in the way: only a call would tell.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the Linux keyring needs both")]
    pub(super) fn look(&mut self, _item: Option<&Name>) -> Result<(), Trouble> {
        Ok(())
    }

    /// Names an identity's item.
    #[expect(clippy::unused_self, reason = "the Linux keyring holds its store")]
    pub(super) fn entry(&mut self, name: &Name) -> keyring::Result<keyring::Entry> {
        keyring::Entry::new(SERVICE, name.as_str())
    }

    /// Has nothing to forget.
    #[expect(clippy::unused_self, reason = "the Linux keyring holds its store")]
    pub(super) fn forget(&mut self) {}
}

/// Leaves the dialog to the system, which shows it when an item is read.
#[expect(clippy::unnecessary_wraps, reason = "the Linux keyring can refuse")]
pub(super) fn unlock() -> Result<(), Trouble> {
    Ok(())
}
