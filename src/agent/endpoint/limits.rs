//! How many grants there may be: each is a pidfd, a task and a line of the file, and a loop must not make them without end.
//!
//! A shell that switches itself is not refused, since it lives for days. The oldest of what it switched to makes room: not
//! with the next switch, as a job in its background goes on with what it was started with.

use super::lease_owner::LeaseOwner;
use super::leases::EndpointLease;
use super::tokens::Digest;
use rolecall_core::domain::error::{Kind, UserError};
use std::collections::HashMap;
use std::sync::Arc;

/// What one shell has switched to, and is served still. More than a person keeps in mind.
const SWITCHES_MAX: usize = 16;

/// What one process has asked for itself: `exec` needs one; a program of its own may want several roles.
const OWNED_MAX: usize = 32;

/// Of all processes: more than a build with hundreds of commands at once, and half a megabyte in the file.
const GRANTS_MAX: usize = 1024;

/// Makes room for one more grant of an owner; gives those that had to make it.
pub(super) fn make(
    grants: &mut HashMap<Digest, Arc<EndpointLease>>,
    owner: &LeaseOwner,
) -> Result<Vec<Arc<EndpointLease>>, UserError> {
    let is_alike =
        |other: &LeaseOwner| (other.pid, other.started, other.switches) == (owner.pid, owner.started, owner.switches);
    let mut alike: Vec<&Arc<EndpointLease>> = grants.values().filter(|grant| is_alike(&grant.owner)).collect();
    if owner.switches && alike.len() >= SWITCHES_MAX {
        alike.sort_by_key(|grant| grant.until);
        let oldest: Vec<Digest> = alike[..=alike.len() - SWITCHES_MAX].iter().map(|grant| grant.id).collect();
        return Ok(oldest.iter().filter_map(|id| grants.remove(id)).collect());
    }
    if !owner.switches && alike.len() >= OWNED_MAX {
        let what = format!("process {} has {OWNED_MAX} endpoints already, and gets no more", owner.pid);
        return Err(
            UserError::new(Kind::Failed, what).hint("keep the ones that it was given, or start another process")
        );
    }
    if grants.len() >= GRANTS_MAX {
        let what = format!("{GRANTS_MAX} commands and shells have an endpoint already, and there are no more");
        return Err(UserError::new(Kind::Failed, what)
            .hint("`rolecall status` shows whose they are: end some, or use `rolecall get NAME`, which needs none"));
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Caller;
    use chrono::DateTime;
    use rolecall_ipc::protocol::message::EndpointForm;
    use std::time::Duration;

    /// Gives so many grants to one owner, each a second later than the one before.
    fn give(
        grants: &mut HashMap<Digest, Arc<EndpointLease>>,
        pid: i32,
        switches: bool,
        number: usize,
    ) -> Result<(), UserError> {
        for _ in 0..number {
            make(grants, &LeaseOwner::of_number(pid, switches))?;
            let at = grants.values().map(|grant| grant.until.as_secs() + 1).max().unwrap_or_default();
            let mut id = Digest::default();
            id[..8].copy_from_slice(&at.to_be_bytes());
            let (name, form, until) = ("prod".to_owned(), EndpointForm::Container, Duration::from_secs(at));
            let (caller, since) = (Caller::default(), DateTime::UNIX_EPOCH);
            let grant =
                EndpointLease::new(id, name, form, LeaseOwner::of_number(pid, switches), caller, since, until, 0);
            grants.insert(id, Arc::new(grant));
        }
        Ok(())
    }

    #[test]
    fn one_process_and_all_of_them_have_so_many_and_no_more() {
        let mut grants = HashMap::new();
        give(&mut grants, 1, false, OWNED_MAX).expect("room");
        let refused = give(&mut grants, 1, false, 1).expect_err("no room");
        assert_eq!(refused.message, "process 1 has 32 endpoints already, and gets no more");
        for pid in 2..=32 {
            give(&mut grants, pid, false, OWNED_MAX).expect("room for others");
        }
        let refused = give(&mut grants, 33, false, 1).expect_err("no room");
        assert!(refused.message.starts_with("1024 commands and shells"), "{}", refused.message);
        give(&mut grants, 34, true, 1).expect_err("nor for a shell");
    }

    #[test]
    fn a_shell_that_switches_on_and_on_loses_the_oldest_switches_and_nothing_else() {
        let mut grants = HashMap::new();
        give(&mut grants, 1, false, 1).expect("what it was started with");
        give(&mut grants, 2, true, 1).expect("another shell's");
        give(&mut grants, 1, true, 100).expect("room");
        let mut left: Vec<(i32, u64)> = grants.values().map(|grant| (grant.owner.pid, grant.until.as_secs())).collect();
        left.sort_by_key(|(_, at)| *at);
        let last = 101;
        let newest = (last + 1 - SWITCHES_MAX as u64..=last).map(|at| (1, at));
        assert_eq!(left, [(1, 0), (2, 1)].into_iter().chain(newest).collect::<Vec<_>>());
    }
}
