//! The world as data: accounts, users, roles, policies, buckets.
//!
//! Plain fields that a test builds, reads and changes while the sandbox runs. What follows from them (who may do what)
//! is decided elsewhere, at each request, so a change counts at once.

mod identity;
mod instance_profile;
mod inventory;
mod managed;
mod place;
mod propagation;
mod quotas;
mod region;
pub mod tutorials;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

pub use self::identity::{AccessKey, KeyStatus, LastUse, MfaDevice, Permissions, Role, Tags, User};
pub use self::instance_profile::InstanceProfile;
pub use self::managed::{ManagedPolicy, PolicyVersion};
pub use self::place::{Instance, OidcProvider, Task};
pub use self::propagation::{Delay, Propagation};
pub use self::quotas::Quotas;
use crate::policy::Policy;

/// Everything that exists.
#[derive(Clone, Debug)]
pub struct World {
    /// The accounts by their id.
    pub accounts: BTreeMap<String, Account>,
    /// The managed policies by their ARN: AWS's own, and those of the accounts.
    pub managed_policies: BTreeMap<String, ManagedPolicy>,
    /// The buckets by their name, which is unique over all accounts.
    pub buckets: BTreeMap<String, Bucket>,
    /// How late what IAM has changed is seen.
    pub propagation: Propagation,
    /// How much of everything an account may have.
    pub quotas: Quotas,
    /// The instance that the metadata service is of.
    pub instance: Option<Instance>,
    /// The task that the container endpoint is of.
    pub task: Option<Task>,
    /// The identity providers that accounts trust.
    pub oidc_providers: Vec<OidcProvider>,
    /// How long the sessions of roles live, whatever was asked for: AWS has nothing of the kind. It is for clients whose clock a
    /// test cannot move, and which are to see the end of a session.
    pub role_session_life: Option<TimeDelta>,
    /// Whether the two codes that enable a device can be used once more: AWS has nothing of the kind. It is for clients whose
    /// clock a test cannot move, and which would wait for half a minute.
    pub enabling_codes_stay_valid: bool,
}

/// One AWS account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its twelve digits.
    pub id: String,
    /// Its users by name.
    pub users: BTreeMap<String, User>,
    /// Its roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Its instance profiles by name.
    pub instance_profiles: BTreeMap<String, InstanceProfile>,
    /// Its virtual MFA devices that are nobody's; a user's are with the user.
    pub unassigned_devices: Vec<MfaDevice>,
    /// The root user's access keys.
    pub root_keys: Vec<AccessKey>,
    /// The regions where its STS is switched off.
    pub disabled_regions: BTreeSet<String>,
    /// The opt-in Regions that it has enabled.
    pub enabled_regions: BTreeSet<String>,
    /// Its partition, `aws` if none is set.
    pub partition: &'static str,
}

/// One S3 bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The account that owns it.
    pub account: String,
    /// The region it lives in.
    pub region: String,
    /// The objects by their key.
    pub objects: BTreeMap<String, Vec<u8>>,
}

/// Who a long-term access key belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyHolder<'a> {
    Root(&'a Account),
    User(&'a User),
}

impl KeyHolder<'_> {
    pub(crate) fn account(&self) -> &str {
        match self {
            Self::Root(account) => &account.id,
            Self::User(user) => &user.account,
        }
    }
}

impl World {
    /// Returns a world with AWS's own managed policies and nobody in it.
    pub fn empty() -> Self {
        Self {
            accounts: BTreeMap::new(),
            managed_policies: managed::policies(),
            buckets: BTreeMap::new(),
            propagation: Propagation::default(),
            quotas: Quotas::default(),
            instance: None,
            task: None,
            oidc_providers: Vec::new(),
            role_session_life: None,
            enabling_codes_stay_valid: false,
        }
    }

    /// Adds an account.
    #[must_use]
    pub fn with_account(mut self, account: Account) -> Self {
        self.accounts.insert(account.id.clone(), account);
        self
    }

    /// Adds a bucket.
    #[must_use]
    pub fn with_bucket(mut self, name: &str, bucket: Bucket) -> Self {
        self.buckets.insert(name.to_owned(), bucket);
        self
    }

    /// Returns an account that is known to exist.
    pub fn account(&mut self, id: &str) -> &mut Account {
        self.accounts.get_mut(id).expect("the account exists")
    }

    /// Returns a user that is known to exist, by ARN.
    pub fn user(&mut self, arn: &str) -> &mut User {
        let (account, name) = named(arn, "user").expect("the ARN names a user");
        self.account(account).users.get_mut(name).expect("the user exists")
    }

    /// Returns a role that is known to exist, by ARN.
    pub fn role(&mut self, arn: &str) -> &mut Role {
        let (account, name) = named(arn, "role").expect("the ARN names a role");
        self.account(account).roles.get_mut(name).expect("the role exists")
    }

    /// Returns a bucket that is known to exist.
    pub fn bucket(&mut self, name: &str) -> &mut Bucket {
        self.buckets.get_mut(name).expect("the bucket exists")
    }

    /// Finds a role by its whole ARN: a wrong path or partition names nothing.
    pub(crate) fn find_role(&self, arn: &str) -> Option<&Role> {
        let (account, name) = named(arn, "role")?;
        self.accounts.get(account)?.roles.get(name).filter(|role| role.arn() == arn)
    }

    /// Finds a user by its whole ARN.
    pub(crate) fn find_user(&self, arn: &str) -> Option<&User> {
        let (account, name) = named(arn, "user")?;
        self.accounts.get(account)?.users.get(name).filter(|user| user.arn() == arn)
    }

    /// Finds the unique id of a user or role by its whole ARN.
    pub(crate) fn principal_id(&self, arn: &str) -> Option<String> {
        let user = self.find_user(arn).map(|user| user.id.clone());
        user.or_else(|| self.find_role(arn).map(|role| role.id.clone()))
    }

    /// Has a role's trust policy mean those users and roles that have the names in it now, as AWS does when it stores one.
    pub fn bind_trust(&mut self, role_arn: &str) {
        let mut trust = self.role(role_arn).trust.clone();
        let named: Vec<String> =
            trust.principals().filter_map(|principal| principal.arn().map(str::to_owned)).collect();
        for arn in named {
            if let Some(id) = self.principal_id(&arn) {
                trust.bind(&arn, &id);
            }
        }
        self.role(role_arn).trust = trust;
    }

    /// Finds a long-term access key and its holder.
    pub(crate) fn find_key(&self, id: &str) -> Option<(KeyHolder<'_>, &AccessKey)> {
        self.accounts.values().find_map(|account| {
            let of_root = account.root_keys.iter().map(|key| (KeyHolder::Root(account), key));
            let of_users = account
                .users
                .values()
                .flat_map(|user| user.access_keys.iter().map(move |key| (KeyHolder::User(user), key)));
            of_root.chain(of_users).find(|(_, key)| key.id == id)
        })
    }

    /// Finds a user's long-term access key, to change it.
    pub(crate) fn key_mut(&mut self, id: &str) -> Option<&mut AccessKey> {
        let users = self.accounts.values_mut().flat_map(|account| account.users.values_mut());
        users.flat_map(|user| &mut user.access_keys).find(|key| key.id == id)
    }

    /// Collects the policies that a set of permissions stands for; an attached policy that does not exist grants nothing.
    pub(crate) fn policies(&self, permissions: &Permissions) -> Vec<Policy> {
        let attached = permissions.attached.iter().filter_map(|arn| self.managed_policies.get(arn));
        permissions.inline.values().chain(attached.map(ManagedPolicy::document)).cloned().collect()
    }
}

impl Account {
    /// Returns an account with nobody in it.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            instance_profiles: BTreeMap::new(),
            unassigned_devices: Vec::new(),
            root_keys: Vec::new(),
            disabled_regions: BTreeSet::new(),
            enabled_regions: BTreeSet::new(),
            partition: "aws",
        }
    }

    /// Adds a user.
    #[must_use]
    pub fn with_user(mut self, user: User) -> Self {
        self.users.insert(user.name.clone(), User { account: self.id.clone(), partition: self.partition, ..user });
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.roles.insert(role.name.clone(), Role { account: self.id.clone(), partition: self.partition, ..role });
        self
    }

    /// Adds an instance profile.
    #[must_use]
    pub fn with_instance_profile(mut self, profile: InstanceProfile) -> Self {
        self.instance_profiles.insert(profile.name.clone(), InstanceProfile { account: self.id.clone(), ..profile });
        self
    }

    /// Adds a user `admin` with an access key who may do everything in the account.
    #[must_use]
    pub fn with_admin(self) -> Self {
        self.with_user(User::new("admin").with_key(AccessKey::generate()).with_managed_policy(managed::ADMINISTRATOR))
    }

    /// Gives the root user an access key.
    #[must_use]
    pub fn with_root_key(mut self, key: AccessKey) -> Self {
        self.root_keys.push(key);
        self
    }
}

impl Account {
    /// Finds a device of the account, whoever's it is.
    pub(crate) fn device(&self, serial: &str) -> Option<&MfaDevice> {
        let of_users = self.users.values().flat_map(|user| &user.mfa_devices);
        of_users.chain(&self.unassigned_devices).find(|device| device.serial == serial)
    }

    /// Finds a device of the account, to change it.
    pub(crate) fn device_mut(&mut self, serial: &str) -> Option<&mut MfaDevice> {
        let of_users = self.users.values_mut().flat_map(|user| &mut user.mfa_devices);
        of_users.chain(&mut self.unassigned_devices).find(|device| device.serial == serial)
    }
}

impl Bucket {
    /// Returns an empty bucket.
    pub fn new(account: &str, region: &str) -> Self {
        Self { account: account.to_owned(), region: region.to_owned(), objects: BTreeMap::new() }
    }

    /// Adds an object.
    #[must_use]
    pub fn with_object(mut self, key: &str, content: impl Into<Vec<u8>>) -> Self {
        self.objects.insert(key.to_owned(), content.into());
        self
    }
}

/// Splits `arn:P:iam::ACCOUNT:KIND/[path/]NAME` into account and name.
pub(crate) fn named<'a>(arn: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let mut parts = arn.splitn(6, ':');
    let ["arn", _, "iam", "", account, resource] = std::array::from_fn(|_| parts.next().unwrap_or_default()) else {
        return None;
    };
    let (found, rest) = resource.split_once('/')?;
    let name = rest.rsplit('/').next()?;
    (found == kind && !name.is_empty()).then_some((account, name))
}
