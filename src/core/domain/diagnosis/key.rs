//! What is wrong before any role: the key, the clock, the way to AWS.

use super::{Cause, Certainty, Finding, LinkKind};
use crate::domain::error::{Kind, UserError};
use crate::domain::regions::{Reason, Rejected};
use chrono::TimeDelta;

/// AWS takes a signature that is at most this far from its own time.
pub const CLOCK_LIMIT: TimeDelta = TimeDelta::minutes(5);

/// What is known at AWS of a key that it does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Nobody could look.
    Unread,
    /// It is there and switched off.
    Inactive,
    /// It is there and active.
    Active,
    /// The user has it no more, or is gone.
    Gone,
}

/// A key of an identity.
#[derive(Clone, Copy, Debug)]
pub struct KeyFacts<'a> {
    /// The identity.
    pub identity: &'a str,
    /// The key's id.
    pub id: &'a str,
    /// Whose it is.
    pub owner: &'a str,
    /// The owner's account.
    pub account: &'a str,
}

/// Says why AWS does not take a key.
pub fn rejected(code: &str, key: &KeyFacts<'_>, listed: Listed) -> Vec<Finding> {
    let KeyFacts { identity, id, owner, account } = *key;
    let user = owner.rsplit('/').next().unwrap_or(owner);
    let found = |cause, certainty, what: String, fix: String| {
        Finding::new(cause, LinkKind::Key, certainty, what).of(identity).in_account(account).fix(fix)
    };
    if !is_unknown_key(code) {
        return vec![found(
            Cause::KeyWrong,
            Certainty::Certain,
            format!("the stored secret does not belong to access key {id}"),
            format!("rolecall identity add {identity} --replace, with both halves of the key"),
        )];
    }
    let inactive = |certainty, what: &str| {
        found(
            Cause::KeyInactive,
            certainty,
            format!("access key {id} of {owner} {what} switched off (inactive)"),
            format!("aws iam update-access-key --user-name {user} --access-key-id {id} --status Active"),
        )
    };
    let deleted = |certainty, what: &str| {
        found(
            Cause::KeyDeleted,
            certainty,
            format!("access key {id} of {owner} {what} deleted"),
            format!(
                "aws iam create-access-key --output json --user-name {user} | rolecall identity add {identity} --replace"
            ),
        )
    };
    match listed {
        Listed::Inactive => vec![inactive(Certainty::Certain, "is")],
        Listed::Gone => vec![deleted(Certainty::Certain, "was")],
        Listed::Active => vec![found(
            Cause::Other,
            Certainty::Likely,
            format!("access key {id} is active, and yet STS does not know it: a new key takes a moment"),
            format!("run rolecall doctor again in a minute; then compare `region` of [identities.{identity}]"),
        )],
        // AWS says the same of all three. A key is replaced last: none of this was seen.
        Listed::Unread => vec![
            inactive(Certainty::Possible, "may be"),
            deleted(Certainty::Possible, "may have been").fix(format!(
                "look first: aws iam list-access-keys --user-name {user}; if it is gone, store a new one: \
                 rolecall identity add {identity} --replace"
            )),
            found(
                Cause::RegionDisabled,
                Certainty::Possible,
                format!("access key {id} may belong to another partition, or to an account without the Region"),
                format!("compare `region` of [identities.{identity}] with the account's Regions and partition"),
            ),
        ],
    }
}

/// Says what is wrong with a Region that rejects a key which another Region accepts. The key itself is good.
pub fn wrong_region(rejected: &Rejected<'_>, name: &str) -> Finding {
    let (cause, certainty) = match rejected.reason() {
        Reason::OtherPartition | Reason::NotEnabled => (Cause::RegionDisabled, Certainty::Certain),
        Reason::NotYet => (Cause::Other, Certainty::Likely),
    };
    let finding = Finding::of_error(cause, LinkKind::Network, &rejected.report());
    Finding { certainty, ..finding }.of(name).in_account(rejected.account)
}

/// Tells whether a code is that of a key which AWS does not know, or does not take any more.
pub fn is_unknown_key(code: &str) -> bool {
    matches!(
        code.strip_suffix("Exception").unwrap_or(code),
        "InvalidClientTokenId" | "UnrecognizedClient" | "InvalidAccessKeyId"
    )
}

/// Says that the clocks are too far apart, if they are; `ahead` is how far AWS's is before ours,
/// and `set_clock` the command of this system that sets it.
pub fn clock(ahead: TimeDelta, set_clock: &str) -> Option<Finding> {
    if ahead.abs() <= CLOCK_LIMIT {
        return None;
    }
    let (by, how) = (ahead.abs(), if ahead > TimeDelta::zero() { "behind" } else { "ahead of" });
    let what = format!(
        "this machine's clock is {} {how} AWS's, which takes signatures that are at most {} off",
        minutes(by),
        minutes(CLOCK_LIMIT)
    );
    Some(Finding::new(Cause::ClockOff, LinkKind::Clock, Certainty::Certain, what).fix(set_clock))
}

/// Writes a length of time for people.
pub fn minutes(time: TimeDelta) -> String {
    match (time.num_hours(), time.num_minutes(), time.num_seconds()) {
        (0, 0, seconds) => format!("{seconds} seconds"),
        (0, 1, _) => "1 minute".to_owned(),
        (0, minutes, _) => format!("{minutes} minutes"),
        (1, _, _) if time.num_minutes() == 60 => "1 hour".to_owned(),
        (hours, minutes, _) if minutes % 60 == 0 => format!("{hours} hours"),
        (hours, minutes, _) => format!("{hours} h {} min", minutes % 60),
    }
}

/// What stood between here and AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A certificate that does not hold.
    Certificate,
    /// The host answers, but not as AWS does, or is out of order.
    Answer,
    /// The proxy.
    Proxy,
    /// Name, route, or silence.
    Way,
}

/// Says what keeps calls from AWS; the words and the hint are the adapter's.
pub fn unreachable(obstacle: Obstacle, report: &UserError) -> Finding {
    let cause = match obstacle {
        Obstacle::Certificate => Cause::Tls,
        Obstacle::Answer => Cause::AwsUnreachable,
        Obstacle::Proxy => Cause::ProxyWrong,
        Obstacle::Way => Cause::EndpointUnreachable,
    };
    Finding::of_error(cause, LinkKind::Network, report).kind(Kind::Unreachable)
}
