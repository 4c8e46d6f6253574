//! Access keys. Pages: IAM API Reference, CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey,
//! GetAccessKeyLastUsed, GetUser; IAM User Guide, "IAM and AWS STS quotas", "Manage access keys for IAM users",
//! "Troubleshoot IAM" ("Changes that I make are not always immediately visible"); STS API Reference, "GetSessionToken".

use std::time::Duration;

use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN};
use rolecall_sandbox::{Delay, Fault, FaultKind, KeyStatus, MfaDevice, Propagation, Sandbox, User, World};
use serde_json::{Value, json};

use crate::client::Client;
use crate::{add_user, allow, policy, start};

/// Returns a policy that lets users manage their own keys.
fn own_keys(condition: Option<Value>) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Action": ["iam:*AccessKey*", "iam:GetUser"],
        "Resource": "arn:aws:iam::111111111111:user/${aws:username}",
    });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    policy(&statement)
}

fn managing() -> (Sandbox, Client) {
    let mut world = World::tutorials();
    world.user(USER_ARN).permissions.inline.insert("OwnKeys".to_owned(), own_keys(None).into());
    start(world)
}

/// "CreateAccessKey: Creates a new AWS secret access key and corresponding AWS access key ID for the specified user. The
/// default status for new keys is Active."
#[test]
fn a_new_key_works_and_is_listed_with_its_date() {
    let (aws, richard) = managing();
    let made = richard.iam("CreateAccessKey", &[]);
    assert_eq!((made.field("UserName"), made.field("Status")), ("richard", "Active"));
    assert_eq!(made.field("CreateDate"), "2026-11-22T08:00:00Z");
    assert_eq!((made.field("AccessKeyId").len(), made.field("SecretAccessKey").len()), (20, 40));
    let new = richard.with_key(&made);
    assert_eq!(new.sts("GetCallerIdentity", &[]).succeeds().field("Arn"), USER_ARN);
    let listed = new.iam("ListAccessKeys", &[("UserName", "richard")]);
    assert_eq!((listed.succeeds().count("member"), listed.field("IsTruncated")), (2, "false"));
    assert!(listed.body.contains(&new.key) && listed.body.contains(&richard.key), "{}", listed.body);
    assert!(!listed.body.contains(&new.secret), "a secret is shown once");
    assert_eq!(new.iam("GetUser", &[]).succeeds().field("Arn"), USER_ARN);
    assert!(aws.calls().iter().all(|call| call.service == "iam" || call.service == "sts"));
}

/// "AccessKeysPerUser: 2" (IAM and AWS STS quotas); an inactive key counts.
#[test]
fn a_user_has_two_keys_at_most() {
    let (_aws, richard) = managing();
    let second = richard.with_key(&richard.iam("CreateAccessKey", &[]));
    let off = [("AccessKeyId", second.key.as_str()), ("Status", "Inactive")];
    richard.iam("UpdateAccessKey", &off).succeeds();
    richard.iam("CreateAccessKey", &[]).fails(409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2");
    richard.iam("DeleteAccessKey", &[("AccessKeyId", &second.key)]).succeeds();
    richard.iam("CreateAccessKey", &[]).succeeds();
}

/// "UpdateAccessKey: Changes the status of the specified access key from Active to Inactive, or vice versa."
#[test]
fn a_key_that_is_off_or_gone_is_refused_and_can_be_switched_on_again() {
    let (aws, richard) = managing();
    let second = richard.with_key(&richard.iam("CreateAccessKey", &[]));
    let turn = |status| richard.iam("UpdateAccessKey", &[("AccessKeyId", second.key.as_str()), ("Status", status)]);
    turn("Inactive").succeeds();
    second.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", "");
    second.iam("ListAccessKeys", &[]).fails(403, "InvalidClientTokenId", "");
    turn("Active").succeeds();
    second.sts("GetCallerIdentity", &[]).succeeds();
    turn("off").fails(400, "ValidationError", "[Active, Inactive]");
    richard.iam("DeleteAccessKey", &[("AccessKeyId", &second.key)]).succeeds();
    second.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", "");
    richard.iam("DeleteAccessKey", &[("AccessKeyId", &second.key)]).fails(404, "NoSuchEntity", "cannot be found");
    turn("Inactive").fails(404, "NoSuchEntity", &second.key);
    richard.iam("DeleteAccessKey", &[("AccessKeyId", "AKIA")]).fails(400, "ValidationError", "");
    assert_eq!(aws.world(|world| world.user(USER_ARN).access_keys[0].status), KeyStatus::Active);
}

/// Service Authorization Reference: the resource of these actions is the user.
#[test]
fn the_policy_of_the_caller_decides_for_each_action_on_each_user() {
    let (aws, richard) = managing();
    let other = add_user(&aws, User::new("other").with_policy("p", allow("sts:AssumeRole")));
    let denied = "is not authorized to perform: iam:CreateAccessKey on resource: user other";
    richard.iam("CreateAccessKey", &[("UserName", "other")]).fails(403, "AccessDenied", denied);
    let theirs = [("UserName", "other"), ("AccessKeyId", other.id.as_str())];
    richard.iam("DeleteAccessKey", &theirs).is_denied();
    richard.iam("ListAccessKeys", &[("UserName", "other")]).is_denied();
    richard.iam("GetAccessKeyLastUsed", &[("AccessKeyId", &other.id)]).is_denied();
    richard.iam("ListAccessKeys", &[("UserName", "nobody")]).is_denied();
    let other = richard.signed_by(&other);
    other.iam("ListAccessKeys", &[]).fails(403, "AccessDenied", "because no identity-based policy allows");

    aws.world(|world| {
        let user = world.user(USER_ARN);
        user.permissions.inline.insert("All".to_owned(), allow("iam:*").into());
    });
    richard.iam("ListAccessKeys", &[("UserName", "other")]).succeeds();
    richard.iam("ListAccessKeys", &[("UserName", "nobody")]).fails(404, "NoSuchEntity", "user with name nobody");
    // A key of another user is none of the user that is named.
    let mixed = [("UserName", "richard"), ("AccessKeyId", other.key.as_str())];
    richard.iam("DeleteAccessKey", &mixed).fails(404, "NoSuchEntity", "cannot be found");
}

/// "You cannot call any IAM API operations unless MFA authentication information is included in the request"
/// (GetSessionToken); aws:MultiFactorAuthPresent is absent where a long-term key signs.
#[test]
fn a_session_calls_iam_only_with_a_code_and_a_condition_may_demand_one() {
    let device = MfaDevice::generate(AUTH_ACCOUNT, "richard");
    let serial = device.serial.clone();
    let mut world = World::tutorials();
    world.user(USER_ARN).mfa_devices.push(device);
    let condition = json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}});
    world.user(USER_ARN).permissions.inline.insert("OwnKeys".to_owned(), own_keys(Some(condition)).into());
    let (aws, richard) = start(world);
    richard.iam("CreateAccessKey", &[]).is_denied();
    let plain = richard.with(&richard.sts("GetSessionToken", &[]));
    plain.iam("ListAccessKeys", &[]).fails(403, "InvalidClientTokenId", "");
    let code = aws.mfa_code(USER_ARN);
    let with_code = [("SerialNumber", serial.as_str()), ("TokenCode", code.as_str())];
    let session = richard.with(&richard.sts("GetSessionToken", &with_code));
    session.iam("CreateAccessKey", &[]).succeeds();
    assert_eq!(session.iam("ListAccessKeys", &[]).succeeds().count("member"), 2);
}

/// "Changes that I make are not always immediately visible": a client must be able to wait.
#[test]
fn a_new_key_is_known_when_it_has_propagated() {
    let (aws, richard) = managing();
    aws.world(|world| world.propagation = Propagation::of_decisions(Delay::Time(chrono::TimeDelta::seconds(10))));
    let new = richard.with_key(&richard.iam("CreateAccessKey", &[]));
    new.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", "");
    assert_eq!(richard.iam("ListAccessKeys", &[]).count("member"), 2, "it is listed all the same");
    aws.clock().advance(Duration::from_secs(10));
    new.sts("GetCallerIdentity", &[]).succeeds();
    richard.sts("GetCallerIdentity", &[]).succeeds();
}

/// "GetAccessKeyLastUsed": `N/A` of a key that was never used.
#[test]
fn the_last_use_of_a_key_is_told() {
    let (aws, richard) = managing();
    let new = richard.with_key(&richard.iam("CreateAccessKey", &[]));
    let told = || richard.iam("GetAccessKeyLastUsed", &[("AccessKeyId", &new.key)]);
    assert_eq!((told().succeeds().field("ServiceName"), told().count("LastUsedDate")), ("N/A", 0));
    aws.clock().advance(Duration::from_mins(1));
    new.sts("GetCallerIdentity", &[]).succeeds();
    let told = told();
    assert_eq!(
        (told.field("UserName"), told.field("ServiceName"), told.field("Region")),
        ("richard", "sts", "eu-west-1")
    );
    assert_eq!(told.field("LastUsedDate"), "2026-11-22T08:01:00Z");
}

#[test]
fn faults_befall_iam_as_they_do_sts() {
    let (aws, richard) = managing();
    aws.fault(Fault::on("CreateAccessKey", FaultKind::Throttle).times(1));
    richard.iam("CreateAccessKey", &[]).fails(400, "Throttling", "Rate exceeded");
    assert_eq!(aws.world(|world| world.user(USER_ARN).access_keys.len()), 1, "it was turned away");
    aws.fault(Fault::on("CreateAccessKey", FaultKind::TruncatedXml).times(1));
    assert!(!richard.iam("CreateAccessKey", &[]).body.contains("</CreateAccessKeyResponse>"));
    assert_eq!(aws.world(|world| world.user(USER_ARN).access_keys.len()), 2, "the answer was lost, the key was made");
    richard.iam("MakeUser", &[]).fails(400, "InvalidAction", "Could not find operation MakeUser");
}
