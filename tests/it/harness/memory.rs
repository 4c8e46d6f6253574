//! What lies in another process's memory, looked at from outside.

use super::needs::require;
use super::process::{of, signal};
use rustix::process::Signal;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// A reader takes a mapping in pieces of this size, which overlap by the longest thing that is looked for.
const PIECE: usize = 1 << 20;
const OVERLAP: usize = 256;

/// A process that is stopped until this is dropped, so that nothing moves from where it has not been looked to where it has.
pub(crate) struct Stopped(i32);

impl Stopped {
    pub(crate) fn at_once(pid: i32) -> Self {
        require("root");
        signal(pid, Signal::STOP);
        Self(pid)
    }

    /// Finds a text in its memory, and gives each place: its mapping and what is around it.
    ///
    /// Every page that can be written, not only those a core dump would hold: ours are kept out of dumps.
    pub(crate) fn places(&self, text: &str) -> Vec<String> {
        search(self.0, text.as_bytes())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal(self.0, Signal::CONT);
    }
}

fn search(pid: i32, text: &[u8]) -> Vec<String> {
    assert!((8..OVERLAP).contains(&text.len()), "told from chance, and found over a border");
    let maps = fs::read_to_string(of(pid).join("maps")).expect("it lives");
    let memory = File::open(of(pid).join("mem")).expect("root may look");
    let mut found = Vec::new();
    for map in maps.lines() {
        let mut words = map.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        // What cannot be written is the programs' own text, or the kernel's pages.
        if !rights.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let (mut at, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        while at < end {
            let size = usize::try_from(end - at).unwrap().min(PIECE + OVERLAP);
            let mut bytes = vec![0; size];
            memory.read_exact_at(&mut bytes, at).unwrap_or_else(|e| panic!("{map}: {e}"));
            for (offset, window) in bytes.windows(text.len()).enumerate() {
                if offset < PIECE && window == text {
                    let around = &bytes[offset.saturating_sub(48)..(offset + text.len() + 16).min(size)];
                    found.push(format!("{map}: {}", String::from_utf8_lossy(around)));
                }
            }
            at += PIECE as u64;
        }
    }
    found
}
