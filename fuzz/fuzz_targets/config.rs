//! `config.toml` with its includes: loading, every error text, and edits.
//!
//! Files are separated by NUL bytes: the first is `config.toml`, the others are `roles.d/1.toml` and so on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::config::schema_types::RoleSection;
use rolecall::config::{self, Content, Files, IfPresent, Overlay, Unread};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

const MAIN: &str = "/etc/rolecall/config.toml";

struct InMemory(BTreeMap<PathBuf, Vec<u8>>);

impl Files for InMemory {
    fn read(&self, path: &Path, limit: usize) -> Result<Content, Unread> {
        let at = self.0.keys().position(|known| known == path).ok_or(Unread::Missing)?;
        let bytes = &self.0[path];
        Ok(Content { bytes: bytes[..bytes.len().min(limit + 1)].to_vec(), id: (1, at as u64) })
    }

    fn list(&self, dir: &Path, pattern: &str, limit: usize) -> Result<Vec<OsString>, String> {
        let names = self.0.keys().filter(|path| path.parent() == Some(dir)).filter_map(|path| path.file_name());
        let is_wanted = |name: &&OsStr| name.to_str().is_some_and(|name| config::is_included(pattern, name));
        let names: Vec<OsString> = names.filter(is_wanted).map(OsString::from).collect();
        if names.len() > limit { Err("has too many files".to_owned()) } else { Ok(names) }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let paths =
        std::iter::once(PathBuf::from(MAIN)).chain((1..).map(|n| format!("/etc/rolecall/roles.d/{n}.toml").into()));
    let files = InMemory(paths.zip(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec)).take(9).collect());
    let main = Path::new(MAIN);
    match config::load(main, &files) {
        Ok(_) => edit(main, &files),
        Err(error) => {
            let (report, all) = (error.report(), error.to_string());
            assert!(!report.message.is_empty() && !report.message.contains(char::is_control), "{:?}", report.message);
            assert!(all.lines().all(|line| !line.contains(char::is_control)), "{all:?}");
        }
    }
});

/// A role can be added to a valid configuration, or the reason is a report; the result is valid, and so is its undoing.
fn edit(main: &Path, files: &InMemory) {
    let Ok(text) = std::str::from_utf8(&files.0[main]) else { return };
    let role = RoleSection {
        source: "auth".to_owned(),
        role_arn: "arn:aws:iam::222222222222:role/Fuzzed".to_owned(),
        ..RoleSection::default()
    };
    let Ok(added) = config::add(config::EntryKind::Roles, text, main, "fuzzed-role", &role, IfPresent::Refuse) else { return };
    let with = |text: &str| config::load(main, &Overlay { files, path: main, bytes: text.as_bytes() }).map(|_| ());
    // An edit looks at one file; only the whole shows whether another file has a role of this name.
    if with(&added).is_err() {
        return;
    }
    let removed = config::remove(config::EntryKind::Roles, &added, main, "fuzzed-role").expect("what was added can be removed");
    with(&removed).expect("a configuration without the added role is as valid as before");
}
