//! The running agent. It is told its ports from outside, owns the sessions, and decides who gets one.

mod audit;
mod caller;
mod configuration;
mod flight;
pub mod lifecycle;
mod locked;
mod questions;
mod requests;
pub mod server;
mod sessions;
mod status;
mod watch;

use crate::domain::catalogue::Catalogue;
use crate::paths::Paths;
use crate::ports::{Clock, Prompter, TokenService, Vault};
use audit::{Audit, Event, Line};
use caller::Caller;
use configuration::Configuration;
use sessions::Sessions;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// The seams to the world.
#[derive(Clone)]
pub struct Ports {
    /// Where long-term keys rest.
    pub vault: Arc<dyn Vault>,
    /// Who issues sessions.
    pub tokens: Arc<dyn TokenService>,
    /// Who asks a person.
    pub prompter: Arc<dyn Prompter>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// What has happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) gets: AtomicU64,
    pub(crate) handed_out: AtomicU64,
    pub(crate) sts_calls: AtomicU64,
    pub(crate) sts_failures: AtomicU64,
    pub(crate) vault_reads: AtomicU64,
    pub(crate) turned_away: AtomicU64,
}

/// The agent's state, shared by its tasks.
pub struct Agent {
    ports: Ports,
    paths: Paths,
    configuration: Configuration,
    sessions: Arc<Sessions>,
    audit: Arc<Audit>,
    counters: Arc<Counters>,
    /// Who last asked for a name, for `status`.
    last_callers: Mutex<HashMap<String, String>>,
    started: chrono::DateTime<chrono::Utc>,
    /// When a request last came, by the boot-time clock, in seconds.
    last_request: AtomicU64,
    /// Told by a `stop` request.
    stop: Notify,
}

impl Agent {
    /// Makes an agent and reads its configuration. A configuration that does not hold is no reason not to start: every
    /// answer says what is wrong with it, and the agent takes it over once it is mended.
    pub fn new(ports: Ports, paths: Paths) -> Arc<Self> {
        let audit = Arc::new(Audit::open(&paths.audit_log()));
        let counters = Arc::new(Counters::default());
        let sessions = Sessions::new(ports.clone(), Arc::clone(&audit), Arc::clone(&counters));
        let now = ports.clock.now();
        let agent = Arc::new(Self {
            configuration: Configuration::new(&paths.config),
            ports,
            paths,
            sessions,
            audit,
            counters,
            last_callers: Mutex::default(),
            started: now.wall,
            last_request: AtomicU64::new(now.boot.as_secs()),
            stop: Notify::new(),
        });
        agent.reload();
        agent
    }

    /// Reads the configuration again; what did not change costs nothing.
    fn reload(&self) {
        let Some(taken) = self.configuration.reload() else { return };
        let now = self.ports.clock.now();
        let mut line = Line::new(now.wall, Event::Reload, if taken.is_ok() { "ok" } else { "config" });
        match taken {
            Ok(catalogue) => self.take_over(&catalogue),
            Err(report) => {
                tracing::warn!(problem = %report.message, "the configuration is not taken over");
                line.message = Some(report.message);
            }
        }
        self.audit.write(line);
    }

    fn take_over(&self, catalogue: &Arc<Catalogue>) {
        self.ports.vault.select(catalogue.agent.vault);
        self.sessions.questions.take_over(&catalogue.agent);
        self.sessions.retain(&catalogue.aws, |name| crate::domain::plan::Plan::of(catalogue, name.as_str()).ok());
        tracing::info!(
            identities = catalogue.identities.len(),
            roles = catalogue.roles.len(),
            "configuration taken over"
        );
    }

    /// Forgets every session and what opened the vault.
    fn lock(&self, reason: &str, caller: Option<Caller>) {
        self.sessions.lock();
        self.ports.vault.lock();
        let mut line = Line::new(self.ports.clock.now().wall, Event::Lock, "ok");
        line.message = Some(reason.to_owned());
        line.caller = caller;
        self.audit.write(line);
    }

    fn touch(&self) {
        self.last_request.store(self.ports.clock.now().boot.as_secs(), Ordering::Relaxed);
    }

    fn idle(&self) -> Duration {
        let last = Duration::from_secs(self.last_request.load(Ordering::Relaxed));
        self.ports.clock.now().boot.saturating_sub(last)
    }
}

/// Gives a fraction of 0.0 to 1.0 that differs each time, to spread what would else happen at once.
fn random_fraction() -> f64 {
    let mut bytes = [0_u8; 4];
    // Without randomness renewals are not spread; nothing else depends on it.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

/// Gives six letters and digits that tell one session from another in CloudTrail.
fn random_tag() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 6];
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect()
}
