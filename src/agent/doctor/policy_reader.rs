//! Who of the configuration may read IAM in an account, and what it says there.
//!
//! The caller itself is asked first, then identities of the vault whose keys are of the account. Nobody is asked for a code,
//! and a refusal only means that this one may not look.

use super::document::parse;
use super::{ActingPrincipal, Diagnoser};
use rolecall_core::domain::arn::{AccountId, IamUser, RoleArn, account_of};
use rolecall_core::domain::catalogue::IdentityKind;
use rolecall_core::domain::credential::Signer;
use rolecall_core::domain::diagnosis::attempt::{Attempt, Own, Target};
use rolecall_core::domain::diagnosis::key::Listed;
use rolecall_core::domain::diagnosis::refusal::{PolicyKind, Refusal};
use rolecall_core::domain::error::printable;
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::{Plan, Step};
use rolecall_ipc::protocol::process_output;
use rolecall_ports::Simulated;

/// How many others of the configuration are tried as readers of an account.
const READERS_MAX: usize = 2;

/// How many keys of others are read to find one of the account.
const KEYS_MAX: usize = 8;

impl Diagnoser<'_> {
    /// Looks at both sides of a refusal, where that can tell something and somebody may.
    pub(super) async fn look(&mut self, from: &ActingPrincipal, role: &RoleArn, attempt: &mut Attempt) {
        let (own, target) = match attempt.refusal {
            _ if !attempt.granted.is_empty() && attempt.refusal == Refusal::Bare => (false, false),
            Refusal::Bare | Refusal::NotAllowed(PolicyKind::Trust | PolicyKind::Other) => (true, true),
            // The statement is worth showing.
            Refusal::Denied(PolicyKind::Identity) => (true, false),
            Refusal::Denied(PolicyKind::Trust) | Refusal::OverMaximum => (false, true),
            _ => (false, false),
        };
        if own {
            attempt.own = self.own(from, role, attempt.with_mfa).await;
        }
        if target {
            attempt.target = self.target(from, role).await;
        }
    }

    async fn own(&mut self, from: &ActingPrincipal, role: &RoleArn, with_mfa: bool) -> Own {
        let principal = from.party.arn.clone();
        let Some(account) = account_of(&principal).filter(|_| from.party.principal().is_some()) else {
            return Own::Unread;
        };
        for signer in self.readers(&from.signer, &from.party.arn, &account).await {
            if !self.may_call() {
                break;
            }
            let probes = self.agent.ports.tokens.probes();
            let answer = probes.simulate(&self.aws, &signer, &principal, role, with_mfa).await;
            self.made("iam:SimulatePrincipalPolicy", &principal, None, answer.as_ref().map(|_| ()));
            match answer {
                Ok(Simulated::Allowed) => return Own::Allowed,
                Ok(Simulated::NotAllowed) => return Own::NotAllowed,
                Ok(Simulated::Denied(policy)) => return self.denying(&signer, &principal, policy, role).await,
                Err(_) => {}
            }
        }
        Own::Unread
    }

    /// Reads the policy that denies, for its statement.
    async fn denying(&mut self, signer: &Signer, principal: &str, policy: Option<String>, role: &RoleArn) -> Own {
        let Some(id) = policy else { return Own::Denied { policy: None, statement: None } };
        // The simulator calls an inline policy `user_NAME_POLICY` or `role_NAME_POLICY`.
        let owner = principal.rsplit('/').next().unwrap_or_default();
        let kind = if principal.contains(":role/") { "role" } else { "user" };
        let Some(name) = id.strip_prefix(&format!("{kind}_{owner}_")).map(str::to_owned) else {
            return Own::Denied { policy: Some(format!("policy {id}")), statement: None };
        };
        if !self.may_call() {
            return Own::Denied { policy: Some(format!("inline policy {name}")), statement: None };
        }
        let probes = self.agent.ports.tokens.probes();
        let read = probes.inline_policy(&self.aws, signer, principal, &name).await;
        let action = if kind == "role" { "iam:GetRolePolicy" } else { "iam:GetUserPolicy" };
        self.made(action, principal, None, read.as_ref().map(|_| ()));
        let document = read.ok().and_then(|text| parse(&text));
        let denies = document.into_iter().flat_map(|document| document.statements).find(|statement| {
            let resource = statement.resources.as_ref().is_none_or(|set| set.covers(role.as_str()));
            statement.denies && resource && statement.actions.covers_action("sts:AssumeRole")
        });
        let statement = denies.map(|statement| statement.text);
        Own::Denied { policy: Some(format!("inline policy {name}")), statement }
    }

    async fn target(&mut self, from: &ActingPrincipal, role: &RoleArn) -> Target {
        for signer in self.readers(&from.signer, &from.party.arn, role.account()).await {
            if !self.may_call() {
                break;
            }
            let read = self.agent.ports.tokens.probes().role(&self.aws, &signer, role).await;
            self.made("iam:GetRole", role.as_str(), None, read.as_ref().map(|_| ()));
            match read {
                Ok(read) if read.arn != role.as_str() => return Target::Elsewhere(printable(&read.arn, 2048)),
                Ok(read) => {
                    return Target::Read { trust: parse(&read.trust), max_session: read.max_session };
                }
                Err(error) if error.is_missing() => return Target::Missing,
                Err(_) => {}
            }
        }
        Target::Unread
    }

    /// Tells whether a user still has a key that AWS does not take.
    pub(super) async fn listing_of(&mut self, owner: &str, id: &str) -> Listed {
        let (Ok(user), Some(account)) = (IamUser::new(owner), account_of(owner)) else { return Listed::Unread };
        let own = self.plan.identity.name.clone();
        for signer in self.others(&account, &own).await {
            if !self.may_call() {
                break;
            }
            let listing = self.agent.ports.tokens.access_keys().list(&self.aws, &signer, &user).await;
            self.made("iam:ListAccessKeys", owner, None, listing.as_ref().map(|_| ()));
            match listing {
                Ok(listing) => {
                    let key = listing.keys.iter().find(|key| key.id == id);
                    return key.map_or(Listed::Gone, |key| if key.active { Listed::Active } else { Listed::Inactive });
                }
                // The user is gone, and the key with it.
                Err(error) if error.is_missing() => return Listed::Gone,
                Err(_) => {}
            }
        }
        Listed::Unread
    }

    /// Gives who may be able to read an account: the caller, if it is of it, and others of the configuration.
    async fn readers(&mut self, signer: &Signer, arn: &str, account: &AccountId) -> Vec<Signer> {
        let is_own = account_of(arn).as_ref() == Some(account);
        let mut readers: Vec<Signer> = is_own.then(|| signer.clone()).into_iter().collect();
        let own = self.plan.identity.name.clone();
        readers.extend(self.others(account, &own).await);
        readers
    }

    /// Gives other identities of an account whose keys are in the vault, and sessions of other roles there that are at hand.
    async fn others(&mut self, account: &AccountId, own: &Name) -> Vec<Signer> {
        let catalogue = self.agent.configuration.catalogue();
        let mut names: Vec<&Name> = catalogue
            .identities
            .values()
            .filter(|identity| identity.kind == IdentityKind::IamUser && identity.name != *own)
            .map(|identity| &identity.name)
            .collect();
        names.sort();
        let mut signers = Vec::new();
        for name in names.into_iter().take(KEYS_MAX) {
            if signers.len() == READERS_MAX {
                return signers;
            }
            let Some(stored) = self.agent.key_of_account(name, account).await else { continue };
            signers.push(Signer::Key(stored));
        }
        let mut roles: Vec<_> = catalogue.roles.values().filter(|role| role.role_arn.account() == account).collect();
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        for role in roles.iter().filter(|role| role.name != self.plan.name) {
            if signers.len() == READERS_MAX {
                break;
            }
            let plan = Plan::of(&catalogue, role.name.as_str()).ok();
            let held = plan.and_then(|plan| {
                let is_role = matches!(plan.key().step(), Step::AssumeRole(_));
                self.agent.sessions.glance(plan.key()).filter(|_| is_role)?.held
            });
            signers.extend(held.and_then(|held| process_output::parse(&held.line)).map(Signer::Session));
        }
        signers
    }
}

impl crate::Agent {
    /// Reads the key of an identity, if it is of an account.
    async fn key_of_account(
        &self,
        name: &Name,
        account: &AccountId,
    ) -> Option<rolecall_core::domain::credential::AccessKey> {
        let stored = self.ports.vault.read(name).await.ok()?;
        (account_of(&stored.arn).as_ref() == Some(account)).then_some(stored.key)
    }
}
