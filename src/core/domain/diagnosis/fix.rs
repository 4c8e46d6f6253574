//! The statement to add or replace, with the real ARNs, and the command to run.

use super::attempt::{Attempt, Party};
use super::document::Statement;
use crate::domain::arn::RoleArn;

/// Writes a text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes the statement that allows a caller an action on a role.
pub(super) fn permission(action: &str, role: &RoleArn) -> String {
    format!(
        "{{\n  \"Effect\": \"Allow\",\n  \"Action\": {},\n  \"Resource\": {}\n}}",
        quoted(action),
        quoted(role.as_str())
    )
}

/// Gives the command that adds it.
pub(super) fn grant(caller: &Party, role: &RoleArn) -> String {
    let document = format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\",\"Resource\":{}}}]}}",
        quoted(role.as_str())
    );
    let account = caller.account();
    match caller.principal() {
        Some((true, user)) => format!(
            "aws iam put-user-policy --user-name {user} --policy-name Assume{} --policy-document '{document}'",
            role.name()
        ),
        Some((false, name)) => format!(
            "aws iam put-role-policy --role-name {name} --policy-name Assume{} --policy-document '{document}'",
            role.name()
        ),
        None => format!("add it to a policy of the caller, in account {account}"),
    }
}

/// Writes the statement by which a role trusts a caller as well: with the conditions under which it trusts others, else with
/// those that the configuration is set for.
pub(super) fn trust(attempt: &Attempt, others: Option<&Statement>) -> String {
    let mut conditions: Vec<String> = others.map(conditions_of).unwrap_or_default();
    let as_there = !conditions.is_empty();
    if as_there {
        // Nobody gets in more easily than whom the owner of the role let in.
    } else if let Some(id) = &attempt.external_id {
        conditions.push(format!("\"StringEquals\": {{\"sts:ExternalId\": {}}}", quoted(id)));
    }
    if attempt.with_mfa && !as_there {
        conditions.push("\"Bool\": {\"aws:MultiFactorAuthPresent\": \"true\"}".to_owned());
    }
    let conditions = if conditions.is_empty() {
        String::new()
    } else {
        format!(",\n  \"Condition\": {{{}}}", conditions.join(", "))
    };
    let mut actions = vec!["\"sts:AssumeRole\""];
    if !attempt.tags.is_empty() {
        actions.push("\"sts:TagSession\"");
    }
    if attempt.source_identity.is_some() {
        actions.push("\"sts:SetSourceIdentity\"");
    }
    let action = if let [one] = actions[..] { one.to_owned() } else { format!("[{}]", actions.join(", ")) };
    format!(
        "{{\n  \"Effect\": \"Allow\",\n  \"Principal\": {{\"AWS\": {}}},\n  \"Action\": {action}{conditions}\n}}",
        quoted(&attempt.caller.arn)
    )
}

fn conditions_of(statement: &Statement) -> Vec<String> {
    let mut operators: Vec<(&str, Vec<String>)> = Vec::new();
    for condition in &statement.conditions {
        let values: Vec<String> = condition.values.iter().map(|value| quoted(value)).collect();
        let values = if let [one] = &values[..] { one.clone() } else { format!("[{}]", values.join(", ")) };
        let line = format!("{}: {values}", quoted(&condition.key));
        match operators.iter_mut().find(|(operator, _)| *operator == condition.operator) {
            Some((_, lines)) => lines.push(line),
            None => operators.push((&condition.operator, vec![line])),
        }
    }
    operators.into_iter().map(|(operator, lines)| format!("{}: {{{}}}", quoted(operator), lines.join(", "))).collect()
}

/// Writes the statement that allows a caller one more action on the session; what is there stays as it is.
pub(super) fn trust_action(attempt: &Attempt, action: &str) -> String {
    format!(
        "{{\n  \"Effect\": \"Allow\",\n  \"Principal\": {{\"AWS\": {}}},\n  \"Action\": {}\n}}",
        quoted(&attempt.caller.arn),
        quoted(action)
    )
}

/// Names a role's trust policy.
pub(super) fn trust_policy_of(role: &RoleArn) -> String {
    format!("the trust policy of {role}")
}

/// Gives the commands that change a trust policy: read, edited and written back, as it is replaced whole.
pub(super) fn change_trust(role: &RoleArn) -> String {
    let name = role.name();
    format!(
        "aws iam get-role --role-name {name} --query Role.AssumeRolePolicyDocument > trust.json; edit it; \
         aws iam update-assume-role-policy --role-name {name} --policy-document file://trust.json"
    )
}

/// Names a section of the configuration.
pub(super) fn section(kind: &str, name: &str) -> String {
    format!("[{kind}.{name}] in config.toml")
}
