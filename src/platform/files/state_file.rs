//! The files that rolecall itself keeps: one way to open them, and the JSON ones as a type.
//!
//! Whatever lies in the place of such a file, opening it returns at once: a symlink is not followed, a named pipe or a
//! device is not waited for, and only a regular file of this user is used. Reading stops at a limit.

use super::{WriteError, write_replacing};
use rustix::fs::{Mode, OFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::marker::PhantomData;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Opens a file for appending and creates it with mode 0600 if it is missing.
///
/// Errors: what [`open_private`] refuses.
pub fn open_private_append(path: &Path) -> io::Result<File> {
    open(path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE)
}

/// Opens a file for reading.
///
/// Errors: a missing file, a symlink, anything that is not a regular file, and a file of another user.
pub fn open_private(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDONLY)
}

/// Reads a whole file of at most `limit` bytes; returns `None` if it is missing.
pub fn read_private(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open_private(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(Some(bytes))
}

/// Returns what keeps a file from being used, without opening it; `None` if it is usable or missing.
pub fn unusable(path: &Path) -> Option<String> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) => return (error.kind() != io::ErrorKind::NotFound).then(|| error.to_string()),
    };
    refuse_kind(meta.file_type()).or_else(|| refuse_owner(meta.uid()))
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let safe = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags | safe, Mode::RUSR | Mode::WUSR) {
        Ok(file) => File::from(file),
        // The kernel's words for a pipe without a reader, a socket or a symlink do not name them.
        Err(error) => return Err(unusable(path).map_or_else(|| error.into(), io::Error::other)),
    };
    let meta = file.metadata()?;
    match refuse_kind(meta.file_type()).or_else(|| refuse_owner(meta.uid())) {
        Some(why) => Err(io::Error::other(why)),
        None => Ok(file),
    }
}

fn refuse_kind(kind: FileType) -> Option<String> {
    let what = match kind {
        kind if kind.is_file() => return None,
        kind if kind.is_symlink() => "a symlink",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Some(format!("it is {what}, not a regular file"))
}

fn refuse_owner(uid: u32) -> Option<String> {
    let own = rustix::process::geteuid().as_raw();
    (uid != own).then(|| format!("it belongs to uid {uid}, not to you (uid {own})"))
}

/// A JSON file of one type, which has the number of its form as `v`.
#[derive(Clone, Debug)]
pub struct StateFile<T> {
    path: PathBuf,
    limit: u64,
    version: u32,
    content: PhantomData<fn() -> T>,
}

/// The part that every form has.
#[derive(Deserialize)]
struct Form {
    #[serde(alias = "form")]
    v: u32,
}

impl<T: Serialize + DeserializeOwned> StateFile<T> {
    /// Names the file, the most bytes that it may have and the newest form that is understood.
    pub fn new(path: PathBuf, limit: u64, version: u32) -> Self {
        Self { path, limit, version, content: PhantomData }
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file; returns `None` if it is missing.
    ///
    /// Errors: the cause in words that follow the name of the file. A file that cannot be read is never taken for a
    /// missing one.
    pub fn load(&self) -> Result<Option<T>, String> {
        let read = read_private(&self.path, self.limit);
        let Some(bytes) = read.map_err(|error| format!("cannot be read: {error}"))? else { return Ok(None) };
        if serde_json::from_slice::<Form>(&bytes).is_ok_and(|form| form.v > self.version) {
            return Err("was written by a later version of rolecall".to_owned());
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|_| "is not what rolecall writes".to_owned())
    }

    /// Replaces the file as a whole, with mode 0600, and waits for the disk.
    pub fn save(&self, content: &T) -> Result<(), WriteError> {
        self.replace(content, true)
    }

    /// Does the same without waiting for the disk, for a file that means nothing after a restart of the machine.
    pub fn save_until_reboot(&self, content: &T) -> Result<(), WriteError> {
        self.replace(content, false)
    }

    /// Deletes the file; a missing one is deleted already.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn replace(&self, content: &T, lasts: bool) -> Result<(), WriteError> {
        let mut text = serde_json::to_vec_pretty(content)
            .map_err(|error| WriteError::new("cannot write", &self.path, &io::Error::other(error)))?;
        text.push(b'\n');
        write_replacing(&self.path, &text, lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    type Place = fn(&Path);

    /// What may lie in the place of a file, each with the word for it.
    const SPECIAL: [(&str, Place); 5] = [
        ("a directory", |path| fs::create_dir(path).expect("made")),
        ("a named pipe", |path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).expect("made");
        }),
        ("a symlink", |path| symlink("/dev/zero", path).expect("linked")),
        ("a symlink", |path| symlink("nowhere", path).expect("linked")),
        ("a socket", |path| drop(std::os::unix::net::UnixListener::bind(path).expect("bound"))),
    ];

    #[test]
    fn special_files_are_refused_without_waiting() {
        for (what, place) in SPECIAL {
            let dir = tempfile::tempdir().expect("tempdir");
            let path = dir.path().join("file");
            place(&path);
            for refused in [open_private(&path).map(drop), open_private_append(&path).map(drop)] {
                let error = refused.expect_err(what).to_string();
                assert_eq!(error, format!("it is {what}, not a regular file"));
            }
            assert!(StateFile::<Vec<u32>>::new(path, 100, 1).load().expect_err(what).contains(what));
        }
    }

    #[test]
    fn large_newer_and_foreign_content_is_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("file");
        let file = StateFile::<serde_json::Value>::new(path.clone(), 100, 1);
        assert_eq!(file.load(), Ok(None));
        for (content, why) in [
            (r#"{"v":2}"#, "later version"),
            ("{", "is not what rolecall writes"),
            (&"x".repeat(101), "larger than 100 bytes"),
        ] {
            fs::write(&path, content).expect("written");
            assert!(file.load().expect_err(why).contains(why));
        }
        fs::File::create(&path).and_then(|made| made.set_len(1 << 40)).expect("sparse");
        assert!(file.load().expect_err("huge").contains("larger than"));
    }

    #[test]
    fn saved_content_is_private_and_read_back() {
        let dir = tempfile::tempdir().expect("tempdir");
        let target = dir.path().join("target");
        fs::write(&target, "kept").expect("written");
        let path = dir.path().join("file");
        symlink(&target, &path).expect("linked");
        let file = StateFile::<serde_json::Value>::new(path.clone(), 1000, 1);
        let content = serde_json::json!({"v": 1, "names": ["a"]});
        file.save(&content).expect("saved");
        assert_eq!(file.load(), Ok(Some(content)));
        assert_eq!(fs::read(&target).expect("read"), b"kept", "a symlink is replaced, not followed");
        assert_eq!(fs::symlink_metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        file.remove().expect("removed");
        file.remove().expect("removed already");
    }
}
