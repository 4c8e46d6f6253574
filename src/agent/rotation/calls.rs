//! The calls of a rotation to AWS: who signs them, how long they are tried, and what a refusal means.
//!
//! The key signs by itself as long as IAM lets it; where IAM denies and the identity has an MFA device, the session of
//! one code signs, and the person is asked where the person is. AWS tells every part of itself about a new key in its own
//! time, so a key that is not known yet is waited for.

use super::journal::Entry;
use super::steps::{Rotation, progress};
use crate::backoff::Backoff;
use crate::deadline::Deadline;
use crate::prompts::Subject;
use rolecall_core::domain::credential::{AccessKey, Signer};
use rolecall_core::domain::diagnosis;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::regions;
use rolecall_ipc::protocol::process_output;
use rolecall_ports::{Listing, NewKey, Retryability, TokenError};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a new key may take until AWS knows it everywhere, and how long a limit of calls or an outage is waited out.
/// IAM's guide names no number ("Changes that I make are not always immediately visible"); in practice it is seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// The first pause between two tries and the longest, doubling.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// What is asked of IAM.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask<'a> {
    Create,
    List,
    Deactivate(&'a str),
    Delete(&'a str),
}

/// What IAM answered.
pub(super) enum CallResult {
    Key(NewKey),
    Keys(Listing),
    Done,
}

impl Ask<'_> {
    /// Gives the name of the permission that it takes.
    const fn action(self) -> &'static str {
        match self {
            Self::Create => "iam:CreateAccessKey",
            Self::List => "iam:ListAccessKeys",
            Self::Deactivate(_) => "iam:UpdateAccessKey",
            Self::Delete(_) => "iam:DeleteAccessKey",
        }
    }
}

/// Pauses that grow, until patience ends; by the boot-time clock.
struct Pauses {
    end: Duration,
    backoff: Backoff,
}

impl Pauses {
    fn new(now: Duration) -> Self {
        Self { end: now + PATIENCE, backoff: Backoff::new(PAUSE_MIN, PAUSE_MAX) }
    }

    /// Gives when to try again; `None` when it has been long enough.
    fn until(&mut self, now: Duration) -> Option<Duration> {
        let at = now + self.backoff.pause();
        (at <= self.end).then_some(at)
    }
}

impl Rotation<'_, '_> {
    /// Asks IAM and waits out what passes by itself. The error is AWS's, with a hint that names identity and policy.
    pub(super) async fn ask(&mut self, ask: Ask<'_>) -> Result<CallResult, TokenError> {
        let mut pauses = Pauses::new(self.now());
        let mut renewed = false;
        loop {
            let signer = self.signer().await.map_err(TokenError::permanent)?;
            let error = match self.call(&signer, ask).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let denied = error.aws_code() == "AccessDenied";
            if denied && !self.by_session && self.plan.mfa_serial().is_some() {
                self.say(progress("mfa", "IAM denies it to the key alone; a session with an MFA code signs instead"))
                    .await;
                self.by_session = true;
                continue;
            }
            if denied {
                return Err(self.denied(ask, error));
            }
            if error.outlook == Retryability::SignerExpired && !renewed {
                renewed = true;
                self.broker.refresher.cache.drop_expired(self.plan.key());
                continue;
            }
            let is_passing = match ask {
                // A second key would be made where the answer to the first was lost.
                Ask::Create => error.is_throttled(),
                Ask::List => error.outlook == Retryability::Transient,
                // The new key signs, and IAM may hear of it later than STS did.
                Ask::Deactivate(_) | Ask::Delete(_) => {
                    error.outlook == Retryability::Transient || is_unknown_key(&error)
                }
            };
            if !is_passing {
                return Err(error);
            }
            let Some(again) = pauses.until(self.now()) else { return Err(error) };
            self.pause("wait", &format!("{}; trying again", error.report.message), again).await;
        }
    }

    async fn call(&self, signer: &Signer, ask: Ask<'_>) -> Result<CallResult, TokenError> {
        let keys = self.keys.ports.tokens.access_keys();
        let (aws, user) = (&self.aws, self.user()?);
        match ask {
            Ask::Create => keys.create(aws, signer, user).await.map(CallResult::Key),
            Ask::List => keys.list(aws, signer, user).await.map(CallResult::Keys),
            Ask::Deactivate(id) => keys.deactivate(aws, signer, user, id).await.map(|()| CallResult::Done),
            Ask::Delete(id) => keys.delete(aws, signer, user, id).await.map(|()| CallResult::Done),
        }
    }

    /// Lists the user's keys.
    pub(super) async fn list(&mut self) -> Result<Listing, UserError> {
        match self.ask(Ask::List).await {
            Ok(CallResult::Keys(listing)) => Ok(listing),
            Ok(_) => Err(UserError::new(Kind::Failed, "IAM's answer does not fit its question")),
            Err(error) => Err(self.told(error)),
        }
    }

    /// Deletes a key.
    pub(super) async fn delete(&mut self, id: &str) -> Result<(), UserError> {
        self.change(Ask::Delete(id)).await
    }

    /// Deactivates a key.
    pub(super) async fn deactivate(&mut self, id: &str) -> Result<(), UserError> {
        self.change(Ask::Deactivate(id)).await
    }

    /// Changes a key. Succeeds if AWS does not have it any more.
    async fn change(&mut self, ask: Ask<'_>) -> Result<(), UserError> {
        match self.ask(ask).await {
            Err(error) if !error.is_missing() => Err(self.told(error)),
            _ => Ok(()),
        }
    }

    /// Waits until a key works in every region where the identity's roles will use it, and is the user's.
    pub(super) async fn try_out(&mut self, step: &str, key: &AccessKey) -> Result<(), UserError> {
        let mut pauses = Pauses::new(self.now());
        let mut is_proven = false;
        for region in self.regions() {
            let mut is_checked = false;
            loop {
                self.broker.counters.sts_calls.fetch_add(1, Ordering::Relaxed);
                let error = match self.keys.ports.tokens.caller_identity(&self.aws, key, &region).await {
                    Ok(who) if who.arn == self.arn() => {
                        is_proven = true;
                        break;
                    }
                    Ok(who) => {
                        return Err(UserError::new(
                            Kind::Refused,
                            format!("AWS takes the new access key {} for {}, not for {}", key.id, who.arn, self.arn()),
                        )
                        .hint("the old key is still in use; look at `endpoint_url_sts` under `[aws]`"));
                    }
                    Err(error) => error,
                };
                self.broker.counters.sts_failures.fetch_add(1, Ordering::Relaxed);
                if !is_unknown_key(&error) && error.outlook != Retryability::Transient {
                    return Err(self.told(error));
                }
                // A Region that rejects the key in use as well says nothing about the new one.
                let is_doubtful = is_unknown_key(&error) && !is_checked && regions::must_be_enabled(&region);
                if is_doubtful && self.rejects_key_in_use(key, &region).await {
                    break;
                }
                is_checked = true;
                let Some(again) = pauses.until(self.now()) else {
                    let report = UserError { kind: Kind::Unreachable, ..error.report };
                    return Err(report.hint("AWS may need a few minutes to know a new key"));
                };
                let why = if is_unknown_key(&error) {
                    format!("waiting for {region} to know {}", key.id)
                } else {
                    format!("{}; trying again", error.report.message)
                };
                self.pause(step, &why, again).await;
            }
        }
        if is_proven {
            return Ok(());
        }
        Err(UserError::new(
            Kind::Refused,
            format!("no Region accepts access key {}, and none accepts the old key", key.id),
        )
        .hint(format!("`rolecall doctor {}` finds out why", self.plan.identity.name)))
    }

    /// Returns whether a Region rejects the vault's key too, which happens if the account has not enabled the Region.
    async fn rejects_key_in_use(&self, new: &AccessKey, region: &str) -> bool {
        let Ok(stored) = self.stored() else { return false };
        if stored.key.id == new.id {
            return false;
        }
        self.broker.counters.sts_calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.keys.ports.tokens.caller_identity(&self.aws, &stored.key, region).await;
        answer.is_err_and(|error| is_unknown_key(&error))
    }

    /// Says what is waited for, and waits.
    pub(super) async fn pause(&mut self, step: &str, why: &str, until: Duration) {
        self.say(progress(step, why)).await;
        self.keys.ports.clock.sleep_until(until).await;
    }

    pub(super) fn now(&self) -> Duration {
        self.keys.ports.clock.now().boot
    }

    /// Gives what signs the next call: the vault's key, or the session of the identity's device.
    async fn signer(&mut self) -> Result<Signer, UserError> {
        if !self.by_session {
            return Ok(Signer::Key(self.stored()?.key.clone()));
        }
        let serial = self.plan.mfa_serial().expect("a session signs only where there is a device").clone();
        let seat = self.requester.seat(&self.broker.prompts, Subject::Device(serial), &self.plan.name);
        let session = self.broker.refresher.get(&self.plan, Deadline::new());
        let given = self.requester.wait(session, seat).await?;
        process_output::parse(&given.held.line)
            .map(Signer::Session)
            .ok_or_else(|| UserError::new(Kind::Failed, "a session in memory cannot be read back"))
    }

    /// Says who was denied what, and which statement would allow it.
    fn denied(&self, ask: Ask<'_>, error: TokenError) -> TokenError {
        let statement = format!(
            "{{\"Effect\": \"Allow\", \"Action\": [\"iam:CreateAccessKey\", \"iam:ListAccessKeys\", \
             \"iam:UpdateAccessKey\", \"iam:DeleteAccessKey\"], \"Resource\": \"{}\"}}",
            self.resource()
        );
        let mfa = match self.plan.mfa_serial() {
            None => "; where the policy demands MFA, set `mfa_serial` of the identity",
            Some(_) => "",
        };
        let (name, arn, action) = (&self.plan.identity.name, self.arn(), ask.action());
        error.with_hint(format!(
            "{name} ({arn}) needs {action}; a policy of the user must have the statement {statement}{mfa}"
        ))
    }

    /// Returns what a person is told of an error.
    pub(super) fn told(&self, error: TokenError) -> UserError {
        error.told(self.plan.identity.name.as_str())
    }
}

/// Tells a key that AWS does not know: deleted, off, or too new.
fn is_unknown_key(error: &TokenError) -> bool {
    diagnosis::key::is_unknown_key(error.aws_code())
}

/// Tells a failure of which nobody knows whether a key was made: no answer, half an answer, an illness of AWS's.
pub(super) fn may_have_acted(error: &TokenError) -> bool {
    error.outlook == Retryability::Transient && !error.is_throttled()
}

/// Tells the quota of two keys.
pub(super) fn is_quota(error: &TokenError) -> bool {
    error.aws_code() == "LimitExceeded"
}

/// Picks the keys that we may have made without hearing of it: not there before, and from the time of our calls.
pub(super) fn orphans(entry: &Entry, listing: &Listing) -> Vec<String> {
    let ours = |created| entry.since <= created && created <= entry.until;
    listing
        .keys
        .iter()
        .filter(|key| key.id != entry.old && !entry.before.contains(&key.id) && key.created.is_some_and(ours))
        .map(|key| key.id.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::journal::Step;
    use chrono::{DateTime, Utc};
    use rolecall_ports::ListedKey;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + seconds, 0).expect("in range")
    }

    #[test]
    fn only_a_key_that_was_not_there_before_and_was_made_in_our_time_is_ours() {
        let entry = Entry {
            step: Step::Create,
            user: "arn:aws:iam::111111111111:user/r".into(),
            old: "OLD".into(),
            new: None,
            before: vec!["OLD".into(), "BEFORE".into()],
            since: at(0),
            until: at(360),
        };
        let key = |id: &str, created| ListedKey { id: id.into(), active: true, created };
        let keys = vec![
            key("OLD", Some(at(10))),
            key("BEFORE", Some(at(10))),
            key("OURS", Some(at(10))),
            key("EARLIER", Some(at(-1))),
            key("LATER", Some(at(361))),
            key("UNDATED", None),
        ];
        assert_eq!(orphans(&entry, &Listing { keys, now: at(20) }), ["OURS"]);
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut pauses = Pauses::new(Duration::ZERO);
        let (mut now, mut count) = (Duration::ZERO, 0);
        while let Some(next) = pauses.until(now) {
            assert!(next <= now + PAUSE_MAX);
            (now, count) = (next, count + 1);
        }
        assert!(now + PAUSE_MAX > PATIENCE && now <= PATIENCE, "{now:?}");
        assert!(count < 20, "{count}");
    }
}
