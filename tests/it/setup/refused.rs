//! Setups that cannot be: names taken, quotas reached, rights missing, profiles that give nothing, hostile names.

use super::stage::{PERSON, Stage};
use crate::harness::home::text;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{AccessKey, Role, User};
use serde_json::json;
use std::fs;

fn add_role(stage: &Stage, name: &str, tags: &[(&str, &str)]) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:root")}}]});
    let mut role = Role::new(name, trust);
    role.tags.extend(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    stage.home.aws.world(|world| {
        let role = Role { account: WORKLOAD_ACCOUNT.to_owned(), ..role };
        world.account(WORKLOAD_ACCOUNT).roles.insert(name.to_owned(), role);
    });
}

#[test]
fn a_name_that_is_taken_is_told_before_anything_is_made() {
    let stage = Stage::new();
    add_role(&stage, "AssumedRole", &[("rolecall:setup", "other")]);
    stage.home.aws.world(|world| {
        let user = User { account: AUTH_ACCOUNT.to_owned(), ..User::new("richard") };
        world.account(AUTH_ACCOUNT).users.insert("richard".to_owned(), user);
    });
    let before = stage.inventory();
    let output = stage.apply(&[]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stdout));
    assert!(stderr.contains(ROLE_ARN) && stderr.contains(USER_ARN), "both are named: {stderr}");
    assert!(stderr.contains("made by setup other") && stderr.contains("`--existing-user`"), "{stderr}");
    assert_eq!(stage.inventory(), before);
    assert!(!stage.state_file("prod").exists(), "nothing was begun");
}

#[test]
fn a_name_in_config_toml_that_is_another_role_is_told_before_anything_is_made() {
    let stage = Stage::new();
    let config = fs::read_to_string(stage.home.config()).unwrap();
    let other = "\n[identities.auth]\ntype = \"iam-user\"\n[roles.prod]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::333333333333:role/X\"\n";
    fs::write(stage.home.config(), format!("{config}{other}")).unwrap();
    let before = stage.inventory();
    let output = stage.apply(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("config.toml has a role prod already"), "{}", text(&output.stderr));
    assert_eq!(stage.inventory(), before);
}

#[test]
fn the_quota_of_keys_names_the_keys_there_are_before_anything_is_made() {
    let stage = Stage::new();
    let keys = [AccessKey::generate(), AccessKey::generate()];
    stage.home.aws.world(|world| {
        let mut user = User { account: AUTH_ACCOUNT.to_owned(), ..User::new("richard") };
        user.access_keys.extend(keys.clone());
        world.account(AUTH_ACCOUNT).users.insert("richard".to_owned(), user);
    });
    stage.learn();
    let before = stage.inventory();
    let output = stage.apply(&["--existing-user"]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stdout));
    assert!(keys.iter().all(|key| stderr.contains(&key.id)), "{stderr}");
    assert!(stderr.contains("delete-access-key"), "{stderr}");
    assert_eq!(stage.inventory(), before);
}

#[test]
fn rights_that_end_half_way_leave_a_state_and_the_same_command_finishes() {
    let stage = Stage::new();
    let before = stage.inventory();
    let deny = |action: &str| {
        let deny =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]});
        stage.home.aws.world(|world| {
            let admins = [
                format!("arn:aws:iam::{AUTH_ACCOUNT}:user/admin"),
                format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:user/admin"),
            ];
            for arn in admins {
                world.user(&arn).permissions.inline.insert("Deny".to_owned(), deny.clone().into());
            }
        });
    };
    let allow = || {
        stage.home.aws.world(|world| {
            world.account(AUTH_ACCOUNT).users.get_mut("admin").unwrap().permissions.inline.clear();
            world.account(WORKLOAD_ACCOUNT).users.get_mut("admin").unwrap().permissions.inline.clear();
        });
    };
    for action in ["CreateUser", "CreateRole", "AttachRolePolicy", "CreateAccessKey"] {
        deny(&format!("iam:{action}"));
        let output = stage.apply(&[]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{action}: {}", text(&output.stdout));
        assert!(
            stderr.contains(&format!("must allow iam:{action}")) && stderr.contains("goes on"),
            "{action}: {stderr}"
        );
        allow();
        let output = stage.apply(&[]);
        assert!(output.status.success(), "{action}: {}{}", text(&output.stdout), text(&output.stderr));
        stage.learn();
        stage.lists_the_bucket("prod");
        deny("iam:DeleteUser");
        let output = stage.destroy(&[]);
        assert_eq!(output.status.code(), Some(5), "{action}: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains("must allow iam:DeleteUser"), "{}", text(&output.stderr));
        allow();
        assert!(stage.destroy(&[]).status.success());
        assert_eq!(stage.inventory(), before, "{action}");
        stage.is_clean();
    }
}

#[test]
fn a_profile_that_gives_nothing_says_why_and_nothing_is_made() {
    let stage = Stage::new();
    let file = stage.home.path(".aws/config");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let profiles = "[profile mfa]\nrole_arn = arn:aws:iam::111111111111:role/Admin\nsource_profile = auth-admin\n\
        mfa_serial = arn:aws:iam::111111111111:mfa/x\n[profile behind]\nrole_arn = arn:aws:iam::222222222222:role/Admin\n\
        source_profile = mfa\n[profile broken]\ncredential_process = /bin/false\n[profile empty]\nregion = eu-west-1\n";
    fs::write(&file, profiles).unwrap();
    for (profile, why) in [
        ("nobody", "have no profile nobody"),
        ("mfa", "wants an MFA code"),
        ("behind", "by way of profile mfa"),
        ("broken", "profile broken gives no credentials"),
        ("empty", "profile empty gives no credentials"),
    ] {
        let mut command =
            stage.home.rolecall(["setup", "apply", "--workload-profile", "prod-admin", "--auth-profile", profile]);
        let output = command.args(PERSON).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{profile}: {}{stderr}", text(&output.stdout));
        assert!(stderr.contains(why) && stderr.contains("hint: "), "{profile}: {stderr}");
    }
    assert!(!stage.state_file("prod").exists());
}

/// A chain of roles, and a program: what the SDK resolves by itself.
#[test]
fn profiles_of_a_role_and_of_a_program_do() {
    let mut stage = Stage::new();
    let url = stage.home.aws.url();
    let auth = stage.home.aws.world(|world| world.account(AUTH_ACCOUNT).users["admin"].access_keys[0].clone());
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{WORKLOAD_ACCOUNT}:user/admin")}}]});
    let role = Role::new("Deployer", trust).with_managed_policy("arn:aws:iam::aws:policy/AdministratorAccess");
    stage.home.aws.world(|world| {
        let role = Role { account: WORKLOAD_ACCOUNT.to_owned(), ..role };
        world.account(WORKLOAD_ACCOUNT).roles.insert("Deployer".to_owned(), role);
    });
    let before = stage.inventory();
    let program = stage.aws_files.path().join("keys");
    let printed = json!({"Version": 1, "AccessKeyId": auth.id, "SecretAccessKey": auth.secret}).to_string();
    fs::write(&program, format!("#!/bin/sh\necho '{printed}'\n")).unwrap();
    crate::harness::home::set_mode(&program, 0o700);
    let config = format!(
        "[profile program]\ncredential_process = {}\n[profile chain]\nrole_arn = arn:aws:iam::{WORKLOAD_ACCOUNT}:role/Deployer\n\
         source_profile = prod-admin\nregion = eu-west-1\n",
        program.display()
    );
    fs::create_dir_all(stage.home.path(".aws")).unwrap();
    fs::write(stage.home.path(".aws/config"), config).unwrap();
    stage.home.set("AWS_ENDPOINT_URL_STS", url);
    let profiles = ["setup", "apply", "--auth-profile", "program", "--workload-profile", "chain"];
    let output = stage.home.rolecall(profiles).args(PERSON).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    stage.learn();
    stage.lists_the_bucket("prod");
    assert!(stage.destroy(&[]).status.success());
    assert_eq!(stage.inventory(), before);
}

#[test]
fn other_accounts_than_it_was_begun_with_are_refused() {
    let stage = Stage::new();
    assert!(stage.apply(&[]).status.success());
    stage.learn();
    let profiles = [
        "setup",
        "destroy",
        "--auth-profile",
        "prod-admin",
        "--workload-profile",
        "auth-admin",
        "--name=prod",
        "--yes",
    ];
    let output = stage.home.run(profiles);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("was begun with"), "{}", text(&output.stderr));
}

#[test]
fn two_at_once_are_one_after_the_other() {
    let stage = Stage::new();
    let hold = stage.home.aws.hold_matching(rolecall_sandbox::Match::action("CreateUser"));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| stage.apply(&[]));
        hold.wait_for_arrivals(1);
        let second = stage.apply(&[]);
        assert_eq!(second.status.code(), Some(1));
        assert!(text(&second.stderr).contains("right now"), "{}", text(&second.stderr));
        hold.release();
        assert!(first.join().unwrap().status.success());
    });
    stage.learn();
}

#[test]
fn hostile_names_reach_neither_aws_nor_the_screen() {
    let stage = Stage::new();
    for (flag, value) in [
        ("--user", "x\u{1b}[2Jy"),
        ("--user", "../../root"),
        ("--role", "a b"),
        ("--name", "../../../etc/passwd"),
        ("--name", "x\ny"),
        ("--path", "no-slash"),
        ("--external-id", "a b\u{7}"),
        ("--policy-arn", "arn:aws:s3:::x"),
        ("--tag", "rolecall:setup=other"),
        ("--tag", "aws:x=y"),
    ] {
        let output = stage.setup("apply", &[flag, value, "--yes"]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flag} {value:?}: {stderr}");
        assert!(!stderr.contains('\u{1b}') && !stderr.contains('\u{7}'), "{stderr:?}");
    }
    let output = stage.setup("apply", &["--auth-profile", "x\u{1b}[2J", "--yes"]);
    assert!(!output.status.success() && !text(&output.stderr).contains('\u{1b}'));
    assert_eq!(stage.home.aws.count("CreatePolicy"), 0);
}
