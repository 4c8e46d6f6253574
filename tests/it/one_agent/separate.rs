//! Separate worlds, chosen on purpose, and homes of other users.

use super::*;
use crate::harness::wire::NOBODY;
use std::path::Path;

/// Lists everything below a directory.
fn below(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| std::iter::once(path.display().to_string()).chain(below(&path))).collect()
}

#[test]
fn rolecall_home_is_a_world_of_its_own() {
    const TRIAL: Caller =
        ("a trial", &[("HOME", "@"), ("XDG_RUNTIME_DIR", "/run/user/0"), ("ROLECALL_HOME", "@/trial")]);
    needs!("root");
    let login = Login::new(&file_vault());
    login.first(SHELL, true);
    let agent = login.pid(SHELL, true);
    let trial = login.home.path("trial");
    fs::create_dir(&trial).unwrap();
    set_mode(&trial, 0o700);
    fs::copy(login.home.config(), trial.join("config.toml")).unwrap();
    login.first(TRIAL, true);
    assert!(login.gets(TRIAL).status.success());
    let status = login.status(TRIAL, true);
    assert_ne!(status["agent"]["pid"], agent);
    assert_eq!(status["agent"]["world"], trial.to_str().unwrap());
    assert_eq!(login.status(SHELL, true)["agent"]["world"], Value::Null);
    let shown = text(&login.run(TRIAL, &["status"]).stdout);
    assert!(shown.contains("separate, in ") && shown.contains("/trial"), "{shown}");
    for file in ["config.toml", "vault.rolecall", "state/audit.jsonl", "run/agent.sock"] {
        assert!(trial.join(file).exists(), "{file} is in {:?}", below(&trial));
    }
    assert!(login.run(TRIAL, &["profiles", "sync"]).status.success());
    assert!(trial.join("aws/config").exists() && !login.home.path(".aws").exists());
    assert!(login.run(TRIAL, &["agent", "stop"]).status.success());
    assert_eq!(login.pid(SHELL, true), agent, "the other one runs on");
    assert!(login.run(SHELL, &["agent", "stop"]).status.success());
}

#[test]
fn another_home_does_not_reach_the_ordinary_agent() {
    const TRIAL: Caller =
        ("a trial", &[("HOME", "@/trial"), ("XDG_RUNTIME_DIR", "/run/user/0"), ("XDG_CONFIG_HOME", "@/.config")]);
    needs!("root");
    let login = Login::new(&file_vault());
    login.first(SHELL, true);
    fs::create_dir(login.home.path("trial")).unwrap();
    assert_eq!(login.status(TRIAL, true)["agent"], Value::Null);
    let got = login.gets(TRIAL);
    assert_eq!(got.status.code(), Some(3), "no such role there: {}", text(&got.stderr));
    let status = login.status(TRIAL, true);
    assert_eq!(status["agent"]["world"], login.home.path("trial").to_str().unwrap());
    assert!(status["roles"].as_array().unwrap().is_empty());
    assert!(login.run(TRIAL, &["agent", "stop"]).status.success());
    assert!(login.gets(SHELL).status.success());
    assert!(login.run(SHELL, &["agent", "stop"]).status.success());
}

#[test]
fn root_creates_nothing_in_the_home_of_another_user() {
    needs!("root");
    let home = Home::bare("");
    let (foreign, own) = (home.path("foreign"), home.path("own"));
    fs::create_dir(&foreign).unwrap();
    std::os::unix::fs::chown(&foreign, Some(NOBODY), Some(NOBODY)).unwrap();
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = home.rolecall(args);
        command.env("HOME", &foreign).env("XDG_RUNTIME_DIR", foreign.join("run")).envs(variables.iter().copied());
        command.output().unwrap()
    };
    for (variables, part, hint) in
        [(&[("SUDO_UID", "65534")][..], "sudo kept HOME=", "sudo -H"), (&[], "and this is root", "ROLECALL_HOME")]
    {
        for args in [&["get", "prod"][..], &["status"], &["agent", "start"], &["unlock", "--vault"]] {
            let refused = run(variables, args);
            let said = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{args:?}: {said}");
            assert!(said.contains(part) && said.contains("nothing was created") && said.contains(hint), "{said}");
            assert_eq!(below(&foreign), Vec::<String>::new(), "{args:?}");
        }
    }
    let world = [("ROLECALL_HOME", own.to_str().unwrap())];
    let started = run(&world, &["agent", "start"]);
    assert!(started.status.success(), "{}", text(&started.stderr));
    assert!(own.join("run/agent.sock").exists());
    assert!(run(&world, &["agent", "stop"]).status.success());
    assert_eq!(below(&foreign), Vec::<String>::new());
}
