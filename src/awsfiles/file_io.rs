//! Reading and writing an AWS file on disk: whole, privately, once backed up, and never over somebody else's change.
//!
//! Knows nothing of what the text means. The file belongs to a person and to other tools, so everything odd about it is
//! refused rather than worked round, and a failure changes nothing.

use super::{managed_block, shown};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::text::{narrowing, wide};
use rolecall_platform::files;
use rolecall_platform::files::ownership::{self, Exposed, OwnershipFlaw};
use rolecall_platform::reach::{self, DEADLINE};
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The largest file taken: a thousand times what thousands of profiles need.
const SIZE_MAX: u64 = 16 << 20;

/// What is put after the file's name to name its backup.
const BACKUP: &str = ".before-rolecall";

/// Reads a file; a missing one is empty. It may hold secrets, so it is wiped when dropped.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, UserError> {
    reach::ensure_answers(path)?;
    match target(path)? {
        Target::File(target) => load(&target),
        Target::Missing | Target::Null => Ok(Zeroizing::default()),
    }
}

/// Replaces the text that was read by a new one; gives the backup's path if it was made now.
///
/// The backup `NAME.before-rolecall` is made once, before the first change, and never touched afterwards. A missing file
/// is made with mode 0600, a missing directory with 0700. Refused: a file that changed since it was read, is another
/// user's, is no regular file, or is reached through a link that another user could turn.
pub fn write(path: &Path, old: &[u8], new: &[u8]) -> Result<Option<PathBuf>, UserError> {
    replace(path, old, new, true)
}

/// Does the same without a backup, for a change that takes secrets out of a file.
pub fn write_unbacked(path: &Path, old: &[u8], new: &[u8]) -> Result<(), UserError> {
    replace(path, old, new, false).map(drop)
}

/// Gives the path of the backup of a file.
pub fn backup_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(BACKUP);
    name.into()
}

fn replace(path: &Path, old: &[u8], new: &[u8], keep: bool) -> Result<Option<PathBuf>, UserError> {
    if old == new {
        return Ok(None);
    }
    let path = &std::path::absolute(path).map_err(|e| failed(path, &format!("cannot be found: {e}")))?;
    verify(path)?;
    let found = match target(path)? {
        Target::File(target) => Some(target),
        Target::Missing => {
            make_parent(path)?;
            None
        }
        Target::Null => return Err(null_device(path)),
    };
    let mut backup = None;
    let still = || {
        // Another tool (`aws configure`, an editor) may have written since; its lines must not be lost.
        if *read(path)? != old {
            return Err(failed(path, "changed while rolecall was about to write it").hint("run the command again"));
        }
        if keep && found.is_some() && !bears_markers(old) {
            backup = back_up(path, old)?;
        }
        Ok(())
    };
    let done = files::write_atomically_if(found.as_deref().unwrap_or(path), new, still);
    if done.is_err()
        && let Some(made) = &backup
    {
        // Else the next attempt would find this one, of a text that may be outdated by then.
        let _ = fs::remove_file(made);
    }
    done.map(|()| backup)
}

/// A file with our markers has been changed by us before: it is no longer what it was before rolecall.
fn bears_markers(text: &[u8]) -> bool {
    super::split_lines(text).any(|line| line.trim_ascii() == managed_block::BEGIN.as_bytes())
}

/// What is behind a path.
enum Target {
    /// A regular file, without links on the way.
    File(PathBuf),
    Missing,
    /// The null device: people set a variable to `/dev/null` so that tools read no file. The AWS CLI takes it for a
    /// missing file (botocore, `raw_config_parse`), the SDKs read it as empty.
    Null,
}

/// Returns whether a path leads to the null device, which has nothing to read and keeps nothing.
pub fn is_null_device(path: &Path) -> bool {
    reach::answers(path, DEADLINE).is_ok() && fs::metadata(path).is_ok_and(|meta| is_null(&meta))
}

fn null_device(path: &Path) -> UserError {
    failed(path, "is the null device, which keeps nothing")
        .hint("unset AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, or let them name files")
}

/// Finds out what is behind a path.
fn target(path: &Path) -> Result<Target, UserError> {
    let meta = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Target::Missing),
        Err(e) => return Err(failed(path, &format!("cannot be looked at: {e}"))),
        Ok(meta) => meta,
    };
    let (target, meta) = if meta.file_type().is_symlink() {
        // A file made through a dangling link would come to life at a place that nobody looked at.
        let dangling = |e: io::Error| {
            failed(path, &format!("is a symlink that leads nowhere: {e}"))
                .hint(format!("look where it points with `ls -l {0}`, then remove it: `rm {0}`", shown(path)))
        };
        let target = fs::canonicalize(path).map_err(dangling)?;
        let meta = fs::symlink_metadata(&target).map_err(dangling)?;
        (target, meta)
    } else {
        (path.to_path_buf(), meta)
    };
    let kind = meta.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(Target::File(target)),
        () if kind.is_char_device() && is_null(&meta) => return Ok(Target::Null),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(failed(path, &format!("is {what}, not a file")).hint(format!(
        "move it away: `mv {0} {0}.old`, or let AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE name a file",
        shown(path)
    )))
}

fn is_null(device: &fs::Metadata) -> bool {
    fs::metadata("/dev/null").is_ok_and(|null| null.file_type().is_char_device() && null.rdev() == device.rdev())
}

fn load(target: &Path) -> Result<Zeroizing<Vec<u8>>, UserError> {
    let unreadable = |e: io::Error| {
        failed(target, &format!("cannot be read: {e}")).hint(format!("look at its rights: `ls -l {}`", shown(target)))
    };
    // It was a regular file when it was looked at; NONBLOCK, so that a pipe put there since does not hang us.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: fs::File = rustix::fs::open(target, flags, Mode::empty()).map_err(|e| unreadable(e.into()))?.into();
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(failed(target, "is not a file any more").hint("run the command again"));
    }
    if meta.len() > SIZE_MAX {
        return Err(failed(target, "is larger than 16 MiB, which no AWS file is"));
    }
    // The room is taken at once: a buffer that grows leaves copies behind that are not wiped.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1));
    file.take(SIZE_MAX).read_to_end(&mut text).map_err(unreadable)?;
    if let Some(why) = wide(&text) {
        return Err(failed(target, why).hint(narrowing(&shown(target))));
    }
    Ok(text)
}

/// Refuses to write where another user could have prepared something; [`write()`] does so by itself. For commands that do
/// more than writing the file: they ask before they do anything.
///
/// Threat: a directory or link of another user makes us replace a file of their choice, or write our profiles to where
/// they can change the command that SDKs run.
pub fn verify(path: &Path) -> Result<(), UserError> {
    reach::ensure_answers(path)?;
    let path = &std::path::absolute(path).map_err(|e| failed(path, &format!("cannot be found: {e}")))?;
    if matches!(target(path)?, Target::Null) {
        return Err(null_device(path));
    }
    let place = ownership::resolve(path)
        .map_err(|Exposed { why, hint }| failed(path, &format!("is not safe where it is: {why}")).hint(hint))?;
    let Some(meta) = place.meta else { return Ok(()) };
    let uid = rustix::process::geteuid().as_raw();
    if meta.uid() != uid {
        return Err(failed(&place.path, &format!("belongs to uid {}, not to you (uid {uid})", meta.uid()))
            .hint(format!("look who owns it: `ls -l {}`", shown(&place.path))));
    }
    match OwnershipFlaw::of(&meta) {
        Some(flaw) => Err(failed(&place.path, &flaw.why()).hint(flaw.hint(&place.path))),
        None => Ok(()),
    }
}

fn make_parent(path: &Path) -> Result<(), UserError> {
    match path.parent() {
        // What is there already stays as it is: many have ~/.aws with 0755, and only our files must be private.
        Some(dir) if !dir.is_dir() => files::ensure_private_dir(dir),
        _ => Ok(()),
    }
}

/// Makes the backup, unless there is one; it is there whole or not at all.
fn back_up(path: &Path, text: &[u8]) -> Result<Option<PathBuf>, UserError> {
    let backup = backup_path(path);
    let dir = path.parent().unwrap_or(Path::new("/"));
    let make = || -> io::Result<bool> {
        let mut temp = tempfile::Builder::new().prefix(".rolecall-").tempfile_in(dir)?;
        temp.write_all(text)?;
        temp.as_file().sync_all()?;
        match temp.persist_noclobber(&backup) {
            Ok(_) => Ok(true),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e.error),
        }
    };
    let fresh = make().map_err(|e| failed(&backup, &format!("cannot be written: {e}")))?;
    Ok(fresh.then_some(backup))
}

fn failed(path: &Path, what: &str) -> UserError {
    UserError::new(Kind::Failed, format!("{} {what}; nothing was changed", shown(path)))
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
