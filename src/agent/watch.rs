//! Notices that the configuration file changed: also through symlinks, editors' renames, and a file that is not there yet.
//!
//! Watching the file itself misses every second atomic rename, watching its directory misses symlinked targets. So every
//! directory on the way is watched: of each symlink met, of the file, and of the nearest part that exists where one is
//! missing. The set is made anew after each event, then the file is read, in that order: a change between the two wakes us
//! again. What was read may name further files, so this goes on until nothing new is named.
//!
//! Looking at directories blocks where their file system does not answer, so each path is walked on a thread that is left
//! behind at its deadline. As long as a path does not answer, the others are watched and all are read at short intervals.

use futures_util::future::join_all;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use rolecall_platform::blocking::{CONFIGURATION, STATE};
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

/// How long a path may take that leads to a file of the configuration.
const DEADLINE: Duration = Duration::from_secs(1);

/// Directories, the watcher that watches them, and whether all are watched that should be.
struct WatchedFiles {
    watcher: RecommendedWatcher,
    dirs: BTreeSet<PathBuf>,
    is_whole: bool,
}

/// Calls `changed` after every change that could concern one of the paths or is in the other directory; never returns.
/// `changed` may make other paths of them, and gets to see these as well.
///
/// One watch for all: the system gives a user only some hundred of them.
pub(super) async fn watch(paths: impl Fn() -> BTreeSet<PathBuf>, other: &Path, changed: impl AsyncFn()) {
    let woken = Arc::new(Notify::new());
    let mut watched = None;
    let mut is_told = false;
    loop {
        let mut seeing = false;
        let mut known = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let (mut wanted, all_answer) = directories_to(paths()).await;
            wanted.insert(other.to_path_buf());
            if wanted == known {
                break;
            }
            known.clone_from(&wanted);
            watched = rewatch(watched, wanted, &woken).await;
            seeing = all_answer && watched.as_ref().is_some_and(|watched| watched.is_whole);
            changed().await;
        }
        if !seeing && !std::mem::replace(&mut is_told, true) {
            tracing::warn!("the configuration cannot be watched whole; changes are looked for every two seconds");
        }
        if timeout(if seeing { POLL } else { POLL_BLIND }, woken.notified()).await.is_ok() {
            sleep(SETTLE).await;
        }
    }
}

/// Gives every directory in which a change could concern one of the paths, and whether all paths answered in time.
async fn directories_to(paths: BTreeSet<PathBuf>) -> (BTreeSet<PathBuf>, bool) {
    let walks = paths.into_iter().map(|path| async move {
        let subject = path.display().to_string();
        CONFIGURATION.run(subject, DEADLINE, move || directories(&path)).await.ok()
    });
    let found = join_all(walks).await;
    let all_answer = found.iter().all(Option::is_some);
    (found.into_iter().flatten().flatten().collect(), all_answer)
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

/// Makes the watched directories those that are wanted. `None` where nothing can be watched; a watcher that hangs is left
/// behind with its thread.
async fn rewatch(
    watched: Option<WatchedFiles>,
    wanted: BTreeSet<PathBuf>,
    woken: &Arc<Notify>,
) -> Option<WatchedFiles> {
    let woken = Arc::clone(woken);
    let job = move || {
        let mut watched = match watched {
            Some(watched) => watched,
            None => WatchedFiles { watcher: watcher(&woken).ok()?, dirs: BTreeSet::new(), is_whole: false },
        };
        let WatchedFiles { watcher, dirs, is_whole } = &mut watched;
        for gone in dirs.difference(&wanted) {
            let _ = watcher.unwatch(gone);
        }
        // Also those already watched: a directory that was removed and made again is another one of the same name.
        let number = wanted.len();
        *dirs = wanted.into_iter().filter(|dir| watcher.watch(dir, RecursiveMode::NonRecursive).is_ok()).collect();
        *is_whole = dirs.len() == number;
        Some(watched)
    };
    STATE.run("the watch of the configuration", DEADLINE, job).await.ok().flatten()
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
