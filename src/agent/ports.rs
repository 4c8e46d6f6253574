//! What all parts of the agent share: the ports, which tests replace, and the counters.

use rolecall_ports::{Clock, Prompter, TokenService, Vault};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The connections to the outside.
#[derive(Clone)]
pub struct Ports {
    /// The store of long-term keys.
    pub vault: Arc<dyn Vault>,
    /// AWS, and the sources of credentials.
    pub tokens: Arc<dyn TokenService>,
    /// Shows questions and notifications to a person.
    pub prompter: Arc<dyn Prompter>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

/// What the agent did since its start, for `status`.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) gets: AtomicU64,
    pub(super) handed_out: AtomicU64,
    pub(super) sts_calls: AtomicU64,
    pub(super) sts_failures: AtomicU64,
    pub(super) vault_reads: AtomicU64,
    pub(super) turned_away: AtomicU64,
}
