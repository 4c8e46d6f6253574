//! The program of an operating system that starts the programs of a user.

/// A service manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// `systemd --user`.
    Systemd,
    /// launchd.
    Launchd,
}
