//! What hands a role to an instance.

use chrono::{DateTime, Utc};

use super::identity::{Tags, beginning};
use crate::mint;

/// An instance profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceProfile {
    /// The account it is in; set when it is added to one.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Its path, `/` if none.
    pub path: String,
    /// Its unique id, `AIPA…`.
    pub id: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// The name of its role; AWS allows one.
    pub role: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl InstanceProfile {
    /// Returns a profile without a role.
    pub fn new(name: &str) -> Self {
        Self {
            account: String::new(),
            name: name.to_owned(),
            path: "/".to_owned(),
            id: mint::identifier("AIPA"),
            created: beginning(),
            role: None,
            tags: Tags::new(),
        }
    }

    /// Puts a role in.
    #[must_use]
    pub fn with_role(mut self, name: &str) -> Self {
        self.role = Some(name.to_owned());
        self
    }

    /// Returns its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:instance-profile{}{}", self.account, self.path, self.name)
    }
}
