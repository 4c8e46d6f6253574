//! Managed policies and their versions.

use super::access::Resource;
use super::refusals::{already_exists, delete_conflict, limit_exceeded, no_such_entity, within_quota};
use super::subject::{Kind, Subject};
use super::{Outcome, documents, names, page, tags, time};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::policy::Policy;
use crate::world::{ManagedPolicy, Permissions, PolicyVersion, World};
use crate::xml::Xml;

pub(super) fn create(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    let (name, path) = (names::name(operation, "PolicyName", names::OTHER)?, names::path(operation)?);
    let text = names::document(operation, "PolicyDocument")?;
    let description = names::description(operation)?;
    let given = tags::read(exchange)?;
    let arn = format!("arn:aws:iam::{}:policy{path}{name}", caller.account);
    tags::allow_making(exchange, caller, Resource::named("policy", name, arn.clone()), "TagPolicy", &given)?;
    let document = document(exchange, text)?;
    let own: Vec<&String> = of_account(&exchange.state.world, &caller.account).map(|(arn, _)| arn).collect();
    if own.iter().any(|known| known.rsplit('/').next().is_some_and(|known| known.eq_ignore_ascii_case(name))) {
        let message = format!("A policy called {name} already exists. Duplicate names are not allowed.");
        return Err(already_exists(message));
    }
    within_quota("PoliciesPerAccount", own.len(), exchange.state.world.quotas.policies_per_account)?;
    let policy = ManagedPolicy { description, tags: given, ..ManagedPolicy::made(document, exchange.now) };
    exchange.state.world.managed_policies.insert(arn.clone(), policy.clone());
    Ok(Box::new(move |xml| {
        write(xml.open("Policy"), &arn, &policy, 0);
        tags::write(xml, &policy.tags);
        xml.close();
    }))
}

fn document(exchange: &Exchange<'_>, text: &str) -> Result<Policy, ApiError> {
    let document = documents::permissions(text)?;
    let quota = exchange.state.world.quotas.policy_size;
    if documents::size(text) > quota {
        return Err(limit_exceeded(format!("Cannot exceed quota for PolicySize: {quota}")));
    }
    Ok(document)
}

pub(super) fn get(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let (arn, policy) = asked(exchange, caller)?;
    let attachments = attachments(exchange.listed(), &arn, &caller.account);
    Ok(Box::new(move |xml| {
        write(xml.open("Policy"), &arn, &policy, attachments);
        if let Some(description) = &policy.description {
            xml.leaf("Description", description);
        }
        tags::write(xml, &policy.tags);
        xml.close();
    }))
}

/// DeletePolicy: "you must first detach the policy from all users, groups, and roles" and delete its other versions.
pub(super) fn delete(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::Policy, |resource| resource)?;
    let versions = own_mut(exchange, &subject.account, &subject.name)?.versions.len();
    if attachments(&exchange.state.world, &subject.name, &subject.account) > 0 {
        return Err(delete_conflict("Cannot delete a policy attached to entities."));
    }
    if versions > 1 {
        return Err(delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    exchange.state.world.managed_policies.remove(&subject.name);
    Ok(Box::new(|_| {}))
}

/// Lists the account's own policies; `Scope` may ask for AWS's as well or instead.
pub(super) fn list(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    let prefix = operation.parameter("PathPrefix").unwrap_or("/").to_owned();
    let scope = operation.parameter("Scope").unwrap_or("All");
    Resource::named("policy", "path /", format!("arn:aws:iam::{}:policy{prefix}", caller.account))
        .allow(exchange, caller)?;
    let wanted = |arn: &str| {
        let local = arn.split(':').nth(4) == Some(caller.account.as_str());
        let aws = arn.split(':').nth(4) == Some("aws");
        (local && scope != "AWS" || aws && scope != "Local") && path(arn).starts_with(&prefix)
    };
    let world = exchange.listed();
    let found = world.managed_policies.iter().filter(|(arn, _)| wanted(arn));
    let found = found.map(|(arn, policy)| (arn.clone(), policy.clone(), attachments(world, arn, &caller.account)));
    let page = page::of(exchange, found.collect())?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("Policies");
        for (arn, policy, attachments) in &page.items {
            write(xml.open("member"), arn, policy, *attachments);
            xml.close();
        }
        xml.close();
    }))
}

pub(super) fn create_version(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let text = names::document(exchange.operation, "PolicyDocument")?;
    let is_default = exchange.operation.parameter("SetAsDefault") == Some("true");
    let subject = Subject::asked(exchange, caller, Kind::Policy, |resource| resource)?;
    let document = document(exchange, text)?;
    let (now, quota) = (exchange.now, exchange.state.world.quotas.versions_per_policy);
    let policy = own_mut(exchange, &subject.account, &subject.name)?;
    if policy.versions.len() >= quota {
        return Err(limit_exceeded(format!(
            "A managed policy can have up to {quota} versions. Before you create a new version, you must delete an existing version."
        )));
    }
    let number = policy.versions.iter().map(|version| version.number).max().unwrap_or_default() + 1;
    let version = PolicyVersion { number, document, created: now };
    policy.versions.push(version.clone());
    policy.updated = now;
    if is_default {
        policy.default_version = number;
    }
    Ok(Box::new(move |xml| {
        write_version(xml.open("PolicyVersion"), &version, is_default);
        xml.close();
    }))
}

pub(super) fn get_version(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let (arn, policy) = asked(exchange, caller)?;
    let number = version_number(exchange, &arn)?;
    let version = policy.version(number).cloned().ok_or_else(|| no_version(exchange, &arn))?;
    Ok(Box::new(move |xml| {
        xml.open("PolicyVersion").leaf("Document", documents::encoded(version.document.text()));
        write_version(xml, &version, policy.default_version == version.number);
        xml.close();
    }))
}

pub(super) fn list_versions(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let (_, policy) = asked(exchange, caller)?;
    let page = page::of(exchange, policy.versions.iter().rev().cloned().collect())?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("Versions");
        for version in &page.items {
            write_version(xml.open("member"), version, policy.default_version == version.number);
            xml.close();
        }
        xml.close();
    }))
}

pub(super) fn set_default_version(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::Policy, |resource| resource)?;
    let number = version_number(exchange, &subject.name)?;
    let missing = no_version(exchange, &subject.name);
    let now = exchange.now;
    let policy = own_mut(exchange, &subject.account, &subject.name)?;
    policy.version(number).ok_or(missing)?;
    (policy.default_version, policy.updated) = (number, now);
    Ok(Box::new(|_| {}))
}

pub(super) fn delete_version(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::Policy, |resource| resource)?;
    let number = version_number(exchange, &subject.name)?;
    let missing = no_version(exchange, &subject.name);
    let policy = own_mut(exchange, &subject.account, &subject.name)?;
    policy.version(number).ok_or(missing)?;
    if number == policy.default_version {
        return Err(delete_conflict("Cannot delete the default version of a policy."));
    }
    policy.versions.retain(|version| version.number != number);
    Ok(Box::new(|_| {}))
}

/// Reads `v2` as 2.
fn version_number(exchange: &Exchange<'_>, arn: &str) -> Result<u32, ApiError> {
    let id = exchange.operation.parameter("VersionId").unwrap_or_default();
    let invalid = || {
        let message = format!(
            "1 validation error detected: Value '{id}' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
        );
        ApiError::new(400, "ValidationError", message)
    };
    let number = id.strip_prefix('v').filter(|digits| !digits.starts_with('0')).ok_or_else(invalid)?;
    number.parse().map_err(|_| no_version(exchange, arn))
}

fn no_version(exchange: &Exchange<'_>, arn: &str) -> ApiError {
    let id = exchange.operation.parameter("VersionId").unwrap_or_default();
    no_such_entity(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

fn asked(exchange: &Exchange<'_>, caller: &Caller) -> Result<(String, ManagedPolicy), ApiError> {
    let subject = Subject::asked(exchange, caller, Kind::Policy, |resource| resource)?;
    let policy = find(exchange, &subject.account, &subject.name).cloned().ok_or_else(|| subject.missing())?;
    Ok((subject.name, policy))
}

/// Finds a policy of the account or of AWS, as reads see it.
pub(super) fn find<'e>(exchange: &'e Exchange<'_>, account: &str, arn: &str) -> Option<&'e ManagedPolicy> {
    let owner = arn.split(':').nth(4)?;
    exchange.listed().managed_policies.get(arn).filter(|_| owner == account || owner == "aws")
}

/// Finds a policy to change it: nobody changes AWS's.
pub(super) fn own_mut<'e>(
    exchange: &'e mut Exchange<'_>,
    account: &str,
    arn: &str,
) -> Result<&'e mut ManagedPolicy, ApiError> {
    if arn.split(':').nth(4) != Some(account) {
        let message = format!("Policy {arn} is outside your own account.");
        return Err(ApiError::new(403, "AccessDenied", message));
    }
    let policy = exchange.state.world.managed_policies.get_mut(arn);
    policy.ok_or_else(|| no_such_entity(format!("Policy {arn} was not found.")))
}

fn of_account<'w>(world: &'w World, account: &str) -> impl Iterator<Item = (&'w String, &'w ManagedPolicy)> {
    let account = account.to_owned();
    world.managed_policies.iter().filter(move |(arn, _)| arn.split(':').nth(4) == Some(account.as_str()))
}

/// Counts the users and roles of an account that a policy is attached to.
fn attachments(world: &World, arn: &str, account: &str) -> usize {
    let Some(account) = world.accounts.get(account) else { return 0 };
    let is_attached = |permissions: &&Permissions| permissions.attached.contains(arn);
    let users = account.users.values().map(|user| &user.permissions).filter(is_attached).count();
    users + account.roles.values().map(|role| &role.permissions).filter(is_attached).count()
}

/// Returns the path in a policy's ARN.
fn path(arn: &str) -> &str {
    let whole = arn.split_once(":policy").map_or("/", |(_, rest)| rest);
    whole.rfind('/').map_or("/", |end| &whole[..=end])
}

fn write(xml: &mut Xml, arn: &str, policy: &ManagedPolicy, attachments: usize) {
    xml.leaf("PolicyName", arn.rsplit('/').next().unwrap_or_default()).leaf("PolicyId", &policy.id).leaf("Arn", arn);
    xml.leaf("Path", path(arn)).leaf("DefaultVersionId", format!("v{}", policy.default_version));
    xml.leaf("AttachmentCount", attachments).leaf("PermissionsBoundaryUsageCount", 0).leaf("IsAttachable", true);
    xml.leaf("CreateDate", time(policy.created)).leaf("UpdateDate", time(policy.updated));
}

fn write_version(xml: &mut Xml, version: &PolicyVersion, is_default: bool) {
    xml.leaf("VersionId", format!("v{}", version.number)).leaf("IsDefaultVersion", is_default);
    xml.leaf("CreateDate", time(version.created));
}
