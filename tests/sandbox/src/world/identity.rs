//! Users, roles and what belongs to them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::mint;
use crate::policy::Policy;

/// A role lasts an hour unless it says otherwise (CreateRole, `MaxSessionDuration`).
const DEFAULT_MAX_SESSION_SECONDS: i64 = 3600;

/// When what is in a new world was made: 1 November 2026.
const BEGINNING: i64 = 1_793_491_200;

/// Returns when what is in a new world was made.
pub(super) fn beginning() -> DateTime<Utc> {
    DateTime::from_timestamp(BEGINNING, 0).expect("in range")
}

/// Tags, by key.
pub type Tags = BTreeMap<String, String>;

/// Identity-based policies: inline ones by name, managed ones by ARN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The inline policies by name.
    pub inline: BTreeMap<String, Policy>,
    /// The ARNs of the attached managed policies.
    pub attached: BTreeSet<String>,
}

/// An IAM user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The account it is in; set when it is added to one.
    pub account: String,
    /// The partition of its account.
    pub partition: &'static str,
    /// Its name.
    pub name: String,
    /// Its path, `/` if none.
    pub path: String,
    /// Its unique id, `AIDA…`; a user that is deleted and made again gets another one.
    pub id: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Its access keys; AWS allows two.
    pub access_keys: Vec<AccessKey>,
    /// Its policies.
    pub permissions: Permissions,
    /// Its MFA devices.
    pub mfa_devices: Vec<MfaDevice>,
    /// Its tags.
    pub tags: Tags,
}

/// An IAM role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The account it is in; set when it is added to one.
    pub account: String,
    /// The partition of its account.
    pub partition: &'static str,
    /// Its name.
    pub name: String,
    /// Its path, `/` if none.
    pub path: String,
    /// Its unique id, `AROA…`; a role that is deleted and made again gets another one.
    pub id: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What people say of it.
    pub description: Option<String>,
    /// Its trust policy.
    pub trust: Policy,
    /// Its permission policies.
    pub permissions: Permissions,
    /// The longest session it grants, in seconds.
    pub max_session_seconds: i64,
    /// Its tags.
    pub tags: Tags,
}

/// A long-term access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The access key id, `AKIA…`.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// Whether it can be used.
    pub status: KeyStatus,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When, where and for which service it was last used.
    pub last_used: Option<LastUse>,
}

/// The last use of an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub date: DateTime<Utc>,
    /// In which region.
    pub region: String,
    /// Of which service.
    pub service: String,
}

/// Whether an access key can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It can.
    Active,
    /// It cannot; AWS then answers as if it did not exist.
    Inactive,
}

/// A virtual MFA device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfaDevice {
    /// Its serial number, an ARN.
    pub serial: String,
    /// The base32 secret behind its codes.
    pub secret: String,
    /// Since when it is a user's.
    pub enabled: DateTime<Utc>,
    /// Its tags.
    pub tags: Tags,
}

impl User {
    /// Returns a user without keys, policies or devices.
    pub fn new(name: &str) -> Self {
        Self {
            account: String::new(),
            partition: "aws",
            name: name.to_owned(),
            path: "/".to_owned(),
            id: mint::identifier("AIDA"),
            created: beginning(),
            access_keys: Vec::new(),
            permissions: Permissions::default(),
            mfa_devices: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    /// Sets the path.
    #[must_use]
    pub fn with_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Adds an access key.
    #[must_use]
    pub fn with_key(mut self, key: AccessKey) -> Self {
        self.access_keys.push(key);
        self
    }

    /// Adds an inline policy.
    #[must_use]
    pub fn with_policy(mut self, name: &str, policy: impl Into<Policy>) -> Self {
        self.permissions.inline.insert(name.to_owned(), policy.into());
        self
    }

    /// Attaches a managed policy.
    #[must_use]
    pub fn with_managed_policy(mut self, arn: &str) -> Self {
        self.permissions.attached.insert(arn.to_owned());
        self
    }

    /// Adds an MFA device.
    #[must_use]
    pub fn with_mfa_device(mut self, device: MfaDevice) -> Self {
        self.mfa_devices.push(device);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Returns its ARN.
    pub fn arn(&self) -> String {
        format!("arn:{}:iam::{}:user{}{}", self.partition, self.account, self.path, self.name)
    }
}

impl Role {
    /// Returns a role that may do nothing yet.
    pub fn new(name: &str, trust: impl Into<Policy>) -> Self {
        Self {
            account: String::new(),
            partition: "aws",
            name: name.to_owned(),
            path: "/".to_owned(),
            id: mint::identifier("AROA"),
            created: beginning(),
            description: None,
            trust: trust.into(),
            permissions: Permissions::default(),
            max_session_seconds: DEFAULT_MAX_SESSION_SECONDS,
            tags: BTreeMap::new(),
        }
    }

    /// Sets the path.
    #[must_use]
    pub fn with_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Adds an inline policy.
    #[must_use]
    pub fn with_policy(mut self, name: &str, policy: impl Into<Policy>) -> Self {
        self.permissions.inline.insert(name.to_owned(), policy.into());
        self
    }

    /// Attaches a managed policy.
    #[must_use]
    pub fn with_managed_policy(mut self, arn: &str) -> Self {
        self.permissions.attached.insert(arn.to_owned());
        self
    }

    /// Sets the longest session it grants.
    #[must_use]
    pub fn with_max_session_seconds(mut self, seconds: i64) -> Self {
        self.max_session_seconds = seconds;
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Returns its ARN.
    pub fn arn(&self) -> String {
        format!("arn:{}:iam::{}:role{}{}", self.partition, self.account, self.path, self.name)
    }
}

impl AccessKey {
    /// Returns a new, active key.
    pub fn generate() -> Self {
        Self::made(beginning())
    }

    /// Returns a new, active key that is made at an instant.
    pub(crate) fn made(created: DateTime<Utc>) -> Self {
        Self {
            id: mint::identifier("AKIA"),
            secret: mint::secret_key(),
            status: KeyStatus::Active,
            // AWS gives whole seconds.
            created: DateTime::from_timestamp(created.timestamp(), 0).unwrap_or(created),
            last_used: None,
        }
    }
}

impl MfaDevice {
    /// Returns a new device for a user; a user's device carries the user's name by custom.
    pub fn generate(account: &str, name: &str) -> Self {
        let serial = format!("arn:aws:iam::{account}:mfa/{name}");
        Self { serial, secret: mint::totp_secret(), enabled: beginning(), tags: Tags::new() }
    }
}
