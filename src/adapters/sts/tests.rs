//! The adapter against an AWS that enforces the rules, with the test's hand on the clock.

mod faults;
mod wire;

use super::*;
use crate::aws::clients::CLIENTS;
use chrono::TimeDelta;
use rolecall_core::domain::arn::{AccountId, MfaSerial, RoleArn};
use rolecall_core::domain::credential::Now;
use rolecall_core::domain::error::Kind;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use rolecall_sandbox::{Clock as SandboxClock, KeyStatus, Role, Sandbox, World};
use serde_json::json;
use std::collections::BTreeMap;

const START: &str = "2026-11-22T09:00:00Z";
const HOUR: Duration = Duration::from_hours(1);
const REGION: &str = "eu-central-1";

/// A clock that shows another time than the sandbox's.
struct Skewed(SandboxClock, TimeDelta);

#[async_trait]
impl Clock for Skewed {
    fn now(&self) -> Now {
        Now { wall: self.0.now() + self.1, boot: Duration::ZERO }
    }

    async fn sleep_until(&self, _: Duration) {}
}

/// An adapter, the AWS it speaks to, and a user there.
struct Bench {
    sts: Sts,
    sandbox: Sandbox,
    aws: Arc<AwsSettings>,
    key: AccessKey,
}

impl Bench {
    fn new() -> Self {
        Self::with(World::tutorials(), TimeDelta::zero())
    }

    fn with(world: World, ahead: TimeDelta) -> Self {
        let sandbox = Sandbox::start(world, SandboxClock::at(START));
        let key = sandbox.access_key(USER_ARN);
        let key = AccessKey { id: key.id, secret: SecretKey::new(key.secret) };
        let aws = Arc::new(AwsSettings { sts_endpoint: Some(sandbox.url()), ..AwsSettings::default() });
        let sts = Sts::new(Arc::new(Skewed(sandbox.clock(), ahead)), StartupEnv::default(), None);
        Self { sts, sandbox, aws, key }
    }

    fn signer(&self) -> Signer {
        Signer::Key(self.key.clone())
    }

    async fn assume(&self, call: &AssumeRole) -> Result<Issued, TokenError> {
        self.sts.assume_role(&self.aws, &self.signer(), call, "me", None).await
    }
}

fn role() -> AssumeRole {
    role_in(ROLE_ARN)
}

fn role_in(arn: &str) -> AssumeRole {
    AssumeRole {
        role_arn: RoleArn::new(arn).expect("valid"),
        region: REGION.into(),
        session_name: None,
        duration: HOUR,
        external_id: None,
        source_identity: None,
        tags: BTreeMap::new(),
        transitive_tag_keys: Vec::new(),
        policy: None,
        policy_arns: Vec::new(),
        mfa_serial: None,
    }
}

fn session_call(serial: Option<&str>) -> SessionTokenCall {
    let mfa_serial = serial.map(|s| MfaSerial::new(s).expect("valid"));
    SessionTokenCall { region: REGION.into(), duration: HOUR * 12, mfa_serial }
}

/// The user has a device, and the role wants it.
fn world_with_mfa() -> (World, String) {
    let mut world = World::tutorials_with_mfa();
    let serial = world.user(USER_ARN).mfa_devices[0].serial.clone();
    (world, serial)
}

#[tokio::test]
async fn a_role_is_assumed_and_the_answer_comes_whole() {
    let bench = Bench::new();
    let issued = bench.assume(&role()).await.expect("assumed");
    assert_eq!(issued.arn.as_deref(), Some("arn:aws:sts::222222222222:assumed-role/AssumedRole/me"));
    assert_eq!(issued.session.account.as_ref().map(AccountId::as_str), Some("222222222222"));
    assert_eq!(issued.session.expiration, bench.sandbox.clock().now() + TimeDelta::hours(1));
    assert_eq!(issued.skew, TimeDelta::zero());
    let calls = bench.sandbox.calls();
    assert_eq!(issued.request_id.as_deref(), Some(calls[0].request_id.as_str()));
    assert_eq!(bench.sandbox.session_expiration(&issued.session.access_key_id), Some(issued.session.expiration));
}

#[tokio::test]
async fn every_parameter_reaches_aws_and_none_that_was_not_set() {
    let bench = Bench::new();
    bench.assume(&role()).await.expect("assumed");
    let plain = bench.sandbox.calls()[0].params.clone();
    let names: Vec<&str> = plain.keys().map(String::as_str).collect();
    assert_eq!(names, ["Action", "DurationSeconds", "RoleArn", "RoleSessionName", "Version"]);

    let call = AssumeRole {
        duration: Duration::from_mins(15),
        external_id: Some("ext-1".into()),
        source_identity: Some("richard".into()),
        tags: BTreeMap::from([("Team".into(), "a b".into()), ("Cost".into(), String::new())]),
        transitive_tag_keys: vec!["Team".into()],
        policy: Some(r#"{"Version":"2012-10-17","Statement":[]}"#.into()),
        policy_arns: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()],
        mfa_serial: Some(MfaSerial::new("GAHT12345678").expect("valid")),
        ..role()
    };
    let code = MfaCode::new("123456".into());
    // The sandbox denies it, for there is no such device; what counts is what it was asked.
    let denied = bench.sts.assume_role(&bench.aws, &bench.signer(), &call, "me", Some(&code)).await;
    assert_eq!(denied.expect_err("denied").outlook, Retryability::Permanent);
    let params = bench.sandbox.calls()[1].params.clone();
    for (name, value) in [
        ("RoleArn", ROLE_ARN),
        ("RoleSessionName", "me"),
        ("DurationSeconds", "900"),
        ("ExternalId", "ext-1"),
        ("SourceIdentity", "richard"),
        ("Tags.member.1.Key", "Cost"),
        ("Tags.member.1.Value", ""),
        ("Tags.member.2.Key", "Team"),
        ("Tags.member.2.Value", "a b"),
        ("TransitiveTagKeys.member.1", "Team"),
        ("Policy", r#"{"Version":"2012-10-17","Statement":[]}"#),
        ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("SerialNumber", "GAHT12345678"),
        ("TokenCode", "123456"),
    ] {
        assert_eq!(params.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn one_code_gives_a_session_that_assumes_the_role() {
    let (world, serial) = world_with_mfa();
    let bench = Bench::with(world, TimeDelta::zero());
    let refused = bench.assume(&role()).await.expect_err("no MFA");
    assert!(refused.told("auth").hint.expect("a hint").contains("`mfa`"));

    let code = MfaCode::new(bench.sandbox.mfa_code(USER_ARN));
    let call = session_call(Some(&serial));
    let session = bench.sts.session_token(&bench.aws, &bench.key, &call, Some(&code)).await.expect("a session");
    assert_eq!((session.arn, session.session.account.clone()), (None, None));
    assert_eq!(session.session.expiration, bench.sandbox.clock().now() + TimeDelta::hours(12));
    let signer = Signer::Session(session.session);
    bench.sts.assume_role(&bench.aws, &signer, &role(), "me", None).await.expect("assumed by the session");

    let again = bench.sts.session_token(&bench.aws, &bench.key, &call, Some(&code)).await.expect_err("used");
    assert_eq!(again.outlook, Retryability::WrongCode);
    bench.sandbox.clock().advance(Duration::from_mins(1));
    let direct = AssumeRole { mfa_serial: Some(MfaSerial::new(&serial).expect("valid")), ..role() };
    let code = MfaCode::new(bench.sandbox.mfa_code(USER_ARN));
    bench.sts.assume_role(&bench.aws, &bench.signer(), &direct, "me", Some(&code)).await.expect("assumed directly");
}

#[tokio::test]
async fn a_session_that_is_over_asks_for_a_new_signer() {
    let bench = Bench::new();
    let base = bench.sts.session_token(&bench.aws, &bench.key, &session_call(None), None).await.expect("a session");
    bench.sandbox.clock().advance(HOUR * 13);
    let signer = Signer::Session(base.session);
    let error = bench.sts.assume_role(&bench.aws, &signer, &role(), "me", None).await.expect_err("expired");
    assert_eq!((error.outlook, error.code.as_deref()), (Retryability::SignerExpired, Some("ExpiredToken")));
    assert_eq!(bench.sandbox.count("AssumeRole"), 1, "what cannot succeed is not tried again");
}

#[tokio::test]
async fn a_key_tells_whose_it_is_until_it_is_switched_off() {
    let bench = Bench::new();
    let caller = bench.sts.caller_identity(&bench.aws, &bench.key, REGION).await.expect("known");
    assert_eq!((caller.arn.as_str(), caller.account.as_str()), (USER_ARN, "111111111111"));
    assert!(caller.user_id.starts_with("AIDA"));

    bench.sandbox.world(|world| world.user(USER_ARN).access_keys[0].status = KeyStatus::Inactive);
    let error = bench.sts.caller_identity(&bench.aws, &bench.key, REGION).await.expect_err("inactive");
    assert_eq!((error.report.kind, error.outlook), (Kind::Refused, Retryability::Permanent));
    assert!(error.report.message.contains(&bench.key.id) && error.report.message.contains("InvalidClientTokenId"));
    assert!(error.told("auth").hint.expect("a hint").contains("`rolecall doctor auth`"));

    let wrong = AccessKey { secret: SecretKey::new("not-the-secret-of-this-key".into()), ..bench.key.clone() };
    bench.sandbox.world(|world| world.user(USER_ARN).access_keys[0].status = KeyStatus::Active);
    let error = bench.sts.caller_identity(&bench.aws, &wrong, REGION).await.expect_err("wrong secret");
    assert_eq!((error.code.as_deref(), error.outlook), (Some("SignatureDoesNotMatch"), Retryability::Permanent));
    assert!(!format!("{error:?}").contains("not-the-secret"), "{error:?}");
}

#[tokio::test]
async fn a_role_that_allows_less_names_what_to_change() {
    let bench = Bench::new();
    let longer = AssumeRole { duration: HOUR * 2, ..role() };
    let error = bench.assume(&longer).await.expect_err("too long");
    assert_eq!((error.report.kind, error.outlook), (Kind::Refused, Retryability::Permanent));
    assert!(error.report.hint.expect("a hint").contains("`duration`"));

    let first = bench.assume(&role()).await.expect("assumed");
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": ROLE_ARN}, "Action": "sts:AssumeRole"}]});
    let second = Role { account: "222222222222".into(), ..Role::new("Second", trust) }.with_max_session_seconds(43_200);
    bench.sandbox.world(|world| world.account("222222222222").roles.insert("Second".into(), second.clone()));
    let call = AssumeRole { duration: HOUR * 2, ..role_in("arn:aws:iam::222222222222:role/Second") };
    let signer = Signer::Session(first.session);
    let error = bench.sts.assume_role(&bench.aws, &signer, &call, "me", None).await.expect_err("chained");
    assert!(error.report.hint.as_deref().is_some_and(|h| h.contains("\"1h\"")), "{error:?}");
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_still_gets_sessions_and_learns_by_how_much() {
    for hours in [-1, 1] {
        let bench = Bench::with(World::tutorials(), TimeDelta::hours(hours));
        let issued = bench.assume(&role()).await.expect("assumed after a correction");
        assert_eq!(issued.skew, TimeDelta::hours(-hours), "the service is ahead by the opposite");
        assert_eq!(bench.sandbox.count("AssumeRole"), 2, "refused once, then corrected");
        bench.assume(&role()).await.expect("assumed");
        assert_eq!(bench.sandbox.count("AssumeRole"), 3, "what was learned stays");
    }
}

#[tokio::test]
async fn clients_are_kept_per_configuration_and_region_and_are_few() {
    let bench = Bench::new();
    for n in 0..20 {
        bench.sts.clients.reach(&bench.aws, &format!("eu-central-{}", n % 10)).await.expect("reached");
    }
    assert_eq!(bench.sts.clients.count(), CLIENTS);
    let same = Arc::new(AwsSettings::clone(&bench.aws));
    let first = bench.sts.clients.reach(&bench.aws, "eu-central-9").await.expect("reached");
    let again = bench.sts.clients.reach(&same, "eu-central-9").await.expect("reached");
    assert!(Arc::ptr_eq(&first, &again), "an equal configuration is the same one");
}

#[tokio::test]
async fn one_client_serves_many_keys_and_keeps_none() {
    let bench = Bench::new();
    bench.sts.caller_identity(&bench.aws, &bench.key, REGION).await.expect("known");
    let other = AccessKey { id: "AKIAIOSFODNN7EXAMPLE".into(), secret: SecretKey::new("x".repeat(40)) };
    let error = bench.sts.caller_identity(&bench.aws, &other, REGION).await.expect_err("unknown");
    assert_eq!(error.code.as_deref(), Some("InvalidClientTokenId"));
    let keys: Vec<_> = bench.sandbox.calls().into_iter().map(|call| call.access_key_id).collect();
    assert_eq!(keys, [Some(bench.key.id.clone()), Some(other.id)]);
    let shown =
        format!("{:?} {:?}", bench.sts, bench.sts.clients.reach(&bench.aws, REGION).await.expect("reached").client);
    assert!(!shown.contains(bench.key.secret.expose()) && !shown.contains(&bench.key.id), "{shown}");
}
