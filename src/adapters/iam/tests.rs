//! The adapter against an AWS that enforces the rules. How STS is reached, refused and missed holds here too: the code is
//! the same.

use super::*;
use rolecall_core::domain::credential::Now;
use rolecall_core::domain::error::Kind;
use rolecall_sandbox::tutorials::USER_ARN;
use rolecall_sandbox::{Clock as SandboxClock, Fault, FaultKind, Sandbox, World};
use serde_json::json;
use std::time::Duration;

struct Hand(SandboxClock);

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Now {
        Now { wall: self.0.now(), boot: Duration::ZERO }
    }

    async fn sleep_until(&self, _: Duration) {}
}

/// An adapter, the AWS it speaks to, and a user there who may do all of this.
struct Bench {
    iam: Iam,
    sandbox: Sandbox,
    aws: Arc<AwsSettings>,
    signer: Signer,
    user: IamUser,
}

impl Bench {
    fn new() -> Self {
        let mut world = World::tutorials();
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iam:*AccessKey*", "Resource": USER_ARN}]});
        world.user(USER_ARN).permissions.inline.insert("OwnKeys".to_owned(), policy.into());
        let sandbox = Sandbox::start(world, SandboxClock::at("2026-11-22T09:00:00Z"));
        let key = sandbox.access_key(USER_ARN);
        let signer = Signer::Key(AccessKey { id: key.id, secret: SecretKey::new(key.secret) });
        let aws = Arc::new(AwsSettings { iam_endpoint: Some(sandbox.url()), ..AwsSettings::default() });
        let iam = Iam::new(Arc::new(Hand(sandbox.clock())), Passwords::default());
        Self { iam, sandbox, aws, signer, user: IamUser::new(USER_ARN).expect("valid") }
    }

    async fn create(&self) -> Result<NewKey, TokenError> {
        self.iam.create(&self.aws, &self.signer, &self.user).await
    }
}

#[tokio::test]
async fn a_key_is_made_listed_switched_off_and_deleted() {
    let bench = Bench::new();
    let Bench { iam, sandbox, aws, signer, user } = &bench;
    let made = bench.create().await.expect("made");
    assert_eq!(made.created, Some(sandbox.clock().now()));
    let listing = iam.list(aws, signer, user).await.expect("listed");
    assert_eq!((listing.keys.len(), listing.now), (2, sandbox.clock().now()));
    let listed = listing.keys.iter().find(|key| key.id == made.key.id).expect("the new key");
    assert_eq!((listed.active, listed.created), (true, made.created));
    iam.deactivate(aws, signer, user, &made.key.id).await.expect("switched off");
    let listing = iam.list(aws, signer, user).await.expect("listed");
    assert!(listing.keys.iter().any(|key| key.id == made.key.id && !key.active));
    iam.delete(aws, signer, user, &made.key.id).await.expect("deleted");
    let gone = iam.delete(aws, signer, user, &made.key.id).await.expect_err("gone");
    assert_eq!(gone.code.as_deref(), Some("NoSuchEntity"));
    let calls = sandbox.calls();
    assert!(calls.iter().all(|call| call.service == "iam" && call.params["UserName"] == "richard"), "{calls:?}");
}

#[tokio::test]
async fn a_key_is_made_once_whatever_becomes_of_the_answer() {
    let throttled = FaultKind::Throttle;
    let ill = FaultKind::Error { status: 503, code: "ServiceUnavailable".into(), message: "later".into() };
    let field = |name: &str| FaultKind::MissingField(name.to_owned());
    for (fault, has_code) in [
        (throttled, true),
        (ill, true),
        (FaultKind::Drop, false),
        (FaultKind::CutOff, false),
        (FaultKind::TruncatedXml, false),
        (FaultKind::Garbage, false),
        (field("SecretAccessKey"), false),
        (field("AccessKeyId"), false),
    ] {
        let bench = Bench::new();
        bench.sandbox.fault(Fault::on("CreateAccessKey", fault.clone()));
        let error = bench.create().await.expect_err("no key");
        assert_eq!((error.outlook, error.code.is_some()), (Retryability::Transient, has_code), "{fault:?}: {error:?}");
        assert!(error.report.message.contains("make an access key for user richard"), "{error:?}");
        assert_eq!(bench.sandbox.count("CreateAccessKey"), 1, "{fault:?}: exactly one attempt");
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_is_no_list() {
    for fault in [FaultKind::TruncatedXml, FaultKind::CutOff, FaultKind::MissingField("AccessKeyId".to_owned())] {
        let bench = Bench::new();
        bench.sandbox.fault(Fault::on("ListAccessKeys", fault.clone()));
        let error = bench.iam.list(&bench.aws, &bench.signer, &bench.user).await.expect_err("no list");
        assert_eq!(error.report.kind, Kind::Unreachable, "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn the_quota_and_a_denial_are_told_as_what_they_are() {
    let bench = Bench::new();
    bench.create().await.expect("the second");
    let error = bench.create().await.expect_err("the third");
    assert_eq!((error.outlook, error.code.as_deref()), (Retryability::Permanent, Some("LimitExceeded")));
    bench.sandbox.world(|world| world.user(USER_ARN).permissions.inline.clear());
    let error = bench.create().await.expect_err("denied");
    assert_eq!((error.report.kind, error.code.as_deref()), (Kind::Refused, Some("AccessDenied")));
    assert!(error.report.message.contains("iam:CreateAccessKey"), "{error:?}");
    assert!(format!("{:?}", bench.iam).starts_with("Iam"));
}
