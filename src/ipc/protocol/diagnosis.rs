//! What `doctor` found out.

use rolecall_core::domain::diagnosis::{Finding, Link};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The way from one name to AWS, link by link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// The role or identity that was asked for; nothing where it was every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The links, in the order of the way.
    pub links: Vec<Link>,
    /// What is wrong, or may be.
    pub findings: Vec<Finding>,
    /// The calls to AWS that it took; a refused one is in CloudTrail.
    pub calls: Vec<Made>,
    /// External ids that stand in it, for whoever hands it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub private: Vec<String>,
}

/// A call to AWS that was made to find out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Made {
    /// The action, as `sts:AssumeRole`.
    pub action: String,
    /// What it was about.
    pub about: String,
    /// How it differed from what the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
    /// `ok`, or AWS's error code.
    pub result: String,
}
