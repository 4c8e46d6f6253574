//! Who may have which role: `access` and `access_by_program` of the configuration, before anything is fetched.
//!
//! This narrows what the socket's check of the uid has allowed; it opens nothing. A program's path is not proof of what
//! runs: an interpreter runs anything, and one's own programs can be made to (`LD_PRELOAD`, ptrace). It stops mistakes
//! and surprises, not an attacker who is already this user.

use super::Agent;
use super::audit::{ALLOWED, AuditLine, Event, REFUSED};
use super::caller::Caller;
use super::consent::GivenConsent;
use super::deadline::Deadline;
use super::failure::{Failure, still_asking_consent};
use super::program_rules;
use super::prompts::{Subject, Unanswered};
use super::server::Connection;
use chrono::{DateTime, Utc};
use rolecall_core::domain::catalogue::{Access, Config, Role};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::Plan;
use rolecall_core::domain::question::{Question, UNNAMED, Wanted, allow_for_good};
use rolecall_ipc::protocol::message::Context;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long an HTTP client waits for a question that is open elsewhere: it gives up itself after a second.
const UNASKED: Duration = Duration::from_millis(100);

/// What the log says of a program that the configuration keeps out.
const DENIED: &str = "denied";

/// What helps where a socket's question has nowhere to appear.
pub(super) const NO_DISPLAY: &str = "run `rolecall agent restart` in the desktop session where the question shall appear, or let the socket be without `ask`";

impl Agent {
    /// Lets a caller in, after a person's consent where the configuration asks for it.
    pub(super) async fn authorize(
        &self,
        plan: &Plan,
        caller: &Caller,
        context: &Context,
        connection: &mut Connection,
        patience: Deadline,
    ) -> Result<(), Failure> {
        let catalogue = self.configuration.catalogue();
        let Some(role) = catalogue.roles.get(&plan.name) else { return Ok(()) };
        let leads_to = program_rules::leads_to(role, program_rules::DEADLINE).await;
        match access(&catalogue, role, caller, leads_to.as_ref()) {
            Access::Allow => Ok(()),
            Access::Deny => Err(denied(role, caller)),
            Access::Ask => {
                let grant = consent_of(role, caller);
                let questions = &self.sessions.questions;
                if questions.has_consent(&grant) {
                    return Ok(());
                }
                let question = question(role, caller, catalogue.agent.consent);
                let seat = self.seat(Subject::Grant(grant.clone()), &role.name, caller, context);
                let log = self.log_of_answer(role, caller);
                let said = questions.consent(grant.clone(), question, catalogue.agent.consent, log);
                let said = patience.with_a_person(self.asking(said, seat, connection)).await;
                let outcome = said.unwrap_or(Err(Unanswered::Patience));
                if outcome == Err(Unanswered::Nobody) {
                    self.sessions.notices.wants_consent(grant);
                }
                self.audit_unanswered(role, caller, outcome);
                outcome.map_err(|no| refused(no, role, caller))
            }
        }
    }

    /// Lets a caller in that nobody can be asked about; what it wants is shown where that is to be seen.
    pub(super) async fn authorize_without_consent(&self, plan: &Plan, caller: &Caller) -> Result<(), Failure> {
        let catalogue = self.configuration.catalogue();
        let Some(role) = catalogue.roles.get(&plan.name) else { return Ok(()) };
        let leads_to = program_rules::leads_to(role, program_rules::DEADLINE_OF_HTTP).await;
        match access(&catalogue, role, caller, leads_to.as_ref()) {
            Access::Allow => Ok(()),
            // It is too soon to say so: in a moment the rules may be told, and SDKs ask again after this one only.
            _ if leads_to.is_none() => Err(Failure::transient(untold(role))),
            Access::Deny => Err(denied(role, caller)),
            Access::Ask => {
                let grant = consent_of(role, caller);
                let questions = &self.sessions.questions;
                if questions.has_consent(&grant) {
                    return Ok(());
                }
                let holds = catalogue.agent.consent;
                let log = self.log_of_answer(role, caller);
                let said = questions.consent(grant.clone(), question(role, caller, holds), holds, log);
                // With no seat taken it is over at once; where another caller is being asked, it is not waited for.
                let outcome = timeout(UNASKED, said).await.unwrap_or(Err(Unanswered::Patience));
                if outcome == Err(Unanswered::Nobody) {
                    self.sessions.notices.wants_consent(grant);
                }
                outcome.map_err(|no| refused(no, role, caller))
            }
        }
    }

    /// Returns what logs the answer of a person: one line for each answer, however many callers wait for it, also if none
    /// of them is left.
    fn log_of_answer(&self, role: &Role, caller: &Caller) -> impl FnOnce(bool) + Send + 'static {
        let (audit, clock) = (Arc::clone(&self.audit), Arc::clone(&self.ports.clock));
        let (role, caller) = (role.clone(), caller.clone());
        move |is_allowed| {
            let result = if is_allowed { ALLOWED } else { REFUSED };
            audit.write(consent_line(clock.now().wall, result, &role, &caller));
        }
    }

    /// Logs that a caller did not get the answer of a person.
    fn audit_unanswered(&self, role: &Role, caller: &Caller, outcome: Result<(), Unanswered>) {
        let result = match outcome {
            Ok(()) | Err(Unanswered::Cancelled) => return,
            Err(Unanswered::CalledOff) => "locked",
            Err(Unanswered::Nobody | Unanswered::NoCode | Unanswered::Patience) => "unanswered",
        };
        self.audit.write(consent_line(self.ports.clock.now().wall, result, role, caller));
    }
}

fn consent_line(time: DateTime<Utc>, result: &str, role: &Role, caller: &Caller) -> AuditLine {
    let mut line = AuditLine::new(time, Event::Consent, result);
    line.name = Some(role.name.to_string());
    line.role_arn = Some(role.role_arn.to_string());
    line.caller = Some(caller.clone());
    line
}

/// Tells what the rules say of a caller.
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
