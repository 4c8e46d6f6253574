//! Access keys, sessions, and the rule that says when a session may still be handed out.

use super::arn::AccountId;
use super::secret::{SecretKey, SessionToken};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// The longest life of any session that AWS gives (GetSessionToken, DurationSeconds).
pub const LONGEST_SESSION: Duration = Duration::from_hours(36);

/// A long-term access key of an IAM user.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The public half, `AKIA…`; an identifier, not a secret.
    pub id: String,
    /// The secret half.
    pub secret: SecretKey,
}

impl AccessKey {
    /// Checks the form of a key as AWS issues it: an id of 16 to 128 word characters, a secret without white space.
    pub fn check(&self) -> Result<(), &'static str> {
        if !(16..=128).contains(&self.id.len()) || !self.id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err("an access key id has 16 to 128 letters and digits, as AKIAIOSFODNN7EXAMPLE");
        }
        if self.id.starts_with("ASIA") {
            return Err("this is the key of a temporary session (ASIA…), not the long-term key of an IAM user (AKIA…)");
        }
        let secret = self.secret.expose();
        if secret.len() < 16 || secret.len() > 256 || !secret.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a secret access key has about 40 visible characters and no spaces");
        }
        Ok(())
    }
}

/// Temporary credentials as STS issued them.
#[derive(Clone, Debug)]
pub struct Session {
    /// The public half, `ASIA…`.
    pub access_key_id: String,
    /// The secret half.
    pub secret: SecretKey,
    /// The token that makes the pair valid.
    pub token: SessionToken,
    /// When STS ends it, by STS's clock.
    pub expiration: DateTime<Utc>,
    /// The account it acts in, where known.
    pub account: Option<AccountId>,
}

/// What signs a call: the identity's own key or a session further up the chain.
#[derive(Clone, Debug)]
pub enum Signer {
    /// A long-term key.
    Key(AccessKey),
    /// A session.
    Session(Session),
}

/// The life of one session, measured on two clocks.
///
/// Threat: a stopped or stepped clock. The wall clock can be set; the boot-time clock cannot, but starts at zero. A
/// session is valid only while both say so (rust-lang/rust #79462, rbw #207).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When it ends, by the token service's clock.
    pub expiration: DateTime<Utc>,
    /// How far the service's clock was ahead of ours when it answered.
    pub skew: TimeDelta,
    /// How long it lives in all, from its issue.
    pub life: Duration,
    /// The boot-time clock when it was received.
    pub received: Duration,
}

/// What two clocks read at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock.
    pub wall: DateTime<Utc>,
    /// Time since boot, sleep included.
    pub boot: Duration,
}

impl Lifetime {
    /// Measures a session that was received just now; `None` when it is over already.
    pub fn begin(expiration: DateTime<Utc>, skew: TimeDelta, now: Now) -> Option<Self> {
        let life = (expiration - (now.wall + skew)).to_std().ok()?;
        (life > LAST_CALL).then_some(Self { expiration, skew, life, received: now.boot })
    }

    /// Tells how much is left: the smaller of what the two clocks say; zero when it is over.
    pub fn left(&self, now: Now) -> Duration {
        let by_wall = (self.expiration - (now.wall + self.skew)).to_std().unwrap_or_default();
        // A boot clock that runs backwards would be another machine's: count the session as over.
        let by_boot = now.boot.checked_sub(self.received).map_or(Duration::ZERO, |age| self.life.saturating_sub(age));
        by_wall.min(by_boot)
    }
}

/// The end of a session that is never handed out: a caller needs time to use what it gets.
pub const LAST_CALL: Duration = Duration::from_mins(1);

/// What is served has at least this long left: botocore asks again on every call below 15 minutes
/// (`_DEFAULT_ADVISORY_REFRESH_TIMEOUT`), and 5 more cover slow networks and clocks.
pub const FLOOR: Duration = Duration::from_mins(20);

/// The same where a session is served as a machine's own: botocore makes up a later end for one with less than 25 minutes
/// left (`InstanceMetadataFetcher._evaluate_expiration`), and would sign with what is over.
pub const FLOOR_OF_METADATA: Duration = Duration::from_mins(30);

/// What can be done with a session at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Hand it out.
    Fresh,
    /// Hand it out, and renew it before anybody has to wait.
    Due,
    /// Renew it first; hand it out if that fails.
    Low,
    /// It is over.
    Expired,
}

/// How much is left of a session when it is renewed in the background. `jitter` in 0.0..=1.0 spreads renewals by a tenth.
///
/// Half the life, or two minutes above the floor where that is earlier, so that a role in use never sinks below the floor.
/// A session too short for the floor is renewed at half its life and served meanwhile: callers ask for it on every call
/// anyway, and minting for each would be the storm of aws-sdk-net #4313.
pub fn renewal_at(life: Duration, floor: Duration, jitter: f64) -> Duration {
    const ABOVE_FLOOR: Duration = Duration::from_mins(2);
    let half = life / 2;
    if is_short(life, floor) { half } else { half.mul_f64(0.9 + 0.1 * jitter.clamp(0.0, 1.0)).max(floor + ABOVE_FLOOR) }
}

/// Tells whether a session is too short to be renewed before it sinks below a floor.
///
/// An hour is an hour: it arrives as some seconds less, by the way here and by AWS's whole seconds.
fn is_short(life: Duration, floor: Duration) -> bool {
    const ON_THE_WAY: Duration = Duration::from_secs(30);
    life + ON_THE_WAY < floor * 2
}

/// Decides by the life of a session and what is left of it.
pub fn freshness(life: Duration, left: Duration, floor: Duration, jitter: f64) -> Freshness {
    let short = is_short(life, floor);
    match left {
        left if left <= LAST_CALL => Freshness::Expired,
        left if left > renewal_at(life, floor, jitter) => Freshness::Fresh,
        left if short || left > floor => Freshness::Due,
        _ => Freshness::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Freshness::{Due, Expired, Fresh, Low};

    const fn min(n: u64) -> Duration {
        Duration::from_secs(n * 60)
    }

    #[test]
    fn the_rule_at_its_edges() {
        for (life, left, want) in [
            (60, 60, Fresh),
            (60, 31, Fresh),
            (60, 29, Due),
            (60, 21, Due),
            (60, 20, Low),
            (60, 2, Low),
            (60, 1, Expired),
            (60, 0, Expired),
            (12 * 60, 7 * 60, Fresh),
            (12 * 60, 5 * 60, Due),
            (12 * 60, 19, Low),
            (15, 8, Fresh),
            (15, 7, Due),
            (15, 2, Due),
            (15, 1, Expired),
            (40, 23, Fresh),
            (40, 22, Due),
            (39, 20, Fresh),
            (39, 19, Due),
        ] {
            assert_eq!(freshness(min(life), min(left), FLOOR, 1.0), want, "life {life} left {left}");
        }
    }

    #[test]
    fn a_machines_metadata_has_half_an_hour_left_and_half_the_life_where_that_is_less_than_an_hour() {
        for (life, left, want) in [
            (60, 33, Fresh),
            (60, 32, Due),
            (60, 30, Low),
            (59, 30, Fresh),
            (59, 29, Due),
            (15, 7, Due),
            (12 * 60, 31, Due),
            (12 * 60, 30, Low),
        ] {
            assert_eq!(freshness(min(life), min(left), FLOOR_OF_METADATA, 1.0), want, "life {life} left {left}");
        }
        let hour = Duration::from_secs(3598);
        assert_eq!(freshness(hour, min(31), FLOOR_OF_METADATA, 1.0), Due, "an hour that took two seconds to arrive");
    }

    #[test]
    fn jitter_only_moves_the_renewal_later_and_never_to_the_floor() {
        for step in 0..=10u32 {
            let jitter = f64::from(step) / 10.0;
            assert_eq!(freshness(min(60), min(31), FLOOR, jitter), Fresh);
            assert_eq!(freshness(min(60), min(22), FLOOR, jitter), Due);
        }
    }

    fn at(wall: i64, boot: u64) -> Now {
        Now { wall: DateTime::from_timestamp(wall, 0).expect("in range"), boot: Duration::from_secs(boot) }
    }

    #[test]
    fn both_clocks_must_say_valid() {
        let start = at(1_000_000, 500);
        let life = Lifetime::begin(at(1_003_600, 0).wall, TimeDelta::zero(), start).expect("an hour");
        assert_eq!(life.left(start), Duration::from_hours(1));
        assert_eq!(life.left(at(1_000_600, 1100)), Duration::from_mins(50), "time passed");
        assert_eq!(life.left(at(1_007_200, 500)), Duration::ZERO, "the wall clock was set forward");
        assert_eq!(life.left(at(900_000, 4100)), Duration::ZERO, "the wall clock was set back: no longer life");
        assert_eq!(life.left(at(1_000_000, 10)), Duration::ZERO, "the boot clock of another boot");
    }

    #[test]
    fn a_wrong_wall_clock_is_corrected_by_the_services_own() {
        // Ours is an hour behind: without the skew an hour's session would look two hours long.
        let life = Lifetime::begin(at(1_007_200, 0).wall, TimeDelta::seconds(3600), at(1_000_000, 0)).expect("valid");
        assert_eq!(life.life, Duration::from_hours(1));
    }

    #[test]
    fn an_answer_that_is_over_is_no_session() {
        assert!(Lifetime::begin(at(1_000_000, 0).wall, TimeDelta::zero(), at(1_000_000, 0)).is_none());
        assert!(Lifetime::begin(at(1_000_060, 0).wall, TimeDelta::zero(), at(1_000_000, 0)).is_none());
    }

    #[test]
    fn a_session_key_is_not_a_long_term_key() {
        let key = |id: &str, secret: &str| AccessKey { id: id.into(), secret: SecretKey::new(secret.into()) };
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        assert!(key("AKIAIOSFODNN7EXAMPLE", secret).check().is_ok());
        assert!(key("ASIAIOSFODNN7EXAMPLE", secret).check().is_err());
        assert!(key("AKIA", secret).check().is_err());
        assert!(key("AKIAIOSFODNN7EXAMPLE", "two words are no secret key").check().is_err());
    }

    #[test]
    fn access_keys_outside_the_lengths_of_aws_are_rejected() {
        let check = |id: String, secret: String| AccessKey { id, secret: SecretKey::new(secret) }.check().is_ok();
        for (length, valid) in [(15, false), (16, true), (128, true), (129, false)] {
            assert_eq!(check("A".repeat(length), "s".repeat(40)), valid, "an ID of {length} characters");
        }
        for (length, valid) in [(15, false), (16, true), (256, true), (257, false)] {
            assert_eq!(check("A".repeat(20), "s".repeat(length)), valid, "a secret of {length} characters");
        }
        for (id, valid) in [("AKIA_IOSFODNN7EXAMPLE", true), ("AKIA-IOSFODNN7EXAMPLE", false)] {
            assert_eq!(check(id.to_owned(), "s".repeat(40)), valid, "{id}");
        }
    }

    #[test]
    fn sessions_half_a_minute_below_twice_the_floor_are_not_short() {
        let twice = FLOOR * 2;
        for (missing, want) in [(30, Due), (31, Fresh)] {
            let life = twice.saturating_sub(Duration::from_secs(missing));
            assert_eq!(freshness(life, min(21), FLOOR, 1.0), want, "{missing} seconds below");
        }
    }

    #[test]
    fn skew_still_counts_after_the_wall_clock_is_set_forward() {
        let life = Lifetime::begin(at(1_007_200, 0).wall, TimeDelta::seconds(3600), at(1_000_000, 0)).expect("valid");
        assert_eq!(life.left(at(1_000_600, 0)), Duration::from_mins(50));
    }
}
