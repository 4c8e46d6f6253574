//! The start of a chain: the vault and its key, or the source of the identity; then, by one call, the key, the clock and the
//! connection to AWS. If a Region rejects the key, whether another one accepts it.

use super::chain::OF_ROLE;
use super::policy_reader::listing_of;
use super::{ActingPrincipal, Diagnoser};
use crate::failure::Failure;
use crate::prompts::Subject;
use crate::rate_limit::Urgency;
use crate::unknown_key::{accepted_by, id_of};
use chrono::TimeDelta;
use rolecall_core::domain::arn::account_of;
use rolecall_core::domain::credential::{Session, Signer};
use rolecall_core::domain::diagnosis::attempt::Party;
use rolecall_core::domain::diagnosis::key::{
    CLOCK_LIMIT, KeyFacts, Listed, clock, is_unknown_key, minutes, rejected, unreachable, wrong_region,
};
use rolecall_core::domain::diagnosis::{Cause, Certainty, Finding, Link, LinkKind, LinkState};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{AssumeRole, Step};
use rolecall_core::domain::regions::{self, Rejected};
use rolecall_ipc::protocol::process_output;
use rolecall_platform::os::SET_CLOCK;
use rolecall_ports::{CallerIdentity, StoredKey, TokenError, VaultState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Diagnoser<'_, '_> {
    /// Reads the key; gives who it is and the first step that it signs.
    pub(super) async fn key_in_vault(&mut self) -> Option<(ActingPrincipal, usize)> {
        let identity = self.plan.identity.name.clone();
        let vault = self.broker.ports.vault.state().await;
        let fails = |cause, report: &UserError| Finding::of_error(cause, LinkKind::Vault, report);
        match &vault {
            VaultState::Absent(why) => {
                let report = UserError::new(Kind::Failed, format!("there is no vault: {why}"))
                    .hint("start a keyring, or set `vault = \"file\"` under `[agent]`");
                self.breaks(fails(Cause::VaultAbsent, &report), "there is none");
                return None;
            }
            VaultState::Unreached(why) => {
                let report = UserError::new(Kind::Failed, format!("the agent cannot reach a keyring: {why}")).hint(
                    "run `rolecall status` where the desktop is; without one set `vault = \"file\"` under `[agent]`",
                );
                let mut finding = fails(Cause::VaultAbsent, &report);
                // A keyring may run on a bus of which the agent has not heard.
                finding.certainty = Certainty::Possible;
                self.breaks(finding, "the keyring was not reached");
                return None;
            }
            VaultState::Locked => {
                let report = UserError::new(Kind::Locked, "the vault is locked: a person must open it")
                    .hint("rolecall unlock --vault");
                self.breaks(fails(Cause::VaultLocked, &report), "locked");
                return None;
            }
            VaultState::Ready => {}
        }
        self.say("reading the vault").await;
        self.broker.counters.vault_reads.fetch_add(1, Ordering::Relaxed);
        match self.broker.ports.vault.read(&identity).await {
            Ok(stored) => {
                self.holds(LinkKind::Vault, format!("open, and has a key of {identity}: {}", stored.key.id));
                self.say_age(&stored);
                let party = Party { name: identity.to_string(), arn: stored.arn, session_arn: None };
                Some((ActingPrincipal { signer: Signer::Key(stored.key), party, with_mfa: false }, 0))
            }
            Err(report) => {
                let cause = if report.kind == Kind::Config { Cause::KeyMissing } else { Cause::VaultLocked };
                let text = report.message.clone();
                self.breaks(fails(cause, &report), &text);
                None
            }
        }
    }

    fn say_age(&mut self, stored: &StoredKey) {
        let now = self.broker.ports.clock.now().wall;
        let days = (now - stored.since()).num_days().max(0);
        let overdue = self.plan.identity.rotate_after.and_then(|after| TimeDelta::from_std(after).ok());
        let overdue = overdue.is_some_and(|after| now - stored.since() > after);
        let advice = if overdue {
            format!(", overdue: rolecall identity rotate {}", self.plan.identity.name)
        } else {
            String::new()
        };
        // Said of the key once AWS has taken it.
        self.link(LinkKind::Key, LinkState::Unproven, format!("{}, {days} days old{advice}", stored.arn));
    }

    /// Asks the identity's source, as a `get` does.
    pub(super) async fn session_of_source(&mut self) -> Option<(ActingPrincipal, usize)> {
        let kind = self.plan.identity.kind().as_str();
        self.holds(LinkKind::Vault, format!("not needed: an identity of type {kind} has no key in it"));
        self.say("asking the identity's source").await;
        let (session, with_mfa) = self.session_of_step(0).await?;
        let name = self.plan.identity.name.to_string();
        self.link(LinkKind::Key, LinkState::Unproven, format!("a session of {kind}: {}", session.access_key_id));
        let party = Party { name, arn: String::new(), session_arn: None };
        let plan = Arc::clone(&self.plan);
        if let (Step::AssumeRole(call), Some((_, role))) = (plan.keys[0].step(), self.names_of_roles().first()) {
            // The code goes with the first role's own call, so that there is no session before it.
            self.role_holds(role, call, "", true);
        }
        Some((ActingPrincipal { signer: Signer::Session(session), party, with_mfa }, 1))
    }

    pub(super) fn role_holds(&mut self, name: &str, call: &AssumeRole, from: &str, with_mfa: bool) {
        let source = &call.role_arn;
        let mut told = Vec::new();
        for (is_set, word) in [
            (with_mfa, "MFA"),
            (call.external_id.is_some(), "external id"),
            (call.source_identity.is_some(), "source identity"),
            (!call.tags.is_empty(), "session tags"),
        ] {
            if is_set {
                told.push(word);
            }
        }
        let conditions = if told.is_empty() { "met".to_owned() } else { format!("met, with {}", told.join(", ")) };
        let policy = match (&call.policy, call.policy_arns.is_empty()) {
            (None, true) => "none".to_owned(),
            _ => "AWS takes it".to_owned(),
        };
        let minutes = call.duration.as_secs() / 60;
        for (kind, text) in OF_ROLE.into_iter().zip([
            format!("sts:AssumeRole on {source}"),
            if from.is_empty() { "trusts who asks".to_owned() } else { format!("trusts {from}") },
            conditions,
            format!("{minutes} minutes"),
            policy,
        ]) {
            self.found.links.push(Link::new(kind, LinkState::Holds, text).of(name));
        }
    }

    /// Gets the session of a step the ordinary way, where a person may be asked; what goes wrong is told.
    pub(super) async fn session_of_step(&mut self, at: usize) -> Option<(Session, bool)> {
        let plan = Arc::clone(&self.plan);
        let serial = plan.keys[at].step().mfa_serial().cloned();
        let broker = self.broker;
        let work = broker.refresher.step(&plan, at, Urgency::Foreground);
        let outcome = match &serial {
            None => work.await,
            Some(serial) => {
                self.say("").await;
                let seat = self.requester.seat(&broker.prompts, Subject::Device(serial.clone()), &plan.name);
                let outcome = self.requester.wait(work, seat).await;
                broker.prompts.terminal_given_back(self.requester.caller.device.as_ref()).await;
                outcome
            }
        };
        let failure = match outcome {
            Ok(given) => match process_output::parse(&given.held.line) {
                Some(session) => return Some((session, serial.is_some())),
                None => Failure::called_off(),
            },
            Err(failure) => failure,
        };
        self.step_failed(at, &failure);
        None
    }

    fn step_failed(&mut self, at: usize, failure: &Failure) {
        let Failure { report, code, .. } = failure;
        let wants_code = self.plan.keys[at].step().mfa_serial().is_some();
        let name = self.plan.unlock_name().to_string();
        let (cause, link) = match report.kind {
            Kind::Locked if wants_code => (Cause::MfaCodeWanted, LinkKind::Conditions),
            Kind::Refused if wants_code && !is_unknown_key(code) => (Cause::MfaRefused, LinkKind::Conditions),
            _ if !self.plan.identity.has_stored_key() => (Cause::SourceFailed, LinkKind::Key),
            _ => (Cause::Other, LinkKind::Key),
        };
        let finding = Finding::of_error(cause, link, report);
        let is_locked = report.kind == Kind::Locked;
        let state = if is_locked { LinkState::Unproven } else { LinkState::Broken };
        let text = if is_locked {
            format!("MFA: not proven without a code: rolecall unlock {name}")
        } else {
            report.message.clone()
        };
        self.found.links.push(Link::new(link, state, text));
        self.found.findings.push(finding);
    }

    /// Asks AWS who one is: that proves key, clock and way at once.
    pub(super) async fn accepted_identity(&mut self, standing: &ActingPrincipal) -> Option<CallerIdentity> {
        self.say("asking AWS who this is").await;
        let region = self.plan.keys[0].step().region().to_owned();
        let seen = self.broker.ports.tokens.probes().who(&self.aws, &standing.signer, &region).await;
        self.made("sts:GetCallerIdentity", &standing.party.name, None, seen.who.as_ref().map(|_| ()));
        let has_answer = seen.who.is_ok() || seen.who.as_ref().is_err_and(|error| error.code.is_some());
        let key = self.found.links.iter().position(|link| link.kind == LinkKind::Key);
        let set_key = |links: &mut Vec<Link>, state, text: Option<String>| {
            if let Some(link) = key.and_then(|at| links.get_mut(at)) {
                link.state = state;
                if let Some(text) = text {
                    link.text = text;
                }
            }
        };
        let off = clock(seen.skew, SET_CLOCK);
        if let Ok(who) = &seen.who {
            let text = key.and_then(|at| self.found.links.get(at)).map(|link| link.text.clone()).unwrap_or_default();
            let known = if standing.party.arn == who.arn { text } else { format!("{}; {text}", who.arn) };
            set_key(&mut self.found.links, LinkState::Holds, Some(format!("AWS takes it: {known}")));
        }
        match &seen.who {
            _ if !has_answer => self.link(LinkKind::Clock, LinkState::Unproven, "AWS's time is not known".to_owned()),
            _ => match off {
                Some(finding) => self.breaks(finding, &format!("{} off", minutes(seen.skew.abs()))),
                None if seen.skew.is_zero() => self.holds(LinkKind::Clock, "as AWS's".to_owned()),
                None => self.holds(
                    LinkKind::Clock,
                    format!("{} off, of {} that AWS takes", minutes(seen.skew.abs()), minutes(CLOCK_LIMIT)),
                ),
            },
        }
        match (&seen.who, seen.obstacle) {
            (Err(error), Some(obstacle)) => {
                self.breaks(unreachable(obstacle, &error.report), &error.report.message);
                None
            }
            (Err(error), None) if error.code.is_none() => {
                let finding = Finding::of_error(Cause::Config, LinkKind::Network, &error.report);
                self.breaks(finding, &error.report.message);
                None
            }
            (Err(error), None) => {
                self.holds(LinkKind::Network, format!("STS of {region} answers"));
                let is_unknown = is_unknown_key(error.code.as_deref().unwrap_or_default());
                if is_unknown && let Some(finding) = self.rejected_by_region(standing, &region, "").await {
                    set_key(
                        &mut self.found.links,
                        LinkState::Holds,
                        Some("AWS accepts it in another Region".to_owned()),
                    );
                    let text = finding.what.clone();
                    self.breaks(finding, &text);
                    return None;
                }
                let findings = self.why_rejected(standing, error).await;
                let text = findings
                    .first()
                    .map_or_else(|| error.report.message.clone(), |_| "AWS does not take it".to_owned());
                set_key(&mut self.found.links, LinkState::Broken, Some(text));
                self.found.findings.extend(findings);
                None
            }
            (Ok(who), _) => {
                self.holds(LinkKind::Network, format!("STS of {region} answers"));
                Some(who.clone())
            }
        }
    }

    async fn why_rejected(&mut self, standing: &ActingPrincipal, error: &TokenError) -> Vec<Finding> {
        let code = error.code.clone().unwrap_or_default();
        let Signer::Key(key) = &standing.signer else {
            let what = error.report.message.clone();
            return vec![Finding::new(Cause::SourceFailed, LinkKind::Key, Certainty::Certain, what)];
        };
        // A clock that is off shows as a signature that is: that is told already.
        if self.found.findings.iter().any(|finding| finding.cause == Cause::ClockOff) {
            return Vec::new();
        }
        let is_signature = code.starts_with("SignatureDoesNotMatch") || code.starts_with("InvalidSignature");
        if !is_unknown_key(&code) && !is_signature {
            let report = error.clone().told(&standing.party.name);
            return vec![Finding::of_error(Cause::Other, LinkKind::Key, &report).kind(Kind::Refused)];
        }
        let listed = if is_signature { Listed::Unread } else { listing_of(self, &standing.party.arn, &key.id).await };
        let account = account_of(&standing.party.arn).map(|account| account.to_string()).unwrap_or_default();
        let facts =
            KeyFacts { identity: &standing.party.name, id: &key.id, owner: &standing.party.arn, account: &account };
        rejected(&code, &facts, listed)
    }

    /// Asks other Regions of the configuration; returns what is wrong with the Region, if one of them accepts the signer.
    /// `role` is empty for the identity itself.
    pub(super) async fn rejected_by_region(
        &mut self,
        standing: &ActingPrincipal,
        asked: &str,
        role: &str,
    ) -> Option<Finding> {
        if !self.may_call() {
            return None;
        }
        self.say("asking another Region").await;
        let at = self.plan.keys.iter().position(|key| key.step().region() == asked).unwrap_or_default();
        let earlier = self.plan.keys[..at].iter().map(|key| key.step().region().to_owned());
        let given = self.plan.regions_besides(at);
        let regions = regions::besides(asked, given.into_iter().chain(earlier));
        let (accepted, answers) = accepted_by(&self.broker.ports, &self.aws, &standing.signer, regions).await;
        for (region, answer) in &answers {
            let about = format!("{} in {region}", standing.party.name);
            self.made("sts:GetCallerIdentity", &about, None, answer.as_ref().copied());
        }
        let accepted = accepted?;
        let name = if role.is_empty() { self.plan.name.as_str() } else { role };
        let section = if role.is_empty() { self.plan.section_of(at) } else { format!("[roles.{role}]") };
        Some(wrong_region(
            &Rejected {
                key_id: id_of(&standing.signer),
                account: accepted.who.account.as_str(),
                asked,
                accepted_by: &accepted.region,
                section: &section,
            },
            name,
        ))
    }
}
