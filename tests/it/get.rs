//! `get` as an SDK runs it: the real binary, its stdout, stderr and exit code.

use crate::harness::home::{Home, text};
use crate::harness::inside::TUTORIAL;
use rolecall_sandbox::{Fault, FaultKind};
use serde_json::Value;

#[test]
fn the_first_get_starts_the_agent_and_prints_what_every_sdk_reads() {
    let home = Home::ready(TUTORIAL);
    home.run(["agent", "stop"]);
    home.open_vault();
    let output = home.run(["get", "prod"]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let line = text(&output.stdout);
    assert!(line.ends_with("}\n") && line.matches('\n').count() == 1, "one line");
    let json: Value = serde_json::from_str(&line).expect("JSON");
    let keys = [
        "\"Version\":1,",
        "\"AccessKeyId\":\"ASIA",
        "\"SecretAccessKey\":",
        "\"SessionToken\":",
        "\"Expiration\":",
        "\"AccountId\":\"222222222222\"}",
    ];
    let mut at = 0;
    for key in keys {
        at += line[at..].find(key).unwrap_or_else(|| panic!("{key} is missing or out of order"));
    }
    assert!(json["Expiration"].as_str().expect("text").ends_with('Z'));
    assert_eq!(home.aws.count("AssumeRole"), 1);
    let again = home.run(["get", "prod"]);
    assert_eq!(again.stdout, output.stdout, "the same session");
    assert_eq!(home.aws.count("AssumeRole"), 1, "no second call");
}

#[test]
fn an_unknown_name_exits_3_with_the_nearest_one() {
    let home = Home::ready(TUTORIAL);
    let output = home.run(["get", "prdo"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().next(), Some("rolecall: prdo: there is no role or identity called `prdo`"));
    assert!(stderr.contains("\nhint: did you mean `prod`"), "{stderr}");
}

#[test]
fn what_aws_refuses_exits_5_and_names_the_role_and_the_request() {
    let home = Home::ready(&TUTORIAL.replace("AssumedRole", "Another"));
    let output = home.run(["get", "prod"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(output.stdout.is_empty());
    let stderr = text(&output.stderr);
    assert!(stderr.contains("role/Another") && stderr.contains("AccessDenied"), "{stderr}");
    assert!(stderr.contains("hint: "), "{stderr}");
}

#[test]
fn what_does_not_answer_exits_6() {
    let home = Home::ready(TUTORIAL);
    home.aws.fault(Fault::on("AssumeRole", FaultKind::Drop));
    let output = home.run(["get", "prod"]);
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
}

#[test]
fn the_callers_environment_and_directory_steer_nothing() {
    let home = Home::ready(TUTORIAL);
    home.run(["agent", "stop"]);
    std::fs::write(home.path("config.toml"), "[roles.prod]\n").unwrap();
    let mut unlock = home.rolecall(["unlock", "--vault"]);
    let hostile = |command: &mut std::process::Command| {
        command
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
            .env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("HTTP_PROXY", "http://127.0.0.1:1")
            .env("ALL_PROXY", "http://127.0.0.1:1")
            .env("AWS_CA_BUNDLE", "/nowhere")
            .env("AWS_REGION", "xx-nowhere-1")
            .env("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
            .env("AWS_SECRET_ACCESS_KEY", "not-the-one-in-the-vault");
    };
    hostile(&mut unlock);
    drop(unlock);
    // The agent is started by this very caller, so its environment is the one that could leak in.
    let mut get = home.rolecall(["get", "prod"]);
    hostile(&mut get);
    let locked = get.output().unwrap();
    assert_eq!(locked.status.code(), Some(4), "{}", text(&locked.stderr));
    home.open_vault();
    let mut get = home.rolecall(["get", "prod"]);
    hostile(&mut get);
    let output = get.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn every_hand_out_and_every_refusal_is_a_line_of_the_audit_log() {
    let home = Home::ready(TUTORIAL);
    let first: Value = serde_json::from_slice(&home.run(["get", "prod"]).stdout).unwrap();
    home.run(["get", "prod"]);
    home.run(["get", "nobody"]);
    home.run(["agent", "stop"]);
    let lines: Vec<Value> = home.audit().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let gets: Vec<&Value> = lines.iter().filter(|line| line["event"] == "get").collect();
    let (refused, gets): (Vec<&Value>, Vec<&Value>) = gets.into_iter().partition(|line| line["result"] != "ok");
    assert_eq!((gets.len(), refused.len()), (2, 1), "{lines:#?}");
    assert_eq!((&refused[0]["name"], &refused[0]["result"]), (&Value::from("nobody"), &Value::from("config")));
    assert_eq!((&gets[0]["cached"], &gets[1]["cached"]), (&Value::Bool(false), &Value::Bool(true)));
    for get in gets {
        assert_eq!(get["access_key_id"], first["AccessKeyId"]);
        assert_eq!(get["name"], "prod");
        assert!(
            get["role_arn"]
                .as_str()
                .unwrap()
                .starts_with("arn:aws:sts::222222222222:assumed-role/AssumedRole/richard-")
        );
        assert!(get["caller"]["exe"].as_str().unwrap().ends_with("/rolecall"), "{get}");
        assert!(get["caller"]["parent"].is_string() && get["caller"]["pid"].is_number());
    }
    let sts = lines.iter().find(|line| line["event"] == "sts" && line["result"] == "ok").expect("the call");
    assert_eq!(
        sts["request_id"].as_str(),
        home.aws.calls().iter().find(|c| c.action == "AssumeRole").map(|c| c.request_id.as_str())
    );
}
