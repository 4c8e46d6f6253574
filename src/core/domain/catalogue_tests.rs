use super::*;
use crate::domain::config_rules::problems;
use crate::domain::plan::{Plan, Step};
use crate::domain::source::{Ec2, METADATA_ENDPOINT};
use std::collections::BTreeSet;

fn identity(name: &str, mfa: bool) -> Identity {
    Identity {
        name: Name::new(name).expect("valid"),
        source: None,
        mfa_serial: mfa.then(|| device("richard")),
        mfa_session: HOUR * 12,
        mfa_process: None,
        region: Some("eu-west-1".into()),
        rotate_after: None,
    }
}

fn device(name: &str) -> MfaSerial {
    MfaSerial::new(&format!("arn:aws:iam::111111111111:mfa/{name}")).expect("valid")
}

fn role(name: &str, source: &str) -> Role {
    Role {
        name: Name::new(name).expect("valid"),
        source: Name::new(source).expect("valid"),
        role_arn: RoleArn::new(&format!("arn:aws:iam::222222222222:role/{name}")).expect("valid"),
        settings: RoleSettings::default(),
    }
}

fn with(mut role: Role, change: impl FnOnce(&mut RoleSettings)) -> Role {
    change(&mut role.settings);
    role
}

fn catalogue(identities: Vec<Identity>, roles: Vec<Role>) -> Config {
    Config {
        identities: identities.into_iter().map(|i| (i.name.clone(), i)).collect(),
        roles: roles.into_iter().map(|r| (r.name.clone(), r)).collect(),
        ..Config::default()
    }
}

fn said(catalogue: &Config) -> Vec<String> {
    problems(catalogue, &BTreeSet::new()).into_iter().map(|p| format!("{}: {}", p.path.join("."), p.message)).collect()
}

#[test]
fn an_unknown_source_is_said_once_with_the_nearest_name() {
    let found = said(&catalogue(vec![identity("auth", false)], vec![role("prod", "auht"), role("data", "prod")]));
    assert_eq!(
        found,
        ["roles.prod.source: there is no identity or role called `auht`; did you mean `auth`?"],
        "the role behind it is not to blame"
    );
}

#[test]
fn a_loop_is_shown_as_it_runs() {
    let found = said(&catalogue(vec![], vec![role("a", "b"), role("b", "a")]));
    assert_eq!(
        found,
        ["roles.a.source: the chain is a loop: a -> b -> a", "roles.b.source: the chain is a loop: b -> a -> b"]
    );
}

#[test]
fn a_role_that_leads_into_a_loop_does_not_hang_the_check() {
    let found = said(&catalogue(vec![], vec![role("a", "b"), role("b", "c"), role("c", "b")]));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn aws_limits_are_checked_along_the_chain() {
    let long = |name: &str, source: &str| with(role(name, source), |s| s.duration = Some(HOUR * 2));
    let plain = catalogue(vec![identity("auth", false)], vec![long("prod", "auth"), long("data", "prod")]);
    assert_eq!(said(&plain), ["roles.data.duration: AWS limits a role assumed by another role to 1h"]);

    let mfa = catalogue(vec![identity("auth", true)], vec![long("prod", "auth")]);
    assert_eq!(
        said(&mfa),
        ["roles.prod.duration: AWS limits a role assumed with an MFA session to 1h; `mfa = \"direct\"` allows 12h"]
    );
    let direct = with(long("prod", "auth"), |s| s.mfa = Some(MfaMode::Direct));
    assert!(said(&catalogue(vec![identity("auth", true)], vec![direct])).is_empty());
}

#[test]
fn a_role_may_have_a_device_of_its_own_where_a_code_can_be_presented() {
    let own = |name: &str, source: &str| with(role(name, source), |s| s.mfa_serial = Some(device("other")));
    let all = catalogue(vec![identity("auth", true)], vec![own("prod", "auth"), role("dev", "auth")]);
    assert!(said(&all).is_empty());
    let serial = |name: &str| Plan::of(&all, name).expect("planned").mfa_serial().cloned();
    assert_eq!((serial("prod"), serial("dev")), (Some(device("other")), Some(device("richard"))));
    let chained = catalogue(vec![identity("auth", true)], vec![role("prod", "auth"), own("data", "prod")]);
    assert!(said(&chained)[0].starts_with("roles.data.mfa_serial: MFA belongs to the first role"));
    let source = Source::Ec2(Ec2 { endpoint: METADATA_ENDPOINT.into() });
    let instance = Identity { source: Some(source), ..identity("instance", false) };
    let on_ec2 = catalogue(vec![instance], vec![own("prod", "instance")]);
    assert!(said(&on_ec2)[0].contains("from the keys of an IAM user only"));
}

#[test]
fn a_program_that_cannot_be_named_gets_the_narrowest_answer_there_is() {
    let by = |program: &str, access| BTreeMap::from([(program.to_owned(), access)]);
    let asked = |role: &Role, program| role.access(program, &BTreeMap::new());
    let role = with(role("prod", "auth"), |s| s.access_by_program = by("/usr/bin/python3", Access::Deny));
    assert_eq!(asked(&role, Some("/usr/bin/python3")), Access::Deny);
    assert_eq!(asked(&role, Some("/usr/bin/aws")), Access::Allow);
    assert_eq!(asked(&role, None), Access::Deny);
    let role = with(role, |s| {
        s.access = Some(Access::Ask);
        s.access_by_program = by("/usr/bin/aws", Access::Allow);
    });
    assert_eq!((asked(&role, Some("/usr/bin/aws")), asked(&role, None)), (Access::Allow, Access::Ask));
}

#[test]
fn a_rule_is_about_the_file_that_its_path_leads_to_and_of_several_the_narrowest_counts() {
    let rules = [("/usr/bin/python3", Access::Deny), ("/usr/bin/python3.11", Access::Allow)];
    let rules = rules.map(|(program, access)| (program.to_owned(), access));
    let role = with(role("prod", "auth"), |s| {
        s.access = Some(Access::Ask);
        s.access_by_program = rules.into();
    });
    let leads_to = BTreeMap::from([("/usr/bin/python3".to_owned(), "/usr/bin/python3.11".to_owned())]);
    assert_eq!(role.access(Some("/usr/bin/python3.11"), &leads_to), Access::Deny);
    assert_eq!(role.access(Some("/usr/bin/python3.11"), &BTreeMap::new()), Access::Allow);
    assert_eq!(role.access(Some("/usr/bin/python3.12"), &leads_to), Access::Ask);
}

#[test]
fn a_role_in_another_partition_is_noticed_before_sts_is_asked() {
    let mut odd = role("prod", "auth");
    odd.role_arn = RoleArn::new("arn:aws-cn:iam::222222222222:role/x").expect("valid");
    assert_eq!(said(&catalogue(vec![identity("auth", false)], vec![odd])).len(), 1);
}

#[test]
fn roles_of_one_identity_share_the_start_of_their_chains() {
    let all =
        catalogue(vec![identity("auth", true)], vec![role("prod", "auth"), role("data", "prod"), role("logs", "prod")]);
    let [data, logs] = ["data", "logs"].map(|name| Plan::of(&all, name).expect("planned"));
    assert_eq!(data.keys.len(), 3, "MFA session, prod, data");
    assert_eq!(data.keys[..2], logs.keys[..2]);
    assert_ne!(data.key(), logs.key());
    assert!(matches!(data.keys[0].step(), Step::SessionToken(call) if call.mfa_serial.is_some()));
}

#[test]
fn every_parameter_that_matters_changes_the_key_and_no_other_does() {
    let base = role("prod", "auth");
    let key = |role: &Role| {
        let all = catalogue(vec![identity("auth", false)], vec![role.clone()]);
        Plan::of(&all, "prod").expect("planned").key().clone()
    };
    let same = [
        with(base.clone(), |s| s.display_name = Some("x".into())),
        with(base.clone(), |s| s.color = Some("red".into())),
        with(base.clone(), |s| s.duration = Some(HOUR)),
        with(base.clone(), |s| s.access = Some(Access::Ask)),
    ];
    for role in &same {
        assert_eq!(key(&base), key(role), "{role:?}");
    }
    let other = [
        Role { role_arn: RoleArn::new("arn:aws:iam::222222222222:role/b").expect("valid"), ..base.clone() },
        with(base.clone(), |s| s.external_id = Some("7f3a".into())),
        with(base.clone(), |s| s.duration = Some(HOUR / 2)),
        with(base.clone(), |s| s.role_session_name = Some("me".into())),
        with(base.clone(), |s| s.source_identity = Some("me".into())),
        with(base.clone(), |s| s.session_tags = BTreeMap::from([("a".into(), "b".into())])),
        with(base.clone(), |s| s.transitive_tag_keys = vec!["a".into()]),
        with(base.clone(), |s| s.policy = Some("{}".into())),
        with(base.clone(), |s| s.policy_arns = vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()]),
        with(base.clone(), |s| s.region = Some("us-east-1".into())),
        with(base.clone(), |s| s.mfa_serial = Some(device("other"))),
    ];
    for role in &other {
        assert_ne!(key(&base), key(role), "{role:?}");
    }
}
