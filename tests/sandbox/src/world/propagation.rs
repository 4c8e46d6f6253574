//! How late what IAM has changed is seen ("Changes that I make are not always immediately visible").

use chrono::TimeDelta;

/// When a change counts, for those who decide and for those who read.
///
/// Only what calls to IAM change is late: what a test changes in the world itself counts at once, unless a late change of
/// the same user, role, policy or profile still hides it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Propagation {
    /// Until it is known to whoever asks who a caller is, what it may, whom a role trusts, and whether a principal exists.
    pub decisions: Delay,
    /// Until IAM's own Get and List show it, and an operation finds what it names.
    pub reads: Delay,
}

/// How long something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delay {
    /// Nothing.
    #[default]
    None,
    /// A time, by the sandbox's clock.
    Time(TimeDelta),
    /// So many tries: for decisions each call to STS or S3 and each that IAM refuses, for reads each Get and List of IAM
    /// and each call that it refuses.
    Calls(usize),
}

impl Propagation {
    /// Returns one where decisions are late and reads are not.
    pub fn of_decisions(delay: Delay) -> Self {
        Self { decisions: delay, ..Self::default() }
    }

    /// Returns one where both are as late.
    pub fn of_all(delay: Delay) -> Self {
        Self { decisions: delay, reads: delay }
    }
}
