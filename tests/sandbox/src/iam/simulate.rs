//! SimulatePrincipalPolicy: what a user's or role's own policies decide, and which statements.
//!
//! Rules: IAM API Reference, SimulatePrincipalPolicy and EvaluationResult; IAM User Guide, "IAM policy testing with the IAM
//! policy simulator". Only identity-based policies are asked, as "simulation of resource-based policies isn't supported
//! for IAM roles". A managed policy is called by its name, an inline one `role_ROLE_POLICY` or `user_USER_POLICY`.

use std::collections::BTreeSet;

use super::Outcome;
use super::access::Resource;
use super::documents;
use super::page;
use super::refusals::no_such_entity;
use super::subject::Kind;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::parameters::Parameters;
use crate::policy::context::Context;
use crate::policy::place::{self, Position};
use crate::policy::{Policy, Question, Verdict};
use crate::world::{Permissions, Tags, World};
use crate::xml::Xml;

/// What is not simulated here, so that nobody takes its answer for AWS's.
const NOT_HERE: [&str; 4] =
    ["CallerArn", "PermissionsBoundaryPolicyInputList.member.1", "ResourceOwner", "ResourcePolicy"];

/// The user or role whose policies are asked.
struct Source {
    kind: Kind,
    name: String,
    id: String,
    tags: Tags,
    permissions: Permissions,
}

/// The answer for one action on one resource.
struct Evaluation {
    action: String,
    resource: String,
    verdict: Verdict,
    /// The policies that decide, and where.
    matched: Vec<(String, (Position, Position))>,
    missing: BTreeSet<String>,
}

pub(super) fn principal_policy(exchange: &mut Exchange<'_>, caller: &Caller) -> Outcome {
    let operation = exchange.operation;
    if let Some(name) = NOT_HERE.iter().find(|name| operation.parameter(name).is_some()) {
        let message = format!("The sandbox does not implement {name} of SimulatePrincipalPolicy.");
        return Err(ApiError::new(501, "NotImplemented", message));
    }
    let mut parameters = Parameters::of(operation);
    let arn = parameters.required("PolicySourceArn", (20, 2048), None);
    let mut texts = |name: &str| -> Vec<String> {
        let entries = parameters.list(name, &[""], usize::MAX);
        entries.into_iter().map(|entry| entry[0].unwrap_or_default().to_owned()).collect()
    };
    let (actions, mut resources, inputs) = (texts("ActionNames"), texts("ResourceArns"), texts("PolicyInputList"));
    parameters.finish()?;
    if actions.is_empty() {
        let message = "1 validation error detected: Value null at 'actionNames' failed to satisfy constraint: Member must not be null";
        return Err(ApiError::new(400, "ValidationError", message));
    }
    if let Some(action) = actions.iter().find(|action| !action.contains(':')) {
        return Err(ApiError::new(400, "InvalidInput", format!("Invalid action name: {action}")));
    }
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    Resource::by_arn(arn.to_owned()).allow(exchange, caller)?;
    let source = source(exchange.listed(), arn, &caller.account)?;
    let mut policies = named_policies(exchange.listed(), &source);
    for (at, text) in inputs.iter().enumerate() {
        policies.push((format!("PolicyInputList.{}", at + 1), documents::permissions(text)?));
    }
    let context = context(exchange, arn, &source)?;
    let evaluations = actions.iter().flat_map(|action| {
        let (policies, context) = (&policies, &context);
        resources.iter().map(move |resource| evaluate(policies, action, resource, context))
    });
    let page = page::of(exchange, evaluations.collect())?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        xml.open("EvaluationResults");
        page.items.iter().for_each(|evaluation| write(xml, evaluation));
        xml.close();
    }))
}

fn source(world: &World, arn: &str, account: &str) -> Result<Source, ApiError> {
    let missing = || no_such_entity(format!("The entity {arn} cannot be found."));
    if arn.split(':').nth(4) != Some(account) {
        return Err(ApiError::new(
            400,
            "InvalidInput",
            format!("Invalid Entity Arn: {arn} does not clearly define entity type and name."),
        ));
    }
    if let Some(user) = world.find_user(arn) {
        let (name, id) = (user.name.clone(), user.id.clone());
        return Ok(Source {
            kind: Kind::User,
            name,
            id,
            tags: user.tags.clone(),
            permissions: user.permissions.clone(),
        });
    }
    let role = world.find_role(arn).ok_or_else(missing)?;
    let (name, id) = (role.name.clone(), role.id.clone());
    Ok(Source { kind: Kind::Role, name, id, tags: role.tags.clone(), permissions: role.permissions.clone() })
}

fn named_policies(world: &World, source: &Source) -> Vec<(String, Policy)> {
    let inline = source.permissions.inline.iter();
    let inline =
        inline.map(|(name, policy)| (format!("{}_{}_{name}", source.kind.word(), source.name), policy.clone()));
    let attached = source.permissions.attached.iter().filter_map(|arn| {
        let policy = world.managed_policies.get(arn)?;
        Some((arn.rsplit('/').next().unwrap_or_default().to_owned(), policy.document().clone()))
    });
    inline.chain(attached).collect()
}

/// Gathers what is known of the principal, and what the request says of the situation.
fn context(exchange: &Exchange<'_>, arn: &str, source: &Source) -> Result<Context, ApiError> {
    let mut context = Context::default();
    context.put("aws:PrincipalArn", arn);
    context.put("aws:PrincipalAccount", arn.split(':').nth(4).unwrap_or_default());
    if source.kind == Kind::User {
        context.put("aws:username", &source.name);
        context.put("aws:userid", &source.id);
    }
    for (key, value) in &source.tags {
        context.put(&format!("aws:PrincipalTag/{key}"), value);
    }
    let mut parameters = Parameters::of(exchange.operation);
    let entries = parameters.list("ContextEntries", &["ContextKeyName", "ContextKeyType"], usize::MAX);
    for (at, entry) in entries.into_iter().enumerate() {
        let ([Some(name), Some(_)], prefix) =
            (&entry[..], format!("ContextEntries.member.{}.ContextKeyValues", at + 1))
        else {
            let message = "Each context entry needs a name, a type and values.";
            return Err(ApiError::new(400, "InvalidInput", message));
        };
        let values = parameters.list(&prefix, &[""], usize::MAX);
        context.put_all(name, values.into_iter().map(|value| value[0].unwrap_or_default().to_owned()).collect());
    }
    Ok(context)
}

fn evaluate(policies: &[(String, Policy)], action: &str, resource: &str, context: &Context) -> Evaluation {
    let question = Question { action, resource, context };
    let decided: Vec<_> =
        policies.iter().map(|(name, policy)| (name, policy, policy.statements_that_decide(&question))).collect();
    let is = |wanted| decided.iter().any(|(_, _, (verdict, _))| *verdict == wanted);
    let verdict = [Verdict::Deny, Verdict::Allow].into_iter().find(|wanted| is(*wanted)).unwrap_or(Verdict::Silent);
    let deciding = decided.iter().filter(|(_, _, (found, _))| *found == verdict);
    let matched = deciding.flat_map(|(name, policy, (_, numbers))| {
        let places = place::of_statements(policy.text());
        numbers.iter().filter_map(move |number| Some(((*name).clone(), *places.get(*number)?)))
    });
    let keys = policies.iter().flat_map(|(_, policy)| policy.condition_keys(action));
    let missing = keys.filter(|key| context.get(key).is_none()).map(str::to_owned).collect();
    Evaluation {
        action: action.to_owned(),
        resource: resource.to_owned(),
        verdict,
        matched: matched.collect(),
        missing,
    }
}

fn write(xml: &mut Xml, evaluation: &Evaluation) {
    let decision = match evaluation.verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny => "explicitDeny",
        Verdict::Silent => "implicitDeny",
    };
    xml.open("member").leaf("EvalActionName", &evaluation.action).leaf("EvalResourceName", &evaluation.resource);
    xml.leaf("EvalDecision", decision).open("MatchedStatements");
    for (policy, (start, end)) in &evaluation.matched {
        xml.open("member").leaf("SourcePolicyId", policy).leaf("SourcePolicyType", "IAM Policy");
        write_position(xml.open("StartPosition"), *start);
        xml.close();
        write_position(xml.open("EndPosition"), *end);
        xml.close().close();
    }
    xml.close().open("MissingContextValues");
    for key in &evaluation.missing {
        xml.leaf("member", key);
    }
    xml.close().close();
}

fn write_position(xml: &mut Xml, position: Position) {
    xml.leaf("Line", position.line).leaf("Column", position.column);
}
