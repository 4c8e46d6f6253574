//! `setup apply` and `setup destroy` against an IAM that others wrote, and the AWS CLI reading what came of it.
//!
//! moto enforces neither trust nor propagation; that is the sandbox's. It forgets the tags of MFA devices, so that those are
//! not made here; and it counts a policy twice that is attached twice, so that nothing is applied again there.

use crate::moto::Moto;
use crate::peers::Client;
use crate::person::{Cloud, Person, assert_listing};
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::{AUTH_ADMIN_ARN, WORKLOAD_ADMIN_ARN};
use std::fs;
use std::process::Output;
use tempfile::TempDir;

const PROFILES: [&str; 4] = ["--auth-profile", "auth-admin", "--workload-profile", "prod-admin"];

/// With a document of the person's own: moto has no managed policies unless it is told to load them all.
const WISH: [&str; 10] = [
    "--user",
    "setup.user",
    "--role",
    "SetUp",
    "--name",
    "prod",
    "--policy-file",
    "read s3.json",
    "--region=eu-west-1",
    "--yes",
];

const READ_S3: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Sid": "ReadS3", "Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}]}"#;

/// Gives a person the profiles of two administrators, in files outside the home.
fn with_profiles(mut person: Person, admins: [&Cloud; 2]) -> (Person, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let [auth, workload] = admins;
    let profile = |name: &str, cloud: &Cloud| {
        format!("[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\n", cloud.key_id, cloud.secret)
    };
    let file = dir.path().join("credentials");
    fs::write(&file, profile("auth-admin", auth) + &profile("prod-admin", workload)).unwrap();
    for cloud in admins {
        person.home.canaries.add(&cloud.secret);
    }
    person.home.set("AWS_SHARED_CREDENTIALS_FILE", file.display().to_string());
    (person, dir)
}

fn setup(person: &Person, word: &str, flags: &[&str]) -> String {
    person.rolecall(&[&["setup", word], &PROFILES[..], flags].concat())
}

/// Asks IAM with the AWS CLI, as an administrator.
fn iam(person: &Person, profile: &str, words: &[&str]) -> Output {
    let mut command = Client::CliV2.cli(&person.home);
    command
        .args(["--endpoint-url", &person.cloud.url, "--region", "eu-west-1", "--profile", profile, "iam"])
        .args(words);
    person.runs(&mut command)
}

fn lived_through(person: &Person, twice: bool) {
    fs::write(person.home.path("read s3.json"), READ_S3).unwrap();
    let said = setup(person, "apply", &WISH);
    assert!(said.contains("1 command typed, 14 calls to IAM and STS"), "{said}");
    assert_listing(Client::CliV2, &person.lists(Client::CliV2));
    let role = iam(person, "prod-admin", &["get-role", "--role-name", "SetUp", "--output", "json"]);
    let read = String::from_utf8_lossy(&role.stdout).into_owned();
    assert!(role.status.success() && read.contains("rolecall:setup") && read.contains("sts:AssumeRole"), "{read}");
    let tags = iam(person, "auth-admin", &["list-user-tags", "--user-name", "setup.user", "--output", "json"]);
    assert!(String::from_utf8_lossy(&tags.stdout).contains("\"prod\""), "{tags:?}");
    if twice {
        let again = setup(person, "apply", &WISH);
        assert!(again.contains("there"), "{again}");
    }

    person.nothing_leaked();
    setup(person, "destroy", &["--name", "prod", "--yes"]);
    for (profile, words) in [
        ("prod-admin", ["get-role", "--role-name", "SetUp"]),
        ("auth-admin", ["get-user", "--user-name", "setup.user"]),
        ("auth-admin", ["get-policy", "--policy-arn", "arn:aws:iam::111111111111:policy/rolecall-prod"]),
    ] {
        let gone = iam(person, profile, &words);
        assert!(String::from_utf8_lossy(&gone.stderr).contains("NoSuchEntity"), "{words:?}: {gone:?}");
    }
}

#[test]
fn motos_iam_takes_a_setup_and_its_end() {
    let moto = Moto::start();
    let person = Person::new(Some(moto.auth_admin.clone()));
    let (person, _files) = with_profiles(person, [&moto.auth_admin, &moto.workload_admin]);
    lived_through(&person, false);
}

#[test]
fn the_cli_lists_the_bucket_after_one_command_and_finds_nothing_after_the_other() {
    let person = Person::new(None);
    person.home.aws.world(|world| *world = World::before_tutorials());
    let admin = |arn| {
        let key = person.home.aws.access_key(arn);
        Cloud { url: person.home.aws.url(), key_id: key.id, secret: key.secret }
    };
    let admins = [admin(AUTH_ADMIN_ARN), admin(WORKLOAD_ADMIN_ARN)];
    let (person, _files) = with_profiles(person, [&admins[0], &admins[1]]);
    lived_through(&person, true);
}
