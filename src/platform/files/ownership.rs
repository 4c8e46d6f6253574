//! Whether a place is ours: who else could change what a path leads to.
//!
//! One rule for the configuration, the AWS files, the vault, the state directory and the runtime directory. Every directory
//! from `/` down, and on the way of every symlink, belongs to this user or to root, and no other user can write to it. In a
//! sticky directory (`/tmp`, the Nix store) other users cannot replace an entry of this user or of root, so that such an
//! entry is accepted there. The group counts as other users: the members of a group are in a
//! database that may be remote, and root can add one at any time.
//!
//! The rule also closes races between a look at a path and its use: a path that no other user can change when it is
//! checked cannot be exchanged later.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The most symlinks followed, as in the kernel.
const LINKS_MAX: u32 = 40;

/// The bits that let other users write, and the sticky bit.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// What lets another user change a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnershipFlaw {
    /// It belongs to the user of this number.
    Foreign(u32),
    /// Its mode lets others write.
    Writable,
}

impl OwnershipFlaw {
    /// Returns the flaw of an entry that must belong to this user or to root and be writable by its owner only.
    pub fn of(meta: &Metadata) -> Option<Self> {
        if !is_trusted(meta.uid()) {
            return Some(Self::Foreign(meta.uid()));
        }
        (meta.mode() & OTHERS_WRITE != 0).then_some(Self::Writable)
    }

    /// Describes the flaw; the name of the entry goes before it.
    pub fn why(self) -> String {
        match self {
            Self::Foreign(uid) => format!("belongs to another user (uid {uid})"),
            Self::Writable => "can be written by other users".to_owned(),
        }
    }

    /// Returns the hint that removes the flaw.
    pub fn hint(self, path: &Path) -> String {
        match self {
            Self::Foreign(_) => format!("make it yours: `chown $USER {}`", path.display()),
            Self::Writable => format!("close it: `chmod go-w {}`", path.display()),
        }
    }
}

/// Why a path may lead to a place that another user chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// The cause, which names the directory or symlink.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// Where a path leads.
#[derive(Debug)]
pub struct ResolvedPath {
    /// The path without symlinks.
    pub path: PathBuf,
    /// What is there; `None` if nothing is.
    pub meta: Option<Metadata>,
}

/// Follows a path and every symlink on it, and refuses it if another user could change where it leads.
///
/// Missing directories are accepted: whoever creates them checks them again. The entry itself is not checked; see
/// [`OwnershipFlaw::of`].
pub fn resolve(path: &Path) -> Result<ResolvedPath, Exposed> {
    walk(path, true)
}

/// Does the same, but does not follow a symlink in the last place.
pub fn resolve_parents(path: &Path) -> Result<ResolvedPath, Exposed> {
    walk(path, false)
}

fn walk(path: &Path, follow_last: bool) -> Result<ResolvedPath, Exposed> {
    let path = std::path::absolute(path).map_err(|error| unseen(path, &error))?;
    let mut pending = Vec::new();
    push_steps(&mut pending, &path);
    let root = || Ok((PathBuf::from("/"), look(Path::new("/"))?));
    let (mut at, mut directory) = root()?;
    let mut links = 0;
    while let Some(step) = pending.pop() {
        if step == ".." {
            at.pop();
            directory = look(&at)?;
            continue;
        }
        let next = at.join(&step);
        let entry = match fs::symlink_metadata(&next) {
            Ok(entry) => Some(entry),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unseen(&next, &error)),
        };
        check_directory(&at, &directory, entry.as_ref().map(|entry| (&*next, entry)))?;
        let Some(entry) = entry else {
            pending.push(step);
            return Ok(ResolvedPath { path: pending.iter().rev().fold(at, |path, step| path.join(step)), meta: None });
        };
        if entry.is_symlink() && (follow_last || !pending.is_empty()) {
            links += 1;
            let target = fs::read_link(&next).map_err(|error| unseen(&next, &error))?;
            check_link(&next, &entry, links)?;
            if target.is_absolute() {
                (at, directory) = root()?;
            }
            push_steps(&mut pending, &target);
            continue;
        }
        (at, directory) = (next, entry);
    }
    Ok(ResolvedPath { path: at, meta: Some(directory) })
}

/// Puts the steps of a path on the stack, the first on top.
fn push_steps(pending: &mut Vec<OsString>, path: &Path) {
    let steps = path.components().rev().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        Component::ParentDir => Some(OsStr::new("..")),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    pending.extend(steps.map(OsStr::to_owned));
}

/// Refuses a directory where another user could exchange an entry, or create it if it is missing.
fn check_directory(path: &Path, directory: &Metadata, entry: Option<(&Path, &Metadata)>) -> Result<(), Exposed> {
    let is_sticky = directory.mode() & STICKY != 0;
    let (named, at, flaw) = match (OwnershipFlaw::of(directory), entry) {
        (None, _) => return Ok(()),
        // Its mode counts all the same.
        (Some(OwnershipFlaw::Foreign(uid)), _) if is_unmapped(uid) && directory.mode() & OTHERS_WRITE == 0 => {
            return Ok(());
        }
        (Some(OwnershipFlaw::Foreign(uid)), None) if is_unmapped(uid) && is_sticky => return Ok(()),
        (Some(OwnershipFlaw::Foreign(uid)), Some((_, entry)))
            if is_unmapped(uid) && is_sticky && is_trusted(entry.uid()) =>
        {
            return Ok(());
        }
        (Some(OwnershipFlaw::Writable), None) if is_sticky => return Ok(()),
        (Some(OwnershipFlaw::Writable), Some((at, entry))) if is_sticky => match entry.uid() {
            uid if is_trusted(uid) => return Ok(()),
            uid => ("", at, OwnershipFlaw::Foreign(uid)),
        },
        (Some(flaw), _) => ("its directory ", path, flaw),
    };
    Err(Exposed { why: format!("{named}{} {}", at.display(), flaw.why()), hint: flaw.hint(at) })
}

fn check_link(path: &Path, link: &Metadata, links: u32) -> Result<(), Exposed> {
    if !is_trusted(link.uid()) && !is_unmapped(link.uid()) {
        let flaw = OwnershipFlaw::Foreign(link.uid());
        let why = format!("the symlink {} {}", path.display(), flaw.why());
        return Err(Exposed { why, hint: format!("remove it: `rm {}`", path.display()) });
    }
    if links > LINKS_MAX {
        let hint = format!("look at it: `ls -l {}`", path.display());
        return Err(Exposed { why: "too many symlinks lead to it".to_owned(), hint });
    }
    Ok(())
}

fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Returns true for the number that stands for every user who does not exist in this user namespace.
///
/// In a sandbox or a rootless container the directories of the host's root show it. Such a directory may be anywhere above
/// a place of this user, but never is that place itself.
fn is_unmapped(uid: u32) -> bool {
    let first_line = |file: &str| fs::read_to_string(file).ok();
    let overflow = first_line("/proc/sys/kernel/overflowuid").and_then(|text| text.trim().parse().ok());
    let all_users = |map: String| map.split_whitespace().nth(2).is_some_and(|count| count == "4294967295");
    overflow == Some(uid) && first_line("/proc/self/uid_map").is_some_and(|map| !all_users(map))
}

fn look(path: &Path) -> Result<Metadata, Exposed> {
    fs::symlink_metadata(path).map_err(|error| unseen(path, &error))
}

fn unseen(path: &Path, error: &io::Error) -> Exposed {
    Exposed {
        why: format!("{} cannot be looked at: {error}", path.display()),
        hint: format!("look at its rights: `ls -ld {}`", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    /// A directory `outer/inner` with a file, all of them closed to others.
    fn nested() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let top = tempfile::tempdir().expect("tempdir");
        let outer = top.path().join("outer");
        let inner = outer.join("inner");
        fs::create_dir_all(&inner).expect("made");
        set_mode(&outer, 0o755);
        set_mode(&inner, 0o700);
        let file = inner.join("file");
        fs::write(&file, "x").expect("written");
        (top, outer, file)
    }

    #[test]
    fn writable_parent_is_refused_at_any_depth() {
        let (top, outer, file) = nested();
        let real = top.path().canonicalize().expect("real");
        assert_eq!(resolve(&file).expect("closed").path, real.join("outer/inner/file"));
        for mode in [0o777, 0o775, 0o757] {
            set_mode(&outer, mode);
            let exposed = resolve(&file).expect_err("open");
            assert!(exposed.why.contains("outer can be written by other users"), "{exposed:?}");
            assert!(exposed.hint.contains("`chmod go-w "), "{exposed:?}");
        }
    }

    #[test]
    fn sticky_parent_is_accepted_for_own_entries() {
        let (_top, outer, file) = nested();
        set_mode(&outer, 0o1777);
        assert!(resolve(&file).is_ok());
        assert!(resolve(&outer.join("missing/file")).expect("nothing there").meta.is_none());
        if lchown(outer.join("inner"), Some(65_533), None).is_ok() {
            assert!(resolve(&file).expect_err("foreign").why.contains("inner belongs to another user"));
        }
    }

    #[test]
    fn foreign_parent_is_refused_through_a_symlink() {
        let (top, outer, file) = nested();
        let link = top.path().join("link");
        symlink("outer/inner", &link).expect("linked");
        assert!(resolve(&link.join("file")).is_ok(), "links to places of one's own are followed");
        if lchown(&outer, Some(65_533), None).is_err() {
            return;
        }
        let exposed = resolve(&link.join("file")).expect_err("foreign");
        assert!(exposed.why.contains("outer belongs to another user (uid 65533)"), "{exposed:?}");
        lchown(&outer, Some(0), None).expect("root's");
        assert!(resolve(&file).is_ok(), "root's directories are trusted");
        lchown(&link, Some(65_533), None).expect("given away");
        assert!(resolve(&link.join("file")).expect_err("foreign link").why.contains("the symlink"));
    }

    #[test]
    fn loops_and_dots_are_resolved_or_refused() {
        let (top, outer, _) = nested();
        symlink("loop", outer.join("loop")).expect("linked");
        assert!(resolve(&outer.join("loop")).expect_err("endless").why.contains("too many symlinks"));
        symlink("../outer/./inner/file", outer.join("dots")).expect("linked");
        let place = resolve(&outer.join("dots")).expect("ours");
        assert_eq!(place.path, top.path().canonicalize().expect("real").join("outer/inner/file"));
        let last = resolve_parents(&outer.join("loop")).expect("not followed");
        assert!(last.meta.expect("there").is_symlink());
        assert!(
            resolve(&outer.join("inner/file/below")).expect_err("no directory").why.contains("cannot be looked at")
        );
    }
}
