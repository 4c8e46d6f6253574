//! Where credentials are known: the Regions that an account has enabled, and its partition alone.
//!
//! Pages: IAM User Guide, "Manage AWS STS in an AWS Region"; Account Management Guide, "Enable or disable AWS Regions in
//! your account"; General Reference, "Amazon Resource Names (ARNs)", for partitions.

use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Account, World};

use crate::{start, tutorials};

const OPT_IN: &str = "me-south-1";
const INVALID: &str = "The security token included in the request is invalid.";

/// "You must activate the Region in both the account from which the request is made and the account for which the
/// credentials are generated."
#[test]
fn opt_in_region_unknown_until_both_accounts_enable_it() {
    let (aws, mut richard) = tutorials();
    let elsewhere = richard.assume(ROLE_ARN, &[]);
    richard.region = OPT_IN.to_owned();
    richard.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
    richard.assume(ROLE_ARN, &[]).fails(403, "InvalidClientTokenId", INVALID);
    let role = richard.with(&elsewhere);
    role.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
    aws.world(|world| world.account(AUTH_ACCOUNT).enabled_regions.insert(OPT_IN.to_owned()));
    assert_eq!(richard.sts("GetCallerIdentity", &[]).field("Arn"), USER_ARN);
    richard.assume(ROLE_ARN, &[]).fails(403, "RegionDisabledException", "STS is not activated in this region");
    aws.world(|world| world.account(WORKLOAD_ACCOUNT).enabled_regions.insert(OPT_IN.to_owned()));
    richard.assume(ROLE_ARN, &[]).succeeds();
    role.sts("GetCallerIdentity", &[]).succeeds();
}

/// Partitions are separate: no access key of one is known in another.
#[test]
fn key_of_another_partition_is_unknown() {
    let mut world = World::tutorials();
    let gov: Account = world.account(AUTH_ACCOUNT).clone().in_partition("aws-us-gov");
    let key = gov.users["richard"].access_keys[0].clone();
    let (aws, commercial) = start(world);
    let mut client = commercial.signed_by(&key);
    client.sts("GetCallerIdentity", &[]).succeeds();
    aws.world(|world| world.accounts.insert(AUTH_ACCOUNT.to_owned(), gov));
    client.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
    client.region = "us-gov-west-1".to_owned();
    let who = client.sts("GetCallerIdentity", &[]);
    assert_eq!(who.field("Arn"), "arn:aws-us-gov:iam::111111111111:user/richard");
}
