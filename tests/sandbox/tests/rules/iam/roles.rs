//! Roles. Pages: CreateRole, UpdateRole, UpdateAssumeRolePolicy, DeleteRole; IAM User Guide, "AWS JSON policy elements:
//! Principal", "IAM and AWS STS quotas".

use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN, WORKLOAD_ACCOUNT};
use serde_json::json;

use super::{administrated, administrated_in};
use crate::client::Client;
use crate::{allow, policy, trust};

const ROLE: (&str, &str) = ("RoleName", "made");

/// Creates a role in the account of the client that trusts as said.
fn create(client: &Client, trust: &str, more: &[(&str, &str)]) -> crate::client::Reply {
    client.iam("CreateRole", &[&[ROLE, ("AssumeRolePolicyDocument", trust)], more].concat())
}

#[test]
fn a_role_is_made_shown_changed_and_deleted() {
    let (_aws, admin) = administrated();
    let ec2 =
        policy(&json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}));
    let more = [
        ("Path", "/made/"),
        ("Description", "for tests"),
        ("MaxSessionDuration", "7200"),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "b"),
    ];
    let made = create(&admin, &ec2.to_string(), &more);
    assert_eq!(made.succeeds().field("Arn"), "arn:aws:iam::111111111111:role/made/made");
    assert!(made.field("RoleId").starts_with("AROA"));
    let shown = admin.iam("GetRole", &[ROLE]);
    for (field, value) in [("Description", "for tests"), ("MaxSessionDuration", "7200"), ("Key", "a"), ("Value", "b")] {
        assert_eq!(shown.succeeds().field(field), value);
    }
    assert!(shown.field("AssumeRolePolicyDocument").contains("ec2.amazonaws.com%22"), "{}", shown.body);
    create(&admin, &ec2.to_string(), &[]).fails(409, "EntityAlreadyExists", "Role with name made already exists.");
    admin.iam("UpdateRole", &[ROLE, ("MaxSessionDuration", "43200")]).succeeds();
    assert_eq!(admin.iam("GetRole", &[ROLE]).field("MaxSessionDuration"), "43200");
    for seconds in ["3599", "43201"] {
        admin.iam("UpdateRole", &[ROLE, ("MaxSessionDuration", seconds)]).fails(
            400,
            "ValidationError",
            "maxSessionDuration",
        );
    }
    assert!(admin.iam("ListRoles", &[("PathPrefix", "/made/")]).body.contains("role/made/made"));
    admin.iam("DeleteRole", &[ROLE]).succeeds();
    admin.iam("GetRole", &[ROLE]).fails(404, "NoSuchEntity", "The role with name made cannot be found.");
}

#[test]
fn a_role_goes_only_after_its_policies_and_its_profile() {
    let (_aws, admin) = administrated();
    create(&admin, &trust(USER_ARN).to_string(), &[]).succeeds();
    let s3 = ("PolicyArn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess");
    let profile = ("InstanceProfileName", "machine");
    admin.iam("AttachRolePolicy", &[ROLE, s3]).succeeds();
    let own = allow("s3:*").to_string();
    admin.iam("PutRolePolicy", &[ROLE, ("PolicyName", "own"), ("PolicyDocument", &own)]).succeeds();
    admin.iam("CreateInstanceProfile", &[profile]).succeeds();
    admin.iam("AddRoleToInstanceProfile", &[profile, ROLE]).succeeds();
    let conflict = |message| {
        admin.iam("DeleteRole", &[ROLE]).fails(409, "DeleteConflict", message);
    };
    conflict("must remove roles from instance profile first");
    admin.iam("RemoveRoleFromInstanceProfile", &[profile, ROLE]).succeeds();
    conflict("must detach all policies first");
    assert_eq!(admin.iam("ListAttachedRolePolicies", &[ROLE]).field("PolicyArn"), s3.1);
    admin.iam("DetachRolePolicy", &[ROLE, s3]).succeeds();
    conflict("must delete policies first");
    assert_eq!(admin.iam("ListRolePolicies", &[ROLE]).field("member"), "own");
    assert_eq!(admin.iam("GetRolePolicy", &[ROLE, ("PolicyName", "own")]).field("RoleName"), "made");
    admin.iam("DeleteRolePolicy", &[ROLE, ("PolicyName", "own")]).succeeds();
    admin.iam("DeleteRole", &[ROLE]).succeeds();
}

/// "Principal": whom a trust policy names must exist, in whichever account.
#[test]
fn a_trust_policy_is_checked_when_it_is_stored() {
    let (_aws, admin) = administrated();
    let refused = |document: &serde_json::Value, message: &str| {
        create(&admin, &document.to_string(), &[]).fails(400, "MalformedPolicyDocument", message);
    };
    let nobody = "arn:aws:iam::222222222222:user/nobody";
    refused(&trust(nobody), &format!("Invalid principal in policy: \"AWS\":\"{nobody}\""));
    refused(&trust("arn:aws:iam::999999999999:root"), "\"AWS\":\"arn:aws:iam::999999999999:root\"");
    refused(&trust("AIDAAAAAAAAAAAAAAAAA"), "\"AWS\":\"AIDAAAAAAAAAAAAAAAAA\"");
    let service = json!({"Effect": "Allow", "Principal": {"Service": "ec2"}, "Action": "sts:AssumeRole"});
    refused(&policy(&service), "Invalid principal in policy: \"SERVICE\":\"ec2\"");
    refused(&allow("sts:AssumeRole"), "Missing required field Principal");
    let mut with_resource = trust(USER_ARN);
    with_resource["Statement"][0]["Resource"] = json!("*");
    refused(&with_resource, "Has prohibited field Resource");
    let other = json!({"Effect": "Allow", "Principal": {"AWS": USER_ARN}, "Action": "s3:GetObject"});
    refused(&policy(&other), "AssumeRole policy may only specify STS AssumeRole actions.");
    create(&admin, "{", &[]).fails(400, "MalformedPolicyDocument", "");
    create(&admin, &trust(USER_ARN).to_string(), &[("MaxSessionDuration", "60")]).fails(400, "ValidationError", "");
    let mut long = trust(USER_ARN);
    long["Statement"][0]["Condition"] = json!({"StringEquals": {"sts:ExternalId": "e".repeat(2048)}});
    create(&admin, &long.to_string(), &[]).fails(409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048");
    create(&admin, &trust(USER_ARN).to_string(), &[]).succeeds();
    let nobody = trust(nobody).to_string();
    admin.iam("UpdateAssumeRolePolicy", &[ROLE, ("PolicyDocument", &nobody)]).fails(400, "MalformedPolicyDocument", "");
}

/// "If your Role element in a trust policy contains an ARN that points to a specific IAM user or role, IAM transforms that
/// to the unique principal ID"; a namesake is not trusted, and the id is what is then shown.
#[test]
fn a_user_that_is_deleted_and_made_again_is_no_longer_trusted() {
    let (aws, admin) = administrated();
    let workload = admin.signed_by(&aws.access_key("arn:aws:iam::222222222222:user/admin"));
    let arn = "arn:aws:iam::111111111111:user/anna";
    let make = || {
        let id = admin.iam("CreateUser", &[("UserName", "anna")]).succeeds().field("UserId").to_owned();
        let may = allow("sts:*").to_string();
        let put = [("UserName", "anna"), ("PolicyName", "p"), ("PolicyDocument", may.as_str())];
        admin.iam("PutUserPolicy", &put).succeeds();
        (id, admin.with_key(&admin.iam("CreateAccessKey", &[("UserName", "anna")])))
    };
    let (id, anna) = make();
    create(&workload, &trust(arn).to_string(), &[]).succeeds();
    let role = format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:role/made");
    anna.assume(&role, &[]).succeeds();
    admin.iam("DeleteAccessKey", &[("UserName", "anna"), ("AccessKeyId", &anna.key)]).succeeds();
    admin.iam("DeleteUserPolicy", &[("UserName", "anna"), ("PolicyName", "p")]).succeeds();
    let shown = || workload.iam("GetRole", &[ROLE]).field("AssumeRolePolicyDocument").to_owned();
    assert!(shown().contains("user%2Fanna") && !shown().contains(&id), "{}", shown());
    admin.iam("DeleteUser", &[("UserName", "anna")]).succeeds();
    assert!(!shown().contains("user%2Fanna") && shown().contains(&id), "{}", shown());
    let (_, namesake) = make();
    namesake.assume(&role, &[]).is_denied();
    assert!(shown().contains(&id), "{}", shown());
    let again = trust(arn).to_string();
    workload.iam("UpdateAssumeRolePolicy", &[ROLE, ("PolicyDocument", &again)]).succeeds();
    namesake.assume(&role, &[]).succeeds();
}

/// A world that is written down trusts by name, until a test says that it was stored so.
#[test]
fn a_test_may_bind_a_trust_that_it_has_written_down() {
    let (aws, admin) = administrated();
    let role = crate::add_role(&aws, AUTH_ACCOUNT, rolecall_sandbox::Role::new("bound", trust(USER_ARN)));
    aws.world(|world| {
        world.bind_trust(&role);
        world.user(USER_ARN).id = "AIDAAAAAAAAAAAAAAAAA".to_owned();
    });
    let richard = admin.signed_by(&aws.access_key(USER_ARN));
    richard.assume(&role, &[]).is_denied();
}

#[test]
fn every_quota_that_a_role_meets_can_be_reached() {
    let mut world = World::tutorials();
    (world.quotas.roles_per_account, world.quotas.policies_per_role) = (1, 0);
    let (_aws, admin) = administrated_in(world);
    let document = trust(USER_ARN).to_string();
    create(&admin, &document, &[]).succeeds();
    let second = [("RoleName", "second"), ("AssumeRolePolicyDocument", document.as_str())];
    admin.iam("CreateRole", &second).fails(409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1");
    let s3 = ("PolicyArn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess");
    admin.iam("AttachRolePolicy", &[ROLE, s3]).fails(
        409,
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerRole: 0",
    );
}
