//! Users and their policies. Pages: CreateUser, GetUser, DeleteUser, AttachUserPolicy, PutUserPolicy and their counterparts,
//! TagUser, ListUsers; IAM User Guide, "IAM and AWS STS quotas", "Troubleshoot access denied error messages".

use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, AUTH_ADMIN_ARN};
use rolecall_sandbox::{User, World};
use serde_json::json;

use super::{administrated, administrated_in, policy_arn};
use crate::{add_user, allow, policy};

const S3: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";

#[test]
fn a_user_is_made_with_path_and_tags_shown_and_deleted() {
    let (aws, admin) = administrated();
    let tags = [("Tags.member.1.Key", "made-by"), ("Tags.member.1.Value", "rolecall")];
    let made = admin.iam("CreateUser", &[&[("UserName", "anna"), ("Path", "/people/")], &tags[..]].concat());
    assert_eq!(made.succeeds().field("Arn"), "arn:aws:iam::111111111111:user/people/anna");
    assert!(made.field("UserId").starts_with("AIDA") && made.field("UserId").len() == 20);
    assert_eq!(made.field("CreateDate"), "2026-11-22T08:00:00Z");
    let shown = admin.iam("GetUser", &[("UserName", "anna")]);
    assert_eq!((shown.succeeds().field("Key"), shown.field("Value")), ("made-by", "rolecall"));
    assert_eq!(shown.field("UserId"), made.field("UserId"));
    assert_eq!(admin.iam("ListGroupsForUser", &[("UserName", "anna")]).succeeds().count("Groups"), 1);
    admin.iam("CreateUser", &[("UserName", "Anna")]).fails(
        409,
        "EntityAlreadyExists",
        "User with name Anna already exists.",
    );
    admin.iam("DeleteUser", &[("UserName", "anna")]).succeeds();
    admin.iam("GetUser", &[("UserName", "anna")]).fails(
        404,
        "NoSuchEntity",
        "The user with name anna cannot be found.",
    );
    admin.iam("DeleteUser", &[("UserName", "anna")]).fails(404, "NoSuchEntity", "");
    let again = admin.iam("CreateUser", &[("UserName", "anna")]);
    assert_ne!(again.field("UserId"), made.field("UserId"), "a namesake is another user");
    assert_eq!(aws.world(|world| world.account(AUTH_ACCOUNT).users.len()), 3);
}

/// "IAM name requirements": alphanumeric and `+=,.@_-`, 64 characters; a path begins and ends with a slash.
#[test]
fn names_and_paths_have_their_alphabet_and_length() {
    let (_aws, admin) = administrated();
    let create = |name: &str, path: &str| admin.iam("CreateUser", &[("UserName", name), ("Path", path)]);
    for name in ["a b", "a/b", "ä", "a:b", "a*"] {
        create(name, "/").fails(400, "ValidationError", "The specified value for userName is invalid.");
    }
    create(&"a".repeat(65), "/").fails(400, "ValidationError", "length less than or equal to 64");
    admin.iam("CreateUser", &[]).fails(
        400,
        "ValidationError",
        "at 'userName' failed to satisfy constraint: Member must not be null",
    );
    for path in ["people", "/people", "people/", "/pe ople/", ""] {
        create("anna", path).fails(400, "ValidationError", "path");
    }
    create(&"a".repeat(64), "/a/b!/").succeeds();
    create("+=,.@_-", "/").succeeds();
}

/// DeleteUser: "you must delete the items attached to the user manually, or the deletion fails".
#[test]
fn a_user_goes_only_after_all_that_belongs_to_it() {
    let (_aws, admin) = administrated();
    let anna = [("UserName", "anna")];
    admin.iam("CreateUser", &anna).succeeds();
    let key = admin.iam("CreateAccessKey", &anna).succeeds().field("AccessKeyId").to_owned();
    admin.iam("AttachUserPolicy", &[anna[0], ("PolicyArn", S3)]).succeeds();
    let own = allow("s3:*").to_string();
    admin.iam("PutUserPolicy", &[anna[0], ("PolicyName", "own"), ("PolicyDocument", &own)]).succeeds();
    let conflict = |message| {
        admin.iam("DeleteUser", &anna).fails(409, "DeleteConflict", message);
    };
    conflict("must delete access keys first");
    admin.iam("DeleteAccessKey", &[anna[0], ("AccessKeyId", &key)]).succeeds();
    conflict("must detach all policies first");
    admin.iam("DetachUserPolicy", &[anna[0], ("PolicyArn", S3)]).succeeds();
    conflict("must delete policies first");
    admin.iam("DeleteUserPolicy", &[anna[0], ("PolicyName", "own")]).succeeds();
    admin.iam("DeleteUser", &anna).succeeds();
}

#[test]
fn policies_are_put_attached_listed_and_count_at_once() {
    let (_aws, admin) = administrated();
    let anna = ("UserName", "anna");
    admin.iam("CreateUser", &[anna]).succeeds();
    let client = admin.with_key(&admin.iam("CreateAccessKey", &[anna]));
    client.iam("GetUser", &[]).is_denied();
    let may = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]});
    let put = |name: &str, document: &str| {
        admin.iam("PutUserPolicy", &[anna, ("PolicyName", name), ("PolicyDocument", document)])
    };
    put("own", &may.to_string()).succeeds();
    client.iam("GetUser", &[]).succeeds();
    let shown = admin.iam("GetUserPolicy", &[anna, ("PolicyName", "own")]);
    assert!(shown.succeeds().field("PolicyDocument").starts_with("%7B%22"), "{}", shown.body);
    assert_eq!(admin.iam("ListUserPolicies", &[anna]).succeeds().field("member"), "own");
    put("bad", "{").fails(400, "MalformedPolicyDocument", "");
    put("bad", &crate::trust("*").to_string()).fails(400, "MalformedPolicyDocument", "should not specify a principal");
    let long =
        policy(&json!({"Effect": "Allow", "Action": "s3:*", "Resource": format!("arn:aws:s3:::{}", "r".repeat(2048))}))
            .to_string();
    put("long", &long).fails(409, "LimitExceeded", "Maximum policy size of 2048 bytes exceeded for user anna");
    admin.iam("DeleteUserPolicy", &[anna, ("PolicyName", "no")]).fails(
        404,
        "NoSuchEntity",
        "The user policy with name no",
    );

    admin.iam("AttachUserPolicy", &[anna, ("PolicyArn", S3)]).succeeds();
    admin.iam("AttachUserPolicy", &[anna, ("PolicyArn", S3)]).succeeds();
    let attached = admin.iam("ListAttachedUserPolicies", &[anna]);
    assert_eq!((attached.field("PolicyName"), attached.field("PolicyArn")), ("AmazonS3ReadOnlyAccess", S3));
    let missing = policy_arn("missing");
    admin.iam("AttachUserPolicy", &[anna, ("PolicyArn", &missing)]).fails(
        404,
        "NoSuchEntity",
        "does not exist or is not attachable",
    );
    admin.iam("DetachUserPolicy", &[anna, ("PolicyArn", &missing)]).fails(404, "NoSuchEntity", "was not found");
    admin.iam("DetachUserPolicy", &[anna, ("PolicyArn", "12345678901234567890")]).fails(
        400,
        "InvalidInput",
        "is not valid",
    );
}

#[test]
fn every_quota_that_a_user_meets_can_be_reached() {
    let mut world = World::tutorials();
    (world.quotas.users_per_account, world.quotas.policies_per_user) = (3, 1);
    let (_aws, admin) = administrated_in(world);
    let anna = ("UserName", "anna");
    admin.iam("CreateUser", &[anna]).succeeds();
    admin.iam("CreateUser", &[("UserName", "berta")]).fails(
        409,
        "LimitExceeded",
        "Cannot exceed quota for UsersPerAccount: 3",
    );
    admin.iam("AttachUserPolicy", &[anna, ("PolicyArn", S3)]).succeeds();
    let more = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    admin.iam("AttachUserPolicy", &[anna, ("PolicyArn", more)]).fails(
        409,
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerUser: 1",
    );
}

/// "Rules for tagging in IAM and AWS STS": 50 tags, keys without regard to case, `aws:` reserved.
#[test]
fn tags_have_their_rules() {
    let (_aws, admin) = administrated();
    let tag = |tags: &[(&str, &str)]| {
        let mut parameters = vec![("UserName".to_owned(), "richard".to_owned())];
        for (at, (key, value)) in tags.iter().enumerate() {
            parameters.push((format!("Tags.member.{}.Key", at + 1), (*key).to_owned()));
            parameters.push((format!("Tags.member.{}.Value", at + 1), (*value).to_owned()));
        }
        let parameters: Vec<_> = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        admin.iam("TagUser", &parameters)
    };
    tag(&[("team", "web"), ("Stage", "")]).succeeds();
    tag(&[("Team", "data")]).succeeds();
    let shown = admin.iam("ListUserTags", &[("UserName", "richard")]);
    assert_eq!((shown.count("member"), shown.body.contains("<Value>data</Value>")), (2, true), "{}", shown.body);
    tag(&[("a", "1"), ("A", "2")]).fails(400, "InvalidInput", "Duplicate tag keys");
    tag(&[("aws:a", "1")]).fails(400, "InvalidInput", "reserved");
    tag(&[("a*", "1")]).fails(400, "ValidationError", "tags.1.member.key");
    let many: Vec<String> = (0..49).map(|at| format!("k{at}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "")).collect();
    tag(&many).fails(409, "LimitExceeded", "TagsPerResource");
    admin.iam("UntagUser", &[("UserName", "richard"), ("TagKeys.member.1", "stage")]).succeeds();
    assert_eq!(admin.iam("ListUserTags", &[("UserName", "richard")]).count("member"), 1);
}

/// Each call is a matter of the caller's own policies, with AWS's words where it may not.
#[test]
fn rights_that_are_missing_half_way_are_told_action_by_action() {
    let (aws, admin) = administrated();
    let half = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iam:CreateUser", "iam:GetUser"], "Resource": "arn:aws:iam::111111111111:user/made/*"},
        {"Effect": "Deny", "Action": "iam:GetUser", "Resource": "*", "Condition": {"StringEquals": {"iam:ResourceTag/secret": "yes"}}}]});
    let half = admin.signed_by(&add_user(&aws, User::new("half").with_policy("half", half)));
    half.iam("CreateUser", &[("UserName", "anna")]).fails(
        403,
        "AccessDenied",
        "User: arn:aws:iam::111111111111:user/half is not authorized to perform: iam:CreateUser on resource: \
         arn:aws:iam::111111111111:user/anna because no identity-based policy allows the iam:CreateUser action",
    );
    let anna = [("UserName", "anna"), ("Path", "/made/")];
    half.iam("CreateUser", &anna).succeeds();
    half.iam("CreateAccessKey", &[anna[0]]).fails(
        403,
        "AccessDenied",
        "iam:CreateAccessKey on resource: user anna because",
    );
    let tag = [("Tags.member.1.Key", "secret"), ("Tags.member.1.Value", "yes")];
    let berta = [&[("UserName", "berta"), ("Path", "/made/")], &tag[..]].concat();
    half.iam("CreateUser", &berta).fails(403, "AccessDenied", "iam:TagUser");
    half.iam("GetUser", &[anna[0]]).succeeds();
    admin.iam("TagUser", &[&[anna[0]], &tag[..]].concat()).succeeds();
    half.iam("GetUser", &[anna[0]]).fails(403, "AccessDenied", "with an explicit deny in an identity-based policy");
}

#[test]
fn lists_come_in_pages_and_by_path() {
    let (_aws, admin) = administrated();
    for name in ["anna", "berta", "clara"] {
        admin.iam("CreateUser", &[("UserName", name), ("Path", "/made/")]).succeeds();
    }
    let first = admin.iam("ListUsers", &[("PathPrefix", "/made/"), ("MaxItems", "2")]);
    assert_eq!((first.succeeds().count("member"), first.field("IsTruncated")), (2, "true"));
    let rest = [("PathPrefix", "/made/"), ("MaxItems", "2"), ("Marker", first.field("Marker"))];
    let rest = admin.iam("ListUsers", &rest);
    assert_eq!((rest.count("member"), rest.field("UserName"), rest.field("IsTruncated")), (1, "clara", "false"));
    assert!(admin.iam("ListUsers", &[]).body.contains(AUTH_ADMIN_ARN));
    admin.iam("ListUsers", &[("Marker", "nonsense")]).fails(400, "ValidationError", "Marker");
    admin.iam("ListUsers", &[("MaxItems", "0")]).fails(400, "ValidationError", "maxItems");
}
