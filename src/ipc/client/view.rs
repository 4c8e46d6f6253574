//! What this command would use itself, told to the agent with every request that depends on it.

use crate::protocol::message::{Request, SeenFile, View};
use rolecall_platform::paths::{Paths, file_id};
use std::path::Path;

/// Returns the view of a request; `None` if the socket was named: the agent may be that of another machine, unless
/// `ROLECALL_CONFIG` says that it is not.
pub(super) fn of(paths: &Paths, request: &Request) -> Option<View> {
    if paths.lock.is_none() && !paths.config_is_named {
        return None;
    }
    let vault = request.writes_vault().then(|| seen(&paths.vault_file));
    Some(View { config: seen(&paths.config), config_is_named: paths.config_is_named, vault })
}

fn seen(path: &Path) -> SeenFile {
    let id = file_id(path);
    SeenFile { path: path.to_string_lossy().into_owned(), id: id.ok().flatten(), is_unknown: id.is_err() }
}
