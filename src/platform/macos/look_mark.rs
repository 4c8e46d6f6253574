//! The mark of a child that looks at a path: macOS has no sockets with a name outside the file system, and so no mark.

use rustix::fd::OwnedFd;
use std::hash::Hash;
use std::path::Path;

/// Whose look it is.
pub(crate) enum Mark {
    /// This command's.
    Own(Option<OwnedFd>),
    /// That of a child which runs already; never on this system.
    #[expect(dead_code, reason = "Linux finds the child of another command")]
    Other(OwnedFd),
}

/// Does nothing.
pub(crate) fn keep() {}

/// Returns a look without a mark.
pub(crate) fn take(_path: &Path, _kind: impl Hash) -> Mark {
    Mark::Own(None)
}
