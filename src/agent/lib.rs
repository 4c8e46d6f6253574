//! The running agent. It is told its ports from outside, owns the sessions, and decides who gets one.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

mod active_config;
mod audit;
mod authorization;
mod caller;
mod consent;
mod console;
mod deadline;
mod doctor;
mod endpoint;
mod failure;
mod identities;
mod imports;
mod key_age;
pub mod lifecycle;
mod lock_watch;
mod locked_memory;
pub mod log;
mod mfa_codes;
mod notifications;
mod proc;
mod program_rules;
mod prompts;
mod proxy_password;
mod recursion_guard;
mod refresh;
mod renewal;
mod requests;
mod restricted_socket;
mod rotation;
pub mod server;
mod session_events;
mod sessions;
pub mod socket;
mod source_credentials;
mod status;
mod terminal;
mod totp_enrollment;
mod unknown_key;
mod unlock;
mod watch;
mod world;

use active_config::ActiveConfig;
pub use audit::log_schema;
use audit::{Audit, AuditLine, Event};
use caller::Caller;
use endpoint::Endpoint;
#[cfg(fuzzing)]
pub use endpoint::fuzzing as endpoint_fuzzing;
use failure::Failure;
use key_age::{CachingVault, KeyFacts};
use lock_watch::Locks;
use restricted_socket::RestrictedSockets;
use rolecall_core::domain::catalogue::{AuditMode, Config};
use rolecall_platform::blocking::RELOAD;
use rolecall_platform::paths::Paths;
use rolecall_ports::{Clock, Prompter, TokenService, Vault};
use rotation::Rotations;
use sessions::{CalledOff, Sessions};
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long a request waits for the configuration to be read again before it goes on with the one in use.
const RELOAD_DEADLINE: Duration = Duration::from_secs(4);

/// How long a lock waits for calls to the vault. A call ends within microseconds, unless its disk hangs.
const VAULT_CALLS: Duration = Duration::from_secs(1);

/// The seams to the world.
#[derive(Clone)]
pub struct Ports {
    /// Where long-term keys rest.
    pub vault: Arc<dyn Vault>,
    /// AWS: who issues sessions, and what stands behind identities.
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

/// How long nothing has been used.
struct Idleness {
    /// When credentials were last asked for or the vault was last opened, by the boot-time clock.
    last_use: Duration,
    /// Whether everything has been forgotten since.
    is_locked: bool,
}

/// The agent's state, shared by its tasks.
pub struct Agent {
    /// For what goes on when the caller it is done for has gone.
    this: Weak<Self>,
    ports: Ports,
    paths: Paths,
    configuration: ActiveConfig,
    sessions: Arc<Sessions>,
    audit: Arc<Audit>,
    counters: Arc<Counters>,
    key_facts: Arc<KeyFacts>,
    rotations: Rotations,
    /// Held while a diagnosis is made: each costs AWS calls, some of them refused.
    examining: tokio::sync::Mutex<()>,
    endpoint: Endpoint,
    extra: RestrictedSockets,
    /// Who last asked for a name, for `status`.
    last_callers: Mutex<HashMap<String, String>>,
    started: chrono::DateTime<chrono::Utc>,
    /// Held while the configuration is read and taken over: two readings at once could end with the older one.
    reloading: Mutex<()>,
    /// Held while everything is forgotten for lack of use: who comes just then is served after that, and not before.
    idleness: Mutex<Idleness>,
    /// Ends requests that have a secret in memory at each lock.
    locks: Locks,
    /// Told by a `stop` request.
    stop: Notify,
    /// Set when the agent is at its end: who has not said what it wants by then is not waited for.
    closing: tokio::sync::watch::Sender<bool>,
}

impl Agent {
    /// Makes an agent and reads its configuration. A configuration that does not hold is no reason not to start: every
    /// answer says what is wrong with it, and the agent takes it over once it is mended.
    pub fn new(ports: Ports, paths: Paths) -> Arc<Self> {
        let audit = Arc::new(Audit::open(&paths.audit_log(), Arc::clone(&ports.clock)));
        let counters = Arc::new(Counters::default());
        let key_facts = Arc::new(KeyFacts::default());
        let vault = Arc::new(CachingVault::new(Arc::clone(&ports.vault), Arc::clone(&key_facts)));
        let ports = Ports { vault, ..ports };
        let sessions = Sessions::new(ports.clone(), Arc::clone(&audit), Arc::clone(&counters));
        let now = ports.clock.now();
        let agent = Arc::new_cyclic(|agent| Self {
            this: agent.clone(),
            configuration: ActiveConfig::new(&paths.config),
            rotations: Rotations::new(&paths.state),
            examining: tokio::sync::Mutex::default(),
            endpoint: Endpoint::new(agent.clone(), &paths.state, &paths.socket),
            extra: RestrictedSockets::new(&paths),
            key_facts,
            ports,
            paths,
            sessions,
            audit,
            counters,
            last_callers: Mutex::default(),
            started: now.wall,
            reloading: Mutex::default(),
            idleness: Mutex::new(Idleness { last_use: now.boot, is_locked: false }),
            locks: Locks::default(),
            stop: Notify::new(),
            closing: tokio::sync::watch::Sender::new(false),
        });
        agent.reload_here();
        agent
    }

    /// Reads the configuration again; what did not change costs nothing. A caller does not wait longer than the deadline;
    /// the reading goes on.
    async fn reload(&self) {
        self.on_reload_lane(Self::reload_here).await;
    }

    /// Runs what takes the configuration over, or what has to wait for that, on a thread where it may block.
    async fn on_reload_lane(&self, job: impl FnOnce(&Self) + Send + 'static) {
        let Some(agent) = self.this.upgrade() else { return };
        if let Err(error) =
            RELOAD.run(self.paths.config.display().to_string(), RELOAD_DEADLINE, move || job(&agent)).await
        {
            tracing::warn!(%error, "the configuration is not read again");
        }
    }

    /// Does the same as [`Self::reload`] on the calling thread, for as long as it takes.
    fn reload_here(&self) {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(taken) = self.configuration.reload() else { return };
        let now = self.ports.clock.now();
        let mut line = AuditLine::new(now.wall, Event::Reload, if taken.is_ok() { "ok" } else { "config" });
        match taken {
            Ok(catalogue) => self.take_over(&catalogue),
            Err(report) => {
                tracing::warn!(problem = %report.message, "the configuration is not taken over");
                line.message = Some(report.message);
            }
        }
        self.audit.write(line);
        self.note_places();
    }

    fn take_over(&self, catalogue: &Arc<Config>) {
        self.ports.vault.select(catalogue.agent.vault);
        self.sessions.questions.take_over(&catalogue.agent);
        let mut callers = self.last_callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.retain(|name, _| catalogue.identities.contains_key(&**name) || catalogue.roles.contains_key(&**name));
        drop(callers);
        self.open_sockets(catalogue);
        self.sessions
            .retain(&catalogue.aws, |name| rolecall_core::domain::plan::Plan::of(catalogue, name.as_str()).ok());
        tracing::info!(
            identities = catalogue.identities.len(),
            roles = catalogue.roles.len(),
            "configuration taken over"
        );
    }

    /// Forgets every session and what opened the vault; gives what was under way, which ends a moment later.
    fn lock(&self, reason: &str, caller: Option<Caller>) -> CalledOff {
        // The vault first: a call that starts in between must not find it open.
        self.ports.vault.lock();
        let called_off = self.sessions.lock();
        self.ports.tokens.close();
        // Last: a request that begins while this runs is ended too.
        let called_off = called_off.and([self.endpoint.lock(), self.locks.lock()]);
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Lock, "ok");
        line.message = Some(reason.to_owned());
        line.caller = caller;
        self.audit.write(line);
        called_off
    }

    /// Says after a lock that a call to the vault has not ended; `None` if all have.
    ///
    /// A write of the file may wait for its disk. Nothing can end it, and the lock does not wait for it.
    async fn vault_is_busy(&self) -> Option<String> {
        timeout(VAULT_CALLS, self.ports.vault.calls_end()).await.is_err().then(|| {
            let file = self.paths.vault_file.display();
            format!(
                "locked: every session is forgotten; a call to the vault file {file} has not ended and may hold keys \
                 until it does"
            )
        })
    }

    /// Logs a hand-out, before anything leaves. With `audit = "required"` it waits for the line to be in the file, and
    /// without that the hand-out must not be made. Returns the mode that the line was written in.
    async fn log_hand_out(&self, line: AuditLine) -> Result<AuditMode, Failure> {
        let mode = self.audit_mode();
        match mode {
            AuditMode::Required => self.audit.write_through(line).await.map_err(Failure::transient)?,
            AuditMode::BestEffort => self.audit.write(line),
        }
        Ok(mode)
    }

    fn audit_mode(&self) -> AuditMode {
        self.configuration.catalogue().agent.audit
    }

    /// Takes note of a use. A status that is looked at is none, or a widget would keep everything open for ever.
    fn touch(&self) {
        let mut idleness = self.idleness.lock().unwrap_or_else(PoisonError::into_inner);
        // The first to ask after a long sleep may come before the timer does.
        self.lock_if_due(&mut idleness);
        *idleness = Idleness { last_use: self.ports.clock.now().boot, is_locked: false };
    }

    /// Forgets everything when nothing has been used for `idle_lock`, or when something has been open for `max_unlocked`.
    /// Returns the time that is left until then, if there is a limit.
    ///
    /// Sessions lapse long before; what opens the vault does not, so it is locked whether or not there is a session.
    fn lock_if_over(&self) -> Option<Duration> {
        self.lock_if_due(&mut self.idleness.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock_if_due(&self, idleness: &mut Idleness) -> Option<Duration> {
        let settings = &self.configuration.catalogue().agent;
        let now = self.ports.clock.now().boot;
        let left = |limit: Duration, since: Duration| limit.saturating_sub(now.saturating_sub(since));
        let open = settings.max_unlocked.zip(self.sessions.opened_since()).map(|(limit, since)| left(limit, since));
        let idle = settings.idle_lock.filter(|_| !idleness.is_locked).map(|limit| left(limit, idleness.last_use));
        let reason = match (open, idle) {
            (Some(Duration::ZERO), _) => "open for max_unlocked",
            (_, Some(Duration::ZERO)) => "idle",
            _ => return open.into_iter().chain(idle).min(),
        };
        idleness.is_locked = true;
        // Nobody asked for it, so there is nobody to be told when the last of it is wiped.
        drop(self.lock(reason, None));
        None
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
