//! The long-term keys in the vault: tried and stored, removed, listed. One change of a key runs at a time.
//!
//! `rotation` replaces a key. Sessions of a changed key are removed.

use super::active_config::ActiveConfig;
use super::audit::{Audit, AuditLine, Event};
use super::caller::Caller;
use super::connection::Response;
use super::credential_cache::CredentialCache;
use super::failure::Failure;
use super::key_age::{KeyFacts, OverdueKey};
use super::lock_watch::LockWatch;
use super::ports::Ports;
use super::rotation::Rotations;
use super::unknown_key::accepted_by;
use rolecall_core::domain::arn;
use rolecall_core::domain::credential::{AccessKey, Signer};
use rolecall_core::domain::diagnosis::key::is_unknown_key;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::regions::{self, Rejected};
use rolecall_core::domain::remedy::Principal;
use rolecall_core::domain::source::IdentityKind;
use rolecall_ipc::protocol::message::Answer;
use rolecall_ipc::protocol::process_output;
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_ports::{CallerIdentity, StoredKey};
use std::sync::Arc;

/// The keys of the identities.
pub(super) struct KeyStore {
    pub(super) ports: Ports,
    pub(super) config: Arc<ActiveConfig>,
    pub(super) audit: Arc<Audit>,
    pub(super) cache: Arc<CredentialCache>,
    pub(super) facts: Arc<KeyFacts>,
    pub(super) rotations: Rotations,
}

impl KeyStore {
    /// Begins the audit line of a change of a key.
    pub(super) fn line(&self, name: &Name, what: &str, caller: &Caller) -> AuditLine {
        self.audit.line(Event::Identity).name(name).message(what).caller(caller)
    }
}

/// Returns the warning that the TOTP secret of another user was deleted.
fn dropped(arn: &str, name: &Name) -> UserError {
    UserError::new(Kind::Failed, format!("the TOTP secret of {arn} was deleted with its key")).hint(format!(
        "set `mfa_serial` to the new user's device; `rolecall identity add {name} --totp` keeps its secret"
    ))
}

/// Where a key comes from, which decides what may become of one that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyOrigin {
    /// A file, by an import: the same key may be there, from a try that was broken off, and may go back.
    File,
    /// Another tool's keyring: the same key may be there.
    Keyring,
    /// A person gave it.
    Person {
        /// Whether a key that is there already is replaced.
        replace: bool,
    },
}

/// Verifies a key with AWS and stores it.
pub(super) async fn add(
    keys: &KeyStore,
    name: &str,
    key: AccessKey,
    (region, arns): (Option<String>, &[String]),
    whence: KeyOrigin,
    caller: &Caller,
    watch: &LockWatch,
) -> Result<Response, UserError> {
    let usage = |why: &str| UserError::new(Kind::Usage, why);
    let name = Name::new(name).map_err(usage)?;
    key.check().map_err(usage)?;
    let _turn = keys.rotations.begin(&name)?;
    let catalogue = keys.config.catalogue();
    if catalogue.roles.contains_key(&name) {
        return Err(UserError::new(Kind::Usage, format!("`{name}` is the name of a role"))
            .hint("identities and roles share one namespace: choose another name"));
    }
    let locked = |failure: Failure| failure.report.with_note("nothing was stored");
    let there = match watch.run(keys.ports.vault.read(&name)).await.map_err(locked)? {
        Ok(there) => Some(there),
        Err(report) if report.kind == Kind::Config => None,
        // A vault that cannot tell what it holds is not written over.
        Err(report) => return Err(report.with_note("nothing was stored")),
    };
    let is_same = |there: &StoredKey| {
        there.key.id == key.id && there.next.is_none() && there.key.secret.expose() == key.secret.expose()
    };
    let is_there = there.as_ref().is_some_and(is_same) && matches!(whence, KeyOrigin::File | KeyOrigin::Keyring);
    if whence != (KeyOrigin::Person { replace: true })
        && !is_there
        && let Some(there) = there
    {
        return Err(UserError::new(
            Kind::Usage,
            format!("the vault has a key of identity `{name}` already: {}", there.key.id),
        )
        .hint("`--replace` stores the new one in its place"));
    }
    // Tried before it is stored: a key with a typing error is found now, not at the first `get`.
    let (who, elsewhere) = watch.run(try_key(keys, &name, &key, region, arns)).await.map_err(locked)??;
    if who.arn.ends_with(":root") {
        return Err(UserError::new(
            Kind::Refused,
            format!("this key belongs to the root user of account {}", who.account),
        )
        .hint("AWS lets no root user assume a role: make an IAM user, and delete the root user's access key"));
    }
    // Another key of the user leaves the device what it is; another user has another device.
    let (totp, dropped) = match there {
        Some(there) if there.arn == who.arn => (there.totp, None),
        Some(there) => (None, there.totp.map(|_| dropped(&there.arn, &name))),
        None => (None, None),
    };
    let now = keys.ports.clock.now().wall;
    let imported = whence == KeyOrigin::File;
    let arn = who.arn.clone();
    let stored = StoredKey { key, arn, stored: now, totp, created: None, next: None, imported, first: None };
    watch.check().map_err(locked)?;
    // A write is not ended: a lock waits for it.
    keys.ports.vault.write(&name, &stored).await?;
    if imported {
        // The file is cleared next: only what the vault gives back is in the vault.
        let read = watch.run(keys.ports.vault.read(&name)).await.unwrap_or_else(|failure| Err(failure.into()));
        let back = read.map_err(|report| report.with_note("the file still has the key"))?;
        if back.key.id != stored.key.id || back.key.secret.expose() != stored.key.secret.expose() {
            return Err(UserError::new(Kind::Failed, format!("the vault does not give back the key of {name}"))
                .hint("the file still has it; look at the vault: `rolecall identity list`"));
        }
    }
    keys.cache.forget(&name);
    keys.audit.write(keys.line(&name, "stored", caller).access_key_id(&stored.key.id));
    Ok(Response::answer(Answer::Key(Box::new(KeyStatus {
        identity: name.to_string(),
        kind: IdentityKind::IamUser.as_str().to_owned(),
        access_key_id: Some(stored.key.id.clone()),
        arn: Some(who.arn),
        account: Some(who.account.to_string()),
        stored: Some(stored.stored),
        totp: stored.totp.is_some(),
        warnings: dropped.into_iter().chain(elsewhere).collect(),
        ..KeyStatus::default()
    }))))
}

/// Asks whose a new key is, in the Region that is named for it, else in the partition of its ARNs. A key that only
/// another Region accepts is a good one: the warning says what is wrong with the Region.
async fn try_key(
    keys: &KeyStore,
    name: &Name,
    key: &AccessKey,
    region: Option<String>,
    arns: &[String],
) -> Result<(CallerIdentity, Option<UserError>), UserError> {
    let catalogue = keys.config.catalogue();
    let identity = catalogue.identities.get(name);
    let known = identity.and_then(|identity| identity.region.clone());
    let device = identity.and_then(|identity| identity.mfa_serial.as_ref()).map(arn::MfaSerial::as_str);
    let roles = catalogue.roles.values().filter(|role| role.source == *name).map(|role| role.role_arn.as_str());
    let arns: Vec<&str> = arns.iter().map(String::as_str).chain(device).chain(roles).collect();
    let asked = regions::first(region.or_else(|| known.clone()), arns.iter().copied());
    rolecall_core::domain::names::check_region(&asked).map_err(|why| UserError::new(Kind::Usage, why))?;
    let error = match keys.ports.tokens.caller_identity(&catalogue.aws, key, &asked).await {
        Ok(who) => return Ok((who, None)),
        Err(error) => error,
    };
    let is_unknown = is_unknown_key(error.aws_code());
    if is_unknown {
        let of_arns = arns.iter().filter_map(|arn| arn::Partition::of_arn(arn));
        let given = known.into_iter().chain(of_arns.map(|partition| partition.default_region().to_owned()));
        let signer = Signer::Key(key.clone());
        let others = regions::besides(&asked, given);
        if let (Some(accepted), _) = accepted_by(&keys.ports, &catalogue.aws, &signer, others).await {
            let section = format!("[identities.{name}]");
            let (asked, accepted_by) = (asked.as_str(), accepted.region.as_str());
            let account = accepted.who.account.as_str();
            let rejected = Rejected { key_id: &key.id, account, asked, accepted_by, section: &section };
            let report = rejected.report();
            return Ok((accepted.who, Some(report)));
        }
    }
    let report = error.told_by(|remedy| {
        if !is_unknown {
            return remedy.hint(&Principal::of_key(name.as_str()));
        }
        let partition = arn::Partition::of_region(&asked).id();
        format!(
            "possible causes: a typing error in the key id, a key that is deleted or inactive, or a key of another \
             partition than {partition}: add `--region us-gov-west-1` for GovCloud, `--region cn-north-1` for China"
        )
    });
    Err(report.with_note("nothing was stored"))
}

/// Deletes a key and its sessions. Returns a note if there was no key.
pub(super) async fn remove(keys: &KeyStore, name: &str, caller: &Caller) -> Result<Option<String>, UserError> {
    let name = Name::new(name).map_err(|why| UserError::new(Kind::Usage, why))?;
    let _turn = keys.rotations.begin(&name)?;
    let there = keys.ports.vault.delete(&name).await?;
    keys.cache.forget(&name);
    if there {
        keys.audit.write(keys.line(&name, "removed", caller));
    }
    Ok((!there).then(|| format!("the vault had no key of identity `{name}`")))
}

/// Returns what the vault contains of every identity.
pub(super) async fn list(keys: &KeyStore) -> Vec<KeyStatus> {
    let catalogue = keys.config.catalogue();
    let mut listed = Vec::new();
    // A vault that does not answer is read once, not once for each identity: every read takes seconds.
    let mut silent: Option<UserError> = None;
    for identity in catalogue.identities.values() {
        let mut key = KeyStatus {
            identity: identity.name.to_string(),
            kind: identity.kind().as_str().to_owned(),
            mfa_serial: identity.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()),
            ..KeyStatus::default()
        };
        if identity.has_stored_key() {
            let read = match silent.clone() {
                Some(report) => Err(report),
                None => keys.ports.vault.read(&identity.name).await,
            };
            match read {
                Ok(stored) => {
                    key.access_key_id = Some(stored.key.id.clone());
                    key.account = arn::account_of(&stored.arn).map(|account| account.to_string());
                    key.arn = Some(stored.arn);
                    key.stored = Some(stored.stored);
                    key.totp = stored.totp.is_some();
                    key.created = stored.created;
                    key.first = stored.first;
                }
                Err(report) => {
                    silent = Some(report.clone()).filter(|report| report.kind != Kind::Config);
                    key.error = Some(report);
                }
            }
        } else {
            describe_source(keys, &mut key);
        }
        listed.push(key);
    }
    listed.sort_by(|a, b| a.identity.cmp(&b.identity));
    let unfinished = keys.rotations.unfinished(&catalogue).await;
    let overdue = keys.facts.overdue(&catalogue, keys.ports.clock.now().wall);
    for key in &mut listed {
        key.warnings.extend(unfinished.iter().filter(|(name, _)| *name == key.identity).map(|(_, r)| r.clone()));
        let too_old = overdue.iter().filter(|overdue| overdue.identity.as_str() == key.identity);
        key.warnings.extend(too_old.map(OverdueKey::report));
    }
    listed
}

/// Adds to the entry of an identity without a stored key the facts of its current session. Nothing is requested for it.
fn describe_source(keys: &KeyStore, key: &mut KeyStatus) {
    let plan = keys.config.plan(&key.identity).ok();
    let Some(glance) = plan.and_then(|plan| keys.cache.glance(plan.key())) else { return };
    if let Some(held) = &glance.held {
        key.access_key_id = Some(held.access_key_id.clone());
        key.arn.clone_from(&held.arn);
        key.account = process_output::parse(&held.line).and_then(|s| s.account).map(|id| id.to_string());
    }
    key.error = glance.failure;
}
