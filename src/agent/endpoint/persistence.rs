//! What outlives a restart of the agent: the ports, and whose grants they were. So a shell lists its buckets through a
//! crash or an upgrade, and knows nothing of it.
//!
//! Nothing in the file is secret: of a token its SHA-256 is kept, from which nobody makes the token. It means nothing on
//! another boot, where other processes have these numbers, and is not made to outlive one.

use super::lease_owner::LeaseOwner;
use super::leases::EndpointLease;
use crate::caller::Caller;
use crate::caller::TerminalSession;
use chrono::{DateTime, Utc};
use rolecall_core::domain::error::UserError;
use rolecall_ipc::protocol::message::EndpointForm;
use rolecall_platform::files::StateFile;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Another form of the file is read by nobody.
const FORM: u32 = 1;

/// Some two thousand grants, which is more than there may be.
const FILE_MAX: u64 = 1024 * 1024;

/// What the next agent is left.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedLeases {
    form: u32,
    /// Of which boot of the machine the numbers are.
    boot_id: String,
    /// Of which agent.
    socket: PathBuf,
    /// The shared port.
    pub(super) port: Option<u16>,
    grants: Vec<SavedLease>,
}

#[derive(Serialize, Deserialize)]
struct SavedLease {
    token_sha256: String,
    name: String,
    form: EndpointForm,
    port: u16,
    pid: i32,
    started: u64,
    since: DateTime<Utc>,
    /// By the boot-time clock.
    until_seconds: u64,
    /// Whether its owner is a shell that has switched itself.
    #[serde(default)]
    switches: bool,
    caller: SavedCaller,
}

#[derive(Serialize, Deserialize)]
struct SavedCaller {
    pid: Option<i32>,
    exe: Option<String>,
    parent: Option<String>,
    session: Option<TerminalSession>,
}

/// Names the file of an agent: two that share a state directory each have their own.
pub(super) fn file_name(socket: &Path) -> String {
    let digest = Sha256::digest(socket.as_os_str().as_encoded_bytes());
    format!("endpoint-{}.json", hex(&digest[..4]))
}

/// Tells which boot this is; `None` where the system does not say, and nothing is kept.
fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

/// Names the file that an agent leaves to the next.
fn state_file(file: &Path) -> StateFile<SavedLeases> {
    StateFile::new(file.to_path_buf(), FILE_MAX, FORM)
}

/// Reads what the agent before has left, if it was one on this boot and at this socket.
pub(super) fn read(file: &Path, socket: &Path) -> Option<SavedLeases> {
    let kept = match state_file(file).load() {
        Ok(kept) => kept?,
        Err(why) => {
            tracing::warn!("{} {why}: shells that were open before have to be opened again", file.display());
            return None;
        }
    };
    let is_ours = kept.form == FORM && Some(&kept.boot_id) == boot_id().as_ref() && kept.socket == socket;
    is_ours.then_some(kept)
}

impl SavedLeases {
    /// Takes down what there is.
    pub(super) fn of<'a>(
        socket: &Path,
        port: Option<u16>,
        grants: impl Iterator<Item = &'a Arc<EndpointLease>>,
    ) -> Self {
        let grants = grants.map(|grant| SavedLease::of(grant)).collect();
        Self { form: FORM, boot_id: boot_id().unwrap_or_default(), socket: socket.to_path_buf(), port, grants }
    }

    /// Writes it; where there is nothing, or nobody can tell of which boot it is, no file.
    pub(super) fn write(&self, file: &Path) -> Result<(), UserError> {
        if self.grants.is_empty() || self.boot_id.is_empty() {
            // What cannot be removed says nothing to the next agent either, as its grants are over.
            let _ = state_file(file).remove();
            return Ok(());
        }
        Ok(state_file(file).save_until_reboot(self)?)
    }

    /// Gives the grants whose owners still live.
    pub(super) fn into_leases(self, now: Duration) -> Vec<EndpointLease> {
        self.grants.into_iter().filter_map(|kept| kept.into_grant(now)).collect()
    }
}

impl SavedLease {
    fn of(grant: &EndpointLease) -> Self {
        let Caller { pid, exe, parent, session, .. } = grant.caller.clone();
        Self {
            token_sha256: hex(&grant.id),
            name: grant.name.clone(),
            form: grant.form,
            port: grant.port(),
            pid: grant.owner.pid,
            started: grant.owner.started,
            since: grant.since,
            until_seconds: grant.until.as_secs(),
            switches: grant.owner.switches,
            caller: SavedCaller { pid, exe, parent, session },
        }
    }

    fn into_grant(self, now: Duration) -> Option<EndpointLease> {
        let id = unhex(&self.token_sha256)?;
        let until = Duration::from_secs(self.until_seconds);
        let owner = LeaseOwner::again(self.pid, self.started, self.switches)?;
        // Whatever the file says, a lease is no longer than one that is given now.
        if until <= now || until > now + owner.lease() {
            return None;
        }
        let SavedCaller { pid, exe, parent, session } = self.caller;
        let caller = Caller { pid, exe, parent, session, ..Caller::default() };
        Some(EndpointLease::new(id, self.name, self.form, owner, caller, self.since, until, self.port))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}
