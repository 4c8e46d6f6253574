//! Regions and the credentials that they accept: what a rejected key means if another Region accepts it.
//!
//! STS of a Region answers `InvalidClientTokenId` to every key of an account that has not enabled the Region, and to every
//! key of another partition (IAM User Guide, "Manage AWS STS in an AWS Region"). The answer to a deleted key is the same.

use super::arn::Partition;
use super::error::{Kind, UserError};

/// The commercial Regions that every account has (Account Management Guide, "Enable or disable AWS Regions in your
/// account"). The list is closed: each Region since 2019 must be enabled by the account.
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

/// Returns whether an account has a Region only once it has enabled the Region.
pub fn must_be_enabled(region: &str) -> bool {
    Partition::of_region(region) == Partition::Aws && !ENABLED_BY_DEFAULT.contains(&region)
}

/// Returns the Region to ask first about a key: the first Region named, else the default of the first ARN's partition.
pub fn first<'a>(named: Option<String>, arns: impl IntoIterator<Item = &'a str>) -> String {
    named.unwrap_or_else(|| {
        let partition = arns.into_iter().find_map(Partition::of_arn).unwrap_or(Partition::Aws);
        partition.default_region().to_owned()
    })
}

/// Returns the Regions to ask if `asked` rejects a key, in order and without repetition: those given, then the default
/// Region of the partition of `asked`.
pub fn besides(asked: &str, given: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut regions: Vec<String> = Vec::new();
    for region in given.into_iter().chain([Partition::of_region(asked).default_region().to_owned()]) {
        if region != asked && !regions.contains(&region) {
            regions.push(region);
        }
    }
    regions
}

/// A key that one Region rejects and another accepts.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// The public half of what signed.
    pub key_id: &'a str,
    /// The account of the signer.
    pub account: &'a str,
    /// The Region that rejects it.
    pub asked: &'a str,
    /// A Region that accepts it.
    pub accepted_by: &'a str,
    /// The section of the configuration whose `region` was used.
    pub section: &'a str,
}

/// Why a Region rejects a key that another accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The Region is in another partition.
    OtherPartition,
    /// The account has not enabled the Region.
    NotEnabled,
    /// Every account has the Region: AWS has not copied the key there yet.
    NotYet,
}

impl Rejected<'_> {
    /// Returns the reason.
    pub fn reason(&self) -> Reason {
        reason(self.asked, self.accepted_by)
    }

    /// Returns whether one Region may reject what the other accepts for longer than a moment.
    pub fn is_lasting(asked: &str, accepted_by: &str) -> bool {
        reason(asked, accepted_by) != Reason::NotYet
    }

    /// Words the reason, with what to do about it.
    pub fn report(&self) -> UserError {
        let Self { key_id, account, asked, accepted_by, section } = *self;
        match self.reason() {
            Reason::OtherPartition => {
                let (own, other) = (Partition::of_region(accepted_by).id(), Partition::of_region(asked).id());
                UserError::new(
                    Kind::Refused,
                    format!("Region {asked} is in partition {other}, but {key_id} is valid in partition {own}"),
                )
                .hint(format!("set `region = \"{accepted_by}\"` in {section}"))
            }
            Reason::NotEnabled => UserError::new(
                Kind::Refused,
                format!(
                    "Region {asked} is not enabled in account {account}: its STS rejects {key_id}, which {accepted_by} accepts"
                ),
            )
            .hint(format!(
                "set `region = \"{accepted_by}\"` in {section}, or enable the Region: `aws account enable-region \
                 --region-name {asked}`"
            )),
            Reason::NotYet => UserError::new(
                Kind::Refused,
                format!("STS of {asked} rejects {key_id}, which {accepted_by} accepts"),
            )
            .hint("try again in a minute: AWS copies a new key to each Region in turn"),
        }
    }

    /// Returns the error to show in place of the error that AWS returned.
    pub fn explain(&self, error: UserError) -> UserError {
        let report = self.report();
        match self.reason() {
            // The message of AWS names the call. The hint says what the answer of the other Region means.
            Reason::NotYet => error.hint(format!("{report}: {}", report.hint.as_deref().unwrap_or_default())),
            Reason::OtherPartition | Reason::NotEnabled => report,
        }
    }
}

fn reason(asked: &str, accepted_by: &str) -> Reason {
    if Partition::of_region(asked) != Partition::of_region(accepted_by) {
        Reason::OtherPartition
    } else if must_be_enabled(asked) {
        Reason::NotEnabled
    } else {
        Reason::NotYet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_of_an_arn_decides_the_first_region() {
        let gov = "arn:aws-us-gov:iam::111111111111:mfa/richard";
        assert_eq!(first(None, ["GAHT12345678", gov]), "us-gov-west-1");
        assert_eq!(first(Some("eu-west-1".into()), [gov]), "eu-west-1");
        assert_eq!(first(None, []), "us-east-1");
    }

    #[test]
    fn other_regions_come_once_and_never_the_asked_one() {
        let given = ["me-south-1", "eu-west-1", "eu-west-1", "us-east-1"].map(str::to_owned);
        assert_eq!(besides("me-south-1", given), ["eu-west-1", "us-east-1"]);
        assert_eq!(besides("us-east-1", []), Vec::<String>::new());
    }

    #[test]
    fn rejection_is_explained_by_partition_or_opt_in() {
        for (asked, accepted_by, reason) in [
            ("eu-west-1", "us-gov-west-1", Reason::OtherPartition),
            ("me-south-1", "eu-west-1", Reason::NotEnabled),
            ("xx-future-1", "eu-west-1", Reason::NotEnabled),
            ("eu-west-1", "us-east-1", Reason::NotYet),
            ("us-gov-east-1", "us-gov-west-1", Reason::NotYet),
        ] {
            let section = "[roles.prod]";
            let rejected = Rejected { key_id: "AKIAEXAMPLE", account: "111111111111", asked, accepted_by, section };
            assert_eq!(rejected.reason(), reason, "{asked}");
            let report = rejected.report();
            assert!(report.message.contains(asked) && report.message.len() < 140, "{report}");
            assert!(!report.hint.expect("a hint").contains("replace"), "the key works");
        }
    }
}
