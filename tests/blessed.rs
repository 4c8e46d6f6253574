//! Compares texts that users can meet with a file beside the code. `ROLECALL_BLESS=1` writes the file.
//!
//! The unit tests of several packages include this file by its path.

use std::path::Path;

/// Compares a page with a file; `file` is relative to the directory of the package.
#[expect(clippy::disallowed_methods, reason = "a test's switch, and a file of the source tree")]
pub(crate) fn check(package: &str, file: &str, page: &str) {
    let path = Path::new(package).join(file);
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&path, page).expect("written");
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    for (is, was) in page.lines().zip(pinned.lines()) {
        assert_eq!(is, was, "`ROLECALL_BLESS=1` writes {file}");
    }
    assert_eq!(page.len(), pinned.len(), "`ROLECALL_BLESS=1` writes {file}");
}
