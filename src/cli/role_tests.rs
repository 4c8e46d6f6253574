//! Roles from flags to text and back to a screen.

use super::*;
use crate::args::Cli;
use clap::Parser;
use rolecall_platform::files::write_atomically;

const BEFORE: &str = "# mine\n[identities.auth]\ntype = \"iam-user\" # the key\nregion = \"eu-west-1\"\n";

fn flags(line: &str) -> (String, RoleFlags) {
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{line}: {e}"));
    match cli.command {
        crate::args::Command::Role(RoleCommand::Add(args)) => (args.name.to_string(), args.flags),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_flag_becomes_its_key() {
    let (name, flags) = flags(
        "rolecall role add prod --role-arn arn:aws:iam::222222222222:role/AssumedRole --source auth \
         --external-id 7f3a --duration 1h --role-session-name richard --source-identity richard \
         --session-tag team=web=1 --session-tags stage=prod --transitive-tag-key team \
         --policy {\"Version\":\"2012-10-17\",\"Statement\":[]} --policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess \
         --region eu-central-1 --mfa none --access ask --access-by-program /usr/bin/terraform=allow --display-name Production --color red --tag web --tag team-a",
    );
    let section = section(&flags).expect("a section");
    let file = Path::new("config.toml");
    let text = config::add(config::EntryKind::Roles, BEFORE, file, &name, &section, IfPresent::Refuse).expect("fits");
    assert!(text.starts_with(BEFORE), "{text}");
    let catalogue = config::parse(&text, file).expect("valid");
    let shown = RoleView::new(&catalogue, &AccountNames::of_all(&catalogue), &catalogue.roles["prod"]);
    assert_eq!(
        render_show(&shown, Screen { width: Some(20), ..Screen::default() }),
        "\
name                 prod
chain                auth -> prod
role_arn             arn:aws:iam::222222222222:role/AssumedRole
source               auth
access               ask
access_by_program    /usr/bin/terraform=allow
color                red
display_name         Production
duration             1h
external_id          7f3a
mfa                  none
policy               {\"Version\":\"2012-10-17\",\"Statement\":[]}
policy_arns          arn:aws:iam::aws:policy/ReadOnlyAccess
region               eu-central-1
role_session_name    richard
session_tags         stage=prod, team=web=1
source_identity      richard
tags                 web, team-a
transitive_tag_keys  team
"
    );
}

#[test]
fn a_policy_file_is_read_and_pressed() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("policy.json");
    write_atomically(&path, "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": []\n}\n".as_bytes()).expect("written");
    let typed = format!("file://{}", path.display());
    assert_eq!(named_file::session_policy(&typed).expect("read"), r#"{"Statement":[],"Version":"2012-10-17"}"#);
    assert_eq!(named_file::session_policy("{ }").expect("as typed"), "{ }");
    assert!(named_file::session_policy("file:///no/such/file").expect_err("missing").message.contains("/no/such/file"));
    write_atomically(&path, "x".repeat(70_000).as_bytes()).expect("written");
    assert!(named_file::session_policy(&typed).expect_err("long").message.contains("64 KiB"));
}

#[test]
fn a_tag_twice_is_a_mistake() {
    let (_, flags) = flags("rolecall role add p --role-arn A --source s --session-tag a=1 --session-tag a=2");
    assert_eq!(section(&flags).expect_err("twice").kind, Kind::Usage);
}

#[test]
fn a_plan_names_every_call_its_signer_the_cap_that_holds_and_who_is_asked() {
    let text = "\
[identities.auth]
type = \"iam-user\"
mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"
region = \"eu-west-1\"
[roles.prod]
source = \"auth\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
[roles.data]
source = \"prod\"
role_arn = \"arn:aws:iam::333333333333:role/DataReader\"
duration = \"30m\"
[roles.direct]
source = \"auth\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
mfa = \"direct\"
duration = \"8h\"
[roles.free]
source = \"auth\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
mfa = \"none\"
";
    let catalogue = config::parse(text, Path::new("config.toml")).expect("valid");
    let plan = |name: &str| ShownPlan::new(&catalogue, &Plan::of(&catalogue, name).expect("planned")).text();
    assert_eq!(
        plan("data"),
        "
what `get` does where nothing is cached:
  1. GetSessionToken in eu-west-1, signed by the access key of auth and a code: lasts 12h, at most 36h (AWS's limit)
  2. AssumeRole of arn:aws:iam::222222222222:role/AssumedRole in eu-west-1, signed by the session of GetSessionToken: \
lasts 1h, at most 1h (AWS's limit behind temporary credentials)
  3. AssumeRole of arn:aws:iam::333333333333:role/DataReader in eu-west-1, signed by the session of \
arn:aws:iam::222222222222:role/AssumedRole: lasts 30m, at most 1h (AWS's limit for a role assumed by another role)
a code of arn:aws:iam::111111111111:mfa/richard serves all roles of auth that have this device for 12h; it comes from, in order: \
unlock, a TOTP secret if the vault keeps one, pinentry, tty
"
    );
    let direct = plan("direct");
    assert!(direct.contains("signed by the access key of auth and a code: lasts 8h, at most 12h"), "{direct}");
    assert!(direct.contains("serves this role alone for 8h"), "{direct}");
    assert!(plan("free").ends_with("nobody is asked for a code; sessions in use are renewed in the background\n"));
}

#[test]
fn a_plan_says_who_must_consent_and_who_is_denied() {
    let text = "\
[agent]
consent = \"30m\"
[identities.auth]
type = \"iam-user\"
[roles.open]
source = \"auth\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
access_by_program = { \"/usr/bin/terraform\" = \"allow\" }
[roles.asked]
source = \"auth\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
access = \"ask\"
access_by_program = { \"/usr/bin/terraform\" = \"allow\", \"/usr/bin/python3\" = \"deny\" }
[roles.denied]
source = \"auth\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
access = \"deny\"
";
    let catalogue = config::parse(text, Path::new("config.toml")).expect("valid");
    let plan = |name: &str| ShownPlan::new(&catalogue, &Plan::of(&catalogue, name).expect("planned"));
    let json = |name: &str| serde_json::to_value(plan(name)).expect("JSON")["access"].clone();
    assert!(plan("open").text().starts_with("\nwhat `get` does") && json("open").is_null());
    let asked = plan("asked").text();
    assert!(
        asked.starts_with(
            "
who may have it:
  /usr/bin/python3: denied
  /usr/bin/terraform: allowed
  every other program: after a person's consent, which holds for 30m for that program in that terminal session
  a program that cannot be named: denied

what `get` does where nothing is cached:
"
        ),
        "{asked}"
    );
    assert!(asked.ends_with("nobody is asked for a code; sessions in use are renewed in the background\n"), "{asked}");
    let expected = serde_json::json!({
        "by_program": { "/usr/bin/python3": "deny", "/usr/bin/terraform": "allow" },
        "other_programs": "ask", "unnamed_programs": "deny", "consent_seconds": 1800,
    });
    assert_eq!(json("asked"), expected);
    assert!(plan("denied").text().starts_with("\nwho may have it:\n  every program: denied\n"));
    assert_eq!(json("denied")["other_programs"], "deny");
}

#[test]
fn a_plan_names_the_source_that_signs_and_the_roles_that_a_code_serves() {
    let text = "\
[identities.instance]
type = \"ec2\"
[identities.ci]
type = \"environment\"
mfa_serial = \"arn:aws:iam::111111111111:mfa/ci\"
[identities.auth]
type = \"iam-user\"
mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"
[roles.on-instance]
source = \"instance\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
[roles.in-ci]
source = \"ci\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
[roles.safe]
source = \"auth\"
role_arn = \"arn:aws:iam::222222222222:role/AssumedRole\"
mfa_serial = \"arn:aws:iam::111111111111:mfa/safe\"
";
    let catalogue = config::parse(text, Path::new("config.toml")).expect("valid");
    let plan = |name: &str| ShownPlan::new(&catalogue, &Plan::of(&catalogue, name).expect("planned"));
    let source = "the instance metadata service at 169.254.169.254";
    let text = plan("on-instance").text();
    assert!(text.contains(&format!("1. take the session that {source} gives")), "{text}");
    assert!(text.contains(&format!("us-east-1, signed by the session that {source} gives: lasts 1h")), "{text}");
    let json = serde_json::to_value(plan("on-instance")).expect("JSON");
    assert_eq!(json["calls"][1]["signed_by"], format!("the session that {source} gives"));
    let text = plan("in-ci").text();
    assert!(text.contains("signed by the access key that the agent's environment gives and a code"), "{text}");
    let text = plan("safe").text();
    assert!(
        text.contains("a code of arn:aws:iam::111111111111:mfa/safe serves all roles of auth that have this device")
    );
}
