//! The policies of a user or a role: inline ones put in and taken out, managed ones attached and detached.

use super::refusals::{limit_exceeded, no_such_entity, within_quota};
use super::subject::{Kind, Subject};
use super::{Outcome, documents, names, page, policies};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::xml::Xml;

pub(super) fn attach(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let arn = names::policy_arn(exchange.operation)?;
    let subject = Subject::asked(exchange, caller, kind, |resource| resource.with("iam:PolicyARN", arn))?;
    if policies::find(exchange, &subject.account, arn).is_none() {
        return Err(no_such_entity(format!("Policy {arn} does not exist or is not attachable.")));
    }
    let quotas = exchange.state.world.quotas;
    let (name, quota) = match kind {
        Kind::User => ("PoliciesPerUser", quotas.policies_per_user),
        _ => ("PoliciesPerRole", quotas.policies_per_role),
    };
    let attached = &mut subject.permissions_mut(exchange)?.attached;
    if !attached.contains(arn) {
        within_quota(name, attached.len(), quota)?;
        attached.insert(arn.to_owned());
    }
    Ok(Box::new(|_| {}))
}

pub(super) fn detach(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let arn = names::policy_arn(exchange.operation)?;
    let subject = Subject::asked(exchange, caller, kind, |resource| resource.with("iam:PolicyARN", arn))?;
    if subject.permissions_mut(exchange)?.attached.remove(arn) {
        return Ok(Box::new(|_| {}));
    }
    Err(no_such_entity(format!("Policy {arn} was not found.")))
}

pub(super) fn list_attached(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let subject = Subject::asked(exchange, caller, kind, |resource| resource)?;
    let attached = subject.permissions(exchange.listed())?.attached;
    let page = page::of(exchange, attached.into_iter().collect())?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("AttachedPolicies");
        for arn in &page.items {
            let name = arn.rsplit('/').next().unwrap_or_default();
            xml.open("member").leaf("PolicyName", name).leaf("PolicyArn", arn).close();
        }
        xml.close();
    }))
}

pub(super) fn put(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let operation = exchange.operation;
    let name = names::name(operation, "PolicyName", names::OTHER)?;
    let document = names::document(operation, "PolicyDocument")?;
    let subject = Subject::asked(exchange, caller, kind, |resource| resource)?;
    let policy = documents::permissions(document)?;
    let quotas = exchange.state.world.quotas;
    let quota = if kind == Kind::User { quotas.user_policy_size } else { quotas.role_policy_size };
    let inline = &mut subject.permissions_mut(exchange)?.inline;
    let others = inline.iter().filter(|(known, _)| *known != name).map(|(_, policy)| documents::size(policy.text()));
    if others.sum::<usize>() + documents::size(document) > quota {
        let message = format!("Maximum policy size of {quota} bytes exceeded for {} {}", kind.word(), subject.name);
        return Err(limit_exceeded(message));
    }
    inline.insert(name.to_owned(), policy);
    Ok(Box::new(|_| {}))
}

pub(super) fn delete(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let name = names::name(exchange.operation, "PolicyName", names::OTHER)?;
    let subject = Subject::asked(exchange, caller, kind, |resource| resource)?;
    let removed = subject.permissions_mut(exchange)?.inline.remove(name);
    removed.ok_or_else(|| missing(kind, name)).map(|_| -> super::Write { Box::new(|_| {}) })
}

pub(super) fn get(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let name = names::name(exchange.operation, "PolicyName", names::OTHER)?;
    let subject = Subject::asked(exchange, caller, kind, |resource| resource)?;
    let inline = subject.permissions(exchange.listed())?.inline;
    let document = inline.get(name).ok_or_else(|| missing(kind, name))?.text().to_owned();
    let name = name.to_owned();
    Ok(Box::new(move |xml| {
        xml.leaf(if kind == Kind::User { "UserName" } else { "RoleName" }, &subject.name);
        xml.leaf("PolicyName", name).leaf("PolicyDocument", documents::encoded(&document));
    }))
}

pub(super) fn list(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let subject = Subject::asked(exchange, caller, kind, |resource| resource)?;
    let inline = subject.permissions(exchange.listed())?.inline;
    let page = page::of(exchange, inline.into_keys().collect())?;
    Ok(Box::new(move |xml: &mut Xml| {
        page.write(xml);
        xml.open("PolicyNames");
        for name in &page.items {
            xml.leaf("member", name);
        }
        xml.close();
    }))
}

fn missing(kind: Kind, name: &str) -> ApiError {
    no_such_entity(format!("The {} policy with name {name} cannot be found.", kind.word()))
}
