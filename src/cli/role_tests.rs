//! Roles from flags to text and back to a screen.

use super::*;
use crate::cli::args::Cli;
use crate::files::write_atomically;
use clap::Parser;

const BEFORE: &str = "# mine\n[identities.auth]\ntype = \"iam-user\" # the key\nregion = \"eu-west-1\"\n";

fn flags(line: &str) -> (String, RoleFlags) {
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{line}: {e}"));
    match cli.command {
        crate::cli::args::Command::Role(RoleCommand::Add(args)) => (args.name.to_string(), args.flags),
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
         --region eu-central-1 --mfa none --access ask --access-by-program /usr/bin/terraform=allow --display-name Production --color red",
    );
    let section = section(&flags).expect("a section");
    let file = Path::new("config.toml");
    let text = config::add_role(BEFORE, file, &name, &section, IfPresent::Refuse).expect("fits");
    assert!(text.starts_with(BEFORE), "{text}");
    let catalogue = config::parse(&text, file).expect("valid");
    let shown = Shown::new(&catalogue, &catalogue.roles["prod"]);
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
    assert_eq!(policy(&typed).expect("read"), r#"{"Statement":[],"Version":"2012-10-17"}"#);
    assert_eq!(policy("{ }").expect("as typed"), "{ }");
    assert!(policy("file:///no/such/file").expect_err("missing").message.contains("/no/such/file"));
    write_atomically(&path, "x".repeat(70_000).as_bytes()).expect("written");
    assert!(policy(&typed).expect_err("long").message.contains("64 KiB"));
}

#[test]
fn a_tag_twice_is_a_mistake() {
    let (_, flags) = flags("rolecall role add p --role-arn A --source s --session-tag a=1 --session-tag a=2");
    assert_eq!(section(&flags).expect_err("twice").kind, Kind::Usage);
}

#[test]
fn durations_are_written_as_the_configuration_writes_them() {
    for text in ["1h", "90m", "12h", "901s"] {
        assert_eq!(duration(config::parse_duration(text).expect("valid")), text);
    }
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
a code of arn:aws:iam::111111111111:mfa/richard serves all roles of the identity for 12h; it comes from, in order: \
unlock, a TOTP secret if the vault keeps one, pinentry, tty
"
    );
    let direct = plan("direct");
    assert!(direct.contains("signed by the access key of auth and a code: lasts 8h, at most 12h"), "{direct}");
    assert!(direct.contains("serves this role alone for 8h"), "{direct}");
    assert!(plan("free").ends_with("nobody is asked; sessions in use are renewed in the background\n"));
}
