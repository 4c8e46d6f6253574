//! Signatures. Pages: IAM User Guide, "AWS Signature Version 4 for API requests" and "Troubleshoot Signature Version 4
//! signing"; STS API Reference, "Common Error Types"; Amazon S3 API Reference, "Error responses".

use std::time::Duration;

use rolecall_sandbox::tutorials::{BUCKET, ROLE_ARN};

use crate::tutorials;

const MISMATCH: &str = "SignatureDoesNotMatch";

#[test]
fn the_secret_must_have_signed() {
    let (_aws, mut richard) = tutorials();
    richard.secret.replace_range(..1, "!");
    richard.sts("GetCallerIdentity", &[]).fails(403, MISMATCH, "Consult the service documentation for details.");
    richard.s3("/").fails(403, MISMATCH, "Check your key and signing method.");
    "AKIAAAAAAAAAAAAAAAAA".clone_into(&mut richard.key);
    richard.sts("GetCallerIdentity", &[]).fails(403, "InvalidClientTokenId", "");
    richard.s3("/").fails(403, "InvalidAccessKeyId", "");
}

#[test]
fn a_request_changed_on_its_way_is_refused() {
    let (_aws, richard) = tutorials();
    let request = richard.signed("POST", "sts", "/", "Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(richard.exchange(&request).expect("an answer").status, 200);
    for (from, to) in [
        ("Identity", "identity"),
        ("host: 127.0.0.1", "host: 127.0.0.2"),
        ("eu-west-1", "eu-west-2"),
        ("POST / ", "POST /x "),
    ] {
        let changed = request.replacen(from, to, 1);
        assert_ne!(changed, request);
        assert_ne!(richard.exchange(&changed).expect("an answer").status, 200, "{from} -> {to}");
    }
}

#[test]
fn an_unsigned_request_is_nobodys() {
    let (_aws, richard) = tutorials();
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let request =
        format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let reply = richard.exchange(&request).expect("an answer");
    reply.fails(403, "MissingAuthenticationToken", "Request is missing Authentication Token");
    richard.get("/").fails(403, "AccessDenied", "Access Denied");
}

/// STS takes five minutes, either way, and says both times.
#[test]
fn a_clock_may_be_five_minutes_off() {
    let (_aws, mut richard) = tutorials();
    let cases = [
        (-300, None),
        (300, None),
        (
            -301,
            Some(
                "Signature expired: 20261122T075459Z is now earlier than 20261122T075500Z (20261122T080000Z - 5 min.)",
            ),
        ),
        (
            301,
            Some(
                "Signature not yet current: 20261122T080501Z is still later than 20261122T080500Z (20261122T080000Z + 5 min.)",
            ),
        ),
    ];
    for (skew, refusal) in cases {
        richard.skew = skew;
        let reply = richard.sts("GetCallerIdentity", &[]);
        match refusal {
            None => reply.succeeds(),
            Some(message) => reply.fails(403, MISMATCH, message),
        };
    }
}

/// "RequestTimeTooSkewed: The difference between the request time and the server's time is too large."
#[test]
fn s3_takes_fifteen_minutes() {
    let (_aws, richard) = tutorials();
    let mut session = richard.with(&richard.assume(ROLE_ARN, &[]));
    for skew in [-900, 900] {
        session.skew = skew;
        session.s3("/").succeeds();
    }
    for skew in [-901, 901] {
        session.skew = skew;
        let reply = session.s3("/");
        reply.fails(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        );
        assert_eq!(reply.field("ServerTime"), "2026-11-22T08:00:00Z");
    }
}

#[test]
fn the_scope_must_fit() {
    let (_aws, mut richard) = tutorials();
    richard.region = "nowhere".to_owned();
    richard.sts("GetCallerIdentity", &[]).fails(403, MISMATCH, "Credential should be scoped to a valid region.");
    richard.region = "eu-west-1".to_owned();
    richard.scope = Some("dynamodb".to_owned());
    richard.sts("GetCallerIdentity", &[]).fails(
        403,
        MISMATCH,
        "Credential should be scoped to correct service: 'sts'.",
    );
    richard.scope = None;
    let request = richard.signed("POST", "sts", "/", "Action=GetCallerIdentity&Version=2011-06-15");
    let send = |request: String| richard.exchange(&request).expect("an answer");
    send(request.replace("aws4_request", "aws5_request")).fails(
        403,
        MISMATCH,
        "valid terminator: 'aws4_request', not 'aws5_request'",
    );
    send(request.replace("/20261122/", "/20261121/")).fails(403, MISMATCH, "Date in Credential scope does not match");
    send(request.replace("SignedHeaders=", "Headers=")).fails(
        400,
        "IncompleteSignature",
        "requires 'SignedHeaders' parameter",
    );
}

/// "Authenticating Requests: Using Query Parameters".
#[test]
fn a_presigned_request_is_good_for_its_time() {
    let (aws, richard) = tutorials();
    let session = richard.with(&richard.assume(ROLE_ARN, &[]));
    let object = session.presigned("s3", &format!("/{BUCKET}/2026/10/usage%20report.csv"), 600);
    let identity = richard.presigned("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", 60);
    assert_eq!(session.get(&object).succeeds().body, "day,requests\n2026-10-31,1204\n");
    richard.get(&identity).succeeds();
    session.get(&object.replace("/10/", "/11/")).fails(403, MISMATCH, "");
    session.get(&object.replace("X-Amz-Expires=600", "X-Amz-Expires=6000")).fails(403, MISMATCH, "");
    aws.clock().advance(Duration::from_secs(601));
    session.get(&object).fails(403, "AccessDenied", "Request has expired");
    richard.get(&identity).fails(403, MISMATCH, "");
}

/// "The CanonicalHeaders list must include … the host header."
#[test]
fn the_host_must_be_signed() {
    let (_aws, richard) = tutorials();
    let identity = richard.presigned("sts", "/?Action=GetCallerIdentity&Version=2011-06-15", 60);
    richard.get(&identity.replace("SignedHeaders=host", "SignedHeaders=")).fails(403, MISMATCH, "");
}
