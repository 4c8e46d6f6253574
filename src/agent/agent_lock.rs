//! The lock: closes the vault and wipes everything that is secret, on request, when the agent is idle, or after a time.

use super::active_config::ActiveConfig;
use super::audit::{Audit, AuditLine, Event};
use super::caller::Caller;
use super::consent::Consents;
use super::credential_cache::{CalledOff, CredentialCache};
use super::endpoint::RedirectTickets;
use super::lock_watch::{LockWatch, Locks};
use super::notifications::Notifications;
use super::ports::Ports;
use rolecall_core::domain::catalogue::LockEvent;
use rolecall_platform::panics::Guard;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;

/// How long a lock waits for calls to the vault. A call ends within microseconds, unless its disk hangs.
const VAULT_CALLS: Duration = Duration::from_secs(1);

/// How long nothing has been used.
struct Idleness {
    /// When credentials were last requested or the vault was last opened, by the boot clock.
    last_use: Duration,
    /// Whether the agent has been locked since.
    is_locked: bool,
}

/// Locks the agent, and decides when to do so.
pub(super) struct AgentLock {
    ports: Ports,
    config: Arc<ActiveConfig>,
    audit: Arc<Audit>,
    cache: Arc<CredentialCache>,
    consents: Arc<Consents>,
    notices: Arc<Notifications>,
    tickets: Arc<RedirectTickets>,
    /// Ends requests and HTTP connections that have a secret in memory.
    requests: Locks,
    /// Held while an idle agent is locked: a caller that comes just then is served after that, and not before.
    idleness: Mutex<Idleness>,
}

impl AgentLock {
    pub(super) fn new(
        ports: Ports,
        config: Arc<ActiveConfig>,
        audit: Arc<Audit>,
        cache: Arc<CredentialCache>,
        consents: Arc<Consents>,
        notices: Arc<Notifications>,
        tickets: Arc<RedirectTickets>,
    ) -> Arc<Self> {
        let idleness = Mutex::new(Idleness { last_use: ports.clock.now().boot, is_locked: false });
        let requests = Locks::default();
        Arc::new(Self { ports, config, audit, cache, consents, notices, tickets, requests, idleness })
    }

    /// Watches for the next lock.
    pub(super) fn watch(&self) -> LockWatch {
        self.requests.watch()
    }

    /// Wipes every session and closes the vault. Returns the cancelled tasks, which end a moment later.
    pub(super) fn lock(&self, reason: &str, caller: Option<&Caller>) -> CalledOff {
        // The vault first: a call that starts in between must not find it open.
        self.ports.vault.lock();
        let called_off = self.wipe_sessions();
        self.ports.tokens.close();
        self.tickets.forget_all();
        // Last: a request that begins while this runs is ended too.
        let called_off = called_off.and(self.requests.lock());
        self.audit.write(AuditLine { caller: caller.cloned(), ..self.audit.line(Event::Lock).message(reason) });
        called_off
    }

    /// Wipes the sessions for good: waiting callers are told that the agent ends.
    pub(super) fn end(&self) -> CalledOff {
        self.cache.end();
        self.wipe_sessions()
    }

    fn wipe_sessions(&self) -> CalledOff {
        self.consents.lock();
        self.notices.lock();
        self.cache.lock()
    }

    /// Returns a note after a lock if a call to the vault has not ended.
    ///
    /// A write of the file may wait for its disk. Nothing can end it, and the lock does not wait for it.
    pub(super) async fn vault_is_busy(&self, vault_file: &Path) -> Option<String> {
        timeout(VAULT_CALLS, self.ports.vault.calls_end()).await.is_err().then(|| {
            let file = vault_file.display();
            format!(
                "locked: every session is forgotten; a call to the vault file {file} has not ended and may hold keys \
                 until it does"
            )
        })
    }

    /// Locks if the configuration names this event, and returns when everything is wiped.
    pub(super) async fn lock_on(&self, event: LockEvent, reason: &str) {
        if self.config.catalogue().agent.lock_on.contains(&event) {
            self.lock(reason, None).are_gone().await;
        }
    }

    /// Notes a use. A `status` is no use, or a widget would keep everything open for ever.
    pub(super) fn touch(&self) {
        let mut idleness = self.idleness.guard();
        // The first caller after a long sleep may come before the timer does.
        self.lock_if_due(&mut idleness);
        *idleness = Idleness { last_use: self.ports.clock.now().boot, is_locked: false };
    }

    /// Locks if nothing has been used for `idle_lock`, or if something has been open for `max_unlocked`. Returns the time
    /// that is left until then, if there is a limit.
    ///
    /// Sessions expire long before. An open vault does not, so it is locked whether or not there is a session.
    pub(super) fn lock_if_over(&self) -> Option<Duration> {
        self.lock_if_due(&mut self.idleness.guard())
    }

    fn lock_if_due(&self, idleness: &mut Idleness) -> Option<Duration> {
        let settings = &self.config.catalogue().agent;
        let now = self.ports.clock.now().boot;
        let left = |limit: Duration, since: Duration| limit.saturating_sub(now.saturating_sub(since));
        let open = settings.max_unlocked.zip(self.cache.opened_since());
        let open = open.map(|(limit, since)| left(limit, since));
        let idle = settings.idle_lock.filter(|_| !idleness.is_locked).map(|limit| left(limit, idleness.last_use));
        let reason = match (open, idle) {
            (Some(Duration::ZERO), _) => "open for max_unlocked",
            (_, Some(Duration::ZERO)) => "idle",
            _ => return open.into_iter().chain(idle).min(),
        };
        idleness.is_locked = true;
        // No caller waits until the last session is wiped.
        drop(self.lock(reason, None));
        None
    }
}
