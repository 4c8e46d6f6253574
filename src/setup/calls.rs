//! Calls to IAM: how long each is tried, and what a refusal means for the person who typed the command.
//!
//! IAM is made of copies that hear of a change one after the other (IAM User Guide, "Changes that I make are not always
//! immediately visible"), so that a thing which was made a moment ago may be unknown: such a call is tried again, in growing
//! pauses, for three minutes in all.

use super::Work;
use rolecall_core::domain::arn::IamUser;
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::setup::call::{Call, Side};
use rolecall_ports::{Changed, Dependents, Listing, Resource, ResourceDetails, Retryability, TokenError};
use std::time::Duration;

/// How one goes on after a refusal.
const AGAIN: &str = "what was made so far is kept and written down: the same command again goes on, \
                     `rolecall setup destroy` removes it";

/// How long IAM may take to know what was made, and how long a limit of calls or an outage is waited out.
const PATIENCE: Duration = Duration::from_mins(3);

/// The first pause between two tries and the longest, doubling.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Pauses that grow, until patience ends; by the boot-time clock.
pub(super) struct Pauses {
    end: Duration,
    next: Duration,
}

impl Pauses {
    pub(super) fn new(now: Duration) -> Self {
        Self { end: now + PATIENCE, next: PAUSE_MIN }
    }

    /// Gives when to try again; `None` when it has been long enough.
    pub(super) fn until(&mut self, now: Duration) -> Option<Duration> {
        let at = now + self.next;
        self.next = (self.next * 2).min(PAUSE_MAX);
        (at <= self.end).then_some(at)
    }
}

impl Work<'_> {
    pub(super) fn now(&self) -> Duration {
        self.world.clock.now().boot
    }

    /// Says what is waited for, and waits.
    pub(super) async fn pause(&mut self, why: &str, pauses: &mut Pauses) -> Result<bool, UserError> {
        let Some(until) = pauses.until(self.now()) else { return Ok(false) };
        self.line.say("wait", why).await?;
        while self.now() < until {
            self.go_on()?;
            // In slices, so that an interruption is heard.
            self.world.clock.sleep_until(until.min(self.now() + Duration::from_millis(250))).await;
        }
        Ok(true)
    }

    /// Makes one change, and waits out what passes by itself. Of a call that makes something and whose answer is lost nobody
    /// knows whether AWS acted: that error comes back at once.
    pub(super) async fn change(&mut self, side: Side, call: &Call) -> Result<Changed, TokenError> {
        let mut pauses = Pauses::new(self.now());
        loop {
            self.go_on().map_err(stopped)?;
            let place = self.desk.place(side);
            let given = self.world.accounts.change(&self.world.aws, &place.office, call).await;
            self.desk.calls += 1;
            let error = match given {
                Ok(changed) => return Ok(changed),
                Err(error) => error,
            };
            if !self.passes(call, &error) {
                return Err(error);
            }
            let why = format!("{}; trying again", error.report.message);
            if !self.pause(&why, &mut pauses).await.map_err(stopped)? {
                let also = "it was tried for three minutes; the same command again goes on where this one stands";
                return Err(TokenError { report: error.report.with_note(also), ..error });
            }
        }
    }

    /// Tells whether the same call may succeed later.
    fn passes(&self, call: &Call, error: &TokenError) -> bool {
        if error.is_throttled() || is_busy(error) {
            return true;
        }
        if error.outlook == Retryability::Transient {
            return !makes_something(call);
        }
        let words = error.words().to_ascii_lowercase();
        match (error.aws_code(), call) {
            // The trust names a user or role that was made just now.
            ("MalformedPolicyDocument", Call::CreateRole { .. } | Call::UpdateAssumeRolePolicy { .. }) => {
                words.contains("principal")
            }
            // A policy of somebody else's that is not there will not appear.
            ("NoSuchEntity", Call::AttachUserPolicy { arn, .. } | Call::AttachRolePolicy { arn, .. }) => {
                !words.contains(&arn.to_ascii_lowercase()) || self.is_made(arn)
            }
            ("NoSuchEntity", call) => {
                matches!(
                    call,
                    Call::CreateAccessKey { .. } | Call::PutRolePolicy { .. } | Call::AddRoleToInstanceProfile { .. }
                )
            }
            _ => false,
        }
    }

    fn is_made(&self, arn: &str) -> bool {
        self.desk.state.as_ref().is_some_and(|state| state.made.iter().any(|made| made.arn.as_deref() == Some(arn)))
    }

    /// Reads one thing; `None` where there is none.
    pub(super) async fn read(&mut self, side: Side, thing: &Resource) -> Result<Option<ResourceDetails>, UserError> {
        let mut pauses = Pauses::new(self.now());
        loop {
            self.go_on()?;
            let office = &self.desk.place(side).office;
            let given = self.world.accounts.read(&self.world.aws, office, thing).await;
            // A device is looked up in a list, then its tags.
            self.desk.calls += if matches!((thing, &given), (Resource::MfaDevice(_), Ok(Some(_)))) { 2 } else { 1 };
            match given {
                Ok(held) => return Ok(held),
                Err(error) => self.wait_out(side, error, &mut pauses).await?,
            }
        }
    }

    /// Lists what hangs on a thing.
    pub(super) async fn hanging(&mut self, side: Side, thing: &Resource) -> Result<Dependents, UserError> {
        let mut pauses = Pauses::new(self.now());
        loop {
            self.go_on()?;
            let office = &self.desk.place(side).office;
            match self.world.accounts.hanging(&self.world.aws, office, thing).await {
                Ok((hanging, calls)) => {
                    self.desk.calls += calls;
                    return Ok(hanging);
                }
                Err(error) => {
                    self.desk.calls += 1;
                    self.wait_out(side, error, &mut pauses).await?;
                }
            }
        }
    }

    /// Reads the document of a policy.
    pub(super) async fn document(&mut self, side: Side, arn: &str, version: &str) -> Result<String, UserError> {
        let mut pauses = Pauses::new(self.now());
        loop {
            self.go_on()?;
            let office = &self.desk.place(side).office;
            let given = self.world.accounts.document(&self.world.aws, office, (arn, version)).await;
            self.desk.calls += 1;
            match given {
                Ok(document) => return Ok(document),
                Err(error) => self.wait_out(side, error, &mut pauses).await?,
            }
        }
    }

    /// Lists a user's access keys. A user who was made a moment ago may not be known yet.
    pub(super) async fn keys(&mut self, user: &IamUser) -> Result<Listing, UserError> {
        let mut pauses = Pauses::new(self.now());
        loop {
            self.go_on()?;
            let office = &self.desk.auth.office;
            let given = self.world.accounts.keys(&self.world.aws, office, user).await;
            self.desk.calls += 1;
            match given {
                Ok(listing) => return Ok(listing),
                Err(error) if error.aws_code() == "NoSuchEntity" && self.is_made(user.as_str()) => {
                    if !self.pause(&format!("{}; trying again", error.report.message), &mut pauses).await? {
                        return Err(self.explained(Side::Auth, None, error));
                    }
                }
                Err(error) => self.wait_out(Side::Auth, error, &mut pauses).await?,
            }
        }
    }

    /// Waits where a look may succeed later; else tells why it has failed.
    async fn wait_out(&mut self, side: Side, error: TokenError, pauses: &mut Pauses) -> Result<(), UserError> {
        let may_succeed = error.outlook == Retryability::Transient;
        if may_succeed && self.pause(&format!("{}; trying again", error.report.message), pauses).await? {
            return Ok(());
        }
        Err(self.explained(side, None, error))
    }

    /// Tells a refusal to the one who typed the command: whose credentials, and what to do.
    pub(super) fn explained(&self, side: Side, call: Option<&Call>, error: TokenError) -> UserError {
        let place = self.desk.place(side);
        let profile = printable(&place.profile, 128);
        let code = error.aws_code().to_owned();
        let mut report = error.report;
        let hint = match code.as_str() {
            "AccessDenied" => {
                let action = call.map_or_else(|| "what AWS names".to_owned(), |call| format!("iam:{}", call.action()));
                format!("the credentials of profile {profile} (account {}) must allow {action}; {AGAIN}", place.account)
            }
            "LimitExceeded" => format!(
                "a quota of account {} is reached: `aws iam get-account-summary --profile {profile}`; {AGAIN}",
                place.account
            ),
            "EntityAlreadyExists" => {
                format!("it was made by somebody else meanwhile; choose another name, or run it again; {AGAIN}")
            }
            "DeleteConflict" => {
                "something hangs on it that this setup did not make; remove that, then run it again".to_owned()
            }
            "MalformedPolicyDocument" => format!("look at the document: `rolecall setup plan`; {AGAIN}"),
            "NoSuchEntity" => format!("look for a typing error in the names and ARNs; {AGAIN}"),
            "ExpiredToken"
            | "InvalidClientTokenId"
            | "UnrecognizedClient"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch" => {
                format!(
                    "the credentials of profile {profile} may be over, deleted or of another partition: `aws sts get-caller-identity --profile {profile}`; {AGAIN}"
                )
            }
            "" => match report.hint.take() {
                Some(hint) => format!("{hint}; {AGAIN}"),
                None => AGAIN.to_owned(),
            },
            _ if report.kind == Kind::Unreachable => format!("try again in a moment; {AGAIN}"),
            _ => AGAIN.to_owned(),
        };
        report.hint = Some(hint);
        report
    }
}

/// Makes a failure of the errand into one of a call.
fn stopped(report: UserError) -> TokenError {
    TokenError { code: Some("Stopped".to_owned()), ..TokenError::permanent(report) }
}

/// Tells a thing that somebody else is changing right now: AWS has not acted.
fn is_busy(error: &TokenError) -> bool {
    ["EntityTemporarilyUnmodifiable", "ConcurrentModification"].contains(&error.aws_code())
}

/// Tells a failure of which nobody knows whether AWS acted: no answer, half an answer, an illness of AWS's.
pub(super) fn may_have_acted(error: &TokenError) -> bool {
    error.outlook == Retryability::Transient && !error.is_throttled() && !is_busy(error)
}

fn makes_something(call: &Call) -> bool {
    matches!(
        call,
        Call::CreatePolicy { .. }
            | Call::CreateUser { .. }
            | Call::CreateAccessKey { .. }
            | Call::CreateVirtualMFADevice { .. }
            | Call::CreateRole { .. }
            | Call::CreateInstanceProfile { .. }
            | Call::AddRoleToInstanceProfile { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_after_three_minutes() {
        let mut pauses = Pauses::new(Duration::ZERO);
        let (mut now, mut count) = (Duration::ZERO, 0);
        while let Some(next) = pauses.until(now) {
            assert!(next > now && next <= now + PAUSE_MAX);
            (now, count) = (next, count + 1);
        }
        assert!(now + PAUSE_MAX > PATIENCE && now <= PATIENCE, "{now:?}");
        assert!(count < 30, "{count}");
    }
}
