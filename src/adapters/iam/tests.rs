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

/// Each way in which an answer to an access key or to a question of `doctor` is not whole, and each change of a setup.
const SPOILT: [&str; 12] = [
    "AccessKeyId",
    "SecretAccessKey",
    "UserName",
    "AccessKey",
    "Role",
    "AssumeRolePolicyDocument",
    "EvaluationResults",
    "EvalDecision",
    "PolicyDocument",
    "VirtualMFADevice",
    "Base32StringSeed",
    "User",
];

/// The texts of each call to IAM: those of AWS by each code, and those of an answer that is not whole.
/// `ROLECALL_BLESS=1 cargo test -p rolecall-adapters wording` writes the file.
#[tokio::test]
async fn wording_of_every_iam_error_is_as_in_the_file() {
    let mut page = of_codes();
    page.push_str(&of_answers().await);
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("iam/wording.txt");
    #[expect(clippy::disallowed_methods, reason = "a test's switch, and a file of the source tree")]
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&file, &page).expect("written");
    }
    let pinned = std::fs::read_to_string(&file).unwrap_or_default();
    for (is, was) in page.lines().zip(pinned.lines()) {
        assert_eq!(is, was, "`ROLECALL_BLESS=1 cargo test -p rolecall-adapters wording` writes the file");
    }
    assert_eq!(page.len(), pinned.len());
}

fn told(title: &str, error: &TokenError) -> String {
    let TokenError { outlook, code, .. } = error;
    let rolecall_core::domain::error::UserError { kind, message, hint, .. } = error.clone().told("auth");
    let hint = hint.as_deref().unwrap_or("-");
    format!("{title}\n  {kind:?}, {outlook:?}, {code:?}: {message}\n  hint: {hint}\n\n")
}

fn of_codes() -> String {
    use super::super::aws::errors::{CallContext, classify};
    use super::super::aws::failure::{Class, Failure};
    let calls = [
        Call::Admin("create user richard"),
        Call::CreateAccessKey("richard"),
        Call::ListAccessKeys("richard"),
        Call::UpdateAccessKey("AKIAIOSFODNN7EXAMPLE"),
        Call::DeleteAccessKey("AKIAIOSFODNN7EXAMPLE"),
        Call::Look("arn:aws:iam::111111111111:role/X"),
    ];
    let codes = "AccessDenied LimitExceeded EntityAlreadyExists DeleteConflict MalformedPolicyDocument NoSuchEntity \
        ExpiredToken InvalidClientTokenId SignatureDoesNotMatch InvalidAuthenticationCode \
        EntityTemporarilyUnmodifiable ConcurrentModificationException Throttling ServiceUnavailable NewlyInvented";
    let mut page = String::new();
    for code in codes.split_whitespace() {
        for call in calls {
            for by_session in [false, true] {
                let failure = Failure {
                    code: Some(code.to_owned()),
                    message: Some("words of AWS".to_owned()),
                    status: Some(400),
                    request_id: Some("1234-abcd".to_owned()),
                    ..Failure::without_answer(Class::Refused)
                };
                let asked = CallContext {
                    call,
                    host: "iam.amazonaws.com",
                    region: "us-east-1",
                    key_id: "AKIAIOSFODNN7EXAMPLE",
                    by_session,
                    proxied: false,
                    proxy_user: None,
                    secrets: &[],
                };
                page.push_str(&told(&format!("{code}, by a session {by_session}:"), &classify(&failure, &asked)));
            }
        }
    }
    page
}

async fn of_answers() -> String {
    use rolecall_core::setup::call::Call as Change;
    use rolecall_ports::{AccountSession, Accounts, Resource};
    let Bench { iam, sandbox, aws, signer, user } = Bench::new();
    let all = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]});
    sandbox.world(|world| world.user(USER_ARN).permissions.inline.insert("All".to_owned(), all.into()));
    let clock = Arc::new(Hand(sandbox.clock()));
    let accounts = crate::sts::Sts::new(clock, crate::sources::StartupEnv::from_vars(|_| None), None);
    let office = AccountSession { signer: signer.clone(), partition: Partition::Aws };
    let host = sandbox.url().trim_start_matches("http://").to_owned();
    let mut page = String::new();
    // Sends a call for each fault, and once without.
    macro_rules! each {
        ($action:expr, $what:expr, $call:expr) => {{
            let fields = SPOILT.map(|field| FaultKind::MissingField(field.to_owned()));
            for fault in [FaultKind::TruncatedXml].into_iter().chain(fields) {
                sandbox.fault(Fault::on($action, fault.clone()).times(1));
                let title = format!("{} meets {fault:?}:", $what);
                match $call.await {
                    Ok(_) => page.push_str(&format!("{title} it is done\n\n")),
                    Err(error) => {
                        let id = error.request_id.clone().unwrap_or_else(|| "no id".to_owned());
                        page.push_str(&told(&title, &error).replace(&host, "HOST").replace(&id, "ID"));
                    }
                }
            }
        }};
    }
    let clear = || sandbox.world(|world| world.user(USER_ARN).access_keys.truncate(1));
    let role = rolecall_core::domain::arn::RoleArn::new(rolecall_sandbox::tutorials::ROLE_ARN).expect("valid");
    let inline = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
    .to_string();
    each!("ListAccessKeys", "a list of keys", iam.list(&aws, &signer, &user));
    each!("CreateAccessKey", "a new key", async {
        clear();
        iam.create(&aws, &signer, &user).await
    });
    each!("UpdateAccessKey", "a key that is switched off", async {
        clear();
        let id = sandbox.world(|world| world.user(USER_ARN).access_keys[0].id.clone());
        iam.deactivate(&aws, &signer, &user, &id).await?;
        sandbox.world(|world| world.user(USER_ARN).access_keys[0].status = rolecall_sandbox::KeyStatus::Active);
        Ok::<_, TokenError>(())
    });
    each!("DeleteAccessKey", "a key that is deleted", async {
        clear();
        let made = iam.create(&aws, &signer, &user).await.expect("made");
        iam.delete(&aws, &signer, &user, &made.key.id).await
    });
    each!("GetRole", "a look at a role", iam.read_role(&aws, &signer, &role));
    each!("SimulatePrincipalPolicy", "a simulation", iam.simulate(&aws, &signer, USER_ARN, &role, true));
    each!("GetUserPolicy", "an inline policy", iam.read_inline_policy(&aws, &signer, USER_ARN, "All"));
    let (name, policy, serial) = ("pinned".to_owned(), POLICY.to_owned(), SERIAL.to_owned());
    let codes = (rolecall_core::domain::secret::MfaCode::new("123456".to_owned()), "654321".to_owned());
    let codes = (&codes.0, &rolecall_core::domain::secret::MfaCode::new(codes.1));
    for change in &changes(inline) {
        each!(change.action(), change.what(), accounts.change(&aws, &office, change));
        if matches!(change, Change::AddRoleToInstanceProfile { .. }) {
            each!("EnableMFADevice", "a device", accounts.enable(&aws, &office, (&name, &serial), codes));
            for thing in [
                Resource::User(name.clone()),
                Resource::Role(name.clone()),
                Resource::Policy(policy.clone()),
                Resource::InstanceProfile(name.clone()),
                Resource::MfaDevice(serial.clone()),
            ] {
                let action = match &thing {
                    Resource::User(_) => "GetUser",
                    Resource::Role(_) => "GetRole",
                    Resource::Policy(_) => "GetPolicy",
                    Resource::InstanceProfile(_) => "GetInstanceProfile",
                    Resource::MfaDevice(_) => "ListVirtualMFADevices",
                };
                each!(action, format!("read {thing:?}"), accounts.read(&aws, &office, &thing));
                let action = if matches!(thing, Resource::User(_)) { "ListMFADevices" } else { "ListRolePolicies" };
                each!(action, format!("list {thing:?}"), accounts.hanging(&aws, &office, &thing));
            }
            each!("GetPolicyVersion", "a document", accounts.document(&aws, &office, (&policy, "v1")));
            let user = IamUser::new("arn:aws:iam::111111111111:user/pinned").expect("valid");
            each!("ListAccessKeys", "keys of a user", accounts.keys(&aws, &office, &user));
        }
    }
    page
}

const POLICY: &str = "arn:aws:iam::111111111111:policy/pinned";
const SERIAL: &str = "arn:aws:iam::111111111111:mfa/pinned";

/// Every change that a setup makes, in an order that works.
fn changes(inline: String) -> Vec<rolecall_core::setup::call::Call> {
    use rolecall_core::setup::call::Call as Change;
    let name = "pinned".to_owned();
    let (path, tags) = ("/".to_owned(), rolecall_core::setup::call::Tags::new());
    let policy = POLICY.to_owned();
    let serial = SERIAL.to_owned();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::111111111111:root"}}]})
    .to_string();
    let (user, role, profile) = (name.clone(), name.clone(), name.clone());
    vec![
        Change::CreatePolicy {
            name: name.clone(),
            path: path.clone(),
            description: "x".to_owned(),
            document: inline.clone(),
            tags: tags.clone(),
        },
        Change::CreateUser { name: name.clone(), path: path.clone(), tags: tags.clone() },
        Change::AttachUserPolicy { user: user.clone(), arn: policy.clone() },
        Change::CreateAccessKey { user: user.clone() },
        Change::CreateVirtualMFADevice { name: name.clone(), path: path.clone(), tags: tags.clone() },
        Change::CreateRole {
            name: name.clone(),
            path: path.clone(),
            description: "x".to_owned(),
            trust: trust.clone(),
            max_session_seconds: 3600,
            tags: tags.clone(),
        },
        Change::UpdateAssumeRolePolicy { role: role.clone(), trust },
        Change::UpdateRole { role: role.clone(), max_session_seconds: 3600 },
        Change::AttachRolePolicy { role: role.clone(), arn: policy.clone() },
        Change::PutRolePolicy { role: role.clone(), name: name.clone(), document: inline },
        Change::CreateInstanceProfile { name: name.clone(), path, tags },
        Change::AddRoleToInstanceProfile { profile: profile.clone(), role: role.clone() },
        Change::EnableMFADevice { user: user.clone(), serial: serial.clone() },
        Change::RemoveRoleFromInstanceProfile { profile: profile.clone(), role: role.clone() },
        Change::DeleteInstanceProfile { name: name.clone() },
        Change::DeleteRolePolicy { role: role.clone(), name: name.clone() },
        Change::DetachRolePolicy { role: role.clone(), arn: policy.clone() },
        Change::DeleteRole { name: name.clone() },
        Change::DeactivateMFADevice { user: user.clone(), serial: serial.clone() },
        Change::DeleteVirtualMFADevice { serial: serial.clone() },
        Change::DeleteAccessKey { user: user.clone(), id: "AKIAIOSFODNN7EXAMPLE".to_owned() },
        Change::DetachUserPolicy { user, arn: policy.clone() },
        Change::DeleteUser { name: name.clone() },
        Change::DeletePolicy { arn: policy.clone() },
    ]
}
