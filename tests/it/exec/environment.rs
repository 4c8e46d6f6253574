//! What a command finds in its environment.

use super::{environment, granted, key_of, on_the_path, quietly};
use crate::harness::home::{CHAIN, Home, chained_world, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::process::{Running, signal};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::process::Command;

/// What other tools, and a machine of AWS's own, leave behind.
const LITTER: [(&str, &str); 15] = [
    ("AWS_PROFILE", "old"),
    ("AWS_DEFAULT_PROFILE", "old"),
    ("AWS_ACCESS_KEY_ID", "AKIAOLD"),
    ("AWS_SECRET_ACCESS_KEY", "old"),
    ("AWS_SESSION_TOKEN", "old"),
    ("AWS_SECURITY_TOKEN", "old"),
    ("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z"),
    ("AWS_ROLE_ARN", "arn:aws:iam::1:role/old"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/old"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/old"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/old"),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://old"),
    ("AWS_METADATA_ENDPOINT", "http://old"),
    ("AWS_VAULT", "old"),
    ("ROLECALL_ROLE", "old"),
];

fn littered(mut command: Command) -> Command {
    command.envs(LITTER).env("AWS_REGION", "us-east-1").env("NO_PROXY", ".corp").env("EDITOR", "vi");
    command
}

/// What the home itself has, and what is not to be touched.
fn rest(home: &Home) -> BTreeMap<String, String> {
    let kept = ["HOME", "USER", "PATH", "XDG_RUNTIME_DIR"];
    let all = environment(&quietly({
        let mut command = home.command("env");
        command.arg("-0");
        command
    }));
    let mut rest: BTreeMap<String, String> =
        all.into_iter().filter(|(name, _)| kept.contains(&name.as_str())).collect();
    rest.insert("EDITOR".into(), "vi".into());
    rest
}

fn with(mut rest: BTreeMap<String, String>, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    rest.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    rest
}

#[test]
fn a_command_has_the_endpoint_the_roles_region_and_all_else_as_it_was() {
    let home = Home::ready(TUTORIAL);
    let output = quietly(littered(home.rolecall(["exec", "prod", "--", "env", "-0"])));
    assert_eq!(text(&output.stderr), "", "what worked says nothing");
    let mut found = environment(&output);
    let url = found.remove("AWS_CONTAINER_CREDENTIALS_FULL_URI").expect("an address");
    let token = found.remove("AWS_CONTAINER_AUTHORIZATION_TOKEN").expect("a token");
    home.canaries.add(&token);
    let metadata = found.remove("AWS_METADATA_ENDPOINT").expect("an address");
    assert_eq!(metadata, format!("{}/metadata/{token}", url.trim_end_matches("/role/prod")));
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/role/prod"), "{url}");
    assert!(token.len() >= 43, "256 bits");
    let wanted = with(
        rest(&home),
        &[
            ("ROLECALL_ROLE", "prod"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("NO_PROXY", ".corp,127.0.0.1,localhost"),
            ("no_proxy", ".corp,127.0.0.1,localhost"),
        ],
    );
    assert_eq!(found, wanted);
}

#[test]
fn a_role_without_a_region_leaves_the_persons_own() {
    let home = Home::ready(&TUTORIAL.replace("region = \"eu-west-1\"", ""));
    home.configure(&format!("[agent]\nvault = \"file\"\n{}", TUTORIAL.replace("region = \"eu-west-1\"", "")));
    let mut outside = littered(home.rolecall(["exec", "prod", "--", "env", "-0"]));
    outside.env_remove("ROLECALL_ROLE");
    let found = environment(&quietly(outside));
    assert_eq!((found["AWS_REGION"].as_str(), found.get("AWS_DEFAULT_REGION")), ("us-east-1", None));
    // Inside of another role it may be that role's.
    let found = environment(&quietly(littered(home.rolecall(["exec", "prod", "--", "env", "-0"]))));
    assert_eq!(found.get("AWS_REGION"), None);
}

#[test]
fn plain_variables_are_the_session_of_get_with_its_end() {
    let home = Home::ready(TUTORIAL);
    let session: serde_json::Value = serde_json::from_slice(&home.run(["get", "prod"]).stdout).unwrap();
    let found = environment(&quietly(littered(home.rolecall(["exec", "--static", "prod", "--", "env", "-0"]))));
    let of = |key: &str| session[key].as_str().unwrap().to_owned();
    let wanted = with(
        rest(&home),
        &[
            ("ROLECALL_ROLE", "prod"),
            ("AWS_ACCESS_KEY_ID", &of("AccessKeyId")),
            ("AWS_SECRET_ACCESS_KEY", &of("SecretAccessKey")),
            ("AWS_SESSION_TOKEN", &of("SessionToken")),
            ("AWS_CREDENTIAL_EXPIRATION", &of("Expiration")),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("NO_PROXY", ".corp"),
        ],
    );
    assert!(
        found == wanted,
        "differs in {:?}",
        found.keys().filter(|name| found.get(*name) != wanted.get(*name)).collect::<Vec<_>>()
    );
    assert!(granted(&home).is_empty(), "nothing is served for it");
}

#[test]
fn what_a_command_fetches_is_the_session_of_get_and_it_is_served_until_it_ends() {
    let mut home = Home::ready(TUTORIAL);
    on_the_path(&mut home);
    let output = home.run(["exec", "prod", "--", "python3", "fetch.py"]);
    assert_eq!(text(&output.stdout).trim(), key_of(&home, "prod"), "{}", text(&output.stderr));
    let mut sleeping = Running::start(&mut home.rolecall(["exec", "prod", "--", "sleep", "600"]));
    until("it is served", || granted(&home) == ["prod"]);
    assert_eq!(home.status()["endpoint"]["grants"][0]["pid"], sleeping.pid(), "the command is the owner");
    signal(sleeping.pid(), Signal::TERM);
    sleeping.end();
    until("it is served no more", || granted(&home).is_empty());
}

#[test]
fn roles_of_a_chain_have_endpoints_of_their_own_at_the_same_time() {
    let mut home = Home::ready(CHAIN);
    home.aws.world(|world| *world = chained_world());
    home.add_key();
    on_the_path(&mut home);
    let fetched = home.run(["exec", "prod", "--", "rolecall", "exec", "data", "--", "python3", "fetch.py"]);
    assert_eq!(text(&fetched.stdout).trim(), key_of(&home, "data"), "{}", text(&fetched.stderr));
}

#[test]
fn the_metadata_service_serves_a_command_and_says_what_it_lacks() {
    let home = Home::ready(TUTORIAL);
    let output = quietly(littered(home.rolecall(["exec", "--imds", "prod", "--", "env", "-0"])));
    let said = text(&output.stderr);
    assert!(said.contains("every program of yours that finds its port is served"), "{said}");
    let found = environment(&output);
    let url = &found["AWS_EC2_METADATA_SERVICE_ENDPOINT"];
    assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with('/'), "{url}");
    assert_eq!(&found["AWS_METADATA_ENDPOINT"], url);
    assert_eq!(found["AWS_EC2_METADATA_V1_DISABLED"], "true");
    for gone in ["AWS_EC2_METADATA_DISABLED", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_PROFILE"] {
        assert!(!found.contains_key(gone), "{gone}");
    }
}

/// Asks as the SDKs do: a token by PUT, the role's name, the role.
const METADATA: &str = r#"
import json, sys, urllib.request
base = sys.argv[1]
def ask(path, method="GET", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(base + path, headers=headers, method=method)
    return urllib.request.urlopen(request, timeout=300).read().decode()
token = ask("/latest/api/token", "PUT", x_aws_ec2_metadata_token_ttl_seconds="60")
path = "/latest/meta-data/iam/security-credentials/"
name = ask(path, x_aws_ec2_metadata_token=token)
print(json.loads(ask(path + name, x_aws_ec2_metadata_token=token))["AccessKeyId"])
"#;

#[test]
fn metadata_address_of_exec_needs_its_token_and_its_command() {
    let home = Home::ready(TUTORIAL);
    let ask = |address: &str| {
        let fetched = home.command("python3").args(["-c", METADATA, address]).output().unwrap();
        (text(&fetched.stdout).trim().to_owned(), text(&fetched.stderr))
    };
    let mut command = Running::start(&mut home.rolecall(["exec", "prod", "--", "sh", "-c", ADDRESS_AND_WAIT]));
    let address = command.line().trim().to_owned();
    home.canaries.add(address.rsplit('/').next().unwrap());
    let (key, complaint) = ask(&address);
    assert_eq!(key, key_of(&home, "prod"), "{complaint}");
    for wrong in [address.trim_end_matches(|c: char| c != '/').to_owned(), address.replace("/metadata/", "/metadata/x")]
    {
        let (key, complaint) = ask(&wrong);
        assert!(key.is_empty() && complaint.contains("HTTP Error 401"), "{complaint}");
    }
    until("the refusal is recorded", || home.audit().contains("had no valid token"));
    command.signal(Signal::TERM);
    command.end();
    until("nothing is served", || granted(&home).is_empty());
    assert!(ask(&address).1.contains("HTTP Error 401"), "the address ends with its command");
}

/// Prints the address, and waits to be ended.
const ADDRESS_AND_WAIT: &str = "echo $AWS_METADATA_ENDPOINT; exec sleep 600";

#[test]
fn imds_serves_until_it_is_interrupted_and_tells_how_to_use_it() {
    let home = Home::ready(TUTORIAL);
    let key = key_of(&home, "prod");
    let mut serving = Running::start(&mut home.rolecall(["imds", "prod"]));
    let mut lines = String::new();
    while !lines.contains("AWS_EC2_METADATA_SERVICE_ENDPOINT=") {
        lines.push_str(&serving.line());
    }
    let url = lines.split("AWS_EC2_METADATA_SERVICE_ENDPOINT=").nth(1).unwrap().split_whitespace().next().unwrap();
    let fetched = home.command("python3").args(["-c", METADATA, url]).output().unwrap();
    assert_eq!(text(&fetched.stdout).trim(), key, "{}", text(&fetched.stderr));
    serving.signal(Signal::INT);
    serving.end();
    until("nothing is served", || granted(&home).is_empty());
    let refused = home.command("python3").args(["-c", METADATA, url]).output().unwrap();
    assert!(text(&refused.stderr).contains("refused"), "{}", text(&refused.stderr));
}

#[test]
fn a_shell_outlives_the_agents_restart_and_its_crash() {
    let mut home = Home::ready(TUTORIAL);
    on_the_path(&mut home);
    let script = "python3 fetch.py; rolecall agent restart >/dev/null; rolecall unlock --vault <passphrase >/dev/null; \
                  python3 fetch.py; kill -9 $AGENT_OF; until rolecall prompt | grep agent; do :; done; rolecall agent start >/dev/null; \
                  rolecall unlock --vault <passphrase >/dev/null; python3 fetch.py; rolecall prompt --long";
    // The agent that will be killed is the one after the restart.
    let script = script.replace(
        "$AGENT_OF",
        "$(rolecall status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"agent\"][\"pid\"])')",
    );
    let passphrase = home.path("run/passphrase");
    std::fs::write(&passphrase, crate::harness::home::PASSPHRASE).unwrap();
    let script = script.replace("<passphrase", "<run/passphrase");
    let output = home.run(["exec", "prod", "--", "sh", "-c", &script]);
    std::fs::remove_file(passphrase).unwrap();
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    let keys: Vec<&String> = lines.iter().filter(|line| line.starts_with("ASIA")).collect();
    assert_eq!(keys.len(), 3, "{lines:?} {}", text(&output.stderr));
    assert!(lines.contains(&"prod (no agent)".to_owned()), "{lines:?}");
    assert!(lines.last().unwrap().starts_with("in prod, "), "{lines:?}");
}
