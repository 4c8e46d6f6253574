//! Roles: made, shown, changed, deleted.

use super::access::Resource;
use super::refusals::{already_exists, delete_conflict, within_quota};
use super::subject::{Kind, Subject};
use super::{Outcome, documents, names, page, tags, time};
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::world::{Role, World};
use crate::xml::Xml;

pub(super) fn create(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    let (name, path) = (names::name(operation, "RoleName", names::USER)?, names::path(operation)?);
    let document = names::document(operation, "AssumeRolePolicyDocument")?;
    let (description, seconds) = (names::description(operation)?, names::max_session(operation)?);
    let given = tags::read(exchange)?;
    let arn = format!("arn:aws:iam::{}:role{path}{name}", caller.account);
    tags::allow_making(exchange, caller, Resource::by_arn(arn), "TagRole", &given)?;
    let quotas = exchange.state.world.quotas;
    let trust = documents::trust(document, exchange.known(), quotas.trust_policy_size)?;
    let mut role = Role::new(name, trust).with_path(path);
    role.max_session_seconds = seconds.unwrap_or(role.max_session_seconds);
    let role = Role { account: caller.account.clone(), created: exchange.now, description, tags: given, ..role };
    let roles = &mut exchange.state.world.account(&caller.account).roles;
    if roles.keys().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(already_exists(format!("Role with name {name} already exists.")));
    }
    within_quota("RolesPerAccount", roles.len(), quotas.roles_per_account)?;
    roles.insert(role.name.clone(), role.clone());
    let shown = trust_of(&role, &exchange.state.world);
    Ok(Box::new(move |xml| {
        write(xml.open("Role"), &role, &shown);
        write_more(xml, &role);
        xml.close();
    }))
}

pub(super) fn get(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let role = Subject::asked(exchange, caller, Kind::Role, |resource| resource)?.role(exchange.listed())?;
    let shown = trust_of(&role, exchange.listed());
    Ok(Box::new(move |xml| {
        write(xml.open("Role"), &role, &shown);
        write_more(xml, &role);
        xml.open("RoleLastUsed").close();
        xml.close();
    }))
}

pub(super) fn update(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    let (description, seconds) = (names::description(operation)?, names::max_session(operation)?);
    let subject = Subject::asked(exchange, caller, Kind::Role, |resource| resource)?;
    let role = subject.role_mut(exchange)?;
    role.max_session_seconds = seconds.unwrap_or(role.max_session_seconds);
    if description.is_some() {
        role.description = description;
    }
    Ok(Box::new(|_| {}))
}

pub(super) fn update_trust(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let document = names::document(exchange.operation, "PolicyDocument")?;
    let subject = Subject::asked(exchange, caller, Kind::Role, |resource| resource)?;
    let quota = exchange.state.world.quotas.trust_policy_size;
    let trust = documents::trust(document, exchange.known(), quota)?;
    subject.role_mut(exchange)?.trust = trust;
    Ok(Box::new(|_| {}))
}

/// DeleteRole: "make sure that you do not have any policies or instance profiles attached".
pub(super) fn delete(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::Role, |resource| resource)?;
    let role = subject.role_mut(exchange)?.clone();
    let account = exchange.state.world.account(&subject.account);
    let in_profile = account.instance_profiles.values().any(|profile| profile.role.as_ref() == Some(&role.name));
    let conflicts = [
        (in_profile, "Cannot delete entity, must remove roles from instance profile first."),
        (!role.permissions.attached.is_empty(), "Cannot delete entity, must detach all policies first."),
        (!role.permissions.inline.is_empty(), "Cannot delete entity, must delete policies first."),
    ];
    if let Some((_, message)) = conflicts.iter().find(|(conflict, _)| *conflict) {
        return Err(delete_conflict(message));
    }
    account.roles.remove(&subject.name);
    Ok(Box::new(|_| {}))
}

pub(super) fn list(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let prefix = exchange.operation.parameter("PathPrefix").unwrap_or("/");
    Resource::by_arn(format!("arn:aws:iam::{}:role{prefix}", caller.account)).allow(exchange, caller)?;
    let account = exchange.listed().accounts.get(&caller.account);
    let roles = account.into_iter().flat_map(|account| account.roles.values());
    let shown = roles.filter(|role| role.path.starts_with(prefix));
    let shown = shown.map(|role| (role.clone(), trust_of(role, exchange.listed()))).collect();
    let page = page::of(exchange, shown)?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("Roles");
        for (role, trust) in &page.items {
            write(xml.open("member"), role, trust);
            xml.leaf("MaxSessionDuration", role.max_session_seconds).close();
        }
        xml.close();
    }))
}

/// Returns a role's trust policy as it is shown now.
pub(super) fn trust_of(role: &Role, world: &World) -> String {
    documents::encoded(&role.trust.shown(|arn| world.principal_id(arn)))
}

/// Writes what every answer says of a role.
pub(super) fn write(xml: &mut Xml, role: &Role, trust: &str) {
    xml.leaf("Path", &role.path).leaf("RoleName", &role.name).leaf("RoleId", &role.id).leaf("Arn", role.arn());
    xml.leaf("CreateDate", time(role.created)).leaf("AssumeRolePolicyDocument", trust);
    if let Some(description) = &role.description {
        xml.leaf("Description", description);
    }
}

fn write_more(xml: &mut Xml, role: &Role) {
    xml.leaf("MaxSessionDuration", role.max_session_seconds);
    tags::write(xml, &role.tags);
}
