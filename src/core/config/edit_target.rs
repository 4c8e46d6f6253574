//! The file that an edit is made in, and how the whole is read with an edited text in its place.

use super::includes::{Files, Nowhere, Overlay};
use super::{ConfigError, Loaded, load};
use std::path::{Path, PathBuf};

/// A file that is edited.
pub trait EditTarget {
    /// Gives its path.
    fn file(&self) -> &Path;

    /// Reads the whole configuration as it is with this text in the file.
    fn load(&self, text: &str) -> Result<Loaded, ConfigError>;

    /// Tells whether it is the first file, which may be empty.
    fn is_first(&self) -> bool {
        true
    }
}

/// One file of a configuration that may have several.
pub struct Part<'a> {
    /// The first file.
    pub main: &'a Path,
    /// The one that is edited.
    pub file: &'a Path,
    /// All of them.
    pub files: &'a dyn Files,
}

impl EditTarget for Part<'_> {
    fn file(&self) -> &Path {
        self.file
    }

    fn load(&self, text: &str) -> Result<Loaded, ConfigError> {
        load(self.main, &Overlay { files: self.files, path: self.file, bytes: text.as_bytes() })
    }

    fn is_first(&self) -> bool {
        self.main == self.file
    }
}

/// A configuration of one file.
impl EditTarget for Path {
    fn file(&self) -> &Path {
        self
    }

    fn load(&self, text: &str) -> Result<Loaded, ConfigError> {
        Part { main: self, file: self, files: &Nowhere }.load(text)
    }
}

impl EditTarget for PathBuf {
    fn file(&self) -> &Path {
        self
    }

    fn load(&self, text: &str) -> Result<Loaded, ConfigError> {
        self.as_path().load(text)
    }
}
