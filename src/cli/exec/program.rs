//! The command that takes our place: found as a shell finds it, then run with execve.
//!
//! It knows nothing of roles. execve, not a child: process id, process group, terminal, signals and exit code are then
//! the command's own, with nothing between it and whoever started us.

use super::variables::Change;
use crate::output::{Failure, complain};
use crate::quote;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_platform::reach;
use rustix::fs::{Access, access};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What shells return where there is no such command (POSIX, 2.8.2).
const NOT_FOUND: u8 = 127;

/// What they return where there is one that cannot be run.
const NOT_RUN: u8 = 126;

/// Where a command is looked for when nobody says where: what execvp takes.
const SEARCH: &str = "/bin:/usr/bin";

/// The longest command that is repeated in a message.
const SHOWN: usize = 256;

/// A file that can be run, and what it is called.
#[derive(Debug)]
pub(super) struct Program {
    file: PathBuf,
    called: OsString,
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotExecutable {
    code: u8,
    report: UserError,
}

impl NotExecutable {
    /// Tells it, and gives the end with the exit code that shells have for it.
    pub(super) fn tell(self, name: &str) -> Failure {
        complain(Some(name), &self.report);
        Failure::Exit(self.code)
    }
}

impl Program {
    /// Finds a command: a path as it is, anything else in the directories of `search`.
    ///
    /// Before anything else is done: nobody types an MFA code for a typing error.
    pub(super) fn find(called: &OsStr, search: Option<&OsStr>) -> Result<Self, NotExecutable> {
        let shown = printable(&called.to_string_lossy(), SHOWN);
        let found = |file| Self { file, called: called.to_owned() };
        let unfit = |code, why: &str, hint: String| NotExecutable {
            code,
            report: UserError::new(Kind::Failed, format!("cannot run {shown}: {why}")).hint(hint),
        };
        let silent = |report| NotExecutable { code: NOT_RUN, report };
        let look = |file: &Path| format!("look at it: `ls -ld {}`", quote::word(&file.to_string_lossy()));
        if called.as_bytes().contains(&b'/') {
            let file = Path::new(called);
            reach::ensure_seen(file).map_err(silent)?;
            return match check(file) {
                Ok(()) => Ok(found(file.to_owned())),
                Err(e) if is_missing(&e) => Err(unfit(NOT_FOUND, &e.to_string(), look(file))),
                Err(e) => Err(unfit(NOT_RUN, &e.to_string(), look(file))),
            };
        }
        let mut barred = None;
        for dir in std::env::split_paths(search.unwrap_or_else(|| OsStr::new(SEARCH))) {
            // An empty entry is the working directory, as it is for every shell.
            let file = if dir.as_os_str().is_empty() { Path::new(".").join(called) } else { dir.join(called) };
            // As a shell that waits for it: a command of the same name in a later directory is another one.
            reach::ensure_seen(&file).map_err(silent)?;
            match check(&file) {
                Ok(()) if !called.is_empty() => return Ok(found(file)),
                Err(e) if !is_missing(&e) && file.is_file() => barred = barred.or(Some((file, e))),
                _ => {}
            }
        }
        Err(match barred {
            Some((file, e)) => {
                unfit(NOT_RUN, &format!("{}: {e}", printable(&file.to_string_lossy(), SHOWN)), look(&file))
            }
            None => unfit(NOT_FOUND, "there is no such command in PATH", "check its name, or give its path".into()),
        })
    }

    /// Calls it by the last part of its path, as a terminal calls a shell.
    pub(super) fn called_by_its_name(mut self) -> Self {
        if let Some(name) = self.file.file_name() {
            name.clone_into(&mut self.called);
        }
        self
    }

    /// Becomes it; comes back only if that fails.
    pub(super) fn run(&self, args: &[OsString], changes: &[Change]) -> NotExecutable {
        let become_it = |program: &Path, called: &OsStr, first: Option<&Path>| {
            let mut command = Command::new(program);
            command.arg0(called).args(first).args(args);
            for (name, value) in changes {
                match value {
                    Some(value) => command.env(name, value.as_str()),
                    None => command.env_remove(name),
                };
            }
            command.exec()
        };
        let mut error = become_it(&self.file, &self.called, None);
        if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) {
            // A script without a first line that says what runs it: every shell takes it for its own kind.
            error = become_it(Path::new("/bin/sh"), OsStr::new("sh"), Some(&self.file));
        }
        let shown = printable(&self.file.to_string_lossy(), SHOWN);
        NotExecutable {
            code: if is_missing(&error) { NOT_FOUND } else { NOT_RUN },
            report: UserError::new(Kind::Failed, format!("cannot run {shown}: {error}"))
                .hint(format!("try it without rolecall: `{}`", quote::word(&shown))),
        }
    }
}

fn check(file: &Path) -> io::Result<()> {
    if std::fs::metadata(file)?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(access(file, Access::EXEC_OK)?)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn place() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("tempdir");
        for (below, mode) in [("a/tool", 0o644), ("b/tool", 0o755), ("a/barred", 0o644)] {
            let file = dir.path().join(below);
            std::fs::create_dir_all(file.parent().expect("in a directory")).expect("made");
            std::fs::File::create(&file).expect("made");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("chmod");
        }
        std::fs::create_dir(dir.path().join("a/dir")).expect("made");
        dir
    }

    fn find(called: &str, dir: &Path) -> Result<PathBuf, u8> {
        let search = std::env::join_paths([dir.join("none"), dir.join("a"), dir.join("b")]).expect("joined");
        Program::find(OsStr::new(called), Some(&search)).map(|found| found.file).map_err(|unfit| unfit.code)
    }

    #[test]
    fn a_command_is_found_as_a_shell_finds_it() {
        let place = place();
        let dir = place.path();
        assert_eq!(find("tool", dir), Ok(dir.join("b/tool")), "the first that can be run");
        assert_eq!(find("barred", dir), Err(126));
        assert_eq!(find("nothing", dir), Err(127));
        assert_eq!(find("", dir), Err(127));
        assert_eq!(find("dir", dir), Err(127), "a directory in PATH is no command");
        let path = |below: &str| dir.join(below).to_string_lossy().into_owned();
        assert_eq!(find(&path("b/tool"), dir), Ok(dir.join("b/tool")));
        assert_eq!(find(&path("a/tool"), dir), Err(126));
        assert_eq!(find(&path("a/dir"), dir), Err(126));
        assert_eq!(find(&path("a/gone"), dir), Err(127));
        assert_eq!(find(&path("b/tool/x"), dir), Err(127));
    }

    #[test]
    fn what_was_typed_cannot_forge_a_line() {
        let unfit = Program::find(OsStr::new("x\u{1b}[2J\ny"), None).expect_err("no such command");
        assert_eq!(unfit.report.message, "cannot run x\\u{1b}[2J\\u{a}y: there is no such command in PATH");
    }
}
