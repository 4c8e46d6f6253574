//! Notices that the configuration file changed: also through symlinks, editors' renames, and a file that is not there yet.
//!
//! Watching the file itself misses every second atomic rename, watching its directory misses symlinked targets. So every
//! directory on the way is watched: of each symlink met, of the file, and of the nearest part that exists where one is
//! missing. The set is made anew after each event, then the file is read, in that order: a change between the two wakes us
//! again. What was read may name further files, so this goes on until nothing new is named.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Editors write in several steps: wait until they are through.
const SETTLE: Duration = Duration::from_millis(40);

/// Looks without being told, for file systems that tell nothing (NFS, WSL).
const POLL: Duration = Duration::from_mins(1);

/// As many symlinks as Linux itself follows (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// Looks this often where the system has no watch left for us: its number is limited per user, and editors take many.
const POLL_BLIND: Duration = Duration::from_secs(2);

/// How often what was read may name further files before they are left to the next look; each is a level of `include`.
const ROUNDS_MAX: usize = 10;

/// Calls `changed` after every change that could concern one of the paths or is in the other directory; never returns.
/// `changed` may make other paths of them, and gets to see these as well.
///
/// One watch for all: the system gives a user only some hundred of them.
pub(super) async fn watch(paths: impl Fn() -> BTreeSet<PathBuf>, other: &Path, changed: impl Fn()) {
    let woken = Arc::new(Notify::new());
    let mut watcher =
        watcher(&woken).inspect_err(|error| tracing::warn!(%error, "changes are looked for every two seconds")).ok();
    let mut under_watch = BTreeSet::new();
    loop {
        let mut seeing = false;
        let mut known = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let mut wanted: BTreeSet<PathBuf> = paths().iter().flat_map(|path| directories(path)).collect();
            wanted.insert(other.to_path_buf());
            if wanted == known {
                break;
            }
            known.clone_from(&wanted);
            seeing = watcher.as_mut().is_some_and(|watcher| rewatch(watcher, &mut under_watch, wanted));
            changed();
        }
        if timeout(if seeing { POLL } else { POLL_BLIND }, woken.notified()).await.is_ok() {
            sleep(SETTLE).await;
        }
    }
}

fn watcher(woken: &Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let wake = Arc::clone(woken);
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading is an event too (Access): it must not wake us.
        if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
            wake.notify_one();
        }
    })
}

/// Makes the watched directories those that are wanted; tells whether it could.
fn rewatch(watcher: &mut RecommendedWatcher, under_watch: &mut BTreeSet<PathBuf>, wanted: BTreeSet<PathBuf>) -> bool {
    for gone in under_watch.difference(&wanted) {
        let _ = watcher.unwatch(gone);
    }
    // Also those already watched: a directory that was removed and made again is another one of the same name.
    under_watch.clear();
    let number = wanted.len();
    under_watch.extend(wanted.into_iter().filter(|dir| watcher.watch(dir, RecursiveMode::NonRecursive).is_ok()));
    under_watch.len() == number
}

/// Gives every directory in which a change could make the path lead to something else.
fn directories(file: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut links = 0;
    let mut rest: Vec<PathBuf> = components(file);
    let mut at = PathBuf::from("/");
    while let Some(next) = rest.pop() {
        if next.as_os_str() == ".." {
            at.pop();
            continue;
        }
        let step = at.join(&next);
        match fs::symlink_metadata(&step) {
            Ok(meta) if meta.file_type().is_symlink() && links < LINKS_MAX => {
                links += 1;
                found.insert(at.clone());
                let Ok(target) = fs::read_link(&step) else { continue };
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                rest.extend(components(&target));
            }
            Ok(meta) if meta.is_dir() => at = step,
            // The file itself, or the first part that is missing: its parent exists.
            _ => break,
        }
    }
    // The parent as well: the directory itself may be removed and made again.
    if let Some(parent) = at.parent() {
        found.insert(parent.to_path_buf());
    }
    found.insert(at);
    found
}

/// Gives a path's parts, last first.
fn components(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut parts: Vec<PathBuf> = parts.map(|part| PathBuf::from(part.as_os_str())).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_directory_on_the_way_is_watched() {
        let top = tempfile::tempdir().expect("tempdir");
        let top = top.path().canonicalize().expect("there");
        for dir in ["real/sub", "dots"] {
            fs::create_dir_all(top.join(dir)).expect("mkdir");
        }
        fs::write(top.join("real/sub/config.toml"), "").expect("write");
        symlink("../real/sub/config.toml", top.join("dots/link.toml")).expect("symlink");
        symlink(top.join("dots"), top.join("dir-link")).expect("symlink");
        let found = directories(&top.join("dir-link/link.toml"));
        for wanted in ["", "dots", "real", "real/sub"] {
            assert!(found.contains(&top.join(wanted).components().collect::<PathBuf>()), "{wanted}: {found:?}");
        }
    }

    #[test]
    fn a_missing_file_is_awaited_in_the_nearest_directory_and_a_link_loop_ends() {
        let top = tempfile::tempdir().expect("tempdir");
        let top = top.path().canonicalize().expect("there");
        assert!(directories(&top.join("no/such/config.toml")).contains(&top));
        symlink("b", top.join("a")).expect("symlink");
        symlink("a", top.join("b")).expect("symlink");
        assert!(directories(&top.join("a")).contains(&top));
    }
}
