//! The request context: what conditions and policy variables look at.

use std::collections::BTreeMap;

/// Condition keys and their values; a key that is absent is different from one with no values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    values: BTreeMap<String, Vec<String>>,
}

impl Context {
    /// Sets a key to one value.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<String>) {
        self.put_all(key, vec![value.into()]);
    }

    /// Sets a key to several values.
    pub(crate) fn put_all(&mut self, key: &str, values: Vec<String>) {
        // Key names are not case-sensitive (IAM User Guide, "IAM JSON policy elements: Condition").
        self.values.insert(key.to_lowercase(), values);
    }

    /// Returns the values of a key that is present.
    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        self.values.get(&key.to_lowercase()).map(Vec::as_slice)
    }
}
