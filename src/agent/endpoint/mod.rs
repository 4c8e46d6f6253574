//! Sessions over HTTP on this machine, for programs that do not support `credential_process`: the container credential
//! endpoint, one port for all roles, and metadata services, one port each.
//!
//! It owns the ports, the leases, and the file that outlives a restart. The session and the access rules come from the
//! `Broker`, again for each request. No port is open before the first lease. Then the shared port stays open until the agent
//! ends: another user could take a port that is closed earlier, and a job that still uses it would get the credentials of
//! that user.
//!
//! `create` and `http_port` are above this module: they open the ports, and pass requests to `container` and `imds`.

mod container;
pub(super) mod create;
mod credentials_body;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
pub(super) mod http_port;
mod imds;
mod lease_owner;
mod leases;
mod limits;
mod listener;
mod peer;
mod persistence;
mod redirect_tickets;
mod serving;
mod tokens;

pub(super) use peer::can_be_told;
pub(super) use redirect_tickets::RedirectTickets;

use super::audit::{AuditLine, Event};
use super::broker::Broker;
use leases::EndpointLease;
use listener::RunningListener;
use persistence::SavedLeases;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::SigninUrl;
use rolecall_ipc::protocol::message::EndpointForm;
use rolecall_ipc::protocol::status::{EndpointStatus, GrantStatus};
use rolecall_platform::blocking::STATE;
use rolecall_platform::panics::Guard;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tokens::{Digest, digest};
use tokio::time::timeout;

/// A file of some kilobytes is written in milliseconds; a disk that hangs must not stop the start of a shell.
const KEPT_WITHIN: Duration = Duration::from_secs(2);

/// The leases and the shared port.
pub(super) struct Endpoint {
    this: Weak<Self>,
    broker: Arc<Broker>,
    tickets: Arc<RedirectTickets>,
    /// The file that outlives a restart.
    file: PathBuf,
    /// The agent to which the file belongs.
    socket: PathBuf,
    state: Mutex<State>,
    /// The last change that is in the file. Held while it is written, so that an older state never replaces a newer one.
    written: Arc<tokio::sync::Mutex<u64>>,
    /// Why the file is not up to date.
    unkept: Mutex<Option<UserError>>,
}

#[derive(Default)]
struct State {
    /// The port of all container leases and of browsers.
    shared: Option<RunningListener>,
    grants: HashMap<Digest, Arc<EndpointLease>>,
    /// Counts the changes that the file must follow.
    changes: u64,
    /// Set at the end of the agent: the ports are closed, and the leases are in the file for the next agent.
    is_closed: bool,
}

impl Endpoint {
    pub(super) fn new(broker: Arc<Broker>, tickets: Arc<RedirectTickets>, state: &Path, socket: &Path) -> Arc<Self> {
        let file = state.join(persistence::file_name(socket));
        let (state, written, unkept) = Default::default();
        let socket = socket.to_path_buf();
        Arc::new_cyclic(|this| Self { this: this.clone(), broker, tickets, file, socket, state, written, unkept })
    }

    /// Returns why open shells would lose their endpoint with this agent, if they would.
    pub(super) fn warning(&self) -> Option<UserError> {
        self.unkept.guard().clone()
    }

    /// Returns the secret target of one of our addresses.
    fn visit(&self, nonce: &str) -> Option<SigninUrl> {
        self.tickets.take(&digest(nonce.as_bytes()), self.broker.ports.clock.now().boot)
    }

    /// Returns the shared port. `listen` takes one, if there is none.
    fn share(&self, listen: impl FnOnce() -> Result<RunningListener, UserError>) -> Result<u16, UserError> {
        self.state.guard().share(listen)
    }

    /// Adds a lease and returns its port, and the leases that have made room for it. `listen` takes the shared port.
    fn insert(
        &self,
        grant: Arc<EndpointLease>,
        listen: impl FnOnce() -> Result<RunningListener, UserError>,
    ) -> Result<(u16, Vec<Arc<EndpointLease>>), UserError> {
        let mut state = self.state.guard();
        if state.is_closed {
            return Err(closed());
        }
        let superseded = limits::make(&mut state.grants, &grant.owner)?;
        let port = match grant.form {
            EndpointForm::Container => state.share(listen)?,
            EndpointForm::Imds => grant.port(),
        };
        let key = grant.id;
        state.grants.insert(key, Arc::clone(&grant));
        state.changes += 1;
        drop(state);
        let (endpoint, clock) = (self.this.clone(), Arc::clone(&self.broker.ports.clock));
        tokio::spawn(async move {
            let why = tokio::select! {
                () = grant.owner.ends() => "its process has ended",
                () = clock.sleep_until(grant.until) => "its time is over",
                () = grant.mark_closed() => return,
            };
            drop(grant);
            if let Some(endpoint) = endpoint.upgrade() {
                endpoint.end(&key, why).await;
            }
        });
        Ok((port, superseded))
    }

    /// Ends a lease.
    async fn end(&self, key: &Digest, why: &str) {
        let grant = {
            let mut state = self.state.guard();
            if state.is_closed {
                return;
            }
            let Some(grant) = state.grants.remove(key) else { return };
            state.changes += 1;
            grant
        };
        grant.close();
        self.keep(false).await;
        self.audit_grant(&grant, "ended", Some(why.to_owned()));
    }

    /// Finds the lease of a token, if its owner lives and its time is not over.
    fn find(&self, token: &[u8]) -> Option<Arc<EndpointLease>> {
        let key = digest(token);
        let grant = self.state.guard().grants.get(&key).map(Arc::clone)?;
        (grant.form == EndpointForm::Container && grant.holds(self.broker.ports.clock.now().boot)).then_some(grant)
    }

    /// Closes the ports, so that the next agent can open them. The file belongs to the next agent from here on: later
    /// requests are rejected, and nothing is written.
    pub(super) async fn close(&self) {
        self.keep(true).await;
        let (shared, grants) = {
            let mut state = self.state.guard();
            state.is_closed = true;
            (state.shared.take(), std::mem::take(&mut state.grants))
        };
        self.tickets.forget_all();
        let listeners = grants.values().filter_map(|grant| grant.take_listening()).chain(shared);
        for listening in listeners {
            listening.closed().await;
        }
    }

    /// Returns what `status` shows.
    pub(super) fn status(&self) -> EndpointStatus {
        let state = self.state.guard();
        let mut grants: Vec<GrantStatus> = state.grants.values().map(|grant| grant.shown()).collect();
        grants.sort_by(|a, b| a.since.cmp(&b.since).then_with(|| a.name.cmp(&b.name)));
        EndpointStatus { port: state.shared.as_ref().map(|shared| shared.port), grants }
    }

    /// Returns the file for the next agent.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Saves the leases for the next agent. Without the file they end with this agent.
    async fn keep(&self, is_last: bool) {
        let problem = match timeout(KEPT_WITHIN, self.write(is_last)).await {
            Ok(Ok(())) => None,
            Ok(Err(report)) => Some(report.message),
            Err(_) => Some(format!("{}: the disk does not answer", self.file.display())),
        };
        let problem = problem.map(|problem| {
            tracing::warn!(%problem, "open shells and commands lose their endpoint when this agent ends");
            let what = format!("open shells and commands lose their endpoint when this agent ends: {problem}");
            UserError::new(Kind::Failed, what).hint(format!("free some space: `df -h {}`", self.file.display()))
        });
        *self.unkept.guard() = problem;
    }

    /// Writes the file, if it is not up to date. Not under the lock of the state, which requests need.
    async fn write(&self, is_last: bool) -> Result<(), UserError> {
        let mut written = Arc::clone(&self.written).lock_owned().await;
        let kept = {
            let mut state = self.state.guard();
            let is_due = !state.is_closed && *written != state.changes;
            state.is_closed |= is_last;
            if !is_due {
                return Ok(());
            }
            *written = state.changes;
            SavedLeases::of(&self.socket, state.shared.as_ref().map(|shared| shared.port), state.grants.values())
        };
        let file = self.file.clone();
        let write = move || {
            let done = kept.write(&file);
            // Released after the write, also if no caller waits for it any more.
            drop(written);
            done
        };
        let done = STATE.run(self.file.display().to_string(), KEPT_WITHIN, write).await;
        done.unwrap_or_else(|error| Err(UserError::new(Kind::Failed, format!("{} {error}", self.file.display()))))
    }

    /// Writes a line to the audit log about a lease.
    fn audit_grant(&self, grant: &EndpointLease, result: &str, message: Option<String>) {
        let audit = &self.broker.audit;
        let line = audit.line(Event::Grant).result(result).name(&grant.name).caller(&grant.caller);
        audit.write(AuditLine { message, ..line });
    }
}

impl State {
    /// Returns the shared port; opens it at first use.
    fn share(&mut self, listen: impl FnOnce() -> Result<RunningListener, UserError>) -> Result<u16, UserError> {
        if self.is_closed {
            return Err(closed());
        }
        if self.shared.is_none() {
            self.shared = Some(listen()?);
        }
        Ok(self.shared.as_ref().map_or(0, |shared| shared.port))
    }
}

fn closed() -> UserError {
    UserError::new(Kind::Agent, "the agent is ending").hint("run it again: that starts a new agent")
}
