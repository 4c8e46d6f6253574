//! Why there is no session, and how long to rest before the next try.

use rolecall_core::domain::arn::RoleArn;
use rolecall_core::domain::diagnosis::key::is_unknown_key;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::{Plan, SessionKey, Step};
use rolecall_core::domain::remedy::Remedy;
use rolecall_ports::{Retryability, TokenError};
use std::time::Duration;

/// A permanent failure is answered from memory for this long, so that a loop of tools does not become a loop of STS calls.
const PERMANENT_PAUSE: Duration = Duration::from_secs(3);

/// Why there is no session.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// What the caller is told.
    pub(super) report: UserError,
    /// What it means for the next try.
    pub(super) outlook: Retryability,
    /// What the audit log says.
    pub(super) code: String,
}

impl Failure {
    /// Makes a failure that the same request would meet again.
    pub(super) fn permanent(report: UserError) -> Self {
        let code = class(report.kind);
        Self { report, outlook: Retryability::Permanent, code }
    }

    /// Makes the failure of a call that AWS, or a source, did not grant.
    pub(super) fn of_aws(plan: &Plan, error: &TokenError) -> Self {
        let name = plan.identity.name.as_str();
        let hint = match (error.remedy(), &plan.identity.source) {
            (None, _) => error.report.hint.clone(),
            (Some(Remedy::UnknownKey { .. }), Some(source)) => {
                Some(format!("the key that {source} gives may be deleted, inactive or of another partition"))
            }
            (Some(Remedy::WrongSecret), Some(source)) => {
                Some(format!("correct the key that {source} gives: AWS does not know it as it is"))
            }
            (Some(remedy @ Remedy::AssumeDenied { role, .. }), _) => {
                // What it may be is listed; which it is takes calls that nobody should wait for here.
                let hint = remedy.hint(name, &caller_of(plan, role));
                Some(format!("{hint}; `rolecall doctor {}` finds out which it is", plan.name))
            }
            (Some(remedy), None) => Some(remedy.hint(name, name)),
        };
        let report = UserError { hint, ..error.report.clone() };
        let code = error.code.clone().unwrap_or_else(|| class(report.kind));
        Self { report, outlook: error.outlook, code }
    }

    /// Makes a failure that may be over next time.
    pub(super) fn transient(report: UserError) -> Self {
        Self { outlook: Retryability::Transient, ..Self::permanent(report) }
    }

    /// Tells that AWS does not know the key that signed.
    pub(super) fn is_unknown_key(&self) -> bool {
        is_unknown_key(&self.code)
    }

    /// Makes the failure of those who waited while everything was forgotten.
    pub(super) fn locked() -> Self {
        Self::transient(
            UserError::new(Kind::Locked, "rolecall was locked while this was under way").hint("run it again"),
        )
    }

    /// Makes the failure of those whom the agent's end has left waiting.
    pub(super) fn ending() -> Self {
        Self::transient(
            UserError::new(Kind::Agent, "the agent ended while this was under way")
                .hint("run it again: that starts a new agent"),
        )
    }

    /// Makes the failure of those whose flight is gone for another reason.
    pub(super) fn called_off() -> Self {
        Self::transient(
            UserError::new(Kind::Failed, "this was called off before its end")
                .hint("run it again; `rolecall log` shows whether the identity's key was changed meanwhile"),
        )
    }
}

impl From<Failure> for UserError {
    fn from(failure: Failure) -> Self {
        failure.report
    }
}

/// Makes the report of a request that has met a panic.
pub(super) fn internal_error() -> UserError {
    UserError::new(Kind::Failed, "an internal error in the agent ended this request")
        .hint("run it again; the place of the error is in the agent's log, please report it")
}

/// Describes the principal that assumes a role of the chain: the role before it, or the identity.
fn caller_of(plan: &Plan, role: &RoleArn) -> String {
    let assumed = |key: &SessionKey| match key.step() {
        Step::AssumeRole(call) => Some(call.role_arn.clone()),
        Step::SessionToken(_) | Step::Source(_) => None,
    };
    let roles: Vec<RoleArn> = plan.keys.iter().filter_map(assumed).collect();
    match roles.iter().position(|assumed| assumed == role).and_then(|at| at.checked_sub(1)) {
        Some(before) => roles[before].to_string(),
        None => format!("the user of identity `{}`", plan.identity.name),
    }
}

/// Makes the failure of a caller that cannot wait longer for a person.
pub(super) fn still_asking(plan: &Plan) -> Failure {
    Failure::transient(
        UserError::new(Kind::Locked, "nobody has answered the question for an MFA code within 55 seconds")
            .hint(format!("answer it and run it again, or run `rolecall unlock {}`", plan.unlock_name())),
    )
}

/// Makes the failure of a caller that cannot wait longer for a person's consent.
pub(super) fn still_asking_consent(program: &str, name: &Name) -> Failure {
    Failure::transient(
        UserError::new(Kind::Locked, format!("nobody has said within 55 seconds whether {program} may use `{name}`"))
            .hint("answer the question and run it again"),
    )
}

/// Makes the failure of a caller that cannot wait at all while a person is being asked.
pub(super) fn being_asked(plan: &Plan) -> Failure {
    Failure::transient(
        UserError::new(Kind::Locked, format!("`{}` needs an MFA code, for which a person is being asked", plan.name))
            .hint(format!("answer the question, or run `rolecall unlock {}`", plan.unlock_name())),
    )
}

/// Makes the failure of a caller that cannot wait at all.
pub(super) fn being_fetched(plan: &Plan) -> Failure {
    Failure::transient(
        UserError::new(Kind::Unreachable, format!("the session of `{}` is being fetched", plan.name))
            .hint("ask again in a moment; `rolecall status` shows how it ends"),
    )
}

/// Makes the failure of a caller that cannot wait longer for STS.
pub(super) fn too_slow() -> Failure {
    Failure::transient(
        UserError::new(Kind::Unreachable, "no session within 20 seconds")
            .hint("run it again: the request goes on meanwhile; `rolecall status` shows its end"),
    )
}

/// Names the class of a failure that has no code of AWS's.
pub(super) fn class(kind: Kind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Decides how long to rest after a failure: seconds where a caller waits, minutes where a session still does.
pub(super) fn pause(failure: &Failure, failures: u32, has_session: bool, jitter: f64) -> Duration {
    let range = |from: u64, to: u64| Duration::from_secs(from) + Duration::from_secs(to - from).mul_f64(jitter);
    match (failure.outlook, has_session, failures) {
        (Retryability::Permanent, false, _) => PERMANENT_PAUSE,
        // A caller without a session tries at once each time; single flight bounds it.
        (_, false, _) => Duration::ZERO,
        (_, true, 0..=2) => range(60, 120),
        (_, true, _) => range(300, 600),
    }
}
