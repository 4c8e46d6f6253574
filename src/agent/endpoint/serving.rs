//! The session of a lease for an HTTP request: access rules, session, audit line.

use super::http::Problem;
use super::leases::{EndpointLease, Told};
use crate::audit::{AuditLine, BAD_TOKEN, Event};
use crate::broker::Broker;
use crate::credential_cache::ServedSession;
use crate::credentials::target;
use crate::failure::Failure;
use rolecall_core::domain::catalogue::AuditMode;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::Plan;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Returns the session of a lease for one of its requests, as `get` would without a place for a prompt.
pub(super) async fn serve_lease(
    broker: &Broker,
    grant: &EndpointLease,
    floor: Duration,
) -> Result<(Arc<Plan>, ServedSession), Problem> {
    broker.counters.gets.fetch_add(1, Ordering::Relaxed);
    broker.lock.touch();
    let served = match try_to_serve(broker, grant, floor).await {
        Ok((plan, given)) => log_served(broker, grant, &plan, given).await.map(|given| (plan, given)),
        Err(failure) => Err(failure),
    };
    match served {
        Ok(served) => {
            broker.counters.handed_out.fetch_add(1, Ordering::Relaxed);
            grant.served.fetch_add(1, Ordering::Relaxed);
            Ok(served)
        }
        Err(failure) => {
            let mut told = grant.told.lock().await;
            // The line of a failure is not waited for.
            let mode = AuditMode::BestEffort;
            if !told.as_ref().is_some_and(|told| told.stands_for(&failure.code, mode)) {
                broker.audit.write(line_of(broker, grant).failure(&failure.code, &failure.report));
                *told = Some(Told { what: failure.code.clone(), mode });
            }
            Err(Problem::of(&failure))
        }
    }
}

/// Logs a hand-out, once for each session and lease: a program may send a thousand requests a second.
async fn log_served(
    broker: &Broker,
    grant: &EndpointLease,
    plan: &Plan,
    given: ServedSession,
) -> Result<ServedSession, Failure> {
    let mut told = grant.told.lock().await;
    let (what, mode) = (&*given.held.access_key_id, broker.config.catalogue().agent.audit);
    if !told.as_ref().is_some_and(|told| told.stands_for(what, mode)) {
        let line = given.log(line_of(broker, grant).role_arn(target(plan.key().step())));
        broker.audit.hand_out(mode, line).await.map_err(Failure::transient)?;
        *told = Some(Told { what: what.to_owned(), mode });
    }
    drop(told);
    broker.refresher.cache.still_holds(given)
}

fn line_of(broker: &Broker, grant: &EndpointLease) -> AuditLine {
    broker.audit.line(Event::Endpoint).name(&grant.name).caller(&grant.caller)
}

async fn try_to_serve(
    broker: &Broker,
    grant: &EndpointLease,
    floor: Duration,
) -> Result<(Arc<Plan>, ServedSession), Failure> {
    let plan = broker.config.find_plan(&grant.name).await.map_err(|_| Failure::permanent(removed(&grant.name)))?;
    broker.authorization.authorize_without_consent(&plan, &grant.caller).await?;
    let given = broker.refresher.quickly(&plan, floor).await?;
    Ok((plan, given))
}

fn removed(name: &str) -> UserError {
    UserError::new(Kind::Config, format!("`{name}` is not in the configuration any more")).hint(format!(
        "put [roles.{name}] back and ask again, or leave this shell; `rolecall role list` shows what there is"
    ))
}

/// Logs a request with a token that opens nothing.
pub(super) fn refuse_token(broker: &Broker, port: u16) {
    let line = broker.audit.line(Event::Refuse).result(BAD_TOKEN);
    broker.audit.write(line.message(format!("a request to port {port} had no valid token")));
}
