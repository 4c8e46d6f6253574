use super::*;
use crate::domain::arn::Partition;
use crate::domain::catalogue::{MfaMode, PromptKind, VaultKind};
use crate::domain::error::Kind;
use crate::domain::source::IdentityKind;
use proptest::prelude::*;
use std::fmt::Write;
use std::time::Duration;

pub(super) const EXAMPLE: &str = include_str!("../../../config/config.example.toml");

const GOOD: &str = r#"[identities.auth]
type = "iam-user"
mfa_serial = "arn:aws:iam::111111111111:mfa/richard"
[roles.prod]
source = "auth"
role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
"#;

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(text, Path::new("c.toml"))
}

/// All that is wrong with `text`, one line each.
fn wrong(text: &str) -> Vec<String> {
    read(text).err().map(|e| e.lines().collect()).unwrap_or_default()
}

/// What is wrong with lines that follow the good role.
fn wrong_role(lines: &str) -> Vec<String> {
    wrong(&format!("{GOOD}{lines}\n"))
}

#[test]
fn the_example_is_read_with_every_value() {
    let catalogue = read(EXAMPLE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(catalogue.agent.idle_lock, Some(Duration::from_hours(12)));
    assert_eq!((catalogue.agent.vault, catalogue.agent.prompts.len()), (VaultKind::Os, 2));
    assert_eq!(catalogue.identities["instance"].kind(), IdentityKind::Ec2);
    let prod = &catalogue.roles["prod"];
    assert_eq!((prod.source.as_str(), prod.role_arn.partition()), ("auth", Partition::Aws));
    assert_eq!(
        (prod.settings.color.as_deref(), prod.settings.display_name.as_deref()),
        (Some("red"), Some("Production"))
    );
    let audit = &catalogue.roles["audit"];
    assert_eq!((audit.settings.mfa, audit.settings.duration), (Some(MfaMode::Direct), Some(Duration::from_hours(8))));
    assert_eq!(
        (audit.settings.session_tags.len(), audit.settings.transitive_tag_keys.len(), audit.settings.policy_arns.len()),
        (2, 1, 1)
    );
    assert!(audit.settings.policy.as_deref().is_some_and(|p| p.contains("s3:Get*")));
    assert!(catalogue.roles.contains_key("team.dev"));
}

#[test]
fn every_key_that_is_commented_out_in_the_example_is_accepted() {
    for line in EXAMPLE.lines().filter_map(|l| l.strip_prefix("# ")).filter(|l| l.contains(" = \"")) {
        let text = format!("[aws]\n{line}\n");
        assert_eq!(wrong(&text), Vec::<String>::new(), "{line}");
    }
    for (section, keys) in sections::keys() {
        for key in keys.iter().filter(|_| !section.is_empty()) {
            assert!(EXAMPLE.contains(&format!("{key} = ")), "{section}.{key} is not in the example");
        }
    }
}

#[test]
fn an_empty_file_is_a_configuration() {
    for text in ["", "\n", "# nothing\r\n", "\u{feff}", "\u{feff}# x\r\n[agent]\r\n", "[roles]\n[identities]\n"] {
        let catalogue = read(text).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        assert_eq!(catalogue.roles.len() + catalogue.identities.len(), 0);
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_line() {
    let text = r#"[agent]
idle_lok = "1h"
vault = "keychain"

[identities.auth]
type = "iam-user"
regon = "eu-west-1"

[roles.prod]
source = "auth"
role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
duraton = "1h"
duration = 3600
color = "reddish"

[role.x]
"#;
    assert_eq!(
        wrong(text),
        [
            "c.toml:2: agent.idle_lok: unknown key; did you mean `idle_lock`?",
            "c.toml:3: agent.vault: `keychain` is not one of os, file",
            "c.toml:7: identities.auth.regon: unknown key; did you mean `region`?",
            "c.toml:12: roles.prod.duraton: unknown key; did you mean `duration`?",
            "c.toml:13: roles.prod.duration: a duration is text with a unit: \"3600s\", or \"1h\"",
            "c.toml:14: roles.prod.color: a colour is blue, green, orange, red, yellow, or six hexadecimal digits, as f2b0a9",
            "c.toml:16: role: unknown key; did you mean `roles`?",
        ]
    );
    let report = read(text).expect_err("wrong").report();
    assert_eq!(report.kind, Kind::Config);
    assert_eq!(report.message, "c.toml:2: agent.idle_lok: unknown key; did you mean `idle_lock`? (and 6 more)");
    assert!(report.hint.is_some_and(|h| h.contains("c.toml")));
}

#[test]
fn statements_across_entries_have_the_line_of_the_key() {
    let text = format!(
        "{GOOD}[roles.b]\nsource = \"prdo\"\nrole_arn = \"arn:aws:iam::1:role/x\"\n[roles.\"x.y\"]\n\
        role_arn = \"arn:aws:iam::222222222222:role/A\"\nduration = \"2h\"\nsource = \"prod\"\n"
    );
    assert_eq!(
        wrong(&text),
        [
            "c.toml:9: roles.b.role_arn: an account number has 12 digits",
            "c.toml:12: roles.\"x.y\".duration: AWS limits a role assumed by another role to 1h",
        ]
    );
    let lines = wrong(&text.replace(":1:", ":111111111111:"));
    assert_eq!(lines[0], "c.toml:8: roles.b.source: there is no identity or role called `prdo`; did you mean `prod`?");
}

#[test]
fn an_entry_that_is_wrong_itself_causes_no_complaint_about_its_users() {
    let broken_identity = GOOD.replace("mfa/richard", "user/richard");
    let lines = wrong(&format!(
        "{broken_identity}mfa = \"direct\"\n[roles.c]\nsource = \"prod\"\nrole_arn = \"arn:aws:iam::222222222222:role/C\"\n"
    ));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("c.toml:3: identities.auth.mfa_serial: "));
    assert_eq!(
        wrong("identities = 1\n[roles.a]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/A\"\n").len(),
        1
    );
}

#[test]
fn what_must_be_there_is_asked_for_at_the_section() {
    assert_eq!(
        wrong("\n[identities.a]\n[roles.b]\n"),
        [
            "c.toml:2: identities.a.type: is missing; it is iam-user, ec2, ecs, environment, web-identity or process",
            "c.toml:3: roles.b.role_arn: is missing; it looks like arn:aws:iam::222222222222:role/Name",
            "c.toml:3: roles.b.source: is missing; it names the identity or role that assumes this one",
        ]
    );
    let types = wrong("[identities]\na = 1\nb = []\n[roles]\nc = \"x\"\n[[agent]]\n");
    assert_eq!(types.len(), 4, "{types:?}");
    assert!(types[0].ends_with("identities.a: expected a table, found an integer"), "{types:?}");
}

#[test]
fn a_name_with_a_dot_is_told_to_have_quotes() {
    assert_eq!(
        wrong(&format!("{GOOD}[roles.team.prod]\nsource = \"auth\"\n")),
        ["c.toml:7: roles.team.prod: unknown key; a name with a dot is quoted: [roles.\"team.prod\"]"]
    );
    assert_eq!(
        wrong("[identities.\"a b\"]\ntype = \"ec2\"\n"),
        ["c.toml:1: identities.\"a b\": a name is made of letters, digits and _ . @ + / = : -"]
    );
}

#[test]
fn keys_of_aws_and_secrets_are_met_with_advice() {
    assert!(wrong_role("source_profile = \"auth\"")[0].contains("here it is `source`"));
    assert!(wrong_role("duration_seconds = 3600")[0].contains("here it is `duration`"));
    assert!(wrong_role("mfa_session = \"1h\"")[0].contains("belongs to the identity"));
    let secret = wrong("[identities.a]\ntype = \"iam-user\"\naws_secret_access_key = \"wJalrXUtnFEMI\"\n");
    assert!(secret[0].contains("rolecall identity add") && !secret[0].contains("wJalr"), "{secret:?}");
}

#[test]
fn the_age_that_a_key_may_reach_is_a_duration_of_days_and_only_a_key_has_one() {
    let said = |line: &str| wrong(&format!("[identities.a]\n{line}\n"));
    for (line, part) in [
        ("type = \"iam-user\"\nrotate_after = \"12h\"", "not between 24h and 3650d"),
        ("type = \"iam-user\"\nrotate_after = \"4000d\"", "not between"),
        ("type = \"iam-user\"\nrotate_after = 90", "text with a unit"),
        ("type = \"iam-user\"\nrotate_after = \"90 days\"", "a duration looks like"),
        ("type = \"ec2\"\nrotate_after = \"90d\"", "only an identity of type iam-user"),
    ] {
        let said = said(line);
        assert!(said[0].contains("rotate_after") && said[0].contains(part), "{line}: {said:?}");
    }
    let catalogue = parse("[identities.a]\ntype = \"iam-user\"\nrotate_after = \"90d\"\n", Path::new("c"));
    let limit = catalogue.expect("right").identities["a"].rotate_after;
    assert_eq!(limit, Some(Duration::from_hours(90 * 24)));
}

#[test]
fn each_key_of_a_role_is_checked() {
    for (line, part) in [
        ("external_id = \"a b\"", "AWS allows"),
        ("duration = \"13h\"", "not between 15m and 12h"),
        ("duration = \"5m\"", "not between"),
        ("role_session_name = \"x\"", "2 to 64"),
        ("source_identity = \"aws:me\"", "aws:"),
        ("session_tags = [1]", "expected a table, found an array"),
        ("session_tags = { a = 1 }", "session_tags.a: expected a string, found an integer"),
        ("session_tags = { Team = \"a\", team = \"b\" }", "already there"),
        ("session_tags = { \"aws:x\" = \"a\" }", "session_tags.\"aws:x\": AWS keeps"),
        ("transitive_tag_keys = [\"a\", \"a\"]", "transitive_tag_keys.1: is listed twice"),
        ("policy = \"[]\"", "not a JSON object"),
        ("policy_arns = [\"arn:aws:iam::aws:role/x\"]", "policy_arns.0: a policy ARN"),
        ("policy_arns = \"x\"", "expected an array, found a string"),
        ("region = \"Ireland\"", "looks like eu-west-1"),
        ("mfa = true", "expected a string, found a boolean"),
        ("mfa = \"always\"", "session, direct, none"),
        ("mfa_serial = \"x\"", "an MFA serial has"),
        ("access = \"never\"", "allow, ask, deny"),
        ("access_by_program = { terraform = \"ask\" }", "does not start with /"),
        ("access_by_program = { \"/usr/bin/terraform\" = \"maybe\" }", "allow, ask, deny"),
        ("display_name = \"\"", "1 to 64"),
        ("color = \"pinkish\"", "a colour is"),
        ("source = 1979-05-27", "duplicate"),
    ] {
        let lines = wrong_role(line);
        assert_eq!(lines.len(), 1, "{line}: {lines:?}");
        let expected = if part == "duplicate" { "c.toml:7: source: is given twice" } else { part };
        assert!(lines[0].starts_with("c.toml:7: ") && lines[0].contains(expected), "{line}: {lines:?}");
    }
    let many: String = (0..51).fold("[roles.prod.session_tags]".into(), |text, i| format!("{text}\nt{i} = \"\""));
    assert_eq!(wrong_role(&many), ["c.toml:7: roles.prod.session_tags: has 51 tags, AWS takes 50"]);
}

#[test]
fn endpoints_fill_what_has_none_of_its_own_and_exclude_other_hosts() {
    let text = "[aws]\nendpoint_url = \"http://127.0.0.1:5000\"\nendpoint_url_sts = \"https://sts.example.com\"\n";
    let aws = read(text).expect("good").aws;
    assert_eq!(aws.sts_endpoint.as_deref(), Some("https://sts.example.com"));
    assert_eq!(aws.iam_endpoint.as_deref(), Some("http://127.0.0.1:5000"));
    assert_eq!(aws.signin_endpoint, aws.iam_endpoint);
    let lines = wrong(&format!("{text}use_fips_endpoint = true\nuse_dualstack_endpoint = 1\nca_bundle = \"~/x\"\n"));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], "c.toml:4: aws.use_fips_endpoint: AWS's own hosts and an endpoint_url exclude each other");
    assert!(wrong("[aws]\nendpoint_url = \"http://10.0.0.1\"\n")[0].contains("plain http"));
}

#[test]
fn the_agent_can_be_told_never_to_forget_and_never_to_ask() {
    let agent = read("[agent]\nidle_lock = \"never\"\nprompts = []\nvault = \"file\"\n").expect("good").agent;
    assert_eq!((agent.idle_lock, agent.prompts.len(), agent.vault), (None, 0, VaultKind::File));
    assert_eq!(read("[agent]\nprompts = [\"tty\"]").expect("good").agent.prompts, [PromptKind::Tty]);
    assert!(wrong("[agent]\nprompts = [\"tty\", \"tty\"]")[0].contains("agent.prompts.1: is listed twice"));
}

#[test]
fn what_locks_and_when_to_warn_are_chosen_freely_and_checked() {
    use crate::domain::catalogue::LockEvent::{ScreenLock, Sleep};
    let agent = |lines: &str| read(&format!("[agent]\n{lines}\n")).expect("good").agent;
    assert_eq!(agent("").lock_on, [ScreenLock, Sleep]);
    assert_eq!(agent("lock_on = []").lock_on, []);
    assert_eq!(agent("lock_on = [\"sleep\"]").lock_on, [Sleep]);
    assert_eq!(agent("").warn_before, Some(Duration::from_mins(30)));
    assert_eq!(agent("warn_before = \"never\"").warn_before, None);
    assert_eq!(agent("warn_before = \"1h\"").warn_before, Some(Duration::from_hours(1)));
    for (line, why) in [
        ("lock_on = [\"lid\"]", "agent.lock_on.0: "),
        ("lock_on = \"sleep\"", "agent.lock_on: "),
        ("warn_before = \"30s\"", "is not between 1m and 36h"),
        ("warn_before = \"37h\"", "is not between 1m and 36h"),
        ("warn_before = 30", "a duration is text with a unit"),
    ] {
        let lines = wrong(&format!("[agent]\n{line}\n"));
        assert!(lines.len() == 1 && lines[0].contains(why), "{line}: {lines:?}");
    }
}

#[test]
fn a_code_goes_with_the_keys_of_a_user_only() {
    let lines = wrong("[identities.i]\ntype = \"ec2\"\nmfa_serial = \"GAHT12345678\"\n");
    assert_eq!(lines, ["c.toml:3: identities.i.mfa_serial: AWS takes MFA codes from the keys of an IAM user only"]);
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_lines() {
    for (text, line) in [("a b", 1), ("[agent", 1), ("[agent]\r\nvault = os\r\n", 2), ("[agent]\nvault = \"os", 2)] {
        let error = read(text).expect_err(text);
        assert_eq!(error.problems[0].line, Some(line), "{text:?}: {error}");
        assert!(error.problems[0].message.starts_with("not valid TOML: "), "{error}");
    }
    let twice = wrong("[roles.a]\n[roles.a]\n");
    assert_eq!(twice, ["c.toml:2: a: is given twice"]);
    assert!(wrong(&format!("x = {}", "[".repeat(100_000)))[0].contains("recurs"));
    assert!(read(&format!("{}x = 1", "a.".repeat(100_000))).is_err());
}

#[test]
fn hostile_bytes_are_refused_and_cannot_reach_the_terminal() {
    let at = |bytes: &[u8]| parse_bytes(bytes, Path::new("c.toml")).expect_err("refused").lines().next();
    assert_eq!(at(b"# x\n\xff").as_deref(), Some("c.toml:2: the file is not UTF-8"));
    assert!(at(b"\xff\xfea\0").is_some_and(|l| l.contains("UTF-16")));
    assert_eq!(at(&vec![b'#'; MAX_BYTES + 1]).as_deref(), Some("c.toml: the file is larger than 8 MiB"));
    assert!(read(&" ".repeat(MAX_BYTES)).is_ok());
    for text in ["\"\\u001b[2J\\n\" = 1", "[roles.\"\\u001b]0;x\\u0007\\u202e\"]", "[agent]\nvault = \"\\u001b[31m\""] {
        let error = read(text).expect_err(text);
        assert!(error.lines().all(|line| !line.contains(['\u{1b}', '\n', '\u{202e}', '\u{7}'])), "{error}");
    }
    let report = parse("x", Path::new("/a\n\u{1b}b")).expect_err("wrong").report();
    assert!(!report.message.contains(['\n', '\u{1b}']) && !report.hint.unwrap_or_default().contains('\n'));
}

#[test]
fn a_flood_of_problems_is_counted_but_not_all_told() {
    let text = (0..100_000).fold(String::new(), |mut text, i| {
        writeln!(text, "k{i} = 1").expect("a string takes all");
        text
    });
    let error = read(&text).expect_err("wrong");
    assert_eq!(error.problems.len() + error.omitted, 100_000);
    assert!(error.problems.len() <= 100);
    assert!(error.report().message.ends_with("(and 99999 more)"));
    assert!(read(&"]\n".repeat(100_000)).expect_err("wrong").problems.len() <= includes::SYNTAX_ERRORS_MAX);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        let _ = read(&text);
        let _ = parse_bytes(text.as_bytes(), Path::new(""));
    }

    #[test]
    fn no_toml_makes_it_panic(text in r#"((\[\[?(agent|aws|roles|identities|roles\.a|"x.y"|roles\.a\.session_tags)\]?\]|(source|a\.b|policy|session_tags|prompts|"")) ?=? ?("[a-z:0-9\\]*"|\{a=1\}|\[1,"x"\]|1e9|0xff|true|1979-05-27)?\n){0,12}"#) {
        let _ = read(&text);
    }

    #[test]
    fn no_change_of_the_example_makes_it_panic(at in 0..EXAMPLE.len(), length in 0..40usize, with in "(?s).{0,6}") {
        let start = (0..=at).rev().find(|i| EXAMPLE.is_char_boundary(*i)).unwrap_or(0);
        let end = (at + length..=EXAMPLE.len()).find(|i| EXAMPLE.is_char_boundary(*i)).unwrap_or(EXAMPLE.len());
        let text = format!("{}{with}{}", &EXAMPLE[..start], &EXAMPLE[end..]);
        if let Err(error) = read(&text) {
            prop_assert!(!error.problems.is_empty());
            let lines = text.matches('\n').count() + 1;
            prop_assert!(error.problems.iter().all(|p| p.line.is_some_and(|l| l <= lines)));
        }
    }
}

#[test]
fn an_identity_without_a_stored_key_has_the_keys_of_its_type_and_no_others() {
    let of = |lines: &str| wrong(&format!("[identities.x]\n{lines}\n"));
    for good in [
        "type = \"ec2\"",
        "type = \"ec2\"\nec2_metadata_service_endpoint = \"http://[fd00:ec2::254]\"",
        "type = \"ecs\"",
        "type = \"ecs\"\ncontainer_credentials_relative_uri = \"/v2/x\"\ncontainer_authorization_token_file = \"/t\"",
        "type = \"environment\"",
        "type = \"process\"\ncredential_process = [\"/p\"]",
        "type = \"web-identity\"\nweb_identity_token_file = \"/t\"\nrole_arn = \"arn:aws:iam::222222222222:role/A\"",
    ] {
        assert_eq!(of(good), Vec::<String>::new(), "{good}");
    }
    for (bad, what) in [
        ("type = \"ec2\"\nec2_metadata_service_endpoint = \"http://example.com\"", "metadata service is at"),
        ("type = \"ecs\"\ncontainer_credentials_full_uri = \"http://10.0.0.1/x\"", "plain http"),
        (
            "type = \"ecs\"\ncontainer_credentials_full_uri = \"https://a/x\"\ncontainer_credentials_relative_uri = \"/x\"",
            "exclude each other",
        ),
        ("type = \"process\"", "credential_process: is missing"),
        ("type = \"process\"\ncredential_process = \"/p --a\"", "is a list here, and no shell reads it"),
        ("type = \"process\"\ncredential_process = []", "names no program"),
        ("type = \"process\"\ncredential_process = [\"corp-login\"]", "does not start with /"),
        ("type = \"process\"\ncredential_process = [\"/p\", \"\\u0000\"]", "zero byte"),
        (
            "type = \"web-identity\"\nrole_arn = \"arn:aws:iam::222222222222:role/A\"",
            "web_identity_token_file: is missing",
        ),
        ("type = \"web-identity\"\nweb_identity_token_file = \"/t\"", "role_arn: is missing"),
        ("type = \"iam-user\"\nrole_arn = \"arn:aws:iam::222222222222:role/A\"", "[roles.NAME]"),
        ("type = \"environment\"\ncredential_process = [\"/p\"]", "goes with type process only"),
        ("type = \"ec2\"\nduration = \"1h\"", "goes with type web-identity only"),
    ] {
        let said = of(bad);
        assert!(said.len() == 1 && said[0].contains(what), "{bad}: {said:?}");
    }
}

#[test]
fn durations_are_written_as_they_are_read() {
    for text in ["1h", "90m", "12h", "901s"] {
        assert_eq!(crate::domain::text::duration(parse_duration(text).expect("valid")), text);
    }
}
