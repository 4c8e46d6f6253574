//! Sessions over HTTP on this machine, for programs that know no `credential_process`: the container credential endpoint,
//! one port for all roles, and metadata services, a port each.
//!
//! It owns the ports, the grants (who may be served what, and until when) and what of them outlives a restart. What a
//! session is, and who may have it, it asks the rest of the agent, anew for each request. Nothing listens before the first
//! grant; then the shared port stays the agent's. One that was given up after the last grant could be taken by another
//! user, and what still asks there, as a job that has outlived its shell, would be given that user's credentials.

mod container;
mod credentials_body;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod imds;
mod lease_owner;
mod leases;
mod limits;
mod listener;
mod peer;
mod persistence;
mod redirect_tickets;

pub(super) use credentials_body::Bodies;
pub(super) use leases::LeaseRequest;
pub(super) use peer::can_be_told;

use super::Agent;
use super::audit::{AuditLine, Event};
use super::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use leases::EndpointLease;
use listener::{RunningListener, Service};
use persistence::SavedLeases;
use redirect_tickets::RedirectTickets;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::{EndpointToken, SigninUrl};
use rolecall_ipc::protocol::message::EndpointForm;
use rolecall_ipc::protocol::status::{EndpointStatus, GrantStatus};
use rolecall_platform::blocking::STATE;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Of 256 bits no guess is worth trying.
const TOKEN_BYTES: usize = 32;

/// A file of some kilobytes is written in milliseconds; a disk that hangs must not take a shell's start with it.
const KEPT_WITHIN: Duration = Duration::from_secs(2);

/// What is kept of a token. Tokens are found by it: how long that takes says something of the digest, which nobody can
/// steer, and nothing of the token.
type Digest = [u8; 32];

fn digest(token: &[u8]) -> Digest {
    Sha256::digest(token).into()
}

/// Makes a token of letters, digits, `-` and `_`: what a header, an environment and a URL take as it is.
fn new_token() -> Result<EndpointToken, UserError> {
    let mut bytes = Zeroizing::new([0_u8; TOKEN_BYTES]);
    getrandom::fill(&mut *bytes)
        .map_err(|e| UserError::new(Kind::Failed, format!("the system gives no random numbers: {e}")))?;
    Ok(EndpointToken::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// Everything that is served over HTTP.
pub(super) struct Endpoint {
    agent: Weak<Agent>,
    /// What outlives a restart.
    file: PathBuf,
    /// Whose file it is.
    socket: PathBuf,
    state: Mutex<State>,
    /// Which change of the grants the file has. Held while it is written, so that an older state never replaces a newer.
    written: Arc<tokio::sync::Mutex<u64>>,
    /// Why the file is not up to date.
    unkept: Mutex<Option<UserError>>,
}

#[derive(Default)]
struct State {
    /// The port that all containers' grants and browsers share.
    shared: Option<RunningListener>,
    grants: HashMap<Digest, Arc<EndpointLease>>,
    /// Counts what the file has to follow.
    changes: u64,
    visits: RedirectTickets,
    /// Told by a lock to the connections that were there before it.
    cut: watch::Sender<()>,
    /// At the agent's end ports are given up, while the grants wait in the file for the next agent.
    is_closed: bool,
}

impl Endpoint {
    pub(super) fn new(agent: Weak<Agent>, state: &Path, socket: &Path) -> Self {
        let file = state.join(persistence::file_name(socket));
        Self {
            agent,
            file,
            socket: socket.to_path_buf(),
            state: Mutex::default(),
            written: Arc::default(),
            unkept: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under this lock panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unkept(&self) -> MutexGuard<'_, Option<UserError>> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns why open shells would lose their endpoint with this agent, if they would.
    pub(super) fn warning(&self) -> Option<UserError> {
        self.unkept().clone()
    }

    /// Gives an address of this machine that leads a browser of this user to a secret one: once, and within a minute.
    ///
    /// What `holds` then says decides whether the address is good: a lock that came before it was kept has not seen it.
    pub(crate) fn visit_once(
        &self,
        url: SigninUrl,
        holds: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(SigninUrl, Duration), Failure> {
        let agent = self.agent.upgrade().ok_or_else(closed).map_err(Failure::permanent)?;
        let nonce = new_token().map_err(Failure::permanent)?;
        let key = digest(nonce.expose().as_bytes());
        let mut state = self.state();
        let port = state.share(&self.agent).map_err(Failure::permanent)?;
        let now = agent.ports.clock.now().boot;
        state.visits.expect(key, url, now);
        drop(state);
        holds().inspect_err(|_| self.state().visits.forget(&key))?;
        let later = Arc::clone(&agent);
        tokio::spawn(async move {
            later.ports.clock.sleep_until(now + redirect_tickets::WAITS).await;
            later.endpoint.forget_visits();
        });
        let url = format!("http://127.0.0.1:{port}{}{}", redirect_tickets::PATH, nonce.expose());
        Ok((SigninUrl::new(url), redirect_tickets::WAITS))
    }

    fn visit(&self, agent: &Agent, nonce: &str) -> Option<SigninUrl> {
        self.state().visits.take(&digest(nonce.as_bytes()), agent.ports.clock.now().boot)
    }

    fn forget_visits(&self) {
        let Some(agent) = self.agent.upgrade() else { return };
        self.state().visits.forget_old(agent.ports.clock.now().boot);
    }

    /// Forgets what leads to secrets, and cuts every connection: what it carries was asked for before. Grants stay, and
    /// are as locked as their roles. What it gives is closed when the last of those connections is gone.
    pub(super) fn lock(&self) -> watch::Sender<()> {
        let mut state = self.state();
        state.visits.forget_all();
        let cut = std::mem::take(&mut state.cut);
        cut.send_replace(());
        cut
    }

    /// Gives what is told by the next lock, and held for as long as there is something to cut.
    fn cut(&self) -> watch::Receiver<()> {
        self.state().cut.subscribe()
    }

    /// Takes a grant in, if there is room, and keeps it for the next agent.
    async fn take_in(&self, agent: &Agent, grant: Arc<EndpointLease>) -> Result<u16, UserError> {
        let (port, superseded) = self.insert(grant)?;
        for grant in superseded {
            grant.close();
            agent.audit_grant(&grant, "ended", Some("its shell has switched many times since".to_owned()));
        }
        self.keep(false).await;
        Ok(port)
    }

    /// Gives the port by which a grant is served from now on, and which grants have made room for it.
    fn insert(&self, grant: Arc<EndpointLease>) -> Result<(u16, Vec<Arc<EndpointLease>>), UserError> {
        let mut state = self.state();
        if state.is_closed {
            return Err(closed());
        }
        let superseded = limits::make(&mut state.grants, &grant.owner)?;
        let port = match grant.form {
            EndpointForm::Container => state.share(&self.agent)?,
            EndpointForm::Imds => grant.port(),
        };
        let key = grant.id;
        state.grants.insert(key, Arc::clone(&grant));
        state.changes += 1;
        drop(state);
        let agent = self.agent.clone();
        tokio::spawn(async move {
            let Some(clock) = agent.upgrade().map(|agent| Arc::clone(&agent.ports.clock)) else { return };
            let why = tokio::select! {
                () = grant.owner.ends() => "its process has ended",
                () = clock.sleep_until(grant.until) => "its time is over",
                () = grant.mark_closed() => return,
            };
            drop(grant);
            if let Some(agent) = agent.upgrade() {
                agent.endpoint.end(&agent, &key, why).await;
            }
        });
        Ok((port, superseded))
    }

    /// Takes a grant away.
    async fn end(&self, agent: &Agent, key: &Digest, why: &str) {
        let grant = {
            let mut state = self.state();
            if state.is_closed {
                return;
            }
            let Some(grant) = state.grants.remove(key) else { return };
            state.changes += 1;
            grant
        };
        grant.close();
        self.keep(false).await;
        agent.audit_grant(&grant, "ended", Some(why.to_owned()));
    }

    /// Finds the grant of a token, if its owner lives and its time is not over.
    fn find(&self, agent: &Agent, token: &[u8]) -> Option<Arc<EndpointLease>> {
        let key = digest(token);
        let grant = self.state().grants.get(&key).map(Arc::clone)?;
        (grant.form == EndpointForm::Container && grant.holds(agent)).then_some(grant)
    }

    /// Gives the ports up, so that the next agent can have them. From here on the file is the next agent's: what comes
    /// later is refused, and written by nobody.
    pub(super) async fn close(&self) {
        self.keep(true).await;
        let (shared, grants) = {
            let mut state = self.state();
            state.is_closed = true;
            state.visits.forget_all();
            (state.shared.take(), std::mem::take(&mut state.grants))
        };
        let listeners = grants.values().filter_map(|grant| grant.take_listening()).chain(shared);
        for listening in listeners {
            listening.closed().await;
        }
    }

    /// Gives what `status` shows.
    pub(super) fn status(&self) -> EndpointStatus {
        let state = self.state();
        let mut grants: Vec<GrantStatus> = state.grants.values().map(|grant| grant.shown()).collect();
        grants.sort_by(|a, b| a.since.cmp(&b.since).then_with(|| a.name.cmp(&b.name)));
        EndpointStatus { port: state.shared.as_ref().map(|shared| shared.port), grants }
    }

    /// Returns the file that the next agent goes on from.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Keeps what the next agent needs, for the last time if so; without it grants end with this agent.
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
        *self.unkept() = problem;
    }

    /// Writes the file, if it is not up to date. Not under the state's lock: requests need that one.
    async fn write(&self, is_last: bool) -> Result<(), UserError> {
        let mut written = Arc::clone(&self.written).lock_owned().await;
        let kept = {
            let mut state = self.state();
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
            // Nobody else writes before that, even where nobody waits for it any more.
            drop(written);
            done
        };
        let done = STATE.run(self.file.display().to_string(), KEPT_WITHIN, write).await;
        done.unwrap_or_else(|error| Err(UserError::new(Kind::Failed, format!("{} {error}", self.file.display()))))
    }
}

impl State {
    /// Gives the shared port; takes one at first use.
    fn share(&mut self, agent: &Weak<Agent>) -> Result<u16, UserError> {
        if self.is_closed {
            return Err(closed());
        }
        if self.shared.is_none() {
            self.shared = Some(listener::listen(None, agent, &Service::Shared)?);
        }
        Ok(self.shared.as_ref().map_or(0, |shared| shared.port))
    }
}

fn closed() -> UserError {
    UserError::new(Kind::Agent, "the agent is ending").hint("run it again: that starts a new agent")
}

impl Agent {
    /// Takes up what the agent before this one served.
    pub(super) async fn resume_endpoint(&self) {
        let endpoint = &self.endpoint;
        let (file, socket) = (endpoint.file.clone(), endpoint.socket.clone());
        let read = move || persistence::read(&file, &socket);
        let before = STATE.run(endpoint.file.display().to_string(), KEPT_WITHIN, read).await;
        let Some(before) = before.ok().flatten() else { return };
        let now = self.ports.clock.now();
        let port = before.port;
        let (containers, metadata): (Vec<_>, Vec<_>) = before
            .into_leases(now.boot)
            .into_iter()
            .map(Arc::new)
            .partition(|grant: &Arc<EndpointLease>| grant.form == EndpointForm::Container);
        let mut taken = Vec::new();
        let mut dropped = Vec::new();
        if let (false, Some(port)) = (containers.is_empty(), port) {
            match listener::listen(Some(port), &endpoint.agent, &Service::Shared) {
                Ok(listening) => {
                    endpoint.state().shared = Some(listening);
                    taken.extend(containers);
                }
                // Whoever listens there now may have been sent the tokens: they are dead, not moved.
                Err(report) => dropped.extend(containers.into_iter().map(|grant| (grant, report.message.clone()))),
            }
        }
        for grant in metadata {
            match listener::listen(Some(grant.port()), &endpoint.agent, &Service::Metadata(Arc::downgrade(&grant))) {
                Ok(listening) => {
                    grant.listens(listening);
                    taken.push(grant);
                }
                Err(report) => dropped.push((grant, report.message)),
            }
        }
        for (grant, why) in dropped {
            tracing::warn!(name = %grant.name, %why, "a grant of the agent before is not taken up");
            self.audit_grant(&grant, "ended", Some(why));
        }
        for grant in taken {
            // The port is there already, so that nothing is left to fail.
            let _ = endpoint.insert(grant);
        }
        // Also where none was: the file is of the agent before.
        endpoint.state().changes += 1;
        endpoint.keep(false).await;
    }

    /// Writes a line of the audit log about a grant.
    fn audit_grant(&self, grant: &EndpointLease, result: &str, message: Option<String>) {
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Grant, result);
        line.name = Some(grant.name.clone());
        line.caller = Some(grant.caller.clone());
        line.message = message;
        self.audit.write(line);
    }
}
