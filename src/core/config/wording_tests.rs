//! Every text about a configuration: what the reader reports about a wrong one, and why an edit is refused.
//! `ROLECALL_BLESS=1 cargo test -p rolecall-core wording` writes the file.

use super::many_tests::{Memory, whole};
use super::schema_types::{IdentitySection, RoleSection, SocketSection};
use super::*;
use crate::blessed;
use crate::domain::error::UserError;
use std::fmt::Write;

const AUTH: &str = "[identities.auth]\ntype = \"iam-user\"\nmfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\n";
const ARN: &str = "role_arn = \"arn:aws:iam::222222222222:role/R\"";
const TEMPLATE: &str = "[templates.t]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{account}:role/R\"\n";
const ACCOUNTS: &str = "[accounts]\ndev.id = \"222222222222\"\nprod.id = \"333333333333\"\n";

/// Lines of one section that are wrong, by section.
const SECTIONS: &[(&str, &[&str])] = &[
    ("", &["profile = 1", "rols = 1", "agent = 1", "roles = []", "identities = 1", "a b", "x = [", "include = \"a\""]),
    (
        "[agent]",
        &[
            "idle_lok = 1",
            "idle_lock = 1",
            "idle_lock = 0x10",
            "idle_lock = \"30s\"",
            "idle_lock = \"99999999999999999999d\"",
            "max_unlocked = \"h\"",
            "audit = \"never\"",
            "vault = \"keychain\"",
            "prompts = [\"tty\", \"tty\"]",
            "prompts = \"tty\"",
            "prompts = [1]",
            "pinentry_program = \"~/p\"",
            "pinentry_program = \"p\"",
            "pinentry_program = \"/a\\nb\"",
            "lock_on = [\"lid\"]",
            "warn_before = \"37h\"",
            "consent = \"2d\"",
        ],
    ),
    (
        "[aws]",
        &[
            "region = \"eu-west-1\"",
            "http_proxy = \"x\"",
            "endpoint_url = \"http://10.0.0.1\"",
            "endpoint_url = \"ftp://x\"",
            "endpoint_url = \"https://u@x\"",
            "https_proxy = \"https://x\"",
            "https_proxy_user = \"a:b\"",
            "no_proxy = [\"a b\"]",
            "ca_bundle = \"ca.pem\"",
            "use_fips_endpoint = 1",
            "endpoint_url = \"http://127.0.0.1:1\"\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true",
        ],
    ),
    (
        "[identities.i]",
        &[
            "",
            "type = \"user\"",
            "type = \"iam-user\"\nregon = \"x\"",
            "type = \"iam-user\"\naws_access_key_id = \"AKIA\"",
            "type = \"iam-user\"\ncredential_source = \"Ec2InstanceMetadata\"",
            "type = \"iam-user\"\nmfa_serial = \"x\"",
            "type = \"iam-user\"\nmfa_serial = \"arn:aws:iam::111111111111:user/x\"",
            "type = \"iam-user\"\nmfa_session = \"37h\"",
            "type = \"iam-user\"\nmfa_process = [\"/p\"]",
            "type = \"iam-user\"\nmfa_process = \"/p\"",
            "type = \"iam-user\"\nregion = \"Ireland\"",
            "type = \"iam-user\"\nrotate_after = \"12h\"",
            "type = \"iam-user\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\"",
            "type = \"iam-user\"\ncontainer_credentials_relative_uri = \"/x\"",
            "type = \"ec2\"\nmfa_serial = \"GAHT12345678\"",
            "type = \"ec2\"\nrotate_after = \"90d\"",
            "type = \"ec2\"\nec2_metadata_service_endpoint = \"https://x\"",
            "type = \"ecs\"\ncontainer_credentials_relative_uri = \"x\"",
            "type = \"ecs\"\ncontainer_credentials_full_uri = \"http://10.0.0.1/x\"",
            "type = \"ecs\"\ncontainer_credentials_relative_uri = \"/x\"\ncontainer_credentials_full_uri = \"https://x/\"",
            "type = \"process\"",
            "type = \"process\"\ncredential_process = []",
            "type = \"process\"\ncredential_process = \"/p a\"",
            "type = \"process\"\ncredential_process = [\"p\"]",
            "type = \"process\"\ncredential_process = [\"/p\", \"\\u0000\"]",
            "type = \"web-identity\"",
            "type = \"web-identity\"\nregion = \"cn-north-1\"\nweb_identity_token_file = \"/t\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\"",
            "type = \"web-identity\"\nweb_identity_token_file = \"t\"\nrole_arn = \"x\"\nduration = \"13h\"\nrole_session_name = \"x\"",
        ],
    ),
    (
        "[roles.r]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\"",
        &[
            "source_profile = \"auth\"",
            "duration_seconds = 3600",
            "mfa_session = \"1h\"",
            "type = \"role\"",
            "duraton = \"1h\"",
            "[roles.team.prod]",
            "external_id = \"a b\"",
            "external_id = \"x\"",
            "duration = \"13h\"",
            "duration = 3600",
            "duration = \"2h\"",
            "role_session_name = \"x\"",
            "source_identity = \"aws:me\"",
            "session_tags = [1]",
            "session_tags = { a = 1 }",
            "session_tags = { Team = \"a\", team = \"b\" }",
            "session_tags = { \"aws:x\" = \"a\", \"\" = \"\" , a = \"*\" }",
            "transitive_tag_keys = [\"a\"]",
            "policy = \"[]\"",
            "policy = \"{\"",
            "policy = \"\u{2192}\"",
            "policy_arns = [\"arn:aws:iam::aws:role/x\"]",
            "region = \"cn-north-1\"",
            "mfa = true",
            "mfa = \"always\"",
            "mfa_serial = \"x\"",
            "access = \"never\"",
            "access_by_program = { terraform = \"ask\" }",
            "display_name = \"\"",
            "color = \"pinkish\"",
            "tags = [\"a b\", \"\"]",
        ],
    ),
    (
        "[roles.r]",
        &[
            "",
            "source = \"auth\"",
            "source = \"auht\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\"",
            "source = \"r\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\"",
            "source = \"auth\"\nrole_arn = \"arn:aws:iam::1:role/R\"",
            "source = \"auth\"\nrole_arn = \"arn:aws-cn:iam::222222222222:role/R\"\nregion = \"eu-west-1\"",
        ],
    ),
    ("[roles.auth]", &["source = \"auth\"\nrole_arn = \"arn:aws:iam::222222222222:role/R\""]),
    (
        "[sockets.vm]",
        &[
            "",
            "roles = []",
            "roles = \"r\"",
            "roles = [\"r\", \"r\"]",
            "roles = [\"auth\"]",
            "roles = [\"nobody\"]",
            "role = \"r\"",
            "path = \"/x\"",
            "ask = 1",
        ],
    ),
    ("[sockets.\"a/b\"]", &["roles = [\"auth\"]"]),
    ("[roles.\"a b\"]", &[""]),
    ("[accounts.a]", &["", "id = \"1\"", "account = \"1\"", "id = \"222222222222\"\nregion = \"x\"\ncolor = \"x\""]),
    (
        "[defaults]",
        &[
            "external_id = \"x1\"",
            "mfa_serial = \"x\"",
            "tags = []",
            "source = \"a b\"",
            "color = \"x\"",
            "mfa = \"x\"",
        ],
    ),
];

/// Whole configurations that are wrong.
fn configurations() -> Vec<Vec<(&'static str, String)>> {
    let one = |text: String| vec![("config.toml", text)];
    let chain = |first: &str, second: &str| {
        one(format!(
            "{AUTH}[roles.first]\nsource = \"auth\"\n{ARN}\n{first}\n[roles.second]\nsource = \"first\"\n{ARN}\n{second}\n"
        ))
    };
    let arns = "policy_arns = [\"arn:aws:iam::aws:policy/SecurityAudit\"]\npolicy = '{\"Sid\":\"LONG\"}'";
    let include = |list: &str| format!("include = [{list}]\n{AUTH}");
    let mut all = vec![
        chain("", "duration = \"2h\""),
        chain("", "mfa = \"session\"\nmfa_serial = \"GAHT12345678\""),
        chain("source_identity = \"alice\"", "source_identity = \"bob\""),
        chain("session_tags = { Team = \"a\" }\ntransitive_tag_keys = [\"team\"]", "session_tags = { TEAM = \"b\" }"),
        chain("session_tags = { Team = \"a\" }\ntransitive_tag_keys = [\"team\"]", "transitive_tag_keys = [\"Team\"]"),
        chain("", "transitive_tag_keys = [\"Team\"]"),
        chain("", &arns.replace("LONG", &"x".repeat(2030))),
        one(format!(
            "[identities.i]\ntype = \"ec2\"\n[roles.r]\nsource = \"i\"\n{ARN}\nduration = \"2h\"\nmfa = \"direct\"\nmfa_serial = \"GAHT12345678\"\n"
        )),
        one(format!(
            "[identities.i]\ntype = \"ec2\"\nregion = \"cn-north-1\"\n[roles.r]\nsource = \"i\"\n{ARN}\nmfa = \"direct\"\n"
        )),
        one(format!("{AUTH}[roles.a]\nsource = \"b\"\n{ARN}\n[roles.b]\nsource = \"a\"\n{ARN}\n")),
        one(format!("{AUTH}[defaults]\nduration = \"8h\"\nsource = \"auth\"\n[roles.r]\n{ARN}\n")),
        one(format!(
            "{AUTH}[roles.bad]\nsource = \"auth\"\nrole_arn = \"x\"\n[roles.r]\nsource = \"bad\"\n{ARN}\n[sockets.vm]\nroles = [\"bad\"]\n"
        )),
        one(format!(
            "{AUTH}[roles.bad]\nsource = \"auth\"\nrole_arn = \"x\"\n[sockets.vm]\nroles = [\"bad\", \"badd\"]\n"
        )),
        one((0..12).fold(AUTH.to_owned(), |text, n| {
            let source = if n == 0 { "auth".to_owned() } else { format!("r{}", n - 1) };
            format!("{text}[roles.r{n}]\nsource = \"{source}\"\n{ARN}\n")
        })),
        one("[roles.a]\n[roles.a]\n".to_owned()),
        one("\u{0}a\u{0}".to_owned()),
        vec![
            ("config.toml", include("\"a.toml\"")),
            ("a.toml", format!("[identities.auth]\ntype = \"ec2\"\n[roles.r]\nsource = \"auth\"\n{ARN}\n")),
        ],
        vec![("config.toml", include("\"a.toml\"")), ("a.toml", "[agent]\nvault = \"os\"\n".to_owned())],
        vec![("config.toml", include("\"a.toml\"")), ("a.toml", "include = [\"config.toml\"]".to_owned())],
        vec![("config.toml", include("\"a.toml\"")), ("a.toml", String::new())],
        vec![("config.toml", include("\"a.toml\", \"a.toml\"")), ("a.toml", "# a\n".to_owned())],
        vec![("config.toml", include("\"a.toml\"")), ("a.toml", "\u{0}".to_owned())],
    ];
    for list in ["\"no.toml\"", "\"no/*.toml\"", "\"~/x\"", "\"*/x\"", "\"\"", "\"a\\u0000b\"", "1"] {
        all.push(one(include(list)));
    }
    for lines in [
        "accounts = [\"deev\"]",
        "accounts = [\"x-*\"]",
        "accounts = [\"a b\"]",
        "accounts = []",
        "account_tags = [\"none\"]",
        "account_tags = []",
        "role = \"x\"",
        "name = \"same\"",
        "name = \"{account\"",
        "name = \"{acount}\"",
        "name = \"{account} x\"",
        "external_id = \"a {account}\"",
        "role_session_name = \"{name}\"",
        "display_name = \"\"",
        "duration = \"2h\"",
        "mfa = \"direct\"\nregion = \"cn-north-1\"",
        "source_profile = \"x\"",
        "[templates.u]\nname = \"{account_name}-t\"\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{account}:role/R\"",
        "[templates.u]\nsource = \"nobody\"\nrole_arn = \"arn:aws:iam::{account}:role/R\"",
        "[templates.u]\nsource = \"{account_name} x\"\nrole_arn = \"arn:aws:iam::{account}:role/R\"",
        "[templates.u]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{account}:user/R\"",
        "[templates.u]",
    ] {
        all.push(one(format!("{AUTH}{ACCOUNTS}{TEMPLATE}{lines}\n")));
    }
    all.push(one(format!("{AUTH}{TEMPLATE}")));
    all
}

fn print(page: &mut String, title: &str, error: &ConfigError) {
    let UserError { kind, message, hint, .. } = error.report();
    let _ = writeln!(page, "{title}\n  {kind:?}: {message}\n  hint: {}", hint.as_deref().unwrap_or("-"));
    for line in error.lines().skip(1) {
        let _ = writeln!(page, "  then {line}");
    }
    page.push('\n');
}

#[test]
fn wording_of_a_wrong_configuration_is_as_in_the_file() {
    let mut page = String::new();
    for (section, all) in SECTIONS {
        for lines in *all {
            let role = if section.contains("roles.r]") { "" } else { "[roles.r]\nsource = \"auth\"\n" };
            let role = if role.is_empty() { String::new() } else { format!("{role}{ARN}\n") };
            let text = if section.is_empty() {
                format!("{lines}\n{AUTH}")
            } else {
                format!("{AUTH}{role}{section}\n{lines}\n")
            };
            let title = format!("{section} {lines}").replace('\n', "; ");
            match parse(&text, Path::new("config.toml")) {
                Ok(_) => panic!("{text} is right"),
                Err(error) => print(&mut page, &title, &error),
            }
        }
    }
    for files in configurations() {
        let title =
            files.iter().map(|(name, text)| format!("{name}: {}", text.replace('\n', "; "))).collect::<Vec<_>>();
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let title: String = title.join(" | ").replace(&AUTH.replace('\n', "; "), "…");
        match whole(&files) {
            Ok(_) => panic!("{title} is right"),
            Err(error) => print(&mut page, &title.replace('\0', "\\0"), &error),
        }
    }
    blessed::check(env!("CARGO_MANIFEST_DIR"), "config/wording.txt", &page);
}

#[test]
fn wording_of_a_refused_edit_is_as_in_the_file() {
    let main = format!(
        "include = [\"a.toml\"]\n{AUTH}[identities.lone]\ntype = \"ec2\"\n[roles.r]\nsource = \"auth\"\n{ARN}\n\
         [roles.s]\nsource = \"r\"\n{ARN}\n[roles.u]\nsource = \"s\"\n{ARN}\n[sockets.vm]\nroles = [\"u\"]\n\
         [sockets.ci]\nroles = [\"r\", \"s\"]\n"
    );
    let a = format!(
        "{ACCOUNTS}{TEMPLATE}[roles.x]\nsource = \"lone\"\n{ARN}\n[identities.far]\ntype = \"ec2\"\n\
        [templates.w]\nsource = \"far\"\nrole_arn = \"arn:aws:iam::{{account}}:role/W\"\n"
    );
    let files = Memory::with(&[("config.toml", &main), ("a.toml", &a)]);
    let (main_path, a_path) = (Path::new("/c/config.toml"), Path::new("/c/a.toml"));
    let part = Part { main: main_path, file: main_path, files: &files };
    let far = Part { main: main_path, file: a_path, files: &files };
    let role = |source: &str, duration: Option<&str>| RoleSection {
        source: source.into(),
        role_arn: "arn:aws:iam::222222222222:role/R".into(),
        duration: duration.map(str::to_owned),
        ..RoleSection::default()
    };
    let user = IdentitySection { r#type: "iam-user".into(), ..IdentitySection::default() };
    let of_type = |kind: &str| IdentitySection { r#type: kind.into(), ..IdentitySection::default() };
    let socket = |roles: &[&str]| SocketSection {
        roles: roles.iter().map(ToString::to_string).collect(),
        ..SocketSection::default()
    };
    let (refuse, replace) = (IfPresent::Refuse, IfPresent::Replace);
    let broken = main.replace("ec2", "ec3");
    let inline = format!("roles = 1\n{AUTH}");
    let added = [
        ("role that exists", add(EntryKind::Roles, &main, &part, "r", &role("auth", None), refuse)),
        ("identity that exists", add(EntryKind::Identities, &main, &part, "auth", &user, refuse)),
        ("socket that exists", add(EntryKind::Sockets, &main, &part, "vm", &socket(&["r"]), refuse)),
        ("role with the name of an identity", add(EntryKind::Roles, &main, &part, "auth", &role("auth", None), refuse)),
        ("identity with the name of a role", add(EntryKind::Identities, &main, &part, "r", &user, refuse)),
        ("role with a bad name", add(EntryKind::Roles, &main, &part, "a b", &role("auth", None), refuse)),
        ("socket with a bad name", add(EntryKind::Sockets, &main, &part, "a/b", &socket(&["r"]), refuse)),
        ("role in another file", add(EntryKind::Roles, &main, &part, "x", &role("auth", None), replace)),
        ("role with a bad value", add(EntryKind::Roles, &main, &part, "n", &role("auth", Some("1")), refuse)),
        ("role with an unknown source", add(EntryKind::Roles, &main, &part, "n", &role("nobody", None), refuse)),
        (
            "role with a dot and a bad value",
            add(EntryKind::Roles, &main, &part, "n.m", &role("auth", Some("13h")), refuse),
        ),
        ("role that breaks another", add(EntryKind::Roles, &main, &part, "r", &role("s", None), replace)),
        ("identity of no type", add(EntryKind::Identities, &main, &part, "n", &of_type("x"), refuse)),
        ("identity that breaks a role", add(EntryKind::Identities, &main, &part, "lone", &of_type("process"), replace)),
        ("socket without roles", add(EntryKind::Sockets, &main, &part, "n", &socket(&[]), refuse)),
        ("socket of an unknown role", add(EntryKind::Sockets, &main, &part, "n", &socket(&["nobody"]), refuse)),
        ("role in a broken file", add(EntryKind::Roles, &broken, &part, "n", &role("auth", None), refuse)),
        (
            "role in a file whose roles are no table",
            add(EntryKind::Roles, &inline, Path::new("c.toml"), "n", &role("auth", None), refuse),
        ),
        (
            "role whose keys have an order of their own",
            add(
                EntryKind::Roles,
                "agent.vault = \"os\"\naws.use_fips_endpoint = true\nagent.audit = \"required\"\n",
                Path::new("c.toml"),
                "n",
                &role("n", None),
                refuse,
            ),
        ),
    ];
    let removed = [
        ("remove an unknown role", remove(EntryKind::Roles, &main, &part, "rr")),
        ("remove an unknown identity", remove(EntryKind::Identities, &main, &part, "nobody")),
        ("remove an unknown socket", remove(EntryKind::Sockets, &main, &part, "vmm")),
        ("remove a role of another file", remove(EntryKind::Roles, &main, &part, "x")),
        ("remove a role of a template", remove(EntryKind::Roles, &main, &part, "dev-t")),
        ("remove a served role", remove(EntryKind::Roles, &main, &part, "u")),
        ("remove one of the served roles", remove(EntryKind::Roles, &main, &part, "r")),
        ("remove the source of a role", remove(EntryKind::Identities, &main, &part, "lone")),
        ("remove the source of many", remove(EntryKind::Identities, &main, &part, "auth")),
        ("remove the source of a template", remove(EntryKind::Identities, &a, &far, "far")),
        ("remove from a broken file", remove(EntryKind::Roles, &broken, &part, "r")),
    ];
    let mut page = String::new();
    let added = added.into_iter().map(|(title, result)| (title, result.map_err(UserError::from)));
    for (title, result) in added.chain(removed) {
        let UserError { kind, message, hint, .. } = result.expect_err(title);
        let _ = writeln!(page, "{title}\n  {kind:?}: {message}\n  hint: {}\n", hint.as_deref().unwrap_or("-"));
    }
    let new = BatchEdit {
        identities: [("auth".to_owned(), user)].into(),
        roles: [("n".to_owned(), role("nobody", None)), ("m".to_owned(), role("auth", Some("x")))].into(),
    };
    print(&mut page, "many entries at once", &add_entries("", Path::new("c.toml"), &new).expect_err("wrong"));
    blessed::check(env!("CARGO_MANIFEST_DIR"), "config/wording_edits.txt", &page);
}
