//! Instance profiles. Pages: CreateInstanceProfile, AddRoleToInstanceProfile and their counterparts.

use rolecall_sandbox::User;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::json;

use super::administrated;
use crate::{add_user, trust};

const PROFILE: (&str, &str) = ("InstanceProfileName", "machine");
const ROLE: (&str, &str) = ("RoleName", "made");

#[test]
fn a_profile_holds_one_role() {
    let (_aws, admin) = administrated();
    let document = trust(USER_ARN).to_string();
    for name in ["made", "second"] {
        admin.iam("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &document)]).succeeds();
    }
    let made = admin.iam("CreateInstanceProfile", &[PROFILE, ("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")]);
    assert_eq!(made.succeeds().field("Arn"), "arn:aws:iam::111111111111:instance-profile/machine");
    assert!(made.field("InstanceProfileId").starts_with("AIPA"));
    admin.iam("CreateInstanceProfile", &[PROFILE]).fails(
        409,
        "EntityAlreadyExists",
        "Instance Profile machine already exists.",
    );
    admin.iam("AddRoleToInstanceProfile", &[PROFILE, ROLE]).succeeds();
    let second = ("RoleName", "second");
    let full = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1";
    admin.iam("AddRoleToInstanceProfile", &[PROFILE, second]).fails(409, "LimitExceeded", full);
    admin.iam("AddRoleToInstanceProfile", &[PROFILE, ("RoleName", "no")]).fails(404, "NoSuchEntity", "name no");
    let shown = admin.iam("GetInstanceProfile", &[PROFILE]);
    assert_eq!((shown.succeeds().field("RoleName"), shown.field("Key")), ("made", "a"));
    assert_eq!(admin.iam("ListInstanceProfilesForRole", &[ROLE]).count("InstanceProfileName"), 1);
    assert_eq!(admin.iam("ListInstanceProfilesForRole", &[second]).count("InstanceProfileName"), 0);
    admin.iam("DeleteInstanceProfile", &[PROFILE]).fails(409, "DeleteConflict", "must remove roles");
    admin.iam("RemoveRoleFromInstanceProfile", &[PROFILE, second]).fails(404, "NoSuchEntity", "second");
    admin.iam("RemoveRoleFromInstanceProfile", &[PROFILE, ROLE]).succeeds();
    admin.iam("DeleteInstanceProfile", &[PROFILE]).succeeds();
    admin.iam("GetInstanceProfile", &[PROFILE]).fails(404, "NoSuchEntity", "Instance Profile machine cannot be found.");
}

/// AddRoleToInstanceProfile: "must be granted the PassRole permission on the IAM role by a permissions policy".
#[test]
fn who_may_not_pass_a_role_may_not_put_it_in() {
    let (aws, admin) = administrated();
    let document = trust(USER_ARN).to_string();
    admin.iam("CreateRole", &[ROLE, ("AssumeRolePolicyDocument", &document)]).succeeds();
    admin.iam("CreateInstanceProfile", &[PROFILE]).succeeds();
    let may = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}, {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"}]});
    let half = admin.signed_by(&add_user(&aws, User::new("half").with_policy("half", may)));
    half.iam("AddRoleToInstanceProfile", &[PROFILE, ROLE]).fails(
        403,
        "AccessDenied",
        "iam:PassRole on resource: arn:aws:iam::111111111111:role/made with an explicit deny",
    );
    admin.iam("AddRoleToInstanceProfile", &[PROFILE, ROLE]).succeeds();
}
