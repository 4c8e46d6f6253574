//! AssumeRole, role after role; and where one is refused, the same call varied in one thing at a time.

use super::policy_reader::look;
use super::{ActingPrincipal, CALLS_MAX, Diagnoser};
use crate::credentials::session_name;
use rolecall_core::domain::credential::{Session, Signer};
use rolecall_core::domain::diagnosis::attempt::{Attempt, Own, Party, RequestVariation, Target};
use rolecall_core::domain::diagnosis::key::{is_unknown_key, unreachable};
use rolecall_core::domain::diagnosis::refusal::{self, PolicyKind, Refusal};
use rolecall_core::domain::diagnosis::{
    Cause, Certainty, Finding, Link, LinkKind, LinkState, explain, narrow_session_policy,
};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::plan::{AssumeRole, Step};
use rolecall_ports::{Issued, TokenError};
use std::collections::BTreeMap;
use std::time::Duration;

/// The shortest session that AWS gives.
const SHORTEST: Duration = Duration::from_mins(15);

/// The links of one role, in their order.
pub(super) const OF_ROLE: [LinkKind; 5] =
    [LinkKind::Permission, LinkKind::Trust, LinkKind::Conditions, LinkKind::Duration, LinkKind::SessionPolicy];

impl Diagnoser<'_, '_> {
    /// Becomes one role after the other, from the step that the start signs.
    pub(super) async fn roles(&mut self, start: ActingPrincipal, first: usize) {
        let names = self.names_of_roles();
        let mut standing = start;
        let mut at = first;
        // Who stood before the last role, and the call: to become it again without its session policy.
        let mut before: Option<(ActingPrincipal, AssumeRole)> = None;
        let plan = std::sync::Arc::clone(&self.plan);
        while let Some(key) = plan.keys.get(at) {
            match key.step() {
                Step::SessionToken(call) if call.mfa_serial.is_some() => {
                    let Some((session, with_mfa)) = self.session_of_step(at).await else {
                        return self.leave_out_roles();
                    };
                    standing = ActingPrincipal { signer: Signer::Session(session), with_mfa, ..standing };
                }
                Step::SessionToken(_) | Step::Source(_) => {}
                Step::AssumeRole(call) => {
                    let name = names.iter().find(|(step, _)| *step == at).map(|(_, name)| name.clone());
                    let name = name.unwrap_or_else(|| plan.name.to_string());
                    let Some(next) = self.role(&standing, call, &name, at, before.as_ref()).await else {
                        return self.leave_out_roles();
                    };
                    before = Some((standing, call.clone()));
                    standing = next;
                }
            }
            at += 1;
        }
        self.result(&standing).await;
    }

    /// Becomes one role, or says why not; gives who one is then, if the chain can go on.
    async fn role(
        &mut self,
        from: &ActingPrincipal,
        call: &AssumeRole,
        name: &str,
        at: usize,
        before: Option<&(ActingPrincipal, AssumeRole)>,
    ) -> Option<ActingPrincipal> {
        if !self.may_call() {
            let text = format!("not tried: this diagnosis has made its {CALLS_MAX} calls");
            self.found.links.push(Link::new(LinkKind::Permission, LinkState::Unproven, text).of(name));
            return None;
        }
        self.say(&format!("assuming {name}")).await;
        if call.mfa_serial.is_some() {
            // The code goes with the call itself: it is made the ordinary way, once.
            let (session, _) = self.session_of_step(at).await?;
            self.role_holds(name, call, &from.party.arn, true);
            return Some(standing(session, call, name, true));
        }
        match self.assume(from, call, None).await {
            Ok(issued) => {
                self.role_holds(name, call, &from.party.arn, from.with_mfa);
                let next = standing(issued.session, call, name, from.with_mfa);
                self.harmless(from, call, name, &next).await;
                Some(next)
            }
            Err(error) => self.refused(from, call, name, before, &error).await,
        }
    }

    /// Makes one call. What it gives is dropped, and wiped, by who asked for it.
    async fn assume(
        &mut self,
        from: &ActingPrincipal,
        call: &AssumeRole,
        variation: Option<RequestVariation>,
    ) -> Result<Issued, TokenError> {
        if !self.may_call() {
            return Err(spent());
        }
        let user = from.party.principal().map_or(from.party.name.as_str(), |(_, name)| name);
        let session = call.session_name.clone().unwrap_or_else(|| session_name(user));
        let tokens = &self.broker.ports.tokens;
        let issued = tokens.assume_role(&self.aws, &from.signer, call, &session, None).await;
        let how = variation.map(RequestVariation::as_str);
        self.made("sts:AssumeRole", call.role_arn.as_str(), how, issued.as_ref().map(|_| ()));
        issued
    }

    async fn refused(
        &mut self,
        from: &ActingPrincipal,
        call: &AssumeRole,
        name: &str,
        before: Option<&(ActingPrincipal, AssumeRole)>,
        error: &TokenError,
    ) -> Option<ActingPrincipal> {
        let (Some(code), Kind::Refused) = (&error.code, error.report.kind) else {
            let obstacle = rolecall_core::domain::diagnosis::key::Obstacle::Answer;
            let text = error.report.message.clone();
            let finding = unreachable(obstacle, &error.report).kind(error.report.kind).of(name);
            self.breaks(finding, &text);
            return None;
        };
        if is_unknown_key(code)
            && let Some(finding) = self.rejected_by_region(from, &call.region, name).await
        {
            let text = finding.what.clone();
            self.breaks(finding, &text);
            return None;
        }
        let mut attempt = self.attempt(from, call, name, refusal::read(code, error.words()));
        attempt.words.clone_from(&error.report.message);
        self.say(&format!("looking into the refusal of {name}")).await;
        let (granted, next) = self.vary(from, call, name, before, &attempt).await;
        attempt.granted = granted;
        look(self, from, &call.role_arn, &mut attempt).await;
        let findings = explain(&attempt);
        if let Target::Read { trust: Some(trust), .. } = &attempt.target {
            let ids = trust
                .statements
                .iter()
                .flat_map(|s| &s.conditions)
                .filter(|c| c.key.eq_ignore_ascii_case("sts:ExternalId"));
            self.found.private.extend(ids.flat_map(|condition| condition.values.clone()));
        }
        self.found.private.extend(call.external_id.clone());
        self.tell(name, &attempt, findings, next.is_some());
        next
    }

    fn attempt(&self, from: &ActingPrincipal, call: &AssumeRole, name: &str, refusal: Refusal) -> Attempt {
        let catalogue = self.broker.config.catalogue();
        let identity = &self.plan.identity;
        let is_first = from.party.name == identity.name.as_str();
        let device = catalogue.roles.get(name).and_then(|role| identity.device(role)).filter(|_| is_first);
        Attempt {
            name: name.to_owned(),
            role: call.role_arn.clone(),
            caller: from.party.clone(),
            external_id: call.external_id.clone(),
            with_mfa: from.with_mfa && is_first,
            device: device.map(|serial| serial.as_str().to_owned()),
            takes_mfa: is_first && identity.takes_codes(),
            duration: call.duration,
            source_identity: call.source_identity.clone(),
            tags: call.tags.clone(),
            refusal,
            words: String::new(),
            granted: Vec::new(),
            own: Own::Unread,
            target: Target::Unread,
        }
    }

    /// Makes the same call with one thing different, as far as the refusal leaves open what it was about. Gives what AWS
    /// granted, and who one is by that: the rest of the chain can then be proven as well.
    async fn vary(
        &mut self,
        from: &ActingPrincipal,
        call: &AssumeRole,
        name: &str,
        before: Option<&(ActingPrincipal, AssumeRole)>,
        attempt: &Attempt,
    ) -> (Vec<RequestVariation>, Option<ActingPrincipal>) {
        let mut tried = Vec::new();
        let without_tags = || AssumeRole { tags: BTreeMap::new(), transitive_tag_keys: Vec::new(), ..call.clone() };
        let without_source_identity = || AssumeRole { source_identity: None, ..call.clone() };
        match attempt.refusal {
            Refusal::OverMaximum | Refusal::OverChain => {
                tried.push((RequestVariation::Short, AssumeRole { duration: SHORTEST, ..call.clone() }));
            }
            Refusal::BadPolicy => tried.push((
                RequestVariation::WithoutPolicy,
                AssumeRole { policy: None, policy_arns: Vec::new(), ..call.clone() },
            )),
            Refusal::TagSession => tried.push((RequestVariation::WithoutTags, without_tags())),
            Refusal::SetSourceIdentity => {
                tried.push((RequestVariation::WithoutSourceIdentity, without_source_identity()));
            }
            Refusal::Bare | Refusal::NotAllowed(PolicyKind::Trust | PolicyKind::Other) => {
                if call.external_id.is_some() {
                    tried.push((RequestVariation::WithoutExternalId, AssumeRole { external_id: None, ..call.clone() }));
                }
                if !call.tags.is_empty() {
                    tried.push((RequestVariation::WithoutTags, without_tags()));
                }
                if call.source_identity.is_some() {
                    tried.push((RequestVariation::WithoutSourceIdentity, without_source_identity()));
                }
            }
            _ => {}
        }
        for (variation, call) in tried {
            if !self.may_call() {
                break;
            }
            if let Ok(issued) = self.assume(from, &call, Some(variation)).await {
                return (vec![variation], Some(standing(issued.session, &call, name, from.with_mfa)));
            }
        }
        let is_open = matches!(attempt.refusal, Refusal::Bare | Refusal::NotAllowed(_));
        if let Some((earlier, earlier_call)) = before.filter(|(_, call)| is_open && is_limited(call)) {
            let free = AssumeRole { policy: None, policy_arns: Vec::new(), ..earlier_call.clone() };
            if let Ok(issued) = self.assume(earlier, &free, Some(RequestVariation::WithoutPolicy)).await {
                let unlimited = standing(issued.session, &free, &from.party.name, from.with_mfa);
                if let Ok(issued) = self.assume(&unlimited, call, Some(RequestVariation::CallerUnlimited)).await {
                    return (
                        vec![RequestVariation::CallerUnlimited],
                        Some(standing(issued.session, call, name, false)),
                    );
                }
            }
        }
        if attempt.refusal == Refusal::Bare
            && let Some(with_mfa) = self.with_mfa(from, attempt).await
            && let Ok(issued) = self.assume(&with_mfa, call, Some(RequestVariation::WithMfa)).await
        {
            return (vec![RequestVariation::WithMfa], Some(standing(issued.session, call, name, true)));
        }
        (Vec::new(), None)
    }

    /// Gets the identity's MFA session, where it has a device that this role does without.
    async fn with_mfa(&mut self, from: &ActingPrincipal, attempt: &Attempt) -> Option<ActingPrincipal> {
        if attempt.with_mfa || !attempt.takes_mfa || attempt.device.is_none() || !self.may_call() {
            return None;
        }
        let plan = self.broker.config.find_plan(self.plan.identity.name.as_str()).await.ok()?;
        plan.mfa_serial()?;
        let role = std::mem::replace(&mut self.plan, plan);
        let (links, findings) = (self.found.links.len(), self.found.findings.len());
        let session = self.session_of_step(0).await;
        self.plan = role;
        if session.is_none() {
            // It was a try: that nobody gave a code is not what is wrong.
            self.found.links.truncate(links);
            self.found.findings.truncate(findings);
        }
        let (session, with_mfa) = session?;
        Some(ActingPrincipal { signer: Signer::Session(session), with_mfa, party: from.party.clone() })
    }

    /// Writes the links of a role that was refused.
    fn tell(&mut self, name: &str, attempt: &Attempt, findings: Vec<Finding>, is_granted: bool) {
        for kind in OF_ROLE {
            let of_link = |finding: &&Finding| finding.link == kind && finding.of.as_deref() == Some(name);
            let worst = findings.iter().filter(of_link).min_by_key(|finding| finding.certainty);
            let (state, text) = match worst {
                Some(finding) if finding.certainty == Certainty::Possible => {
                    (LinkState::Unproven, "AWS refuses, and does not say whether this is why".to_owned())
                }
                Some(finding) => (LinkState::Broken, finding.what.clone()),
                None if is_granted => (LinkState::Holds, "granted, when what is wrong is left out".to_owned()),
                None if kind == LinkKind::Permission && attempt.own == Own::Allowed => {
                    (LinkState::Holds, "IAM's simulator says that it is allowed".to_owned())
                }
                None if kind == LinkKind::SessionPolicy && !findings.iter().any(|f| f.link == kind) => continue,
                None => (LinkState::Unproven, "not reached".to_owned()),
            };
            self.found.links.push(Link::new(kind, state, text).of(name));
        }
        for finding in &findings {
            // One that is about the role before breaks a link that seemed to hold.
            let other = finding.of.as_deref().filter(|of| *of != name);
            let link = self.found.links.iter_mut().find(|l| l.kind == finding.link && l.of.as_deref() == other);
            if let (Some(_), Some(link)) = (other, link) {
                link.state = LinkState::Broken;
                link.text.clone_from(&finding.what);
            }
        }
        self.found.findings.extend(findings);
    }

    /// Compares what a session with a session policy may do with what the role itself may.
    async fn harmless(&mut self, from: &ActingPrincipal, call: &AssumeRole, name: &str, with: &ActingPrincipal) {
        const ACTION: &str = "s3:ListAllMyBuckets";
        let Signer::Session(session) = &with.signer else { return };
        if !is_limited(call) || !self.may_call() {
            return;
        }
        self.say(&format!("trying the session policy of {name}")).await;
        let probes = self.broker.ports.tokens.probes();
        let listed = probes.list_buckets(&self.aws, session, &call.region).await;
        self.made(ACTION, name, None, listed.as_ref().copied());
        let error = match listed {
            Ok(()) => return self.limits(name, "AWS takes it, and leaves s3:ListAllMyBuckets in"),
            Err(error) => error,
        };
        let said = refusal::read(error.code.as_deref().unwrap_or_default(), error.words());
        let narrow = match said {
            Refusal::NotAllowed(PolicyKind::Session) | Refusal::Denied(PolicyKind::Session) => true,
            Refusal::NotAllowed(PolicyKind::Identity) | Refusal::Denied(_) => false,
            _ if error.code.is_none() => false,
            _ => self.may_without_policy(from, call, name).await,
        };
        if !narrow {
            return self.limits(name, "AWS takes it; what it leaves of the role was not tried");
        }
        let finding = narrow_session_policy(name, &call.role_arn, ACTION);
        let link = self
            .found
            .links
            .iter_mut()
            .rev()
            .find(|l| l.kind == LinkKind::SessionPolicy && l.of.as_deref() == Some(name));
        if let Some(link) = link {
            link.state = LinkState::Broken;
            link.text.clone_from(&finding.what);
        }
        self.found.findings.push(finding);
    }

    async fn may_without_policy(&mut self, from: &ActingPrincipal, call: &AssumeRole, name: &str) -> bool {
        let free = AssumeRole { policy: None, policy_arns: Vec::new(), ..call.clone() };
        let Ok(issued) = self.assume(from, &free, Some(RequestVariation::WithoutPolicy)).await else { return false };
        if !self.may_call() {
            return false;
        }
        let probes = self.broker.ports.tokens.probes();
        let listed = probes.list_buckets(&self.aws, &issued.session, &call.region).await;
        self.made(
            "s3:ListAllMyBuckets",
            name,
            Some(RequestVariation::WithoutPolicy.as_str()),
            listed.as_ref().copied(),
        );
        listed.is_ok()
    }

    fn limits(&mut self, name: &str, text: &str) {
        let of_role = |l: &&mut Link| l.kind == LinkKind::SessionPolicy && l.of.as_deref() == Some(name);
        if let Some(link) = self.found.links.iter_mut().rev().find(of_role) {
            text.clone_into(&mut link.text);
        }
    }

    /// Makes a harmless call with what came of it.
    async fn result(&mut self, standing: &ActingPrincipal) {
        if !self.may_call() {
            let text = format!("not tried: this diagnosis has made its {CALLS_MAX} calls");
            return self.link(LinkKind::Result, LinkState::Unproven, text);
        }
        let region = self.plan.key().step().region().to_owned();
        let seen = self.broker.ports.tokens.probes().who(&self.aws, &standing.signer, &region).await;
        self.made("sts:GetCallerIdentity", &standing.party.name, None, seen.who.as_ref().map(|_| ()));
        match &seen.who {
            Ok(who) => self.holds(LinkKind::Result, format!("GetCallerIdentity: {}", who.arn)),
            Err(error) => {
                let report = error.clone().told(&standing.party.name);
                self.breaks(Finding::of_error(Cause::Other, LinkKind::Result, &report), &report.message);
            }
        }
    }
}

fn standing(session: Session, call: &AssumeRole, name: &str, with_mfa: bool) -> ActingPrincipal {
    let party = Party { name: name.to_owned(), arn: call.role_arn.to_string(), session_arn: None };
    ActingPrincipal { signer: Signer::Session(session), party, with_mfa }
}

/// The answer to a call that was not made.
fn spent() -> TokenError {
    let report = UserError::new(Kind::Failed, format!("this diagnosis has made its {CALLS_MAX} calls"));
    TokenError::permanent(report)
}

fn is_limited(call: &AssumeRole) -> bool {
    call.policy.is_some() || !call.policy_arns.is_empty()
}
