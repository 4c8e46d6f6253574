//! Grants: who may be served what over HTTP, with whose end that ends, and how one is given.

use super::http::Problem;
use super::imds::Tokens;
use super::lease_owner::LeaseOwner;
use super::listener::{self, RunningListener, Service};
use super::{Digest, Endpoint, closed, digest, new_token, peer};
use crate::Agent;
use crate::audit::{AuditLine, Event};
use crate::caller::Caller;
use crate::failure::Failure;
use crate::refresh::target;
use crate::requests::{NAME_SHOWN, Response};
use crate::server::Connection;
use crate::sessions::ServedSession;
use chrono::{DateTime, Utc};
use rolecall_core::domain::catalogue::AuditMode;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::plan::Plan;
use rolecall_core::domain::secret::EndpointToken;
use rolecall_ipc::protocol::message::ROLE_PATH;
use rolecall_ipc::protocol::message::{Answer, Context, EndpointForm, EndpointOwner};
use rolecall_ipc::protocol::status::GrantStatus;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Lower ones belong to the system's services.
const FIRST_PORT: u16 = 1024;

/// One permission to be served.
pub(super) struct EndpointLease {
    /// What its token is found by.
    pub(super) id: Digest,
    pub(super) name: String,
    pub(super) form: EndpointForm,
    pub(super) owner: LeaseOwner,
    /// Who asked for it: the rules of `access` are about this caller, with each request anew.
    pub(super) caller: Caller,
    pub(super) since: DateTime<Utc>,
    /// The end of its lease, by the boot-time clock.
    pub(super) until: Duration,
    /// A metadata service's own port; zero for a container's.
    port: u16,
    listening: Mutex<Option<RunningListener>>,
    /// What a metadata service gave to its clients.
    pub(super) tokens: Tokens,
    /// The last line that the audit log has of it. Held while a line is written, so that no session goes out beside a line
    /// that is not in the file yet.
    told: tokio::sync::Mutex<Option<Told>>,
    served: AtomicU64,
    /// Told when it is taken away.
    closed: Notify,
}

/// A line of the audit log about a grant.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// The access key ID that was handed out, or why there was none.
    what: String,
    /// The mode that it was written in: a line in best effort may be lost.
    mode: AuditMode,
}

impl Told {
    /// Returns whether this line stands for another hand-out or failure.
    fn stands_for(&self, what: &str, mode: AuditMode) -> bool {
        self.what == what && (self.mode == mode || mode == AuditMode::BestEffort)
    }
}

/// What is asked for.
pub(crate) struct LeaseRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) form: EndpointForm,
    pub(crate) owner: EndpointOwner,
    pub(crate) port: Option<u16>,
}

impl EndpointLease {
    #[expect(clippy::too_many_arguments, reason = "the parts of a plain record, some of them read from a file")]
    pub(super) fn new(
        id: Digest,
        name: String,
        form: EndpointForm,
        owner: LeaseOwner,
        caller: Caller,
        since: DateTime<Utc>,
        until: Duration,
        port: u16,
    ) -> Self {
        let (listening, tokens, told, served, closed) = Default::default();
        Self { id, name, form, owner, caller, since, until, port, listening, tokens, told, served, closed }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Tells whether its owner lives and its lease is not over.
    pub(super) fn holds(&self, agent: &Agent) -> bool {
        agent.ports.clock.now().boot < self.until && self.owner.is_alive()
    }

    /// Takes its own listener over.
    pub(super) fn listens(&self, listening: RunningListener) {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = Some(listening);
    }

    pub(super) fn take_listening(&self) -> Option<RunningListener> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn close(&self) {
        drop(self.take_listening());
        self.closed.notify_one();
    }

    /// Returns when it was taken away.
    pub(super) async fn mark_closed(&self) {
        self.closed.notified().await;
    }

    pub(super) fn shown(&self) -> GrantStatus {
        GrantStatus {
            name: self.name.clone(),
            form: self.form,
            port: (self.form == EndpointForm::Imds).then_some(self.port),
            pid: self.owner.pid,
            program: self.owner.program(),
            since: self.since,
            served: self.served.load(Ordering::Relaxed),
        }
    }
}

impl Agent {
    /// Gives a place that serves a name to one process; what is wrong with the name is said now, to the person.
    pub(crate) async fn create_lease(
        &self,
        wanted: LeaseRequest<'_>,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<Response, UserError> {
        self.touch();
        let given = self.try_grant(&wanted, caller, context, connection).await;
        if let Err(failure) = &given {
            let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Grant, failure.code.clone());
            line.name = Some(printable(wanted.name, NAME_SHOWN));
            line.caller = Some(caller.clone());
            line.message = Some(failure.report.message.clone());
            self.audit.write(line);
        }
        let answer = given.map_err(|failure| self.with_remark(failure.report))?;
        Ok(Response::Answer(Box::new(answer)))
    }

    async fn try_grant(
        &self,
        wanted: &LeaseRequest<'_>,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
    ) -> Result<Answer, Failure> {
        let plan = self.plan(wanted.name).await.map_err(Failure::permanent)?;
        check_port(wanted).map_err(Failure::permanent)?;
        let pinned = caller.pid.and_then(|pid| connection.pinned(pid));
        let owner = match wanted.owner {
            EndpointOwner::Caller => LeaseOwner::caller(caller, pinned),
            EndpointOwner::Parent => LeaseOwner::parent(caller, pinned),
        };
        let owner = owner.map_err(Failure::permanent)?;
        self.session(&plan, caller, context, connection).await?;
        let (url, token) = self.open(wanted, owner, caller).await.map_err(Failure::permanent)?;
        Ok(Answer::Endpoint { url, token, region: self.region_of(&plan) })
    }

    async fn open(
        &self,
        wanted: &LeaseRequest<'_>,
        owner: LeaseOwner,
        caller: &Caller,
    ) -> Result<(String, Option<EndpointToken>), UserError> {
        let Endpoint { agent, .. } = &self.endpoint;
        let token = new_token()?;
        let now = self.ports.clock.now();
        let until = now.boot + owner.lease();
        let make = |port| {
            let id = digest(token.expose().as_bytes());
            EndpointLease::new(id, wanted.name.to_owned(), wanted.form, owner, caller.clone(), now.wall, until, port)
        };
        match wanted.form {
            EndpointForm::Container => {
                let grant = Arc::new(make(0));
                let port = self.endpoint.take_in(self, Arc::clone(&grant)).await?;
                self.audit_grant(&grant, "ok", Some(format!("container endpoint, for process {}", grant.owner.pid)));
                Ok((format!("http://127.0.0.1:{port}{ROLE_PATH}{}", wanted.name), Some(token)))
            }
            EndpointForm::Imds => {
                peer::can_be_told("use `rolecall exec` without `--imds`")?;
                let (socket, port) = listener::bind(wanted.port)?;
                let grant = Arc::new(make(port));
                let service = Service::Metadata(Arc::downgrade(&grant));
                grant.listens(listener::run(socket, port, agent, &service)?);
                self.endpoint.take_in(self, Arc::clone(&grant)).await?;
                let what = format!("metadata service on port {port}, for process {}", grant.owner.pid);
                self.audit_grant(&grant, "ok", Some(what));
                Ok((format!("http://127.0.0.1:{port}"), None))
            }
        }
    }

    fn region_of(&self, plan: &Plan) -> Option<String> {
        let catalogue = self.configuration.catalogue();
        let own = catalogue.roles.get(&plan.name).and_then(|role| role.region.clone());
        own.or_else(|| plan.identity.region.clone())
    }

    /// Gives a grant's session to one of its requests, as `get` would with nobody there to ask.
    pub(super) async fn serve_lease(
        &self,
        grant: &EndpointLease,
        floor: Duration,
    ) -> Result<(Arc<Plan>, ServedSession), Problem> {
        self.counters.gets.fetch_add(1, Ordering::Relaxed);
        self.touch();
        let served = match self.try_to_serve(grant, floor).await {
            Ok((plan, given)) => self.log_served(grant, &plan, given).await.map(|given| (plan, given)),
            Err(failure) => Err(failure),
        };
        match served {
            Ok(served) => {
                self.counters.handed_out.fetch_add(1, Ordering::Relaxed);
                grant.served.fetch_add(1, Ordering::Relaxed);
                Ok(served)
            }
            Err(failure) => {
                let mut told = grant.told.lock().await;
                // A failure is never waited for.
                let mode = AuditMode::BestEffort;
                if !told.as_ref().is_some_and(|told| told.stands_for(&failure.code, mode)) {
                    let mut line = self.line_of(grant, failure.code.clone());
                    line.message = Some(failure.report.message.clone());
                    self.audit.write(line);
                    *told = Some(Told { what: failure.code.clone(), mode });
                }
                Err(Problem::of(&failure))
            }
        }
    }

    /// Logs a hand-out. A program may ask a thousand times a second: each session is logged once for each grant.
    async fn log_served(
        &self,
        grant: &EndpointLease,
        plan: &Plan,
        given: ServedSession,
    ) -> Result<ServedSession, Failure> {
        let mut told = grant.told.lock().await;
        let (what, mode) = (&*given.held.access_key_id, self.audit_mode());
        if !told.as_ref().is_some_and(|told| told.stands_for(what, mode)) {
            let mut line = self.line_of(grant, "ok");
            line.role_arn = target(plan.key().step());
            given.tell(&mut line);
            let mode = self.log_hand_out(line).await?;
            *told = Some(Told { what: what.to_owned(), mode });
        }
        drop(told);
        self.sessions.still_holds(given)
    }

    fn line_of(&self, grant: &EndpointLease, result: impl Into<String>) -> AuditLine {
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Endpoint, result);
        line.name = Some(grant.name.clone());
        line.caller = Some(grant.caller.clone());
        line
    }

    async fn try_to_serve(
        &self,
        grant: &EndpointLease,
        floor: Duration,
    ) -> Result<(Arc<Plan>, ServedSession), Failure> {
        let plan = self.plan(&grant.name).await.map_err(|_| Failure::permanent(removed(&grant.name)))?;
        self.authorize_without_consent(&plan, &grant.caller).await?;
        let given = self.sessions.quickly(&plan, floor).await?;
        Ok((plan, given))
    }
}

fn removed(name: &str) -> UserError {
    UserError::new(Kind::Config, format!("`{name}` is not in the configuration any more")).hint(format!(
        "put [roles.{name}] back and ask again, or leave this shell; `rolecall role list` shows what there is"
    ))
}

fn check_port(wanted: &LeaseRequest<'_>) -> Result<(), UserError> {
    match (wanted.form, wanted.port) {
        (_, None) | (EndpointForm::Imds, Some(FIRST_PORT..)) => Ok(()),
        (EndpointForm::Container, Some(_)) => {
            Err(UserError::new(Kind::Usage, "all roles share the container endpoint's port, which nobody chooses")
                .hint("a metadata service has one of its own: `rolecall imds NAME --port N`"))
        }
        (EndpointForm::Imds, Some(port)) => Err(UserError::new(
            Kind::Usage,
            format!("port {port} belongs to the system: {FIRST_PORT} is the first that can be had"),
        )
        .hint("choose another, or none: then one that is free is taken")),
    }
}

/// Says why a port cannot be had.
pub(super) fn no_port(port: Option<u16>, error: &std::io::Error) -> UserError {
    match (port, error.kind()) {
        (Some(port), std::io::ErrorKind::AddrInUse) => {
            UserError::new(Kind::Failed, format!("port {port} of 127.0.0.1 is taken by another program"))
                .hint("choose another, or none: then one that is free is taken; `ss -ltnp` shows who has it")
        }
        (Some(port), _) => UserError::new(Kind::Failed, format!("port {port} of 127.0.0.1 cannot be had: {error}"))
            .hint("choose another, or none: then one that is free is taken"),
        (None, _) => UserError::new(Kind::Failed, format!("no port of 127.0.0.1 can be had: {error}"))
            .hint("use credential_process: `rolecall get NAME` needs no port"),
    }
}

/// Says that the agent's end came between.
pub(super) fn ending_problem() -> Problem {
    let UserError { message, hint, .. } = closed();
    let hint = hint.unwrap_or_default();
    Problem::new(hyper::StatusCode::SERVICE_UNAVAILABLE, "Unavailable", format!("{message}; hint: {hint}"))
}
