//! The forms of `setup plan` as those take them whom they are for: the script is run by both AWS CLIs against moto, an IAM
//! that others wrote, and against the sandbox; the templates are read and judged by cfn-lint.
//!
//! Out of its reach: CloudFormation and Terraform themselves. The Terraform is parsed in src/core/setup/render/tests.rs.

use crate::harness::home::{Home, set_mode, text};
use crate::moto::Moto;
use crate::peers::{Client, installed, program, python};
use crate::person::Cloud;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{AccessKey, User};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Output, Stdio};

const ACCOUNTS: [&str; 4] = ["--auth-account", AUTH_ACCOUNT, "--workload-account", WORKLOAD_ACCOUNT];

/// A policy with what shells, YAML and the CLI would take for their own.
const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": "Allow", "Action": ["s3:GetObject"],
  "Resource": ["arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::it's/`id`/$(id)/\"x\""],
  "Condition": {"StringEquals": {"aws:PrincipalTag/a": "no: # !Ref é"}, "NumericLessThan": {"s3:max-keys": "10"}}}]}"#;

/// What is set up: a person, and an application.
const WISHES: [&[&str]; 3] = [
    &["--user", "nell", "--trust", "user", "--any-role", "--path", "/staff/", "--max-session-duration", "4h"],
    &["--application", "ec2", "--assuming-role=-Web+1", "--identity", "web", "--external-id", "a/b:c=d"],
    &["--user", "richard", "--existing-user", "--require-mfa", "--mfa-serial", "arn:aws:iam::111111111111:mfa/richard"],
];

fn planned(home: &Home, flags: &[String], more: &[&str]) -> String {
    let words = ["setup", "plan"].into_iter().chain(flags.iter().map(String::as_str)).chain(more.iter().copied());
    let output = home.run(words);
    assert_eq!(output.status.code(), Some(0), "{flags:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Gives all flags of a wish. Its role and setup have names of their own, as the clouds have the tutorials' already.
fn flags(home: &Home, at: usize, wish: &[&str]) -> Vec<String> {
    let policy = home.path("s3 read.json");
    fs::write(&policy, POLICY).unwrap();
    let own =
        [format!("--role=Reader{at}"), format!("--name=team/prod{at}"), format!("--policy-file={}", policy.display())];
    let all = wish.iter().chain(&ACCOUNTS).chain(&["--tag", "cost centre=a b = c/é"]);
    all.map(|word| (*word).to_owned()).chain(own).collect()
}

/// An `aws` that asks a cloud, and the two profiles.
fn with_aws(home: &Home, client: Client, auth: &Cloud, workload: &Cloud) {
    let _ = fs::create_dir(home.path(".aws"));
    let mut profiles = String::new();
    for (name, cloud) in [("the admin's", auth), ("w", workload)] {
        let text = format!(
            "[{name}]\naws_access_key_id = {}\naws_secret_access_key = {}\nregion = eu-west-1\n",
            cloud.key_id, cloud.secret
        );
        profiles.push_str(&text);
    }
    fs::write(home.path(".aws/credentials"), profiles).unwrap();
    let real = installed(if client == Client::CliV1 { "venv/bin/aws" } else { "bin/aws" });
    let _ = fs::create_dir(home.path("bin"));
    // The CLI of Debian 12 knows no variable for the endpoint.
    let wrapper = format!("#!/bin/sh\nexec '{}' --endpoint-url '{}' \"$@\"\n", real.display(), auth.url);
    fs::write(home.path("bin/aws"), wrapper).unwrap();
    set_mode(&home.path("bin/aws"), 0o700);
}

fn sh(home: &Home, script: &str) -> Output {
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", home.path("bin").display());
    home.command("/bin/sh").env("PATH", path).args(["-c", script]).output().unwrap()
}

/// Reads IAM for a test, in one process: a command of the AWS CLI takes most of a second to start.
struct Reader<'a> {
    clouds: [&'a Cloud; 2],
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl<'a> Reader<'a> {
    fn start(home: &Home, clouds: [&'a Cloud; 2]) -> Self {
        let mut command = home.command(python());
        command.arg(program("read_iam.py")).arg(&clouds[0].url).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { clouds, process, answers }
    }

    /// Returns what IAM answers in the account of a side.
    fn read(&mut self, side: &Value, operation: &str, parameters: &Value) -> Value {
        let cloud = self.clouds[usize::from(side != "auth")];
        let call = json!([cloud.key_id, cloud.secret, operation, parameters]);
        writeln!(self.process.stdin.as_mut().unwrap(), "{call}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no answer to {operation} {parameters}"))
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Fails unless what a step makes is there, with its path, documents and tags.
fn is_there(iam: &mut Reader<'_>, step: &Value) {
    let (side, call) = (&step["side"], &step["call"]);
    let mut read = |operation: &str, parameters: Value| iam.read(side, operation, &parameters);
    let json = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap();
    let tags = |thing: &Value| -> Value {
        let tags = thing["Tags"].as_array().cloned().unwrap_or_default();
        tags.iter().map(|tag| (tag["Key"].as_str().unwrap().to_owned(), tag["Value"].clone())).collect()
    };
    match call["action"].as_str().unwrap_or_default() {
        "CreatePolicy" => {
            let word = |name: &str| call[name].as_str().unwrap_or_default();
            let arn = format!("arn:aws:iam::{AUTH_ACCOUNT}:policy{}{}", word("path"), word("name"));
            let policy = read("get_policy", json!({"PolicyArn": arn}));
            let version = read("get_policy_version", json!({"PolicyArn": arn, "VersionId": "v1"}));
            assert_eq!(version["PolicyVersion"]["Document"], json(&call["document"]));
            assert_eq!(tags(&policy["Policy"]), call["tags"]);
        }
        "CreateUser" => {
            let user = read("get_user", json!({"UserName": call["name"]}));
            assert_eq!((&user["User"]["Path"], tags(&user["User"])), (&call["path"], call["tags"].clone()));
        }
        "CreateRole" => {
            let role = &read("get_role", json!({"RoleName": call["name"]}))["Role"];
            assert_eq!(role["AssumeRolePolicyDocument"], json(&call["trust"]));
            assert_eq!((&role["Path"], &role["Description"]), (&call["path"], &call["description"]));
            assert_eq!((&role["MaxSessionDuration"], tags(role)), (&call["max_session_seconds"], call["tags"].clone()));
        }
        "AttachUserPolicy" | "AttachRolePolicy" => {
            let attached = if call["user"].is_string() {
                read("list_attached_user_policies", json!({"UserName": call["user"]}))
            } else {
                read("list_attached_role_policies", json!({"RoleName": call["role"]}))
            };
            let all = attached["AttachedPolicies"].as_array().unwrap();
            assert!(all.iter().any(|policy| policy["PolicyArn"] == call["arn"]), "{attached}");
        }
        "PutRolePolicy" => {
            let policy = read("get_role_policy", json!({"RoleName": call["role"], "PolicyName": call["name"]}));
            assert_eq!(policy["PolicyDocument"], serde_json::from_str::<Value>(POLICY).unwrap());
        }
        "AddRoleToInstanceProfile" => {
            let profile = read("get_instance_profile", json!({"InstanceProfileName": call["profile"]}));
            assert_eq!(profile["InstanceProfile"]["Roles"][0]["RoleName"], call["role"]);
        }
        "CreateInstanceProfile" | "CreateAccessKey" => {}
        other => panic!("nothing looks for {other}"),
    }
}

/// Runs the script of each wish and looks at what it made.
fn what_is_planned_is_made(home: &Home, client: Client, auth: &Cloud, workload: &Cloud, wishes: &[&[&str]]) {
    with_aws(home, client, auth, workload);
    let mut iam = Reader::start(home, [auth, workload]);
    for (at, wish) in wishes.iter().enumerate() {
        let flags = flags(home, at, wish);
        let steps: Value = serde_json::from_str(&planned(home, &flags, &["--json"])).unwrap();
        let profiles = ["--auth-profile", "the admin's", "--workload-profile", "w", "--as", "aws"];
        let script = planned(home, &flags, &profiles);
        let output = sh(home, &script);
        assert!(output.status.success(), "{client:?}: {}\n{script}", text(&output.stderr));
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}", text(&output.stderr));
        for step in steps["steps"].as_array().unwrap() {
            is_there(&mut iam, step);
        }
    }
}

#[test]
fn in_moto_the_script_makes_what_the_plan_says() {
    let moto = Moto::start();
    let home = Home::bare("");
    what_is_planned_is_made(&home, Client::CliV2, &moto.auth_admin, &moto.workload_admin, &WISHES);
}

#[test]
fn in_the_sandbox_it_does_by_the_older_cli_too() {
    let home = Home::bare("");
    let [auth, workload] = [AUTH_ACCOUNT, WORKLOAD_ACCOUNT].map(|account| {
        let key = AccessKey::generate();
        let cloud = Cloud { url: home.aws.url(), key_id: key.id.clone(), secret: key.secret.clone() };
        let admin = User::new("admin").with_key(key).with_managed_policy("arn:aws:iam::aws:policy/AdministratorAccess");
        let admin = User { account: account.to_owned(), ..admin };
        home.aws.world(|world| world.account(account).users.insert("admin".to_owned(), admin));
        cloud
    });
    let managed = [WISHES[0], &["--policy-arn", "AmazonS3ReadOnlyAccess"]].concat();
    what_is_planned_is_made(&home, Client::CliV1, &auth, &workload, &[&managed, WISHES[1]]);
}

#[test]
fn cfn_lint_finds_no_flaw_in_a_template_and_reads_the_documents_as_they_are() {
    let home = Home::bare("");
    let mut forms = Vec::new();
    for (at, wish) in WISHES.into_iter().enumerate() {
        let flags = flags(&home, at, wish);
        let plan: Value = serde_json::from_str(&planned(&home, &flags, &["--json"])).unwrap();
        for side in ["auth", "workload"] {
            let template = planned(&home, &flags, &["--as", "cloudformation", "--only", side]);
            let file = home.path(&format!("{at}-{side}.yaml"));
            fs::write(&file, &template).unwrap();
            forms.push((at, side, plan.clone(), template, file));
        }
    }
    // One process for all: it takes seconds to start.
    let mut cfn_lint = home.command(installed("cfn-lint/bin/python"));
    let read = cfn_lint.arg(program("read_template.py")).args(forms.iter().map(|form| &form.4)).output().unwrap();
    assert!(read.status.success(), "{}", text(&read.stderr));
    let read: Vec<Value> = serde_json::from_slice(&read.stdout).unwrap();
    let mut documents = [0; WISHES.len()];
    for ((at, side, plan, template, _), read) in forms.iter().zip(&read) {
        let all: Vec<&Value> = read["Resources"].as_object().unwrap().values().map(|r| &r["Properties"]).collect();
        let steps = plan["steps"].as_array().unwrap().iter().filter(|step| step["side"] == *side);
        for call in steps.map(|step| &step["call"]) {
            let of = |key: &str, name: &Value| {
                *all.iter().find(|thing| thing[key] == *name).unwrap_or_else(|| panic!("{name} in {template}"))
            };
            let json = |text: &Value| serde_json::from_str::<Value>(text.as_str().unwrap()).unwrap();
            let (found, wanted) = match call["action"].as_str().unwrap() {
                "CreatePolicy" => (&of("ManagedPolicyName", &call["name"])["PolicyDocument"], json(&call["document"])),
                "CreateRole" => (&of("RoleName", &call["name"])["AssumeRolePolicyDocument"], json(&call["trust"])),
                "PutRolePolicy" => {
                    (&of("RoleName", &call["role"])["Policies"][0]["PolicyDocument"], json(&call["document"]))
                }
                "CreateUser" => (&of("UserName", &call["name"])["Path"], json!(call["path"])),
                _ => continue,
            };
            assert_eq!(found, &wanted);
            documents[*at] += 1;
        }
    }
    assert!(documents.iter().all(|count| *count >= 3), "the documents were found: {documents:?}");
}
