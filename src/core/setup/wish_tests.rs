use super::*;
use crate::setup::call::{Call, Side};
use crate::setup::plan::TAG;
use std::fmt::Write;

fn account(text: &str) -> AccountId {
    AccountId::new(text).expect("valid")
}

fn setup(typed: SetupFlags) -> Result<Setup, UserError> {
    SetupRequest::new(typed)?.for_accounts(Partition::Aws, account("111111111111"), account("222222222222"), None)
}

#[expect(clippy::unnecessary_wraps, reason = "what was typed is there or not")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn actions(typed: SetupFlags) -> Vec<(Side, &'static str)> {
    setup(typed).expect("valid").steps().iter().map(|step| (step.side, step.call.action())).collect()
}

const READS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;

#[test]
fn a_person_is_made_in_the_order_that_works_and_the_key_comes_last() {
    let typed = SetupFlags {
        device: Some(Device::Shown),
        attach: vec!["IAMUserChangePassword".to_owned()],
        policy_arns: vec!["AmazonS3ReadOnlyAccess".to_owned()],
        policy_files: vec![("/x/s3 read.json".to_owned(), READS.to_owned())],
        ..SetupFlags::default()
    };
    let (auth, workload) = (Side::Auth, Side::Workload);
    assert_eq!(
        actions(typed),
        [
            (auth, "CreatePolicy"),
            (auth, "CreateUser"),
            (auth, "AttachUserPolicy"),
            (auth, "AttachUserPolicy"),
            (workload, "CreateRole"),
            (workload, "AttachRolePolicy"),
            (workload, "PutRolePolicy"),
            (auth, "CreateVirtualMFADevice"),
            (auth, "EnableMFADevice"),
            (auth, "CreateAccessKey"),
        ]
    );
}

#[test]
fn an_existing_user_is_only_given_the_policy_and_unless_it_has_one_a_key() {
    let existing = SetupFlags { existing_user: true, ..SetupFlags::default() };
    let (auth, workload) = (Side::Auth, Side::Workload);
    let without = [(auth, "CreatePolicy"), (auth, "AttachUserPolicy"), (workload, "CreateRole")];
    assert_eq!(actions(existing.clone()), [&without[..], &[(auth, "CreateAccessKey")]].concat());
    assert_eq!(actions(SetupFlags { no_access_key: true, ..existing }), without);
}

#[test]
fn an_application_has_an_instance_profile_on_instances_alone() {
    for (service, profile) in [(Service::Ec2, true), (Service::Ecs, false), (Service::Lambda, false)] {
        let made = actions(SetupFlags { application: Some(service), ..SetupFlags::default() });
        let names: Vec<&str> = made.iter().map(|(_, action)| *action).collect();
        let expected: &[&str] = if profile {
            &[
                "CreatePolicy",
                "CreateRole",
                "AttachRolePolicy",
                "CreateInstanceProfile",
                "AddRoleToInstanceProfile",
                "CreateRole",
            ]
        } else {
            &["CreatePolicy", "CreateRole", "AttachRolePolicy", "CreateRole"]
        };
        assert_eq!(names, expected, "{service:?}");
    }
}

#[test]
fn everything_that_can_have_tags_has_the_setup_s_name() {
    for application in [None, Some(Service::Ec2)] {
        let device = application.is_none().then_some(Device::Kept);
        let tags = vec![("team".to_owned(), "web".to_owned())];
        let typed = SetupFlags { application, device, tags, name: Name::new("a/b:c").ok(), ..SetupFlags::default() };
        let mut tagged = 0;
        for step in setup(typed).expect("valid").steps() {
            let (Call::CreatePolicy { tags, .. }
            | Call::CreateUser { tags, .. }
            | Call::CreateRole { tags, .. }
            | Call::CreateInstanceProfile { tags, .. }
            | Call::CreateVirtualMFADevice { tags, .. }) = step.call
            else {
                continue;
            };
            assert_eq!((tags[TAG].as_str(), tags["team"].as_str()), ("a/b:c", "web"));
            tagged += 1;
        }
        assert_eq!(tagged, 4);
    }
}

#[test]
fn destroy_undoes_every_step_newest_first() {
    for application in [None, Some(Service::Ec2)] {
        let typed = SetupFlags { application, policy_arns: vec!["X".to_owned()], ..SetupFlags::default() };
        let setup = setup(typed).expect("valid");
        let undone: Vec<&str> = setup.removal().iter().map(|step| step.call.action()).collect();
        let opposite = |action: &str| match action {
            "AddRoleToInstanceProfile" => "RemoveRoleFromInstanceProfile".to_owned(),
            action => action.replace("Create", "Delete").replace("Attach", "Detach"),
        };
        let expected: Vec<String> = setup.steps().iter().rev().map(|step| opposite(step.call.action())).collect();
        assert_eq!(undone, expected);
    }
}

#[test]
fn names_are_the_tutorials_where_nothing_is_said() {
    let person = setup(SetupFlags::default()).expect("valid");
    assert_eq!((person.name.as_str(), person.who.identity().as_str()), ("AssumedRole", "rolecall"));
    assert_eq!(person.policy_arn(), "arn:aws:iam::111111111111:policy/rolecall-AssumedRole");
    let application = setup(SetupFlags { application: Some(Service::Ecs), ..SetupFlags::default() }).expect("valid");
    assert_eq!(application.caller_arn(), "arn:aws:iam::111111111111:role/AssumingRole");
    let named = SetupFlags { name: Name::new("team/prod:eu").ok(), path: text("/p/"), ..SetupFlags::default() };
    assert_eq!(setup(named).expect("valid").policy_arn(), "arn:aws:iam::111111111111:policy/p/rolecall-team-prod-eu");
}

#[test]
fn what_iam_would_refuse_is_refused_with_its_flag() {
    let none = SetupFlags::default;
    let tag = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let many = |n: usize| (0..n).map(|i| format!("P{i}")).collect::<Vec<_>>();
    let big =
        format!(r#"{{"Statement":{{"Sid":"{}","Effect":"Allow","Action":"*","Resource":"*"}}}}"#, "x".repeat(10_240));
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    for (typed, word) in [
        (SetupFlags { user: text("a b"), ..none() }, "--user"),
        (SetupFlags { user: text("$(reboot)"), ..none() }, "--user"),
        (SetupFlags { user: text(&"x".repeat(65)), ..none() }, "--user"),
        (SetupFlags { user: text("-x"), ..none() }, "--identity"),
        (SetupFlags { user: text("AssumedRole"), ..none() }, "--identity"),
        (SetupFlags { role: text("a/b"), ..none() }, "--role"),
        (SetupFlags { role: text("a,b"), ..none() }, "--name"),
        (SetupFlags { role_path: text("/*/"), ..none() }, "--role-path"),
        (SetupFlags { path: text("x"), ..none() }, "--path"),
        (SetupFlags { region: text("Europe"), ..none() }, "--region"),
        (SetupFlags { region: text("cn-north-1"), ..none() }, "--region"),
        (SetupFlags { external_id: text("a b"), ..none() }, "--external-id"),
        (SetupFlags { external_id: text("x"), ..none() }, "--external-id"),
        (SetupFlags { max_session: Some(Duration::from_mins(59)), ..none() }, "--max-session-duration"),
        (SetupFlags { max_session: Some(Duration::from_hours(13)), ..none() }, "--max-session-duration"),
        (SetupFlags { tags: tag("aws:x", "y"), ..none() }, "--tag"),
        (SetupFlags { tags: [tag("a", "1"), tag("A", "2")].concat(), ..none() }, "--tag"),
        (SetupFlags { policy_arns: vec!["a b".to_owned()], ..none() }, "--policy-arn"),
        (SetupFlags { policy_arns: vec!["X".to_owned(); 2], ..none() }, "--policy-arn"),
        (SetupFlags { policy_arns: many(21), ..none() }, "--policy-arn"),
        (SetupFlags { policy_arns: vec!["arn:aws:iam::111111111111:policy/x".to_owned()], ..none() }, "--policy-arn"),
        (SetupFlags { attach: vec!["arn:aws:iam::222222222222:policy/x".to_owned()], ..none() }, "--attach-policy"),
        (SetupFlags { attach: many(20), ..none() }, "--attach-policy"),
        (SetupFlags { mfa_serial: text("short"), ..none() }, "--mfa-serial"),
        (SetupFlags { application: Some(Service::Ec2), assuming_role: text("a b"), ..none() }, "--assuming-role"),
        (SetupFlags { policy_files: vec![file("a/p.json", "{}")], ..none() }, "a/p.json: line 1"),
        (SetupFlags { policy_files: vec![file("p.json", &big)], ..none() }, "10240"),
        (SetupFlags { policy_files: vec![file("a/p.json", READS), file("b/p.json", READS)], ..none() }, "called p"),
    ] {
        let report = setup(typed).expect_err(word);
        let said = format!("{} / {}", report.message, report.hint.as_deref().unwrap_or_default());
        assert!(said.contains(word) && report.kind == Kind::Usage, "{word}: {said}");
        assert!(!said.contains('\n') && report.hint.is_some(), "{said}");
    }
}

#[test]
fn two_roles_of_one_account_need_two_names() {
    let one = account("111111111111");
    let typed = SetupFlags {
        application: Some(Service::Ec2),
        assuming_role: text("X"),
        role: text("X"),
        ..SetupFlags::default()
    };
    let typed = SetupFlags { name: Name::new("prod").ok(), ..typed };
    let wish = SetupRequest::new(typed).expect("valid");
    assert!(wish.for_accounts(Partition::Aws, one.clone(), one.clone(), None).is_err());
    assert!(wish.for_accounts(Partition::Aws, one, account("222222222222"), None).is_ok());
}

#[test]
fn a_longest_external_id_in_longest_paths_is_refused_before_iam_does() {
    let typed = SetupFlags {
        external_id: text(&"x".repeat(1224)),
        trust: Some(Trust::User),
        user_path: text(&format!("/{}/", "p".repeat(510))),
        require_mfa: true,
        ..SetupFlags::default()
    };
    let size = setup(typed).map(|setup| documents::trust(&setup).len());
    // 1224 and 512 and the rest are under 2048: the check is for what grows later.
    assert!(size.is_ok_and(|size| size <= TRUST_MAX));
}

/// Every refusal of a plan. `ROLECALL_BLESS=1 cargo test -p rolecall-core wording_of_every_refused_plan` writes the file.
#[test]
fn wording_of_every_refused_plan_is_as_in_the_file() {
    type Change = fn(&mut SetupFlags);
    let many = |count: usize| (0..count).map(|at| format!("Policy{at}")).collect::<Vec<_>>();
    let cases: [(&str, Change); 33] = [
        ("a region", |f| f.region = text("mars")),
        ("a region of another partition", |f| f.region = text("cn-north-1")),
        ("a role without letters", |f| f.role = text("")),
        ("a role with a blank", |f| f.role = text("a b")),
        ("a long role", |f| f.role = Some("x".repeat(65))),
        ("a role that is no name", |f| f.role = text("a,b")),
        ("a user", |f| f.user = text("../root")),
        ("a user that is no name", |f| f.user = text("a,b")),
        ("an assuming role", |f| (f.application, f.assuming_role) = (Some(Service::Ec2), text("a b"))),
        ("a device", |f| f.mfa_serial = text("123")),
        ("a path without slashes", |f| f.path = text("team")),
        ("a long path", |f| f.path = Some(format!("/{}/", "x".repeat(511)))),
        ("a path with stars", |f| f.role_path = text("/*/")),
        ("a user path", |f| f.user_path = text("/a//b/")),
        ("a tag of AWS", |f| f.tags = vec![("aws:x".into(), "y".into())]),
        ("a tag of rolecall", |f| f.tags = vec![(TAG.into(), "y".into())]),
        ("a tag without key", |f| f.tags = vec![(String::new(), "y".into())]),
        ("a tag with a long value", |f| f.tags = vec![("x".into(), "y".repeat(257))]),
        ("a tag with odd letters", |f| f.tags = vec![("x".into(), "\u{7}".into())]),
        ("a tag that is given twice", |f| f.tags = vec![("x".into(), "1".into()), ("X".into(), "2".into())]),
        ("many tags", |f| f.tags = (0..50).map(|at| (format!("k{at}"), String::new())).collect()),
        ("an ExternalId", |f| f.external_id = text("a b")),
        ("a short session", |f| f.max_session = Some(std::time::Duration::from_mins(59))),
        ("a long session", |f| f.max_session = Some(std::time::Duration::from_hours(13))),
        ("the trust of an application", |f| (f.application, f.trust) = (Some(Service::Ec2), Some(Trust::User))),
        ("the trust of a person", |f| f.trust = Some(Trust::Role)),
        ("one name for both", |f| (f.name, f.identity) = (Name::new("x").ok(), Name::new("x").ok())),
        ("a policy that is given twice", |f| f.attach = vec!["ReadOnlyAccess".into(), "ReadOnlyAccess".into()]),
        ("a policy that is none", |f| f.attach = vec!["arn:aws:s3:::x".into()]),
        ("a policy of another partition", |f| f.policy_arns = vec!["arn:aws-cn:iam::aws:policy/x".into()]),
        ("a policy of another account", |f| f.policy_arns = vec!["arn:aws:iam::111111111111:policy/x".into()]),
        ("a file without a policy", |f| f.policy_files = vec![("x.json".into(), "{".into())]),
        ("two files of one name", |f| {
            f.policy_files = vec![("a/x.json".into(), READS.into()), ("b/x.json".into(), READS.into())];
        }),
    ];
    let mut page = String::new();
    let mut add = |title: &str, typed: SetupFlags| {
        let UserError { kind, message, hint, .. } = setup(typed).expect_err(title);
        let hint = hint.as_deref().unwrap_or("-");
        let _ = writeln!(page, "{title}:\n  {kind:?}: {message}\n  hint: {hint}\n");
    };
    for (title, change) in cases {
        let mut typed = SetupFlags::default();
        change(&mut typed);
        add(title, typed);
    }
    add("many policies of the user", SetupFlags { attach: many(30), ..SetupFlags::default() });
    add("many policies of the role", SetupFlags { policy_arns: many(30), ..SetupFlags::default() });
    let large = READS.replace("s3:*", &format!("s3:{}", "x".repeat(6000)));
    let policy_files = vec![("x.json".into(), large.clone()), ("y.json".into(), large)];
    add("large policies", SetupFlags { policy_files, ..SetupFlags::default() });
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("setup/wording.txt");
    #[expect(clippy::disallowed_methods, reason = "a test's switch, and a file of the source tree")]
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&file, &page).expect("written");
    }
    assert_eq!(page, std::fs::read_to_string(&file).unwrap_or_default());
}
