//! A key or session that STS of one Region rejects as unknown: whether another Region accepts it.

use super::{ActingPrincipal, Diagnoser};
use crate::unknown_key::{accepted_by, id_of};
use rolecall_core::domain::diagnosis::Finding;
use rolecall_core::domain::diagnosis::key::wrong_region;
use rolecall_core::domain::regions::{self, Rejected};

impl Diagnoser<'_> {
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
        let (accepted, answers) = accepted_by(&self.agent.ports, &self.aws, &standing.signer, regions).await;
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
