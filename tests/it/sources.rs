//! An application that has no key of its own: where it runs says who it is, and its roles chain from there.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use rolecall::adapters::sources::Ambient;
use rolecall::domain::report::{Kind, Report};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN};
use rolecall_sandbox::{
    Account, Fault, FaultKind, Instance, MfaDevice, OidcProvider, Role, Sandbox, SessionCredentials, Task, World,
};
use serde_json::json;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
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

fn variables<const N: usize>(variables: [(&str, String); N]) -> Ambient {
    let variables: HashMap<&str, String> = variables.into_iter().collect();
    Ambient::from_vars(&[], |name| variables.get(name).map(Into::into))
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
    let name = agent.audit("get")[0]["role_arn"].as_str().unwrap_or_default().to_owned();
    assert!(name.starts_with("arn:aws:sts::333333333333:assumed-role/DataReader/"), "{name}");
}

/// Lets time pass and waits until what is due is renewed. Background calls keep a distance, which takes time as well.
fn pass(agent: &Inside, time: Duration) {
    agent.clock.advance(time);
    until("renewals are over", || {
        agent.clock.advance(Duration::from_millis(400));
        agent.status().roles.iter().all(|role| {
            role.session.as_ref().is_none_or(|session| session.freshness == "fresh" || session.freshness == "expired")
        })
    });
}

fn refused(agent: &Inside, name: &str, kind: Kind, what: &str) -> Report {
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

fn process(path: &Path) -> String {
    config(&format!("type = \"process\"\ncredential_process = [\"/bin/sh\", \"{}\"]", path.display()))
}

fn printed(session: &SessionCredentials) -> String {
    let json = json!({"Version": 1, "AccessKeyId": session.access_key_id, "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token, "Expiration": session.expiration.to_rfc3339()});
    format!("echo '{json}'")
}

#[test]
fn an_instance_reaches_its_chain_and_its_sessions_bear_the_roles_name() {
    let agent = Inside::start_in(world(), &config(EC2));
    reaches_its_chain(&agent);
    assert_eq!(agent.aws.count("ImdsCredentials"), 1);
    let name = agent.aws.calls().into_iter().find(|call| call.action == "AssumeRole").unwrap().params;
    assert!(name["RoleSessionName"].starts_with("AssumingRole-"), "{name:?}");
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
    agent.aws.world(|world| world.task.as_mut().unwrap().authorization = Some("second-token".into()));
    agent.aws.rotate_place();
    let before = agent.get("app").unwrap().access_key_id;
    agent.clock.advance(HOUR * 4);
    agent.get("app").expect("the old one is still good");
    until("the refusal is noted", || agent.audit("source").iter().any(|line| line["result"] == "refused"));
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
    assert!(report.hint.unwrap().contains("rolecall agent run"));
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
        pass(&agent, MINUTE * 10);
        renew();
        agent.get("app-data").expect("served");
        agent.get("app").expect("served");
    }
    until("it was renewed", || agent.aws.count("AssumeRoleWithWebIdentity") >= 3);
}

#[test]
fn a_program_reaches_its_chain_and_is_asked_again_when_half_is_over() {
    let files = Files::new();
    let agent = Inside::start_in(world(), &process(&files.path("program")));
    let script = |aws: &Sandbox| {
        format!("echo run >> {}; {}", files.path("runs").display(), printed(&session_of_app(aws, 3600)))
    };
    files.put("program", &script(&agent.aws));
    let runs = || fs::read_to_string(files.path("runs")).unwrap_or_default().lines().count();
    reaches_its_chain(&agent);
    assert_eq!(runs(), 1, "one run for the chain");
    for _ in 0..6 {
        files.put("program", &script(&agent.aws));
        pass(&agent, MINUTE * 10);
        agent.get("app").expect("served");
    }
    until("it ran again, and not at each call", || (2..=3).contains(&runs()));
}

#[test]
fn a_day_on_an_instance_serves_nothing_stale_and_asks_the_service_a_few_times() {
    let agent = Inside::start_in(world(), &config(EC2));
    agent.get("app-data").unwrap();
    for _ in 0..24 * 6 {
        pass(&agent, MINUTE * 10);
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
fn a_session_of_the_instance_that_is_over_is_never_extended() {
    let agent = Inside::start_in(world(), &config(EC2));
    agent.get("app-data").unwrap();
    agent.aws.world(|world| world.instance.as_mut().unwrap().is_stale = true);
    agent.clock.advance(HOUR * 7);
    for name in ["app", "app-prod", "app-data"] {
        refused(&agent, name, Kind::Unreachable, "gave a session that was over at 2026-11-22T14:00:00Z");
    }
    agent.aws.world(|world| world.instance.as_mut().unwrap().is_stale = false);
    agent.get("app-data").expect("served again once the service is well");
}

#[test]
fn an_instance_service_that_is_ill_is_told_apart_and_nobody_else_is_stuck() {
    let agent = Inside::start_in(world(), &config(EC2));
    for (action, kind, what) in [
        ("ImdsToken", FaultKind::Garbage, "is something else: its answer is not a token"),
        ("ImdsRole", FaultKind::Garbage, "is something else: its answer is not the name of a role"),
        ("ImdsCredentials", FaultKind::Garbage, "is something else: its answer is not JSON"),
        ("ImdsToken", FaultKind::Drop, "closed the connection"),
        ("ImdsCredentials", FaultKind::HugeBody, "larger than any of its own"),
        ("ImdsToken", FaultKind::Hang, "did not answer within 2 seconds"),
        ("ImdsCredentials", FaultKind::SlowLoris(Duration::from_millis(50)), "did not answer within 2 seconds"),
    ] {
        agent.aws.clear_faults();
        agent.aws.fault(Fault::on(action, kind.clone()));
        std::thread::scope(|scope| {
            let ill = scope.spawn(|| refused(&agent, "app-data", Kind::Unreachable, what));
            agent.get("prod").expect("who has nothing to do with it is served");
            ill.join().unwrap();
        });
    }
    agent.aws.clear_faults();
    agent.get("app-data").expect("served once it is well");
}

#[test]
fn an_instance_that_says_no_is_told_with_what_to_do() {
    let agent = Inside::start_in(world(), &config(EC2));
    let instance = |change: &dyn Fn(&mut Instance)| {
        agent.aws.world(|world| change(world.instance.as_mut().unwrap()));
        agent.clock.advance(Duration::from_secs(4));
    };
    instance(&|instance| instance.is_enabled = false);
    let report = refused(&agent, "app", Kind::Refused, "refused a token (HTTP 403)");
    assert!(report.hint.unwrap().contains("--http-endpoint enabled"));
    instance(&|instance| (instance.is_enabled, instance.role_arn) = (true, None));
    refused(&agent, "app", Kind::Refused, "the instance has no instance profile");
    instance(&|instance| instance.role_arn = Some(ROLE_ARN.to_owned()));
    refused(&agent, "app", Kind::Refused, "has no credentials (AssumeRoleUnauthorizedAccess)");
    instance(&|instance| instance.role_arn = Some(ASSUMING.to_owned()));
    let unauthorized = |times| {
        agent.aws.fault(
            Fault::on("ImdsRole", FaultKind::Error { status: 401, code: "401".into(), message: String::new() })
                .times(times),
        );
    };
    unauthorized(2);
    refused(&agent, "app", Kind::Refused, "HTTP 401");
    unauthorized(1);
    agent.get("app").expect("a token that is over is replaced once");
}

#[test]
fn a_token_file_that_is_empty_huge_or_gone_is_told_and_a_new_one_is_taken_at_once() {
    let files = Files::new();
    let identity = format!(
        "type = \"web-identity\"\nweb_identity_token_file = \"{}\"\nrole_arn = \"{ASSUMING}\"",
        files.path("token").display()
    );
    let agent = Inside::start_in(world(), &config(&identity));
    refused(&agent, "app", Kind::Config, "is not there");
    files.put("token", "");
    refused(&agent, "app-data", Kind::Config, "is empty");
    files.put("token", &"x".repeat(1_000_000));
    refused(&agent, "app", Kind::Config, "has more than 20000 bytes");
    agent.clock.advance(Duration::from_secs(4));
    files.put("token", "not.a.token");
    refused(&agent, "app", Kind::Refused, "InvalidIdentityToken");
    let token = |issuer: &str, subject: &str, audience: &str, seconds| {
        files.put("token", &agent.aws.web_token(issuer, subject, audience, seconds));
        agent.clock.advance(Duration::from_secs(4));
    };
    token("other.example.com", "repo:team/app", "sts.amazonaws.com", 600);
    let report = refused(&agent, "app", Kind::Refused, "No OpenIDConnect provider");
    assert!(report.hint.unwrap().contains("create-open-id-connect-provider"));
    token(ISSUER, "repo:team/app", "somebody-else", 600);
    refused(&agent, "app", Kind::Refused, "Incorrect token audience");
    token(ISSUER, "repo:team/app", "sts.amazonaws.com", 2);
    refused(&agent, "app", Kind::Refused, "Token expired");
    token(ISSUER, "repo:other/app", "sts.amazonaws.com", 600);
    let report = refused(&agent, "app", Kind::Refused, "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    assert!(report.hint.unwrap().contains("trust policy"));
    token(ISSUER, "repo:team/app", "sts.amazonaws.com", 600);
    agent.get("app-data").expect("served");
    fs::remove_file(files.path("token")).unwrap();
    agent.clock.advance(MINUTE * 35);
    agent.get("app").expect("what is good is served while the file is gone");
}

#[test]
fn a_program_that_prints_garbage_or_never_ends_is_told_and_nobody_else_is_stuck() {
    let files = Files::new();
    let agent = Inside::start_in(world(), &process(&files.path("program")));
    files.program(&agent, "echo 'please log in'");
    refused(&agent, "app", Kind::Failed, "printed something else than the JSON of a credential_process");
    files.program(&agent, "echo 'the session is over, log in first' >&2; exit 7");
    refused(&agent, "app-data", Kind::Failed, "failed with exit code 7: the session is over, log in first");
    let session = session_of_app(&agent.aws, 3600);
    files.program(&agent, &printed(&session).replace(&session.session_token, ""));
    refused(&agent, "app", Kind::Failed, "without its session token");
    files.program(&agent, &format!("echo $$ > {}; sleep 600; true", files.path("pid").display()));
    std::thread::scope(|scope| {
        let hung =
            scope.spawn(|| refused(&agent, "app", Kind::Failed, "was not done within 15 seconds and was killed"));
        until("it runs", || files.path("pid").exists());
        agent.get("prod").expect("who has nothing to do with it is served");
        agent.get("prod").expect("and again");
        hung.join().unwrap();
    });
    let pid = fs::read_to_string(files.path("pid")).unwrap().trim().parse().unwrap();
    until("it is gone", || !crate::harness::process::lives(pid));
    files.program(&agent, &printed(&session_of_app(&agent.aws, 3600)));
    agent.get("app-data").expect("served once it is well");
}

#[test]
fn an_agent_without_the_variables_says_where_they_would_have_to_be() {
    let agent = Inside::start_in(world(), &config("type = \"environment\""));
    let report = refused(&agent, "app-data", Kind::Config, "the agent's own environment has no AWS_ACCESS_KEY_ID");
    assert!(report.hint.unwrap().contains("rolecall agent run"));
    agent.edit(&config("type = \"ecs\"")).unwrap();
    let report = refused(&agent, "app-data", Kind::Config, "says where the container endpoint is");
    assert!(report.hint.unwrap().contains("container_credentials_full_uri"));
}

fn key_of_richard(aws: &Sandbox) -> Ambient {
    let key = aws.access_key(USER_ARN);
    variables([("AWS_ACCESS_KEY_ID", key.id), ("AWS_SECRET_ACCESS_KEY", key.secret)])
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
        let request = rolecall::protocol::message::Request::Unlock { identity: Some("app".into()), code };
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

#[test]
fn a_lock_kills_the_program_that_is_under_way() {
    let files = Files::new();
    let agent = Inside::start_in(world(), &process(&files.path("program")));
    files.put("program", &format!("sleep 600 & echo $! > {}; wait", files.path("pid").display()));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get("app-data").expect_err("locked").kind);
        until("it runs", || fs::read_to_string(files.path("pid")).is_ok_and(|pid| pid.ends_with('\n')));
        agent.ask(rolecall::protocol::message::Request::Lock).unwrap();
        assert_eq!(waiting.join().unwrap(), Kind::Locked);
    });
    let pid = fs::read_to_string(files.path("pid")).unwrap().trim().parse().unwrap();
    until("what it started is gone", || !crate::harness::process::lives(pid));
}

#[test]
fn another_setting_of_the_source_is_asked_anew() {
    let files = Files::new();
    let agent = Inside::start_in(world(), &process(&files.path("one")));
    let (one, other) = (session_of_app(&agent.aws, 3600), session_of_app(&agent.aws, 3600));
    files.put("one", &printed(&one));
    files.put("other", &printed(&other));
    assert_eq!(agent.get("app").unwrap().access_key_id, one.access_key_id);
    agent.edit(&process(&files.path("other"))).unwrap();
    assert_eq!(agent.get("app").unwrap().access_key_id, other.access_key_id);
}

/// The real programs: `agent run` passes the variables on, an agent that a tool starts has none.
#[test]
fn the_environment_of_agent_run_is_a_source_and_that_of_a_caller_is_not() {
    let mut home = Home::bare(&config("type = \"environment\""));
    home.aws.world(|old| *old = world());
    let session = session_of_app(&home.aws, 3600);
    home.canaries.add(&session.secret_access_key);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", session.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", session.secret_access_key),
        ("AWS_SESSION_TOKEN", session.session_token),
    ] {
        home.set(name, value);
    }
    let alone = home.run(["get", "app-data"]);
    assert_eq!(alone.status.code(), Some(3), "{}", text(&alone.stderr));
    assert!(text(&alone.stderr).contains("no AWS_ACCESS_KEY_ID"), "{}", text(&alone.stderr));
    assert!(home.run(["agent", "stop"]).status.success());
    let agent = crate::harness::process::Running::agent_by(&mut home.rolecall(["agent", "run"]));
    let served = home.run(["get", "app-data"]);
    assert!(served.status.success(), "{}", text(&served.stderr));
    let own = home.run(["get", "app"]);
    assert!(text(&own.stdout).contains(&session.access_key_id));
    let listed = text(&home.run(["identity", "list"]).stdout);
    assert!(listed.contains(&session.access_key_id) && listed.contains("environment"), "{listed}");
    drop(agent);
}

#[test]
fn a_program_that_asks_rolecall_in_its_turn_is_refused_at_once() {
    let files = Files::new();
    let rolecall = env!("CARGO_BIN_EXE_rolecall");
    let program = files.put("program", &format!("{rolecall} get app-prod 2> {}", files.path("said").display()));
    let mut home = Home::bare(&process(&program));
    home.aws.world(|old| *old = world());
    home.set("ROLECALL_SOCKET", home.socket().display().to_string());
    let output = home.run(["get", "app-data"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("failed with exit code 3"), "{}", text(&output.stderr));
    let said = fs::read_to_string(files.path("said")).unwrap();
    assert!(said.contains("that is a circle"), "{said}");
    files.put("program", &printed(&session_of_app(&home.aws, 3600)));
    until("the failure is forgotten", || home.run(["get", "app-data"]).status.success());
    let refusals = home.audit().lines().filter(|line| line.contains("that is a circle")).count();
    assert_eq!(refusals, 1, "the audit log has it");
}

#[test]
fn an_identity_without_a_key_is_written_by_identity_add_and_shown_with_its_settings() {
    let home = Home::bare("");
    let add = |args: &[&str]| {
        let output = home.run([&["identity", "add"], args].concat());
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(add(&["instance", "--type", "ec2", "--region", "eu-west-1"]).0, Some(0));
    let (code, said) = add(&["ci", "--type", "web-identity"]);
    assert!(code == Some(2) && said.contains("role_arn: is missing"), "{code:?} {said}");
    let ci = ["ci", "--type", "web-identity", "--web-identity-token-file", "/run/token", "--role-arn", ASSUMING];
    assert_eq!(add(&ci).0, Some(0));
    assert_eq!(add(&["corp", "--type", "process", "--", "/usr/bin/corp-login", "--profile", "dev"]).0, Some(0));
    assert_eq!(add(&["corp", "--type", "process"]).0, Some(0), "what is there stays");
    let written = fs::read_to_string(home.config()).unwrap();
    assert!(written.contains("credential_process = [\"/usr/bin/corp-login\", \"--profile\", \"dev\"]"), "{written}");
    let shown = text(&home.run(["identity", "show", "ci"]).stdout);
    assert!(shown.contains("/run/token") && shown.contains(ASSUMING), "{shown}");
    let listed = text(&home.run(["identity", "list"]).stdout);
    assert!(listed.contains("web-identity") && listed.contains("process"), "{listed}");
}
