//! Session tags and source identities. Pages: IAM User Guide, "Pass session tags in AWS STS", "Monitor and control actions
//! taken with assumed roles", "IAM and AWS STS condition context keys".

use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Role, Sandbox};
use serde_json::{Value, json};

use crate::client::Client;
use crate::{add_role, allow, policy, trust, tutorials};

const TAG: [(&str, &str); 2] = [("Tags.member.1.Key", "Team"), ("Tags.member.1.Value", "red")];
const TRANSITIVE: (&str, &str) = ("TransitiveTagKeys.member.1", "Team");

/// Starts a world in which the user may do all of STS and the role's trust allows some actions.
fn allowing(actions: &Value) -> (Sandbox, Client) {
    let (aws, richard) = tutorials();
    aws.world(|world| {
        world.user(USER_ARN).permissions.inline.insert("sts".to_owned(), allow("sts:*").into());
        let statement =
            json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": actions});
        world.role(ROLE_ARN).trust = policy(&statement).into();
    });
    (aws, richard)
}

#[test]
fn passing_tags_is_a_permission_of_its_own_on_both_sides() {
    let (aws, richard) = allowing(&json!("sts:AssumeRole"));
    let refusal = format!("not authorized to perform: sts:TagSession on resource: {ROLE_ARN}");
    richard.assume(ROLE_ARN, &TAG).fails(403, "AccessDenied", &refusal);
    let (aws_2, richard_2) = allowing(&json!(["sts:AssumeRole", "sts:TagSession"]));
    assert_eq!(richard_2.assume(ROLE_ARN, &TAG).succeeds().count("PackedPolicySize"), 1);
    aws_2.world(|world| {
        world.user(USER_ARN).permissions.inline.insert("sts".to_owned(), allow("sts:AssumeRole").into())
    });
    richard_2.assume(ROLE_ARN, &TAG).fails(403, "AccessDenied", &refusal);
    drop(aws);
}

#[test]
fn tags_are_checked() {
    let (_aws, richard) = allowing(&json!("sts:*"));
    let twice = [TAG[0], TAG[1], ("Tags.member.2.Key", "team"), ("Tags.member.2.Value", "blue")];
    richard.assume(ROLE_ARN, &twice).fails(400, "InvalidParameterValue", "case insensitive");
    richard.assume(ROLE_ARN, &[TRANSITIVE]).fails(
        400,
        "InvalidParameterValue",
        "must be included in the requested tags",
    );
    let names: Vec<_> = (1..=51)
        .map(|at| (format!("Tags.member.{at}.Key"), format!("Tags.member.{at}.Value"), format!("key{at}")))
        .collect();
    let tags: Vec<(&str, &str)> =
        names.iter().flat_map(|(key, value, name)| [(key.as_str(), name.as_str()), (value.as_str(), "v")]).collect();
    richard.assume(ROLE_ARN, &tags[..100]).succeeds();
    richard.assume(ROLE_ARN, &tags).fails(400, "ValidationError", "'tags'");
    let long = "v".repeat(256);
    let heavy: Vec<(&str, &str)> = names
        .iter()
        .take(20)
        .flat_map(|(key, value, name)| [(key.as_str(), name.as_str()), (value.as_str(), long.as_str())])
        .collect();
    richard.assume(ROLE_ARN, &heavy).fails(400, "PackedPolicyTooLarge", "% of allotted space");
}

#[test]
fn conditions_see_the_requests_tags() {
    let (aws, richard) = allowing(&json!("sts:*"));
    aws.world(|world| {
        world.role(ROLE_ARN).trust = policy(&json!({
            "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": {"aws:RequestTag/Team": ["red", "blue"]},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["Team"], "sts:TransitiveTagKeys": ["Team"]},
            },
        }))
        .into();
    });
    richard.assume(ROLE_ARN, &[TAG[0], TAG[1], TRANSITIVE]).succeeds();
    richard.assume(ROLE_ARN, &[TAG[0], ("Tags.member.1.Value", "green")]).is_denied();
    richard
        .assume(ROLE_ARN, &[TAG[0], TAG[1], ("Tags.member.2.Key", "Else"), ("Tags.member.2.Value", "x")])
        .is_denied();
    richard.assume(ROLE_ARN, &[]).is_denied();
}

#[test]
fn transitive_tags_pass_on_and_cannot_be_overridden() {
    let (aws, richard) = allowing(&json!("sts:*"));
    let by_tag = policy(&json!({
        "Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}},
    }));
    let next = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Next", trust(ROLE_ARN)).with_policy("by-tag", by_tag));
    let last = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Last", trust(&next)));
    let plain = richard.with(&richard.assume(ROLE_ARN, &TAG));
    plain.with(&plain.assume(&next, &[])).s3("/").is_denied();
    let first = richard.with(&richard.assume(ROLE_ARN, &[TAG[0], TAG[1], TRANSITIVE]));
    let second = first.with(&first.assume(&next, &[]));
    second.s3("/").succeeds();
    let untagged = json!({"Effect": "Allow", "Principal": {"AWS": ROLE_ARN}, "Action": "sts:AssumeRole"});
    let untagged = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Untagged", policy(&untagged)));
    plain.assume(&untagged, &[]).succeeds();
    first.assume(&untagged, &[]).fails(403, "AccessDenied", "sts:TagSession");
    let other = [("Tags.member.1.Key", "TEAM"), ("Tags.member.1.Value", "blue")];
    first.assume(&next, &other).fails(
        400,
        "InvalidParameterValue",
        "conflicts with a transitive tag key from the calling session",
    );
    second.assume(&last, &other).fails(
        400,
        "InvalidParameterValue",
        "conflicts with a transitive tag key from the calling session",
    );
}

#[test]
fn a_session_tag_replaces_the_roles_own() {
    let (aws, richard) = allowing(&json!("sts:*"));
    aws.world(|world| {
        let by_tag = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/Team": "blue"}}});
        let mut role = world.role(ROLE_ARN).clone();
        role.permissions = rolecall_sandbox::world::Permissions::default();
        *world.role(ROLE_ARN) = role.with_tag("team", "blue").with_policy("by-tag", policy(&by_tag));
    });
    richard.with(&richard.assume(ROLE_ARN, &[])).s3("/").succeeds();
    richard.with(&richard.assume(ROLE_ARN, &TAG)).s3("/").is_denied();
}

#[test]
fn a_source_identity_stays() {
    let (aws, richard) = allowing(&json!(["sts:AssumeRole"]));
    let alice = ("SourceIdentity", "alice");
    richard.assume(ROLE_ARN, &[alice]).fails(403, "AccessDenied", "not authorized to perform: sts:SetSourceIdentity");
    aws.world(|world| world.role(ROLE_ARN).trust = trust("*").into());
    let reply = richard.assume(ROLE_ARN, &[alice]);
    assert_eq!(reply.succeeds().field("SourceIdentity"), "alice");
    let session = richard.with(&reply);

    let next = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Next", trust(ROLE_ARN)));
    assert_eq!(session.assume(&next, &[]).succeeds().field("SourceIdentity"), "alice");
    assert_eq!(session.assume(&next, &[alice]).succeeds().field("SourceIdentity"), "alice");
    session.assume(&next, &[("SourceIdentity", "bob")]).fails(
        400,
        "ValidationError",
        "The source identity is already set for this assume role session",
    );
    aws.world(|world| {
        let statement = json!({"Effect": "Allow", "Principal": {"AWS": ROLE_ARN}, "Action": "sts:AssumeRole"});
        world.role(&next).trust = policy(&statement).into();
    });
    session.assume(&next, &[]).fails(403, "AccessDenied", "sts:SetSourceIdentity");
}
