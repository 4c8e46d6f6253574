//! How a lease begins: requested by a client, or taken over from the agent before this one.

use super::http_port::{self, Service};
use super::lease_owner::LeaseOwner;
use super::leases::EndpointLease;
use super::tokens::{digest, new_token};
use super::{Endpoint, KEPT_WITHIN, listener, peer, persistence};
use crate::audit::Event;
use crate::caller::Caller;
use crate::connection::Response;
use crate::failure::Failure;
use crate::requester::Requester;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::Plan;
use rolecall_core::domain::secret::EndpointToken;
use rolecall_ipc::protocol::message::{Answer, EndpointForm, EndpointOwner, ROLE_PATH};
use rolecall_platform::blocking::STATE;
use rolecall_platform::panics::Guard;
use std::sync::Arc;

/// Lower ports are reserved for system services.
const FIRST_PORT: u16 = 1024;

/// The request for a lease.
pub(crate) struct LeaseRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) form: EndpointForm,
    pub(crate) owner: EndpointOwner,
    pub(crate) port: Option<u16>,
}

/// Creates a lease of a name for one process. Errors of the name are returned now, where a person reads them.
pub(crate) async fn create_lease(
    endpoint: &Endpoint,
    wanted: LeaseRequest<'_>,
    requester: &mut Requester<'_>,
) -> Result<Response, UserError> {
    let broker = &endpoint.broker;
    broker.lock.touch();
    let given = try_grant(endpoint, &wanted, requester).await;
    if let Err(failure) = &given {
        let line = broker.audit.line(Event::Grant).unchecked_name(wanted.name).caller(requester.caller);
        broker.audit.write(line.failure(&failure.code, &failure.report));
    }
    let answer = given.map_err(|failure| broker.config.with_remark(failure.report))?;
    Ok(Response::answer(answer))
}

async fn try_grant(
    endpoint: &Endpoint,
    wanted: &LeaseRequest<'_>,
    requester: &mut Requester<'_>,
) -> Result<Answer, Failure> {
    let (broker, caller) = (&endpoint.broker, requester.caller);
    let plan = broker.config.find_plan(wanted.name).await.map_err(Failure::permanent)?;
    check_port(wanted).map_err(Failure::permanent)?;
    let pinned = caller.pid.and_then(|pid| requester.connection.pinned(pid));
    let owner = match wanted.owner {
        EndpointOwner::Caller => LeaseOwner::caller(caller, pinned),
        EndpointOwner::Parent => LeaseOwner::parent(caller, pinned),
    };
    let owner = owner.map_err(Failure::permanent)?;
    broker.session(&plan, requester).await?;
    let (url, token) = open(endpoint, wanted, owner, caller).await.map_err(Failure::permanent)?;
    Ok(Answer::Endpoint { url, token, region: region_of(endpoint, &plan) })
}

async fn open(
    endpoint: &Endpoint,
    wanted: &LeaseRequest<'_>,
    owner: LeaseOwner,
    caller: &Caller,
) -> Result<(String, Option<EndpointToken>), UserError> {
    let token = new_token()?;
    let now = endpoint.broker.ports.clock.now();
    let until = now.boot + owner.lease();
    let make = |port| {
        let id = digest(token.expose().as_bytes());
        EndpointLease::new(id, wanted.name.to_owned(), wanted.form, owner, caller.clone(), now.wall, until, port)
    };
    match wanted.form {
        EndpointForm::Container => {
            let grant = Arc::new(make(0));
            let port = take_in(endpoint, Arc::clone(&grant)).await?;
            endpoint.audit_grant(&grant, "ok", Some(format!("container endpoint, for process {}", grant.owner.pid)));
            Ok((format!("http://127.0.0.1:{port}{ROLE_PATH}{}", wanted.name), Some(token)))
        }
        EndpointForm::Imds => {
            peer::can_be_told("use `rolecall exec` without `--imds`")?;
            let (socket, port) = listener::bind(wanted.port)?;
            let grant = Arc::new(make(port));
            let service = Service::Metadata(Arc::downgrade(&grant));
            grant.listens(http_port::run(endpoint, socket, port, &service)?);
            take_in(endpoint, Arc::clone(&grant)).await?;
            let what = format!("metadata service on port {port}, for process {}", grant.owner.pid);
            endpoint.audit_grant(&grant, "ok", Some(what));
            Ok((format!("http://127.0.0.1:{port}"), None))
        }
    }
}

fn region_of(endpoint: &Endpoint, plan: &Plan) -> Option<String> {
    let catalogue = endpoint.broker.config.catalogue();
    let own = catalogue.roles.get(&plan.name).and_then(|role| role.settings.region.clone());
    own.or_else(|| plan.identity.region.clone())
}

/// Takes over the leases of the agent before this one.
pub(crate) async fn resume(endpoint: &Endpoint) {
    let (file, socket) = (endpoint.file.clone(), endpoint.socket.clone());
    let read = move || persistence::read(&file, &socket);
    let before = STATE.run(endpoint.file.display().to_string(), KEPT_WITHIN, read).await;
    let Some(before) = before.ok().flatten() else { return };
    let now = endpoint.broker.ports.clock.now();
    let port = before.port;
    let (containers, metadata): (Vec<_>, Vec<_>) = before
        .into_leases(now.boot)
        .into_iter()
        .map(Arc::new)
        .partition(|grant: &Arc<EndpointLease>| grant.form == EndpointForm::Container);
    let mut taken = Vec::new();
    let mut dropped = Vec::new();
    if let (false, Some(port)) = (containers.is_empty(), port) {
        match http_port::listen(endpoint, Some(port), &Service::Shared) {
            Ok(listening) => {
                endpoint.state.guard().shared = Some(listening);
                taken.extend(containers);
            }
            // The program that listens there now may have received the tokens, so the leases end instead of moving.
            Err(report) => dropped.extend(containers.into_iter().map(|grant| (grant, report.message.clone()))),
        }
    }
    for grant in metadata {
        match http_port::listen(endpoint, Some(grant.port()), &Service::Metadata(Arc::downgrade(&grant))) {
            Ok(listening) => {
                grant.listens(listening);
                taken.push(grant);
            }
            Err(report) => dropped.push((grant, report.message)),
        }
    }
    for (grant, why) in dropped {
        tracing::warn!(name = %grant.name, %why, "a grant of the agent before is not taken up");
        endpoint.audit_grant(&grant, "ended", Some(why));
    }
    for grant in taken {
        // It has its port already, so that nothing can fail.
        let _ = insert(endpoint, grant);
    }
    // Also if there was no lease: the file is that of the agent before.
    endpoint.state.guard().changes += 1;
    endpoint.keep(false).await;
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

/// Adds a lease, if there is room, and saves it for the next agent.
async fn take_in(endpoint: &Endpoint, grant: Arc<EndpointLease>) -> Result<u16, UserError> {
    let (port, superseded) = insert(endpoint, grant)?;
    for grant in superseded {
        grant.close();
        endpoint.audit_grant(&grant, "ended", Some("its shell has switched many times since".to_owned()));
    }
    endpoint.keep(false).await;
    Ok(port)
}

/// Adds a lease and returns its port, and the leases that have made room for it.
fn insert(endpoint: &Endpoint, grant: Arc<EndpointLease>) -> Result<(u16, Vec<Arc<EndpointLease>>), UserError> {
    endpoint.insert(grant, || http_port::listen(endpoint, None, &Service::Shared))
}
