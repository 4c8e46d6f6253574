//! Managed policies, and those of AWS's own that the sandbox knows.
//!
//! Contents: AWS Managed Policy Reference Guide; ReadOnlyAccess is cut down to the services that exist here.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::identity::{Tags, beginning};
use crate::mint;
use crate::policy::Policy;

/// The policy that allows everything.
pub(super) const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// A managed policy; its ARN is the key it is kept by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// Its unique id, `ANPA…`.
    pub id: String,
    /// What people say of it.
    pub description: Option<String>,
    /// Its versions, the oldest first; there is always one.
    pub versions: Vec<PolicyVersion>,
    /// The number of the version that counts.
    pub default_version: u32,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub updated: DateTime<Utc>,
    /// Its tags.
    pub tags: Tags,
}

/// One version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number: `v1` is 1.
    pub number: u32,
    /// What it says.
    pub document: Policy,
    /// When it was made.
    pub created: DateTime<Utc>,
}

impl ManagedPolicy {
    /// Returns a policy of one version that is made at an instant.
    pub(crate) fn made(document: Policy, created: DateTime<Utc>) -> Self {
        Self {
            id: mint::identifier("ANPA"),
            description: None,
            versions: vec![PolicyVersion { number: 1, document, created }],
            default_version: 1,
            created,
            updated: created,
            tags: Tags::new(),
        }
    }

    /// Returns a version that exists.
    pub fn version(&self, number: u32) -> Option<&PolicyVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// Returns what counts.
    pub fn document(&self) -> &Policy {
        &self.version(self.default_version).expect("the default version exists").document
    }
}

impl From<Policy> for ManagedPolicy {
    fn from(document: Policy) -> Self {
        Self::made(document, beginning())
    }
}

/// Lets a world be written down with `json!({…})`.
impl From<Value> for ManagedPolicy {
    fn from(document: Value) -> Self {
        Policy::from(document).into()
    }
}

pub(super) fn policies() -> BTreeMap<String, ManagedPolicy> {
    let allow = |actions: Value| json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]});
    [
        ("AdministratorAccess", allow(json!("*"))),
        (
            "AmazonS3ReadOnlyAccess",
            allow(json!(["s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"])),
        ),
        ("AmazonS3FullAccess", allow(json!(["s3:*", "s3-object-lambda:*"]))),
        (
            "IAMReadOnlyAccess",
            allow(json!([
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy"
            ])),
        ),
        ("IAMFullAccess", allow(json!(["iam:*", "organizations:DescribeAccount"]))),
        (
            "ReadOnlyAccess",
            allow(json!([
                "iam:Get*",
                "iam:List*",
                "s3:Get*",
                "s3:List*",
                "sts:GetAccessKeyInfo",
                "sts:GetSessionToken"
            ])),
        ),
    ]
    .into_iter()
    .map(|(name, document)| (format!("arn:aws:iam::aws:policy/{name}"), document.into()))
    .collect()
}
