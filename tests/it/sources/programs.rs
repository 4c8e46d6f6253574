//! Sources that are programs, and the real programs of rolecall's own.

use super::*;

fn process(path: &Path) -> String {
    config(&format!("type = \"process\"\ncredential_process = [\"/bin/sh\", \"{}\"]", path.display()))
}

fn printed(session: &SessionCredentials) -> String {
    let json = json!({"Version": 1, "AccessKeyId": session.access_key_id, "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token, "Expiration": session.expiration.to_rfc3339()});
    format!("echo '{json}'")
}

#[test]
fn a_program_reaches_its_chain_and_is_asked_again_when_half_is_over() {
    let files = Files::new();
    let agent = Inside::start_in(world(), &process(&files.path("program")));
    let script = |aws: &Sandbox| {
        format!("echo run >> {}; {}", files.path("runs").display(), printed(&session_of_app(aws, 3600)))
    };
    files.put("program", &script(&agent.aws));
    let runs = || fs::read_to_string(files.path("runs")).unwrap_or_default().lines().count();
    reaches_its_chain(&agent);
    assert_eq!(runs(), 1, "one run for the chain");
    for _ in 0..6 {
        files.put("program", &script(&agent.aws));
        agent.pass_at_pace(MINUTE * 10);
        agent.get("app").expect("served");
    }
    until("it ran again, and not at each call", || (2..=3).contains(&runs()));
}

#[test]
fn a_program_that_prints_garbage_or_never_ends_is_told_and_nobody_else_is_stuck() {
    let files = Files::new();
    let agent = Inside::start_in(world(), &process(&files.path("program")));
    files.program(&agent, "echo 'please log in'");
    refused(&agent, "app", Kind::Failed, "printed something else than the JSON of a credential_process");
    files.program(&agent, "echo 'the session is over, log in first' >&2; exit 7");
    refused(&agent, "app-data", Kind::Failed, "failed with exit code 7: the session is over, log in first");
    let session = session_of_app(&agent.aws, 3600);
    files.program(&agent, &printed(&session).replace(&session.session_token, ""));
    refused(&agent, "app", Kind::Failed, "without its session token");
    files.program(&agent, &format!("echo $$ > {}; sleep 600; true", files.path("pid").display()));
    std::thread::scope(|scope| {
        let hung =
            scope.spawn(|| refused(&agent, "app", Kind::Failed, "was not done within 15 seconds and was killed"));
        until("it runs", || files.path("pid").exists());
        agent.get("prod").expect("who has nothing to do with it is served");
        agent.get("prod").expect("and again");
        hung.join().unwrap();
    });
    let pid = fs::read_to_string(files.path("pid")).unwrap().trim().parse().unwrap();
    until("it is gone", || !crate::harness::process::lives(pid));
    files.program(&agent, &printed(&session_of_app(&agent.aws, 3600)));
    agent.get("app-data").expect("served once it is well");
}

#[test]
fn a_lock_kills_the_program_that_is_under_way() {
    let files = Files::new();
    let agent = Inside::start_in(world(), &process(&files.path("program")));
    files.put("program", &format!("sleep 600 & echo $! > {}; wait", files.path("pid").display()));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get("app-data").expect_err("locked").kind);
        until("it runs", || fs::read_to_string(files.path("pid")).is_ok_and(|pid| pid.ends_with('\n')));
        agent.ask(rolecall::protocol::message::Request::Lock).unwrap();
        assert_eq!(waiting.join().unwrap(), Kind::Locked);
    });
    let pid = fs::read_to_string(files.path("pid")).unwrap().trim().parse().unwrap();
    until("what it started is gone", || !crate::harness::process::lives(pid));
}

#[test]
fn a_program_under_way_ends_with_the_agent() {
    let files = Files::new();
    let program = files.put("program", &format!("sleep 600 & echo $! > {}; wait", files.path("pid").display()));
    let home = Home::bare(&process(&program));
    let mut asking = home.rolecall(["get", "app"]);
    let mut waiting = asking.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it runs", || fs::read_to_string(files.path("pid")).is_ok_and(|pid| pid.ends_with('\n')));
    assert!(home.run(["agent", "stop"]).status.success());
    assert!(!waiting.wait().unwrap().success());
    let pid = fs::read_to_string(files.path("pid")).unwrap().trim().parse().unwrap();
    until("what it started is gone", || !crate::harness::process::lives(pid));
}

#[test]
fn another_setting_of_the_source_is_asked_anew() {
    let files = Files::new();
    let agent = Inside::start_in(world(), &process(&files.path("one")));
    let (one, other) = (session_of_app(&agent.aws, 3600), session_of_app(&agent.aws, 3600));
    files.put("one", &printed(&one));
    files.put("other", &printed(&other));
    assert_eq!(agent.get("app").unwrap().access_key_id, one.access_key_id);
    agent.edit(&process(&files.path("other"))).unwrap();
    assert_eq!(agent.get("app").unwrap().access_key_id, other.access_key_id);
}

/// The real programs: `agent run` passes the variables on, an agent that a tool starts has none.
#[test]
fn the_environment_of_agent_run_is_a_source_and_that_of_a_caller_is_not() {
    let mut home = Home::bare(&config("type = \"environment\""));
    home.aws.world(|old| *old = world());
    let session = session_of_app(&home.aws, 3600);
    home.canaries.add(&session.secret_access_key);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", session.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", session.secret_access_key),
        ("AWS_SESSION_TOKEN", session.session_token),
    ] {
        home.set(name, value);
    }
    let alone = home.run(["get", "app-data"]);
    assert_eq!(alone.status.code(), Some(3), "{}", text(&alone.stderr));
    assert!(text(&alone.stderr).contains("no AWS_ACCESS_KEY_ID"), "{}", text(&alone.stderr));
    assert!(home.run(["agent", "stop"]).status.success());
    let agent = crate::harness::process::Running::agent_by(&mut home.rolecall(["agent", "run"]));
    let served = home.run(["get", "app-data"]);
    assert!(served.status.success(), "{}", text(&served.stderr));
    let own = home.run(["get", "app"]);
    assert!(text(&own.stdout).contains(&session.access_key_id));
    let listed = text(&home.run(["identity", "list"]).stdout);
    assert!(listed.contains(&session.access_key_id) && listed.contains("environment"), "{listed}");
    drop(agent);
}

#[test]
fn a_program_that_asks_rolecall_in_its_turn_is_refused_at_once() {
    let files = Files::new();
    let rolecall = env!("CARGO_BIN_EXE_rolecall");
    let program = files.put("program", &format!("{rolecall} get app-prod 2> {}", files.path("said").display()));
    let mut home = Home::bare(&process(&program));
    home.aws.world(|old| *old = world());
    home.set("ROLECALL_SOCKET", home.socket().display().to_string());
    let output = home.run(["get", "app-data"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("failed with exit code 3"), "{}", text(&output.stderr));
    let said = fs::read_to_string(files.path("said")).unwrap();
    assert!(said.contains("that is a circle"), "{said}");
    files.put("program", &printed(&session_of_app(&home.aws, 3600)));
    until("the failure is forgotten", || home.run(["get", "app-data"]).status.success());
    let refusals = || home.audit().lines().filter(|line| line.contains("that is a circle")).count();
    until("the audit log has it", || refusals() > 0);
    assert_eq!(refusals(), 1);
}

#[test]
fn an_identity_without_a_key_is_written_by_identity_add_and_shown_with_its_settings() {
    let home = Home::bare("");
    let add = |args: &[&str]| {
        let output = home.run([&["identity", "add"], args].concat());
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(add(&["instance", "--type", "ec2", "--region", "eu-west-1"]).0, Some(0));
    let (code, said) = add(&["ci", "--type", "web-identity"]);
    assert!(code == Some(2) && said.contains("role_arn: is missing"), "{code:?} {said}");
    let ci = ["ci", "--type", "web-identity", "--web-identity-token-file", "/run/token", "--role-arn", ASSUMING];
    assert_eq!(add(&ci).0, Some(0));
    assert_eq!(add(&["corp", "--type", "process", "--", "/usr/bin/corp-login", "--profile", "dev"]).0, Some(0));
    assert_eq!(add(&["corp", "--type", "process"]).0, Some(0), "what is there stays");
    for (args, message, hint) in [
        (
            &["corp", "--type", "ec2"][..],
            "there is an identity of this name already, of type process",
            "choose another name, or add `--replace`",
        ),
        (
            &["new", "--type", "ec2", "--totp"],
            "an identity of type ec2 has no key to keep a secret beside",
            "leave out `--totp`; `mfa_process` in its section runs a program that prints codes",
        ),
        (
            &["new", "--type", "web-identity", "--csv", "/keys.csv"],
            "an identity of type web-identity has no key to read",
            "leave out `--csv`, or `--type web-identity`",
        ),
    ] {
        let (code, said) = add(args);
        assert!(code != Some(0) && said.contains(&format!("{message}\nhint: {hint}\n")), "{args:?}: {code:?} {said}");
    }
    let written = fs::read_to_string(home.config()).unwrap();
    assert!(written.contains("credential_process = [\"/usr/bin/corp-login\", \"--profile\", \"dev\"]"), "{written}");
    let shown = text(&home.run(["identity", "show", "ci"]).stdout);
    assert!(shown.contains("/run/token") && shown.contains(ASSUMING), "{shown}");
    let listed = text(&home.run(["identity", "list"]).stdout);
    assert!(listed.contains("web-identity") && listed.contains("process"), "{listed}");
    // What belongs to the old type goes; the region stays.
    let ecs = ["instance", "--type", "ecs", "--replace", "--container-credentials-full-uri", "http://127.0.0.1/c"];
    assert_eq!(add(&ecs).0, Some(0));
    assert_eq!(add(&["ci", "--type", "environment", "--replace"]).0, Some(0));
    let written = fs::read_to_string(home.config()).unwrap();
    let lines =
        ["container_credentials_full_uri = \"http://127.0.0.1/c\"", "region = \"eu-west-1\"", "\"environment\""];
    assert!(lines.iter().all(|line| written.contains(line)) && !written.contains("/run/token"), "{written}");
}
