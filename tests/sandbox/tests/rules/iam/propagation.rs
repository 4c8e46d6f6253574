//! What IAM changed is not seen by everybody at once. Page: IAM User Guide, "Troubleshoot IAM" ("Changes that I make are not
//! always immediately visible").

use std::time::Duration;

use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Delay, Propagation, Sandbox, World};

use super::administrated_in;
use crate::client::Client;
use crate::{allow, trust};

const ANNA: (&str, &str) = ("UserName", "anna");

fn late(propagation: Propagation) -> (Sandbox, Client, Client) {
    let (aws, admin) = administrated_in(World { propagation, ..World::tutorials() });
    let workload = admin.signed_by(&aws.access_key("arn:aws:iam::222222222222:user/admin"));
    (aws, admin, workload)
}

/// Makes anna, who may assume every role, and returns her client.
fn anna(admin: &Client) -> Client {
    admin.iam("CreateUser", &[ANNA]).succeeds();
    let may = allow("sts:*").to_string();
    admin.iam("PutUserPolicy", &[ANNA, ("PolicyName", "p"), ("PolicyDocument", &may)]).succeeds();
    admin.with_key(&admin.iam("CreateAccessKey", &[ANNA]))
}

#[test]
fn by_the_clock_a_new_key_a_new_role_and_its_policies_come_one_after_the_other() {
    let ten = Delay::Time(chrono::TimeDelta::seconds(10));
    let (aws, admin, workload) = late(Propagation::of_decisions(ten));
    let anna = anna(&admin);
    anna.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", "");
    assert_eq!(admin.iam("ListAccessKeys", &[ANNA]).count("AccessKeyId"), 1, "reads show it");
    let document = trust("arn:aws:iam::111111111111:user/anna").to_string();
    let role = [("RoleName", "new"), ("AssumeRolePolicyDocument", document.as_str())];
    workload.iam("CreateRole", &role).fails(400, "MalformedPolicyDocument", "Invalid principal in policy");
    aws.clock().advance(Duration::from_secs(10));
    anna.sts("GetCallerIdentity", &[]).succeeds();
    workload.iam("CreateRole", &role).succeeds();
    let arn = format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:role/new");
    anna.assume(&arn, &[]).is_denied();
    aws.clock().advance(Duration::from_secs(9));
    let s3 = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    workload.iam("AttachRolePolicy", &[("RoleName", "new"), ("PolicyArn", s3)]).succeeds();
    anna.assume(&arn, &[]).is_denied();
    aws.clock().advance(Duration::from_secs(1));
    let session = anna.with(&anna.assume(&arn, &[]));
    session.s3("/").fails(403, "AccessDenied", "");
    aws.clock().advance(Duration::from_secs(9));
    session.s3("/").succeeds();
}

/// What is deleted lives on as long.
#[test]
fn a_key_that_was_deleted_still_opens_for_a_while() {
    let (aws, admin, _) = late(Propagation::of_decisions(Delay::Time(chrono::TimeDelta::seconds(10))));
    let key = aws.access_key(USER_ARN);
    let richard = admin.signed_by(&key);
    admin.iam("DeleteAccessKey", &[("UserName", "richard"), ("AccessKeyId", &key.id)]).succeeds();
    richard.sts("GetCallerIdentity", &[]).succeeds();
    aws.clock().advance(Duration::from_secs(10));
    richard.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", "");
}

#[test]
fn by_tries_the_clock_stands_still_and_each_refusal_counts() {
    let (aws, admin, workload) = late(Propagation::of_decisions(Delay::Calls(2)));
    let anna = anna(&admin);
    for _ in 0..2 {
        anna.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", "");
    }
    anna.sts("GetCallerIdentity", &[]).succeeds();
    let document = trust("arn:aws:iam::111111111111:user/anna").to_string();
    let role = [("RoleName", "new"), ("AssumeRolePolicyDocument", document.as_str())];
    workload.iam("CreateRole", &role).succeeds();
    // Calls to IAM that succeed are no tries: it is the same however much is made in between.
    for _ in 0..5 {
        workload.iam("GetRole", &[("RoleName", "new")]).succeeds();
    }
    let arn = format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:role/new");
    for _ in 0..2 {
        anna.assume(&arn, &[]).is_denied();
    }
    anna.assume(&arn, &[]).succeeds();
    workload
        .iam("UpdateAssumeRolePolicy", &[("RoleName", "new"), ("PolicyDocument", &trust(USER_ARN).to_string())])
        .succeeds();
    anna.assume(&arn, &[]).succeeds();
    aws.settle();
    anna.assume(&arn, &[]).is_denied();
}

#[test]
fn a_principal_that_is_not_known_yet_is_known_after_so_many_refusals() {
    let (_aws, admin, workload) = late(Propagation::of_decisions(Delay::Calls(3)));
    admin.iam("CreateUser", &[ANNA]).succeeds();
    let document = trust("arn:aws:iam::111111111111:user/anna").to_string();
    let role = [("RoleName", "new"), ("AssumeRolePolicyDocument", document.as_str())];
    for _ in 0..3 {
        workload.iam("CreateRole", &role).fails(400, "MalformedPolicyDocument", "Invalid principal in policy");
    }
    workload.iam("CreateRole", &role).succeeds();
}

#[test]
fn reads_may_be_late_too() {
    let (_aws, admin, _) = late(Propagation { reads: Delay::Calls(2), ..Propagation::default() });
    admin.iam("CreateUser", &[ANNA]).succeeds();
    for _ in 0..2 {
        admin.iam("GetUser", &[ANNA]).fails(404, "NoSuchEntity", "anna");
    }
    admin.iam("GetUser", &[ANNA]).succeeds();
    admin.iam("TagUser", &[ANNA, ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")]).succeeds();
    assert_eq!(admin.iam("GetUser", &[ANNA]).count("Tags"), 0);
    assert_eq!(admin.iam("GetUser", &[ANNA]).count("Tags"), 0);
    assert_eq!(admin.iam("GetUser", &[ANNA]).count("Tags"), 1);
    // What is made twice is refused at once, seen or not.
    admin.iam("DeleteUser", &[ANNA]).succeeds();
    admin.iam("CreateUser", &[ANNA]).succeeds();
    admin.iam("CreateUser", &[ANNA]).fails(409, "EntityAlreadyExists", "");
}

/// What a test changes in the world is no call to IAM.
#[test]
fn what_a_test_changes_counts_at_once() {
    let (aws, admin, _) = late(Propagation::of_all(Delay::Calls(100)));
    admin.iam("CreateUser", &[ANNA]).succeeds();
    let richard = admin.signed_by(&aws.access_key(USER_ARN));
    richard.assume(ROLE_ARN, &[]).succeeds();
    aws.world(|world| world.role(ROLE_ARN).trust = trust("arn:aws:iam::333333333333:root").into());
    richard.assume(ROLE_ARN, &[]).is_denied();
}
