//! The calls to IAM that make, show and remove what a setup consists of, each as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tags, by key.
pub type Tags = BTreeMap<String, String>;

/// The account that a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The authentication account, by `--auth-profile`.
    Auth,
    /// The workload account, by `--workload-profile`.
    Workload,
}

/// A call to IAM that changes something, in IAM's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action")]
#[expect(missing_docs, reason = "IAM's API Reference has each of these under the same name")]
pub enum Call {
    CreatePolicy { name: String, path: String, description: String, document: String, tags: Tags },
    DeletePolicy { arn: String },
    CreateUser { name: String, path: String, tags: Tags },
    DeleteUser { name: String },
    AttachUserPolicy { user: String, arn: String },
    DetachUserPolicy { user: String, arn: String },
    CreateAccessKey { user: String },
    DeleteAccessKey { user: String, id: String },
    CreateVirtualMFADevice { name: String, path: String, tags: Tags },
    EnableMFADevice { user: String, serial: String },
    DeactivateMFADevice { user: String, serial: String },
    DeleteVirtualMFADevice { serial: String },
    CreateRole { name: String, path: String, description: String, trust: String, max_session_seconds: u32, tags: Tags },
    DeleteRole { name: String },
    UpdateAssumeRolePolicy { role: String, trust: String },
    UpdateRole { role: String, max_session_seconds: u32 },
    AttachRolePolicy { role: String, arn: String },
    DetachRolePolicy { role: String, arn: String },
    PutRolePolicy { role: String, name: String, document: String },
    DeleteRolePolicy { role: String, name: String },
    CreateInstanceProfile { name: String, path: String, tags: Tags },
    DeleteInstanceProfile { name: String },
    AddRoleToInstanceProfile { profile: String, role: String },
    RemoveRoleFromInstanceProfile { profile: String, role: String },
}

impl Call {
    /// Returns whether it creates something, or may be made only once, so that a lost answer matters.
    pub fn creates(&self) -> bool {
        matches!(
            self,
            Self::CreatePolicy { .. }
                | Self::CreateUser { .. }
                | Self::CreateAccessKey { .. }
                | Self::CreateVirtualMFADevice { .. }
                | Self::CreateRole { .. }
                | Self::CreateInstanceProfile { .. }
                | Self::AddRoleToInstanceProfile { .. }
        )
    }
}

/// One step of a setup: a call, where it goes, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its account.
    pub side: Side,
    /// The call.
    pub call: Call,
    /// What a person reads beside it.
    pub why: String,
}
