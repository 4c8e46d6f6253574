//! The first half of a rotation: room for a key, the key, and its place in the vault beside the old one.
//!
//! Apart because this is where keys can be lost: AWS tells a secret once, and CreateAccessKey cannot be repeated. What was
//! made without anybody hearing its secret is found by what was there before and by its time.

use super::calls::{Ask, CallResult, is_quota, may_have_acted, orphans};
use super::journal::{Entry, Step};
use super::steps::Rotation;
use chrono::TimeDelta;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_ports::{ListedKey, Listing, NewKey, TokenError};
use std::time::Duration;

/// Around our call to CreateAccessKey, a key that is made is ours: the call ends within 10 seconds, AWS takes a signature
/// for five minutes, and its clocks may differ a little among themselves.
const BEFORE_CALL: TimeDelta = TimeDelta::minutes(1);
const AFTER_CALL: TimeDelta = TimeDelta::minutes(6);

/// How often a key is made anew whose first making nobody heard the end of.
const TRIES: usize = 3;

/// How long a key that was just made may be missing from the list of keys.
const LIST_LAG: Duration = Duration::from_secs(4);

impl Rotation<'_, '_> {
    /// Makes a new key and puts it into the vault beside the old one.
    pub(super) async fn begin(&mut self, delete: Option<&str>) -> Result<Entry, UserError> {
        let old = self.stored()?.key.id.clone();
        let listing = self.list().await?;
        let listing = self.make_room(&old, listing, delete).await?;
        let mut entry = self.entry(&old, listing.keys.iter().map(|key| key.id.clone()).collect());
        (entry.since, entry.until) = (listing.now - BEFORE_CALL, listing.now + AFTER_CALL);
        self.record(&entry).await.map_err(|report| report.with_note("nothing was done"))?;
        let made = self.create(&mut entry).await?;
        let new = made.key.id.clone();
        self.step("create", &format!("{new} is made"), Some(&new)).await;
        (entry.new, entry.step) = (Some(new.clone()), Step::Store);
        let mut stored = self.stored()?.clone();
        stored.next = Some(made);
        let kept = match self.record(&entry).await {
            Ok(()) => self.write(stored).await,
            failed => failed,
        };
        if let Err(report) = kept {
            return Err(self.undo(&new, report).await);
        }
        self.step("store", &format!("the vault holds {new} beside {old}"), Some(&new)).await;
        self.reach(&mut entry, Step::Verify).await?;
        Ok(entry)
    }

    /// Takes a key back that could not be kept: its secret is about to be lost.
    async fn undo(&mut self, new: &str, report: UserError) -> UserError {
        match self.abandon(new).await {
            Ok(()) => {
                // Where not even this can be written down, the next rotation finds out that there is nothing to do.
                let _ = self.forget().await;
                report.with_note(&format!("the new key {new} was deleted again, the old one is in use as before"))
            }
            Err(_) => report.with_note(&format!(
                "the new key {new} is left at AWS, without use; the next `rolecall identity rotate {}` deletes it",
                self.plan.identity.name
            )),
        }
    }

    /// Has AWS make the key. Where the answer is lost, what was made is found and deleted first.
    async fn create(&mut self, entry: &mut Entry) -> Result<NewKey, UserError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let error = match self.ask(Ask::Create).await {
                Ok(CallResult::Key(key)) => return Ok(key),
                Ok(_) => return Err(UserError::new(Kind::Failed, "IAM's answer does not fit its question")),
                Err(error) => error,
            };
            // The quota may count the key whose answer was lost before.
            let is_known = !may_have_acted(&error) && (tried == 1 || !is_quota(&error));
            if is_known {
                // An earlier try may still have made one.
                return Err(if tried == 1 { self.not_made(error).await } else { self.unheard(error) });
            }
            // What cannot be looked up now is in the journal: the next rotation looks.
            let listing = self.list().await.map_err(|_| self.unheard(error.clone()))?;
            let lost = orphans(entry, &listing);
            for id in &lost {
                self.abandon(id).await?;
            }
            // A key that the quota counts and the list does not show yet is looked for by the next rotation.
            if tried == TRIES || (is_quota(&error) && lost.is_empty()) {
                return Err(self.unheard(error));
            }
            if lost.is_empty() {
                let until = self.now() + LIST_LAG;
                self.pause("wait", "AWS's answer was lost; trying again", until).await;
            }
            entry.until = listing.now + AFTER_CALL;
            self.record(entry).await?;
        }
    }

    fn unheard(&self, error: TokenError) -> UserError {
        let name = &self.plan.identity.name;
        self.told(error).with_note(&format!(
            "whether AWS has made a key is not known: `rolecall identity rotate {name}` finds out and goes on"
        ))
    }

    /// Says that AWS made no key; nothing is left to finish.
    async fn not_made(&mut self, error: TokenError) -> UserError {
        if let Err(report) = self.forget().await {
            return report;
        }
        if is_quota(&error)
            && let Ok(listing) = self.list().await
            && let Ok(stored) = self.stored()
            && let Some(other) = listing.keys.iter().find(|key| key.id != stored.key.id)
        {
            return self.two_keys(other);
        }
        self.told(error)
    }

    /// Sees that the user has room for a new key; a second one goes only where somebody has said so.
    async fn make_room(&mut self, old: &str, listing: Listing, delete: Option<&str>) -> Result<Listing, UserError> {
        let name = self.plan.identity.name.clone();
        if !listing.keys.iter().any(|key| key.id == old) {
            return Err(UserError::new(
                Kind::Failed,
                format!("AWS does not list {old} among the keys of {}", self.arn()),
            )
            .hint("look at them: `aws iam list-access-keys`"));
        }
        if delete == Some(old) {
            return Err(UserError::new(Kind::Usage, format!("{old} is the key in use, and the one that is rotated"))
                .hint(format!("leave out `--delete`: `rolecall identity rotate {name}`")));
        }
        match (listing.keys.iter().find(|key| key.id != old).cloned(), delete) {
            (None, None) => Ok(listing),
            (Some(other), Some(id)) if other.id == id => {
                self.delete(id).await?;
                self.deleted.push(id.to_owned());
                self.step("room", &format!("{id} is deleted, as asked"), Some(id)).await;
                self.list().await
            }
            (Some(other), None) => Err(self.two_keys(&other)),
            (_, Some(id)) => {
                Err(UserError::new(Kind::Usage, format!("{} has no access key {}", self.arn(), printable(id, 128)))
                    .hint("look at the keys: `aws iam list-access-keys`"))
            }
        }
    }

    fn two_keys(&self, other: &ListedKey) -> UserError {
        let name = &self.plan.identity.name;
        let status = if other.active { "active" } else { "inactive" };
        let made = other.created.map(|at| format!(", made {}", at.format("%Y-%m-%d"))).unwrap_or_default();
        UserError::new(
            Kind::Refused,
            format!("{} has a second access key already, {} ({status}{made}); AWS allows two", self.arn(), other.id),
        )
        .hint(format!(
            "if nobody uses it: `rolecall identity rotate {name} --delete {}`, or delete it in the console",
            other.id
        ))
    }
}
