//! What the programs print of text that somebody else chose: paths, names, variables, and the answers of an agent and of AWS.
//!
//! Of such text no control character, no invisible character and no line of its own reaches stdout or stderr.

use crate::harness::home::{CHAIN, Home, set_mode, text};
use crate::harness::programs::{ROLECALL, ROLECALLD};
use rolecall::protocol::frame::{Tag, answer_head};
use rolecall_sandbox::{Fault, FaultKind, Match};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::Output;

/// Format and other invisible characters, which any text may have.
const INVISIBLE: &str =
    "\u{200b}\u{200d}\u{202e}\u{2066}\u{2028}\u{2029}\u{ad}\u{feff}\u{e0041}\u{e007f}\u{e0100}\u{3164}\u{2060}";

/// The start of a line that only hostile text has.
const FORGED: &str = "forged: ";

/// Text as bad as a file name can be.
fn hostile() -> String {
    format!("x\u{1b}[31m\u{1b}[2J\u{1b}]0;t\u{7}\r\u{8}\u{7f}\u{9b}31m{INVISIBLE}\n{FORGED}y")
}

/// Checks what a program wrote; `\n` is the one control character that it writes.
fn check(what: &str, bytes: &[u8]) {
    let said = std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{what}: not UTF-8: {e}"));
    if let Some(c) = said.chars().find(|c| *c != '\n' && (c.is_control() || INVISIBLE.contains(*c))) {
        panic!("{what}: {} is raw in {said:?}", c.escape_unicode());
    }
    assert!(!said.lines().any(|line| line.starts_with(FORGED)), "{what}: a forged line in {said:?}");
}

fn check_output(what: &str, output: &Output) {
    check(&format!("{what}: stdout"), &output.stdout);
    check(&format!("{what}: stderr"), &output.stderr);
    assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{what}: nothing was said: {:?}", output.status);
}

/// Runs a command that nobody answers.
fn run(home: &Home, what: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let output = home.rolecall(args).envs(variables.iter().copied()).output().unwrap();
    check_output(&format!("{what} {}", args[..args.len().min(3)].join(" ").escape_debug()), &output);
    output
}

#[test]
fn hostile_arguments_are_printed_escaped() {
    let home = Home::ready(CHAIN);
    let bad = hostile();
    let bad = bad.as_str();
    for args in [
        &[bad][..],
        &["--", bad],
        &["get", bad],
        &["env", bad],
        &["env", "prod", "--format", bad],
        &["env", "prod", "--write-file", bad],
        &["exec", bad, "--", "true"],
        &["exec", "prod", "--", bad],
        &["shell", bad],
        &["imds", bad],
        &["console", bad],
        &["console", "prod", "--print", "--service", bad],
        &["console", "prod", "--print", "--region", bad],
        &["switch-link", bad],
        &["role", "show", bad],
        &["role", "remove", bad],
        &["role", "add", bad, "--source", "auth", "--role-arn", "arn:aws:iam::222222222222:role/x"],
        &["role", "add", "new", "--source", bad, "--role-arn", "arn:aws:iam::222222222222:role/x"],
        &["role", "add", "new", "--source", "auth", "--role-arn", bad],
        &["identity", "show", bad],
        &["identity", "remove", bad, "--yes"],
        &["identity", "rotate", bad, "--yes"],
        &["identity", "add", bad],
        &["identity", "add", "other", "--csv", bad],
        &["identity", "add", "other", "--type", bad],
        &["unlock", bad],
        &["doctor", bad],
        &["log", "--since", bad],
        &["import", "--only", bad, "--dry-run"],
        &["agent", "socket", "add", bad, "--roles", "prod"],
        &["agent", "socket", "add", "vm", "--roles", bad],
        &["setup", "plan", "--auth-account", bad, "--workload-account", "2"],
        &["setup", "apply", "--auth-profile", bad, "--workload-profile", bad, "--role", bad, "--yes"],
        &["setup", "destroy", "--auth-profile", bad, "--workload-profile", bad, "--name", bad, "--yes"],
    ] {
        run(&home, "arguments", args, &[]);
    }
    let word = home.command(ROLECALLD).arg(bad).output().unwrap();
    check_output("rolecalld", &word);
}

#[test]
fn hostile_variables_are_printed_escaped() {
    let home = Home::ready(CHAIN);
    let dir = home.path(&hostile());
    fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o700);
    let below = |name: &str| dir.join(name).display().to_string();
    fs::write(dir.join("config.toml"), "[roles.prod]\nrole_arn = 7\n").unwrap();
    fs::write(dir.join("credentials"), "no section\n").unwrap();
    let profile = format!("[profile {0}]\n{0} = {0}\nrole_arn = {0}\n[default]\nsource_profile = {0}\n", hostile());
    fs::write(dir.join("aws"), profile).unwrap();
    let (socket, config, aws, credentials) =
        (below("no/agent.sock"), below("config.toml"), below("aws"), below("credentials"));
    let files = [("AWS_CONFIG_FILE", aws.as_str()), ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str())];
    let bad = hostile();
    for args in
        [&["get", "prod"][..], &["status"], &["doctor", "prod"], &["lock"], &["agent", "stop"], &["unlock"], &[]]
    {
        let elsewhere = [("ROLECALL_SOCKET", socket.as_str()), ("ROLECALL_AUTOSTART", "no")];
        let output = home.rolecall(args).envs(elsewhere).output().unwrap();
        check_output(&format!("socket {args:?}"), &output);
    }
    for args in
        [&["status"][..], &["role", "list"], &["role", "show", "prod"], &["doctor", "prod"], &["profiles", "diff"], &[]]
    {
        let output = home.rolecall(args).env("ROLECALL_CONFIG", &config).output().unwrap();
        check_output(&format!("config {args:?}"), &output);
    }
    for args in [
        &["profiles", "diff"][..],
        &["doctor", "prod"],
        &["import", "--dry-run"],
        &["exec", "prod", "--", "true"],
        &["profiles", "sync"],
        &["profiles", "diff", "--json"],
        &[],
    ] {
        let output = home.rolecall(args).envs(files).output().unwrap();
        check_output(&format!("AWS files {args:?}"), &output);
    }
    run(&home, "shell", &["env", "prod"], &[("SHELL", &bad)]);
    run(&home, "shell", &["shell", "prod"], &[("SHELL", &bad)]);
    run(&home, "browser", &["console", "prod"], &[("BROWSER", &bad)]);
    run(&home, "role", &["prompt", "--long"], &[("ROLECALL_ROLE", &bad)]);
    // Not HOME: with a bad one the agent takes the home in the user database, the one of whoever runs this test.
    for (name, value) in [("ROLECALL_SOCKET", below("a.sock")), ("ROLECALL_CONFIG", bad.clone())] {
        // Its directory is open to others, its path too long, or the path relative.
        set_mode(&dir, 0o755);
        let agent = home.command(ROLECALLD).env(name, value).output().unwrap();
        check_output(&format!("rolecalld {name}"), &agent);
    }
}

#[test]
fn hostile_file_names_and_logs_are_printed_escaped() {
    let home = Home::ready(CHAIN);
    let config = fs::read_to_string(home.config()).unwrap();
    fs::create_dir(home.path(".config/rolecall/conf.d")).unwrap();
    let included = home.path(".config/rolecall/conf.d").join(format!("{}.toml", hostile()));
    fs::write(included, "[roles.\"x\\u001b[2J\\u200b\"]\nsource = \"\\u202e\"\n").unwrap();
    fs::write(home.config(), format!("include = [\"conf.d/*.toml\"]\n{config}")).unwrap();
    for args in [&["status"][..], &["role", "list"], &["doctor"], &["get", "prod"], &["identity", "list"]] {
        run(&home, "include", args, &[]);
    }
    fs::write(home.config(), config).unwrap();
    let line = json!({"time": "2026-11-22T00:00:00Z", "event": hostile(), "name": hostile(), "message": hostile(),
        "program": hostile(), "code": hostile(), "access_key_id": hostile()});
    let log = home.path(".local/state/rolecall/audit.jsonl");
    fs::write(&log, format!("{line}\n{}\n", hostile())).unwrap();
    run(&home, "log", &["log"], &[]);
    let lines = run(&home, "log", &["log", "--json"], &[]);
    let shown: Value = serde_json::from_slice(lines.stdout.split(|b| *b == b'\n').next().unwrap()).expect("JSON");
    assert_eq!(shown, line, "JSON stays the same value");
}

#[test]
fn hostile_answers_of_an_agent_are_printed_escaped() {
    let home = Home::bare(CHAIN);
    fs::create_dir(home.path("run/rolecall")).unwrap();
    set_mode(&home.path("run/rolecall"), 0o700);
    let listener = UnixListener::bind(home.socket()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // A thread each: some commands hold a connection on which they send nothing.
            std::thread::spawn(move || {
                let mut length = [0; 4];
                if stream.read_exact(&mut length).is_err() {
                    return;
                }
                let mut call = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
                stream.read_exact(&mut call).unwrap();
                let call = text(&call);
                let mut send = |tag, payload: &Value| {
                    let payload = payload.to_string();
                    let _ = stream.write_all(&answer_head(tag, payload.len()));
                    let _ = stream.write_all(payload.as_bytes());
                };
                if call.contains("\"lock\"") {
                    send(Tag::Answer, &json!({"answer": "done", "note": hostile()}));
                } else {
                    if call.contains("\"doctor\"") {
                        send(Tag::Progress, &json!({"step": hostile(), "text": hostile()}));
                    }
                    send(Tag::Refusal, &json!({"kind": "failed", "message": hostile(), "hint": hostile()}));
                }
            });
        }
    });
    for args in [
        &["get", "prod"][..],
        &["env", "prod"],
        &["exec", "prod", "--", "true"],
        &["status"],
        &["status", "--json"],
        &["unlock", "prod"],
        &["lock"],
        &["identity", "list"],
        &["doctor", "prod"],
        &["console", "prod", "--print"],
        &["agent", "socket", "list"],
        &["import", "--dry-run"],
        &[],
    ] {
        let output = home.rolecall(args).output().unwrap();
        check_output(&format!("agent {args:?}"), &output);
    }
    fs::remove_file(home.socket()).unwrap();
}

#[test]
fn hostile_messages_of_aws_are_printed_escaped() {
    let home = Home::ready(CHAIN);
    home.aws.fault(Fault {
        when: Match::any(),
        what: FaultKind::Error {
            status: 403,
            code: "AccessDenied".to_owned(),
            message: format!("no{INVISIBLE}\n{FORGED}x\u{7f}\u{9b}2J"),
        },
        skip: 0,
        times: None,
    });
    for args in [&["get", "prod"][..], &["doctor", "prod"], &["log"], &["status"], &["exec", "data", "--", "true"]] {
        run(&home, "AWS", args, &[]);
    }
    let log = fs::read(home.path(".local/state/rolecall/agent.log")).unwrap_or_default();
    check("agent.log", &log);
}

#[test]
fn on_a_terminal_only_our_colours_are_raw() {
    let home = Home::ready(CHAIN);
    let bad = home.path("bad");
    fs::write(&bad, hostile()).unwrap();
    for command in
        ["get \"$(cat bad)\"", "status", "role show \"$(cat bad)\"", "--help", "log", "doctor \"$(cat bad)\""]
    {
        let raw = home.path("raw");
        let line = format!("{ROLECALL} {command}");
        let mut script = home.command("script");
        script.env("TERM", "xterm").env("LANG", "C.UTF-8").args(["-qec", &line]).arg(&raw);
        script.output().unwrap();
        let said = text(&fs::read(&raw).unwrap()).replace("\r\n", "\n");
        // What is drawn and cleared while a person waits.
        let said = said.replace("\r\u{1b}[K", "");
        let plain = ["0", "1", "2", "4", "31", "32", "33"]
            .iter()
            .fold(said.clone(), |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
        let plain = plain.lines().filter(|line| !line.starts_with("Script ")).collect::<Vec<&str>>().join("\n");
        assert!(plain.len() > 10, "{command}: {said:?}");
        check(command, plain.as_bytes());
        fs::remove_file(&raw).unwrap();
    }
}

#[test]
fn diffs_show_only_values_that_are_known_to_be_harmless() {
    let home = Home::ready(CHAIN);
    fs::create_dir(home.path(".aws")).unwrap();
    let config = "[profile tool]\ncredential_process = /opt/tool --token hush-1\naws_secret_acces_key = hush-2\n\
        password: hush-3\n# hush-4\nregion = eu-west-1 # hush-5\nregion =\n  hush-6\nendpoint_url = https://u:hush-7@x.test\n\
        hush-8\nx_token = hush-9\noutput = json\n";
    fs::write(home.path(".aws/config"), config).unwrap();
    for args in [&["profiles", "diff"][..], &["profiles", "diff", "--json"]] {
        let shown = text(&home.run(args).stdout);
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("output = json") && shown.contains("get prod"), "{shown}");
    }
}

/// The files that may write to stdout or stderr: the writer of the client, its live screen, and the agent's program.
const PRINTERS: [&str; 5] = [
    "src/cli/output.rs",
    "src/cli/status/watch.rs",
    "src/daemon/lib.rs",
    "src/agent/log.rs",
    // A place in the source and nothing from outside.
    "src/platform/panics.rs",
];

#[test]
fn one_place_prints() {
    fn look(dir: &std::path::Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
                continue;
            }
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            if PRINTERS.contains(&name.as_str()) {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let prints = |line: &&str| {
                [
                    "println!(",
                    "eprintln!(",
                    "print!(",
                    "stdout().lock",
                    "stderr().lock",
                    "stdio::stdout()",
                    "stdio::stderr()",
                ]
                .iter()
                .any(|word| line.contains(word))
                    || (line.contains("write") && (line.contains("stdout()") || line.contains("stderr()")))
            };
            found.extend(source.lines().filter(prints).map(|line| format!("{name}: {}", line.trim())));
        }
    }
    let mut found = Vec::new();
    look(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "{found:#?}");
}
