//! Users: made, shown, deleted.

use super::access::Resource;
use super::refusals::{already_exists, delete_conflict, within_quota};
use super::subject::{Kind, Subject};
use super::{Outcome, names, page, tags, time};
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::world::User;
use crate::xml::Xml;

pub(super) fn create(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    let (name, path) = (names::name(operation, "UserName", names::USER)?, names::path(operation)?);
    let given = tags::read(exchange)?;
    let user =
        User { account: caller.account.clone(), created: exchange.now, tags: given, ..User::new(name).with_path(path) };
    tags::allow_making(exchange, caller, Resource::by_arn(user.arn()), "TagUser", &user.tags)?;
    let quota = exchange.state.world.quotas.users_per_account;
    let users = &mut exchange.state.world.account(&caller.account).users;
    if users.keys().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(already_exists(format!("User with name {name} already exists.")));
    }
    within_quota("UsersPerAccount", users.len(), quota)?;
    users.insert(user.name.clone(), user.clone());
    Ok(Box::new(move |xml| {
        write(xml.open("User"), &user);
        tags::write(xml, &user.tags);
        xml.close();
    }))
}

pub(super) fn get(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let user = Subject::asked(exchange, caller, Kind::User, |resource| resource)?.user(exchange.listed())?;
    Ok(Box::new(move |xml| {
        write(xml.open("User"), &user);
        tags::write(xml, &user.tags);
        xml.close();
    }))
}

/// DeleteUser: everything that belongs to the user must be gone before.
pub(super) fn delete(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::User, |resource| resource)?;
    let user = subject.user_mut(exchange)?;
    let conflicts = [
        (!user.access_keys.is_empty(), "Cannot delete entity, must delete access keys first."),
        (!user.mfa_devices.is_empty(), "Cannot delete entity, must delete MFA device first."),
        (!user.permissions.attached.is_empty(), "Cannot delete entity, must detach all policies first."),
        (!user.permissions.inline.is_empty(), "Cannot delete entity, must delete policies first."),
    ];
    if let Some((_, message)) = conflicts.iter().find(|(conflict, _)| *conflict) {
        return Err(delete_conflict(message));
    }
    exchange.state.world.account(&subject.account).users.remove(&subject.name);
    Ok(Box::new(|_| {}))
}

pub(super) fn list(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let prefix = exchange.operation.parameter("PathPrefix").unwrap_or("/");
    Resource::by_arn(format!("arn:aws:iam::{}:user{prefix}", caller.account)).allow(exchange, caller)?;
    let account = exchange.listed().accounts.get(&caller.account);
    let users = account.into_iter().flat_map(|account| account.users.values());
    let page = page::of(exchange, users.filter(|user| user.path.starts_with(prefix)).cloned().collect())?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("Users");
        for user in &page.items {
            write(xml.open("member"), user);
            xml.close();
        }
        xml.close();
    }))
}

/// Lists a user's groups: there are none in this world.
pub(super) fn list_groups(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    Subject::asked(exchange, caller, Kind::User, |resource| resource)?;
    Ok(Box::new(|xml| {
        xml.leaf("IsTruncated", false).open("Groups").close();
    }))
}

fn write(xml: &mut Xml, user: &User) {
    xml.leaf("Path", &user.path).leaf("UserName", &user.name).leaf("UserId", &user.id).leaf("Arn", user.arn());
    xml.leaf("CreateDate", time(user.created));
}
