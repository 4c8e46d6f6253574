//! What each request may do, and which part of the agent does it.

use super::audit::Event;
use super::broker::Broker;
use super::caller::Caller;
use super::connection::{Connection, Response};
use super::console::{ConsoleRequest, console};
use super::deadline::Deadline;
use super::endpoint::create::{LeaseRequest, create_lease};
use super::failure::class;
use super::glance::glance;
use super::identities::{self, KeyOrigin};
use super::lock_watch::LockWatch;
use super::requester::Requester;
use super::status::status;
use super::{Agent, doctor, imports, proxy_password, rotation, totp_enrollment, unlock, world};
use rolecall_core::domain::credential::AccessKey;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::Passphrase;
use rolecall_ipc::protocol::message::{Answer, Call, Request};
use rolecall_ipc::protocol::{VERSION, other_version};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Handles a request. The watch comes before the payload, so that it is dropped after the secrets of the request.
pub(super) async fn handle(
    agent: &Agent,
    mut watch: Option<LockWatch>,
    payload: Zeroizing<Vec<u8>>,
    caller: &Caller,
    connection: &mut Connection,
) -> Result<Response, UserError> {
    let deadline = Deadline::new();
    let Call { version, context, request } = serde_json::from_slice(&payload).map_err(|_| unreadable(&payload))?;
    drop(payload);
    if !contains_secret(&request) {
        watch = None;
    }
    if version != VERSION && !request.is_of_every_version() {
        return Err(other_version(version));
    }
    let Agent { ports, paths, config, broker, keys, endpoint, .. } = agent;
    if let Some(bus) = &context.bus {
        ports.vault.offer_bus(bus);
    }
    world::check_view(paths, config, &request, context.view.as_ref()).await?;
    let requester = &mut Requester { caller, context: &context, connection, deadline };
    let answer = |answer| Ok(Response::answer(answer));
    let done = |note| answer(Answer::Done { note });
    // A script that edits the file and goes on at once is faster than the watch; whether it stores a key in the keyring
    // or in the file must not hang on that. A `get` need not look: it is in front of every AWS call.
    if !matches!(request, Request::Get { .. } | Request::Glance { .. } | Request::Lock | Request::Stop) {
        config.reload().await;
    }
    match request {
        Request::Get { name } => broker.get(&name, requester).await.map(|given| Response::Session(given.held)),
        Request::Names => {
            let mut names: Vec<String> = config.catalogue().names().map(ToString::to_string).collect();
            names.sort_unstable();
            answer(Answer::Names { names })
        }
        Request::Glance { name } => answer(glance(keys, &name)),
        Request::Console { name, destination, duration_seconds, by_browser } => {
            let wanted = ConsoleRequest { destination, duration_seconds, by_browser };
            answer(console(broker, endpoint, &name, wanted, requester).await?)
        }
        Request::Doctor { name } => answer(doctor::diagnose(broker, &agent.examining, &name, requester).await?),
        Request::Endpoint { name, form, owner, port } => {
            let wanted = LeaseRequest { name: &name, form, owner, port };
            create_lease(endpoint, wanted, requester).await
        }
        Request::Device { name } => answer(unlock::tell_device(config, name.as_deref()).await?),
        Request::Forget { name } => {
            agent.cache.forget(&config.find_plan(&name).await?.identity.name);
            done(None)
        }
        Request::ForeignEntries => answer(imports::foreign_entries(keys).await?),
        Request::IdentityAdd { name, access_key_id, secret_access_key, region, arns, replace, imported } => {
            let key = AccessKey { id: access_key_id, secret: secret_access_key };
            let whence = if imported { KeyOrigin::File } else { KeyOrigin::Person { replace } };
            let watch = watch.unwrap_or_else(|| agent.lock.watch());
            identities::add(keys, &name, key, (region, &arns), whence, caller, &watch).await
        }
        Request::IdentityAdopt { name, tool, entry, region, arns } => {
            let watch = agent.lock.watch();
            imports::adopt(keys, &name, (tool, entry), (region, &arns), caller, &watch).await
        }
        Request::IdentityTakeBack { name, access_key_id } => {
            imports::take_back(broker, keys, &name, &access_key_id, requester).await
        }
        Request::IdentityRemove { name } => done(identities::remove(keys, &name, caller).await?),
        Request::IdentityTotp { name, secret } => {
            let watch = watch.unwrap_or_else(|| agent.lock.watch());
            done(Some(totp_enrollment::keep(broker, keys, &name, secret, caller, &watch).await?))
        }
        Request::IdentityRotate { name, delete } => {
            rotation::rotate(broker, keys, &name, delete.as_deref(), requester).await
        }
        Request::Keys => answer(Answer::Keys { keys: identities::list(keys).await }),
        Request::Lock => {
            // What the answer says is true when it is given: nothing is left in memory.
            agent.lock.lock("asked", Some(caller)).are_gone().await;
            done(agent.lock.vault_is_busy(&paths.vault_file).await)
        }
        Request::Reload => config.problem().map_or_else(|| done(None), Err),
        Request::Status => {
            let mut status = status(agent).await;
            if let Some(view) = &context.view {
                status.warnings.extend(world::other_configuration(paths, view).await);
            }
            answer(Answer::Status(Box::new(status)))
        }
        Request::Stop => {
            agent.stop.notify_one();
            done(None)
        }
        Request::Unlock { name, code } => done(Some(unlock::unlock(broker, name, code, caller).await?)),
        Request::UnlockVault { passphrase, accept_restored } => {
            done(unlock_vault(broker, passphrase, accept_restored, requester, watch.as_ref()).await?)
        }
        Request::ProxyPassword { password } => {
            let watch = watch.unwrap_or_else(|| agent.lock.watch());
            done(Some(proxy_password::keep(keys, password, caller, &watch).await?))
        }
    }
}

async fn unlock_vault(
    broker: &Broker,
    passphrase: Option<Passphrase>,
    accept_restored: bool,
    requester: &Requester<'_>,
    watch: Option<&LockWatch>,
) -> Result<Option<String>, UserError> {
    let locked = || watch.map_or(Ok(()), |watch| watch.check().map_err(UserError::from));
    locked()?;
    broker.lock.touch();
    // Not through the watch: a thread of the vault holds the passphrase until this returns, and a lock waits for it.
    let mut result = broker.ports.vault.unlock(passphrase).await;
    if let Err(report) = locked() {
        if result.is_ok() {
            // The lock may have closed the vault before this request opened it.
            broker.ports.vault.lock();
        }
        result = Err(report);
    }
    if accept_restored && result.is_ok() {
        let accepted = requester.deadline.with_a_person(broker.ports.vault.accept_restored()).await;
        result = accepted.unwrap_or_else(|| {
            Err(UserError::new(Kind::Failed, "the vault is open, but its file was not accepted in time")
                .hint("run it again: `rolecall unlock --vault --accept-restored`"))
        });
    }
    if result.is_ok() {
        broker.refresher.cache.note_open();
    }
    let outcome = result.as_ref().map_or_else(|report| class(report.kind), |()| "ok".to_owned());
    let line = broker.audit.line(Event::Unlock).result(outcome).message("vault").caller(requester.caller);
    broker.audit.write(line);
    result?;
    Ok(Some(match broker.ports.vault.warning() {
        Some(UserError { message, hint, .. }) => {
            format!("the vault is open, but {message}\nhint: {}", hint.unwrap_or_default())
        }
        None => "the vault is open".into(),
    }))
}

/// Tells whether a request contains a secret that a lock must wait for.
fn contains_secret(request: &Request) -> bool {
    matches!(
        request,
        Request::IdentityAdd { .. }
            | Request::IdentityTotp { .. }
            | Request::UnlockVault { passphrase: Some(_), .. }
            | Request::ProxyPassword { .. }
    )
}

/// The form of every version's request, as far as another version can tell.
#[derive(Deserialize)]
struct AnyCall {
    version: u32,
}

/// Says why a request cannot be read. Not what the parser says: it quotes the input, and the input may be a secret.
pub(super) fn unreadable(payload: &[u8]) -> UserError {
    match serde_json::from_slice::<AnyCall>(payload) {
        Ok(call) if call.version != VERSION => other_version(call.version),
        _ => UserError::new(Kind::Agent, "the request cannot be read")
            .hint("run `rolecall agent restart` after an upgrade"),
    }
}
