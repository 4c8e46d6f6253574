//! A user's access keys: made, listed, switched on and off, deleted.

use super::access::Resource;
use super::refusals::{no_such_entity, within_quota};
use super::subject::{Kind, Subject};
use super::{Outcome, page, time};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::world::{AccessKey, KeyHolder, KeyStatus};

pub(super) fn create(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::User, |resource| resource)?;
    let quota = exchange.state.world.quotas.access_keys_per_user;
    within_quota("AccessKeysPerUser", subject.user_mut(exchange)?.access_keys.len(), quota)?;
    let key = AccessKey::made(exchange.now);
    subject.user_mut(exchange)?.access_keys.push(key.clone());
    Ok(Box::new(move |xml| {
        xml.open("AccessKey")
            .leaf("UserName", &subject.name)
            .leaf("AccessKeyId", &key.id)
            .leaf("Status", status(&key))
            .leaf("SecretAccessKey", &key.secret)
            .leaf("CreateDate", time(key.created))
            .close();
    }))
}

pub(super) fn list(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let subject = Subject::asked(exchange, caller, Kind::User, |resource| resource)?;
    let page = page::of(exchange, subject.user(exchange.listed())?.access_keys)?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("AccessKeyMetadata");
        for key in &page.items {
            xml.open("member")
                .leaf("UserName", &subject.name)
                .leaf("AccessKeyId", &key.id)
                .leaf("Status", status(key))
                .leaf("CreateDate", time(key.created))
                .close();
        }
        xml.close();
    }))
}

pub(super) fn update(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let (subject, id) = key_of(exchange, caller)?;
    let status = match exchange.operation.parameter("Status") {
        Some("Active") => KeyStatus::Active,
        Some("Inactive") => KeyStatus::Inactive,
        other => {
            let message = format!(
                "1 validation error detected: Value '{}' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]",
                other.unwrap_or_default()
            );
            return Err(ApiError::new(400, "ValidationError", message));
        }
    };
    let keys = &mut subject.user_mut(exchange)?.access_keys;
    keys.iter_mut().filter(|key| key.id == id).for_each(|key| key.status = status);
    Ok(Box::new(|_| {}))
}

pub(super) fn delete(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let (subject, id) = key_of(exchange, caller)?;
    subject.user_mut(exchange)?.access_keys.retain(|key| key.id != id);
    Ok(Box::new(|_| {}))
}

/// Tells when a key was last used, and whose it is; `N/A` where it never was.
pub(super) fn last_used(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let id = key_id(exchange)?;
    let owner = match exchange.state.world.find_key(&id) {
        Some((KeyHolder::User(user), key)) if user.account == caller.account => Some((user.clone(), key.clone())),
        _ => None,
    };
    // Of a key that is nobody's here nothing is said.
    let Some((user, key)) = owner else {
        let message = format!("The user with Access Key ID {id} cannot be found.");
        return Err(ApiError::new(403, "AccessDenied", message));
    };
    Resource::named("user", &user.name, user.arn()).tagged(&user.tags).allow(exchange, caller)?;
    Ok(Box::new(move |xml| {
        xml.leaf("UserName", &user.name).open("AccessKeyLastUsed");
        if let Some(used) = &key.last_used {
            xml.leaf("LastUsedDate", time(used.date));
        }
        let of = |part: fn(&crate::world::LastUse) -> &String| key.last_used.as_ref().map_or("N/A", |used| part(used));
        xml.leaf("ServiceName", of(|used| &used.service)).leaf("Region", of(|used| &used.region)).close();
    }))
}

fn key_id(exchange: &Exchange<'_>) -> Result<String, ApiError> {
    let id = exchange.operation.parameter("AccessKeyId").unwrap_or_default();
    if (16..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(id.to_owned());
    }
    Err(ApiError::new(
        400,
        "ValidationError",
        "1 validation error detected: Value at 'accessKeyId' is not an access key id",
    ))
}

/// Finds the user and the key that a request is about.
fn key_of(exchange: &mut Exchange<'_>, caller: &Caller) -> Result<(Subject, String), ApiError> {
    let id = key_id(exchange)?;
    let subject = Subject::asked(exchange, caller, Kind::User, |resource| resource)?;
    if subject.user_mut(exchange)?.access_keys.iter().any(|key| key.id == id) {
        return Ok((subject, id));
    }
    Err(no_such_entity(format!("The Access Key with id {id} cannot be found.")))
}

fn status(key: &AccessKey) -> &'static str {
    match key.status {
        KeyStatus::Active => "Active",
        KeyStatus::Inactive => "Inactive",
    }
}
