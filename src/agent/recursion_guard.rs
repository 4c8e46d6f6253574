//! A credential program that asks us in its turn: refused at once, or it and we would wait for each other.
//!
//! It is found by its ancestors in `/proc`, and by its process group where a shell between has gone. Another system than
//! Linux has no such book: there the program's deadline ends the wait. Where no program runs, nothing is looked up.

use super::caller::Caller;
use super::proc::Stat;
use rolecall_core::domain::error::{Kind, UserError};

/// More generations than any shell of shells has; a loop cannot be, but nothing rests on it.
const GENERATIONS: usize = 64;

/// Refuses a caller that was started by one of these programs.
pub(super) fn refuse(caller: &Caller, programs: &[i32]) -> Option<UserError> {
    if programs.is_empty() {
        return None;
    }
    let mut pid = caller.pid?;
    for _ in 0..GENERATIONS {
        let stat = Stat::of(pid)?;
        if programs.contains(&pid) || programs.contains(&stat.group) {
            return Some(
                UserError::new(
                    Kind::Config,
                    "a `credential_process` or `mfa_process` of rolecall's own configuration asks rolecall for credentials: that is a circle",
                )
                .hint("let the program get its credentials elsewhere: a profile with `credential_process = rolecall get …` cannot serve it"),
            );
        }
        pid = stat.parent.filter(|parent| *parent > 1)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    fn caller(pid: i32) -> Caller {
        Caller { pid: Some(pid), ..Caller::default() }
    }

    #[test]
    fn a_grandchild_is_found_by_its_ancestors_and_an_orphan_by_its_group() {
        if !rolecall_platform::os::HAS_PROC {
            return;
        }
        // The middle shell of the second line ends at once and leaves its child to init. What runs behind a shell has no
        // input to wait for, so it waits for a file that never grows.
        let script = "sh -c 'sh -c \"echo \\$\\$; tail -f /dev/null; :\" & wait; :' & \
                      (sh -c 'echo $$; tail -f /dev/null; :' &); wait; read x";
        let mut program = Command::new("sh");
        program.args(["-c", script]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().expect("sh runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        for _ in 0..2 {
            let inner: i32 = lines.next().expect("a line").expect("text").parse().expect("a pid");
            let refused = refuse(&caller(inner), &[1_999_999, pid]).expect("refused");
            assert_eq!(refused.kind, Kind::Config);
            assert!(refuse(&caller(inner), &[]).is_none() && refuse(&caller(inner), &[1_999_999]).is_none());
        }
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(refuse(&caller(own), &[pid]).is_none(), "who started the program is not started by it");
        assert!(refuse(&Caller::default(), &[pid]).is_none());
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_raw(pid).expect("a group"),
            rustix::process::Signal::KILL,
        );
        child.wait().expect("it ends");
    }
}
