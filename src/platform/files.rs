//! Private directories and whole-file writes: what is on disk is the old content or the new, never half, never for others.
//!
//! Whether a place may be used at all is for [`ownership`] to say; how a file of rolecall itself is opened, for
//! [`StateFile`] and the functions beside it.

pub mod ownership;
mod state_file;

use ownership::Exposed;
use rolecall_core::domain::error::{Kind, UserError};
pub use state_file::{StateFile, open_private, open_private_append, read_private, unusable};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How names of temporary files begin; six letters or digits follow.
const TEMPORARY: &str = ".rolecall-";

/// Makes a directory and its missing parents with mode 0700, then checks it as [`verify_private_dir`] does.
///
/// Nothing is made below a directory that another user could exchange.
pub fn ensure_private_dir(dir: &Path) -> Result<(), UserError> {
    look(dir)?;
    // mkdir with the mode, not chmod after: in between, others could open it.
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    match made {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(failed("cannot create directory", dir, &e)),
        // What exists already and is no directory is told of like any other flaw.
        _ => verify_private_dir(dir),
    }
}

/// Does the same for a directory without which its owner can do: one that cannot be created, as on a full disk, is left out.
pub fn ensure_private_dir_if_possible(dir: &Path) -> Result<(), UserError> {
    match ensure_private_dir(dir) {
        Err(report) if report.kind == Kind::Failed => Ok(()),
        done => done,
    }
}

/// Returns whether an error of flock(2) means that the file system has no locks, as Lustre and NFS without a lock service.
pub fn has_no_locks(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
    matches!(error, Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP)
}

/// Refuses a directory that another user could have prepared or could exchange: a symlink, a foreign owner, rights for
/// group and others, or a parent directory that [`ownership`] refuses.
///
/// Threat: another uid pre-creates or replaces the socket's directory and answers in our place.
pub fn verify_private_dir(dir: &Path) -> Result<(), UserError> {
    let found = look(dir)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    let meta = found.map_err(|e| failed("cannot look at directory", dir, &e))?;
    let refuse =
        |why: &str, hint: String| Err(UserError::new(Kind::Agent, format!("{} {why}", dir.display())).hint(hint));
    if meta.file_type().is_symlink() {
        return refuse("is a symlink, not a directory of its own", format!("remove it: `rm {}`", dir.display()));
    }
    if !meta.is_dir() {
        return refuse("is not a directory", format!("move it away: `mv {0} {0}.old`", dir.display()));
    }
    let uid = rustix::process::geteuid().as_raw();
    if meta.uid() != uid {
        return refuse(
            &format!("belongs to uid {}, not to you (uid {uid})", meta.uid()),
            "set ROLECALL_SOCKET to a path in a directory of your own".into(),
        );
    }
    if meta.mode() & 0o077 != 0 {
        return refuse("can be entered by other users", format!("close it: `chmod 700 {}`", dir.display()));
    }
    Ok(())
}

/// Looks at a directory that no other user could exchange; returns `None` if it is missing.
fn look(dir: &Path) -> Result<Option<fs::Metadata>, UserError> {
    let refused = |Exposed { why, hint }| {
        UserError::new(Kind::Agent, format!("{} is not safe where it is: {why}", dir.display())).hint(hint)
    };
    ownership::resolve_parents(dir).map(|place| place.meta).map_err(refused)
}

/// Replaces a file by a whole new one: temporary file beside it, fsync, rename, fsync of the directory.
///
/// A symlink is followed and its target replaced, so that dotfile set-ups stay as they are. The mode of an existing file
/// is kept; a new one gets 0600.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), UserError> {
    write_atomically_if(path, content, || Ok(()))
}

/// Does the same, but asks `still` just before the rename: its error leaves everything as it was.
pub fn write_atomically_if(
    path: &Path,
    content: &[u8],
    still: impl FnOnce() -> Result<(), UserError>,
) -> Result<(), UserError> {
    let target = &fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let temp = temporary(target, content, true)?;
    still()?;
    // Not before: what a kill leaves behind is for its owner alone.
    let mode = fs::metadata(target).map_or(0o600, |meta| meta.permissions().mode() & 0o777);
    let set = temp.as_file().set_permissions(fs::Permissions::from_mode(mode));
    set.map_err(|e| failed("cannot write", target, &e))?;
    Ok(persist(temp, target, true)?)
}

/// Replaces a file by a whole new one that only its owner can read, whatever the mode of the old one was; a symlink is
/// replaced, not followed.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), UserError> {
    write_replacing(path, content, true).map_err(UserError::from)
}

/// The longest text that [`keep_note`] compares; a longer one is written again.
const NOTE_MAX: u64 = 16 * 1024;

/// Has a private file contain a text, or not be there if there is none. Nothing is written if that holds already.
pub fn keep_note(path: &Path, text: Option<&str>) -> Result<(), UserError> {
    let found = read_private(path, NOTE_MAX);
    match text {
        _ if found.as_ref().is_ok_and(|found| found.as_deref() == text.map(str::as_bytes)) => Ok(()),
        Some(text) => {
            path.parent().map_or(Ok(()), ensure_private_dir)?;
            write_private(path, text.as_bytes())
        }
        None => fs::remove_file(path).map_err(|e| failed("cannot remove", path, &e)),
    }
}

/// Does the same, and waits for the disk only if the file `lasts` beyond a restart of the machine.
fn write_replacing(path: &Path, content: &[u8], lasts: bool) -> Result<(), WriteError> {
    // Made with mode 0600; never wider for an instant.
    let temp = temporary(path, content, lasts)?;
    persist(temp, path, lasts)
}

fn temporary(target: &Path, content: &[u8], lasts: bool) -> Result<tempfile::NamedTempFile, WriteError> {
    let write = || -> io::Result<tempfile::NamedTempFile> {
        let mut temp = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(directory_of(target))?;
        temp.write_all(content)?;
        if lasts {
            temp.as_file().sync_all()?;
        }
        Ok(temp)
    };
    write().map_err(|e| WriteError::new("cannot write", target, &e))
}

fn persist(temp: tempfile::NamedTempFile, target: &Path, lasts: bool) -> Result<(), WriteError> {
    let rename = || -> io::Result<()> {
        temp.persist(target).map_err(|e| e.error)?;
        if lasts { fs::File::open(directory_of(target))?.sync_all() } else { Ok(()) }
    };
    rename().map_err(|e| WriteError::new("cannot write", target, &e))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Removes what a kill has left of writes to a file: it may hold a secret that the file itself no longer has.
pub fn clear_leftovers(path: &Path) {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let Some(found) = target.parent().and_then(|dir| fs::read_dir(dir).ok()) else { return };
    for entry in found.flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY));
        let is_ours = random.is_some_and(|it| it.len() == 6 && it.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // It lies there until the next time.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> UserError {
    WriteError::new(what, path, error).into()
}

/// Why a file was not written. Its old content is unchanged.
#[derive(Debug)]
pub struct WriteError {
    message: String,
    path: PathBuf,
    kind: io::ErrorKind,
}

impl WriteError {
    fn new(what: &str, path: &Path, error: &io::Error) -> Self {
        let message = format!("{what} {}: {error}", path.display());
        Self { message, path: path.to_owned(), kind: error.kind() }
    }

    /// Returns what the user can do, if the cause is known.
    pub fn remedy(&self) -> Option<String> {
        Some(match self.kind {
            io::ErrorKind::PermissionDenied => format!("look at its rights: `ls -ld {}`", self.path.display()),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space".to_owned(),
            io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
            _ => return None,
        })
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<WriteError> for UserError {
    fn from(error: WriteError) -> Self {
        let unchanged = "nothing was changed";
        let hint = match error.remedy() {
            Some(remedy) if error.kind == io::ErrorKind::PermissionDenied => remedy,
            Some(remedy) => format!("{remedy}; {unchanged}"),
            None => unchanged.to_owned(),
        };
        Self::new(Kind::Failed, error.message).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_directory_that_others_could_have_prepared_is_refused() {
        let top = tempfile::tempdir().expect("tempdir");
        let dir = top.path().join("a/b");
        ensure_private_dir(&dir).expect("made");
        assert_eq!(fs::metadata(&dir).expect("there").mode() & 0o777, 0o700);

        fs::set_permissions(&dir, fs::Permissions::from_mode(0o750)).expect("chmod");
        assert!(verify_private_dir(&dir).expect_err("open").message.contains("other users"));

        let link = top.path().join("link");
        symlink(top.path().join("a"), &link).expect("symlink");
        assert!(verify_private_dir(&link).expect_err("link").message.contains("symlink"));

        let file = top.path().join("file");
        fs::write(&file, "").expect("write");
        assert!(verify_private_dir(&file).expect_err("file").message.contains("not a directory"));
    }

    #[test]
    fn a_write_replaces_the_target_of_a_symlink_and_keeps_its_mode() {
        let top = tempfile::tempdir().expect("tempdir");
        let target = top.path().join("target");
        fs::write(&target, "old").expect("write");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).expect("chmod");
        let link = top.path().join("link");
        symlink(&target, &link).expect("symlink");
        write_atomically(&link, b"new").expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").file_type().is_symlink());
        assert_eq!(fs::read(&target).expect("read"), b"new");
        assert_eq!(fs::metadata(&target).expect("there").mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(top.path()).expect("dir").count(), 2, "no temporary file is left");
    }

    #[test]
    fn a_write_that_is_called_off_before_the_rename_leaves_no_trace() {
        let top = tempfile::tempdir().expect("tempdir");
        let file = top.path().join("file");
        fs::write(&file, "old").expect("write");
        let off = || Err(UserError::new(Kind::Failed, "called off"));
        assert_eq!(write_atomically_if(&file, b"new", off).expect_err("off").message, "called off");
        assert_eq!(fs::read(&file).expect("read"), b"old");
        assert_eq!(fs::read_dir(top.path()).expect("dir").count(), 1, "no temporary file is left");
    }

    #[test]
    fn write_errors_say_what_can_be_done() {
        for (kind, remedy, hint) in [
            (
                io::ErrorKind::PermissionDenied,
                Some("look at its rights: `ls -ld /x`"),
                "look at its rights: `ls -ld /x`",
            ),
            (io::ErrorKind::StorageFull, Some("free some space"), "free some space; nothing was changed"),
            (io::ErrorKind::QuotaExceeded, Some("free some space"), "free some space; nothing was changed"),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                Some("the file system is read-only"),
                "the file system is read-only; nothing was changed",
            ),
            (io::ErrorKind::NotFound, None, "nothing was changed"),
        ] {
            let error = WriteError::new("cannot write", Path::new("/x"), &kind.into());
            assert_eq!(error.remedy().as_deref(), remedy, "{kind:?}");
            assert_eq!(UserError::from(error).hint.as_deref(), Some(hint), "{kind:?}");
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_content() {
        let top = tempfile::tempdir().expect("tempdir");
        let missing = top.path().join("no/such/dir/file");
        assert!(write_atomically(&missing, b"x").is_err());
    }
}
