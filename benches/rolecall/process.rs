//! What the system says of a process.

use std::fs;
use std::time::Duration;

/// A look at a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Resident memory in KiB.
    pub(crate) resident: u64,
    /// That part of it which is the process's own, not the pages of its program file.
    pub(crate) anonymous: u64,
    /// Its threads.
    pub(crate) threads: u64,
    /// Its descriptors; nothing where a hardened process does not show them to us.
    pub(crate) descriptors: Option<u64>,
}

impl Look {
    pub(crate) fn at(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
            line.trim_start_matches(':').split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok().map(|entries| entries.count() as u64);
        Self {
            resident: number("VmRSS"),
            anonymous: number("RssAnon"),
            threads: number("Threads"),
            descriptors: descriptors.filter(|count| *count > 0),
        }
    }
}

/// Gives the time on the processor that all threads of a process have had.
///
/// A thread that has ended meanwhile is missing, so it is for processes whose threads stay.
pub(crate) fn processor_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let nanoseconds = tasks.map(|task| -> u64 {
        let line = fs::read_to_string(task.expect("readable").path().join("schedstat")).unwrap_or_default();
        line.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Gives KiB as MB, as people read them.
#[expect(clippy::cast_precision_loss, reason = "a number to look at")]
pub(crate) fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
