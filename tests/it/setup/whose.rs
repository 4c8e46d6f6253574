//! Whose the things are: what bears a setup's tag and was made by somebody else, what has lost it, keys and devices of others.

use super::stage::{PERSON, Stage};
use crate::harness::home::{set_mode, text};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{AccessKey, MfaDevice, Role, User};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;

const POLICY: &str = "arn:aws:iam::111111111111:policy/rolecall-prod";
const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// Makes a setup whose state is lost afterwards; nobody has touched it.
fn lost() -> Stage {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    fs::remove_file(stage.state_file("prod")).unwrap();
    stage
}

#[track_caller]
fn refused(stage: &Stage, output: &Output, words: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}{stderr}", text(&output.stdout));
    for word in words {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
    assert!(!stage.state_file("prod").exists(), "nothing was begun");
}

fn trust() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:root")}}]})
}

/// Whoever may make things in the account can write the tag.
#[test]
fn what_bears_the_tag_and_no_state_names_is_not_taken_over_unasked() {
    let stage = Stage::new();
    stage.home.aws.world(|world| {
        let key = AccessKey::generate();
        let user = User::new("richard").with_key(key).with_tag("rolecall:setup", "prod");
        let user = User { account: AUTH_ACCOUNT.to_owned(), ..user };
        world.account(AUTH_ACCOUNT).users.insert("richard".to_owned(), user);
        let role = Role::new("AssumedRole", trust()).with_tag("rolecall:setup", "prod");
        let evil = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
        let role = Role { account: WORKLOAD_ACCOUNT.to_owned(), ..role.with_policy("Evil", evil) };
        world.account(WORKLOAD_ACCOUNT).roles.insert("AssumedRole".to_owned(), role);
    });
    stage.learn();
    let before = stage.inventory();
    let planned = stage.setup("plan", &PERSON[..8]);
    assert!(text(&planned.stdout).contains("`--adopt` takes it over"), "{}", text(&planned.stdout));
    refused(&stage, &stage.apply(&[]), &[USER_ARN, ROLE_ARN, "no state here does", "`--adopt`"]);
    let output = stage.apply(&["--adopt"]);
    refused(&stage, &output, &["inline policy Evil", "which the vault has not", "nothing was made"]);
    assert_eq!(stage.inventory(), before);
    let planned = stage.setup("plan", &[&PERSON[..8], &["--adopt"]].concat());
    assert!(text(&planned.stdout).contains("inline policy Evil"), "{}", text(&planned.stdout));
}

#[test]
fn a_setup_whose_state_was_lost_is_taken_over_when_that_is_said() {
    let stage = lost();
    let made = stage.inventory();
    refused(&stage, &stage.apply(&[]), &["`--adopt`"]);
    let output = stage.apply(&["--adopt"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(stage.inventory(), made, "nothing is made twice");
    // From here on there is a state again.
    assert!(stage.apply(&[]).status.success());
    stage.lists_the_bucket("prod");
}

/// The section was there before, with another user's key in the vault.
#[test]
fn a_section_with_another_users_key_stays_when_a_setup_without_a_state_goes() {
    let stage = lost();
    let key = stage.home.aws.world(|world| {
        let key = AccessKey::generate();
        let user = User { account: AUTH_ACCOUNT.to_owned(), ..User::new("other").with_key(key.clone()) };
        world.account(AUTH_ACCOUNT).users.insert("other".to_owned(), user);
        key
    });
    stage.learn();
    let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
    assert!(stage.home.run_with_input(["identity", "add", "richard", "--replace"], &input).status.success());
    let output = stage.setup("destroy", &PERSON);
    let config = fs::read_to_string(stage.home.config()).unwrap();
    assert!(config.contains("[identities.richard]"), "{}{config}", text(&output.stdout));
    let keys = stage.home.run(["identity", "list", "--json"]);
    assert!(text(&keys.stdout).contains(&key.id), "{}", text(&keys.stdout));
}

#[test]
fn each_thing_that_somebody_has_put_on_what_is_taken_over_is_an_error_before_anything_is_made() {
    type Change = fn(&Stage);
    let changes: [(&str, Change); 5] = [
        ("AdministratorAccess is attached", |stage| {
            stage.home.aws.world(|world| world.role(ROLE_ARN).permissions.attached.insert(ADMIN.to_owned()));
        }),
        ("inline policy Own", |stage| {
            stage
                .home
                .aws
                .world(|world| world.user(USER_ARN).permissions.inline.insert("Own".to_owned(), trust().into()));
        }),
        ("which the vault has not", |stage| {
            stage.home.aws.world(|world| world.user(USER_ARN).access_keys.push(AccessKey::generate()));
        }),
        ("MFA device arn:aws:iam::111111111111:mfa/theirs", |stage| {
            let device = MfaDevice::generate(AUTH_ACCOUNT, "theirs");
            stage.home.aws.world(|world| world.user(USER_ARN).mfa_devices.push(device));
        }),
        ("policy rolecall-prod: its document", |stage| {
            let all =
                json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
            stage.home.aws.world(|world| {
                let policy = world.managed_policies.get_mut(POLICY).unwrap();
                policy.versions.last_mut().unwrap().document = all.into();
            });
        }),
    ];
    let stage = lost();
    let whole = stage.home.aws.world(|world| world.clone());
    for (words, change) in changes {
        change(&stage);
        stage.learn();
        let before = stage.inventory();
        refused(&stage, &stage.apply(&["--adopt"]), &[words]);
        assert_eq!(stage.inventory(), before, "{words}");
        stage.home.aws.world(|world| *world = whole.clone());
    }
}

/// With a state too: what is attached would be another policy than the one that was shown.
#[test]
fn a_policy_of_ours_that_says_something_else_by_now_is_given_to_nobody() {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    stage.home.aws.world(|world| {
        world.user(USER_ARN).permissions.attached.clear();
        world.managed_policies.get_mut(POLICY).unwrap().versions.last_mut().unwrap().document = trust().into();
    });
    let before = stage.inventory();
    let output = stage.apply(&[]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("its document is not the one"), "{}", text(&output.stderr));
    assert_eq!(stage.inventory(), before);
}

#[test]
fn a_role_that_was_made_anew_by_somebody_else_keeps_its_policies_and_a_user_without_the_tag_its_key() {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    stage.home.aws.world(|world| {
        let role =
            Role::new("AssumedRole", trust()).with_managed_policy("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess");
        let role = Role { account: WORKLOAD_ACCOUNT.to_owned(), ..role };
        world.account(WORKLOAD_ACCOUNT).roles.insert("AssumedRole".to_owned(), role);
        world.user(USER_ARN).tags.clear();
    });
    let before = stage.inventory();
    let output = stage.destroy(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert_eq!(stage.inventory(), before, "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("user richard is not this setup's any more"), "{}", text(&output.stdout));
}

#[test]
fn a_device_that_somebody_else_made_under_the_same_name_stays() {
    let stage = Stage::new();
    stage.home.aws.world(|world| world.enabling_codes_stay_valid = true);
    assert!(stage.apply(&["--mfa-device", "--keep-totp"]).status.success());
    stage.learn();
    let theirs = MfaDevice::generate(AUTH_ACCOUNT, "richard");
    stage.home.aws.world(|world| world.user(USER_ARN).mfa_devices = vec![theirs.clone()]);
    stage.learn();
    let output = stage.destroy(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("MFA device"), "{}", text(&output.stderr));
    assert_eq!(stage.home.aws.world(|world| world.user(USER_ARN).mfa_devices.clone()), [theirs]);
    assert_eq!(stage.home.aws.count("DeactivateMFADevice"), 0);
}

#[test]
fn a_key_that_was_put_into_the_vault_by_hand_stays_at_aws() {
    let stage = Stage::new();
    stage.home.aws.world(|world| {
        let user = User { account: AUTH_ACCOUNT.to_owned(), ..User::new("richard") };
        world.account(AUTH_ACCOUNT).users.insert("richard".to_owned(), user);
    });
    assert!(stage.apply(&["--existing-user"]).status.success());
    stage.learn();
    let own = AccessKey::generate();
    stage.home.aws.world(|world| world.user(USER_ARN).access_keys.push(own.clone()));
    stage.learn();
    let input = json!({"AccessKeyId": own.id, "SecretAccessKey": own.secret}).to_string();
    let output = stage.home.run_with_input(["identity", "add", "richard", "--replace"], &input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Another run must not take it for the setup's either.
    assert!(stage.apply(&["--existing-user"]).status.success());
    let output = stage.destroy(&[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let left = stage.home.aws.world(|world| world.user(USER_ARN).access_keys.clone());
    assert_eq!(left.iter().map(|key| &key.id).collect::<Vec<_>>(), [&own.id]);
}

#[test]
fn a_state_that_names_a_user_whom_the_setup_neither_made_nor_used_is_refused() {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    let mut written: Value = serde_json::from_slice(&fs::read(stage.state_file("prod")).unwrap()).unwrap();
    let added = json!({"step": {"side": "auth", "why": "x", "call": {"action": "AttachUserPolicy", "user": "admin",
        "arn": ADMIN}}, "stands": "done"});
    written["made"].as_array_mut().unwrap().push(added);
    fs::write(stage.state_file("prod"), written.to_string()).unwrap();
    let before = stage.inventory();
    let output = stage.destroy(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("made or used user admin"), "{}", text(&output.stderr));
    assert_eq!(stage.inventory(), before);
}

/// Whoever may write the configuration decides where AWS is.
#[test]
fn a_configuration_that_others_may_write_has_nobody_asked() {
    let stage = Stage::new();
    set_mode(&stage.home.config(), 0o666);
    for (word, flags) in [("plan", &PERSON[..]), ("apply", &PERSON[..]), ("destroy", &["--name", "prod", "--yes"][..])]
    {
        let output = stage.setup(word, flags);
        assert_eq!(output.status.code(), Some(3), "{word}: {}{}", text(&output.stdout), text(&output.stderr));
        assert!(text(&output.stderr).contains("config.toml"), "{word}: {}", text(&output.stderr));
    }
    assert_eq!(stage.home.aws.calls().len(), 0, "{:?}", stage.actions());
}

#[test]
fn an_address_that_is_neither_https_nor_this_machine_is_refused_before_anybody_is_asked() {
    let mut stage = Stage::new();
    fs::create_dir_all(stage.home.path(".aws")).unwrap();
    let chain = "[profile auth-admin]\nrole_arn = arn:aws:iam::111111111111:role/Admin\nsource_profile = prod-admin\n";
    fs::write(
        stage.home.path(".aws/config"),
        format!("{chain}[profile prod-admin]\nendpoint_url = http://192.0.2.1\n"),
    )
    .unwrap();
    let output = stage.apply(&[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("endpoint_url of profile prod-admin"), "{}", text(&output.stderr));
    fs::remove_file(stage.home.path(".aws/config")).unwrap();
    for name in ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"] {
        stage.home.set(name, "http://192.0.2.1");
        let output = stage.apply(&[]);
        assert_eq!(output.status.code(), Some(3), "{name}: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains(name), "{}", text(&output.stderr));
        stage.home.set(name, "");
    }
    assert_eq!(stage.home.aws.calls().len(), 0, "{:?}", stage.actions());
}
