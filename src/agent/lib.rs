//! The running agent: owns the sessions and decides who gets one. `daemon` provides its ports.
//!
//! [`Agent`] is only the composition of the parts. A part is a small struct that owns its state and the ports that it uses.
//! `requests` passes to each handler the parts that it uses. A module imports only parts below it: no module but `server`,
//! `requests`, `restricted_requests`, `status` and `lifecycle` uses [`Agent`].

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

mod active_config;
mod agent_lock;
mod audit;
mod authorization;
mod backoff;
#[cfg(test)]
#[path = "../../tests/blessed.rs"]
mod blessed;
mod broker;
mod caller;
mod connection;
mod consent;
mod console;
mod credential_cache;
mod credentials;
mod deadline;
mod doctor;
mod endpoint;
mod failure;
mod glance;
mod identities;
mod imports;
mod key_age;
pub mod lifecycle;
mod lock_watch;
mod locked_memory;
pub mod log;
mod mfa_codes;
mod notifications;
mod ports;
mod proc;
mod program_rules;
mod prompts;
mod proxy_password;
mod rate_limit;
mod recursion_guard;
mod refresh;
mod refresher;
mod requester;
mod requests;
mod restricted_requests;
mod restricted_socket;
mod rotation;
pub mod server;
pub mod socket;
mod source_credentials;
mod status;
mod sts_calls;
mod terminal;
mod totp_enrollment;
mod unknown_key;
mod unlock;
mod watch;
mod world;

use active_config::{ActiveConfig, Reloaded};
use agent_lock::AgentLock;
pub use audit::log_schema;
use audit::{Audit, Event};
use authorization::Authorization;
use broker::{Broker, LastCallers};
use consent::Consents;
use credential_cache::CredentialCache;
#[cfg(fuzzing)]
pub use endpoint::fuzzing as endpoint_fuzzing;
use endpoint::{Endpoint, RedirectTickets};
use identities::KeyStore;
use key_age::{CachingVault, KeyFacts};
use notifications::Notifications;
use ports::Counters;
pub use ports::Ports;
use prompts::Prompts;
use refresher::Refresher;
use restricted_socket::RestrictedSockets;
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::plan::Plan;
use rolecall_platform::panics::Guard;
use rolecall_platform::paths::Paths;
use rolecall_platform::process;
use rotation::Rotations;
use std::sync::Arc;
use sts_calls::StsCalls;
use tokio::sync::{Mutex, Notify, watch as signal};

/// The parts of the agent, shared by its tasks.
pub struct Agent {
    ports: Ports,
    paths: Paths,
    audit: Arc<Audit>,
    config: Arc<ActiveConfig>,
    cache: Arc<CredentialCache>,
    consents: Arc<Consents>,
    notices: Arc<Notifications>,
    lock: Arc<AgentLock>,
    broker: Arc<Broker>,
    keys: KeyStore,
    endpoint: Arc<Endpoint>,
    sockets: Arc<RestrictedSockets>,
    /// Held while a diagnosis runs: each makes AWS calls, some of which AWS refuses.
    examining: Mutex<()>,
    started: chrono::DateTime<chrono::Utc>,
    /// Notified by a `stop` request.
    stop: Notify,
    /// Set when the agent ends: callers that have sent no request by then are not waited for.
    closing: signal::Sender<bool>,
}

impl Agent {
    /// Builds the agent and reads its configuration.
    pub fn new(ports: Ports, paths: Paths) -> Arc<Self> {
        let clock = &ports.clock.clone();
        let audit = Arc::new(Audit::open(&paths.audit_log(), clock.clone()));
        let counters = Arc::new(Counters::default());
        let facts = Arc::new(KeyFacts::default());
        let ports = Ports { vault: Arc::new(CachingVault::new(ports.vault, facts.clone())), ..ports };
        let cache = Arc::new(CredentialCache::new(clock.clone()));
        let prompts = Prompts::new(clock.clone(), ports.prompter.clone());
        let consents = Consents::new(prompts.clone(), clock.clone());
        let notices = Notifications::new(clock.clone(), ports.prompter.clone());
        let sockets = RestrictedSockets::new(&paths);
        let tickets = Arc::new(RedirectTickets::default());
        let last_callers = Arc::new(LastCallers::default());
        let applied = Applied {
            ports: ports.clone(),
            paths: paths.clone(),
            audit: audit.clone(),
            cache: cache.clone(),
            consents: consents.clone(),
            sockets: sockets.clone(),
            last_callers: last_callers.clone(),
        };
        let config = ActiveConfig::new(&paths.config, move |reloaded| applied.apply(reloaded));
        let refresher = Arc::new(Refresher {
            cache: cache.clone(),
            calls: StsCalls::new(ports.clone(), audit.clone(), counters.clone()),
            prompts: prompts.clone(),
            notices: notices.clone(),
        });
        let lock = AgentLock::new(
            ports.clone(),
            config.clone(),
            audit.clone(),
            cache.clone(),
            consents.clone(),
            notices.clone(),
            tickets.clone(),
        );
        let authorization = Authorization {
            config: config.clone(),
            audit: audit.clone(),
            consents: consents.clone(),
            notices: notices.clone(),
        };
        let broker = Arc::new(Broker {
            ports: ports.clone(),
            config: config.clone(),
            audit: audit.clone(),
            counters,
            lock: lock.clone(),
            prompts,
            authorization,
            refresher,
            last_callers,
        });
        let keys = KeyStore {
            ports: ports.clone(),
            config: config.clone(),
            audit: audit.clone(),
            cache: cache.clone(),
            facts,
            rotations: Rotations::new(&paths.state),
        };
        let endpoint = Endpoint::new(broker.clone(), tickets, &paths.state, &paths.socket);
        let started = clock.now().wall;
        let (examining, stop, closing) = Default::default();
        Arc::new(Self {
            ports,
            paths,
            audit,
            config,
            cache,
            consents,
            notices,
            lock,
            broker,
            keys,
            endpoint,
            sockets,
            examining,
            started,
            stop,
            closing,
        })
    }
}

/// The parts that a new configuration changes.
struct Applied {
    ports: Ports,
    paths: Paths,
    audit: Arc<Audit>,
    cache: Arc<CredentialCache>,
    consents: Arc<Consents>,
    sockets: Arc<RestrictedSockets>,
    last_callers: Arc<LastCallers>,
}

impl Applied {
    /// Applies what was read, and logs it.
    fn apply(&self, reloaded: &Reloaded) {
        let line = self.audit.line(Event::Reload);
        self.audit.write(match reloaded {
            Ok(config) => {
                self.take_over(config);
                line
            }
            Err(report) => {
                tracing::warn!(problem = %report.message, "the configuration is not taken over");
                line.failure("config", report)
            }
        });
        world::note_places(&self.paths);
        process::trim_heap();
    }

    fn take_over(&self, config: &Arc<Config>) {
        self.ports.vault.select(config.agent.vault);
        self.consents.prompts.take_over(&config.agent);
        let mut callers = self.last_callers.guard();
        callers.retain(|name, _| config.identities.contains_key(&**name) || config.roles.contains_key(&**name));
        drop(callers);
        self.sockets.apply(config, &self.consents);
        self.cache.retain(&config.aws, |name| Plan::of(config, name.as_str()).ok());
        tracing::info!(identities = config.identities.len(), roles = config.roles.len(), "configuration taken over");
    }
}
