//! What the first caller leaves to the agent: no bus that runs a program, and no PATH.

use super::*;
use crate::harness::process::Running;
use crate::harness::wire::NOBODY;

#[test]
fn bus_address_that_names_a_program_runs_nothing() {
    for caller_first in [true, false] {
        let home = Home::bare(TUTORIAL);
        let ran = home.path("ran");
        let address = format!("unixexec:path=/usr/bin/touch,argv1={}", ran.display());
        if !caller_first {
            assert!(home.run(["agent", "start"]).status.success());
        }
        for args in [&["get", "prod"][..], &["status", "--json"], &["doctor", "prod"], &["unlock", "--vault"]] {
            let mut command = home.rolecall(args);
            let output = command.env("DBUS_SESSION_BUS_ADDRESS", &address).env("DBUS_SYSTEM_BUS_ADDRESS", &address);
            let output = output.output().unwrap();
            if caller_first && args[0] == "get" {
                let said = text(&output.stderr);
                assert!(said.contains("unixexec:") && said.contains("is not a unix socket"), "{said}");
            }
        }
        assert!(!ran.exists(), "caller first: {caller_first}");
    }
}

#[test]
fn agent_in_sight_runs_no_program_for_a_bus_either() {
    let home = Home::bare(TUTORIAL);
    let ran = home.path("ran");
    let address = format!("unixexec:path=/usr/bin/touch,argv1={}", ran.display());
    let mut command = home.command(crate::harness::programs::ROLECALLD);
    command.env("DBUS_SESSION_BUS_ADDRESS", &address).env("DBUS_SYSTEM_BUS_ADDRESS", &address);
    let _agent = Running::agent_by(&mut command);
    assert!(home.run(["status"]).status.success());
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(1));
    assert!(!ran.exists());
}

#[test]
fn doctor_is_not_certain_about_a_keyring_it_did_not_reach() {
    let home = Home::bare(TUTORIAL);
    let mut command = home.rolecall(["doctor", "prod", "--json"]);
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", home.path("ended").display()));
    let shown: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let findings = shown["names"][0]["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["cause"] == "vault-absent").expect("no keyring");
    assert_eq!(finding["certainty"], "possible", "{finding}");
    assert!(finding["what"].as_str().unwrap().contains("/ended"), "{finding}");
}

#[test]
fn credential_program_finds_its_tool_whoever_called_first() {
    let home = Home::bare("");
    let tool = home.path(".local/bin/give-credentials");
    fs::create_dir_all(tool.parent().unwrap()).unwrap();
    let line = json!({"Version": 1, "AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "SessionToken": "token"});
    fs::write(&tool, format!("#!/bin/sh\necho '{line}'\n")).unwrap();
    set_mode(&tool, 0o755);
    home.configure(
        "[identities.app]\ntype = \"process\"\ncredential_process = [\"/usr/bin/env\", \"give-credentials\"]\n",
    );
    let got = home.rolecall(["get", "app"]).env("PATH", "/nowhere").output().unwrap();
    assert!(got.status.success(), "{}", text(&got.stderr));
    assert!(text(&got.stdout).contains("ASIAIOSFODNN7EXAMPLE"));
}

#[test]
fn bus_of_another_user_is_not_used() {
    needs!("root");
    let home = Home::bare(TUTORIAL);
    set_mode(&home.path(""), 0o755);
    // Whoever runs the bus reads what passes. The peer of a connection is the user who listens.
    let script = format!(
        "import os, socket\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\ns.bind('{0}/bus')\nos.chmod('{0}/bus', 0o777)\n\
         s.listen()\nprint('listening', flush=True)\nc, _ = s.accept()\nprint('heard', len(c.recv(100)), flush=True)\n",
        home.path("theirs").display()
    );
    fs::create_dir(home.path("theirs")).unwrap();
    std::os::unix::fs::chown(home.path("theirs"), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut theirs = Running::start(home.command("python3").args(["-c", &script]));
    assert_eq!(theirs.line(), "listening\n");
    let address = format!("unix:path={}/bus", home.path("theirs").display());
    let mut command = home.rolecall(["get", "prod"]);
    let got = command.env("DBUS_SESSION_BUS_ADDRESS", &address).output().unwrap();
    assert!(text(&got.stderr).contains("another user runs it"), "{}", text(&got.stderr));
    assert_eq!(theirs.line(), "heard 0\n", "not a byte");
}
