//! The parts of an installation that a service manager is given: its files, and its commands, which have a deadline.

use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_platform::child::ChildProcess;
use rolecall_platform::files;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

/// The line that marks the files of `install`; `uninstall` removes no other files.
pub(super) const MARK: &str = "Written by `rolecall agent install`; `rolecall agent uninstall` removes it.";

/// The hint if there is no service manager.
pub(super) const NOT_NEEDED: &str = "nothing has to be installed: `rolecall get NAME` starts the agent where none runs";

/// The changes that an installation makes.
pub(super) struct InstallPlan {
    /// Files as they should be.
    pub(super) files: Vec<ServiceFile>,
    /// Files of an earlier installation that this one does not need.
    pub(super) stale: Vec<PathBuf>,
    /// Commands that run after the files are written, in order.
    pub(super) commands: Vec<ManagerCommand>,
    /// Whether the manager listens for the agent or runs it already.
    pub(super) active: bool,
    /// The message for success.
    pub(super) done: String,
    /// The hint if the agent does not answer.
    pub(super) look: String,
}

/// The changes that `uninstall` makes.
pub(super) struct UninstallPlan {
    /// Commands that run first.
    pub(super) before: Vec<ManagerCommand>,
    /// Files that `install` may have written; the files of others stay.
    pub(super) files: Vec<PathBuf>,
    /// Links that the manager makes to the files, and may have removed already.
    pub(super) links: Vec<PathBuf>,
    /// Directories that are removed if they are empty afterwards.
    pub(super) directories: Vec<PathBuf>,
    /// Commands that run last.
    pub(super) after: Vec<ManagerCommand>,
    /// Whether the agent is installed with the manager.
    pub(super) enabled: bool,
}

/// A file of an installation, with its content.
pub(super) struct ServiceFile {
    pub(super) path: PathBuf,
    pub(super) content: String,
}

impl ServiceFile {
    /// Returns whether the file has this content already. A file that `install` did not write is an error.
    pub(super) fn matches_installed(&self) -> Result<bool, UserError> {
        match fs::read_to_string(&self.path) {
            Ok(found) if found == self.content => Ok(true),
            Ok(found) if found.contains(MARK) => Ok(false),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(UserError::new(Kind::Failed, format!("cannot read {}: {e}", self.path.display()))),
            Ok(_) => Err(UserError::new(
                Kind::Failed,
                format!("{} is not rolecall's: it lacks the line of `rolecall agent install`", self.path.display()),
            )
            .hint(format!("move it away: `mv {0} {0}.old`", self.path.display()))),
        }
    }

    /// Writes the file, and creates its directory.
    pub(super) fn write(&self) -> Result<(), UserError> {
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir)
                .map_err(|e| UserError::new(Kind::Failed, format!("cannot create {}: {e}", dir.display())))?;
        }
        files::write_atomically(&self.path, self.content.as_bytes())
    }
}

/// Returns whether `install` wrote a file.
pub(super) fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|content| content.contains(MARK))
}

/// How long a command may take. Ending an agent takes ten seconds.
const DEADLINE: Duration = Duration::from_secs(30);

/// The most of a line of stderr that an error repeats.
const COMPLAINT_MAX: usize = 300;

/// A command of a service manager.
pub(super) struct ManagerCommand {
    pub(super) program: &'static str,
    pub(super) arguments: Vec<String>,
}

impl ManagerCommand {
    pub(super) fn new(program: &'static str, arguments: &[&str]) -> Self {
        Self { program, arguments: arguments.iter().map(ToString::to_string).collect() }
    }

    /// Returns the command as a person would type it.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.program, self.arguments.join(" "))
    }

    /// Runs the command and returns its output. The error has the first line of its stderr.
    pub(super) fn run(&self) -> Result<String, UserError> {
        let failed = |why: String| UserError::new(Kind::Failed, format!("`{}`: {why}", self.shown()));
        let mut command = Command::new(self.program);
        let mut child = ChildProcess::start(command.args(&self.arguments)).map_err(|e| failed(e.to_string()))?;
        // The output of these commands fits in the buffer of a pipe, so that it is read after the end.
        let Some(status) = child.end(DEADLINE).map_err(|e| failed(e.to_string()))? else {
            return Err(failed(format!("has not ended within {} seconds", DEADLINE.as_secs())));
        };
        let (stdout, stderr) = child.output();
        if status.success() {
            return Ok(stdout);
        }
        let first = stderr.lines().map(str::trim).find(|line| !line.is_empty());
        Err(failed(first.map_or_else(|| status.to_string(), |line| printable(line, COMPLAINT_MAX))))
    }
}
