//! The leak scan: no secret that a test has seen may be in any file, log or error text that rolecall left.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

/// Secrets that must not be found, and texts that were shown to somebody.
#[derive(Default)]
pub(crate) struct Canaries {
    /// A set: a thousand callers are given one session, and each secret is looked for in every file.
    secrets: Mutex<BTreeSet<String>>,
    shown: Mutex<Vec<String>>,
}

impl Canaries {
    pub(crate) fn add(&self, secret: &str) {
        assert!(secret.len() >= 6, "too short to be told from chance");
        self.secrets.lock().unwrap().insert(secret.to_owned());
    }

    /// Takes a text that a person or a log reader sees: stderr, an error message.
    pub(crate) fn shown(&self, text: &str) {
        self.shown.lock().unwrap().push(text.to_owned());
    }

    /// Fails if a secret is in a file below the directory or in a text that was shown.
    pub(crate) fn scan(&self, dir: &Path) {
        let secrets = self.secrets.lock().unwrap();
        for text in self.shown.lock().unwrap().iter() {
            for secret in secrets.iter() {
                assert!(!text.contains(secret.as_str()), "a secret was shown: {text}");
            }
        }
        scan_dir(dir, &secrets);
    }
}

fn scan_dir(dir: &Path, secrets: &BTreeSet<String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            scan_dir(&path, secrets);
        } else if kind.is_file() {
            let content = std::fs::read(&path).unwrap();
            if is_program(&content) {
                continue;
            }
            for secret in secrets {
                let found = content.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!found, "a secret is on disk: {}", path.display());
            }
        }
    }
}

/// Whether a file is a program or a library: built before the test made its secrets, and many megabytes to search. A core dump
/// has the same format (elf(5)) and is none.
fn is_program(content: &[u8]) -> bool {
    const CORE: [u8; 2] = 4_u16.to_ne_bytes();
    content.starts_with(b"\x7fELF") && content.get(16..18) != Some(&CORE)
}
