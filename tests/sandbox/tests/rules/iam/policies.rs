//! Managed policies. Pages: CreatePolicy, CreatePolicyVersion, DeletePolicy and their counterparts.

use rolecall_sandbox::World;
use serde_json::json;

use super::{administrated, administrated_in, policy_arn};
use crate::{allow, policy};

#[test]
fn a_policy_is_made_attached_shown_and_deleted() {
    let (_aws, admin) = administrated();
    let document = allow("sts:AssumeRole").to_string();
    let make = |name: &str| {
        let tag = [("Tags.member.1.Key", "a"), ("Tags.member.1.Value", "b")];
        admin.iam(
            "CreatePolicy",
            &[&[("PolicyName", name), ("PolicyDocument", document.as_str()), ("Description", "d")], &tag[..]].concat(),
        )
    };
    let arn = policy_arn("Assume");
    let created = make("Assume");
    assert_eq!((created.succeeds().field("Arn"), created.field("DefaultVersionId")), (arn.as_str(), "v1"));
    assert!(created.field("PolicyId").starts_with("ANPA"));
    make("assume").fails(
        409,
        "EntityAlreadyExists",
        "A policy called assume already exists. Duplicate names are not allowed.",
    );
    let it = ("PolicyArn", arn.as_str());
    admin.iam("AttachUserPolicy", &[("UserName", "richard"), it]).succeeds();
    let shown = admin.iam("GetPolicy", &[it]);
    for (field, value) in
        [("AttachmentCount", "1"), ("Description", "d"), ("Key", "a"), ("PolicyName", "Assume"), ("Path", "/")]
    {
        assert_eq!(shown.succeeds().field(field), value);
    }
    let version = admin.iam("GetPolicyVersion", &[it, ("VersionId", "v1")]);
    assert!(version.succeeds().field("Document").contains("sts%3AAssumeRole"), "{}", version.body);
    admin.iam("DeletePolicy", &[it]).fails(409, "DeleteConflict", "Cannot delete a policy attached to entities.");
    admin.iam("DetachUserPolicy", &[("UserName", "richard"), it]).succeeds();
    admin.iam("DeletePolicy", &[it]).succeeds();
    admin.iam("GetPolicy", &[it]).fails(404, "NoSuchEntity", &format!("Policy {arn} was not found."));
}

#[test]
fn only_the_default_version_counts_and_there_are_five() {
    let (aws, admin) = administrated();
    let arn = policy_arn("Read");
    let it = ("PolicyArn", arn.as_str());
    let [none, read] = ["s3:PutObject", "iam:GetUser"].map(|action| allow(action).to_string());
    admin.iam("CreatePolicy", &[("PolicyName", "Read"), ("PolicyDocument", &none)]).succeeds();
    admin.iam("AttachUserPolicy", &[("UserName", "richard"), it]).succeeds();
    let richard = admin.signed_by(&aws.access_key(rolecall_sandbox::tutorials::USER_ARN));
    let add =
        |more: &[(&str, &str)]| admin.iam("CreatePolicyVersion", &[&[it, ("PolicyDocument", &read)], more].concat());
    add(&[]).succeeds();
    richard.iam("GetUser", &[]).is_denied();
    admin.iam("SetDefaultPolicyVersion", &[it, ("VersionId", "v2")]).succeeds();
    richard.iam("GetUser", &[]).succeeds();
    admin.iam("DeletePolicyVersion", &[it, ("VersionId", "v2")]).fails(409, "DeleteConflict", "default version");
    admin.iam("DeletePolicyVersion", &[it, ("VersionId", "v9")]).fails(404, "NoSuchEntity", "version v9");
    for _ in 0..3 {
        assert_eq!(add(&[("SetAsDefault", "true")]).succeeds().field("IsDefaultVersion"), "true");
    }
    add(&[]).fails(409, "LimitExceeded", "up to 5 versions");
    assert_eq!(admin.iam("ListPolicyVersions", &[it]).count("VersionId"), 5);
    admin.iam("DetachUserPolicy", &[("UserName", "richard"), it]).succeeds();
    admin.iam("DeletePolicy", &[it]).fails(409, "DeleteConflict", "more than one version");
    for version in ["v1", "v2", "v3", "v4"] {
        admin.iam("DeletePolicyVersion", &[it, ("VersionId", version)]).succeeds();
    }
    admin.iam("DeletePolicy", &[it]).succeeds();
}

#[test]
fn documents_and_numbers_have_their_limits() {
    let mut world = World::tutorials();
    world.quotas.policies_per_account = 1;
    let (_aws, admin) = administrated_in(world);
    let make =
        |name: &str, document: &str| admin.iam("CreatePolicy", &[("PolicyName", name), ("PolicyDocument", document)]);
    make("Bad", "no JSON").fails(400, "MalformedPolicyDocument", "");
    make("Bad", &policy(&json!({"Effect": "Allow", "Action": "s3:*"})).to_string()).fails(
        400,
        "MalformedPolicyDocument",
        "must contain resources",
    );
    let long =
        policy(&json!({"Effect": "Allow", "Action": "s3:*", "Resource": format!("arn:aws:s3:::{}", "r".repeat(6144))}))
            .to_string();
    make("Long", &long).fails(409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144");
    let mut wide = allow("s3:*").to_string();
    wide.push_str(&" ".repeat(6144));
    make("Wide", &wide).succeeds();
    make("More", &allow("s3:*").to_string()).fails(
        409,
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerAccount: 1",
    );
}

/// "Troubleshoot IAM policies": what is well formed may still be no policy.
#[test]
fn a_document_keeps_to_the_grammar() {
    let (_aws, admin) = administrated();
    let refused = |statements: serde_json::Value, message: &str| {
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let made = admin.iam("CreatePolicy", &[("PolicyName", "Bad"), ("PolicyDocument", &document)]);
        made.fails(400, "MalformedPolicyDocument", message);
    };
    let named = |name: &str| json!({"Sid": name, "Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    refused(json!([named("a"), named("a")]), "Statement IDs (SID) in a single policy must be unique.");
    refused(json!([named("a b")]), "Statement IDs (SID) must be alpha-numeric.");
    refused(json!({"Effect": "Allow", "Action": "List", "Resource": "*"}), "must be prefaced by a vendor");
    refused(
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": ["*", "bucket"]}),
        "Resource bucket must be in ARN format",
    );
}

/// AWS's own policies are read by all and changed by nobody.
#[test]
fn a_policy_of_aws_is_shown_and_stays() {
    let (_aws, admin) = administrated();
    let it = ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess");
    assert_eq!(admin.iam("GetPolicy", &[it]).succeeds().field("PolicyName"), "AdministratorAccess");
    admin.iam("DeletePolicy", &[it]).is_denied();
    assert_eq!(admin.iam("ListPolicies", &[("Scope", "Local")]).succeeds().count("member"), 0);
    assert!(admin.iam("ListPolicies", &[("Scope", "AWS")]).count("member") > 3);
}
