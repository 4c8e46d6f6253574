//! Who may assume a role. Pages: IAM User Guide, "Cross-account policy evaluation logic", "Policy evaluation for requests
//! within a single account", "AWS JSON policy elements: Principal"; STS API Reference, "AssumeRole".

use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{AccessKey, Role, User};
use serde_json::json;

use crate::{add_role, add_user, allow, policy, trust, tutorials};

const ACCOUNT_ROOT: &str = "arn:aws:iam::111111111111:root";

#[test]
fn the_tutorials_user_assumes_the_tutorials_role() {
    let (aws, richard) = tutorials();
    let reply = richard.assume(ROLE_ARN, &[]);
    reply.succeeds();
    assert_eq!(reply.field("Arn"), "arn:aws:sts::222222222222:assumed-role/AssumedRole/session");
    assert_eq!(reply.expiration(), aws.clock().now() + chrono::TimeDelta::hours(1));
    assert!(reply.field("AccessKeyId").starts_with("ASIA") && reply.field("AccessKeyId").len() == 20);
    assert_eq!(reply.field("SecretAccessKey").len(), 40);
    assert!(reply.field("SessionToken").len() > 600);
    assert_eq!(reply.count("PackedPolicySize"), 0, "it is only there with policies or tags");

    let who = richard.with(&reply).sts("GetCallerIdentity", &[]);
    assert_eq!(who.field("Arn"), reply.field("Arn"));
    assert_eq!(who.field("UserId"), reply.field("AssumedRoleId"));
    assert_eq!(who.field("Account"), WORKLOAD_ACCOUNT);
}

/// "The AssumedRoleUser ARN … does not include the path": IAM identifiers.
#[test]
fn the_arn_of_a_session_has_no_path() {
    let (aws, richard) = tutorials();
    aws.world(|world| {
        let user = world.user(USER_ARN);
        *user = user.clone().with_policy("all", allow("sts:AssumeRole"));
    });
    let role = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Deep", trust(ACCOUNT_ROOT)).with_path("/a/b/"));
    assert_eq!(role, "arn:aws:iam::222222222222:role/a/b/Deep");
    let reply = richard.assume(&role, &[]);
    assert_eq!(reply.field("Arn"), "arn:aws:sts::222222222222:assumed-role/Deep/session");
    richard.assume("arn:aws:iam::222222222222:role/Deep", &[]).is_denied();
}

/// Another account's role wants both sides: (trusted principal, identity policy) -> allowed.
#[test]
fn across_accounts_both_sides_must_allow() {
    let (aws, client) = tutorials();
    let cases = [
        (ACCOUNT_ROOT, true, true),
        ("111111111111", true, true),
        ("arn:aws:iam::111111111111:user/caller", true, true),
        ("*", true, true),
        (ACCOUNT_ROOT, false, false),
        ("arn:aws:iam::111111111111:user/caller", false, false),
        ("*", false, false),
        ("arn:aws:iam::111111111111:user/other", true, false),
        ("arn:aws:iam::333333333333:root", true, false),
        ("arn:aws:iam::111111111111:role/caller", true, false),
    ];
    for (principal, with_policy, allowed) in cases {
        let user = User::new("caller");
        let key = add_user(&aws, if with_policy { user.with_policy("p", allow("sts:AssumeRole")) } else { user });
        let role = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Target", trust(principal)));
        let reply = client.signed_by(&key).assume(&role, &[]);
        assert_eq!(reply.status == 200, allowed, "{principal} with policy: {with_policy}: {}", reply.body);
    }
}

/// In its own account a role may name the caller, or leave it to the account's policies.
#[test]
fn within_an_account_a_named_principal_needs_no_policy_of_its_own() {
    let (aws, client) = tutorials();
    let cases = [
        ("arn:aws:iam::111111111111:user/team/caller", false, true),
        ("*", false, true),
        (ACCOUNT_ROOT, false, false),
        (ACCOUNT_ROOT, true, true),
        ("arn:aws:iam::111111111111:user/other", true, false),
    ];
    for (principal, with_policy, allowed) in cases {
        let user = User::new("caller").with_path("/team/");
        let key = add_user(&aws, if with_policy { user.with_policy("p", allow("sts:AssumeRole")) } else { user });
        let role = add_role(&aws, AUTH_ACCOUNT, Role::new("Target", trust(principal)));
        let reply = client.signed_by(&key).assume(&role, &[]);
        assert_eq!(reply.status == 200, allowed, "{principal} with policy: {with_policy}: {}", reply.body);
    }
}

#[test]
fn a_role_is_assumed_from_a_role_or_from_one_session_of_it() {
    let (aws, richard) = tutorials();
    let session = richard.with(&richard.assume(ROLE_ARN, &[]));
    let cases = [
        ("arn:aws:iam::222222222222:role/AssumedRole", true),
        ("arn:aws:sts::222222222222:assumed-role/AssumedRole/session", true),
        ("arn:aws:sts::222222222222:assumed-role/AssumedRole/another", false),
        // The account delegates, and the role's own policy says nothing of STS.
        ("arn:aws:iam::222222222222:root", false),
        (USER_ARN, false),
    ];
    for (principal, allowed) in cases {
        let role = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Next", trust(principal)));
        let reply = session.assume(&role, &[]);
        assert_eq!(reply.status == 200, allowed, "{principal}: {}", reply.body);
    }
    // "Role trust policies … a role does not trust itself by default."
    session.assume(ROLE_ARN, &[]).is_denied();
}

/// A session policy limits what a role named in a trust policy may do, but not the session that is named itself.
#[test]
fn a_session_policy_limits_the_chain() {
    let (aws, richard) = tutorials();
    let only_s3 = allow("s3:*").to_string();
    let session = richard.with(&richard.assume(ROLE_ARN, &[("Policy", &only_s3)]));
    let by_role = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("ByRole", trust(ROLE_ARN)));
    session.assume(&by_role, &[]).is_denied();
    let named = trust("arn:aws:sts::222222222222:assumed-role/AssumedRole/session");
    let by_session = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("BySession", named));
    session.assume(&by_session, &[]).succeeds();
}

/// "How to use an external ID when granting access to your AWS resources to a third party".
#[test]
fn an_external_id_must_match() {
    let (aws, richard) = tutorials();
    aws.world(|world| {
        world.role(ROLE_ARN).trust = policy(&json!({
            "Effect": "Allow", "Principal": {"AWS": ACCOUNT_ROOT}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "7f3a"}},
        }))
        .into();
    });
    richard.assume(ROLE_ARN, &[("ExternalId", "7f3a")]).succeeds();
    richard.assume(ROLE_ARN, &[("ExternalId", "7f3b")]).is_denied();
    richard.assume(ROLE_ARN, &[]).is_denied();
}

/// What a client is told: never whether the role exists, nor which side said no, unless a Deny did ("Troubleshoot access
/// denied error messages").
#[test]
fn refusals_are_worded_as_by_aws() {
    let (aws, richard) = tutorials();
    let plain = format!("User: {USER_ARN} is not authorized to perform: sts:AssumeRole on resource: {ROLE_ARN}");
    let with = |statement| policy(&statement);
    aws.world(|world| world.role(ROLE_ARN).trust = trust("arn:aws:iam::333333333333:root").into());
    let untrusted = richard.assume(ROLE_ARN, &[]);
    assert_eq!(untrusted.fails(403, "AccessDenied", "").field("Message"), plain);

    aws.world(|world| world.account(WORKLOAD_ACCOUNT).roles.clear());
    assert_eq!(richard.assume(ROLE_ARN, &[]).is_denied().field("Message"), plain);

    add_role(&aws, WORKLOAD_ACCOUNT, Role::new("AssumedRole", trust(ACCOUNT_ROOT)));
    aws.world(|world| {
        let deny = with(json!({"Effect": "Deny", "Action": "sts:*", "Resource": "*"}));
        world.user(USER_ARN).permissions.inline.insert("deny".to_owned(), deny.into());
    });
    let denied = richard.assume(ROLE_ARN, &[]);
    assert_eq!(
        denied.is_denied().field("Message"),
        format!("{plain} with an explicit deny in an identity-based policy")
    );
}

#[test]
fn a_deny_in_the_trust_policy_wins() {
    let (aws, richard) = tutorials();
    aws.world(|world| {
        world.role(ROLE_ARN).trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ACCOUNT_ROOT}, "Action": "sts:AssumeRole"},
            {"Effect": "Deny", "Principal": {"AWS": USER_ARN}, "Action": "sts:AssumeRole"},
        ]})
        .into();
    });
    richard.assume(ROLE_ARN, &[]).is_denied();
}

/// "You cannot call AssumeRole by using AWS account root user credentials": AssumeRole.
#[test]
fn root_assumes_nothing() {
    let (aws, client) = tutorials();
    let key = AccessKey::generate();
    aws.world(|world| world.account(AUTH_ACCOUNT).root_keys.push(key.clone()));
    let root = client.signed_by(&key);
    assert_eq!(root.sts("GetCallerIdentity", &[]).succeeds().field("Arn"), "arn:aws:iam::111111111111:root");
    root.assume(ROLE_ARN, &[]).fails(403, "AccessDenied", "Roles may not be assumed by root accounts.");
}
