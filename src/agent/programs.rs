//! The programs that the rules of `access_by_program` name: which file each path leads to, and which rule can never hold.
//!
//! The kernel reports the file that runs: `/usr/bin/python3` is a link on most systems, and its process is called
//! `/usr/bin/python3.11`. So a link is followed anew for each request: what it leads to changes with every update. It
//! knows no caller and decides nothing.

use super::Agent;
use super::caller::named;
use crate::domain::catalogue::Role;
use crate::domain::report::{Kind, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Following a link takes microseconds; a network's file system that hangs must not take the caller with it.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// How long where an HTTP client waits for the answer, which is to be there within half a second.
pub(super) const DEADLINE_OF_HTTP: Duration = Duration::from_millis(100);

/// Looks at once. One that hangs keeps its thread, and HTTP clients ask again and again: they must not take every thread
/// that the agent has for its own files.
static LOOKS: Semaphore = Semaphore::const_new(64);

/// Gives the file that each path of a role's rules leads to; `None` where the file system does not answer in time.
pub(super) async fn leads_to(role: &Role, deadline: Duration) -> Option<BTreeMap<String, String>> {
    if role.access_by_program.is_empty() {
        return Some(BTreeMap::new());
    }
    let paths: Vec<String> = role.access_by_program.keys().cloned().collect();
    let job =
        move || paths.into_iter().filter_map(|path| Some((file(&path).ok()?, path))).map(|(f, p)| (p, f)).collect();
    look(job, deadline).await
}

async fn look<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static, deadline: Duration) -> Option<T> {
    let look = async {
        let place = LOOKS.acquire().await.ok()?;
        let job = move || {
            let seen = job();
            drop(place);
            seen
        };
        spawn_blocking(job).await.ok()
    };
    timeout(deadline, look).await.ok()?
}

/// Gives the file that a path leads to, named as a caller's is.
fn file(path: &str) -> io::Result<String> {
    fs::canonicalize(path).map(|file| named(&file))
}

/// Tells why no process can ever be called by a path, if so.
fn flaw(path: &str) -> Option<String> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some("which is not there".to_owned()),
        Err(error) => return Some(format!("which cannot be looked at: {error}")),
    };
    if !metadata.is_file() {
        return Some("which is no file".to_owned());
    }
    is_script(Path::new(path)).then(|| "a script: who runs is its interpreter".to_owned())
}

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"#!"
}

impl Agent {
    /// Warns of rules that hold for no program, as long as it stays so: it may be installed later.
    pub(super) async fn idle_rules(&self) -> Vec<Report> {
        let catalogue = self.configuration.catalogue();
        let mut rules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for role in catalogue.roles.values() {
            for path in role.access_by_program.keys() {
                rules.entry(path.clone()).or_default().insert(role.name.to_string());
            }
        }
        if rules.is_empty() {
            return Vec::new();
        }
        let job = move || {
            let flawed = rules.into_iter().filter_map(|(path, roles)| Some((flaw(&path)?, path, roles)));
            flawed.map(|(flaw, path, roles)| warning(&flaw, &path, &roles)).collect()
        };
        look(job, DEADLINE).await.unwrap_or_else(|| {
            let what = "the programs of `access_by_program` could not be looked at within 2 seconds";
            vec![
                Report::new(Kind::Failed, what)
                    .hint("a file system does not answer; until it does, roles with such rules take the narrowest"),
            ]
        })
    }
}

fn warning(flaw: &str, path: &str, roles: &BTreeSet<String>) -> Report {
    let first = roles.first().map_or("", String::as_str);
    let more = if roles.len() > 1 { format!(" and {} more", roles.len() - 1) } else { String::new() };
    Report::new(Kind::Config, format!("access_by_program of {first}{more} names {path}, {flaw}")).hint(format!(
        "a rule is about the file that runs, once every link is followed; correct `access_by_program` of [roles.{first}]"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[tokio::test]
    async fn a_file_system_that_hangs_is_left_in_time_and_keeps_so_many_threads_and_no_more() {
        let mut held = Vec::new();
        let (begun, has_begun) = channel();
        for _ in 0..200 {
            let (release, hangs) = channel::<()>();
            held.push(release);
            let begun = begun.clone();
            let job = move || {
                let _ = begun.send(());
                let _ = hangs.recv();
            };
            assert!(look(job, Duration::from_millis(1)).await.is_none());
        }
        assert!(has_begun.try_iter().count() <= 64, "each keeps a thread");
        drop(held);
        assert_eq!(look(|| 7, Duration::from_secs(30)).await, Some(7), "as soon as it answers again");
    }
}
