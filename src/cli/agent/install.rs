//! `agent install` and `agent uninstall`: has the user's own service manager run the agent, and undoes it.
//!
//! It knows what to say and in which order; how systemd and launchd are spoken to is theirs. What is written is what
//! packages install (`packaging/`), with the path of the `rolecalld` beside this program. Nothing has to be installed for
//! rolecall to work: `get` starts an agent where there is none.

use super::super::args::{InstallArgs, UninstallArgs};
use super::super::config_file::shown;
use super::super::output::{self, Failure};
use super::super::status;
use super::service::is_ours;
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
        if file.matches_installed()? {
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

fn remove(path: &Path) -> Result<(), UserError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(UserError::new(Kind::Failed, format!("cannot remove {}: {e}", path.display())))
        }
        _ => Ok(()),
    }
}
