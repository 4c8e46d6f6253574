//! `setup apply` and `setup destroy` from nothing to a listed bucket and back, by the real programs: what is made and
//! removed, how many calls it takes, and that what is broken off anywhere is finished by the same command.
//!
//! Out of reach here: profiles of SSO and `aws login`, whose servers are AWS's alone; the three minutes of patience, which
//! are looked at where the pauses are counted.

mod applications;
mod broken_off;
mod devices;
mod ill;
mod proxied;
mod refused;
mod stage;
mod whose;

use crate::harness::home::text;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, BUCKET, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use serde_json::Value;
use stage::{PERSON, Stage};

#[test]
fn a_person_gets_from_two_admin_profiles_to_a_listed_bucket_and_back() {
    let stage = Stage::new();
    let before = stage.inventory();
    let planned = stage.planned_calls(&PERSON[..8]);
    let output = stage.apply(&[]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    assert_eq!(stage.home.aws.calls().len(), 14, "{:?}", stage.actions());
    assert_eq!(planned, 14, "as the plan says");
    assert!(said.contains("1 command typed, 14 calls to IAM and STS"), "{said}");
    assert!(
        said.contains(
            "prod: arn:aws:iam::111111111111:user/richard becomes arn:aws:iam::222222222222:role/AssumedRole"
        ),
        "{said}"
    );
    stage.learn();
    stage.lists_the_bucket("prod");

    let config = std::fs::read_to_string(stage.home.config()).unwrap();
    assert!(config.contains("[identities.richard]") && config.contains("[roles.prod]"), "{config}");
    let profiles = std::fs::read_to_string(stage.home.path(".aws/config")).unwrap();
    assert!(profiles.contains("[profile prod]") && profiles.contains("get prod"), "{profiles}");
    let user = stage.home.aws.world(|world| world.user(USER_ARN).clone());
    assert_eq!(user.access_keys.len(), 1);
    assert_eq!(user.tags["rolecall:setup"], "prod");

    let output = stage.destroy(&["--json"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let done: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(done["removed"].as_array().map(Vec::len), Some(6), "{done}");
    assert_eq!(done["stays"], serde_json::json!([]), "{done}");
    assert_eq!(stage.inventory(), before, "both accounts are as they were");
    stage.is_clean();
}

#[test]
fn applying_again_makes_nothing_and_repairs_what_was_changed() {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    let made = stage.inventory();
    let output = stage.apply(&["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let done: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&done["resumed"], &done["proven"], &done["setup"]), (&true.into(), &true.into(), &"prod".into()));
    assert_eq!(stage.inventory(), made, "nothing is made twice");
    let count = |action: &str| stage.home.aws.count(action);
    assert_eq!(
        (count("CreateUser"), count("CreateAccessKey"), count("CreateRole"), count("CreatePolicy")),
        (1, 1, 1, 1)
    );

    stage.home.aws.world(|world| {
        let role = world.role(ROLE_ARN);
        role.permissions.attached.clear();
        role.trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*",
            "Action": "sts:AssumeRole"}]})
        .into();
    });
    assert!(stage.home.run(["lock"]).status.success());
    stage.home.open_vault();
    let output = stage.apply(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("the trust policy of role AssumedRole"), "{}", text(&output.stdout));
    assert_eq!(stage.inventory()[1][ROLE_ARN]["permissions"], made[1][ROLE_ARN]["permissions"]);
    stage.lists_the_bucket("prod");
}

/// A session of before would say nothing of what AWS says now.
#[test]
fn what_does_not_work_any_more_is_not_called_proven() {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    stage.lists_the_bucket("prod");
    let asked = stage.home.aws.count("AssumeRole");
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    assert_eq!(stage.home.aws.count("AssumeRole"), asked + 1, "the session of before is no proof");
}

#[test]
fn a_longer_session_is_given_to_the_role_that_is_there() {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    let output = stage.apply(&["--max-session-duration", "2h"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    assert_eq!(stage.home.aws.world(|world| world.role(ROLE_ARN).max_session_seconds), 7200);
    assert!(text(&output.stdout).contains("MaxSessionDuration"), "{}", text(&output.stdout));
    stage.lists_the_bucket("prod");
}

#[test]
fn names_paths_tags_an_external_id_and_a_policy_of_ones_own_are_as_they_were_asked_for() {
    let stage = Stage::new();
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListAllMyBuckets"], "Resource": "*"}]}"#;
    std::fs::write(stage.home.path("s3.json"), policy).unwrap();
    let flags = [
        "--user",
        "rolecall.ci",
        "--role",
        "Reader",
        "--name",
        "team/prod",
        "--identity",
        "auth",
        "--path",
        "/rolecall/",
        "--tag",
        "cost-center=4711",
        "--external-id",
        "auto",
        "--trust",
        "user",
        "--policy-file",
        "s3.json",
        "--max-session-duration",
        "2h",
        "--region",
        "eu-west-1",
        "--yes",
    ];
    let before = stage.inventory();
    let output = stage.setup("apply", &flags);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    let role = stage.home.aws.world(|world| world.account(WORKLOAD_ACCOUNT).roles["Reader"].clone());
    assert_eq!((role.path.as_str(), role.max_session_seconds), ("/rolecall/", 7200));
    assert_eq!((role.tags["cost-center"].as_str(), role.tags["rolecall:setup"].as_str()), ("4711", "team/prod"));
    assert!(role.trust.text().contains("user/rolecall/rolecall.ci"), "{}", role.trust.text());
    let config = std::fs::read_to_string(stage.home.config()).unwrap();
    let (_, id) = config.split_once("external_id = \"").expect("there is one");
    let id = &id[..32];
    assert!(role.trust.text().contains(id), "{config}");
    stage.lists_the_bucket("team/prod");
    // The one that was generated stays when it is run again.
    assert!(stage.setup("apply", &flags).status.success());
    assert!(std::fs::read_to_string(stage.home.config()).unwrap().contains(id));
    let output = stage.setup("destroy", &["--name", "team/prod", "--yes"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(stage.inventory(), before);
    stage.is_clean();
}

#[test]
fn what_somebody_else_has_put_there_stays_and_is_told_of() {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    stage.home.aws.world(|world| {
        world.role(ROLE_ARN).permissions.attached.insert("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned());
    });
    let output = stage.destroy(&[]);
    let (said, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ReadOnlyAccess is attached"), "{said}");
    assert!(stderr.contains("role AssumedRole") && stderr.contains("ReadOnlyAccess"), "{stderr}");
    let left = stage.inventory();
    assert!(left[1].contains_key(ROLE_ARN) && !left[0].contains_key(USER_ARN), "the rest is gone: {left:?}");
    stage.home.aws.world(|world| world.role(ROLE_ARN).permissions.attached.clear());
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(!stage.inventory()[1].contains_key(ROLE_ARN));
    stage.is_clean();
}

#[test]
fn what_has_lost_its_tag_or_got_anothers_is_left_alone() {
    for tags in [vec![], vec![("rolecall:setup", "other")]] {
        let stage = Stage::new();
        assert!(stage.apply(&[]).status.success());
        stage.learn();
        stage.home.aws.world(|world| {
            let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            world.role(ROLE_ARN).tags = tags.collect();
        });
        let role = stage.inventory()[1][ROLE_ARN].clone();
        let output = stage.destroy(&[]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        assert!(text(&output.stderr).contains("rolecall:setup was changed or removed"), "{}", text(&output.stderr));
        assert_eq!(stage.inventory()[1][ROLE_ARN], role, "its policies are as they were");
    }
}

#[test]
fn a_setup_whose_state_was_lost_is_found_by_its_tags() {
    let stage = Stage::new();
    let before = stage.inventory();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    std::fs::remove_file(stage.state_file("prod")).unwrap();
    let output = stage.setup("destroy", &stage::PERSON);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(stage.inventory(), before);
    stage.is_clean();

    let output = stage.setup("destroy", &stage::PERSON);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no setup prod"), "{}", text(&output.stderr));
}

#[test]
fn a_user_who_was_there_is_used_and_stays_with_all_that_was_there() {
    let stage = Stage::new();
    stage.home.aws.world(|world| {
        let user = rolecall_sandbox::User::new("richard").with_managed_policy("arn:aws:iam::aws:policy/ReadOnlyAccess");
        let account = world.account(AUTH_ACCOUNT);
        let user = rolecall_sandbox::User { account: AUTH_ACCOUNT.to_owned(), ..user };
        account.users.insert("richard".to_owned(), user);
    });
    let before = stage.inventory();
    let more = ["--existing-user", "--attach-policy", "ReadOnlyAccess", "--attach-policy", "AmazonS3ReadOnlyAccess"];
    let planned = stage.planned_calls(&[&PERSON[..8], &more].concat());
    let output = stage.apply(&more);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    assert_eq!(planned, stage.home.aws.calls().len(), "{:?}", stage.actions());
    stage.lists_the_bucket("prod");
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("it was so before the setup"), "{}", text(&output.stdout));
    assert_eq!(stage.inventory(), before, "the user keeps what was the user's own");
}

#[test]
fn a_key_that_was_rotated_since_goes_too() {
    let stage = Stage::new();
    let before = stage.inventory();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    stage.home.aws.world(|world| {
        let own = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iam:*AccessKey*", "Resource": "*"}]});
        world.user(USER_ARN).permissions.inline.insert("OwnKeys".to_owned(), own.into());
    });
    let output = stage.home.run(["identity", "rotate", "richard", "--yes"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    stage.learn();
    stage.home.aws.world(|world| world.user(USER_ARN).permissions.inline.clear());
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(stage.inventory(), before);
    stage.is_clean();
}

#[test]
fn nothing_happens_without_a_terminal_and_without_a_yes() {
    let stage = Stage::new();
    for (word, flags) in [("apply", &stage::PERSON[..stage::PERSON.len() - 1]), ("destroy", &["--name", "prod"][..])] {
        let output = stage.setup(word, flags);
        assert_eq!(output.status.code(), Some(2), "{word}");
        assert!(text(&output.stderr).contains("add `--yes`"), "{}", text(&output.stderr));
    }
    assert_eq!(stage.home.aws.calls().len(), 0, "nobody was asked anything: {BUCKET}");
}
