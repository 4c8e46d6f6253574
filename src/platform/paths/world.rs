//! Which world a command belongs to: the one of the user, which every caller shares, or a separate one chosen on purpose.
//!
//! A stray variable must not choose another world: a snap terminal sets the XDG directories, cron sets none, `sudo` may
//! keep the HOME of somebody else. So a world is the home in the user database, another HOME of the same user, or
//! `ROLECALL_HOME`. It is a function of the variables, the user database and the owners of directories.

use super::Disk;
use rolecall_core::domain::error::{Kind, UserError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names the directory of a separate world.
pub(super) const ROLECALL_HOME: &str = "ROLECALL_HOME";

/// A world: configuration, vault, state and socket that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum World {
    /// The one of the user, with its home.
    Own(PathBuf),
    /// Another HOME of the same user.
    Home(PathBuf),
    /// The directory that `ROLECALL_HOME` names.
    Named(PathBuf),
}

/// Chooses the world of a command.
pub(super) fn choose(var: &impl Fn(&str) -> Option<OsString>, uid: u32, disk: &impl Disk) -> Result<World, UserError> {
    let set = |name: &str| var(name).filter(|value| !value.is_empty());
    if let Some(dir) = set(ROLECALL_HOME).map(PathBuf::from) {
        return named(dir, &set, uid, disk);
    }
    let database = disk.home_in_database(uid);
    let home = set("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    if let Some(home) = home {
        if database.as_ref() == Some(&home) {
            return Ok(World::Own(home));
        }
        match disk.directory(&home) {
            Some(found) if found.uid == uid => {
                // Without an entry there is nothing that HOME could differ from.
                let is_own = database.as_deref().is_none_or(|own| disk.id(own) == Some(found.id));
                return Ok(if is_own { World::Own(home) } else { World::Home(home) });
            }
            Some(found) if set("SUDO_UID").is_some() => return Err(kept_by_sudo(&home, found.uid)),
            Some(found) if uid == 0 => {
                let is_own = |dir: &PathBuf| disk.directory(dir).is_some_and(|found| found.uid == uid);
                return Err(foreign_to_root(&home, found.uid, database.filter(is_own)));
            }
            // `su -m`, a service without a home of its own: HOME says nothing about this user.
            Some(_) | None => {}
        }
    }
    let own = database.or_else(|| disk.home_in_directory_service(uid));
    match own {
        Some(own) if disk.directory(&own).is_some_and(|found| found.uid == uid) => Ok(World::Own(own)),
        own => Err(no_home(own.as_deref(), uid)),
    }
}

fn named(
    dir: PathBuf,
    set: &impl Fn(&str) -> Option<OsString>,
    uid: u32,
    disk: &impl Disk,
) -> Result<World, UserError> {
    let shown = dir.display().to_string();
    if !dir.is_absolute() {
        return Err(UserError::new(Kind::Usage, format!("{ROLECALL_HOME} is not an absolute path: {shown}"))
            .hint(format!("set {ROLECALL_HOME} to a path that starts with /")));
    }
    if let Some(other) = ["ROLECALL_CONFIG", "ROLECALL_SOCKET"].into_iter().find(|name| set(name).is_some()) {
        return Err(UserError::new(Kind::Usage, format!("{ROLECALL_HOME} and {other} are both set"))
            .hint(format!("unset one of them: with {ROLECALL_HOME} every path lies below that directory")));
    }
    match disk.directory(&dir) {
        Some(found) if found.uid != uid => Err(UserError::new(
            Kind::Failed,
            format!("{ROLECALL_HOME}={shown} belongs to uid {}, not to you (uid {uid})", found.uid),
        )
        .hint(format!("set {ROLECALL_HOME} to a directory of your own"))),
        None if disk.id(&dir).is_some() => {
            Err(UserError::new(Kind::Failed, format!("{ROLECALL_HOME}={shown} is not a directory"))
                .hint(format!("set {ROLECALL_HOME} to a directory of your own")))
        }
        _ => Ok(World::Named(dir)),
    }
}

fn kept_by_sudo(home: &Path, owner: u32) -> UserError {
    let message = format!("sudo kept HOME={}, which belongs to uid {owner}: nothing was created", home.display());
    UserError::new(Kind::Failed, message)
        .hint("run it without sudo; to use the home of the other user, run it with `sudo -H`")
}

fn foreign_to_root(home: &Path, owner: u32, own: Option<PathBuf>) -> UserError {
    let message = format!("HOME={} belongs to uid {owner}, and this is root: nothing was created", home.display());
    // Not a plain name: a checkout of rolecall has it.
    let dir = own.map_or_else(|| TEMPORARY.to_owned(), |own| own.join(".rolecall").display().to_string());
    UserError::new(Kind::Failed, message)
        .hint(format!("keep everything of rolecall in one directory: `export {ROLECALL_HOME}={dir}`"))
}

fn no_home(database: Option<&Path>, uid: u32) -> UserError {
    let why = database.map_or_else(
        || "the user database has none".to_owned(),
        |home| format!("{} of the user database is not a directory of this user", home.display()),
    );
    UserError::new(Kind::Failed, format!("uid {uid} has no home directory: HOME is not one, and {why}"))
        .hint(format!("keep everything of rolecall in one directory: `export {ROLECALL_HOME}={TEMPORARY}`"))
}

/// In a shell, a new directory that only this user can enter, whichever user that is.
const TEMPORARY: &str = "\"$(mktemp -d)\"";
