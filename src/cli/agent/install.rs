//! `agent install` and `agent uninstall`: has the user's own service manager run the agent, and undoes it.
//!
//! It knows what to say and in which order; how systemd and launchd are spoken to is theirs. What is written is what
//! packages install (`packaging/`), with the path of the `rolecalld` beside this program. Nothing has to be installed for
//! rolecall to work: `get` starts an agent where there is none.

use super::super::args::{InstallArgs, UninstallArgs};
use super::super::config_file::shown;
use super::super::output::{self, Failure};
use super::super::status;
use super::{launchd, stop, systemd};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_ipc::client;
use rolecall_platform::os::SERVICE_MANAGER;
use rolecall_platform::paths::Paths;
use rolecall_platform::service::Manager;
use rolecall_platform::{files, reach};
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// By this line in a file `uninstall` knows what `install` wrote.
pub(super) const MARK: &str = "Written by `rolecall agent install`; `rolecall agent uninstall` removes it.";

/// What is left to do by itself where there is no service manager.
pub(super) const NOT_NEEDED: &str = "nothing has to be installed: `rolecall get NAME` starts the agent where none runs";

/// Installs it for this user. Where all is as it should be already, nothing is touched.
pub(super) fn install(paths: &Paths, args: &InstallArgs) -> Result<(), Failure> {
    let program = client::agent_program()?;
    if args.confined && SERVICE_MANAGER == Manager::Launchd {
        return Err(UserError::new(Kind::Usage, "launchd has nothing like `--confined`")
            .hint("install it without")
            .into());
    }
    let plan = match SERVICE_MANAGER {
        Manager::Launchd => launchd::plan(paths, &program)?,
        Manager::Systemd => systemd::plan(paths, &program, args)?,
    };
    let mut said = String::new();
    for file in &plan.files {
        let change = file.look()?;
        if change == Change::None {
            continue;
        }
        let _ = writeln!(said, "{} {}", if args.dry_run { "would write" } else { "wrote" }, shown(&file.path));
        if !args.dry_run {
            file.write()?;
        }
    }
    for path in &plan.stale {
        let _ = writeln!(said, "{} {}", if args.dry_run { "would remove" } else { "removed" }, shown(path));
        if !args.dry_run {
            remove(path)?;
        }
    }
    let changed = !said.is_empty();
    if args.dry_run {
        for step in &plan.commands {
            let _ = writeln!(said, "would run {}", step.shown());
        }
        return output::print(&said);
    }
    if args.confined {
        // An agent that is confined could not make them.
        files::ensure_private_dir(&paths.state)?;
        paths.vault_file.parent().map_or(Ok(()), files::ensure_private_dir)?;
    }
    paths.ensure_answered()?;
    // What systemd starts has none of the variables of this shell.
    note_places(paths)?;
    // An agent that `get` has started has the socket; and one of the old unit does not know the new one.
    if (changed || !plan.active) && client::connect_running(paths)?.is_some() && stop(paths)? {
        said.push_str("the agent that was running has stopped\n");
    }
    for step in &plan.commands {
        step.run()?;
    }
    // Not only said: a unit that cannot be started would be found out by the next tool.
    let status = status::fetch(&paths.looked_up_again(), client::Autostart::No).map_err(|report| {
        UserError::new(report.kind, format!("it is installed, but the agent does not answer: {}", report.message))
            .hint(plan.look.clone())
    })?;
    let _ = writeln!(said, "{}; the agent runs, pid {}", plan.done, status.agent.pid);
    output::print(&said)
}

/// Notes the directories that this caller uses, if they are not the standard ones. An agent that a service manager starts
/// has none of the variables of a shell, and reads the note.
pub(super) fn note_places(paths: &Paths) -> Result<(), UserError> {
    let Some((file, text)) = paths.note() else { return Ok(()) };
    reach::ensure_answers(file)?;
    files::keep_note(file, text.as_deref())
}

/// Undoes it: only what `install` wrote or enabled. The agent ends; the next `get` starts one by itself.
pub(super) fn uninstall(paths: &Paths, args: &UninstallArgs) -> Result<(), Failure> {
    let plan = match SERVICE_MANAGER {
        Manager::Launchd => launchd::undo(paths),
        Manager::Systemd => systemd::undo(paths),
    };
    let mut said = String::new();
    let removed: Vec<&PathBuf> = plan.files.iter().filter(|path| is_ours(path)).collect();
    if args.dry_run {
        for step in &plan.before {
            let _ = writeln!(said, "would run {}", step.shown());
        }
        for path in removed.into_iter().chain(&plan.links) {
            let _ = writeln!(said, "would remove {}", shown(path));
        }
        return output::print(&said);
    }
    let mut refused = None;
    for step in &plan.before {
        // Files go in any case: where the manager cannot be reached, there is nobody who runs them either.
        refused = step.run().err().or(refused);
    }
    for path in removed.into_iter().chain(plan.links.iter().filter(|link| fs::symlink_metadata(link).is_ok())) {
        remove(path)?;
        let _ = writeln!(said, "removed {}", shown(path));
    }
    for dir in &plan.directories {
        // Goes where it is empty, and only then.
        let _ = fs::remove_dir(dir);
    }
    if refused.is_none() {
        for step in &plan.after {
            step.run()?;
        }
    }
    if let Some(report) = refused.filter(|_| plan.enabled) {
        output::print(&said)?;
        return Err(report.into());
    }
    said.push_str(if said.is_empty() && !plan.enabled {
        "nothing was installed\n"
    } else {
        "uninstalled; `rolecall get NAME` starts the agent from now on\n"
    });
    output::print(&said)
}

/// What there is to do for an installation.
pub(super) struct Plan {
    /// Files as they should be.
    pub(super) files: Vec<File>,
    /// Files of an earlier installation that this one does without.
    pub(super) stale: Vec<PathBuf>,
    /// What the manager is told then, in order.
    pub(super) commands: Vec<super::program::Step>,
    /// Whether the manager listens for the agent or runs it already.
    pub(super) active: bool,
    /// What is said when it is done.
    pub(super) done: String,
    /// What is advised where the agent does not answer.
    pub(super) look: String,
}

/// What there is to undo.
pub(super) struct Undo {
    /// What the manager is told first.
    pub(super) before: Vec<super::program::Step>,
    /// Files that `install` may have written; those that somebody else wrote are left alone.
    pub(super) files: Vec<PathBuf>,
    /// Links that the manager makes for them, where it has not removed them itself.
    pub(super) links: Vec<PathBuf>,
    /// Directories that go if they are empty then.
    pub(super) directories: Vec<PathBuf>,
    /// What the manager is told at the end.
    pub(super) after: Vec<super::program::Step>,
    /// Whether the manager has it.
    pub(super) enabled: bool,
}

/// A file as it should be.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) content: String,
}

#[derive(PartialEq, Eq)]
enum Change {
    None,
    Write,
}

impl File {
    /// Compares it with what is there; refuses one that somebody else wrote.
    fn look(&self) -> Result<Change, UserError> {
        match fs::read_to_string(&self.path) {
            Ok(found) if found == self.content => Ok(Change::None),
            Ok(found) if found.contains(MARK) => Ok(Change::Write),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Change::Write),
            Err(e) => Err(UserError::new(Kind::Failed, format!("cannot read {}: {e}", self.path.display()))),
            Ok(_) => Err(UserError::new(
                Kind::Failed,
                format!("{} is not rolecall's: it lacks the line of `rolecall agent install`", self.path.display()),
            )
            .hint(format!("move it away: `mv {0} {0}.old`", self.path.display()))),
        }
    }

    fn write(&self) -> Result<(), UserError> {
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir)
                .map_err(|e| UserError::new(Kind::Failed, format!("cannot create {}: {e}", dir.display())))?;
        }
        files::write_atomically(&self.path, self.content.as_bytes())
    }
}

/// Tells whether `install` wrote a file.
pub(super) fn is_ours(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|content| content.contains(MARK))
}

fn remove(path: &Path) -> Result<(), UserError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(UserError::new(Kind::Failed, format!("cannot remove {}: {e}", path.display())))
        }
        _ => Ok(()),
    }
}
