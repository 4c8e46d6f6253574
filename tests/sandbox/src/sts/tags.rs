//! Session tags: what a request may pass, what a chain passes on.
//!
//! Rules: IAM User Guide, "Pass session tags in AWS STS", with "Chaining roles with session tags".

use std::collections::{BTreeMap, BTreeSet};

use crate::caller::RoleSession;
use crate::error::ApiError;
use crate::parameters::{Parameters, TAG_KEY, TAG_VALUE};

const MOST_TAGS: usize = 50;

/// The tags of one request.
#[derive(Debug, Default)]
pub(super) struct Requested {
    pub(super) tags: Vec<(String, String)>,
    pub(super) transitive: Vec<String>,
}

/// The tags a session will have, and the keys of those that pass on.
#[derive(Debug)]
pub(super) struct Resulting {
    pub(super) tags: BTreeMap<String, String>,
    pub(super) transitive: BTreeSet<String>,
}

impl Requested {
    pub(super) fn read(parameters: &mut Parameters<'_>) -> Self {
        let mut requested = Self::default();
        for (index, entry) in parameters.list("Tags", &["Key", "Value"], MOST_TAGS).into_iter().enumerate() {
            let (key, value) = (entry[0].unwrap_or_default(), entry[1].unwrap_or_default());
            parameters.check(&format!("tags.{}.member.key", index + 1), key, (1, 128), Some(TAG_KEY));
            parameters.check(&format!("tags.{}.member.value", index + 1), value, (0, 256), Some(TAG_VALUE));
            requested.tags.push((key.to_owned(), value.to_owned()));
        }
        for entry in parameters.list("TransitiveTagKeys", &[""], MOST_TAGS) {
            requested.transitive.push(entry[0].unwrap_or_default().to_owned());
        }
        requested
    }

    /// Joins the request's tags with those the caller's session passes on.
    pub(super) fn join(&self, caller: Option<&RoleSession>) -> Result<Resulting, ApiError> {
        let invalid = |message: &str| Err(ApiError::new(400, "InvalidParameterValue", message));
        let keys: BTreeSet<String> = self.tags.iter().map(|(key, _)| key.to_lowercase()).collect();
        // "Tag key–value pairs are not case sensitive, but case is preserved."
        if keys.len() < self.tags.len() {
            return invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
        }
        if !self.transitive.iter().all(|key| keys.contains(&key.to_lowercase())) {
            return invalid("The specified transitive tag key must be included in the requested tags.");
        }
        let mut resulting = Resulting { tags: BTreeMap::new(), transitive: BTreeSet::new() };
        if let Some(session) = caller {
            if !keys.is_disjoint(&session.transitive) {
                return invalid(
                    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
                );
            }
            let passed_on = session.tags.iter().filter(|(key, _)| session.transitive.contains(&key.to_lowercase()));
            resulting.tags.extend(passed_on.map(|(key, value)| (key.clone(), value.clone())));
            resulting.transitive.clone_from(&session.transitive);
        }
        resulting.tags.extend(self.tags.iter().cloned());
        resulting.transitive.extend(self.transitive.iter().map(|key| key.to_lowercase()));
        Ok(resulting)
    }
}
