//! The steps of a rotation, in the one order in which no moment is without a working key.
//!
//! Create, store, verify, switch, deactivate, check, delete. Each is in the journal before it is done, and doing it again
//! does no harm. Where a rotation stands is read off the vault, which is the truth about keys, and the journal, which is
//! the truth about what is ours at AWS. The new key goes into the vault beside the old one, in one item, so that no write
//! can lose either; a key whose secret was lost on the way is deleted at AWS, where its id is in the journal or it can
//! only be ours.

use super::calls::orphans;
use super::journal::{Entry, Step};
use crate::audit::{AuditLine, Event};
use crate::broker::Broker;
use crate::identities::KeyStore;
use crate::requester::Requester;
use rolecall_core::domain::arn::IamUser;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::Plan;
use rolecall_ipc::protocol::message::Progress;
use rolecall_ipc::protocol::status::Rotated;
use rolecall_ports::{StoredKey, TokenError};
use std::sync::Arc;

/// The most regions in which a key is tried out; more would make a rotation take minutes.
const REGIONS_MAX: usize = 8;

/// One rotation while it runs.
pub(super) struct Rotation<'a, 'r> {
    pub(super) broker: &'a Broker,
    pub(super) keys: &'a KeyStore,
    pub(super) plan: Arc<Plan>,
    pub(super) aws: Arc<AwsSettings>,
    pub(super) requester: &'a mut Requester<'r>,
    /// Whether a session with an MFA code signs the calls to IAM.
    pub(super) by_session: bool,
    stored: Option<StoredKey>,
    user: Option<IamUser>,
    pub(super) deleted: Vec<String>,
    resumed: bool,
}

impl<'a, 'r> Rotation<'a, 'r> {
    pub(super) fn new(
        broker: &'a Broker,
        keys: &'a KeyStore,
        plan: Arc<Plan>,
        requester: &'a mut Requester<'r>,
    ) -> Self {
        let aws = keys.config.catalogue().aws.clone();
        let (by_session, stored, user, deleted, resumed) = Default::default();
        Self { broker, keys, plan, aws, requester, by_session, stored, user, deleted, resumed }
    }

    /// Goes from wherever the rotation stands to its end.
    pub(super) async fn run(&mut self, delete: Option<&str>) -> Result<Rotated, UserError> {
        let stored = self.keys.ports.vault.read(&self.plan.identity.name).await?;
        self.user = Some(IamUser::new(&stored.arn).map_err(|why| {
            UserError::new(Kind::Refused, format!("the key of {} cannot be rotated: {why}", self.plan.identity.name))
                .hint(format!("it belongs to {}; only an IAM user's key can be", stored.arn))
        })?);
        self.check_alone(&stored).await?;
        self.stored = Some(stored);
        let mut entry = match self.stand().await? {
            Some(entry) => entry,
            None => self.begin(delete).await?,
        };
        let done = self.go_on(&mut entry).await;
        done.map_err(|report| {
            let name = &self.plan.identity.name;
            report.with_note(&format!(
                "nothing is lost: the rotation stands at `{}`, and `rolecall identity rotate {name}` goes on",
                entry.step.as_str()
            ))
        })?;
        Ok(Rotated {
            identity: self.plan.identity.name.to_string(),
            arn: self.arn().to_owned(),
            old_access_key_id: entry.old.clone(),
            access_key_id: entry.new.clone().unwrap_or_default(),
            deleted: std::mem::take(&mut self.deleted),
            resumed: self.resumed,
        })
    }

    /// Fails where another identity lives by a key of the same user: a rotation would delete it, or take a key that is made
    /// for it for one of its own.
    async fn check_alone(&self, stored: &StoredKey) -> Result<(), UserError> {
        let name = &self.plan.identity.name;
        let catalogue = self.keys.config.catalogue();
        let others = catalogue.identities.values().filter(|other| other.has_stored_key());
        for other in others.filter(|other| other.name != *name) {
            let Ok(theirs) = self.keys.ports.vault.read(&other.name).await else { continue };
            if theirs.arn == stored.arn {
                return Err(UserError::new(
                    Kind::Refused,
                    format!(
                        "identity `{}` has a key of the same user, {}: a rotation of `{name}` could delete it",
                        other.name, theirs.key.id
                    ),
                )
                .hint(format!(
                    "let one identity do for both: name `{name}` as the source of its roles, then \
                     `rolecall identity remove {}`",
                    other.name
                )));
            }
        }
        Ok(())
    }

    /// Does the steps from the one that the entry names.
    async fn go_on(&mut self, entry: &mut Entry) -> Result<(), UserError> {
        let unnamed = || UserError::new(Kind::Failed, "the journal names no new key");
        let new = entry.new.clone().ok_or_else(unnamed)?;
        if matches!(entry.step, Step::Verify | Step::Switch) {
            let next = self.stored()?.next.clone().ok_or_else(unnamed)?;
            self.step("verify", &format!("trying {new} out"), None).await;
            self.try_out("verify", &next.key).await?;
            self.reach(entry, Step::Switch).await?;
            let stored = self.stored()?.clone();
            let first = stored.first.clone().unwrap_or_else(|| stored.key.id.clone());
            let switched = StoredKey {
                first: Some(first),
                key: next.key,
                created: next.created,
                stored: self.keys.ports.clock.now().wall,
                next: None,
                // The file that an import took the old one from has no use for another.
                imported: false,
                ..stored
            };
            self.write(switched).await?;
            self.step("switch", &format!("the vault uses {new} from now on"), Some(&new)).await;
            self.reach(entry, Step::Deactivate).await?;
        }
        let key = self.stored()?.key.clone();
        let old = entry.old.clone();
        if entry.step == Step::Deactivate {
            self.confirm(&new).await?;
            self.deactivate(&old).await?;
            self.step("deactivate", &format!("{old} is off"), Some(&old)).await;
            self.reach(entry, Step::Check).await?;
        }
        if entry.step == Step::Check {
            self.try_out("check", &key).await?;
            self.step("check", &format!("{new} works without it"), None).await;
            self.reach(entry, Step::Delete).await?;
        }
        self.confirm(&new).await?;
        self.delete(&old).await?;
        self.step("delete", &format!("{old} is deleted"), Some(&old)).await;
        self.forget().await
    }

    /// Finds where an earlier rotation was broken off, and cleans up what cannot be gone on with; `None` where nothing is
    /// left to finish.
    async fn stand(&mut self) -> Result<Option<Entry>, UserError> {
        let name = self.plan.identity.name.clone();
        let entry = self.keys.rotations.journal.entry(&name).await?;
        let stored = self.stored()?.clone();
        let next = stored.next.as_ref().map(|next| next.key.id.clone());
        let Some(mut entry) = entry.filter(|entry| entry.user == stored.arn) else {
            let Some(new) = next else { return Ok(None) };
            if self.clear_if_deleted(&new).await? {
                return Ok(None);
            }
            // The vault holds a key that only a rotation of ours can have put there.
            let mut entry = self.entry(&stored.key.id, Vec::new());
            (entry.new, entry.step) = (Some(new), Step::Verify);
            self.record(&entry).await?;
            self.resumed = true;
            return Ok(Some(entry));
        };
        self.resumed = true;
        let from = entry.step;
        self.step("resume", &format!("an earlier rotation stands at `{}`", from.as_str()), None).await;
        if let Some(new) = next.filter(|next| entry.new.as_ref() == Some(next) && stored.key.id == entry.old) {
            if self.clear_if_deleted(&new).await? {
                self.forget().await?;
                return Ok(None);
            }
            entry.step = Step::Verify;
        } else if entry.new.as_ref() == Some(&stored.key.id) {
            entry.step = if from == Step::Check || from == Step::Delete { from } else { Step::Deactivate };
        } else {
            self.clean_up(&entry).await?;
            self.forget().await?;
            return Ok(None);
        }
        self.record(&entry).await?;
        Ok(Some(entry))
    }

    /// Clears the key beside the key in use if AWS does not have it (any more), and returns whether that is so. Nothing
    /// depends on it: a write that was given up on may have come through after its key was taken back.
    async fn clear_if_deleted(&mut self, next: &str) -> Result<bool, UserError> {
        if self.list().await?.keys.iter().any(|key| key.id == next) {
            return Ok(false);
        }
        let stored = self.stored()?.clone();
        self.write(StoredKey { next: None, ..stored }).await?;
        // A list may lag behind.
        self.delete(next).await?;
        Ok(true)
    }

    /// Sees that the vault gives the new key back before the old one is touched: what a keyring took it may not have kept.
    async fn confirm(&self, new: &str) -> Result<(), UserError> {
        let there = self.keys.ports.vault.read(&self.plan.identity.name).await?.key.id;
        if there == new {
            return Ok(());
        }
        Err(UserError::new(Kind::Failed, format!("the vault gives back {there}, where {new} was stored"))
            .hint("see that the vault works"))
    }

    /// Deletes at AWS what an earlier rotation made and the vault does not hold: its secret is lost.
    async fn clean_up(&mut self, entry: &Entry) -> Result<(), UserError> {
        let lost = match (&entry.new, entry.step) {
            (Some(new), Step::Store | Step::Verify | Step::Switch) => vec![new.clone()],
            (None, Step::Create) => {
                let listing = self.list().await?;
                orphans(entry, &listing)
            }
            // The vault's key was replaced by hand since; which of AWS's keys is still in use somewhere nobody knows.
            _ => Vec::new(),
        };
        for id in lost {
            self.abandon(&id).await?;
        }
        Ok(())
    }

    /// Deletes a key of ours that nobody has the secret of.
    pub(super) async fn abandon(&mut self, id: &str) -> Result<(), UserError> {
        // Never the key that the vault lives by, whatever the journal says.
        let stored = self.stored()?;
        if stored.key.id == id || stored.next.as_ref().is_some_and(|next| next.key.id == id) {
            return Ok(());
        }
        self.delete(id).await?;
        self.deleted.push(id.to_owned());
        self.step("clean-up", &format!("{id} is deleted: it was made, but its secret never arrived"), Some(id)).await;
        Ok(())
    }

    /// Makes an entry for a rotation that begins.
    pub(super) fn entry(&self, old: &str, before: Vec<String>) -> Entry {
        let now = self.keys.ports.clock.now().wall;
        let user = self.arn().to_owned();
        Entry { step: Step::Create, user, old: old.to_owned(), new: None, before, since: now, until: now }
    }

    /// Writes down that the next step is about to be done.
    pub(super) async fn reach(&self, entry: &mut Entry, step: Step) -> Result<(), UserError> {
        entry.step = step;
        self.record(entry).await
    }

    pub(super) async fn record(&self, entry: &Entry) -> Result<(), UserError> {
        self.keys.rotations.journal.record(&self.plan.identity.name, Some(entry)).await
    }

    pub(super) async fn forget(&self) -> Result<(), UserError> {
        self.keys.rotations.journal.record(&self.plan.identity.name, None).await
    }

    pub(super) async fn write(&mut self, key: StoredKey) -> Result<(), UserError> {
        self.keys.ports.vault.write(&self.plan.identity.name, &key).await?;
        self.stored = Some(key);
        Ok(())
    }

    /// Tells the one who waits and the audit log that a step is done.
    pub(super) async fn step(&mut self, step: &str, text: &str, access_key_id: Option<&str>) {
        let audit = &self.keys.audit;
        let line = audit.line(Event::Rotate).name(&self.plan.identity.name).caller(self.requester.caller).message(text);
        audit.write(AuditLine { access_key_id: access_key_id.map(str::to_owned), ..line });
        self.say(progress(step, text)).await;
    }

    pub(super) async fn say(&mut self, progress: Progress) {
        self.requester.connection.tell(&progress).await;
    }

    pub(super) fn stored(&self) -> Result<&StoredKey, UserError> {
        self.stored.as_ref().ok_or_else(|| UserError::new(Kind::Failed, "the vault was not read"))
    }

    pub(super) fn user(&self) -> Result<&IamUser, TokenError> {
        self.user.as_ref().ok_or_else(|| TokenError::permanent(UserError::new(Kind::Failed, "the vault was not read")))
    }

    /// Gives the user's ARN.
    pub(super) fn arn(&self) -> &str {
        self.user.as_ref().map_or("the user", IamUser::as_str)
    }

    /// Gives what a policy names as its resource: every user's own keys, in this account.
    pub(super) fn resource(&self) -> String {
        let mut fields: Vec<&str> = self.arn().splitn(6, ':').collect();
        if let Some(last) = fields.last_mut() {
            *last = "user/${aws:username}";
        }
        fields.join(":")
    }

    /// Gives the regions in which the vault's key signs: the identity's own, and those of the first calls of its roles.
    pub(super) fn regions(&self) -> Vec<String> {
        let catalogue = self.keys.config.catalogue();
        let identity = &self.plan.identity.name;
        let mut regions = vec![self.plan.keys[0].step().region().to_owned()];
        for role in catalogue.roles.values() {
            let Ok(plan) = Plan::of(&catalogue, role.name.as_str()) else { continue };
            let region = plan.keys[0].step().region();
            if plan.identity.name == *identity && !regions.iter().any(|known| known == region) {
                regions.push(region.to_owned());
            }
        }
        regions.truncate(REGIONS_MAX);
        regions
    }
}

/// Returns the message of a step for the waiting caller.
pub(super) fn progress(step: &str, text: impl Into<String>) -> Progress {
    Progress { step: step.to_owned(), text: text.into() }
}
