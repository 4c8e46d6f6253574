//! systemd: a socket of the user's manager, which starts the agent on the first call.
//!
//! Where a package has brought the units for the very `rolecalld` beside this program, only the link that enables them is
//! made; else they are written below the user's own configuration, where systemd looks first.

use super::service::{InstallPlan, MARK, ManagerCommand, NOT_NEEDED, ServiceFile, UninstallPlan, is_ours};
use crate::args::InstallArgs;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::paths::Paths;
use std::fs;
use std::path::{Path, PathBuf};

/// What packages install, and what is written here with another program.
const SERVICE: &str = include_str!("../../../packaging/systemd/rolecall.service");
const SOCKET: &str = include_str!("../../../packaging/systemd/rolecall.socket");

/// What confines the service, beside it and only where that is wanted.
const CONFINED: &str = include_str!("../../../packaging/systemd/confined.conf");

const SERVICE_NAME: &str = "rolecall.service";
const SOCKET_NAME: &str = "rolecall.socket";
const PACKAGED_PROGRAM: &str = "/usr/bin/rolecalld";

/// Where packages put units of users (systemd.unit(5)).
const PACKAGED_UNITS: &str = "/usr/lib/systemd/user";

/// Gives what an installation takes; what it would take can be told where no manager runs, too.
pub(super) fn plan(paths: &Paths, program: &Path, args: &InstallArgs) -> Result<InstallPlan, UserError> {
    if !args.dry_run {
        reach()?;
    }
    if !is_its_socket(paths) {
        return Err(UserError::new(
            Kind::Usage,
            format!("systemd would not listen where you ask, which is {}", paths.socket.display()),
        )
        .hint("unset ROLECALL_SOCKET, and run it in a login session, which makes /run/user/UID"));
    }
    let units = units(paths);
    let packaged = program == Path::new(PACKAGED_PROGRAM)
        && [SERVICE_NAME, SOCKET_NAME].iter().all(|name| Path::new(PACKAGED_UNITS).join(name).is_file());
    let file =
        |name: &str, content: &str| ServiceFile { path: units.join(name), content: format!("# {MARK}\n{content}") };
    let mut files = Vec::new();
    let mut stale = Vec::new();
    if packaged {
        stale.extend([units.join(SERVICE_NAME), units.join(SOCKET_NAME)]);
    } else {
        files.extend([file(SERVICE_NAME, &service(program)?), file(SOCKET_NAME, SOCKET)]);
    }
    if args.confined {
        files.push(ServiceFile { path: confined_in(&units), content: format!("# {MARK}\n{}", confined(paths)?) });
    } else {
        stale.push(confined_in(&units));
    }
    stale.retain(|path| is_ours(path));
    Ok(InstallPlan {
        files,
        stale,
        commands: vec![
            control(&["daemon-reload"]),
            control(&["reset-failed", "rolecall.*"]),
            control(&["enable", "--now", SOCKET_NAME]),
        ],
        active: control(&["is-active", "--quiet", SOCKET_NAME]).run().is_ok(),
        done: "systemd listens for the agent and starts it on the first call".to_owned(),
        look: format!("look at `systemctl --user status {SERVICE_NAME}`, or undo it: `rolecall agent uninstall`"),
    })
}

/// Tells whether the unit listens where we ask: elsewhere stands another agent than systemd's.
fn is_its_socket(paths: &Paths) -> bool {
    paths.login_socket().is_some()
}

/// Gives what there is to undo.
pub(super) fn undo(paths: &Paths) -> UninstallPlan {
    let units = units(paths);
    let link = units.join("sockets.target.wants").join(SOCKET_NAME);
    let files: Vec<PathBuf> = vec![units.join(SERVICE_NAME), units.join(SOCKET_NAME), confined_in(&units)];
    let enabled = fs::symlink_metadata(&link).is_ok() || files.iter().any(|path| is_ours(path));
    let mut directories = vec![units.join("sockets.target.wants"), units.join(format!("{SERVICE_NAME}.d"))];
    directories.extend(units.ancestors().take(2).map(Path::to_owned));
    UninstallPlan {
        before: if enabled {
            vec![control(&["disable", "--now", SOCKET_NAME]), control(&["stop", SERVICE_NAME])]
        } else {
            Vec::new()
        },
        files,
        links: if enabled { vec![link] } else { Vec::new() },
        directories: if enabled { directories } else { Vec::new() },
        after: if enabled { vec![control(&["daemon-reload"])] } else { Vec::new() },
        enabled,
    }
}

/// Ends the agent that systemd runs behind its socket, if it does; tells whether it was asked.
///
/// For one that no longer answers, or speaks another version: behind the socket stands systemd, and no process is known.
pub(super) fn stop_service(paths: &Paths) -> bool {
    is_its_socket(paths)
        && control(&["is-active", "--quiet", SERVICE_NAME]).run().is_ok()
        && control(&["stop", SERVICE_NAME]).run().is_ok()
}

/// Has systemd read units that an update has changed, so that the next start is by them.
pub(super) fn reread(paths: &Paths) {
    if is_its_socket(paths) && control(&["is-active", "--quiet", SOCKET_NAME]).run().is_ok() {
        let _ = control(&["daemon-reload"]).run();
    }
}

fn control(arguments: &[&str]) -> ManagerCommand {
    let mut step = ManagerCommand::new("systemctl", &["--user"]);
    step.arguments.extend(arguments.iter().map(ToString::to_string));
    step
}

/// Finds out whether there is a manager that can be told anything.
fn reach() -> Result<(), UserError> {
    control(&["show", "--property=Version"]).run().map(drop).map_err(|report| {
        UserError::new(Kind::Failed, format!("no service manager of this user can be reached: {}", report.message))
            .hint(NOT_NEEDED)
    })
}

/// Gives where the user's own units are: systemd looks there first.
fn units(paths: &Paths) -> PathBuf {
    config_home(paths).join("systemd/user")
}

/// Returns the directory of the user's own configuration, as the service manager knows it.
///
/// A terminal in a snap has an XDG_CONFIG_HOME that the manager does not have: it counts where units are in it already.
fn config_home(paths: &Paths) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the directory of the service manager, which is none of rolecall's")]
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    named.filter(|dir| dir.join("systemd/user").is_dir()).unwrap_or_else(|| paths.home.join(".config"))
}

fn service(program: &Path) -> Result<String, UserError> {
    let line = |program: &str| format!("ExecStart={program}\n");
    Ok(SERVICE.replace(&line(PACKAGED_PROGRAM), &line(&quoted(program)?)))
}

/// Gives where a file lies that adds to the service (systemd.unit(5), "drop-in").
fn confined_in(units: &Path) -> PathBuf {
    units.join(format!("{SERVICE_NAME}.d/confined.conf"))
}

/// Names what the agent writes: nothing else will be there to be written.
fn confined(paths: &Paths) -> Result<String, UserError> {
    let vault = paths.vault_file.parent().unwrap_or(&paths.vault_file);
    let of_socket = paths.login_socket().and_then(Path::parent);
    let of_lock = paths.lock.as_deref().and_then(Path::parent).filter(|dir| *dir != paths.state);
    let own = [Some(paths.state.as_path()), Some(vault), of_socket, of_lock].into_iter().flatten();
    // What is missing when the agent starts would stay out of its reach; one that is removed later is no reason not to start.
    let listed: Result<Vec<String>, UserError> = own.map(where_it_is).collect();
    Ok(CONFINED.replace("@OWN@", &listed?.join(" ")))
}

/// Writes a path that need not be there as one word of a setting (systemd.exec(5), systemd.syntax(7)).
fn where_it_is(path: &Path) -> Result<String, UserError> {
    let path = format!("-{}", plain(path)?).replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    Ok(if path.contains(|c: char| c.is_whitespace() || c == '\'' || c == '"') { format!("\"{path}\"") } else { path })
}

fn plain(path: &Path) -> Result<&str, UserError> {
    path.to_str().filter(|path| !path.chars().any(char::is_control)).ok_or_else(|| {
        UserError::new(Kind::Failed, format!("a unit cannot name {}", path.display()))
            .hint("install rolecall into a directory with a plain name")
    })
}

/// Writes a path as systemd reads it back (systemd.service(5), "Command lines").
fn quoted(program: &Path) -> Result<String, UserError> {
    let escaped = plain(program)?.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    Ok(if escaped.contains(|c: char| c.is_whitespace() || c == '\'' || c == '"' || c == ';') {
        format!("\"{escaped}\"")
    } else {
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_confined_agent_may_write_is_named_whatever_its_path_holds() {
        let word = |path: &str| where_it_is(Path::new(path)).expect("a plain path");
        assert_eq!(word("/home/me/.local/state/rolecall"), "-/home/me/.local/state/rolecall");
        assert_eq!(word("/a b/100%/\"q\"\\"), "\"-/a b/100%%/\\\"q\\\"\\\\\"");
        assert!(where_it_is(Path::new("/a\nReadWritePaths=/")).is_err());
    }

    #[test]
    fn the_unit_runs_the_program_beside_us_whatever_its_path_holds() {
        let line = |path: &str| {
            let unit = service(Path::new(path)).expect("a plain path");
            unit.lines().find(|line| line.starts_with("ExecStart=")).expect("it runs something").to_owned()
        };
        assert_eq!(line("/home/me/.cargo/bin/rolecalld"), "ExecStart=/home/me/.cargo/bin/rolecalld");
        assert_eq!(line("/a b/100%/$x/\"q\"/rolecalld"), "ExecStart=\"/a b/100%%/$$x/\\\"q\\\"/rolecalld\"");
        assert!(service(Path::new("/a\nExecStartPre=/bin/rm/rolecalld")).is_err());
    }
}
