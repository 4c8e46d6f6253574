//! What Linux's `/proc` says of a process. Another system has no such book: there everything is `None`.
//!
//! Only what the kernel answers from its own memory is read here, which never blocks: `stat`, `comm` and the links. Not
//! `cmdline`, which lies in the process's memory, and nothing behind `root` or `cwd`, which lead into its file systems.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// More than the fields of `stat` that are read here can take, each a number of 64 bits.
const STAT_MAX: usize = 1024;

/// Gives the directory of a process; `None` where `/proc` is that of another pid namespace, whose numbers mean others.
pub(super) fn process(pid: i32) -> Option<PathBuf> {
    static IS_OURS: LazyLock<bool> = LazyLock::new(|| {
        let own = std::process::id().to_string();
        fs::read_link("/proc/self").is_ok_and(|named| named.as_os_str() == own.as_str())
    });
    IS_OURS.then(|| Path::new("/proc").join(pid.to_string()))
}

/// Returns whether a process has the mounts of the agent, so that its paths name the same files here. Fails if that is
/// hidden.
pub(super) fn shares_mounts(proc: &Path) -> io::Result<bool> {
    /// `None` on a kernel without namespaces, which has one set of mounts; empty where the agent cannot see its own.
    static OURS: LazyLock<Option<PathBuf>> = LazyLock::new(|| match fs::read_link("/proc/self/ns/mnt") {
        Ok(ours) => Some(ours),
        Err(error) => (error.kind() != io::ErrorKind::NotFound).then(PathBuf::new),
    });
    let Some(ours) = &*OURS else { return Ok(true) };
    Ok(fs::read_link(proc.join("ns/mnt"))? == *ours)
}

/// Returns whether a process has the root directory of the agent.
pub(super) fn shares_root(proc: &Path) -> bool {
    fs::read_link(proc.join("root")).is_ok_and(|root| root == Path::new("/"))
}

/// What `/proc/PID/stat` says (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Its parent; `None` for one that has none in this namespace.
    pub(super) parent: Option<i32>,
    /// Its process group.
    pub(super) group: i32,
    /// Its session's leader.
    pub(super) session: i32,
    /// Its terminal's device number; zero for none.
    pub(super) tty: i32,
    /// When it started, in clock ticks since boot.
    pub(super) started: u64,
}

impl Stat {
    /// Reads it of a process by its directory; `None` where the process or the book is gone.
    ///
    /// One call of the kernel reads all of it; `fs::read` makes seven, because such a file has no length.
    pub(super) fn read(proc: &Path) -> Option<Self> {
        let mut stat = [0; STAT_MAX];
        let length = File::open(proc.join("stat")).ok()?.read(&mut stat).ok()?;
        Self::parse(&stat[..length])
    }

    /// Reads it of a process by its number.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Self::read(&process(pid)?)
    }

    /// The command name before the fields may hold spaces and brackets of its own, so the last bracket counts.
    fn parse(stat: &[u8]) -> Option<Self> {
        let stat = String::from_utf8_lossy(stat);
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().take(20).collect();
        let number = |at: usize| fields.get(at)?.parse().ok();
        Some(Self {
            parent: number(1).filter(|pid| *pid > 0),
            group: number(2)?,
            session: number(3)?,
            tty: number(4)?,
            started: fields.get(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_cannot_forge_the_parent() {
        let stat = Stat::parse(b"12 (a) S 1 2) S 77 12 13 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4242 0").expect("a stat");
        assert_eq!(stat, Stat { parent: Some(77), group: 12, session: 13, tty: 0, started: 4242 });
        let stat = Stat::parse(b"12 (a b) R 5 5 5 34816 5").expect("a stat");
        assert_eq!((stat.parent, stat.tty), (Some(5), 34816));
        assert_eq!(Stat::parse(b"garbage"), None);
    }
}
