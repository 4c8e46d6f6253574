//! From a name to a session for a caller: plan, access rules, cache or refresh, audit line.

use super::active_config::ActiveConfig;
use super::agent_lock::AgentLock;
use super::audit::{Audit, AuditLine, Event};
use super::authorization::Authorization;
use super::caller::Caller;
use super::credential_cache::ServedSession;
use super::credentials::target;
use super::failure::{Failure, class};
use super::ports::{Counters, Ports};
use super::prompts::{Prompts, Subject};
use super::recursion_guard;
use super::refresher::Refresher;
use super::requester::Requester;
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::plan::Plan;
use rolecall_platform::panics::Guard;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

/// The program that last requested each name, for `status`.
pub(super) type LastCallers = Mutex<HashMap<String, String>>;

/// Hands sessions out.
pub(super) struct Broker {
    pub(super) ports: Ports,
    pub(super) config: Arc<ActiveConfig>,
    pub(super) audit: Arc<Audit>,
    pub(super) counters: Arc<Counters>,
    pub(super) lock: Arc<AgentLock>,
    pub(super) prompts: Arc<Prompts>,
    pub(super) authorization: Authorization,
    pub(super) refresher: Arc<Refresher>,
    pub(super) last_callers: Arc<LastCallers>,
}

impl Broker {
    /// Returns the session of a name for `get`, and logs it.
    pub(super) async fn get(&self, name: &str, requester: &mut Requester<'_>) -> Result<ServedSession, UserError> {
        self.counters.gets.fetch_add(1, Ordering::Relaxed);
        self.lock.touch();
        let caller = requester.caller;
        let plan = self.plan_for(name, Event::Get, caller).await?;
        let result = self.session(&plan, requester).await;
        if let Some(program) = caller.program() {
            let mut callers = self.last_callers.guard();
            callers.insert(plan.name.to_string(), program.to_owned());
        }
        let mut line = self.line(Event::Get, &plan, caller);
        let result = match result {
            Ok(given) => self.log_hand_out(given, &mut line).await,
            Err(failure) => Err(failure),
        };
        match result {
            Ok(given) => {
                self.counters.handed_out.fetch_add(1, Ordering::Relaxed);
                Ok(given)
            }
            Err(Failure { report, code, .. }) => {
                self.audit.write(line.failure(&code, &report));
                // What else is in the configuration is nothing for the other end of a socket.
                Err(if caller.socket.is_none() { self.config.with_remark(report) } else { report })
            }
        }
    }

    /// Begins the audit line of a request for a plan.
    pub(super) fn line(&self, event: Event, plan: &Plan, caller: &Caller) -> AuditLine {
        self.audit.line(event).name(&plan.name).role_arn(target(plan.key().step())).caller(caller)
    }

    /// Logs the hand-out of a session, before the session leaves, and adds the session to the line.
    ///
    /// Errors: with `audit = "required"` the line is not in the file; or a lock has come while it was written.
    pub(super) async fn log_hand_out(
        &self,
        given: ServedSession,
        line: &mut AuditLine,
    ) -> Result<ServedSession, Failure> {
        let mode = self.config.catalogue().agent.audit;
        *line = given.log(line.clone());
        self.audit.hand_out(mode, line.clone()).await.map_err(Failure::transient)?;
        self.refresher.cache.still_holds(given)
    }

    /// Finds the plan of the name in a request; logs that there is none.
    pub(super) async fn plan_for(&self, name: &str, event: Event, caller: &Caller) -> Result<Arc<Plan>, UserError> {
        self.config.find_plan(name).await.inspect_err(|report| {
            let line = self.audit.line(event).unchecked_name(name).caller(caller);
            self.audit.write(line.failure(&class(report.kind), report));
        })
    }

    /// Returns the session of a plan to a caller that may have it, with the terminal of the caller as it was before.
    pub(super) async fn session(
        &self,
        plan: &Arc<Plan>,
        requester: &mut Requester<'_>,
    ) -> Result<ServedSession, Failure> {
        let result = self.session_asking(plan, requester).await;
        // The drawing of a pinentry on the terminal of the caller is gone before anything else appears there. A caller that
        // was served from the cache has asked nothing and does not wait for the prompt of another one.
        if matches!(&result, Ok(given) if given.cached || plan.mfa_serial().is_none()) {
            return result;
        }
        self.prompts.terminal_given_back(requester.caller.device.as_ref()).await;
        result.and_then(|given| self.refresher.cache.still_holds(given))
    }

    async fn session_asking(&self, plan: &Arc<Plan>, requester: &mut Requester<'_>) -> Result<ServedSession, Failure> {
        self.reject_recursion(requester.caller).await.map_err(Failure::permanent)?;
        self.authorization.authorize(plan, requester).await?;
        let session = self.refresher.get(plan, requester.deadline);
        match plan.mfa_serial() {
            None => session.await,
            Some(serial) => {
                let seat = requester.seat(&self.prompts, Subject::Device(serial.clone()), &plan.name);
                requester.wait(session, seat).await
            }
        }
    }

    /// Rejects a caller that was started by a credential program of the agent.
    pub(super) async fn reject_recursion(&self, caller: &Caller) -> Result<(), UserError> {
        let programs = self.ports.tokens.sources().running().await;
        recursion_guard::refuse(caller, &programs).map_or(Ok(()), Err)
    }
}
