//! `switch-link`: the console's own link for switching roles, and the roles that it cannot switch to.

use crate::harness::home::{Home, text};

const IDENTITIES: &str = r#"
[identities.auth]
type = "iam-user"
region = "eu-west-1"

[identities.here]
type = "ec2"
"#;

fn role(name: &str, arn: &str, more: &str) -> String {
    format!("\n[roles.{name}]\nsource = \"auth\"\nrole_arn = \"{arn}\"\n{more}\n")
}

fn home(roles: &[String]) -> Home {
    Home::bare(&format!("{IDENTITIES}{}", roles.concat()))
}

#[test]
fn the_link_has_account_path_name_display_name_and_the_nearest_colour() {
    let home = home(&[
        role("prod", "arn:aws:iam::222222222222:role/AssumedRole", "display_name = \"Prod & more\"\ncolor = \"red\""),
        role("deep", "arn:aws:iam::222222222222:role/team/a+b/Reader", "color = \"#000080\""),
        role("grey", "arn:aws:iam::222222222222:role/Reader", "color = \"black\""),
        role("old", "arn:aws:iam::222222222222:role/Reader", "color = \"gold\""),
    ]);
    for (name, link) in [
        ("prod", "account=222222222222&roleName=AssumedRole&displayName=Prod%20%26%20more&color=f2b0a9"),
        ("deep", "account=222222222222&roleName=team%2Fa%2Bb%2FReader&displayName=deep&color=83d4e8"),
        ("grey", "account=222222222222&roleName=Reader&displayName=grey"),
        ("old", "account=222222222222&roleName=Reader&displayName=old&color=efda95"),
    ] {
        let output = home.run(["switch-link", name]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), format!("https://signin.aws.amazon.com/switchrole?{link}\n"));
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
    assert!(!home.socket().exists(), "no agent is needed for it");
}

#[test]
fn an_old_colour_name_is_a_warning_of_status() {
    let home = home(&[role("prod", "arn:aws:iam::222222222222:role/A", "color = \"teal\"")]);
    home.run(["get", "prod"]);
    let status: serde_json::Value = serde_json::from_slice(&home.run(["status", "--json"]).stdout).unwrap();
    let messages: Vec<&str> =
        status["warnings"].as_array().unwrap().iter().filter_map(|w| w["message"].as_str()).collect();
    assert!(messages.contains(&"the console has no colour teal: role `prod` is shown in blue"), "{messages:?}");
}

#[test]
fn every_partition_has_its_own_host() {
    for (partition, region, host) in [
        ("aws-cn", "cn-north-1", "signin.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "signin.amazonaws-us-gov.com"),
        ("aws-eusc", "eusc-de-east-1", "eusc-de-east-1.signin.amazonaws-eusc.eu"),
    ] {
        let config = format!(
            "[identities.auth]\ntype = \"iam-user\"\nregion = \"{region}\"\n{}",
            role("prod", &format!("arn:{partition}:iam::222222222222:role/A"), "")
        );
        let output = Home::bare(&config).run(["switch-link", "prod"]);
        let link = text(&output.stdout);
        assert!(link.starts_with(&format!("https://{host}/switchrole?account=")), "{link}{}", text(&output.stderr));
    }
}

#[test]
fn a_role_that_the_console_cannot_switch_to_is_refused_with_the_reason() {
    let arn = "arn:aws:iam::222222222222:role/A";
    let long = format!("arn:aws:iam::222222222222:role/{}/{}", "p".repeat(32), "n".repeat(32));
    let home = home(&[
        role("prod", arn, ""),
        role("outside", arn, "external_id = \"7f3a\""),
        role("tagged", arn, "session_tags = { team = \"a\" }"),
        role("named", arn, "source_identity = \"richard\""),
        role("long", &long, ""),
        role("isolated", "arn:aws-iso:iam::222222222222:role/A", "").replace("source = \"auth\"", "source = \"iso\""),
        role("data", arn, "").replace("source = \"auth\"", "source = \"prod\""),
        role("app", arn, "").replace("source = \"auth\"", "source = \"here\""),
        "\n[identities.iso]\ntype = \"iam-user\"\nregion = \"us-iso-east-1\"\n".to_owned(),
    ]);
    for (name, words, hint) in [
        ("data", "is assumed by role `prod`", "rolecall console data"),
        ("outside", "wants an external id", "rolecall console outside"),
        ("tagged", "has `session_tags`", "rolecall console tagged"),
        ("named", "has `source_identity`", "rolecall console named"),
        ("long", "have 65 characters together", "rolecall console long"),
        ("app", "identity `here` of type ec2", "rolecall console app"),
        ("isolated", "does not publish where the console", "sign in as"),
        ("auth", "`auth` is an identity", "rolecall role list"),
        ("prdo", "prdo", "prod"),
    ] {
        let output = home.run(["switch-link", name]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{name}: {said}");
        assert!(output.stdout.is_empty() && said.contains(words) && said.contains(hint), "{name}: {said}");
    }
}
