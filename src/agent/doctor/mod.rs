//! `doctor`: the chain of a name walked link by link, with calls to AWS whose sessions are wiped at once.
//!
//! It proves what it can by doing what a `get` would do, and only what is refused is looked into: by the documents, where
//! somebody of the configuration may read them, else by controlled variations of the call. The number of calls has a
//! limit, each is a line of the audit log, and no session that comes of one is kept or handed out; only what a person's
//! MFA code has opened is kept as ever, since a code is good for one use.
//!
//! | file | owns |
//! |---|---|
//! | `preflight` | the vault and its key, or the source; the clock and the connection to AWS; the Region |
//! | `chain` | AssumeRole, role after role; what is varied when one is refused |
//! | `policy_reader` | who may read IAM here, and what it says |
//! | `document` | a policy document's JSON |
//!
//! What a refusal means is for `domain/diagnosis` to say.

mod chain;
mod document;
mod policy_reader;
mod preflight;

use super::audit::Event;
use super::broker::Broker;
use super::failure::class;
use super::requester::Requester;
use rolecall_core::domain::catalogue::AwsSettings;
use rolecall_core::domain::credential::Signer;
use rolecall_core::domain::diagnosis::attempt::Party;
use rolecall_core::domain::diagnosis::{Finding, Link, LinkKind, LinkState};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{Plan, Step};
use rolecall_ipc::protocol::diagnosis::{Diagnosis, Made};
use rolecall_ipc::protocol::message::{Answer, Progress};
use rolecall_ports::TokenError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Mutex;

/// The most calls to AWS of one diagnosis: a chain of ten roles that all hold, and one that is looked into.
const CALLS_MAX: usize = 40;

/// Finds out what is wrong on the way from a name to AWS. One diagnosis runs at a time.
pub(super) async fn diagnose(
    broker: &Broker,
    examining: &Mutex<()>,
    name: &str,
    requester: &mut Requester<'_>,
) -> Result<Answer, UserError> {
    broker.lock.touch();
    let plan = broker.plan_for(name, Event::Doctor, requester.caller).await?;
    broker.reject_recursion(requester.caller).await?;
    let Ok(_turn) = examining.try_lock() else {
        return Err(
            UserError::new(Kind::Failed, "another diagnosis is under way").hint("wait for its end and run it again")
        );
    };
    // It has keys and sessions in memory.
    let watch = broker.lock.watch();
    let aws = broker.config.catalogue().aws.clone();
    let found = Diagnosis { name: Some(name.to_owned()), ..Diagnosis::default() };
    let mut walk = Diagnoser { broker, plan, aws, requester, found };
    watch.run(walk.walk()).await?;
    // The caller may be slow to read; a lock need not wait for that.
    drop(watch);
    walk.say("").await;
    Ok(Answer::Diagnosis(Box::new(walk.found)))
}

/// One diagnosis.
struct Diagnoser<'a, 'r> {
    broker: &'a Broker,
    plan: Arc<Plan>,
    aws: Arc<AwsSettings>,
    requester: &'a mut Requester<'r>,
    found: Diagnosis,
}

/// Who stands at some place of the chain.
#[derive(Clone)]
struct ActingPrincipal {
    signer: Signer,
    party: Party,
    /// Whether a code was given for it.
    with_mfa: bool,
}

impl Diagnoser<'_, '_> {
    async fn walk(&mut self) {
        let start = if self.plan.identity.has_stored_key() {
            self.key_in_vault().await
        } else {
            self.session_of_source().await
        };
        let Some((mut start, first)) = start else { return self.leave_out_roles() };
        let Some(who) = self.accepted_identity(&start).await else { return self.leave_out_roles() };
        start.party = party(&start.party.name, &who.arn);
        self.roles(start, first).await;
    }

    /// Says of every role that it was not reached.
    fn leave_out_roles(&mut self) {
        let names = self.names_of_roles();
        for (_, name) in names {
            if !self.found.links.iter().any(|link| link.of.as_deref() == Some(&name)) {
                self.found.links.push(Link::new(LinkKind::Permission, LinkState::Unproven, "not reached").of(&name));
            }
        }
        self.link(LinkKind::Result, LinkState::Unproven, "not reached".to_owned());
    }

    /// Gives the roles of the chain: the step, and the name in the configuration.
    fn names_of_roles(&self) -> Vec<(usize, String)> {
        let catalogue = self.broker.config.catalogue();
        let steps = self.plan.keys.iter().enumerate().filter(|(_, key)| matches!(key.step(), Step::AssumeRole(_)));
        let steps: Vec<usize> = steps.map(|(at, _)| at).collect();
        let mut names = Vec::new();
        let mut at = Some(self.plan.name.clone());
        while let Some(role) = at.and_then(|name| catalogue.roles.get(&name)) {
            names.push(role.name.to_string());
            at = Some(role.source.clone()).filter(|_| names.len() < steps.len());
        }
        names.reverse();
        steps.into_iter().zip(names).collect()
    }

    fn link(&mut self, kind: LinkKind, state: LinkState, text: String) {
        self.found.links.push(Link::new(kind, state, text));
    }

    fn holds(&mut self, kind: LinkKind, text: String) {
        self.link(kind, LinkState::Holds, text);
    }

    fn breaks(&mut self, finding: Finding, text: &str) {
        let mut link = Link::new(finding.link, LinkState::Broken, text);
        link.of.clone_from(&finding.of);
        self.found.links.push(link);
        self.found.findings.push(finding);
    }

    /// Says what is done now.
    async fn say(&mut self, text: &str) {
        self.requester.connection.tell(&progress(text)).await;
    }

    /// Tells whether there may be another call.
    fn may_call(&self) -> bool {
        self.found.calls.len() < CALLS_MAX
    }

    /// Takes note of a call: for the answer, and in the audit log.
    fn made(&mut self, action: &str, about: &str, variation: Option<&str>, result: Result<(), &TokenError>) {
        let code = |error: &TokenError| error.code.clone().unwrap_or_else(|| class(error.report.kind));
        let result = result.map_or_else(code, |()| "ok".to_owned());
        let counters = &self.broker.counters;
        if action.starts_with("sts:") {
            counters.sts_calls.fetch_add(1, Ordering::Relaxed);
            if result != "ok" {
                counters.sts_failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        let line = self.broker.audit.line(Event::Doctor).result(&result).name(&self.plan.name);
        let how = variation.map(|variation| format!(", {variation}")).unwrap_or_default();
        self.broker.audit.write(line.caller(self.requester.caller).message(format!("{action} {about}{how}")));
        self.found.calls.push(Made {
            action: action.to_owned(),
            about: about.to_owned(),
            variation: variation.map(str::to_owned),
            result,
        });
    }
}

/// Makes of who AWS says one is the party that policies name: of a session, its role.
fn party(name: &str, arn: &str) -> Party {
    let role = arn.split_once(":assumed-role/").and_then(|(account, rest)| {
        let name = rest.split('/').next()?;
        Some(format!("{}:role/{name}", account.replacen(":sts:", ":iam:", 1)))
    });
    let session_arn = role.is_some().then(|| arn.to_owned());
    Party { name: name.to_owned(), arn: role.unwrap_or_else(|| arn.to_owned()), session_arn }
}

fn progress(text: &str) -> Progress {
    Progress { step: "doctor".to_owned(), text: text.to_owned() }
}
