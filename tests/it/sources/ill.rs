//! Sources that are ill, absent or over: each is told apart, and nobody else is stuck.

use super::*;

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
    assert_eq!(agent.aws.count("ImdsRole"), 0, "without a token nothing is asked: there is no version 1");
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
fn an_agent_without_the_variables_says_where_they_would_have_to_be() {
    let agent = Inside::start_in(world(), &config("type = \"environment\""));
    let report = refused(&agent, "app-data", Kind::Config, "the agent's own environment has no AWS_ACCESS_KEY_ID");
    assert!(report.hint.unwrap().contains("rolecall agent run"));
    agent.edit(&config("type = \"ecs\"")).unwrap();
    let report = refused(&agent, "app-data", Kind::Config, "says where the container endpoint is");
    assert!(report.hint.unwrap().contains("container_credentials_full_uri"));
}
