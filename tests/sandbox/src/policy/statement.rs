//! One statement of a policy document, and the reading of it from JSON.

use serde_json::{Map, Value};

use super::condition::{self, Condition};
use super::pattern::{self, Case};
use super::principal::{self, PrincipalClause};
use super::{MalformedPolicy, Question};

#[derive(Clone, Debug)]
pub(super) struct Statement {
    effect: Effect,
    pub(super) principal: Option<PrincipalClause>,
    actions: Clause,
    pub(super) resources: Option<Clause>,
    conditions: Vec<Condition>,
    /// Variables exist since the version of 2012; before, `${` is plain text.
    variables: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// An element and its negation, such as Action and NotAction.
#[derive(Clone, Debug)]
pub(super) enum Clause {
    Only(Vec<String>),
    AllBut(Vec<String>),
}

impl Clause {
    fn holds(&self, matches: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Only(patterns) => patterns.iter().any(|pattern| matches(pattern)),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| matches(pattern)),
        }
    }
}

impl Statement {
    pub(super) fn denies(&self) -> bool {
        self.effect == Effect::Deny
    }

    /// Says whether it is about an action, on whatever resource.
    pub(super) fn is_about_action(&self, action: &str) -> bool {
        self.actions.holds(|pattern| pattern::matches(pattern, action, Case::Ignored))
    }

    /// Returns the keys that its conditions ask for.
    pub(super) fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(Condition::key)
    }

    /// Says whether it names actions of one service only.
    pub(super) fn is_about(&self, prefix: &str) -> bool {
        let of_service = |action: &String| action.to_lowercase().starts_with(prefix);
        matches!(&self.actions, Clause::Only(actions) if actions.iter().all(of_service))
    }

    /// Says whether action, resource and conditions match; the principal is the trust policy's own matter.
    pub(super) fn applies(&self, question: &Question<'_>) -> bool {
        let resource = |pattern: &str| {
            if self.variables {
                pattern::matches_with(pattern, question.resource, Case::Matters, question.context)
            } else {
                pattern::matches(pattern, question.resource, Case::Matters)
            }
        };
        self.actions.holds(|pattern| pattern::matches(pattern, question.action, Case::Ignored))
            && self.resources.as_ref().is_none_or(|clause| clause.holds(resource))
            && self.conditions.iter().all(|condition| condition.holds(question.context))
    }
}

/// Parses a document into its statements.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, MalformedPolicy> {
    let document: Value =
        serde_json::from_str(text).map_err(|_| MalformedPolicy("This policy contains invalid Json".to_owned()))?;
    let document = document.as_object().ok_or_else(syntax)?;
    if document.keys().any(|key| !matches!(key.as_str(), "Version" | "Id" | "Statement")) {
        return Err(syntax());
    }
    let variables = match document.get("Version").map(Value::as_str) {
        None | Some(Some("2008-10-17")) => false,
        Some(Some("2012-10-17")) => true,
        _ => return Err(MalformedPolicy("The policy must contain a valid version string".to_owned())),
    };
    match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => {
            statements.iter().map(|statement| one(statement, variables)).collect()
        }
        Some(statement @ Value::Object(_)) => Ok(vec![one(statement, variables)?]),
        _ => Err(syntax()),
    }
}

fn one(statement: &Value, variables: bool) -> Result<Statement, MalformedPolicy> {
    const ELEMENTS: [&str; 9] =
        ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    let statement = statement.as_object().ok_or_else(syntax)?;
    if statement.keys().any(|key| !ELEMENTS.contains(&key.as_str())) {
        return Err(syntax());
    }
    let effect = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err(syntax()),
    };
    let principal = match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (None, None) => None,
        (Some(value), None) => Some(PrincipalClause::Only(principal::parse(value)?)),
        (None, Some(value)) => Some(PrincipalClause::AllBut(principal::parse(value)?)),
        _ => return Err(syntax()),
    };
    let actions = clause(statement, "Action", "NotAction")?
        .ok_or_else(|| MalformedPolicy("Policy statement must contain actions.".to_owned()))?;
    let resources = clause(statement, "Resource", "NotResource")?;
    let conditions =
        statement.get("Condition").map_or_else(|| Ok(Vec::new()), |value| condition::parse(value, variables))?;
    Ok(Statement { effect, principal, actions, resources, conditions, variables })
}

fn clause(statement: &Map<String, Value>, only: &str, all_but: &str) -> Result<Option<Clause>, MalformedPolicy> {
    match (statement.get(only), statement.get(all_but)) {
        (None, None) => Ok(None),
        (Some(value), None) => Ok(Some(Clause::Only(strings(value)?))),
        (None, Some(value)) => Ok(Some(Clause::AllBut(strings(value)?))),
        _ => Err(syntax()),
    }
}

/// Reads a string or a list of strings; a condition may also write numbers and truths without quotes.
pub(super) fn strings(value: &Value) -> Result<Vec<String>, MalformedPolicy> {
    match value {
        Value::Array(values) => values.iter().map(string).collect(),
        one => Ok(vec![string(one)?]),
    }
}

fn string(value: &Value) -> Result<String, MalformedPolicy> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(syntax()),
    }
}

pub(super) fn syntax() -> MalformedPolicy {
    MalformedPolicy("Syntax errors in policy.".to_owned())
}
