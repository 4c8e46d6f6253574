//! Answers of STS and IAM: the SDK's XML parser, the checks of what was issued, and the error texts.
//!
//! The first byte selects the operation, the second the HTTP status; the rest is the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rolecall::adapters::clock::SystemClock;
use rolecall::adapters::sts::{Sts, fuzzing};
use rolecall::domain::arn::{IamUser, Partition, RoleArn};
use rolecall::domain::catalogue::AwsSettings;
use rolecall::domain::credential::{AccessKey, Signer};
use rolecall::domain::plan::{AssumeRole, SessionTokenCall};
use rolecall::domain::secret::{SecretKey, WebToken};
use rolecall::domain::source::WebIdentity;
use rolecall::ports::{AccountSession, Accounts, Resource, TokenError, TokenService};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "a.web.token";
const REGION: &str = "eu-west-1";
const USER: &str = "arn:aws:iam::111111111111:user/me";
const ROLE: &str = "arn:aws:iam::222222222222:role/AssumedRole";
const STATUS: [u16; 8] = [200, 400, 403, 404, 409, 429, 500, 503];

struct Stage {
    runtime: Runtime,
    sts: Sts,
    aws: Arc<AwsSettings>,
    key: AccessKey,
}

impl Stage {
    fn new() -> Self {
        let nowhere = || Some("http://127.0.0.1:1".to_owned());
        Self {
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            sts: Sts::canned(Arc::new(SystemClock)),
            aws: Arc::new(AwsSettings { sts_endpoint: nowhere(), iam_endpoint: nowhere(), ..AwsSettings::default() }),
            key: AccessKey { id: "AKIAIOSFODNN7EXAMPLE".into(), secret: SecretKey::new(SECRET.into()) },
        }
    }

    async fn call(&self, operation: u8) -> Result<(), TokenError> {
        let (sts, aws) = (&self.sts, &self.aws);
        let signer = Signer::Key(self.key.clone());
        let role = RoleArn::new(ROLE).expect("a role");
        let user = IamUser::new(USER).expect("a user");
        let office = AccountSession { signer: signer.clone(), partition: Partition::of_region(REGION) };
        let duration = Duration::from_hours(1);
        match operation % 16 {
            0 => {
                let call = AssumeRole {
                    role_arn: role,
                    region: REGION.into(),
                    session_name: None,
                    duration,
                    external_id: None,
                    source_identity: None,
                    tags: BTreeMap::new(),
                    transitive_tag_keys: Vec::new(),
                    policy: None,
                    policy_arns: Vec::new(),
                    mfa_serial: None,
                };
                let issued = sts.assume_role(aws, &signer, &call, "me", None).await?;
                let arn = issued.arn.expect("the answer names the role");
                assert!(call.role_arn.is_assumed_by(&arn), "the session of another role was accepted");
            }
            1 => {
                let call = SessionTokenCall { region: REGION.into(), duration, mfa_serial: None };
                sts.session_token(aws, &self.key, &call, None).await?;
            }
            2 => drop(sts.caller_identity(aws, &self.key, REGION).await?),
            3 => {
                let call = WebIdentity { token_file: "/token".into(), role_arn: role, session_name: None, duration };
                let token = WebToken::new(TOKEN.into());
                sts.web_identity(aws, REGION, &call, "me", &token).await?;
            }
            4 => drop(sts.access_keys().create(aws, &signer, &user).await?),
            5 => drop(sts.access_keys().list(aws, &signer, &user).await?),
            6 => sts.access_keys().delete(aws, &signer, &user, "AKIAI44QH8DHBEXAMPLE").await?,
            7 => drop(sts.probes().role(aws, &signer, &role).await?),
            8 => drop(sts.probes().simulate(aws, &signer, USER, &role, true).await?),
            9 => drop(sts.probes().inline_policy(aws, &signer, USER, "AssumeRoles").await?),
            10 => drop(sts.read(aws, &office, &Resource::Role("AssumedRole".into())).await?),
            11 => drop(sts.read(aws, &office, &Resource::Policy("arn:aws:iam::111111111111:policy/P".into())).await?),
            12 => drop(sts.read(aws, &office, &Resource::InstanceProfile("P".into())).await?),
            13 => drop(sts.read(aws, &office, &Resource::MfaDevice("arn:aws:iam::111111111111:mfa/me".into())).await?),
            14 => drop(sts.document(aws, &office, ("arn:aws:iam::111111111111:policy/P", "v1")).await?),
            _ => drop(sts.hanging(aws, &office, &Resource::User("me".into())).await?),
        }
        Ok(())
    }
}

thread_local! {
    static STAGE: Stage = Stage::new();
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[operation, status], body)) = bytes.split_first_chunk() else { return };
    fuzzing::set_answer(STATUS[usize::from(status) % STATUS.len()], body);
    let Err(error) = STAGE.with(|stage| stage.runtime.block_on(stage.call(operation))) else { return };
    let hint = error.report.hint.unwrap_or_default();
    // The operation with a web identity has no key; its secret is the token.
    let secret = if operation % 16 == 3 { TOKEN } else { SECRET };
    for text in [&error.report.message, &hint] {
        assert!(!text.contains(secret), "an error repeats a secret");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
});
