//! From a signature to a caller.
//!
//! The order of the checks is part of what clients see: scope, key, token, expiry, issuer, age, signature. Each service
//! then words a failure in its own way.

use chrono::{DateTime, TimeDelta, Utc};

use crate::caller::{Caller, Holder, Principal, Session, Sessions};
use crate::request::{Request, Service};
use crate::signature::{Presented, compact};
use crate::world::{KeyHolder, KeyStatus, World};

/// Why a request comes from nobody we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// It is not signed.
    Unsigned,
    /// Its signature lacks a part.
    Incomplete(String),
    /// Its signature is for another service.
    WrongService { expected: &'static str, given: String },
    /// Its signature is for another day, place or purpose.
    WrongScope(String),
    /// Its key does not exist, is inactive, or belongs to nobody any more.
    UnknownKey,
    /// Its session token is missing, of another session, or not expected.
    WrongToken,
    /// Its session has ended.
    Expired,
    /// It was signed too long ago or in the future.
    WrongTime { signed: DateTime<Utc>, now: DateTime<Utc>, tolerance: TimeDelta },
    /// It is a presigned request past its time.
    PresignedExpired,
    /// The secret did not sign it.
    WrongSignature,
}

/// How far a client's clock may be off: "Signature expired" texts name 5 minutes, S3's RequestTimeTooSkewed 15.
fn tolerance(service: Service) -> TimeDelta {
    TimeDelta::minutes(if service == Service::S3 { 15 } else { 5 })
}

/// Finds out who signed a request.
pub(crate) fn authenticate(
    world: &World,
    sessions: &Sessions,
    request: &Request,
    presented: Result<Option<&Presented>, &String>,
    service: Service,
    now: DateTime<Utc>,
) -> Result<Caller, Stranger> {
    let presented = presented.map_err(|missing| Stranger::Incomplete(missing.clone()))?.ok_or(Stranger::Unsigned)?;
    check_scope(presented, service)?;
    let (caller, secret) = match sessions.find(&presented.access_key_id) {
        Some(session) => session_caller(world, session, presented, now)?,
        None => long_term_caller(world, presented)?,
    };
    check_region(world, &caller, presented)?;
    check_age(presented, service, now)?;
    if !presented.is_by(&secret, request) {
        return Err(Stranger::WrongSignature);
    }
    // A token beside a long-term key is only looked at once the signature is good.
    if caller.session.is_none() && presented.session_token.is_some() {
        return Err(Stranger::WrongToken);
    }
    Ok(caller)
}

fn check_scope(presented: &Presented, service: Service) -> Result<(), Stranger> {
    let scope = &presented.scope;
    if scope.service != service.signing_name() {
        return Err(Stranger::WrongService { expected: service.signing_name(), given: scope.service.clone() });
    }
    if !is_region(&scope.region) {
        return Err(Stranger::WrongScope("Credential should be scoped to a valid region. ".to_owned()));
    }
    if scope.terminator != "aws4_request" {
        let message = format!(
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{}'. ",
            scope.terminator
        );
        return Err(Stranger::WrongScope(message));
    }
    let (day, time) = (presented.time.format("%Y%m%d").to_string(), presented.time_text());
    if scope.date != day {
        let message = format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', from '{time}'. ",
            scope.date
        );
        return Err(Stranger::WrongScope(message));
    }
    Ok(())
}

/// Refuses the credentials of an account in a Region that it has not enabled, or of another partition: "the Region must be
/// activated in both the account from which the request is made and the account for which the credentials are generated"
/// ("Manage AWS STS in an AWS Region"). AWS words it as it words an unknown key.
fn check_region(world: &World, caller: &Caller, presented: &Presented) -> Result<(), Stranger> {
    let account = world.accounts.get(&caller.account);
    if account.is_some_and(|account| !account.is_known_in(&presented.scope.region)) {
        return Err(Stranger::UnknownKey);
    }
    Ok(())
}

/// Says whether a name has the form of a region's, such as `eu-west-1`; one address serves them all.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    parts.len() >= 3
        && parts[..parts.len() - 1]
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
        && parts.last().is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn long_term_caller(world: &World, presented: &Presented) -> Result<(Caller, String), Stranger> {
    let (holder, key) = world.find_key(&presented.access_key_id).ok_or(Stranger::UnknownKey)?;
    if key.status == KeyStatus::Inactive {
        return Err(Stranger::UnknownKey);
    }
    let (account, principal) = match holder {
        KeyHolder::Root(account) => (account.id.clone(), Principal::Root),
        KeyHolder::User(user) => (user.account.clone(), Principal::User(Box::new(user.clone()))),
    };
    Ok((Caller { account, principal, session: None }, key.secret.clone()))
}

fn session_caller(
    world: &World,
    session: &Session,
    presented: &Presented,
    now: DateTime<Utc>,
) -> Result<(Caller, String), Stranger> {
    if presented.session_token.as_ref() != Some(&session.credentials.session_token) {
        return Err(Stranger::WrongToken);
    }
    if now >= session.credentials.expiration {
        return Err(Stranger::Expired);
    }
    let (account, principal, facts) = match &session.holder {
        Holder::Root { account } => (account.clone(), Principal::Root, session.facts),
        Holder::User { arn, id } => {
            let user = world.find_user(arn).filter(|user| user.id == *id).ok_or(Stranger::UnknownKey)?;
            (user.account.clone(), Principal::User(Box::new(user.clone())), session.facts)
        }
        Holder::Role(role_session) => {
            let role = world.find_role(&role_session.role_arn);
            let role = role.filter(|role| role.id == role_session.role_id).ok_or(Stranger::UnknownKey)?;
            (role.account.clone(), Principal::Role(role_session.clone()), session.facts)
        }
    };
    Ok((Caller { account, principal, session: Some(facts) }, session.credentials.secret_access_key.clone()))
}

fn check_age(presented: &Presented, service: Service, now: DateTime<Utc>) -> Result<(), Stranger> {
    let (signed, tolerance) = (presented.time, tolerance(service));
    if let Some(expires) = presented.expires {
        let life = TimeDelta::from_std(expires).unwrap_or(TimeDelta::MAX);
        if signed.checked_add_signed(life).is_some_and(|end| now > end) {
            return Err(Stranger::PresignedExpired);
        }
        if signed - now > tolerance {
            return Err(Stranger::WrongTime { signed, now, tolerance });
        }
        return Ok(());
    }
    if (now - signed).abs() > tolerance {
        return Err(Stranger::WrongTime { signed, now, tolerance });
    }
    Ok(())
}

/// Words a signature's age as STS and IAM do.
pub(crate) fn age_message(signed: DateTime<Utc>, now: DateTime<Utc>, tolerance: TimeDelta) -> String {
    let (minutes, text) = (tolerance.num_minutes(), compact(signed));
    if signed < now {
        format!(
            "Signature expired: {text} is now earlier than {} ({} - {minutes} min.)",
            compact(now - tolerance),
            compact(now)
        )
    } else {
        format!(
            "Signature not yet current: {text} is still later than {} ({} + {minutes} min.)",
            compact(now + tolerance),
            compact(now)
        )
    }
}
