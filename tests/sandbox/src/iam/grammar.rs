//! What IAM refuses in a document that is well formed.
//!
//! Rules: IAM User Guide, "IAM JSON policy elements: Sid" and "Resource", "Troubleshoot IAM policies"; the words are IAM's.

use std::collections::BTreeSet;

use serde_json::Value;

/// Says what is wrong with a document's statements, if anything is.
pub(super) fn check(text: &str) -> Result<(), String> {
    let document: Value = serde_json::from_str(text).map_err(|_| "This policy contains invalid Json".to_owned())?;
    let statements = entries(document.get("Statement"));
    let mut names = BTreeSet::new();
    for statement in &statements {
        if let Some(name) = statement.get("Sid").and_then(Value::as_str) {
            if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
                return Err("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*".to_owned());
            }
            if !name.is_empty() && !names.insert(name) {
                return Err("Statement IDs (SID) in a single policy must be unique.".to_owned());
            }
        }
        let texts = |element: &str| -> Vec<&str> {
            entries(statement.get(element)).into_iter().filter_map(Value::as_str).collect()
        };
        for action in texts("Action").into_iter().chain(texts("NotAction")) {
            if action != "*" && !action.contains(':') {
                return Err("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned());
            }
        }
        for resource in texts("Resource").into_iter().chain(texts("NotResource")) {
            if resource != "*" && !(resource.starts_with("arn:") && resource.splitn(6, ':').count() == 6) {
                return Err(format!("Resource {resource} must be in ARN format or \"*\"."));
            }
        }
    }
    Ok(())
}

/// Returns the entries of a list, or the one thing that stands for a list.
fn entries(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(several)) => several.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}
