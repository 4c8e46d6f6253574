//! A role in programs and shells: `exec`, `shell`, `imds`, `prompt`, `init`, as a person and as a program sees them.

use crate::harness::home::{Home, text};
use crate::harness::programs::ROLECALL;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

mod command;
mod completion;
mod environment;
mod in_the_way;
mod prompt;
mod role;
mod terminal;

/// Shows what the environment's endpoint serves, as a program of a few lines asks it.
const FETCH: &str = r#"
import json, os, urllib.request
url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
request = urllib.request.Request(url, headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]})
print(json.load(urllib.request.urlopen(request, timeout=300))["AccessKeyId"])
"#;

/// Puts `rolecall` on the path of all that is run in a home.
fn on_the_path(home: &mut Home) {
    let dir = Path::new(ROLECALL).parent().unwrap().display();
    home.set("PATH", format!("{dir}:/usr/local/bin:/usr/bin:/bin"));
    std::fs::write(home.path("fetch.py"), FETCH).unwrap();
}

/// Gives the access key id of the session that `get` prints.
fn key_of(home: &Home, name: &str) -> String {
    let json: serde_json::Value = serde_json::from_slice(&home.run(["get", name]).stdout).expect("a session");
    json["AccessKeyId"].as_str().unwrap().to_owned()
}

/// Reads what `env -0` printed.
fn environment(output: &Output) -> BTreeMap<String, String> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout);
    let pairs = lines.split('\0').filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Runs a command without showing to the leak scan what it may well print.
fn quietly(mut command: Command) -> Output {
    command.output().unwrap()
}

/// Gives the names that the agent serves over HTTP now.
fn granted(home: &Home) -> Vec<String> {
    let status = home.status();
    let grants = status["endpoint"]["grants"].as_array().cloned().unwrap_or_default();
    grants.iter().map(|grant| grant["name"].as_str().unwrap().to_owned()).collect()
}
