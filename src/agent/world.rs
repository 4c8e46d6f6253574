//! One agent for each world, and no caller that is served by another configuration than it sees without a word.
//!
//! The agent uses its own files, whatever a caller says: a request must not choose them. It compares, and refuses or remarks
//! where the difference matters.

use super::active_config::ActiveConfig;
use super::socket::{BindError, failed};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_ipc::protocol::message::{Request, SeenFile, View};
use rolecall_platform::blocking::STATE;
use rolecall_platform::files;
use rolecall_platform::paths::Paths;
use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How long a look at one of the agent's own files may take.
const LOOK: Duration = Duration::from_secs(1);

/// The longest path in a message.
const PATH_SHOWN: usize = 512;

/// Takes the lock of the world and writes into it where this agent listens. `None` if there is none to take.
///
/// The lock beside the socket is not enough: an agent that cron has started before the login listens at another place than
/// one that is started after it. On a disk that takes no new file the lock beside the socket has to do.
pub(super) fn lock(paths: &Paths) -> Result<Option<File>, BindError> {
    let Some(path) = &paths.lock else { return Ok(None) };
    path.parent().map_or(Ok(()), files::ensure_private_dir_if_possible).map_err(BindError::Failed)?;
    let mut lock = match files::open_private_append(path) {
        Ok(lock) => lock,
        Err(error) => {
            tracing::warn!(%error, lock = %path.display(), "the lock of this world cannot be made");
            return Ok(None);
        }
    };
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(BindError::AlreadyRunning),
        // The lock beside the socket has to do.
        Err(e) if files::has_no_locks(e) => return Ok(None),
        Err(e) => return Err(BindError::Failed(failed(path, &e.into()))),
    }
    // Callers look here last; without it they still look at the usual places.
    let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", paths.socket.display()));
    Ok(Some(lock))
}

/// Notes directories that are not the standard ones for callers without the XDG variables.
pub(super) fn note_places(paths: &Paths) {
    let Some((file, text)) = paths.note() else { return };
    if let Err(report) = files::keep_note(file, text.as_deref()) {
        tracing::warn!(file = %file.display(), problem = %report.message, "the directories in use are not noted");
    }
}

/// Refuses a request whose caller sees another configuration or vault file than this agent uses.
pub(super) async fn check_view(
    paths: &Paths,
    config: &ActiveConfig,
    request: &Request,
    view: Option<&View>,
) -> Result<(), UserError> {
    let Some(view) = view.filter(|_| request.uses_configuration()) else { return Ok(()) };
    if let Some(report) = other_configuration(paths, view).await {
        return Err(report);
    }
    let is_file = config.catalogue().agent.vault.facts().is_file;
    match &view.vault {
        Some(vault) if is_file && vault.may_exist() && !is_same(&paths.vault_file, vault).await => {
            let (theirs, ours) = (shown(&vault.path), shown(&paths.vault_file.to_string_lossy()));
            Err(UserError::new(
                Kind::Config,
                format!("this command sees the vault {theirs}, the running agent uses {ours}"),
            )
            .hint(
                "to use the first one, run `rolecall agent restart` here; to use the second one, move the first away",
            ))
        }
        _ => Ok(()),
    }
}

/// Says that a caller sees another configuration, if that matters to it: it has named one, or there is one.
pub(super) async fn other_configuration(paths: &Paths, view: &View) -> Option<UserError> {
    if is_same(&paths.config, &view.config).await || !(view.config_is_named || view.config.may_exist()) {
        return None;
    }
    let (theirs, ours) = (shown(&view.config.path), shown(&paths.config.to_string_lossy()));
    let by = if view.config_is_named { " (ROLECALL_CONFIG)" } else { "" };
    let silent = if view.config.is_unknown { ", which does not answer" } else { "" };
    let message = format!("this command uses {theirs}{by}{silent}, the running agent {ours}");
    let keep = if view.config_is_named { "unset ROLECALL_CONFIG" } else { "move the other file away" };
    Some(
        UserError::new(Kind::Config, message)
            .hint(format!("to use the first one, run `rolecall agent restart` here; to use the second one, {keep}")),
    )
}

/// Tells whether a caller means the same file: by its path, or by where the path leads.
async fn is_same(own: &Path, theirs: &SeenFile) -> bool {
    if own.to_str() == Some(&theirs.path) {
        return true;
    }
    let Some(id) = theirs.id else { return false };
    let path = own.to_path_buf();
    let look = move || fs::metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == id);
    // A file that does not answer was not seen to be the same one.
    STATE.run(own.display().to_string(), LOOK, look).await.unwrap_or(false)
}

fn shown(path: &str) -> String {
    printable(path, PATH_SHOWN)
}
