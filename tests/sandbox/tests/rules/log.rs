//! The log of calls.

use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};

use crate::tutorials;

#[test]
fn calls_are_written_down_without_secrets() {
    let (aws, richard) = tutorials();
    let reply = richard.assume(ROLE_ARN, &[("DurationSeconds", "900")]);
    let session = richard.with(&reply);
    session.assume(ROLE_ARN, &[]);
    session.s3("/");
    let calls = aws.calls();
    assert_eq!(
        calls.iter().map(|call| call.action.as_str()).collect::<Vec<_>>(),
        ["AssumeRole", "AssumeRole", "ListBuckets"]
    );
    assert_eq!(aws.count("AssumeRole"), 2);
    let first = &calls[0];
    assert_eq!((first.status, first.error_code.as_deref(), first.service.as_str()), (200, None, "sts"));
    assert_eq!(first.access_key_id.as_ref(), Some(&richard.key));
    assert_eq!(first.principal_arn.as_deref(), Some(USER_ARN));
    assert_eq!(first.params["RoleArn"], ROLE_ARN);
    assert_eq!(first.params["DurationSeconds"], "900");
    assert_eq!(first.request_id, reply.field("RequestId"));
    assert!(reply.head.contains(&format!("x-amzn-requestid: {}", first.request_id)));
    assert_eq!(first.time, aws.clock().now());
    assert_eq!((calls[1].status, calls[1].error_code.as_deref()), (403, Some("AccessDenied")));
    let written = format!("{calls:?}");
    for secret in [&richard.secret, &session.secret, session.token.as_ref().expect("a session has a token")] {
        assert!(!written.contains(secret));
    }
    aws.clear_calls();
    assert!(aws.calls().is_empty());
}

/// The Date header is the sandbox's time, which clients correct their clocks by.
#[test]
fn the_date_is_the_clocks() {
    let (_aws, richard) = tutorials();
    assert!(richard.sts("GetCallerIdentity", &[]).head.contains("date: sun, 22 nov 2026 08:00:00 gmt"));
}
