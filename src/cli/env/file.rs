//! The file that credentials are written into, where the person insists: which one it may be, and how it comes to be.
//!
//! Some tools read nothing but a file. A file outlives the moment, is backed up, synchronised and committed, so it takes a
//! second word, is its owner's alone, and is none that git would take along.

use super::super::args::Format;
use crate::domain::report::{Kind, Report, printable};
use crate::files;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file that may be written.
pub(super) struct Target(PathBuf);

impl Target {
    /// Looks at a file before anything is fetched for it.
    pub(super) fn new(path: &Path, is_meant: bool) -> Result<Self, Report> {
        let shown = shown(path);
        if !is_meant {
            return Err(Report::new(Kind::Usage, format!("{shown} would hold secrets on disk, for whoever reads it or its backups"))
                .hint("a tool that takes `credential_process` needs no file: `rolecall profiles sync`; if it must be, add `--yes-secrets-on-disk`"));
        }
        let name = path.file_name().ok_or_else(|| refuse(&shown, "is not the name of a file"))?;
        // As the shell is here: a relative path is the caller's own word.
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let dir = fs::canonicalize(dir).map_err(|e| refuse(&shown, &format!("is in no directory: {e}")))?;
        let path = dir.join(name);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.file_type().is_symlink() => {
                return Err(refuse(&shown, "is a symlink, and the secrets would lie where it leads"));
            }
            Ok(meta) if !meta.is_file() => return Err(refuse(&shown, "is not a file")),
            _ => {}
        }
        if dir.ancestors().any(|above| above.join(".git").exists()) && !is_ignored(&dir, Path::new(name)) {
            return Err(Report::new(Kind::Usage, format!("{shown} is in a git work tree that does not ignore it"))
                .hint("add it to .gitignore (and `git rm --cached` it if it is tracked), or write it elsewhere"));
        }
        Ok(Self(path))
    }

    /// Gives the format that its name promises.
    pub(super) fn format(&self) -> Format {
        let is_json = self.0.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("json"));
        if is_json { Format::Json } else { Format::Dotenv }
    }

    /// Writes it, whole or not at all, for its owner alone.
    pub(super) fn write(&self, text: &str) -> Result<(), Report> {
        files::write_private(&self.0, text.as_bytes())
    }

    /// Names it for a message.
    pub(super) fn shown(&self) -> String {
        shown(&self.0)
    }
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), 512)
}

fn refuse(shown: &str, why: &str) -> Report {
    Report::new(Kind::Usage, format!("{shown} {why}")).hint("name a plain file in a directory of your own")
}

/// Asks git whether it leaves a file alone; one that cannot be asked does not.
fn is_ignored(dir: &Path, name: &Path) -> bool {
    let mut git = Command::new("git");
    // A repository's own settings may name programs to run; this look needs none. Its path is looked at as it lies there.
    git.args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "check-ignore", "--quiet", "--"])
        .arg(name);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    git.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    git.status().is_ok_and(|status| status.success())
}
