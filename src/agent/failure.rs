//! Why there is no session, and how long to rest before the next try.

use rolecall_core::domain::arn::RoleArn;
use rolecall_core::domain::diagnosis::key::is_unknown_key;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::{Plan, SessionKey, Step};
use rolecall_core::domain::remedy::{Principal, Remedy};
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

    /// Returns the failure of a call that AWS or a source rejected.
    pub(super) fn of_aws(plan: &Plan, error: &TokenError) -> Self {
        let report = error.clone().told_by(|remedy| {
            let (identity, source) = (plan.identity.name.as_str(), plan.identity.source.as_ref());
            let Remedy::AssumeDenied { role, .. } = remedy else {
                return remedy.hint(&Principal { identity, source, role: None });
            };
            let hint = remedy.hint(&Principal { identity, source, role: role_before(plan, role) });
            // The hint lists the causes. The calls that find the one take too long for a waiting caller.
            format!("{hint}; `rolecall doctor {}` finds out which it is", plan.name)
        });
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

/// Returns the role of the chain that assumes another one; `None` if the identity does.
fn role_before<'a>(plan: &'a Plan, role: &RoleArn) -> Option<&'a RoleArn> {
    let assumed = |key: &'a SessionKey| match key.step() {
        Step::AssumeRole(call) => Some(&call.role_arn),
        Step::SessionToken(_) | Step::Source(_) => None,
    };
    let roles: Vec<&RoleArn> = plan.keys.iter().filter_map(assumed).collect();
    let at = roles.iter().position(|assumed| *assumed == role)?;
    Some(roles[at.checked_sub(1)?])
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

#[cfg(test)]
mod tests {
    use super::*;
    use rolecall_core::config::parse;
    use rolecall_ports::AwsError;
    use std::fmt::Write;
    use std::path::Path;

    const CONFIG: &str = r#"
        [identities.user]
        type = "iam-user"
        mfa_serial = "arn:aws:iam::111111111111:mfa/richard"
        [identities.env]
        type = "environment"
        [identities.program]
        type = "process"
        credential_process = ["/usr/bin/program", "secret"]
        [identities.machine]
        type = "ec2"
        [roles.first]
        source = "user"
        role_arn = "arn:aws:iam::222222222222:role/First"
        [roles.second]
        source = "first"
        role_arn = "arn:aws:iam::333333333333:role/path/Second"
        [roles.of-env]
        source = "env"
        role_arn = "arn:aws:iam::222222222222:role/First"
        [roles.of-program]
        source = "program"
        role_arn = "arn:aws:iam::222222222222:role/First"
        [roles.of-machine]
        source = "machine"
        role_arn = "arn:aws:iam::222222222222:role/First"
    "#;

    fn refused(remedy: Option<Remedy>, hint: Option<&str>) -> TokenError {
        let report = UserError { hint: hint.map(str::to_owned), ..UserError::new(Kind::Refused, "AWS refused it") };
        let refusal = AwsError { words: String::new(), remedy, is_throttled: false };
        TokenError { refusal: Some(Box::new(refusal)), code: Some("Code".into()), ..TokenError::permanent(report) }
    }

    fn errors() -> Vec<(&'static str, TokenError)> {
        let denied = |role, is_explicit| {
            let role = RoleArn::new(role).expect("valid");
            refused(Some(Remedy::AssumeDenied { role, is_explicit }), None)
        };
        let unknown =
            |region: Option<&str>| refused(Some(Remedy::UnknownKey { opt_in_region: region.map(str::to_owned) }), None);
        vec![
            ("no answer", TokenError::transient(UserError::new(Kind::Unreachable, "no answer").hint("try again"))),
            ("hint", refused(None, Some("a hint of the adapter"))),
            ("no hint", refused(None, None)),
            ("unknown key", unknown(None)),
            ("unknown key, opt-in Region", unknown(Some("af-south-1"))),
            ("wrong secret", refused(Some(Remedy::WrongSecret), None)),
            ("denied the first role", denied("arn:aws:iam::222222222222:role/First", false)),
            ("denied the first role explicitly", denied("arn:aws:iam::222222222222:role/First", true)),
            ("denied the second role", denied("arn:aws:iam::333333333333:role/path/Second", false)),
            ("denied the second role explicitly", denied("arn:aws:iam::333333333333:role/path/Second", true)),
        ]
    }

    /// Every error of AWS as each kind of plan shows it, and every failure without an answer of AWS.
    /// `ROLECALL_BLESS=1 cargo test -p rolecall-agent wording` writes the file.
    #[test]
    fn wording_of_every_failure_is_as_in_the_file() {
        let config = parse(CONFIG, Path::new("config.toml")).expect("valid");
        let mut page = String::new();
        let mut add = |title: &str, failure: &Failure| {
            let UserError { kind, message, hint, .. } = &failure.report;
            let (outlook, code, hint) = (failure.outlook, &failure.code, hint.as_deref().unwrap_or("-"));
            let _ = writeln!(page, "{title}\n  {kind:?}, {outlook:?}, {code}: {message}\n  hint: {hint}\n");
        };
        let names = ["user", "env", "program", "machine", "first", "second", "of-env", "of-program", "of-machine"];
        let plans = names.map(|name| Plan::of(&config, name).expect("a plan"));
        for (title, error) in errors() {
            for plan in &plans {
                add(&format!("{title}, {}", plan.name), &Failure::of_aws(plan, &error));
            }
        }
        let plan = &plans[4];
        for (title, failure) in [
            ("locked", Failure::locked()),
            ("ending", Failure::ending()),
            ("called off", Failure::called_off()),
            ("internal error", Failure::permanent(internal_error())),
            ("still asking", still_asking(plan)),
            ("still asking for consent", still_asking_consent("/usr/bin/aws", &plan.name)),
            ("being asked", being_asked(plan)),
            ("being fetched", being_fetched(plan)),
            ("too slow", too_slow()),
        ] {
            add(title, &failure);
        }
        crate::blessed::check(env!("CARGO_MANIFEST_DIR"), "wording.txt", &page);
    }
}
