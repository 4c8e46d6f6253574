//! The file that credentials are written into, where the person insists: which one it may be, and how it comes to be.
//!
//! Some tools read nothing but a file. A file outlives the moment, is backed up, synchronised and committed, so it takes a
//! second word and is its owner's alone. Whether git would take it along is said, not asked: git does what the repository's
//! own settings say, which somebody else may have written (programs for lazy fetching, pipes to wait for).

use super::super::args::Format;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_platform::files;
use rolecall_platform::files::ownership::{self, Exposed};
use rolecall_platform::reach;
use std::fs;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What is longer than any form of ours is somebody else's.
const OURS_MAX: u64 = 64 * 1024;

/// A file that may be written.
pub(super) struct Target {
    path: PathBuf,
    in_work_tree: bool,
}

impl Target {
    /// Looks at a file before anything is fetched for it.
    pub(super) fn new(path: &Path, is_meant: bool) -> Result<Self, UserError> {
        let shown = shown(path);
        if !is_meant {
            return Err(UserError::new(Kind::Usage, format!("{shown} would hold secrets on disk, for whoever reads it or its backups"))
                .hint("a tool that takes `credential_process` needs no file: `rolecall profiles sync`; if it must be, add `--yes-secrets-on-disk`"));
        }
        let name = path.file_name().ok_or_else(|| refuse(&shown, "is not the name of a file"))?;
        reach::ensure_answers(path)?;
        // As the shell is here: a relative path is the caller's own word.
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let dir = fs::canonicalize(dir).map_err(|e| refuse(&shown, &format!("is in no directory: {e}")))?;
        let path = dir.join(name);
        // In a directory of another user the file system itself can be theirs (FUSE), and reads what is written.
        ownership::resolve_parents(&path).map_err(|Exposed { why, hint }| {
            UserError::new(Kind::Usage, format!("{shown} is not safe where it is: {why}")).hint(hint)
        })?;
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.file_type().is_symlink() => {
                return Err(refuse(&shown, "is a symlink, and the secrets would lie where it leads"));
            }
            Ok(meta) if !meta.is_file() => return Err(refuse(&shown, "is not a file")),
            Ok(meta) if !is_ours(&path, meta.len()) => {
                return Err(UserError::new(Kind::Usage, format!("{shown} is there already and holds something else"))
                    .hint(format!("name another file, or move it away: `mv {shown} {shown}.old`")));
            }
            _ => {}
        }
        let in_work_tree = dir.ancestors().any(|above| above.join(".git").exists());
        Ok(Self { path, in_work_tree })
    }

    /// Gives the format that its name promises.
    pub(super) fn format(&self) -> Format {
        let is_json = self.path.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("json"));
        if is_json { Format::Json } else { Format::Dotenv }
    }

    /// Writes it, whole or not at all, for its owner alone.
    pub(super) fn write(&self, text: &str) -> Result<(), UserError> {
        files::write_private(&self.path, text.as_bytes())
    }

    /// Names it for a message.
    pub(super) fn shown(&self) -> String {
        shown(&self.path)
    }

    /// Says what to see to afterwards; nothing where there is nothing.
    pub(super) fn remark(&self) -> &'static str {
        if self.in_work_tree { "; it lies in a git work tree: keep it out of commits" } else { "" }
    }
}

/// Tells whether a file holds credentials in one of our forms and nothing else, so that nothing of anybody's is lost.
fn is_ours(path: &Path, length: u64) -> bool {
    let ours = |line: &str| {
        let line = line.trim();
        ["", "{", "}", "end"].contains(&line)
            || line.contains("AWS_")
            || line.contains("ROLECALL_")
            || line.contains("rolecall_name")
    };
    length <= OURS_MAX && fs::read_to_string(path).is_ok_and(|text| Zeroizing::new(text).lines().all(ours))
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string(), 512)
}

fn refuse(shown: &str, why: &str) -> UserError {
    UserError::new(Kind::Usage, format!("{shown} {why}")).hint("name a plain file in a directory of your own")
}
