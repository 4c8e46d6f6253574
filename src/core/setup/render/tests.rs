//! The forms are read back: the Terraform by an HCL parser, the script by a shell that records its words. What real peers
//! make of them is in tests/clients.

use super::*;
use crate::domain::arn::{AccountId, Partition};
use crate::domain::names::Name;
use crate::setup::request::{SetupFlags, SetupRequest};
use crate::setup::{Device, Service, Trust};
use serde_json::Value;
use std::process::Command;

/// A policy with everything that another language would take for its own.
const HOSTILE: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject",
  "Resource": ["arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::%{if true}$${x}", "arn:aws:s3:::it's \"so\" \\ `id` $(id)"],
  "Condition": {"StringEquals": {"aws:PrincipalTag/a": "\u00e9 no: # !Ref", "n": ["null", "1e3"]}, "NumericLessThan": {"k": 1.50}}}]}"#;

fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

fn setup(typed: SetupFlags) -> Setup {
    let account = |text| AccountId::new(text).expect("valid");
    let typed = SetupFlags {
        name: Name::new("prod").ok(),
        policy_arns: vec!["AmazonS3ReadOnlyAccess".to_owned()],
        policy_files: vec![("s3.json".to_owned(), HOSTILE.to_owned())],
        tags: vec![("cost centre".to_owned(), "a = é/1".to_owned())],
        external_id: Some("7f3a".to_owned()),
        ..typed
    };
    let wish = SetupRequest::new(typed).expect("valid");
    wish.for_accounts(Partition::Aws, account("111111111111"), account("222222222222"), None).expect("valid")
}

fn person() -> Setup {
    let user = Some("richard".to_owned());
    setup(SetupFlags { user, trust: Some(Trust::User), device: Some(Device::Shown), ..SetupFlags::default() })
}

fn application() -> Setup {
    setup(SetupFlags { application: Some(Service::Ec2), ..SetupFlags::default() })
}

fn existing() -> Setup {
    let attach = vec!["IAMUserChangePassword".to_owned()];
    setup(SetupFlags { existing_user: true, trust: Some(Trust::User), attach, ..SetupFlags::default() })
}

/// Gives the calls that a form of a setup has to make, without key and device.
fn calls(setup: &Setup) -> Vec<Call> {
    let secret = |call: &Call| {
        matches!(
            call,
            Call::CreateAccessKey { .. } | Call::CreateVirtualMFADevice { .. } | Call::EnableMFADevice { .. }
        )
    };
    setup.steps().into_iter().map(|step| step.call).filter(|call| !secret(call)).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn terraform_reads_the_documents_as_they_are() {
    for setup in [person(), application(), existing()] {
        let text = terraform::render(&setup, Profiles { auth: Some("a \"${x}"), workload: None }, quote);
        let module: Value = hcl::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(module["provider"]["aws"].as_array().map(Vec::len), Some(2), "{text}");
        let body: hcl::Body = hcl::parse(&text).expect("it was parsed");
        let resources: Vec<&hcl::Block> = body.blocks().filter(|block| block.identifier() == "resource").collect();
        let of = |kind: &str| resources.iter().filter(|b| b.labels()[0].as_str() == kind).count();
        let calls = calls(&setup);
        let count = |action: &str| calls.iter().filter(|call| call.action() == action).count();
        for (kind, action) in [
            ("aws_iam_policy", "CreatePolicy"),
            ("aws_iam_user", "CreateUser"),
            ("aws_iam_role", "CreateRole"),
            ("aws_iam_user_policy_attachment", "AttachUserPolicy"),
            ("aws_iam_role_policy_attachment", "AttachRolePolicy"),
            ("aws_iam_role_policy", "PutRolePolicy"),
            ("aws_iam_instance_profile", "CreateInstanceProfile"),
        ] {
            assert_eq!(of(kind), count(action), "{kind}\n{text}");
        }
        assert!(!text.contains("aws_iam_access_key") && !text.contains("virtual_mfa"), "{text}");
        let inline = resources.iter().find(|b| b.labels()[0].as_str() == "aws_iam_role_policy").expect("one");
        let policy = inline.body().attributes().find(|a| a.key() == "policy").expect("one").expr().clone();
        let hcl::Expression::FuncCall(call) = policy else { panic!("{policy:?}") };
        assert_eq!(call.name.name.as_str(), "jsonencode");
        assert_eq!(evaluated(&call.args[0]), json(HOSTILE));
        let assumed = resources.iter().find(|b| b.labels()[1].as_str() == "assumed").expect("one");
        let waits = assumed.body().attributes().any(|a| a.key() == "depends_on");
        assert_eq!(waits, !matches!(&setup.who, Who::Person(person) if person.existing));
    }
}

/// Evaluates an expression as Terraform does, templates included.
fn evaluated(expression: &hcl::Expression) -> Value {
    use hcl::eval::{Context, Evaluate};
    let value: hcl::Value = expression.evaluate(&Context::new()).expect("it holds no variable");
    serde_json::to_value(value).expect("JSON")
}

#[test]
fn the_script_gives_aws_exactly_the_words_of_the_calls() {
    for setup in [person(), application(), existing()] {
        let profiles = Profiles { auth: Some("auth 'admin'; reboot"), workload: Some("-w") };
        let script = aws::render(&setup, profiles, quote);
        // A shell function in the place of the program: it writes each word with its end marked.
        let stand_in = "aws() { case \"$1\" in sts) case \"$4\" in -w) echo 222222222222;; *) echo 111111111111;; esac;; \
                        *) printf '%s\\0' \"$@\" >&3; printf '\\1' >&3;; esac; }\n";
        let output =
            Command::new("sh").args(["-c", &format!("exec 3>&1\n{stand_in}{script}")]).output().expect("sh runs");
        assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("text");
        let commands: Vec<Vec<&str>> =
            said.split_terminator('\u{1}').map(|c| c.split_terminator('\0').collect()).collect();
        let calls = calls(&setup);
        assert_eq!(commands.len(), calls.len(), "{script}");
        for (words, call) in commands.iter().zip(&calls) {
            let value = |option: &str| {
                let at =
                    words.iter().position(|word| *word == option).unwrap_or_else(|| panic!("{option} in {words:?}"));
                words[at + 1]
            };
            assert_eq!(words[1].replace('-', ""), call.action().to_lowercase());
            match call {
                Call::PutRolePolicy { document, .. } => {
                    assert_eq!(value("--policy-document"), document);
                    assert_eq!(json(value("--policy-document")), json(HOSTILE));
                    assert_eq!(value("--profile"), "-w");
                }
                Call::CreateRole { trust, tags, .. } => {
                    assert_eq!(value("--assume-role-policy-document"), trust);
                    assert_eq!(json(value("--tags")).as_array().map(Vec::len), Some(tags.len()));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn the_script_stops_at_a_profile_of_another_account() {
    let script = aws::render(&person(), Profiles { auth: Some("a"), workload: Some("b") }, quote);
    let stand_in = "aws() { test \"$1\" = sts && echo 333333333333 || { echo made >&3; }; }\n";
    let output = Command::new("sh").args(["-c", &format!("exec 3>&1\n{stand_in}{script}")]).output().expect("sh runs");
    assert!(!output.status.success() && output.stdout.is_empty());
}

#[test]
fn a_template_has_every_document_and_no_secret() {
    for setup in [person(), application(), existing()] {
        let sides = SIDES.map(|side| cloudformation::render(&setup, side, Profiles::default(), quote));
        let both = sides.concat();
        assert!(!both.contains("AccessKey\n") && !both.contains("VirtualMFADevice"), "{both}");
        assert_eq!(sides[1].matches("Type: AWS::IAM::Role").count(), 1);
        let is_application = matches!(setup.who, Who::Application(_));
        assert_eq!(sides[0].contains("Type: AWS::IAM::InstanceProfile"), is_application);
        assert!(both.is_ascii(), "{both}");
        for line in both.lines() {
            assert!(!line.contains('\t') && line.trim_end() == line, "{line:?}");
        }
    }
}

#[test]
fn a_profile_s_name_cannot_leave_its_comment() {
    let text = by_hand(&person(), Profiles { auth: Some("a'; reboot #"), workload: None }, quote);
    assert!(text.lines().all(|line| line.starts_with("# ")), "{text}");
    assert!(text.contains("--profile 'a'\\''; reboot #' "), "{text}");
}

#[test]
fn the_list_names_each_call_its_account_and_each_document() {
    let text = calls::render(&person());
    for word in [
        "1. 111111111111  CreatePolicy rolecall-prod",
        "CreateRole AssumedRole, sessions up to 1h",
        "Trust policy of role AssumedRole, in account 222222222222:\n{\n  \"Version\"",
        "Policy s3 of role AssumedRole, in account 222222222222:",
        "CreateAccessKey richard",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(calls::removal(&person()).starts_with("  111111111111  DeleteAccessKey richard\n"));
}
