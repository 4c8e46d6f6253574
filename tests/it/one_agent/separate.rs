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

/// Takes the command out of a hint.
fn pasted(refused: &Output) -> String {
    let said = text(&refused.stderr);
    let hint = said.lines().find(|line| line.starts_with("hint: ")).unwrap_or_else(|| panic!("{said}"));
    let parts: Vec<&str> = hint.split('`').collect();
    assert_eq!(parts.len(), 3, "one command: {hint}");
    assert!(parts[1].starts_with("export ROLECALL_HOME="), "{hint}");
    parts[1].to_owned()
}

/// Runs a day in one shell, after a hint was pasted into it.
fn day_after(hint: &str) -> String {
    format!(
        "{hint}\n{ROLECALL} agent start && {ROLECALL} status && printf '%s' '{PASSPHRASE}' | {ROLECALL} unlock --vault && \
         {ROLECALL} profiles sync && {ROLECALL} lock && {ROLECALL} agent stop && echo \"done in $ROLECALL_HOME\""
    )
}

#[test]
fn pasted_hint_serves_root_with_a_foreign_home() {
    const CI: Caller = ("a container of a CI service", &[("HOME", "@/github"), ("PATH", "/usr/bin:/bin")]);
    needs!("root");
    let login = Login::new(&file_vault());
    let foreign = login.home.path("github");
    fs::create_dir(&foreign).unwrap();
    std::os::unix::fs::chown(&foreign, Some(NOBODY), Some(NOBODY)).unwrap();
    let before = below(&login.home.path(""));
    let hint = pasted(&login.run(CI, &["status"]));
    let world = login.home.path(".rolecall");
    assert_eq!(hint, format!("export ROLECALL_HOME={}", world.display()));
    // A configuration, as the job would bring one: without it there is no vault to open.
    let config = format!("mkdir -p {0} && cp {1} {0}/config.toml", world.display(), login.home.config().display());
    let day = format!("{config} && chmod 700 {} && {}", world.display(), day_after(&hint));
    let output = login.program(CI, false, "sh").args(["-c", &day]).output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(said.ends_with(&format!("done in {}\n", world.display())), "{said}");
    let outside = |path: &String| !path.starts_with(world.to_str().unwrap());
    let after: Vec<String> = below(&login.home.path("")).into_iter().filter(outside).collect();
    assert_eq!(after, before, "nothing outside");
}

#[test]
fn pasted_hint_serves_a_uid_without_an_entry() {
    needs!("root");
    let login = Login::new("");
    let temporary = login.home.path("tmp");
    fs::create_dir(&temporary).unwrap();
    set_mode(&login.home.path(""), 0o755);
    set_mode(&temporary, 0o1777);
    let run = |script: &str| {
        let mut command = login.home.command("setpriv");
        command.args(["--reuid=4711", "--regid=4711", "--clear-groups", "sh", "-c", script]);
        command.env_remove("XDG_RUNTIME_DIR").env("TMPDIR", &temporary).output().unwrap()
    };
    let before = below(&login.home.path(""));
    let refused = run(&format!("{ROLECALL} status"));
    assert!(text(&refused.stderr).contains("uid 4711 has no home directory"), "{}", text(&refused.stderr));
    let hint = pasted(&refused);
    let config = "printf '[agent]\\nvault = \"file\"\\n' > $ROLECALL_HOME/config.toml";
    let output = run(&day_after(&format!("{hint}\n{config}")));
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(said.contains(&format!("done in {}/", temporary.display())), "{said}");
    let outside =
        |path: &String| !path.starts_with(temporary.to_str().unwrap()) || *path == temporary.to_str().unwrap();
    let after: Vec<String> = below(&login.home.path("")).into_iter().filter(outside).collect();
    assert_eq!(after, before, "nothing outside");
}

#[test]
fn named_socket_needs_no_home_of_its_own() {
    const CI: Caller = (
        "a container of a CI service",
        &[("HOME", "@/github"), ("PATH", "/usr/bin:/bin"), ("ROLECALL_SOCKET", "/run/user/0/rolecall/agent.sock")],
    );
    needs!("root");
    let login = Login::new(&file_vault());
    let foreign = login.home.path("github");
    fs::create_dir(&foreign).unwrap();
    std::os::unix::fs::chown(&foreign, Some(NOBODY), Some(NOBODY)).unwrap();
    login.first(SHELL, true);
    let agent = login.pid(SHELL, true);
    let got = login.gets(CI);
    assert!(got.status.success(), "{}", text(&got.stderr));
    login.home.canaries.add(&text(&got.stdout));
    assert_eq!(login.pid(CI, true), agent);
    let locked = login.run(CI, &["lock"]);
    assert!(locked.status.success(), "{}", text(&locked.stderr));
    assert_eq!(login.gets(SHELL).status.code(), Some(4), "it is the agent of all");
    assert!(login.run(SHELL, &["agent", "stop"]).status.success());

    for args in [&["get", "prod"][..], &["agent", "start"], &["unlock", "--vault"]] {
        let refused = login.feed(CI, true, args, PASSPHRASE);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(7), "{args:?}: {said}");
        assert!(said.contains("no agent listens at /run/user/0/rolecall/agent.sock"), "{args:?}: {said}");
        assert!(said.contains("belongs to uid 65534"), "{args:?}: {said}");
    }
    assert_eq!(below(&foreign), Vec::<String>::new());
}
