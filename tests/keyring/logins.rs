//! An agent that outlives logins: the bus of its start ends, another comes. And worlds that share a keyring, not its items.

use super::PASSWORD;
use super::desk::Desk;
use super::harness::home::{Home, text};
use super::harness::inside::TUTORIAL;
use super::harness::programs::ROLECALL;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::Value;
use std::fs;

#[test]
fn keyring_of_the_next_login_is_found() {
    let ended = Desk::new("ended");
    let mut home = Home::bare(TUTORIAL);
    home.set("DBUS_SESSION_BUS_ADDRESS", ended.address());
    let bus = ended.bus();
    let keyring = ended.keyring(Some(PASSWORD));
    ended.wait_for_lock(false);
    assert!(home.add_key().status.success());
    let agent = home.agent_pid();
    drop((keyring, bus));

    // cron: no bus at all. The keyring is not reached, and doctor does not say that there is none.
    home.set("DBUS_SESSION_BUS_ADDRESS", "");
    assert!(home.run(["lock"]).status.success());
    let got = home.run(["get", "prod"]);
    assert!(text(&got.stderr).contains("no keyring can be used"), "{}", text(&got.stderr));
    let doctor: Value = serde_json::from_slice(&home.run(["doctor", "prod", "--json"]).stdout).unwrap();
    let findings = doctor["names"][0]["findings"].to_string();
    assert!(findings.contains("vault-absent") && !findings.contains("\"certain\""), "{findings}");

    // The next login has a bus of its own, and a caller that knows it.
    let next = Desk::new("next");
    let _bus = next.bus();
    let _keyring = next.keyring(Some(PASSWORD));
    next.wait_for_lock(false);
    home.set("DBUS_SESSION_BUS_ADDRESS", next.address());
    let added = home.add_key();
    assert!(added.status.success(), "{}", text(&added.stderr));
    home.set("DBUS_SESSION_BUS_ADDRESS", "");
    let got = home.run(["get", "prod"]);
    assert!(got.status.success(), "{}", text(&got.stderr));
    assert_eq!(home.agent_pid(), agent, "by the agent of before");
}

#[test]
fn key_of_another_world_is_not_replaced() {
    let desk = Desk::new("worlds");
    let _bus = desk.bus();
    let _keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    // The key of the user's own world, as it lies in the keyring.
    let mut vault = desk.vault();
    vault.ask("write auth AKIAIOSFODNN7EXAMPLE").ok();

    let mut home = Home::bare(TUTORIAL);
    home.set("DBUS_SESSION_BUS_ADDRESS", desk.address());
    assert!(home.add_key().status.success());
    let trial = home.path("trial");
    fs::create_dir(&trial).unwrap();
    fs::copy(home.config(), trial.join("config.toml")).unwrap();
    let in_trial = |args: &[&str]| home.command(ROLECALL).args(args).env("ROLECALL_HOME", &trial).output().unwrap();
    let got = in_trial(&["get", "prod"]);
    assert!(text(&got.stderr).contains("the keyring holds no key of auth"), "{}", text(&got.stderr));
    assert!(in_trial(&["agent", "stop"]).status.success());

    assert!(vault.ask("read auth").text.starts_with("ok AKIAIOSFODNN7EXAMPLE "), "as it was");
    let stored = desk.secret_tool(&["lookup", "service", &home.keyring_service(), "username", "auth"]);
    assert!(stored.contains(&home.aws.access_key(USER_ARN).id));
}
