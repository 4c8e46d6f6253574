//! `setup plan`: what a person reads before two accounts change, and that it changes nothing.
//!
//! Out of its reach: what real AWS says to the documents. What the AWS CLI, cfn-lint and moto make of the other forms is in
//! tests/clients/setup_forms.rs; that `apply` makes what is planned, in tests/it/setup.

use crate::harness::home::{Home, text};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{AccessKey, User};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;
use tempfile::TempDir;

const ACCOUNTS: [&str; 4] = ["--auth-account", AUTH_ACCOUNT, "--workload-account", WORKLOAD_ACCOUNT];

const READS: &str = r#"{"Version": "2012-10-17",
 "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}"#;

fn plan(home: &Home, flags: &[&str]) -> Output {
    home.run(["setup", "plan"].iter().chain(flags))
}

fn planned(home: &Home, flags: &[&str]) -> String {
    let output = plan(home, &[&ACCOUNTS, flags].concat());
    assert_eq!(output.status.code(), Some(0), "{flags:?}: {}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn json_of(home: &Home, flags: &[&str]) -> Value {
    serde_json::from_str(&planned(home, &[flags, &["--json"]].concat())).unwrap()
}

/// Gives cause and hint of a command line that is refused.
fn refused(home: &Home, flags: &[&str]) -> String {
    let output = plan(home, &[&ACCOUNTS, flags].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{flags:?}: {}{said}", text(&output.stdout));
    assert!(output.stdout.is_empty(), "{flags:?}: {}", text(&output.stdout));
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.starts_with("rolecall: ") && said.contains("\nhint: "), "{said}");
    said
}

#[test]
fn without_credentials_a_person_s_plan_shows_every_call_document_and_line_and_nobody_is_asked() {
    let home = Home::bare("");
    let before = fs::read(home.config()).unwrap();
    let shown = planned(
        &home,
        &[
            "--user",
            "richard",
            "--name",
            "prod",
            "--policy-arn",
            "AmazonS3ReadOnlyAccess",
            "--require-mfa",
            "--mfa-device",
            "--external-id",
            "7f3a",
            "--region",
            "eu-west-1",
        ],
    );
    for word in [
        "1. 111111111111  CreatePolicy rolecall-prod",
        "2. 111111111111  CreateUser richard",
        "4. 222222222222  CreateRole AssumedRole",
        "AttachRolePolicy AssumedRole: arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
        "\"Resource\": \"arn:aws:iam::222222222222:role/AssumedRole\"",
        "\"AWS\": \"arn:aws:iam::111111111111:root\"",
        "\"aws:MultiFactorAuthPresent\": \"true\"",
        "\"sts:ExternalId\": \"7f3a\"",
        "    [identities.richard]\n    type = \"iam-user\"\n    mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"",
        "    external_id = \"7f3a\"",
        "    [profile prod]\n    credential_process = ",
        "removes, newest first:\n  111111111111  DeleteAccessKey richard\n",
    ] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
    assert_eq!(fs::read(home.config()).unwrap(), before);
    assert!(!home.path(".aws").exists() && !home.socket().exists(), "a plan starts no agent and writes no file");
    assert!(home.aws.calls().is_empty());
}

#[test]
fn from_two_profiles_to_a_listed_bucket_takes_at_most_fifteen_calls() {
    let home = Home::bare("");
    let flags = ["--user", "richard", "--policy-arn", "AmazonS3ReadOnlyAccess"];
    let calls = json_of(&home, &flags)["calls"].as_u64().unwrap();
    assert!(calls <= 15 && planned(&home, &flags).contains(&format!("prove it: {calls}\n")), "{calls}");
}

#[test]
fn what_is_planned_in_the_configuration_is_what_the_agent_takes() {
    for flags in [
        &["--user", "richard", "--mfa-device", "--region", "eu-west-1", "--external-id", "7f3a"][..],
        &["--user", "richard", "--max-session-duration", "4h"],
        &["--application", "ec2"],
        &["--application", "ecs"],
        &["--application", "lambda", "--external-id", "auto"],
    ] {
        let home = Home::bare("");
        let planned = json_of(&home, &[flags, &["--name", "prod"]].concat());
        fs::write(home.config(), planned["config"].as_str().unwrap()).unwrap();
        let role = home.run(["role", "show", "prod", "--json"]);
        assert_eq!(role.status.code(), Some(0), "{flags:?}: {}", text(&role.stderr));
        let role: Value = serde_json::from_slice(&role.stdout).unwrap();
        assert_eq!(role["role_arn"], planned["role_arn"]);
        assert_eq!(planned["profile"].is_string(), flags[0] == "--user");
    }
}

#[test]
fn an_external_id_that_apply_will_make_is_not_shown_as_if_it_were_known() {
    let home = Home::bare("");
    let flags = ["--external-id", "auto"];
    let shown = planned(&home, &flags);
    assert!(shown.contains("note: `apply` makes the ExternalId, 128 random bits"), "{shown}");
    assert!(json_of(&home, &flags).get("external_id").is_none());
    // A form is used as it is: it has one of its own, another each time.
    let id = |form: &str| {
        let text = planned(&home, &["--external-id", "auto", "--as", form]);
        let (_, rest) = text.split_once("--external-id ").expect(form);
        rest.split_whitespace().next().unwrap().to_owned()
    };
    for form in ["terraform", "aws", "cloudformation"] {
        let (one, other) = (id(form), id(form));
        assert!(one.len() == 32 && one.bytes().all(|b| b.is_ascii_hexdigit()) && one != other, "{one} {other}");
    }
}

#[test]
fn what_iam_would_refuse_is_refused_before_anybody_is_asked() {
    let home = Home::bare("");
    for (flags, word) in [
        (&["--user", "a b"][..], "--user a b"),
        (&["--user", "x\u{1b}[2J\ny"], "--user x\\u{1b}[2J\\u{a}y"),
        (&["--role", "$(reboot)"], "--role"),
        (&["--role-path", "/*/"], "--role-path /*/"),
        (&["--policy-arn", "arn:aws:iam::111111111111:policy/x"], "222222222222"),
        (&["--policy-arn", "arn:aws-cn:iam::aws:policy/x"], "partition"),
        (&["--tag", "aws:x=y"], "--tag"),
        (&["--tag", "rolecall:setup=other"], "--tag"),
        (&["--max-session-duration", "13h"], "--max-session-duration"),
        (&["--max-session-duration", "1 hour"], "--max-session-duration"),
        (&["--external-id", "x y"], "--external-id"),
        (&["--application", "ec2", "--user", "richard"], "--user"),
        (&["--application", "ec2", "--require-mfa"], "--require-mfa"),
        (&["--trust", "role"], "--trust"),
        (&["--name", "auth", "--identity", "auth"], "--identity"),
        (&["--no-access-key"], "--existing-user"),
        (&["--auth-profile", "a\nreboot"], "--auth-profile"),
        (&["--only", "auth"], "--only"),
        (&["--json", "--as", "aws"], "--as"),
    ] {
        let said = refused(&home, flags);
        assert!(said.contains(word) && !said.contains('\u{1b}'), "{word}: {said}");
    }
    let unnumbered = plan(&home, &["--auth-account", "1", "--workload-account", WORKLOAD_ACCOUNT]);
    assert!(text(&unnumbered.stderr).contains("--auth-account 1: an account number has 12 digits"));
    let alone = plan(&home, &["--auth-account", AUTH_ACCOUNT]);
    assert!(alone.status.code() == Some(2) && text(&alone.stderr).contains("--workload-account"));
    assert!(home.aws.calls().is_empty() && !home.socket().exists());
}

#[test]
fn a_policy_file_that_is_none_is_refused_with_its_line() {
    let home = Home::bare("");
    let file = home.path("policy.json");
    let name = file.display().to_string();
    let big = format!(
        "{{\"Statement\":{{\"Effect\":\"Allow\",\"Action\":\"s3:{}\",\"Resource\":\"*\"}}}}",
        "x".repeat(10_240)
    );
    for (bytes, word) in [
        (b"Resources:\n  X: 1\n".to_vec(), "line 1: it is not JSON"),
        (format!("\u{feff}{READS}").into_bytes(), "line 1: it begins with a byte order mark"),
        (READS.replace("\"Effect\"", "\"Principal\": \"*\", \"Effect\"").into_bytes(), "line 2: "),
        (READS.replace("Allow", "Alow").into_bytes(), "line 2: unknown variant `Alow`"),
        (READS.replace("s3:", "s3:\u{2028}").into_bytes(), "line 2: IAM takes Latin-1"),
        ([b"{\n".as_slice(), &[0xff, 0xfe]].concat(), "line 2: it is not UTF-8"),
        (Vec::new(), "it is empty"),
        (vec![b' '; 300 * 1024], "longer than 256 KiB"),
        (big.into_bytes(), "IAM takes 10240"),
        (b"[".repeat(200_000), "line 1"),
    ] {
        fs::write(&file, &bytes).unwrap();
        let said = refused(&home, &["--policy-file", &name]);
        assert!(said.contains(word), "{word}: {said}");
    }
    fs::write(&file, READS).unwrap();
    let steps = &json_of(&home, &["--policy-file", &name])["steps"];
    let put = steps.as_array().unwrap().iter().find(|step| step["call"]["action"] == "PutRolePolicy").unwrap();
    assert_eq!((&put["call"]["name"], &put["side"]), (&json!("policy"), &json!("workload")));
    assert_eq!(put["call"]["document"].as_str().map(str::len), Some(READS.replace([' ', '\n'], "").len()));
    let pipe = home.path("pipe");
    assert!(home.command("/usr/bin/mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink(home.path("nowhere"), home.path("lost")).unwrap();
    for (path, word) in [
        (home.path("none.json"), "No such file"),
        (home.path("lost"), "No such file"),
        (home.path(".config"), "no regular file"),
        (pipe, "no regular file"),
    ] {
        let said = refused(&home, &["--policy-file", &path.display().to_string()]);
        assert!(said.contains(word) && said.contains(&path.display().to_string()), "{word}: {said}");
    }
}

#[test]
fn names_that_the_configuration_has_already_are_said() {
    let home = Home::bare(
        "[identities.richard]\ntype = \"ec2\"\n[roles.prod]\nsource = \"richard\"\nrole_arn = \"arn:aws:iam::333333333333:role/X\"\n",
    );
    let shown = planned(&home, &["--user", "richard", "--name", "prod"]);
    assert!(shown.contains("has a role prod already, which is arn:aws:iam::333333333333:role/X"), "{shown}");
    assert!(shown.contains("has an identity richard (ec2) already"), "{shown}");
}

/// Two profiles with admin rights, in files outside the home.
fn with_admins(home: &mut Home) -> TempDir {
    let files = tempfile::tempdir().unwrap();
    let mut credentials = String::new();
    home.aws.world(|world| {
        for (profile, account) in [("auth-admin", AUTH_ACCOUNT), ("prod-admin", WORKLOAD_ACCOUNT)] {
            let key = AccessKey::generate();
            let text = format!("[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret);
            credentials.push_str(&text);
            home.canaries.add(&key.secret);
            let admin =
                User::new("admin").with_key(key).with_managed_policy("arn:aws:iam::aws:policy/AdministratorAccess");
            let admin = User { account: account.to_owned(), ..admin };
            world.account(account).users.insert("admin".to_owned(), admin);
        }
    });
    let file = files.path().join("credentials");
    fs::write(&file, credentials).unwrap();
    home.set("AWS_SHARED_CREDENTIALS_FILE", file.display().to_string());
    files
}

#[test]
fn with_two_profiles_the_plan_knows_the_accounts_and_what_is_there() {
    let mut home = Home::bare("[aws]\nendpoint_url = \"ENDPOINT\"\n");
    let _files = with_admins(&mut home);
    let profiles = ["--auth-profile", "auth-admin", "--workload-profile", "prod-admin"];
    let before = home.aws.world(|world| [AUTH_ACCOUNT, WORKLOAD_ACCOUNT].map(|account| world.inventory(account)));
    let output = plan(&home, &[&profiles[..], &["--user", "richard", "--name", "prod"]].concat());
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for word in [
        "arn:aws:iam::111111111111:user/richard becomes arn:aws:iam::222222222222:role/AssumedRole",
        "111111111111  policy rolecall-prod: will be made",
        "111111111111  user richard: is there, and is not ours: arn:aws:iam::111111111111:user/richard",
        "222222222222  role AssumedRole: is there, and is not ours",
        "`apply` stops at user richard, which this setup did not make; `--existing-user` uses it as it is",
    ] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
    let json = plan(
        &home,
        &[&profiles[..], &["--user", "fresh", "--role", "Fresh", "--external-id", "auto", "--json"]].concat(),
    );
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let found: Vec<&Value> = json["findings"].as_array().unwrap().iter().map(|finding| &finding["found"]).collect();
    assert_eq!(found, ["missing", "missing", "missing"], "{json:#}");
    assert_eq!(json["auth"], json!({"account": AUTH_ACCOUNT, "profile": "auth-admin"}));
    let after = home.aws.world(|world| [AUTH_ACCOUNT, WORKLOAD_ACCOUNT].map(|account| world.inventory(account)));
    assert_eq!(before, after);
    let reads = |action: &str| action.starts_with("Get") || action.starts_with("List");
    assert!(home.aws.calls().iter().all(|call| reads(&call.action)), "a plan only reads");
    let wrong = plan(&home, &["--auth-profile", "nobody", "--workload-profile", "prod-admin"]);
    assert!(wrong.status.code() != Some(0) && text(&wrong.stderr).contains("nobody"), "{}", text(&wrong.stderr));
}
