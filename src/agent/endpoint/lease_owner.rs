//! The process with whose end a grant ends: held, so that no later process is taken for it.

use crate::caller::Caller;
use crate::proc::{Stat, process};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::os;
use rolecall_platform::process::ProcessHandle;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// How long a grant lasts whose owner is held: longer than a working week's shell, and not for ever where a token was read
/// out of an environment.
const LEASE: Duration = Duration::from_hours(7 * 24);

/// How long where the system has no hold on a process: a working day.
const LEASE_WITHOUT_A_HOLD: Duration = Duration::from_hours(12);

/// The process, as the kernel can tell it from every other.
#[derive(Debug)]
pub(super) struct LeaseOwner {
    pub(super) pid: i32,
    /// When it started, in clock ticks since boot; zero where that is not known.
    pub(super) started: u64,
    /// Whether it is a shell that has its client ask for it, and may do so again and again.
    pub(super) switches: bool,
    pinned: Option<ProcessHandle>,
}

impl LeaseOwner {
    /// Takes the client itself, which is about to become the command.
    pub(super) fn caller(caller: &Caller, pinned: Option<ProcessHandle>) -> Result<Self, UserError> {
        let pid = caller.pid.filter(|pid| *pid > 0).ok_or_else(unseen)?;
        if os::HAS_PROC && pinned.as_ref().is_none_or(|pinned| !pinned.is_alive()) {
            return Err(gone());
        }
        Self::held(pid, pinned)
    }

    /// Takes what started the client; it must be ours, or somebody else would say when it ends.
    pub(super) fn parent(caller: &Caller, pinned: Option<ProcessHandle>) -> Result<Self, UserError> {
        let client = Self::caller(caller, pinned)?;
        let parent_of = || Stat::of(client.pid).and_then(|stat| stat.parent);
        let parent = parent_of().ok_or_else(unseen)?;
        let pinned = ProcessHandle::of(parent);
        // Still its parent now that it is held: so it is held, and nobody who has its number since.
        if parent_of() != Some(parent) || !client.is_alive() {
            return Err(gone());
        }
        let is_ours = process(parent)
            .and_then(|proc| fs::metadata(proc).ok())
            .is_some_and(|meta| meta.uid() == rustix::process::geteuid().as_raw());
        if parent == 1 || !is_ours {
            return Err(UserError::new(Kind::Usage, "what started rolecall is no shell of yours")
                .hint("run it in the shell that it is for, without `sudo` between them"));
        }
        Ok(Self { switches: true, ..Self::held(parent, pinned)? })
    }

    fn held(pid: i32, pinned: Option<ProcessHandle>) -> Result<Self, UserError> {
        if is_elsewhere(pid) {
            return Err(UserError::new(
                Kind::Failed,
                "this is in another network namespace than the agent, which its programs cannot reach",
            )
            .hint("use credential_process there: `rolecall get NAME` needs the agent's socket alone"));
        }
        let started = Stat::of(pid).map_or(0, |stat| stat.started);
        Ok(Self { pid, started, switches: false, pinned })
    }

    #[cfg(test)]
    pub(super) fn of_number(pid: i32, switches: bool) -> Self {
        Self { pid, started: 1, switches, pinned: None }
    }

    /// Takes a process of before a restart up again; `None` where it has ended.
    pub(super) fn again(pid: i32, started: u64, switches: bool) -> Option<Self> {
        let pinned = ProcessHandle::of(pid);
        // Held first: what is compared is the process that is held.
        let owner = Self { pid, started, switches, pinned };
        let is_same = Stat::of(pid).is_some_and(|stat| stat.started == started && started != 0);
        (is_same && owner.is_alive()).then_some(owner)
    }

    /// Tells for how long it may own something.
    pub(super) fn lease(&self) -> Duration {
        if self.pinned.is_some() { LEASE } else { LEASE_WITHOUT_A_HOLD }
    }

    /// Tells whether it still runs; where nobody can tell, its lease does.
    pub(super) fn is_alive(&self) -> bool {
        match &self.pinned {
            Some(pinned) => pinned.is_alive(),
            None if self.started == 0 => true,
            None => Stat::of(self.pid).is_some_and(|stat| stat.started == self.started),
        }
    }

    /// Returns when it has ended.
    pub(super) async fn ends(&self) {
        if let Some(pinned) = &self.pinned
            && pinned.end().await.is_ok()
        {
            return;
        }
        // Each request looks by itself, and there is the lease.
        std::future::pending::<()>().await;
    }

    /// Names what runs as it now: the command, once the client has become it.
    pub(super) fn program(&self) -> Option<String> {
        let (program, _) = crate::caller::program(&process(self.pid)?);
        program.filter(|_| self.is_alive())
    }
}

/// Tells whether a process cannot reach our loopback; `false` where that cannot be seen.
fn is_elsewhere(pid: i32) -> bool {
    let network = |proc: &Path| fs::read_link(proc.join("ns/net")).ok();
    let (theirs, ours) = (process(pid).as_deref().and_then(network), network(Path::new("/proc/self")));
    matches!((theirs, ours), (Some(theirs), Some(ours)) if theirs != ours)
}

fn unseen() -> UserError {
    UserError::new(Kind::Failed, "the process that asks cannot be seen from here: it is in another pid namespace")
        .hint("use credential_process there: `rolecall get NAME` needs the agent's socket alone")
}

fn gone() -> UserError {
    UserError::new(Kind::Failed, "the process that asked for an endpoint has ended").hint("run it again")
}
