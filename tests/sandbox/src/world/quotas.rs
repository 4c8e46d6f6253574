//! How much an account may have ("IAM and AWS STS quotas", the default values).

/// The quotas of every account; a test sets one low to reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's page of quotas has each of these under the same name")]
pub struct Quotas {
    pub users_per_account: usize,
    pub roles_per_account: usize,
    pub policies_per_account: usize,
    pub instance_profiles_per_account: usize,
    pub access_keys_per_user: usize,
    pub mfa_devices_per_user: usize,
    pub policies_per_user: usize,
    pub policies_per_role: usize,
    pub versions_per_policy: usize,
    pub tags_per_resource: usize,
    /// Characters of a managed policy; white space does not count, here and below.
    pub policy_size: usize,
    /// Characters of all inline policies of a user.
    pub user_policy_size: usize,
    /// Characters of all inline policies of a role.
    pub role_policy_size: usize,
    /// Characters of a trust policy.
    pub trust_policy_size: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            users_per_account: 5000,
            roles_per_account: 1000,
            policies_per_account: 1500,
            instance_profiles_per_account: 1000,
            access_keys_per_user: 2,
            mfa_devices_per_user: 8,
            policies_per_user: 10,
            policies_per_role: 10,
            versions_per_policy: 5,
            tags_per_resource: 50,
            policy_size: 6144,
            user_policy_size: 2048,
            role_policy_size: 10_240,
            trust_policy_size: 2048,
        }
    }
}
