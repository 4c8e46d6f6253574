//! `profiles sync` on a file that a person has kept for years, read by the CLI and botocore afterwards.

use crate::harness::home::{Home, text};
use crate::harness::programs::ROLECALL;
use crate::peers::{Client, python};
use rolecall_sandbox::tutorials::ROLE_ARN;
use serde_json::Value;
use std::fs;
use std::process::Command;

const GROWN: &str = r"# my profiles -- do not sort!
[default]
region = eu-central-1
output=json

; the old way, kept until everybody has moved
[profile legacy]
role_arn = arn:aws:iam::333333333333:role/Legacy
source_profile = default
s3 =
    max_concurrent_requests = 20
    addressing_style = path

[profile with-process]
credential_process = /opt/bin/other --flag 'a b'
region=us-west-2   # not a comment to every tool

[sso-session corp]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
sso_registration_scopes = sso:account:access
";

/// A home with two roles, a grown config file and without a key: none is asked for.
fn home(config: &[u8]) -> Home {
    let home = Home::bare("");
    fs::create_dir(home.path(".aws")).unwrap();
    fs::write(aws_config(&home), config).unwrap();
    fs::write(
        home.config(),
        format!(
            "[identities.auth]\ntype = \"iam-user\"\nregion = \"eu-west-1\"\n\
             [roles.prod]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\n\
             [roles.\"team/data\"]\nsource = \"prod\"\nregion = \"eu-north-1\"\n\
             role_arn = \"arn:aws:iam::333333333333:role/DataReader\"\n"
        ),
    )
    .unwrap();
    home
}

fn aws_config(home: &Home) -> std::path::PathBuf {
    home.path(".aws/config")
}

fn sync(home: &Home) -> String {
    let output = home.run(["profiles", "sync"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What `aws configure get` finds; nothing where it finds nothing.
fn get(home: &Home, client: Client, key: &str, profile: &str) -> String {
    let output = client.cli(home).args(["configure", "get", key, "--profile", profile]).output().unwrap();
    text(&output.stdout).trim_end().to_owned()
}

/// Every profile and its settings, as botocore reads them.
fn as_botocore_reads(home: &Home) -> Value {
    let program = "import botocore.session as s, json; print(json.dumps(s.get_session().full_config))";
    serde_json::from_str(&stdout(home.command(python()).args(["-c", program]))).unwrap()
}

#[test]
fn the_clients_read_what_was_written_and_the_rest_as_before() {
    for (ends, config) in [("LF", GROWN.to_owned()), ("CRLF", GROWN.replace('\n', "\r\n"))] {
        let home = home(config.as_bytes());
        let before = as_botocore_reads(&home);
        sync(&home);
        let written = fs::read(aws_config(&home)).unwrap();
        assert!(written.starts_with(config.as_bytes()), "{ends}: what was there stands as it stood");
        let lone = written.iter().zip(written.iter().skip(1)).filter(|(a, b)| **b == b'\n' && **a != b'\r').count();
        assert!(ends == "LF" || lone == 0, "{ends}: {lone} lines end otherwise:\n{}", text(&written));

        let mut after = as_botocore_reads(&home);
        let profiles = after["profiles"].as_object_mut().unwrap();
        let face = ROLECALL;
        for (name, region) in [("prod", "eu-west-1"), ("team/data", "eu-north-1")] {
            let ours = profiles.remove(name).unwrap_or_else(|| panic!("{ends}: {name} is missing"));
            assert_eq!(ours["credential_process"], format!("{face} get {name}"), "{ends}");
            assert_eq!(ours["region"], region, "{ends}");
        }
        assert_eq!(after, before, "{ends}: the other profiles");

        // The CLI v1 knows no such command.
        let listed = stdout(Client::CliV2.cli(&home).args(["configure", "list-profiles"]));
        let names: Vec<&str> = listed.split_whitespace().collect();
        for name in ["default", "legacy", "with-process", "prod", "team/data"] {
            assert!(names.contains(&name), "{ends}: {name} is missing: {names:?}");
        }
        for client in [Client::CliV2, Client::CliV1] {
            assert_eq!(get(&home, client, "credential_process", "prod"), format!("{face} get prod"), "{ends}");
            assert_eq!(get(&home, client, "region", "team/data"), "eu-north-1", "{ends}");
            assert_eq!(get(&home, client, "s3.max_concurrent_requests", "legacy"), "20", "{ends}");
            assert_eq!(get(&home, client, "region", "default"), "eu-central-1", "{ends}");
        }
    }
}

#[test]
fn a_second_sync_changes_nothing_and_without_roles_the_file_is_what_it_was() {
    for config in [GROWN.to_owned(), GROWN.replace('\n', "\r\n"), GROWN.trim_end().to_owned(), String::new()] {
        let home = home(config.as_bytes());
        sync(&home);
        let first =
            (fs::read(aws_config(&home)).unwrap(), fs::metadata(aws_config(&home)).unwrap().modified().unwrap());
        let said = sync(&home);
        assert!(said.contains("is up to date"), "{said}");
        let second =
            (fs::read(aws_config(&home)).unwrap(), fs::metadata(aws_config(&home)).unwrap().modified().unwrap());
        assert!(second == first, "the second sync wrote");

        for name in ["team/data", "prod"] {
            assert!(home.run(["role", "remove", name]).status.success());
        }
        let said = sync(&home);
        assert!(said.contains("prod"), "what went is said: {said}");
        assert_eq!(text(&fs::read(aws_config(&home)).unwrap()), config);
    }
}

#[test]
fn a_setting_that_another_tool_writes_survives_the_next_sync() {
    let home = home(GROWN.as_bytes());
    sync(&home);
    stdout(Client::CliV2.cli(&home).args(["configure", "set", "region", "eu-south-1", "--profile", "legacy"]));
    stdout(Client::CliV2.cli(&home).args(["configure", "set", "output", "text", "--profile", "added"]));
    sync(&home);
    assert_eq!(get(&home, Client::CliV2, "region", "legacy"), "eu-south-1");
    assert_eq!(get(&home, Client::CliV2, "output", "added"), "text");
    assert!(get(&home, Client::CliV2, "credential_process", "prod").ends_with(" get prod"));
}

#[test]
fn a_key_in_the_credentials_file_that_wins_over_the_profile_is_warned_of() {
    let home = home(GROWN.as_bytes());
    let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let credentials = format!("[prod]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
    fs::write(home.path(".aws/credentials"), &credentials).unwrap();
    let said = sync(&home);
    assert!(said.contains("[prod]") && said.contains("credentials"), "{said}");
    assert!(said.contains("hint: "), "{said}");
    assert!(!said.contains(secret) && !said.contains(id), "{said}");
    assert_eq!(fs::read_to_string(home.path(".aws/credentials")).unwrap(), credentials, "it is not ours to change");

    // The warning is true: the CLI takes the key, not the role.
    let listed = stdout(Client::CliV2.cli(&home).args(["configure", "list", "--profile", "prod"]));
    assert!(listed.contains("shared-credentials-file"), "{listed}");
}
