//! Regions and partitions: where an account's credentials are known.
//!
//! Pages: General Reference, "AWS service endpoints"; Account Management Guide, "Enable or disable AWS Regions in your
//! account"; IAM User Guide, "Manage AWS STS in an AWS Region".

use super::Account;

/// The Regions that are enabled by default. Every later Region must be enabled by each account.
const ENABLED_BY_DEFAULT: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Returns the partition of a Region.
pub(crate) fn partition(region: &str) -> &'static str {
    let prefixes = [
        ("cn-", "aws-cn"),
        ("eusc-", "aws-eusc"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isof-", "aws-iso-f"),
    ];
    prefixes.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

impl Account {
    /// Returns whether credentials of the account are known in a Region: the Region is in the account's partition, and it
    /// is enabled by default or by the account. An answer of STS elsewhere is `InvalidClientTokenId`.
    pub(crate) fn is_known_in(&self, region: &str) -> bool {
        partition(region) == self.partition
            && (self.partition != "aws"
                || ENABLED_BY_DEFAULT.contains(&region)
                || self.enabled_regions.contains(region))
    }

    /// Moves the account to another partition, such as `aws-us-gov`.
    #[must_use]
    pub fn in_partition(mut self, partition: &'static str) -> Self {
        self.partition = partition;
        for user in self.users.values_mut() {
            user.partition = partition;
        }
        for role in self.roles.values_mut() {
            role.partition = partition;
        }
        self
    }
}
