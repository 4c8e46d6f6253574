//! Files that an option or an argument names: on a file system that does not answer, a command ends with an error.

use rolecall_core::domain::error::UserError;
use rolecall_platform::reach;
use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file for reading; `refuse` words the error of the file system.
///
/// A named pipe is waited for: `--csv <(program)` is one.
pub(super) fn open(path: &Path, refuse: impl FnOnce(&io::Error) -> UserError) -> Result<File, UserError> {
    reach::ensure_answers(path)?;
    File::open(path).map_err(|error| refuse(&error))
}
