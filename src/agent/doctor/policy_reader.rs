//! Who of the configuration may read IAM in an account, and what it says there.
//!
//! The caller itself is asked first, then identities of the vault whose keys are of the account. Nobody is asked for a code,
//! and a refusal only means that this one may not look.

use super::document::parse;
use super::{ActingPrincipal, Diagnoser};
use rolecall_core::domain::arn::{AccountId, IamUser, RoleArn, account_of};
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

/// Looks at both sides of a refusal, where that can tell something and somebody may.
pub(super) async fn look(walk: &mut Diagnoser<'_, '_>, from: &ActingPrincipal, role: &RoleArn, attempt: &mut Attempt) {
    let (own, target) = match attempt.refusal {
        _ if !attempt.granted.is_empty() && attempt.refusal == Refusal::Bare => (false, false),
        Refusal::Bare | Refusal::NotAllowed(PolicyKind::Trust | PolicyKind::Other) => (true, true),
        // The statement is worth showing.
        Refusal::Denied(PolicyKind::Identity) => (true, false),
        Refusal::Denied(PolicyKind::Trust) | Refusal::OverMaximum => (false, true),
        _ => (false, false),
    };
    if own {
        attempt.own = own_side(walk, from, role, attempt.with_mfa).await;
    }
    if target {
        attempt.target = target_side(walk, from, role).await;
    }
}

async fn own_side(walk: &mut Diagnoser<'_, '_>, from: &ActingPrincipal, role: &RoleArn, with_mfa: bool) -> Own {
    let principal = from.party.arn.clone();
    let Some(account) = account_of(&principal).filter(|_| from.party.principal().is_some()) else {
        return Own::Unread;
    };
    for signer in readers(walk, &from.signer, &from.party.arn, &account).await {
        if !walk.may_call() {
            break;
        }
        let probes = walk.broker.ports.tokens.probes();
        let answer = probes.simulate(&walk.aws, &signer, &principal, role, with_mfa).await;
        walk.made("iam:SimulatePrincipalPolicy", &principal, None, answer.as_ref().map(|_| ()));
        match answer {
            Ok(Simulated::Allowed) => return Own::Allowed,
            Ok(Simulated::NotAllowed) => return Own::NotAllowed,
            Ok(Simulated::Denied(policy)) => return denying(walk, &signer, &principal, policy, role).await,
            Err(_) => {}
        }
    }
    Own::Unread
}

/// Reads the policy that denies, for its statement.
async fn denying(
    walk: &mut Diagnoser<'_, '_>,
    signer: &Signer,
    principal: &str,
    policy: Option<String>,
    role: &RoleArn,
) -> Own {
    let Some(id) = policy else { return Own::Denied { policy: None, statement: None } };
    // The simulator calls an inline policy `user_NAME_POLICY` or `role_NAME_POLICY`.
    let owner = principal.rsplit('/').next().unwrap_or_default();
    let kind = if principal.contains(":role/") { "role" } else { "user" };
    let Some(name) = id.strip_prefix(&format!("{kind}_{owner}_")).map(str::to_owned) else {
        return Own::Denied { policy: Some(format!("policy {id}")), statement: None };
    };
    if !walk.may_call() {
        return Own::Denied { policy: Some(format!("inline policy {name}")), statement: None };
    }
    let probes = walk.broker.ports.tokens.probes();
    let read = probes.inline_policy(&walk.aws, signer, principal, &name).await;
    let action = if kind == "role" { "iam:GetRolePolicy" } else { "iam:GetUserPolicy" };
    walk.made(action, principal, None, read.as_ref().map(|_| ()));
    let document = read.ok().and_then(|text| parse(&text));
    let denies = document.into_iter().flat_map(|document| document.statements).find(|statement| {
        let resource = statement.resources.as_ref().is_none_or(|set| set.covers(role.as_str()));
        statement.denies && resource && statement.actions.covers_action("sts:AssumeRole")
    });
    let statement = denies.map(|statement| statement.text);
    Own::Denied { policy: Some(format!("inline policy {name}")), statement }
}

async fn target_side(walk: &mut Diagnoser<'_, '_>, from: &ActingPrincipal, role: &RoleArn) -> Target {
    for signer in readers(walk, &from.signer, &from.party.arn, role.account()).await {
        if !walk.may_call() {
            break;
        }
        let read = walk.broker.ports.tokens.probes().role(&walk.aws, &signer, role).await;
        walk.made("iam:GetRole", role.as_str(), None, read.as_ref().map(|_| ()));
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
pub(super) async fn listing_of(walk: &mut Diagnoser<'_, '_>, owner: &str, id: &str) -> Listed {
    let (Ok(user), Some(account)) = (IamUser::new(owner), account_of(owner)) else { return Listed::Unread };
    let own = walk.plan.identity.name.clone();
    for signer in others(walk, &account, &own).await {
        if !walk.may_call() {
            break;
        }
        let listing = walk.broker.ports.tokens.access_keys().list(&walk.aws, &signer, &user).await;
        walk.made("iam:ListAccessKeys", owner, None, listing.as_ref().map(|_| ()));
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
async fn readers(walk: &mut Diagnoser<'_, '_>, signer: &Signer, arn: &str, account: &AccountId) -> Vec<Signer> {
    let is_own = account_of(arn).as_ref() == Some(account);
    let mut readers: Vec<Signer> = is_own.then(|| signer.clone()).into_iter().collect();
    let own = walk.plan.identity.name.clone();
    readers.extend(others(walk, account, &own).await);
    readers
}

/// Gives other identities of an account whose keys are in the vault, and sessions of other roles there that are at hand.
async fn others(walk: &mut Diagnoser<'_, '_>, account: &AccountId, own: &Name) -> Vec<Signer> {
    let catalogue = walk.broker.config.catalogue();
    let mut names: Vec<&Name> = catalogue
        .identities
        .values()
        .filter(|identity| identity.has_stored_key() && identity.name != *own)
        .map(|identity| &identity.name)
        .collect();
    names.sort();
    let mut signers = Vec::new();
    for name in names.into_iter().take(KEYS_MAX) {
        if signers.len() == READERS_MAX {
            return signers;
        }
        let Ok(stored) = walk.broker.ports.vault.read(name).await else { continue };
        if account_of(&stored.arn).as_ref() == Some(account) {
            signers.push(Signer::Key(stored.key));
        }
    }
    let mut roles: Vec<_> = catalogue.roles.values().filter(|role| role.role_arn.account() == account).collect();
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    for role in roles.iter().filter(|role| role.name != walk.plan.name) {
        if signers.len() == READERS_MAX {
            break;
        }
        let plan = Plan::of(&catalogue, role.name.as_str()).ok();
        let held = plan.and_then(|plan| {
            let is_role = matches!(plan.key().step(), Step::AssumeRole(_));
            walk.broker.refresher.cache.glance(plan.key()).filter(|_| is_role)?.held
        });
        signers.extend(held.and_then(|held| process_output::parse(&held.line)).map(Signer::Session));
    }
    signers
}
