//! Instance profiles, each with one role at most.

use super::access::Resource;
use super::refusals::{already_exists, delete_conflict, no_such_entity, within_quota};
use super::subject::{Kind, Subject};
use super::{Outcome, names, page, roles, tags, time};
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::world::{InstanceProfile, Role, World};
use crate::xml::Xml;

/// "An instance profile can contain only one role, and this quota cannot be increased."
const ROLES: usize = 1;

pub(super) fn create(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    let (name, path) = (names::name(operation, "InstanceProfileName", names::OTHER)?, names::path(operation)?);
    let profile = InstanceProfile {
        account: caller.account.clone(),
        path: path.to_owned(),
        created: exchange.now,
        tags: tags::read(exchange)?,
        ..InstanceProfile::new(name)
    };
    tags::allow_making(exchange, caller, Resource::by_arn(profile.arn()), "TagInstanceProfile", &profile.tags)?;
    let quota = exchange.state.world.quotas.instance_profiles_per_account;
    let profiles = &mut exchange.state.world.account(&caller.account).instance_profiles;
    if profiles.keys().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(already_exists(format!("Instance Profile {name} already exists.")));
    }
    within_quota("InstanceProfilesPerAccount", profiles.len(), quota)?;
    profiles.insert(profile.name.clone(), profile.clone());
    Ok(Box::new(move |xml| {
        write(xml.open("InstanceProfile"), &profile, None);
        xml.close();
    }))
}

pub(super) fn get(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::InstanceProfile, |resource| resource)?;
    let account = exchange.listed().accounts.get(&subject.account);
    let profile = account.and_then(|account| account.instance_profiles.get(&subject.name));
    let profile = profile.cloned().ok_or_else(|| subject.missing())?;
    let role = role_of(&profile, exchange.listed());
    Ok(Box::new(move |xml| {
        write(xml.open("InstanceProfile"), &profile, role.as_ref());
        xml.close();
    }))
}

pub(super) fn delete(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::InstanceProfile, |resource| resource)?;
    if subject.profile_mut(exchange)?.role.is_some() {
        return Err(delete_conflict("Cannot delete entity, must remove roles from instance profile first."));
    }
    exchange.state.world.account(&subject.account).instance_profiles.remove(&subject.name);
    Ok(Box::new(|_| {}))
}

/// AddRoleToInstanceProfile: "The caller of this operation must be granted the PassRole permission on the IAM role".
pub(super) fn add_role(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let name = names::name(exchange.operation, "RoleName", names::USER)?;
    let subject = Subject::asked(exchange, caller, Kind::InstanceProfile, |resource| resource)?;
    let account = exchange.listed().accounts.get(&subject.account);
    let role = account.and_then(|account| account.roles.get(name));
    let arn = role.map_or_else(|| format!("arn:aws:iam::{}:role/{name}", subject.account), Role::arn);
    let exists = role.is_some();
    let passed = Resource::by_arn(arn).with("iam:PassedToService", "ec2.amazonaws.com");
    passed.allow_action("PassRole", exchange, caller)?;
    if !exists {
        return Err(no_such_entity(format!("The role with name {name} cannot be found.")));
    }
    let profile = subject.profile_mut(exchange)?;
    within_quota("InstanceSessionsPerInstanceProfile", usize::from(profile.role.is_some()), ROLES)?;
    profile.role = Some(name.to_owned());
    Ok(Box::new(|_| {}))
}

pub(super) fn remove_role(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let name = names::name(exchange.operation, "RoleName", names::USER)?;
    let subject = Subject::asked(exchange, caller, Kind::InstanceProfile, |resource| resource)?;
    let profile = subject.profile_mut(exchange)?;
    if profile.role.as_deref() != Some(name) {
        return Err(no_such_entity(format!("The role with name {name} cannot be found.")));
    }
    profile.role = None;
    Ok(Box::new(|_| {}))
}

pub(super) fn list(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let prefix = exchange.operation.parameter("PathPrefix").unwrap_or("/").to_owned();
    Resource::by_arn(format!("arn:aws:iam::{}:instance-profile{prefix}", caller.account)).allow(exchange, caller)?;
    write_list(exchange, &caller.account, |profile| profile.path.starts_with(&prefix))
}

pub(super) fn list_for_role(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let role = Subject::asked(exchange, caller, Kind::Role, |resource| resource)?;
    write_list(exchange, &caller.account, |profile| profile.role.as_ref() == Some(&role.name))
}

fn write_list(exchange: &Exchange<'_>, account: &str, wanted: impl Fn(&InstanceProfile) -> bool) -> Outcome {
    let world = exchange.listed();
    let profiles = world.accounts.get(account).into_iter().flat_map(|account| account.instance_profiles.values());
    let found = profiles.filter(|profile| wanted(profile)).map(|profile| (profile.clone(), role_of(profile, world)));
    let page = page::of(exchange, found.collect())?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("InstanceProfiles");
        for (profile, role) in &page.items {
            write(xml.open("member"), profile, role.as_ref());
            xml.close();
        }
        xml.close();
    }))
}

/// Returns the role of a profile, with its trust policy as it is shown.
fn role_of(profile: &InstanceProfile, world: &World) -> Option<(Role, String)> {
    let role = world.accounts.get(&profile.account)?.roles.get(profile.role.as_ref()?)?;
    Some((role.clone(), roles::trust_of(role, world)))
}

fn write(xml: &mut Xml, profile: &InstanceProfile, role: Option<&(Role, String)>) {
    xml.leaf("Path", &profile.path).leaf("InstanceProfileName", &profile.name).leaf("InstanceProfileId", &profile.id);
    xml.leaf("Arn", profile.arn()).leaf("CreateDate", time(profile.created)).open("Roles");
    if let Some((role, trust)) = role {
        roles::write(xml.open("member"), role, trust);
        xml.close();
    }
    xml.close();
    tags::write(xml, &profile.tags);
}
