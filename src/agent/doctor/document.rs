//! A policy document's JSON as what the domain reasons about.
//!
//! What IAM stores is well-formed; what is not is no document here, and then nothing is said of it.

use rolecall_core::domain::diagnosis::document::{Condition, Document, Set, Statement};
use serde_json::Value;

/// Reads a document.
pub(super) fn parse(text: &str) -> Option<Document> {
    let document: Value = serde_json::from_str(text).ok()?;
    let statements = many(document.get("Statement")?).iter().map(statement).collect::<Option<Vec<_>>>()?;
    Some(Document { statements })
}

fn statement(value: &Value) -> Option<Statement> {
    let denies = value.get("Effect")?.as_str()? == "Deny";
    let set = |name: &str, inverted: &str| {
        let found = value.get(name).map(|v| (v, false)).or_else(|| value.get(inverted).map(|v| (v, true)))?;
        Some(Set { patterns: texts(found.0)?, inverted: found.1 })
    };
    let principals =
        value.get("Principal").map(|v| (v, false)).or_else(|| value.get("NotPrincipal").map(|v| (v, true)));
    let principals = match principals {
        None => None,
        Some((Value::String(all), inverted)) => Some(Set { patterns: vec![all.clone()], inverted }),
        // Services and identity providers are nobody whom rolecall could be.
        Some((named, inverted)) => Some(Set { patterns: named.get("AWS").map_or(Some(Vec::new()), texts)?, inverted }),
    };
    let mut conditions = Vec::new();
    for (operator, keys) in value.get("Condition").and_then(Value::as_object).into_iter().flatten() {
        for (key, values) in keys.as_object()? {
            conditions.push(Condition { operator: operator.clone(), key: key.clone(), values: texts(values)? });
        }
    }
    Some(Statement {
        denies,
        actions: set("Action", "NotAction")?,
        resources: set("Resource", "NotResource"),
        principals,
        conditions,
        text: serde_json::to_string_pretty(value).ok()?,
    })
}

fn many(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    many(value).iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_document_is_read_in_each_of_its_forms() {
        let one = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111111111111","Service":"ec2.amazonaws.com"},
            "Action":["sts:AssumeRole"],"Condition":{"Bool":{"aws:MultiFactorAuthPresent":true}}}}"#;
        let read = parse(one).expect("a document");
        let statement = &read.statements[0];
        assert!(!statement.denies && statement.names(&["111111111111".to_owned()]));
        assert_eq!(statement.conditions[0].values, ["true"]);
        let two = r#"{"Statement":[{"Effect":"Deny","NotAction":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"*","NotResource":["a","b"]}]}"#;
        let read = parse(two).expect("a document");
        assert!(read.statements[0].denies && read.statements[0].actions.covers_action("sts:AssumeRole"));
        assert!(read.statements[1].resources.as_ref().is_some_and(|set| set.inverted && !set.covers("a")));
        for none in ["", "[]", "{}", r#"{"Statement":[{"Effect":"Allow"}]}"#, r#"{"Statement":[7]}"#] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
