//! Limits of parameters and durations. Pages: STS API Reference, "AssumeRole" and "GetSessionToken"; IAM User Guide, "IAM
//! roles" (role chaining).

use rolecall_sandbox::Role;
use rolecall_sandbox::tutorials::{ROLE_ARN, WORKLOAD_ACCOUNT};

use crate::{add_role, allow, trust, tutorials};

const BAD: &str = "ValidationError";

#[test]
fn parameters_are_checked_first_and_all_at_once() {
    let (_aws, richard) = tutorials();
    let long = "x".repeat(65);
    let cases: [(&[(&str, &str)], &str); 12] = [
        (
            &[("RoleSessionName", "x")],
            "Value 'x' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2",
        ),
        (&[("RoleSessionName", &long)], "Member must have length less than or equal to 64"),
        (
            &[("RoleSessionName", "a b")],
            r"1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*",
        ),
        (
            &[("DurationSeconds", "899")],
            "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
        ),
        (&[("DurationSeconds", "43201")], "Member must have value less than or equal to 43200"),
        (&[("ExternalId", "x")], "'externalId'"),
        (&[("ExternalId", "a b")], r"[\w+=,.@:\/-]*"),
        (&[("SourceIdentity", "a b")], "'sourceIdentity'"),
        (&[("TokenCode", "12345")], "'tokenCode'"),
        (&[("Tags.member.1.Key", "a#b"), ("Tags.member.1.Value", "x")], "'tags.1.member.key'"),
        (&[("DurationSeconds", "1"), ("ExternalId", "x")], "2 validation errors detected: "),
        (&[("PolicyArns.member.1.arn", "short")], "'policyArns.1.member.arn'"),
    ];
    for (parameters, message) in cases {
        richard.assume(ROLE_ARN, parameters).fails(400, BAD, message);
    }
    richard.sts("AssumeRole", &[]).fails(
        400,
        BAD,
        "2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
    );
    richard.assume("not-an-arn-but-long-enough", &[]).fails(400, BAD, "is invalid");
    richard.assume(ROLE_ARN, &[("DurationSeconds", "soon")]).fails(400, "MalformedInput", "");
    for good in ["az", "AZ09_+=,.@-", &"x".repeat(64)] {
        richard.assume(ROLE_ARN, &[("RoleSessionName", good)]).succeeds();
    }
}

/// "DurationSeconds … from 900 seconds up to the maximum session duration set for the role."
#[test]
fn a_session_lasts_no_longer_than_the_role_allows() {
    let (aws, richard) = tutorials();
    richard.assume(ROLE_ARN, &[("DurationSeconds", "900")]).succeeds();
    richard.assume(ROLE_ARN, &[("DurationSeconds", "3601")]).fails(
        400,
        BAD,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    );
    aws.world(|world| world.role(ROLE_ARN).max_session_seconds = 43_200);
    let reply = richard.assume(ROLE_ARN, &[("DurationSeconds", "43200")]);
    assert_eq!(reply.succeeds().expiration(), aws.clock().now() + chrono::TimeDelta::hours(12));
}

#[test]
fn a_chain_lasts_an_hour() {
    const CHAIN: &str =
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    let (aws, richard) = tutorials();
    aws.world(|world| world.role(ROLE_ARN).max_session_seconds = 43_200);
    let long = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Long", trust(ROLE_ARN)).with_max_session_seconds(43_200));
    let short = add_role(&aws, WORKLOAD_ACCOUNT, Role::new("Short", trust(ROLE_ARN)));
    let session = richard.with(&richard.assume(ROLE_ARN, &[]));
    session.assume(&long, &[("DurationSeconds", "3600")]).succeeds();
    session.assume(&long, &[("DurationSeconds", "3601")]).fails(400, BAD, CHAIN);
    // The role's own maximum is looked at first.
    session.assume(&short, &[("DurationSeconds", "3601")]).fails(400, BAD, "MaxSessionDuration");
    // A user's session counts as well.
    let of_user = richard.with(&richard.sts("GetSessionToken", &[]));
    of_user.assume(ROLE_ARN, &[("DurationSeconds", "3601")]).fails(400, BAD, CHAIN);
}

#[test]
fn get_session_token_has_its_own_range() {
    let (aws, richard) = tutorials();
    let life = |reply: &crate::client::Reply| (reply.expiration() - aws.clock().now()).num_seconds();
    assert_eq!(life(&richard.sts("GetSessionToken", &[])), 43_200);
    assert_eq!(life(&richard.sts("GetSessionToken", &[("DurationSeconds", "129600")])), 129_600);
    richard.sts("GetSessionToken", &[("DurationSeconds", "129601")]).fails(400, BAD, "'durationSeconds'");
    richard.sts("GetSessionToken", &[("DurationSeconds", "899")]).fails(400, BAD, "'durationSeconds'");
}

/// "The plaintext that you use for both inline and managed session policies can't exceed 2,048 characters", "You can
/// provide up to 10 managed policy ARNs."
#[test]
fn session_policies_are_limited_and_read() {
    let (_aws, richard) = tutorials();
    let read_only = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let reply = richard.assume(ROLE_ARN, &[("Policy", &allow("s3:*").to_string())]);
    assert_eq!(reply.succeeds().count("PackedPolicySize"), 1);
    richard.assume(ROLE_ARN, &[("Policy", &" ".repeat(2049))]).fails(400, BAD, "'policy'");
    richard.assume(ROLE_ARN, &[("Policy", "{")]).fails(400, "MalformedPolicyDocument", "invalid Json");
    richard.assume(ROLE_ARN, &[("Policy", &trust("*").to_string())]).fails(
        400,
        "MalformedPolicyDocument",
        "should not specify a principal",
    );
    richard.assume(ROLE_ARN, &[("PolicyArns.member.1.arn", read_only)]).succeeds();
    richard.assume(ROLE_ARN, &[("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/NoSuchPolicy")]).fails(
        400,
        "MalformedPolicyDocument",
        "NoSuchPolicy",
    );
    let names: Vec<String> = (1..=11).map(|index| format!("PolicyArns.member.{index}.arn")).collect();
    let eleven: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), read_only)).collect();
    richard.assume(ROLE_ARN, &eleven[..10]).succeeds();
    richard.assume(ROLE_ARN, &eleven).fails(400, BAD, "'policyArns'");
}

#[test]
fn unknown_operations_are_named() {
    let (_aws, richard) = tutorials();
    richard.sts("AssumeRoll", &[]).fails(
        400,
        "InvalidAction",
        "Could not find operation AssumeRoll for version 2011-06-15",
    );
    richard.send("POST", "sts", "/", "Action=GetCallerIdentity").fails(400, "InvalidAction", "NO_VERSION_SPECIFIED");
    richard.send("GET", "sts", "/?Action=GetCallerIdentity&Version=2011-06-15", "").succeeds();
}
