//! S3 as far as it goes. Pages: Amazon S3 API Reference, "ListObjectsV2", "GetObject", "Error responses"; Service
//! Authorization Reference, "Actions, resources, and condition keys for Amazon S3".

use rolecall_sandbox::tutorials::{BUCKET, EMPTY_BUCKET, ROLE_ARN, USER_ARN};
use rolecall_sandbox::{Bucket, Sandbox};
use serde_json::json;

use crate::client::Client;
use crate::{allow, policy, tutorials};

fn reader() -> (Sandbox, Client) {
    let (aws, richard) = tutorials();
    let session = richard.with(&richard.assume(ROLE_ARN, &[]));
    (aws, session)
}

#[test]
fn buckets_are_listed_to_those_who_may() {
    let (aws, session) = reader();
    let reply = session.s3("/");
    assert_eq!(reply.succeeds().count("Bucket"), 2);
    assert!(reply.body.contains(BUCKET) && reply.body.contains(EMPTY_BUCKET));
    let richard = session.signed_by(&aws.access_key(USER_ARN));
    richard.s3("/").fails(
        403,
        "AccessDenied",
        &format!("User: {USER_ARN} is not authorized to perform: s3:ListAllMyBuckets"),
    );
}

#[test]
fn keys_are_rolled_up_and_paged() {
    let (_aws, session) = reader();
    let list = |query: &str| session.s3(&format!("/{BUCKET}?list-type=2{query}"));
    assert_eq!(list("").succeeds().count("Key"), 3);
    let top = list("&delimiter=%2F");
    assert_eq!((top.count("Key"), top.count("CommonPrefixes")), (1, 1));
    assert_eq!(list("&delimiter=%2F&prefix=2026%2F").count("CommonPrefixes"), 2);
    let page = list("&max-keys=2");
    assert_eq!((page.count("Key"), page.field("IsTruncated")), (2, "true"));
    let token: String = form_urlencoded::byte_serialize(page.field("NextContinuationToken").as_bytes()).collect();
    let rest = list(&format!("&continuation-token={token}"));
    assert_eq!((rest.field("Key"), rest.field("IsTruncated")), ("readme.txt", "false"));
    assert_eq!(list("&encoding-type=url").field("Key"), "2026/10/usage%20report.csv");
    assert_eq!(session.s3(&format!("/{EMPTY_BUCKET}?list-type=2")).succeeds().field("KeyCount"), "0");
}

#[test]
fn objects_are_read_whole_or_in_part() {
    let (_aws, session) = reader();
    let reply = session.s3(&format!("/{BUCKET}/2026/10/usage%20report.csv"));
    assert_eq!(reply.succeeds().body, "day,requests\n2026-10-31,1204\n");
    session.s3(&format!("/{BUCKET}/nothing")).fails(404, "NoSuchKey", "The specified key does not exist.");
    session.s3("/no-such-bucket").fails(404, "NoSuchBucket", "The specified bucket does not exist");
    let head = session.send("HEAD", "s3", &format!("/{BUCKET}/readme.txt"), "");
    assert!(head.succeeds().head.contains("content-length: 33") && head.body.is_empty());
}

/// The path is signed as it is sent: no second encoding, no resolving of dots.
#[test]
fn odd_keys_are_signed_as_they_are_sent() {
    let (aws, session) = reader();
    for (key, path) in [
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("ü/ä", "%C3%BC/%C3%A4"),
        ("x/../y", "x/../y"),
        ("d//e", "d//e"),
        ("50%", "50%25"),
    ] {
        aws.world(|world| world.bucket(BUCKET).objects.insert(key.to_owned(), key.as_bytes().to_vec()));
        assert_eq!(session.s3(&format!("/{BUCKET}/{path}")).succeeds().body, key);
    }
}

#[test]
fn writing_wants_more_than_read_only() {
    let (aws, session) = reader();
    let target = format!("/{BUCKET}/new");
    session.send("PUT", "s3", &target, "text").is_denied();
    session.send("DELETE", "s3", &target, "").is_denied();
    aws.world(|world| world.role(ROLE_ARN).permissions.inline.insert("write".to_owned(), allow("s3:*").into()));
    session.send("PUT", "s3", &target, "text").succeeds();
    assert_eq!(session.s3(&target).succeeds().body, "text");
    assert_eq!(session.send("DELETE", "s3", &target, "").status, 204);
    session.s3(&target).fails(404, "NoSuchKey", "");
}

#[test]
fn a_listing_can_be_allowed_below_a_prefix() {
    let (aws, session) = reader();
    aws.world(|world| {
        let mut role = world.role(ROLE_ARN).clone();
        role.permissions = rolecall_sandbox::world::Permissions::default();
        let below = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": format!("arn:aws:s3:::{BUCKET}"), "Condition": {"StringLike": {"s3:prefix": "2026/*"}}});
        *world.role(ROLE_ARN) = role.with_policy("below", policy(&below));
    });
    session.s3(&format!("/{BUCKET}?list-type=2&prefix=2026%2F10%2F")).succeeds();
    session.s3(&format!("/{BUCKET}?list-type=2")).is_denied();
    session.s3(&format!("/{EMPTY_BUCKET}?list-type=2&prefix=2026%2F")).is_denied();
}

/// "Cross-account … requires a bucket policy", and there are none here.
#[test]
fn another_accounts_bucket_stays_closed() {
    let (aws, session) = reader();
    aws.world(|world| world.buckets.insert("foreign".to_owned(), Bucket::new("111111111111", "eu-west-1")));
    session.s3("/foreign?list-type=2").fails(403, "AccessDenied", "Access Denied");
    assert!(!session.s3("/").body.contains("foreign"));
}
