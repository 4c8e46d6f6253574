//! The desktop of macOS, and of every other system than Linux: the keyring that the system has. `linux` has the same names.

pub mod dbus;
pub(crate) mod keychain;
pub mod logind;
pub(crate) mod notifications;
pub(crate) mod third_party_keyring;

pub(crate) use keychain as keyring;
