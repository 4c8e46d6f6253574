//! The access key: from IAM's answer to the agent, which tries it and puts it into the vault. Nobody else has it.
//!
//! CreateAccessKey cannot be repeated, since AWS tells a secret once. A key whose secret was lost on the way (a lost answer, kill
//! -9) is one that was not there before and was made in those minutes, or one that the journal names: it is deleted, and
//! another is made.

use super::Work;
use super::calls::{Pauses, may_have_acted};
use chrono::TimeDelta;
use rolecall_core::domain::arn::IamUser;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side, Step};
use rolecall_ipc::protocol::message::{Answer, Request};
use rolecall_ipc::protocol::setup::{Apply, Local, ResourceState, Window};
use rolecall_ipc::protocol::status::KeyStatus;
use rolecall_ports::{Changed, Listing, NewKey};

/// Around our call a key that is made is ours: it ends within 10 seconds, AWS takes a signature for five minutes, and its clocks
/// may differ a little among themselves.
const BEFORE_CALL: TimeDelta = TimeDelta::minutes(1);
const AFTER_CALL: TimeDelta = TimeDelta::minutes(6);

/// How often a key is made anew whose first making nobody heard the end of.
const TRIES: u32 = 3;

/// AWS's quota.
const KEYS_MAX: usize = 2;

impl Work<'_> {
    /// Sees before anything is made that the vault can take the key, and the user another one.
    pub(super) async fn check_key(&mut self, asked: &Apply) -> Result<(), UserError> {
        let is_of_key = |step: &&Step| matches!(step.call, Call::CreateAccessKey { .. });
        let Some(step) = asked.steps.iter().find(is_of_key).cloned() else { return Ok(()) };
        let Call::CreateAccessKey { user } = &step.call else { return Ok(()) };
        let identity = printable(&asked.local.identity, 128);
        let stored = self.stored(&asked.local.identity).await?;
        let made = self.desk.state.iter().flat_map(|state| &state.made);
        let ours: Vec<String> = made
            .filter(|made| matches!(made.step.call, Call::CreateAccessKey { .. }))
            .flat_map(|made| made.keys.clone())
            .collect();
        if let Some(stored) = &stored {
            if let Some(error) = stored.error.clone().filter(|error| error.kind != Kind::Config) {
                return Err(error.with_note("nothing was made"));
            }
            let end = format!("{}:user/", self.desk.auth.account);
            let is_theirs = stored.arn.as_deref().is_some_and(|arn| {
                arn.contains(&end) && IamUser::new(arn).is_ok_and(|theirs| theirs.name() == user.as_str())
            });
            if let Some(id) = stored.access_key_id.as_ref().filter(|id| !ours.contains(id) && !is_theirs) {
                return Err(UserError::new(
                    Kind::Usage,
                    format!("the vault has a key of identity {identity} already, {id}: it is another user's"),
                )
                .hint("choose another name for the identity with `--identity`"));
            }
        }
        let has_user = asked.steps.iter().any(|step| matches!(step.call, Call::CreateUser { .. }));
        if !has_user && stored.as_ref().is_none_or(|stored| stored.access_key_id.is_none()) {
            let user = self.iam_user(user)?;
            let listing = self.keys(&user).await?;
            let others = listing.keys.iter().filter(|key| !ours.contains(&key.id)).count();
            if others >= KEYS_MAX {
                return Err(two_keys(&user, &listing));
            }
        }
        Ok(())
    }

    /// Gives what the vault holds of an identity; `None` where the configuration does not know it yet.
    pub(super) async fn stored(&mut self, identity: &str) -> Result<Option<KeyStatus>, UserError> {
        match self.ask_agent(Request::Keys).await? {
            Answer::Keys { keys } => Ok(keys.into_iter().find(|key| key.identity == identity)),
            _ => Err(UserError::new(Kind::Agent, "the agent gave an answer that does not fit")),
        }
    }

    pub(super) fn iam_user(&self, name: &str) -> Result<IamUser, UserError> {
        let (place, made) = (&self.desk.auth, self.desk.state.iter().flat_map(|state| &state.made));
        let mut users = made.filter_map(|made| match &made.step.call {
            Call::CreateUser { name: made_name, .. } if made_name == name => made.arn.clone(),
            _ => None,
        });
        let arn = users.next();
        let arn =
            arn.unwrap_or_else(|| format!("arn:{}:iam::{}:user/{name}", place.office.partition.id(), place.account));
        IamUser::new(&arn).map_err(|why| UserError::new(Kind::Usage, format!("user {}: {why}", printable(name, 128))))
    }

    /// Makes the key and brings it into the vault, or finds it there.
    pub(super) async fn key(&mut self, step: &Step, name: &str, local: &Local) -> Result<(), UserError> {
        let user = self.iam_user(name)?;
        let stored = self.stored(&local.identity).await?;
        let ours = self.entry(step).keys.clone();
        let is_rotated = stored.as_ref().is_some_and(|stored| is_rotated(stored, &ours));
        let stored = stored.and_then(|stored| stored.access_key_id);
        let listing = self.keys(&user).await?;
        let works = |id: &String| listing.keys.iter().any(|key| key.id == *id && key.active);
        if let Some(id) = stored.filter(works) {
            // One of ours, or what a rotation has made of it; any other was put there by somebody else.
            let is_ours = ours.contains(&id) || is_rotated;
            let stands = if is_ours || !ours.is_empty() { ResourceState::Done } else { ResourceState::Found };
            let entry = self.entry(step);
            if is_ours && !entry.keys.contains(&id) {
                entry.keys.push(id.clone());
            }
            self.stand(step, stands, None)?;
            return self.line.say("there", &format!("access key {id}, in the vault")).await;
        }
        let listing = self.clear(step, &user, listing).await?;
        if listing.keys.len() >= KEYS_MAX {
            return Err(two_keys(&user, &listing));
        }
        let made = self.new_key(step, &user, listing).await?;
        let id = made.key.id.clone();
        let entry = self.entry(step);
        entry.keys.push(id.clone());
        let kept = match self.stand(step, ResourceState::Begun, None) {
            Ok(()) => {
                self.line.say("create", &format!("access key {id}")).await?;
                self.store(made, local).await
            }
            failed => failed,
        };
        if let Err(report) = kept {
            return Err(self.undo(step, &user, &id, report).await);
        }
        self.stand(step, ResourceState::Done, None)?;
        self.line.say("store", &format!("{id} is in the vault")).await
    }

    /// Deletes the keys of earlier runs whose secret nobody has.
    async fn clear(&mut self, step: &Step, user: &IamUser, listing: Listing) -> Result<Listing, UserError> {
        let entry = self.entry(step);
        let (named, window) = (entry.keys.clone(), entry.window.clone());
        let is_lost = |key: &rolecall_ports::ListedKey| {
            named.contains(&key.id) || window.as_ref().is_some_and(|window| is_orphan(window, key))
        };
        let lost: Vec<String> = listing.keys.iter().filter(|key| is_lost(key)).map(|key| key.id.clone()).collect();
        for id in &lost {
            self.line
                .say("clear", &format!("access key {id}, whose secret was lost when an earlier run was broken off"))
                .await?;
            self.drop_key(user, id).await?;
        }
        self.entry(step).keys.clear();
        let keys = listing.keys.into_iter().filter(|key| !lost.contains(&key.id)).collect();
        Ok(Listing { keys, ..listing })
    }

    async fn drop_key(&mut self, user: &IamUser, id: &str) -> Result<(), UserError> {
        let call = Call::DeleteAccessKey { user: user.name().to_owned(), id: id.to_owned() };
        match self.change(Side::Auth, &call).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(self.explained(Side::Auth, Some(&call), error)),
        }
    }

    async fn new_key(&mut self, step: &Step, user: &IamUser, mut listing: Listing) -> Result<NewKey, UserError> {
        let mut tried = 0;
        let before: Vec<String> = listing.keys.iter().map(|key| key.id.clone()).collect();
        loop {
            tried += 1;
            let window =
                Window { before: before.clone(), since: listing.now - BEFORE_CALL, until: listing.now + AFTER_CALL };
            self.entry(step).window = Some(window);
            self.stand(step, ResourceState::Begun, None)?;
            let error = match self.change(Side::Auth, &step.call).await {
                Ok(Changed::Key(key)) => return Ok(key),
                Ok(_) => return Err(UserError::new(Kind::Failed, "IAM's answer does not fit its question")),
                Err(error) => error,
            };
            listing = self.keys(user).await?;
            if error.aws_code() == "LimitExceeded" && tried == 1 {
                return Err(two_keys(user, &listing));
            }
            if !may_have_acted(&error) || tried == TRIES {
                return Err(self.explained(Side::Auth, Some(&step.call), error));
            }
            listing = self.clear(step, user, listing).await?;
        }
    }

    /// Hands the key to the agent, which tries it: AWS may take some seconds to know it.
    async fn store(&mut self, made: NewKey, local: &Local) -> Result<(), UserError> {
        let id = made.key.id.clone();
        let mut pauses = Pauses::new(self.now());
        loop {
            self.go_on()?;
            let request = Request::IdentityAdd {
                name: local.identity.clone(),
                access_key_id: id.clone(),
                secret_access_key: made.key.secret.clone(),
                region: local.region.clone(),
                arns: Vec::new(),
                // What is there was looked at before: nothing, or a key of this user's whose secret does not work.
                replace: true,
                imported: false,
            };
            let given = self.ask_agent(request).await;
            self.desk.calls += 1;
            let report = match given {
                Ok(Answer::Key(_)) => return Ok(()),
                Ok(_) => return Err(UserError::new(Kind::Agent, "the agent gave an answer that does not fit")),
                Err(report) => report,
            };
            let unknown = ["InvalidClientTokenId", "UnrecognizedClient", "InvalidAccessKeyId"];
            let is_new = report.kind == Kind::Refused && unknown.iter().any(|code| report.message.contains(code));
            if !(is_new || report.kind == Kind::Unreachable) {
                return Err(report);
            }
            let why = if is_new {
                format!("waiting for AWS to know {id}")
            } else {
                format!("{}; trying again", report.message)
            };
            if !self.pause(&why, &mut pauses).await? {
                return Err(report.with_note("it was tried for three minutes"));
            }
        }
    }

    /// Takes a key back that could not be kept: its secret is about to be lost.
    async fn undo(&mut self, step: &Step, user: &IamUser, id: &str, report: UserError) -> UserError {
        // An interruption must not keep the key from being deleted.
        let interrupted = self.world.interrupted.swap(false, std::sync::atomic::Ordering::Relaxed);
        let dropped = self.drop_key(user, id).await;
        self.world.interrupted.fetch_or(interrupted, std::sync::atomic::Ordering::Relaxed);
        match dropped {
            Ok(()) => {
                let entry = self.entry(step);
                entry.keys.retain(|key| key != id);
                let _ = self.record();
                report.with_note(&format!("the new access key {id} was deleted again; the same command goes on"))
            }
            Err(_) => report.with_note(&format!(
                "the new access key {id} is left at AWS, without use; the same command deletes it"
            )),
        }
    }
}

/// Tells a key that rotations have made of one of ours.
pub(super) fn is_rotated(stored: &KeyStatus, ours: &[String]) -> bool {
    stored.first.as_ref().is_some_and(|first| ours.contains(first))
}

pub(super) fn is_orphan(window: &Window, key: &rolecall_ports::ListedKey) -> bool {
    let ours = |created| window.since <= created && created <= window.until;
    !window.before.contains(&key.id) && key.created.is_some_and(ours)
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
    use rolecall_ports::ListedKey;

    #[test]
    fn only_a_key_that_was_not_there_before_and_was_made_in_our_time_is_ours() {
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
