//! What each kind of identity means for the texts: problems of its section and of its roles, plan, console, settings.

use super::parse;
use crate::domain::catalogue::Config;
use crate::domain::console::reached;
use crate::domain::error::UserError;
use crate::domain::plan::Plan;
use crate::domain::switch_role;
use std::fmt::Write;
use std::path::Path;

const SERIAL: &str = "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"";
const ROLE: &str = "[roles.prod]\nsource = \"a\"\nrole_arn = \"arn:aws:iam::222222222222:role/Prod\"\n";

/// Each kind with the keys that it needs.
const KINDS: [&str; 6] = [
    "type = \"iam-user\"",
    "type = \"ec2\"",
    "type = \"ecs\"",
    "type = \"environment\"",
    "type = \"web-identity\"\nweb_identity_token_file = \"/run/token\"\nrole_arn = \"arn:aws:iam::111111111111:role/Web\"",
    "type = \"process\"\ncredential_process = [\"/usr/bin/corp-login\", \"--secret\"]",
];

/// Every key of an identity that not all kinds have.
const KEYS: &str = "rotate_after = \"90d\"
ec2_metadata_service_endpoint = \"http://127.0.0.1:1338/\"
container_credentials_relative_uri = \"/v2/credentials\"
container_credentials_full_uri = \"http://127.0.0.1/credentials\"
container_authorization_token_file = \"/run/authorization\"
web_identity_token_file = \"/run/token\"
role_arn = \"arn:aws:iam::111111111111:role/Web\"
role_session_name = \"build\"
duration = \"2h\"
credential_process = [\"/usr/bin/corp-login\", \"--secret\"]
";

/// Adds the problems of an identity, or what holds for it.
fn section(page: &mut String, title: &str, lines: &str, role: &str) {
    writeln!(page, "\n{title}:").expect("a string takes all");
    let text = format!("[identities.a]\n{lines}\n{role}");
    let told = match parse(&text, Path::new("c.toml")) {
        Ok(config) => good(&config),
        Err(error) => error.lines().collect(),
    };
    page.extend(told.iter().map(|line| format!("  {line}\n")));
}

fn good(config: &Config) -> Vec<String> {
    let identity = &config.identities["a"];
    let mut told = vec![match &identity.source {
        Some(source) => format!("{source}: {:?}", source.settings()),
        None => "no source".to_owned(),
    }];
    for name in ["a", "prod"] {
        let Ok(plan) = Plan::of(config, name) else { continue };
        told.extend(plan.calls().iter().map(|call| format!("{name}: {call:?}")));
        told.push(format!("{name}: {:?}, unlocked by {}", plan.asked(), plan.unlock_name()));
        told.push(format!(
            "{name}: {}",
            reached(&plan).map_or_else(|report| refusal(&report), |way| format!("{way:?}"))
        ));
    }
    if let Some(role) = config.roles.get("prod") {
        told.push(switch_role::link(config, role).unwrap_or_else(|report| refusal(&report)));
    }
    told
}

fn refusal(report: &UserError) -> String {
    format!("{report}; hint: {}", report.hint.as_deref().unwrap_or("none"))
}

/// `ROLECALL_BLESS=1 cargo test -p rolecall-core wording` writes the file.
#[test]
fn wording_of_each_identity_kind_is_as_in_the_file() {
    let mut page = String::new();
    section(&mut page, "no type", "", "");
    section(&mut page, "an unknown type", "type = \"user\"", "");
    for kind in KINDS {
        let word = kind.lines().next().expect("a line");
        writeln!(page, "\n# {word}").expect("a string takes all");
        section(&mut page, "the type alone", word, ROLE);
        section(&mut page, "every key", &format!("{word}\n{KEYS}"), "");
        section(&mut page, "with what it needs", kind, ROLE);
        section(&mut page, "in China", &format!("{kind}\nregion = \"cn-north-1\""), "");
        section(&mut page, "with a device", &format!("{kind}\n{SERIAL}"), ROLE);
        section(&mut page, "with a program for codes", &format!("{kind}\nmfa_process = [\"/usr/bin/code\"]"), "");
        section(&mut page, "with a long role", kind, &format!("{ROLE}duration = \"2h\"\n"));
        section(&mut page, "with a role of its own device", kind, &format!("{ROLE}{SERIAL}\n"));
        let direct = format!("{ROLE}mfa = \"direct\"\nduration = \"12h\"\n");
        section(&mut page, "with a device and a direct role", &format!("{kind}\n{SERIAL}"), &direct);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/identity_wording.txt");
    #[expect(clippy::disallowed_methods, reason = "a test's switch, and a file of the source tree")]
    if std::env::var_os("ROLECALL_BLESS").is_some() {
        std::fs::write(&file, &page).expect("written");
    }
    let pinned = std::fs::read_to_string(&file).unwrap_or_default();
    for (is, was) in page.lines().zip(pinned.lines()) {
        assert_eq!(is, was, "`ROLECALL_BLESS=1 cargo test -p rolecall-core wording` writes the file");
    }
    assert_eq!(page.len(), pinned.len());
}
