//! The access key: from the answer of IAM to the agent, which verifies it and stores it in the vault.
//!
//! CreateAccessKey cannot be repeated, since AWS returns a secret once. A key whose secret was lost (a lost answer, a killed
//! process) is deleted, and another one is created. It is a key that the journal names, or one that was not there before and
//! was created in the minutes around the call.

use super::agent::Agent;
use super::iam::{Iam, TRIES};
use super::journal::Journal;
use chrono::TimeDelta;
use rolecall_core::domain::arn::IamUser;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_ipc::protocol::setup::{Apply, Local, ResourceState, Window};
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_ports::{Changed, ListedKey, Listing, NewKey};
use std::sync::atomic::Ordering;

/// A key that was created in this time around our call is ours. The call ends within 10 seconds, AWS accepts a signature for
/// five minutes, and its clocks may differ a little among themselves.
const BEFORE_CALL: TimeDelta = TimeDelta::minutes(1);
const AFTER_CALL: TimeDelta = TimeDelta::minutes(6);

/// The AWS quota of access keys per user.
const KEYS_MAX: usize = 2;

/// Checks before anything is created that the vault can store the key, and that the user can get another one.
pub(super) async fn check_key(iam: &mut Iam, journal: &Journal, agent: &Agent, apply: &Apply) -> Result<(), UserError> {
    let user = apply.steps.iter().find_map(|step| match &step.call {
        Call::CreateAccessKey { user } => Some(user),
        _ => None,
    });
    let Some(user) = user else { return Ok(()) };
    let identity = printable(&apply.local.identity, 128);
    let stored = agent.stored_key(&apply.local.identity).await?;
    let made = journal.made().iter().filter(|made| matches!(made.step.call, Call::CreateAccessKey { .. }));
    let ours: Vec<&String> = made.flat_map(|made| &made.keys).collect();
    if let Some(stored) = &stored {
        if let Some(error) = stored.error.clone().filter(|error| error.kind != Kind::Config) {
            return Err(error.with_note("nothing was made"));
        }
        let account = format!("{}:user/", iam.auth.id);
        let is_of_user = stored.arn.as_deref().is_some_and(|arn| {
            arn.contains(&account) && IamUser::new(arn).is_ok_and(|owner| owner.name() == user.as_str())
        });
        if let Some(id) = stored.access_key_id.as_ref().filter(|id| !ours.contains(id) && !is_of_user) {
            return Err(UserError::new(
                Kind::Usage,
                format!("the vault has a key of identity {identity} already, {id}: it is another user's"),
            )
            .hint("choose another name for the identity with `--identity`"));
        }
    }
    let creates_user = apply.steps.iter().any(|step| matches!(step.call, Call::CreateUser { .. }));
    if !creates_user && stored.is_none_or(|stored| stored.access_key_id.is_none()) {
        let user = iam_user(iam, journal, user)?;
        let listing = iam.keys(journal, &user).await?;
        let others = listing.keys.iter().filter(|key| !ours.contains(&&key.id)).count();
        if others >= KEYS_MAX {
            return Err(two_keys(&user, &listing));
        }
    }
    Ok(())
}

/// Returns the ARN of a user of the authentication account: the one that was created, or the one at the root path.
pub(super) fn iam_user(iam: &Iam, journal: &Journal, name: &str) -> Result<IamUser, UserError> {
    let arn = journal.made().iter().find_map(|made| match &made.step.call {
        Call::CreateUser { name: created, .. } if created == name => made.arn.clone(),
        _ => None,
    });
    let partition = iam.auth.session.partition.id();
    let arn = arn.unwrap_or_else(|| format!("arn:{partition}:iam::{}:user/{name}", iam.auth.id));
    IamUser::new(&arn).map_err(|why| UserError::new(Kind::Usage, format!("user {}: {why}", printable(name, 128))))
}

/// Creates the key and stores it in the vault, or finds it there.
pub(super) async fn make_key(
    iam: &mut Iam,
    journal: &mut Journal,
    agent: &Agent,
    (step, user): (&Step, &str),
    local: &Local,
) -> Result<(), UserError> {
    let user = iam_user(iam, journal, user)?;
    let stored = agent.stored_key(&local.identity).await?;
    let ours = &journal.entry(step).keys;
    let is_rotated = stored.as_ref().is_some_and(|stored| is_rotated(stored, ours));
    let stored = stored.and_then(|stored| stored.access_key_id);
    let listing = iam.keys(journal, &user).await?;
    let works = |id: &String| listing.keys.iter().any(|key| key.id == *id && key.active);
    if let Some(id) = stored.filter(works) {
        // One of ours, or the one that a rotation made of it. Any other was stored by somebody else.
        let entry = journal.entry(step);
        let is_ours = entry.keys.contains(&id) || is_rotated;
        let stands = if is_ours || !entry.keys.is_empty() { ResourceState::Done } else { ResourceState::Found };
        if is_ours && !entry.keys.contains(&id) {
            entry.keys.push(id.clone());
        }
        journal.stand(step, stands, None)?;
        return iam.talk.say("there", &format!("access key {id}, in the vault")).await;
    }
    let listing = delete_lost(iam, journal, step, &user, listing).await?;
    if listing.keys.len() >= KEYS_MAX {
        return Err(two_keys(&user, &listing));
    }
    let new = create(iam, journal, step, &user, listing).await?;
    let id = new.key.id.clone();
    journal.entry(step).keys.push(id.clone());
    let stored = async {
        journal.stand(step, ResourceState::Begun, None)?;
        iam.talk.say("create", &format!("access key {id}")).await?;
        agent.store_key(&mut iam.talk, &mut iam.calls, new, local).await
    };
    if let Err(report) = stored.await {
        return Err(take_back(iam, journal, step, &user, &id, report).await);
    }
    journal.stand(step, ResourceState::Done, None)?;
    iam.talk.say("store", &format!("{id} is in the vault")).await
}

/// Deletes the keys of earlier runs whose secrets are lost, and returns the other keys.
async fn delete_lost(
    iam: &mut Iam,
    journal: &mut Journal,
    step: &Step,
    user: &IamUser,
    listing: Listing,
) -> Result<Listing, UserError> {
    let entry = journal.entry(step);
    let (named, window) = (entry.keys.clone(), entry.window.clone());
    let is_lost =
        |key: &ListedKey| named.contains(&key.id) || window.as_ref().is_some_and(|window| is_orphan(window, key));
    let (lost, keys): (Vec<_>, Vec<_>) = listing.keys.into_iter().partition(is_lost);
    for ListedKey { id, .. } in lost {
        let what = format!("access key {id}, whose secret was lost when an earlier run was broken off");
        iam.talk.say("clear", &what).await?;
        iam.remove(journal, &Call::DeleteAccessKey { user: user.name().to_owned(), id }).await?;
    }
    journal.entry(step).keys.clear();
    Ok(Listing { keys, ..listing })
}

async fn create(
    iam: &mut Iam,
    journal: &mut Journal,
    step: &Step,
    user: &IamUser,
    mut listing: Listing,
) -> Result<NewKey, UserError> {
    let mut tried = 0;
    let before: Vec<String> = listing.keys.iter().map(|key| key.id.clone()).collect();
    loop {
        tried += 1;
        let (since, until) = (listing.now - BEFORE_CALL, listing.now + AFTER_CALL);
        journal.entry(step).window = Some(Window { before: before.clone(), since, until });
        journal.stand(step, ResourceState::Begun, None)?;
        let error = match iam.change(journal, Side::Auth, &step.call).await {
            Ok(Changed::Key(key)) => return Ok(key),
            Ok(_) => return Err(UserError::new(Kind::Failed, "IAM's answer does not fit its question")),
            Err(error) => error,
        };
        listing = iam.keys(journal, user).await?;
        if error.code() == "LimitExceeded" && tried == 1 {
            return Err(two_keys(user, &listing));
        }
        if !error.may_have_acted() || tried == TRIES {
            return Err(iam.explain(Side::Auth, Some(&step.call), error));
        }
        listing = delete_lost(iam, journal, step, user, listing).await?;
    }
}

/// Deletes a key that was not stored, since its secret is about to be lost. Returns the error with the result.
async fn take_back(
    iam: &mut Iam,
    journal: &mut Journal,
    step: &Step,
    user: &IamUser,
    id: &str,
    report: UserError,
) -> UserError {
    // An interruption must not keep the key from being deleted.
    let interrupted = iam.talk.interrupted.swap(false, Ordering::Relaxed);
    let call = Call::DeleteAccessKey { user: user.name().to_owned(), id: id.to_owned() };
    let deleted = iam.remove(journal, &call).await;
    iam.talk.interrupted.fetch_or(interrupted, Ordering::Relaxed);
    if deleted.is_err() {
        return report
            .with_note(&format!("the new access key {id} is left at AWS, without use; the same command deletes it"));
    }
    journal.entry(step).keys.retain(|key| key != id);
    // The next run finds that the key is gone.
    let _ = journal.save();
    report.with_note(&format!("the new access key {id} was deleted again; the same command goes on"))
}

/// Returns whether rotations made a stored key of one of ours.
pub(super) fn is_rotated(stored: &KeyStatus, ours: &[String]) -> bool {
    stored.first.as_ref().is_some_and(|first| ours.contains(first))
}

/// Returns whether a key was created by a call whose answer was lost.
pub(super) fn is_orphan(window: &Window, key: &ListedKey) -> bool {
    let is_in_time = |created| window.since <= created && created <= window.until;
    !window.before.contains(&key.id) && key.created.is_some_and(is_in_time)
}

fn two_keys(user: &IamUser, listing: &Listing) -> UserError {
    let each: Vec<String> = listing
        .keys
        .iter()
        .map(|key| {
            let made = key.created.map(|at| format!(", made {}", at.format("%Y-%m-%d"))).unwrap_or_default();
            format!("{} ({}{made})", printable(&key.id, 128), if key.active { "active" } else { "inactive" })
        })
        .collect();
    UserError::new(
        Kind::Refused,
        format!("user {} has two access keys already, AWS's quota: {}", user.name(), each.join(", ")),
    )
    .hint(format!(
        "delete one that nobody uses: `aws iam delete-access-key --user-name {} --access-key-id ID`; or give rolecall one that \
         you have, `rolecall identity add`, and add `--no-access-key`",
        user.name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    #[test]
    fn only_a_new_key_of_our_time_is_ours() {
        let at = |seconds: i64| DateTime::<Utc>::from_timestamp(1_000_000 + seconds, 0).expect("in range");
        let window = Window { before: vec!["BEFORE".into()], since: at(0), until: at(360) };
        let key = |id: &str, created| ListedKey { id: id.into(), active: true, created };
        assert!(is_orphan(&window, &key("OURS", Some(at(10)))));
        for other in [
            key("BEFORE", Some(at(10))),
            key("EARLIER", Some(at(-1))),
            key("LATER", Some(at(361))),
            key("UNDATED", None),
        ] {
            assert!(!is_orphan(&window, &other), "{other:?}");
        }
    }
}
