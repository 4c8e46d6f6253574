//! The files of a configuration on disk, read in one way by both programs.
//!
//! A file decides who becomes what: it must be ours or root's, and nobody else may write it (CVE-2022-24765). The same
//! holds of each directory on the way to it ([`ownership`]): who may write there chooses which file is read. What it means
//! is for `config` to say.

mod bounded;

use crate::files::ownership::{self, Exposed, OwnershipFlaw, ResolvedPath};
use bounded::BoundedDisk;
use rolecall_core::config::{self, ConfigError, Content, Files, Loaded, Unread};
use rolecall_core::domain::error::{Kind, UserError};
use rustix::fs::{Mode, OFlags};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The disk.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

/// Reads a configuration from disk for a command; a missing first file is an empty one.
pub fn load(main: &Path) -> Result<Loaded, ConfigError> {
    config::load(main, &BoundedDisk::of_command())
}

impl Files for Disk {
    fn read(&self, path: &Path, limit: usize) -> Result<Content, Unread> {
        let refuse = |why: &str, fix: &str| {
            let hint = format!("{fix} {}`", path.display());
            Err(Unread::Refused { why: why.to_owned(), hint })
        };
        let failed = |e: &io::Error| refuse(&format!("cannot be read: {e}"), "look at its rights: `ls -lL");
        let real = match ownership::resolve(path) {
            Ok(ResolvedPath { meta: None, .. }) => return Err(Unread::Missing),
            Ok(place) => place.path,
            Err(Exposed { why, hint }) => {
                return Err(Unread::Refused { why: format!("is not safe where it is: {why}"), hint });
            }
        };
        // Without waiting: a pipe in its place would keep the agent until somebody writes into it.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match rustix::fs::open(&real, flags, Mode::empty()).map_err(io::Error::from) {
            Ok(file) => File::from(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Unread::Missing),
            Err(e) => return failed(&e),
        };
        let meta = match file.metadata() {
            Ok(meta) => meta,
            Err(e) => return failed(&e),
        };
        if !meta.is_file() {
            return refuse("is not a file", "look at it: `ls -ld");
        }
        if let Some(flaw) = OwnershipFlaw::of(&meta) {
            return Err(Unread::Refused { why: flaw.why(), hint: flaw.hint(path) });
        }
        let mut bytes = Vec::new();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        match file.take(limit).read_to_end(&mut bytes) {
            Ok(_) => Ok(Content { bytes, id: (meta.dev(), meta.ino()) }),
            Err(e) => failed(&e),
        }
    }

    fn list(&self, dir: &Path, pattern: &str, limit: usize) -> Result<Vec<OsString>, String> {
        let place = ownership::resolve(dir).map_err(|Exposed { why, hint }| format!("{why}; {hint}"))?;
        // Here a file that is put in is read: the sticky bit does not help, as it lets others add names.
        if let Some(flaw) = place.meta.as_ref().and_then(OwnershipFlaw::of) {
            return Err(format!("its directory {} {}; {}", dir.display(), flaw.why(), flaw.hint(dir)));
        }
        let entries = fs::read_dir(&place.path).map_err(|e| e.to_string())?;
        let mut names = Vec::new();
        for (at, entry) in entries.enumerate() {
            if at == limit {
                return Err(format!("it has more than {limit} files"));
            }
            let name = entry.map_err(|e| e.to_string())?.file_name();
            if name.to_str().is_some_and(|name| config::is_included(pattern, name)) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Refuses the place of a first file that is still to be created, if [`load`] would refuse the file there.
pub fn verify_place(main: &Path) -> Result<(), UserError> {
    match ownership::resolve(main) {
        Ok(_) => Ok(()),
        Err(Exposed { why, hint }) => {
            Err(UserError::new(Kind::Config, format!("{} is not created: {why}", main.display())).hint(hint))
        }
    }
}

/// What was asked of the disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ReadRequest {
    File(PathBuf, usize),
    Directory(PathBuf, String, usize),
}

/// All that a configuration was made of: what was asked of the disk, and the digest of each answer. The same answers make
/// the same configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileState(Vec<(ReadRequest, u64)>);

impl FileState {
    /// Gives the paths whose change could change the configuration.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(asked, _)| match asked {
            ReadRequest::File(path, _) | ReadRequest::Directory(path, ..) => path.as_path(),
        })
    }
}

/// An answer of the disk to a question about a file, and its digest.
type Answer = (u64, Result<Content, Unread>);

/// The disk at one moment: what was read once is not read again, and what was asked is remembered.
#[derive(Default)]
pub struct Snapshot {
    disk: BoundedDisk,
    answers: RefCell<HashMap<(PathBuf, usize), Answer>>,
    seen: RefCell<FileState>,
}

impl Snapshot {
    /// Makes the look of a command, which has to end whatever does not answer.
    pub fn of_command() -> Self {
        Self { disk: BoundedDisk::of_command(), ..Self::default() }
    }

    /// Tells whether every answer is still the one that was seen.
    pub fn is_as(&self, seen: &FileState) -> bool {
        seen.0.iter().all(|(asked, digest)| {
            let now = match asked {
                ReadRequest::File(path, limit) => self.fetched(path, *limit, |(digest, _)| *digest),
                ReadRequest::Directory(path, pattern, limit) => digest_of_names(&self.disk.list(path, pattern, *limit)),
            };
            now == *digest
        })
    }

    /// Tells what keeps the first file from saying anything: that it is gone, or empty.
    pub fn gap(&self, main: &Path) -> Option<&'static str> {
        let (gap, digest) = self.fetched(main, config::MAX_BYTES, |(digest, answer)| {
            let gap = match answer {
                Err(Unread::Missing) => Some("is gone"),
                Ok(content) if content.bytes.is_empty() => Some("is empty"),
                _ => None,
            };
            (gap, *digest)
        });
        if gap.is_some() {
            self.note(ReadRequest::File(main.to_path_buf(), config::MAX_BYTES), digest);
        }
        gap
    }

    /// Gives what was asked since this look began.
    pub fn into_seen(self) -> FileState {
        self.seen.into_inner()
    }

    fn fetched<T>(&self, path: &Path, limit: usize, look: impl FnOnce(&Answer) -> T) -> T {
        let mut answers = self.answers.borrow_mut();
        look(answers.entry((path.to_path_buf(), limit)).or_insert_with(|| {
            let answer = self.disk.read(path, limit);
            (digest_of_file(&answer), answer)
        }))
    }

    fn note(&self, asked: ReadRequest, digest: u64) {
        self.seen.borrow_mut().0.push((asked, digest));
    }
}

impl Files for Snapshot {
    fn read(&self, path: &Path, limit: usize) -> Result<Content, Unread> {
        self.fetched(path, limit, |_| ());
        let known = self.answers.borrow_mut().remove(&(path.to_path_buf(), limit));
        let (digest, answer) = known.expect("it has just been fetched");
        self.note(ReadRequest::File(path.to_path_buf(), limit), digest);
        answer
    }

    fn list(&self, dir: &Path, pattern: &str, limit: usize) -> Result<Vec<OsString>, String> {
        let answer = self.disk.list(dir, pattern, limit);
        self.note(ReadRequest::Directory(dir.to_path_buf(), pattern.to_owned(), limit), digest_of_names(&answer));
        answer
    }
}

fn digest_of_file(answer: &Result<Content, Unread>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match answer {
        // Not the inode: editors make a new file for the same text.
        Ok(content) => content.bytes.hash(&mut hasher),
        Err(why) => why.hash(&mut hasher),
    }
    hasher.finish()
}

fn digest_of_names(answer: &Result<Vec<OsString>, String>) -> u64 {
    let mut hasher = DefaultHasher::new();
    answer.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    }

    fn file(dir: &Path, name: &str) -> PathBuf {
        fs::create_dir_all(dir).expect("made");
        set_mode(dir, 0o755);
        let file = dir.join(name);
        fs::write(&file, "# x\n").expect("written");
        set_mode(&file, 0o644);
        file
    }

    fn refusal(path: &Path) -> Option<(String, String)> {
        match Disk.read(path, 100) {
            Err(Unread::Refused { why, hint }) => Some((why, hint)),
            Err(Unread::Missing) => panic!("there is none"),
            Ok(_) => None,
        }
    }

    #[test]
    fn directory_that_others_can_write_to_leads_to_no_file() {
        let home = tempfile::tempdir().expect("made");
        let safe = file(&home.path().join("safe"), "a.toml");
        let teams = home.path().join("teams");
        let beside = file(&teams, "b.toml");
        let link = teams.join("link.toml");
        symlink(&safe, &link).expect("made");
        assert_eq!(refusal(&link), None, "dotfiles are links");
        for mode in [0o777, 0o775, 0o757] {
            set_mode(&teams, mode);
            for path in [&beside, &link, &teams.join("missing.toml")] {
                let (why, hint) = refusal(path).unwrap_or_else(|| panic!("{mode:o} was read"));
                assert!(why.contains("teams can be written by other users"), "{why}");
                assert!(hint.starts_with("close it: `chmod go-w ") && hint.ends_with("/teams`"), "{hint}");
            }
        }
        for mode in [0o777, 0o1777] {
            set_mode(&teams, mode);
            let listed = Disk.list(&teams, "*.toml", 10).expect_err("what fits is anybody's");
            assert!(listed.contains("can be written by other users; close it: `chmod go-w "), "{listed}");
        }
        assert_eq!(refusal(&link), None, "nobody can replace what is ours in a sticky directory");
        // The open one in the middle, or at the end, of a chain of links.
        set_mode(&teams, 0o777);
        let outer = file(&home.path().join("outer"), "c.toml").with_file_name("link.toml");
        symlink(&link, &outer).expect("made");
        assert!(refusal(&outer).is_some());
        set_mode(&teams, 0o755);
        assert_eq!(refusal(&outer), None);
        set_mode(&home.path().join("safe"), 0o777);
        assert!(refusal(&outer).is_some());
    }

    #[test]
    fn nix_store_is_accepted() {
        let home = tempfile::tempdir().expect("made");
        let store = home.path().join("store");
        let target = file(&store, "hash-config.toml");
        let link = file(&home.path().join("config"), "other").with_file_name("config.toml");
        symlink(&target, &link).expect("made");
        set_mode(&store, 0o1775);
        assert_eq!(refusal(&link), None, "the builders' group cannot replace what is not theirs");
        set_mode(&store, 0o775);
        assert!(refusal(&link).is_some());
    }
}
