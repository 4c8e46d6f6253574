//! What a setup makes in the two accounts, as data: whom, which role, and the calls that make it so.
//!
//! Pure: it talks to nobody and reads nothing. The face renders it (a list of calls, CloudFormation, Terraform, `aws`
//! commands), the one-shot carries it out, and both see the same calls with the same documents.

//!
//! | file | owns |
//! |---|---|
//! | `request` | what was asked for, checked as far as it can be without the accounts |
//! | `iam_limits` | IAM's rules for names, paths, tags and policies' ARNs |
//! | `policy` | a policy document that a person wrote: its flaws, by line |
//! | `documents` | the documents that a setup writes itself |
//! | `plan` | the calls, in the order that works |
//! | `resources` | what the calls make, and what removes it again |
//! | `render` | the calls as text, CloudFormation, Terraform and `aws` commands |
//! | `call` | a call to IAM as data |

pub mod call;
mod describe;
pub mod documents;
pub mod iam_limits;
pub mod plan;
pub mod policy;
pub mod render;
pub mod request;
pub mod resources;

use crate::domain::arn::{AccountId, Partition};
use crate::domain::names::Name;
use call::Tags;
use std::time::Duration;

/// A user or an application of one account, and the role that it may become in the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// What the role is called in config.toml; also the value of the tag on all that is made.
    pub name: Name,
    /// The partition of both accounts.
    pub partition: Partition,
    /// Where the user or the assuming role lives.
    pub auth: AccountId,
    /// Where the role lives.
    pub workload: AccountId,
    /// Who shall become the role.
    pub who: Who,
    /// What they become.
    pub role: Role,
    /// The region for config.toml.
    pub region: Option<String>,
}

/// Who shall become the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A person, with an access key in the vault.
    Person(Person),
    /// An application, as a role of its own.
    Application(Application),
}

/// An IAM user and how a person uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What the user is called in config.toml.
    pub identity: Name,
    /// The user's name at IAM.
    pub user: String,
    /// The user's path, `/` by default.
    pub path: String,
    /// Tags of the person's own.
    pub tags: Tags,
    /// Whether the user is there already: it is not made, and not removed.
    pub existing: bool,
    /// Whether an access key is made.
    pub key: bool,
    /// Further managed policies that the user gets.
    pub attach: Vec<String>,
    /// Whether the policy allows every role, not the one only.
    pub any_role: bool,
    /// Whether a virtual MFA device is made, and whether its secret is kept in the vault.
    pub device: Option<Device>,
    /// The serial number of a device that the user has already.
    pub serial: Option<String>,
}

/// A virtual MFA device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The person's phone keeps its secret.
    Shown,
    /// The vault does, so that nobody is asked for codes.
    Kept,
}

/// An application's own role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// What the identity is called in config.toml.
    pub identity: Name,
    /// What runs it.
    pub service: Service,
    /// The assuming role's name.
    pub role: String,
    /// Its path.
    pub path: String,
    /// Tags of the person's own.
    pub tags: Tags,
    /// Further managed policies that it gets.
    pub attach: Vec<String>,
}

/// What runs an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// An instance, by its profile.
    Ec2,
    /// A task.
    Ecs,
    /// A function.
    Lambda,
}

/// The role in the workload account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its path, `/` by default.
    pub path: String,
    /// Tags of the person's own.
    pub tags: Tags,
    /// MaxSessionDuration.
    pub max_session: Duration,
    /// Whom its trust policy names.
    pub trust: Trust,
    /// Whether the trust policy asks for MFA.
    pub require_mfa: bool,
    /// What the trust policy wants to hear.
    pub external_id: Option<String>,
    /// What it may do.
    pub permissions: Vec<Permission>,
}

/// Whom a trust policy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The whole account, whose own policies then decide.
    Account,
    /// The one user.
    User,
    /// The assuming role.
    Role,
}

/// What a role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// A managed policy's ARN.
    Managed(String),
    /// A document of the person's, as text.
    Inline {
        /// The policy's name.
        name: String,
        /// The document.
        document: String,
    },
}
