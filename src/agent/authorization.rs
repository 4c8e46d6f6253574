//! Who may have which role: `access` and `access_by_program` of the configuration, before anything is fetched.
//!
//! This narrows what the socket's check of the uid has allowed; it opens nothing. A program's path is not proof of what
//! runs: an interpreter runs anything, and one's own programs can be made to (`LD_PRELOAD`, ptrace). It stops mistakes
//! and surprises, not an attacker who is already this user.

use super::active_config::ActiveConfig;
use super::audit::{ALLOWED, Audit, Event, REFUSED};
use super::caller::Caller;
use super::consent::Consents;
use super::failure::{Failure, still_asking_consent};
use super::notifications::{NO_DISPLAY, Notifications};
use super::program_rules;
use super::prompts::{GivenConsent, Subject, Unanswered};
use super::requester::Requester;
use rolecall_core::domain::catalogue::{Access, Config, Role};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::Plan;
use rolecall_core::domain::question::{Question, UNNAMED, Wanted, allow_for_good};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long an HTTP client waits for a question that is open elsewhere: it gives up itself after a second.
const UNASKED: Duration = Duration::from_millis(100);

/// What the log says of a program that the configuration keeps out.
const DENIED: &str = "denied";

/// Applies the access rules of the roles.
pub(super) struct Authorization {
    pub(super) config: Arc<ActiveConfig>,
    pub(super) audit: Arc<Audit>,
    pub(super) consents: Arc<Consents>,
    pub(super) notices: Arc<Notifications>,
}

impl Authorization {
    /// Accepts a caller, after the consent of a person if the configuration requires it.
    pub(super) async fn authorize(&self, plan: &Plan, requester: &mut Requester<'_>) -> Result<(), Failure> {
        let (config, caller) = (self.config.catalogue(), requester.caller);
        let Some(role) = config.roles.get(&plan.name) else { return Ok(()) };
        let leads_to = program_rules::leads_to(role, program_rules::DEADLINE).await;
        let access = access(&config, role, caller, leads_to.as_ref());
        let Some(grant) = self.missing_consent(access, role, caller)? else { return Ok(()) };
        let seat = requester.seat(&self.consents.prompts, Subject::Grant(grant.clone()), &role.name);
        let said = self.consent(&config, role, caller, grant.clone());
        let deadline = requester.deadline;
        let said = deadline.with_a_person(requester.wait(said, seat)).await;
        let outcome = said.unwrap_or(Err(Unanswered::Patience));
        self.audit_unanswered(role, caller, outcome);
        self.granted(outcome, grant, role, caller)
    }

    /// Accepts a caller that has no place for a prompt. The prompt that it would need appears in `status`.
    pub(super) async fn authorize_without_consent(&self, plan: &Plan, caller: &Caller) -> Result<(), Failure> {
        let config = self.config.catalogue();
        let Some(role) = config.roles.get(&plan.name) else { return Ok(()) };
        // A look may wait for its turn as long again: all of it has the time of one.
        let limit = program_rules::DEADLINE_OF_HTTP;
        let leads_to = timeout(limit, program_rules::leads_to(role, limit)).await.ok().flatten();
        let access = access(&config, role, caller, leads_to.as_ref());
        if access != Access::Allow && leads_to.is_none() {
            // A denial would be too early: the rules may be known in a moment, and SDKs only retry after this error.
            return Err(Failure::transient(untold(role)));
        }
        let Some(grant) = self.missing_consent(access, role, caller)? else { return Ok(()) };
        let said = self.consent(&config, role, caller, grant.clone());
        // Without a place for the prompt this ends at once. A prompt at another caller is not waited for.
        let outcome = timeout(UNASKED, said).await.unwrap_or(Err(Unanswered::Patience));
        self.granted(outcome, grant, role, caller)
    }

    /// Returns the consent that the access of a caller requires, if nobody has given it yet.
    fn missing_consent(&self, access: Access, role: &Role, caller: &Caller) -> Result<Option<GivenConsent>, Failure> {
        match access {
            Access::Allow => Ok(None),
            Access::Deny => Err(denied(role, caller)),
            Access::Ask => Ok(Some(consent_of(role, caller)).filter(|grant| !self.consents.has_consent(grant))),
        }
    }

    /// Turns the answer of a person into that of the caller. A consent that nobody could be asked for is shown.
    fn granted(
        &self,
        outcome: Result<(), Unanswered>,
        grant: GivenConsent,
        role: &Role,
        caller: &Caller,
    ) -> Result<(), Failure> {
        if outcome == Err(Unanswered::Nobody) {
            self.notices.wants_consent(grant);
        }
        outcome.map_err(|no| refused(no, role, caller))
    }

    /// Asks a person. The answer is logged once, however many callers wait for it, also if none of them is left.
    async fn consent(
        &self,
        config: &Config,
        role: &Role,
        caller: &Caller,
        grant: GivenConsent,
    ) -> Result<(), Unanswered> {
        let holds = config.agent.consent;
        let (audit, logged_role, logged_caller) = (Arc::clone(&self.audit), role.clone(), caller.clone());
        let log = move |is_allowed| {
            let result = if is_allowed { ALLOWED } else { REFUSED };
            log_consent(&audit, result, &logged_role, &logged_caller);
        };
        self.consents.ask(grant, question(role, caller, holds), holds, log).await
    }

    /// Logs that a caller did not get the answer of a person.
    fn audit_unanswered(&self, role: &Role, caller: &Caller, outcome: Result<(), Unanswered>) {
        let result = match outcome {
            Ok(()) | Err(Unanswered::Cancelled) => return,
            Err(Unanswered::CalledOff) => "locked",
            Err(Unanswered::Nobody | Unanswered::NoCode | Unanswered::Patience) => "unanswered",
        };
        log_consent(&self.audit, result, role, caller);
    }
}

fn log_consent(audit: &Audit, result: &str, role: &Role, caller: &Caller) {
    let line = audit.line(Event::Consent).result(result).name(&role.name).caller(caller);
    audit.write(line.role_arn(Some(role.role_arn.to_string())));
}

fn access(catalogue: &Config, role: &Role, caller: &Caller, leads_to: Option<&BTreeMap<String, String>>) -> Access {
    let rules = match leads_to {
        Some(leads_to) => role.access(caller.tool(), leads_to),
        // Where the rules cannot be told, nobody can be told from whom they are about.
        None => role.access(None, &BTreeMap::new()),
    };
    let asks = |socket: &String| catalogue.sockets.get(socket.as_str()).is_none_or(|socket| socket.ask);
    if caller.socket.as_ref().is_some_and(asks) { rules.max(Access::Ask) } else { rules }
}

/// Gives whose consent it would be.
fn consent_of(role: &Role, caller: &Caller) -> GivenConsent {
    GivenConsent {
        role: role.name.clone(),
        program: caller.tool().map(str::to_owned),
        terminal: caller.session,
        socket: caller.socket.clone(),
    }
}

fn question(role: &Role, caller: &Caller, holds: Duration) -> Question {
    Question {
        wanted: Wanted::Consent { role_arn: role.role_arn.to_string(), minutes: holds.as_secs() / 60 },
        name: role.name.to_string(),
        program: caller.label.clone().or_else(|| caller.tool().map(str::to_owned)),
        since: None,
        reason: None,
    }
}

pub(super) fn named(caller: &Caller) -> &str {
    caller.label.as_deref().or(caller.tool()).unwrap_or(UNNAMED)
}

fn untold(role: &Role) -> UserError {
    let what = format!("the programs that `access_by_program` of `{}` names could not be looked at in time", role.name);
    UserError::new(Kind::Failed, what).hint("a file system does not answer; ask again, and see `rolecall status`")
}

fn denied(role: &Role, caller: &Caller) -> Failure {
    let report = UserError::new(Kind::Config, format!("the configuration denies `{}` to {}", role.name, named(caller)))
        .hint(format!(
            "`access` and `access_by_program` of [roles.{}] say who may; `rolecall role show {}` shows them",
            role.name, role.name
        ));
    Failure { code: DENIED.to_owned(), ..Failure::permanent(report) }
}

fn refused(no: Unanswered, role: &Role, caller: &Caller) -> Failure {
    let (name, program) = (&role.name, named(caller));
    let report = |what: String, hint: String| Failure::transient(UserError::new(Kind::Locked, what).hint(hint));
    match no {
        Unanswered::CalledOff => Failure::locked(),
        Unanswered::Cancelled => report(
            format!("consent for {program} to use `{name}` was refused"),
            "run it again in 10 seconds to be asked again".to_owned(),
        ),
        Unanswered::Nobody | Unanswered::NoCode => report(
            format!("{program} needs a person's consent to use `{name}`, and nobody could be asked"),
            match &caller.socket {
                Some(_) => NO_DISPLAY.to_owned(),
                None => allow_for_good(name.as_str(), caller.tool()),
            },
        ),
        Unanswered::Patience => still_asking_consent(program, name),
    }
}
