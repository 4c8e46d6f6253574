//! What sessions may do and when they end. Pages: IAM User Guide, "Session policies", "Temporary security credentials",
//! "Comparing AWS STS API operations"; Amazon S3 API Reference, "Error responses".

use std::time::Duration;

use chrono::TimeDelta;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, BUCKET, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{KeyStatus, Role};
use serde_json::json;

use crate::{add_role, allow, policy, trust, tutorials};

const INVALID: &str = "The security token included in the request is invalid.";

#[test]
fn a_session_ends_by_the_clock() {
    let (aws, richard) = tutorials();
    let session = richard.with(&richard.assume(ROLE_ARN, &[("DurationSeconds", "900")]));
    aws.clock().advance(Duration::from_secs(899));
    session.sts("GetCallerIdentity", &[]).succeeds();
    session.s3("/").succeeds();
    aws.clock().advance(Duration::from_secs(1));
    session.sts("GetCallerIdentity", &[]).fails(
        403,
        "ExpiredToken",
        "The security token included in the request is expired",
    );
    session.s3("/").fails(400, "ExpiredToken", "The provided token has expired.");
}

/// Not AWS's: a world may say how long the sessions of its roles live, for clients whose clock cannot be moved.
#[test]
fn a_world_may_end_its_roles_sessions_sooner_than_was_asked() {
    let (aws, richard) = tutorials();
    aws.world(|world| world.role_session_life = Some(TimeDelta::seconds(64)));
    let short = richard.with(&richard.assume(ROLE_ARN, &[("DurationSeconds", "900")]));
    aws.world(|world| world.role_session_life = None);
    let long = richard.with(&richard.assume(ROLE_ARN, &[("DurationSeconds", "900")]));
    aws.clock().advance(Duration::from_secs(63));
    short.s3("/").succeeds();
    aws.clock().advance(Duration::from_secs(1));
    short.s3("/").fails(400, "ExpiredToken", "The provided token has expired.");
    long.s3("/").succeeds();
}

#[test]
fn a_session_key_is_worth_nothing_without_its_token() {
    let (_aws, richard) = tutorials();
    let mut session = richard.with(&richard.assume(ROLE_ARN, &[]));
    let other = richard.with(&richard.assume(ROLE_ARN, &[]));
    for token in [None, other.token, Some("bad".to_owned())] {
        session.token = token;
        session.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
        session.s3("/").fails(403, "InvalidAccessKeyId", "");
    }
    let mut with_token = richard.clone();
    with_token.token = Some("unexpected".to_owned());
    with_token.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
}

#[test]
fn a_key_that_is_inactive_or_gone_is_unknown() {
    let (aws, richard) = tutorials();
    aws.world(|world| world.user(USER_ARN).access_keys[0].status = KeyStatus::Inactive);
    richard.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
    aws.world(|world| world.user(USER_ARN).access_keys[0].status = KeyStatus::Active);
    richard.sts("GetCallerIdentity", &[]).succeeds();
    aws.world(|world| world.user(USER_ARN).access_keys.clear());
    richard.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
    richard.s3("/").fails(403, "InvalidAccessKeyId", "does not exist in our records");
}

/// A role made again under the same ARN is another role: "IAM identifiers", unique identifiers.
#[test]
fn a_session_dies_with_its_role() {
    let (aws, richard) = tutorials();
    let session = richard.with(&richard.assume(ROLE_ARN, &[]));
    let role = aws.world(|world| world.account(WORKLOAD_ACCOUNT).roles.remove("AssumedRole")).expect("it was there");
    session.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
    add_role(&aws, WORKLOAD_ACCOUNT, Role::new("AssumedRole", role.trust));
    session.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", INVALID);
}

/// "The resulting session's permissions are the intersection of the role's identity-based policies and the session
/// policies."
#[test]
fn session_policies_only_take_away() {
    let (_aws, richard) = tutorials();
    let bucket = format!("/{BUCKET}");
    let only_list_buckets = allow("s3:ListAllMyBuckets").to_string();
    let limited = richard.with(&richard.assume(ROLE_ARN, &[("Policy", &only_list_buckets)]));
    limited.s3("/").succeeds();
    limited.s3(&bucket).fails(403, "AccessDenied", "because no session policy allows the s3:ListBucket action");

    let everything = allow("*").to_string();
    let same = richard.with(&richard.assume(ROLE_ARN, &[("Policy", &everything)]));
    same.s3(&bucket).succeeds();
    same.send("PUT", "s3", &format!("{bucket}/new"), "x").fails(
        403,
        "AccessDenied",
        "because no identity-based policy allows the s3:PutObject action",
    );

    let but_list = json!({"Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "*"},
    ]});
    let but_list = richard.with(&richard.assume(ROLE_ARN, &[("Policy", &but_list.to_string())]));
    but_list.s3("/").succeeds();
    but_list.s3(&bucket).fails(403, "AccessDenied", "with an explicit deny in a session policy");

    let by_arn = [("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/IAMReadOnlyAccess")];
    richard.with(&richard.assume(ROLE_ARN, &by_arn)).s3("/").is_denied();
    let both = [by_arn[0], ("Policy", only_list_buckets.as_str())];
    richard.with(&richard.assume(ROLE_ARN, &both)).s3("/").succeeds();
}

/// Permissions are read at each request; trust only when a session begins.
#[test]
fn a_change_of_permissions_counts_at_once() {
    let (aws, richard) = tutorials();
    let session = richard.with(&richard.assume(ROLE_ARN, &[]));
    aws.world(|world| world.role(ROLE_ARN).trust = trust("arn:aws:iam::333333333333:root").into());
    session.s3("/").succeeds();
    let old = policy(&json!({
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-11-22T08:00:01Z"}},
    }));
    // "Revoke IAM role temporary security credentials".
    aws.world(|world| world.role(ROLE_ARN).permissions.inline.insert("AWSRevokeOlderSessions".to_owned(), old.into()));
    session.s3("/").fails(403, "AccessDenied", "with an explicit deny in an identity-based policy");
    session.sts("GetCallerIdentity", &[]).succeeds();
}

#[test]
fn get_session_token_wants_a_long_term_key() {
    let (aws, richard) = tutorials();
    let of_user = richard.with(&richard.sts("GetSessionToken", &[]));
    let of_role = richard.with(&richard.assume(ROLE_ARN, &[]));
    for session in [&of_user, &of_role] {
        session.sts("GetSessionToken", &[]).fails(
            403,
            "AccessDenied",
            "Cannot call GetSessionToken with session credentials",
        );
    }
    assert_eq!(of_user.sts("GetCallerIdentity", &[]).field("Arn"), USER_ARN);
    of_user.assume(ROLE_ARN, &[]).succeeds();
    aws.world(|world| world.user(USER_ARN).permissions.inline.insert("all".to_owned(), allow("*").into()));
    let info = richard.sts("GetAccessKeyInfo", &[("AccessKeyId", &of_role.key)]);
    assert_eq!(info.succeeds().field("Account"), WORKLOAD_ACCOUNT);
    of_user.sts("GetAccessKeyInfo", &[("AccessKeyId", &of_role.key)]).is_denied();
}

/// "Managing AWS STS in an AWS Region".
#[test]
fn a_region_can_be_switched_off() {
    let (aws, mut richard) = tutorials();
    aws.world(|world| world.account(AUTH_ACCOUNT).disabled_regions.insert("eu-west-1".to_owned()));
    richard.sts("GetCallerIdentity", &[]).fails(
        403,
        "RegionDisabledException",
        "STS is not activated in this region for account:111111111111.",
    );
    richard.region = "us-east-1".to_owned();
    richard.sts("GetCallerIdentity", &[]).succeeds();
}

/// "AWS JSON policy elements: Principal", AWS service principals.
#[test]
fn a_service_gets_sessions_of_roles_that_trust_it() {
    let (aws, client) = tutorials();
    let service =
        policy(&json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}));
    let role = add_role(&aws, AUTH_ACCOUNT, Role::new("Instance", service));
    let issue = |service, role| aws.issue_to_service(service, role, "i-0123456789abcdef0", 3600);
    let session = issue("ec2.amazonaws.com", &role).expect("the role trusts EC2");
    let who = client.with_session(&session).sts("GetCallerIdentity", &[]);
    assert_eq!(who.field("Arn"), "arn:aws:sts::111111111111:assumed-role/Instance/i-0123456789abcdef0");
    assert_eq!(aws.session_expiration(&session.access_key_id), Some(session.expiration));
    assert!(issue("lambda.amazonaws.com", &role).is_none());
    let nobody = add_role(&aws, "111111111111", Role::new("Mine", trust("111111111111")));
    assert!(issue("ec2.amazonaws.com", &nobody).is_none());
    client.assume(&role, &[]).is_denied();
}
