//! An application that has no key of its own: where it runs says who it is, and its roles chain from there.

mod ill;
mod programs;
mod task;

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use rolecall::adapters::sources::StartupEnv;
use rolecall::domain::error::{Kind, UserError};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN};
use rolecall_sandbox::{
    Account, Fault, FaultKind, Instance, MfaDevice, OidcProvider, Role, Sandbox, SessionCredentials, Task, World,
};
use serde_json::json;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

const ASSUMING: &str = "arn:aws:iam::111111111111:role/AssumingRole";
const ISSUER: &str = "token.example.com";
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Scenario B: `AssumingRole` is the application, `AssumedRole` trusts it, and `DataReader` trusts that one.
fn world() -> World {
    let provider = OidcProvider::new(AUTH_ACCOUNT, ISSUER, "sts.amazonaws.com");
    let assuming = Role::new(
        "AssumingRole",
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {
                "Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com"]}},
            {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider.arn()},
             "Condition": {"StringEquals": {format!("{ISSUER}:sub"): "repo:team/app"}}},
        ]}),
    )
    .with_policy("Assume", may_assume(ROLE_ARN));
    let reader = Role::new("DataReader", trusts(ROLE_ARN));
    let mut world = World::tutorials().with_account(Account::new("333333333333").with_role(reader));
    let account = world.account(AUTH_ACCOUNT);
    account.roles.insert("AssumingRole".to_owned(), Role { account: AUTH_ACCOUNT.to_owned(), ..assuming });
    let assumed = world.role(ROLE_ARN);
    assumed.trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": [ASSUMING, USER_ARN]}}]})
    .into();
    assumed.permissions.inline.insert("GoOn".to_owned(), may_assume("arn:aws:iam::333333333333:role/*").into());
    world.instance = Some(Instance::new(Some(ASSUMING)));
    world.task = Some(Task::new(ASSUMING));
    world.oidc_providers.push(provider);
    world
}

fn trusts(arn: &str) -> serde_json::Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": arn}}]})
}

fn may_assume(arn: &str) -> serde_json::Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arn}]})
}

/// The application's chain, and beside it a role of the person's that has nothing to do with it.
fn config(identity: &str) -> String {
    let chain = r#"
[roles.app-prod]
source = "app"
role_arn = "arn:aws:iam::222222222222:role/AssumedRole"

[roles.app-data]
source = "app-prod"
role_arn = "arn:aws:iam::333333333333:role/DataReader"
"#;
    format!("{TUTORIAL}\n[identities.app]\nregion = \"eu-west-1\"\n{identity}\n{chain}")
}

const EC2: &str = "type = \"ec2\"\nec2_metadata_service_endpoint = \"ENDPOINT\"";

fn variables<const N: usize>(variables: [(&str, String); N]) -> StartupEnv {
    let variables: HashMap<&str, String> = variables.into_iter().collect();
    StartupEnv::from_vars(|name| variables.get(name).map(Into::into))
}

/// Gives the application's own session, as its service would put it into its environment.
fn session_of_app(aws: &Sandbox, seconds: i64) -> SessionCredentials {
    aws.issue_to_service("ec2.amazonaws.com", ASSUMING, "job", seconds).expect("the role trusts the service")
}

/// Asks for the application itself and for both roles of its chain, and checks who they are.
fn reaches_its_chain(agent: &Inside) {
    let data = agent.get("app-data").unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(data.account.expect("known").as_str(), "333333333333");
    let prod = agent.get("app-prod").unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(prod.account.expect("known").as_str(), "222222222222");
    let own = agent.get("app").unwrap_or_else(|e| panic!("{e:?}"));
    assert!(own.access_key_id.starts_with("ASIA"), "a session, never a long-term key: {}", own.access_key_id);
    let assumed: Vec<_> = agent.aws.calls().into_iter().filter(|call| call.action == "AssumeRole").collect();
    assert_eq!(assumed.len(), 2, "each role once");
    assert_eq!(assumed[0].access_key_id, Some(own.access_key_id), "what the source gave is shared");
    until("the log has it", || !agent.audit("get").is_empty());
    let name = agent.audit("get")[0]["role_arn"].as_str().unwrap_or_default().to_owned();
    assert!(name.starts_with("arn:aws:sts::333333333333:assumed-role/DataReader/"), "{name}");
}

fn refused(agent: &Inside, name: &str, kind: Kind, what: &str) -> UserError {
    let report = agent.get(name).expect_err(what);
    assert!(report.kind == kind && report.message.contains(what), "{report:?}");
    assert!(report.hint.is_some(), "{report:?}");
    report
}

/// Scripts and token files of a test, outside the agent's directories.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a new program and lets the seconds go by for which the failure of the old one is remembered.
    fn program(&self, agent: &Inside, content: &str) {
        self.put("program", content);
        agent.clock.advance(Duration::from_secs(4));
    }

    fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        // Whole or not at all, as whoever renews a token does it.
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        set_mode(&new, 0o700);
        fs::rename(&new, &path).unwrap();
        path
    }
}

fn key_of_richard(aws: &Sandbox) -> StartupEnv {
    let key = aws.access_key(USER_ARN);
    variables([("AWS_ACCESS_KEY_ID", key.id), ("AWS_SECRET_ACCESS_KEY", key.secret)])
}

#[test]
fn an_instance_reaches_its_chain_and_its_sessions_bear_the_roles_name() {
    let agent = Inside::start_in(world(), &config(EC2));
    reaches_its_chain(&agent);
    assert_eq!(agent.aws.count("ImdsCredentials"), 1);
    let name = agent.aws.calls().into_iter().find(|call| call.action == "AssumeRole").unwrap().params;
    assert!(name["RoleSessionName"].starts_with("AssumingRole-"), "{name:?}");
    until("it is logged", || !agent.audit("source").is_empty());
    let line = &agent.audit("source")[0];
    assert!(line["result"] == "ok" && line["access_key_id"].is_string(), "{line}");
    let shown = agent.status().identities.into_iter().find(|identity| identity.name == "app").unwrap();
    assert!(shown.kind == "ec2" && shown.session.is_some());
}

#[test]
fn a_task_reaches_its_chain_by_the_address_in_the_agents_environment() {
    let agent = Inside::start_where(world(), &config("type = \"ecs\""), |aws| {
        let path = aws.world(|world| world.task.clone().unwrap().path);
        variables([("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}{path}", aws.url()))])
    });
    reaches_its_chain(&agent);
    assert_eq!(agent.get("app").unwrap().account.expect("ECS names the role").as_str(), AUTH_ACCOUNT);
}

#[test]
fn a_pod_reaches_its_chain_and_its_token_file_is_read_anew_each_time() {
    let files = Files::new();
    let token = files.put("token", "first-token\n");
    let mut world = world();
    world.task = Some(Task::new(ASSUMING).with_authorization("first-token"));
    let identity = format!(
        "type = \"ecs\"\ncontainer_credentials_full_uri = \"ENDPOINT/v1/credentials\"\ncontainer_authorization_token_file = \"{}\"",
        token.display()
    );
    let agent = Inside::start_in(world, &config(&identity));
    reaches_its_chain(&agent);
    assert_eq!(agent.get("app").unwrap().account.expect("EKS names the account").as_str(), AUTH_ACCOUNT);
    agent.aws.world(|world| world.task.as_mut().unwrap().authorization = Some("second-token".into()));
    agent.aws.rotate_place();
    let before = agent.get("app").unwrap().access_key_id;
    agent.clock.advance(HOUR * 4);
    agent.get("app").expect("the old one is still good");
    // By the status and not by the log, which has its line before the failed flight is over.
    until("the refusal is noted", || {
        agent.status().identities.iter().any(|identity| identity.name == "app" && identity.error.is_some())
    });
    files.put("token", "second-token");
    agent.clock.advance(MINUTE * 11);
    agent.get("app").expect("served");
    until("the new token is taken", || agent.get("app").unwrap().access_key_id != before);
}

#[test]
fn a_session_in_the_agents_environment_reaches_its_chain() {
    let agent = Inside::start_where(world(), &config("type = \"environment\""), |aws| {
        let session = session_of_app(aws, 3600);
        variables([
            ("AWS_CREDENTIAL_EXPIRATION", session.expiration.to_rfc3339()),
            ("AWS_ACCESS_KEY_ID", session.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", session.secret_access_key),
            ("AWS_SESSION_TOKEN", session.session_token),
        ])
    });
    reaches_its_chain(&agent);
    agent.clock.advance(HOUR);
    let report = refused(&agent, "app", Kind::Unreachable, "the agent's environment gave a session that was over at");
    assert_eq!(
        report.hint.unwrap(),
        "start the agent anew where the variables are of today: `rolecall agent stop`, then `rolecall agent run`"
    );
}

#[test]
fn a_token_of_an_identity_provider_reaches_its_chain_and_is_read_anew_at_each_renewal() {
    let files = Files::new();
    let token = files.path("token");
    let identity = format!(
        "type = \"web-identity\"\nweb_identity_token_file = \"{}\"\nrole_arn = \"{ASSUMING}\"\nrole_session_name = \"build\"",
        token.display()
    );
    let agent = Inside::start_in(world(), &config(&identity));
    let renew = || files.put("token", &agent.aws.web_token(ISSUER, "repo:team/app", "sts.amazonaws.com", 1500));
    renew();
    reaches_its_chain(&agent);
    let calls = agent.aws.calls();
    let first = calls.iter().find(|call| call.action == "AssumeRoleWithWebIdentity").unwrap();
    assert!(first.access_key_id.is_none() && first.params["RoleSessionName"] == "build", "{first:?}");
    for _ in 0..12 {
        agent.pass_at_pace(MINUTE * 10);
        renew();
        agent.get("app-data").expect("served");
        agent.get("app").expect("served");
    }
    until("it was renewed", || agent.aws.count("AssumeRoleWithWebIdentity") >= 3);
}

#[test]
fn a_day_on_an_instance_serves_nothing_stale_and_asks_the_service_a_few_times() {
    let agent = Inside::start_in(world(), &config(EC2));
    agent.get("app-data").unwrap();
    for _ in 0..24 * 6 {
        agent.pass_at_pace(MINUTE * 10);
        for name in ["app-data", "app"] {
            let session = agent.get(name).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            let end = agent.aws.session_expiration(&session.access_key_id).expect("issued here");
            assert_eq!(session.expiration, end, "nobody's end is moved");
            assert!(end > agent.aws.clock().now(), "{name} is over");
        }
    }
    let asked = agent.aws.count("ImdsCredentials");
    // Four sessions of six hours, each asked for anew at every half of what is left.
    assert!((4..=60).contains(&asked), "{asked}");
}

#[test]
fn a_long_term_key_of_a_source_is_traded_for_a_session_and_never_handed_out() {
    let agent = Inside::start_where(world(), &config("type = \"environment\""), key_of_richard);
    reaches_its_chain(&agent);
    assert_eq!(agent.aws.count("GetSessionToken"), 1);
    let session = agent.get("app").unwrap();
    assert_eq!((session.expiration - agent.aws.clock().now()).num_hours(), 12);
}

#[test]
fn a_code_goes_with_the_key_of_a_source_and_a_session_of_one_takes_none() {
    let serial = "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"";
    let config = config(&format!("type = \"environment\"\n{serial}"));
    let mut world = world();
    world.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "richard"));
    let agent = Inside::start_where(world.clone(), &config, key_of_richard);
    let unlock = |agent: &Inside| {
        let code = rolecall::domain::secret::MfaCode::new(agent.aws.mfa_code(USER_ARN));
        let request = rolecall::protocol::message::Request::Unlock { name: Some("app".into()), code };
        agent.ask(request).map(drop)
    };
    assert_eq!(agent.get("app-data").expect_err("nobody gave a code").kind, Kind::Locked);
    unlock(&agent).expect("the right code");
    agent.get("app-data").expect("served after the code");
    let calls = agent.aws.calls();
    assert!(calls.iter().any(|call| call.action == "GetSessionToken" && call.params.contains_key("TokenCode")));
    drop(agent);
    let agent = Inside::start_where(world, &config, |aws| {
        let session = session_of_app(aws, 3600);
        variables([
            ("AWS_ACCESS_KEY_ID", session.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", session.secret_access_key),
            ("AWS_SESSION_TOKEN", session.session_token),
        ])
    });
    let report =
        refused(&agent, "app-data", Kind::Config, "takes MFA codes with the long-term key of an IAM user only");
    assert!(report.hint.unwrap().contains("mfa_serial"));
    assert!(unlock(&agent).is_err() && agent.aws.count("GetSessionToken") == 0);
}

#[test]
fn a_session_that_does_not_say_its_end_is_served_for_an_hour_at_a_time_and_not_for_ever() {
    let agent = Inside::start_where(world(), &config("type = \"environment\""), |aws| {
        let session = session_of_app(aws, 40 * 3600);
        variables([
            ("AWS_ACCESS_KEY_ID", session.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", session.secret_access_key),
            ("AWS_SESSION_TOKEN", session.session_token),
        ])
    });
    for _ in 0..35 {
        let session = agent.get("app").expect("served");
        let minutes = (session.expiration - agent.aws.clock().now()).num_minutes();
        assert!((20..=60).contains(&minutes), "{minutes}");
        agent.clock.advance(HOUR);
    }
    agent.clock.advance(HOUR);
    refused(&agent, "app", Kind::Refused, "does not say when it ends, and is older than any can be");
}
