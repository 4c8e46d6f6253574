//! The programs that the rules of `access_by_program` name: which file each path leads to, and which rule can never hold.
//!
//! The kernel reports the file that runs: `/usr/bin/python3` is a link on most systems, and its process is called
//! `/usr/bin/python3.11`. So a link is followed anew for each request: what it leads to changes with every update. It
//! knows no caller and decides nothing. A path that does not answer costs the deadline once, and nothing as long as it
//! stays so.

use super::caller::named;
use futures_util::future::join_all;
use rolecall_core::domain::catalogue::{Config, Role};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::blocking::PROGRAMS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

/// Following a link takes microseconds; a network's file system that hangs must not take the caller with it.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// How long where an HTTP client waits for the answer, which is to be there within half a second.
pub(super) const DEADLINE_OF_HTTP: Duration = Duration::from_millis(100);

/// Gives the file that each path of a role's rules leads to; `None` where a file system does not answer in time.
pub(super) async fn leads_to(role: &Role, deadline: Duration) -> Option<BTreeMap<String, String>> {
    let looks = role.settings.access_by_program.keys().map(|path| async move {
        let asked = path.clone();
        let found = PROGRAMS.run(path.as_str(), deadline, move || file(&asked)).await.ok()?;
        Some((path.clone(), found.ok()))
    });
    let found: Option<Vec<_>> = join_all(looks).await.into_iter().collect();
    Some(found?.into_iter().filter_map(|(path, file)| Some((path, file?))).collect())
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

/// Warns of rules that hold for no program, as long as it stays so: it may be installed later.
pub(super) async fn idle_rules(config: &Config) -> Vec<UserError> {
    let mut rules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for role in config.roles.values() {
        for path in role.settings.access_by_program.keys() {
            rules.entry(path.clone()).or_default().insert(role.name.to_string());
        }
    }
    let looks = rules.into_iter().map(|(path, roles)| async move {
        let asked = path.clone();
        let flaw = PROGRAMS.run(path.as_str(), DEADLINE, move || flaw(&asked)).await;
        let flaw = flaw.unwrap_or_else(|error| Some(format!("which {error}: the role takes its narrowest access")))?;
        Some(warning(&flaw, &path, &roles))
    });
    join_all(looks).await.into_iter().flatten().collect()
}

fn warning(flaw: &str, path: &str, roles: &BTreeSet<String>) -> UserError {
    let first = roles.first().map_or("", String::as_str);
    let more = if roles.len() > 1 { format!(" and {} more", roles.len() - 1) } else { String::new() };
    UserError::new(Kind::Config, format!("access_by_program of {first}{more} names {path}, {flaw}")).hint(format!(
        "a rule is about the file that runs, once every link is followed; correct `access_by_program` of [roles.{first}]"
    ))
}
