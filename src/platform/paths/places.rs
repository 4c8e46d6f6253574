//! Where in a world the files and the socket are.
//!
//! Every caller of a world must come to the same answer, whatever its XDG variables say. So a directory that a variable
//! names counts where rolecall has something in it, or where rolecall has nothing anywhere; and the agent leaves a note in
//! the state directory of the world where it uses one, for callers without the variable.

use super::{Disk, FileId, STATE};
use std::path::{Path, PathBuf};

/// Returns the directory of the world's lock and of the note, below a home.
pub(super) fn of_world(home: &Path) -> PathBuf {
    home.join(STATE)
}

/// The directories that a world used last, where they are not the standard ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) config: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
    pub(super) vault: Option<PathBuf>,
}

impl Note {
    /// Reads the text of a note. A line that is not understood is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut note = Self::default();
        for line in text.lines() {
            let Some((key, path)) = line.split_once('=') else { continue };
            let path = Some(PathBuf::from(path)).filter(|path| path.is_absolute());
            match key {
                "config" => note.config = path,
                "state" => note.state = path,
                "vault" => note.vault = path,
                _ => {}
            }
        }
        note
    }

    /// Writes the text; `None` if there is nothing to note.
    pub(super) fn text(&self) -> Option<String> {
        let lines = [("config", &self.config), ("state", &self.state), ("vault", &self.vault)];
        let lines = lines.into_iter().filter_map(|(key, path)| {
            let path = path.as_ref()?.to_str().filter(|path| !path.contains('\n'))?;
            Some(format!("{key}={path}\n"))
        });
        Some(lines.collect::<String>()).filter(|text| !text.is_empty())
    }
}

/// A file, and another one in its role that is there as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) path: PathBuf,
    pub(super) other: Option<PathBuf>,
}

/// Which of several places counts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// The one that a variable names.
    Variable,
    /// The noted or standard one, so that the order is the same for every caller; a new file is created where the variable
    /// says.
    Standard,
    /// The same, and a new file is created in the standard place.
    StandardAlways,
}

/// Chooses among the file below a directory that a variable names, the one that the agent noted, and the standard one: the
/// first that exists, else the one to be created.
pub(super) fn place(
    variable: Option<PathBuf>,
    noted: Option<PathBuf>,
    standard: PathBuf,
    prefer: Prefer,
    disk: &impl Disk,
) -> Placed {
    if variable.is_none() && noted.is_none() {
        return Placed { path: standard, other: None };
    }
    let to_create = variable.clone().filter(|_| prefer != Prefer::StandardAlways).unwrap_or_else(|| standard.clone());
    let order = match prefer {
        Prefer::Variable => [variable, noted, Some(standard)],
        Prefer::Standard | Prefer::StandardAlways => [noted, Some(standard), variable],
    };
    let mut found: Vec<(PathBuf, FileId)> = Vec::new();
    for path in order.into_iter().flatten() {
        if let Some(id) = disk.id(&path)
            && found.iter().all(|(_, known)| *known != id)
        {
            found.push((path, id));
        }
    }
    let mut found = found.into_iter().map(|(path, _)| path);
    match found.next() {
        Some(path) => Placed { path, other: found.next() },
        None => Placed { path: to_create, other: None },
    }
}

/// Returns the places of the socket, the first of them for an agent that is to be started.
///
/// `runtime` is `XDG_RUNTIME_DIR`, if that belongs to the world. A directory of the machine may be missing at first and
/// appear with the login, so an agent may listen at any of these places.
pub(super) fn sockets(runtime: Option<PathBuf>, of_world: &Path) -> Vec<PathBuf> {
    let runtime = runtime.map(|dir| dir.join("rolecall/agent.sock"));
    // Never /tmp: another user could be there first.
    runtime.into_iter().chain([of_world.join("run/agent.sock")]).collect()
}
