use super::*;
use crate::domain::catalogue::RoleSettings;
use crate::domain::source::{Environment, Process};

#[test]
fn an_unknown_name_is_answered_with_what_was_meant() {
    let mut catalogue = Config::default();
    for name in ["prod", "staging"] {
        let name = Name::new(name).expect("valid");
        catalogue.identities.insert(
            name.clone(),
            Identity {
                name,
                source: None,
                mfa_serial: None,
                mfa_session: HOUR,
                mfa_process: None,
                region: None,
                rotate_after: None,
            },
        );
    }
    let report = Plan::of(&catalogue, "prdo").expect_err("unknown");
    assert_eq!(report.kind, Kind::Config);
    assert!(report.hint.expect("a hint").contains("`prod`"));
}

#[test]
fn an_identity_is_served_by_a_session_never_by_its_long_term_key() {
    let name = Name::new("auth").expect("valid");
    let mut catalogue = Config::default();
    catalogue.identities.insert(
        name.clone(),
        Identity {
            name,
            source: None,
            mfa_serial: None,
            mfa_session: HOUR * 12,
            mfa_process: None,
            region: None,
            rotate_after: None,
        },
    );
    let plan = Plan::of(&catalogue, "auth").expect("planned");
    let [key] = plan.keys.as_slice() else { panic!("one call") };
    assert_eq!(
        key.step(),
        &Step::SessionToken(SessionTokenCall { region: "us-east-1".into(), duration: HOUR * 12, mfa_serial: None })
    );
}

/// A catalogue with one identity from a source, and a role of it.
fn sourced(source: Source, mfa: Option<&str>, mode: Option<MfaMode>) -> Config {
    let name = |text: &str| Name::new(text).expect("valid");
    let mut catalogue = Config::default();
    let identity = Identity {
        name: name("app"),
        source: Some(source),
        mfa_serial: mfa.map(|serial| MfaSerial::new(serial).expect("valid")),
        mfa_session: HOUR * 12,
        mfa_process: None,
        region: None,
        rotate_after: None,
    };
    let role = Role {
        name: name("prod"),
        source: name("app"),
        role_arn: RoleArn::new("arn:aws-cn:iam::222222222222:role/A").expect("valid"),
        settings: RoleSettings { mfa: mode, ..RoleSettings::default() },
    };
    catalogue.identities.insert(name("app"), identity);
    catalogue.roles.insert(name("prod"), role);
    catalogue
}

#[test]
fn what_a_source_gives_is_a_step_of_its_own_that_all_roles_share() {
    let catalogue = sourced(Source::Environment(Environment), None, None);
    let role = Plan::of(&catalogue, "prod").expect("planned");
    assert!(matches!(role.keys[0].step(), Step::Source(_)) && matches!(role.keys[1].step(), Step::AssumeRole(_)));
    let own = Plan::of(&catalogue, "app").expect("planned");
    assert!(own.key() == &role.keys[0], "the identity's own name gives what its roles start from");
}

#[test]
fn a_code_goes_with_the_long_term_key_of_a_source() {
    let serial = Some("arn:aws:iam::111111111111:mfa/richard");
    let plan = |mode| {
        let catalogue = sourced(Source::Environment(Environment), serial, mode);
        let plan = Plan::of(&catalogue, "prod").expect("planned");
        plan.keys.iter().map(|key| (key.step().clone(), key.step().mfa_serial().is_some())).collect::<Vec<_>>()
    };
    assert!(matches!(plan(None)[..], [(Step::SessionToken(_), true), (Step::AssumeRole(_), false)]));
    assert!(matches!(plan(Some(MfaMode::Direct))[..], [(Step::AssumeRole(_), true)]));
    assert!(matches!(plan(Some(MfaMode::None))[..], [(Step::Source(_), false), (Step::AssumeRole(_), false)]));
}

#[test]
fn another_setting_of_the_source_is_another_session() {
    let key = |program: &str, mfa| {
        let source = Source::Process(Process { argv: vec![program.into()] });
        let catalogue = sourced(source, mfa, None);
        Plan::of(&catalogue, "prod").expect("planned").keys
    };
    let serial = Some("arn:aws:iam::111111111111:mfa/richard");
    for mfa in [None, serial] {
        assert!(key("/a", mfa) == key("/a", mfa));
        let (one, other) = (key("/a", mfa), key("/b", mfa));
        assert!(one.iter().zip(&other).all(|(one, other)| one != other));
    }
}

#[test]
fn a_code_is_given_by_the_name_of_what_its_device_opens() {
    let (own, other) = ("arn:aws:iam::111111111111:mfa/richard", "arn:aws:iam::111111111111:mfa/other");
    let unlock = |of_role: Option<&str>, mode, asked: &str| {
        let mut catalogue = sourced(Source::Environment(Environment), Some(own), mode);
        let mut first = catalogue.roles.values().next().expect("a role").clone();
        first.settings.mfa_serial = of_role.map(|serial| MfaSerial::new(serial).expect("valid"));
        let name = |text: &str| Name::new(text).expect("valid");
        let settings = RoleSettings { mfa: None, mfa_serial: None, ..first.settings.clone() };
        let behind = Role { name: name("behind"), source: name("prod"), settings, ..first.clone() };
        catalogue.roles.insert(behind.name.clone(), behind);
        catalogue.roles.insert(first.name.clone(), first);
        let plan = Plan::of(&catalogue, asked).expect("planned");
        let by_name = Plan::of(&catalogue, plan.unlock_name().as_str()).expect("planned");
        assert!(by_name.keys[0] == plan.keys[0], "the code goes with the same call");
        plan.unlock_name().to_string()
    };
    for asked in ["prod", "behind"] {
        assert_eq!(unlock(None, None, asked), "app", "the identity's session opens all its roles");
        assert_eq!(unlock(Some(own), None, asked), "app", "the same device, said twice");
        assert_eq!(unlock(Some(other), None, asked), "prod", "a device of its own");
        assert_eq!(unlock(None, Some(MfaMode::Direct), asked), "prod", "a code of its own");
    }
    assert_eq!(unlock(Some(other), None, "app"), "app");
}

/// The plan of the last of `length` chained roles: `prod`, `r1`, `r2` …
fn chained(length: usize) -> Result<Plan, UserError> {
    let mut catalogue = sourced(Source::Environment(Environment), None, None);
    let first = catalogue.roles["prod"].clone();
    let mut last = first.name.clone();
    for at in 1..length {
        let name = Name::new(&format!("r{at}")).expect("valid");
        catalogue.roles.insert(name.clone(), Role { name: name.clone(), source: last, ..first.clone() });
        last = name;
    }
    Plan::of(&catalogue, last.as_str())
}

#[test]
fn chains_over_the_limit_of_roles_have_no_plan() {
    assert_eq!(chained(MAX_CHAIN).expect("planned").keys.len(), MAX_CHAIN + 1);
    let error = chained(MAX_CHAIN + 1).expect_err("too long");
    assert!(error.message.contains("has a source that leads nowhere"), "{}", error.message);
}

#[test]
fn steps_name_the_section_that_sets_their_region() {
    let plan = chained(2).expect("planned");
    let sections: Vec<_> = (0..plan.keys.len()).map(|at| plan.section_of(at)).collect();
    assert_eq!(sections, ["[identities.app]", "the section of arn:aws-cn:iam::222222222222:role/A", "[roles.r1]"]);
    assert_eq!(format!("{:?}", plan.key()), "SessionKey(app, 3 steps)");
}

#[test]
fn identities_without_a_region_use_that_of_their_device_or_roles() {
    let plan = |mfa, region: Option<&str>| {
        let mut catalogue = sourced(Source::Environment(Environment), mfa, None);
        let stranger = Name::new("a-stranger").expect("valid");
        let role = Role {
            name: stranger.clone(),
            source: stranger.clone(),
            role_arn: RoleArn::new("arn:aws-us-gov:iam::333333333333:role/B").expect("valid"),
            ..catalogue.roles["prod"].clone()
        };
        catalogue.roles.insert(stranger, role);
        catalogue.identities.get_mut("app").expect("an identity").region = region.map(str::to_owned);
        Plan::of(&catalogue, "prod").expect("planned")
    };
    let serial = Some("arn:aws-us-gov:iam::111111111111:mfa/richard");
    for (mfa, region, want) in
        [(None, None, "cn-north-1"), (serial, None, "us-gov-west-1"), (serial, Some("eu-west-1"), "eu-west-1")]
    {
        assert_eq!(plan(mfa, region).keys[0].step().region(), want);
    }
    let plan = plan(serial, Some("eu-west-1"));
    assert_eq!(plan.mfa_serial().map(MfaSerial::as_str), serial);
    assert_eq!(plan.regions_besides(0), ["us-gov-west-1", "cn-north-1", "us-east-1"]);
}
