//! The world of the two tutorials: an authentication account with a user, a workload account with a role.

use serde_json::json;

use super::{AccessKey, Account, Bucket, MfaDevice, Role, User, World};

/// The authentication account.
pub const AUTH_ACCOUNT: &str = "111111111111";
/// The workload account.
pub const WORKLOAD_ACCOUNT: &str = "222222222222";
/// The user in the authentication account.
pub const USER_ARN: &str = "arn:aws:iam::111111111111:user/richard";
/// Who may do everything in the authentication account, where there are administrators.
pub const AUTH_ADMIN_ARN: &str = "arn:aws:iam::111111111111:user/admin";
/// Who may do everything in the workload account, where there are administrators.
pub const WORKLOAD_ADMIN_ARN: &str = "arn:aws:iam::222222222222:user/admin";
/// The role in the workload account.
pub const ROLE_ARN: &str = "arn:aws:iam::222222222222:role/AssumedRole";
/// The bucket with objects in the workload account.
pub const BUCKET: &str = "workload-reports-222222222222";
/// A second bucket there, with nothing in it.
pub const EMPTY_BUCKET: &str = "workload-archive-222222222222";
/// The region of both buckets.
pub const REGION: &str = "eu-west-1";

impl World {
    /// Returns the world in which `richard` may assume `AssumedRole`, which may read S3.
    pub fn tutorials() -> Self {
        let user = User::new("richard").with_key(AccessKey::generate()).with_policy(
            "AllowAssumeRole",
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_ARN}]}),
        );
        let role = Role::new(
            "AssumedRole",
            json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{AUTH_ACCOUNT}:root")},
                "Action": "sts:AssumeRole",
            }]}),
        )
        .with_managed_policy("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess");
        let reports = Bucket::new(WORKLOAD_ACCOUNT, REGION)
            .with_object("readme.txt", "Reports of the workload account.\n")
            .with_object("2026/10/usage report.csv", "day,requests\n2026-10-31,1204\n")
            .with_object("2026/11/usage report.csv", "day,requests\n2026-11-21,1377\n");
        Self::empty()
            .with_account(Account::new(AUTH_ACCOUNT).with_user(user))
            .with_account(Account::new(WORKLOAD_ACCOUNT).with_role(role))
            .with_bucket(BUCKET, reports)
            .with_bucket(EMPTY_BUCKET, Bucket::new(WORKLOAD_ACCOUNT, REGION))
    }

    /// Returns the tutorials' MFA variant.
    pub fn tutorials_with_mfa() -> Self {
        let mut world = Self::tutorials();
        world.demand_mfa();
        world
    }

    /// Returns the two accounts before either tutorial: an administrator in each, and the buckets.
    pub fn before_tutorials() -> Self {
        let mut world = Self::tutorials().with_admins();
        world.account(AUTH_ACCOUNT).users.remove("richard");
        world.account(WORKLOAD_ACCOUNT).roles.remove("AssumedRole");
        world
    }

    /// Adds a user `admin` with an access key to every account, who may do everything there.
    #[must_use]
    pub fn with_admins(mut self) -> Self {
        self.accounts.values_mut().for_each(|account| *account = account.clone().with_admin());
        self
    }

    /// Gives `richard` an MFA device and has `AssumedRole` demand its codes.
    pub fn demand_mfa(&mut self) {
        self.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "richard"));
        self.role(ROLE_ARN).trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{AUTH_ACCOUNT}:root")},
            "Action": "sts:AssumeRole", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]})
        .into();
    }
}
