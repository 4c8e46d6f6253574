//! A whole chain, and what a diagnosis leaves behind.

use super::{ONE, Sight, doctor, home};
use crate::harness::home::{Home, text};
use crate::harness::inside::until;
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::Value;
use std::process::Stdio;

#[test]
fn a_whole_chain_is_a_tick_for_every_link() {
    let mut home = Home::ready(ONE);
    home.set("LANG", "en_GB.UTF-8");
    home.aws.clear_calls();
    let output = home.run(["doctor", "prod"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}{}", text(&output.stderr));
    let ticks = shown.lines().filter(|line| line.starts_with("  ✓ ")).count();
    assert!(ticks == 13 && !shown.contains('✗') && !shown.contains("? "), "{shown}");
    assert!(shown.trim_end().ends_with("every link holds (3 calls to AWS)"), "{shown}");
    assert_eq!(home.aws.calls().len(), 3, "who, the role, and who again: {:#?}", home.aws.calls());
    home.set("LANG", "C");
    let plain = text(&home.run(["doctor", "prod"]).stdout);
    assert!(plain.is_ascii() && plain.contains("  + trust policy"), "{plain}");
}

#[test]
fn nothing_of_it_is_kept_or_handed_out() {
    let home = Home::ready(ONE);
    assert_eq!(doctor(&home, "prod").code, 0);
    let status = home.status();
    assert_eq!(status["roles"][0]["session"], Value::Null, "{status:#}");
    assert_eq!(status["counts"]["handed_out"], 0);
    home.aws.clear_calls();
    assert!(home.run(["get", "prod"]).status.success());
    assert_eq!(home.aws.count("AssumeRole"), 1, "a get after it asks AWS itself");
    until("it is logged", || home.events("doctor").len() >= 3);
    let lines = home.events("doctor");
    assert!(lines.iter().all(|line| line["access_key_id"] == Value::Null), "{lines:#?}");
}

#[test]
fn without_a_name_every_chain_is_examined() {
    let home = home(ONE, Sight::None);
    let output = home.run(["doctor", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["names"][0]["name"].as_str(), json["holds"].as_bool()), (Some("prod"), Some(true)), "{json:#}");
    home.aws.world(|world| world.user(USER_ARN).access_keys.clear());
    let output = home.run(["doctor"]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stdout));
}

#[test]
fn a_code_that_nobody_can_give_leaves_that_link_unproven() {
    let config = ONE.replace("region", "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\nregion");
    let home = Home::ready(&config);
    home.aws.world(rolecall_sandbox::World::demand_mfa);
    let found = doctor(&home, "prod");
    assert_eq!((found.causes()[0].0.as_str(), found.code), ("mfa-code-wanted", 4), "{:#}", found.json);
    let links = found.json["names"][0]["links"].as_array().unwrap();
    assert!(links.iter().any(|l| l["kind"] == "conditions" && l["state"] == "unproven"), "{links:#?}");
    // With a code given ahead of time every link is proven.
    let unlocked = home.run_with_input(["unlock"], &home.aws.mfa_code(USER_ARN));
    assert!(unlocked.status.success(), "{}", text(&unlocked.stderr));
    assert_eq!(doctor(&home, "prod").code, 0);
}

#[test]
fn no_extra_socket_makes_one() {
    let home = Home::ready(&format!("{ONE}\n[sockets.far]\nroles = [\"prod\"]\n"));
    let socket = home.path("run/rolecall/sockets/far/agent.sock");
    assert!(home.status()["sockets"][0]["path"].as_str().unwrap().ends_with("far/agent.sock"));
    home.aws.clear_calls();
    let mut command = home.rolecall(["doctor", "prod", "--json"]);
    let output = command.env("ROLECALL_SOCKET", &socket).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("serves only sessions of"));
    assert_eq!(home.aws.calls().len(), 0);
}

#[test]
fn one_is_made_at_a_time_and_a_lock_ends_it() {
    let home = Home::ready(ONE);
    let reads = || home.status()["counts"]["vault_reads"].as_u64().unwrap();
    let before = reads();
    let hold = home.aws.hold();
    let first = home.rolecall(["doctor", "prod", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    until("it waits for AWS", || reads() > before);
    let second = doctor(&home, "prod");
    assert!(second.findings()[0]["what"].as_str().unwrap().contains("another diagnosis is under way"));
    assert!(home.run(["lock"]).status.success());
    let ended = first.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(4), "{}", text(&ended.stdout));
    assert!(text(&ended.stdout).contains("rolecall was locked while this was under way"));
    hold.release();
}

#[test]
fn at_a_terminal_the_code_is_asked_for_as_get_does_and_then_serves_get_too() {
    needs!("tmux");
    let config = ONE.replace("region", "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\nregion");
    let home = Home::ready(&format!("prompts = [\"tty\"]\n{config}"));
    home.aws.world(rolecall_sandbox::World::demand_mfa);
    let window = Window::open(&home, "doctor");
    window.run(&format!("clear; {ROLECALL} doctor prod; echo done $?"));
    until("it is asked", || window.shows("MFA code of auth"));
    window.run(&home.aws.mfa_code(USER_ARN));
    until("it is over", || window.shows("done 0"));
    let screen = window.screen();
    assert!(screen.contains("every link holds") && screen.contains("met, with MFA"), "{screen}");
    assert!(!screen.contains("asking AWS"), "what was being done is gone from the screen: {screen}");
    assert!(home.run(["get", "prod"]).status.success(), "the code opens the identity's roles");
    assert_eq!(home.aws.count("GetSessionToken"), 1);
}

#[test]
fn a_chain_that_begins_with_a_program_is_proven_as_well() {
    let config = ONE.replace("type = \"iam-user\"", "type = \"process\"\ncredential_process = [\"/bin/cat\", \"KEY\"]");
    let home = Home::bare("");
    let file = home.path("key.json");
    home.configure(&config.replace("KEY", &file.display().to_string()));
    let found = doctor(&home, "prod");
    assert_eq!(found.causes()[0].0, "source-failed", "there is no file yet: {:#}", found.json);
    let key = home.aws.access_key(USER_ARN);
    let json = serde_json::json!({"Version": 1, "AccessKeyId": key.id, "SecretAccessKey": key.secret});
    std::fs::write(&file, json.to_string()).unwrap();
    assert!(home.run(["lock"]).status.success(), "a failure is remembered for a moment, and a lock forgets it");
    let found = doctor(&home, "prod");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(found.code, 0, "{:#}", found.json);
    let links = found.json["names"][0]["links"].as_array().unwrap();
    let key = links.iter().find(|link| link["kind"] == "key").unwrap();
    assert!(key["text"].as_str().unwrap().contains(USER_ARN), "{key}");
}

#[test]
fn a_code_that_goes_with_the_roles_own_call_is_wanted_by_its_name_and_proven_once_given() {
    let config = ONE.replace("region", "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\nregion");
    let home = Home::ready(&format!("{config}mfa = \"direct\"\n"));
    home.aws.world(rolecall_sandbox::World::demand_mfa);
    let found = doctor(&home, "prod");
    assert_eq!((found.causes()[0].0.as_str(), found.code), ("mfa-code-wanted", 4), "{:#}", found.json);
    assert!(found.json.to_string().contains("rolecall unlock prod"), "{:#}", found.json);
    let unlocked = home.run_with_input(["unlock", "prod"], &home.aws.mfa_code(USER_ARN));
    assert!(unlocked.status.success(), "{}", text(&unlocked.stderr));
    let found = doctor(&home, "prod");
    assert_eq!(found.code, 0, "{:#}", found.json);
    let links = found.json["names"][0]["links"].as_array().unwrap();
    let met = links.iter().find(|link| link["kind"] == "conditions").unwrap();
    assert_eq!((met["state"].as_str(), met["text"].as_str()), (Some("holds"), Some("met, with MFA")), "{links:#?}");
    assert_eq!(home.aws.count("GetSessionToken"), 0, "the code went with AssumeRole");
}
