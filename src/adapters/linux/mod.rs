//! The desktop of Linux: D-Bus, logind, notifications, and the keyrings behind the Secret Service. `macos` has the same names.

pub mod dbus;
pub mod logind;
pub(crate) mod notifications;
pub(crate) mod secret_service;
pub(crate) mod third_party_keyring;

pub(crate) use secret_service as keyring;
