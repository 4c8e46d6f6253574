//! What a person is told when something is wanted of them: which command helps, what became of the answer, and how soon
//! there is one where nobody can be asked.

use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use crate::mfa::{config, unlock};
use rolecall::client;
use rolecall::domain::error::{Kind, UserError};
use rolecall::domain::totp::TotpSecret;
use rolecall::ports::StoredKey;
use rolecall::protocol::message::{Answer, Context, Request};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN};
use rolecall_sandbox::{MfaDevice, Sandbox, World};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::sync::Barrier;
use std::time::Duration;

const SECOND: &str = "mfa_serial = \"arn:aws:iam::111111111111:mfa/second\"\n";

fn add_second_device(world: &mut World) {
    world.user(USER_ARN).mfa_devices.push(MfaDevice::generate(AUTH_ACCOUNT, "second"));
}

fn code_of_second(aws: &Sandbox) -> String {
    let now = aws.clock().now();
    aws.world(|world| world.user(USER_ARN).mfa_devices[1].code_at(now))
}

/// A role of the tutorials' ARN under another name.
fn also(name: &str, keys: &str) -> String {
    format!("\n[roles.{name}]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\nrole_session_name = \"{name}\"\n{keys}")
}

/// Writes a pinentry that is a shell script.
fn pinentry(dir: &Path, script: &str) -> String {
    let program = dir.join("pinentry");
    std::fs::write(&program, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    program.display().to_string()
}

fn get_with_display(agent: &Inside, name: &str) -> Result<(), UserError> {
    let context = Context { display: Some(":7".into()), ..Context::default() };
    client::get(&agent.paths, name, context).map(drop)
}

/// Runs the command that a hint names, with a code on its standard input.
fn run_hint(home: &Home, refused: &Output, code: &str) -> Output {
    let stderr = text(&refused.stderr);
    let command = stderr.split('`').find(|part| part.starts_with("rolecall unlock ")).expect(&stderr);
    home.run_with_input(command.split(' ').skip(1), code)
}

fn lines(home: &Home, event: &str) -> Vec<Value> {
    let audit = home.audit();
    let lines = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == event).collect()
}

fn wrong(right: &str) -> &'static str {
    if right == "000000" { "000001" } else { "000000" }
}

#[test]
fn what_is_said_to_open_a_role_with_a_device_of_its_own_opens_it() {
    let home = Home::ready(&(config(SECOND) + &also("plain", "")));
    home.aws.world(World::demand_mfa);
    home.aws.world(add_second_device);
    let alone = |name: &str| home.command("setsid").args(["-w", ROLECALL, "get", name]).output().unwrap();
    let refused = alone("prod");
    assert!(text(&refused.stderr).contains("`rolecall unlock prod`"), "{}", text(&refused.stderr));
    let status: Value = serde_json::from_slice(&home.run(["status", "--json"]).stdout).unwrap();
    assert_eq!(status["questions"][0]["answer_with"], "rolecall unlock prod");
    let opened = run_hint(&home, &refused, &code_of_second(&home.aws));
    assert!(opened.status.success(), "{}", text(&opened.stderr));
    assert!(home.run(["get", "prod"]).status.success());
    let refused = alone("plain");
    assert!(text(&refused.stderr).contains("`rolecall unlock auth`"), "{}", text(&refused.stderr));
    assert!(run_hint(&home, &refused, &home.aws.mfa_code(USER_ARN)).status.success());
    assert!(home.run(["get", "plain"]).status.success());
}

#[test]
fn notices_and_warnings_name_what_opens_the_device() {
    let mut world = World::tutorials_with_mfa();
    add_second_device(&mut world);
    let agent = Inside::start_in(world, &config(SECOND));
    agent.get("prod").expect_err("nobody can be asked");
    until("it is told", || !agent.told().is_empty());
    assert!(agent.told()[0].body.ends_with("rolecall unlock prod"), "{:?}", agent.told());
    unlock(&agent, "prod", &code_of_second(&agent.aws)).expect("the device's code");
    agent.get("prod").expect("served");
    agent.clock.advance(Duration::from_mins(11 * 60 + 40));
    agent.get("prod").expect("served");
    let warnings = agent.status().warnings;
    assert_eq!(warnings[0].hint.as_deref(), Some("run `rolecall unlock prod`"), "{warnings:?}");
}

#[test]
fn an_unlock_that_answers_an_open_question_says_what_became_of_the_code() {
    needs!("tmux");
    let home = Home::ready(&format!("prompts = [\"tty\"]\n{}", config("")));
    home.aws.world(World::demand_mfa);
    let window = Window::open(&home, "window");
    window.run(&format!("{ROLECALL} get prod > /dev/null; echo done $?"));
    until("it is asked", || window.shows("MFA code of auth"));
    let right = home.aws.mfa_code(USER_ARN);
    let refused = home.run_with_input(["unlock", "auth"], wrong(&right));
    assert_eq!(refused.status.code(), Some(5), "{}", text(&refused.stdout));
    assert!(text(&refused.stderr).contains("MultiFactorAuthentication failed"), "{}", text(&refused.stderr));
    until("it is asked again", || window.shows("AWS did not accept that code"));
    let right = home.aws.mfa_code(USER_ARN);
    let opened = home.run_with_input(["unlock", "auth"], &right);
    assert!(text(&opened.stdout).contains("`auth` is unlocked until "), "{opened:?}");
    until("it is served", || window.shows("done 0"));
    assert_eq!(home.run_with_input(["unlock", "auth"], &right).status.code(), Some(5), "used");
    assert_eq!(home.run_with_input(["unlock", "auth"], "12ab56").status.code(), Some(2));
    home.run(["agent", "stop"]);
    let unlocks = lines(&home, "unlock");
    let told: Vec<_> = unlocks[1..].iter().map(|line| (line["result"].as_str(), line["message"].as_str())).collect();
    assert!(matches!(told[0], (Some("AccessDenied"), Some(why)) if why.contains("one time pass code")), "{told:?}");
    assert_eq!(told[1], (Some("ok"), Some("answered the question that was open for `auth`")), "{told:?}");
    assert!(matches!(told[2], (Some("refused"), Some(why)) if why.contains("was used already")), "{told:?}");
    assert_eq!(told[3], (Some("usage"), Some("an MFA code is six digits")), "{told:?}");
    assert!(unlocks[1..].iter().all(|line| line["name"] == "auth"), "{unlocks:?}");
}

#[test]
fn a_code_that_comes_many_times_at_once_reaches_aws_once() {
    const PEOPLE: usize = 16;
    for _ in 0..5 {
        let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
        let (code, together) = (agent.aws.mfa_code(USER_ARN), Barrier::new(PEOPLE));
        let results: Vec<Result<(), UserError>> = std::thread::scope(|scope| {
            let one = || {
                together.wait();
                unlock(&agent, "auth", &code)
            };
            let people: Vec<_> = (0..PEOPLE).map(|_| scope.spawn(one)).collect();
            people.into_iter().map(|person| person.join().unwrap()).collect()
        });
        assert_eq!(agent.aws.count("GetSessionToken"), 1);
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let used = results.into_iter().filter_map(Result::err).all(|report| report.message.contains("used already"));
        assert!(used, "the others are told so");
    }
}

/// A pinentry that starts, says nothing, and does not want to end.
const MUTE: &str = "trap '' TERM HUP; while :; do sleep 600; done";

#[test]
fn a_pinentry_that_never_greets_keeps_no_caller_waiting_for_a_code() {
    needs!("tmux");
    let home = Home::bare("");
    let program = pinentry(&home.path(""), MUTE);
    let agent = format!("[agent]\nvault = \"file\"\nprompts = [\"pinentry\"]\npinentry_program = \"{program}\"\n");
    home.configure(&(agent + &config("")));
    home.aws.world(World::demand_mfa);
    home.open_vault();
    assert!(home.add_key().status.success());
    let window = Window::open(&home, "window");
    // Two ways: a window and the terminal.
    window.run(&format!("DISPLAY=:7 {ROLECALL} get prod; echo done $?"));
    until("it has an answer", || window.shows("done 4"));
    assert!(window.shows("mfa/richard is needed"), "{}", window.screen());
}

#[test]
fn a_pinentry_that_never_greets_keeps_no_caller_waiting_for_consent() {
    let dir = tempfile::tempdir().unwrap();
    let agent = format!("[agent]\npinentry_program = \"{}\"\n", pinentry(dir.path(), MUTE));
    let agent = Inside::start(&format!("{agent}{TUTORIAL}access = \"ask\"\n"));
    let report = get_with_display(&agent, "prod").expect_err("nobody can be asked");
    assert_eq!(report.kind, Kind::Locked);
}

#[test]
fn a_consent_for_which_nobody_can_be_asked_is_told_once_and_says_how_to_allow_it_for_good() {
    let agent = Inside::start(&format!("{TUTORIAL}access = \"ask\"\n"));
    let own = std::env::current_exe().unwrap();
    // Inside the agent's own process the caller's parent is what runs these tests.
    for _ in 0..5 {
        let report = agent.get("prod").expect_err("nobody can be asked");
        let hint = report.hint.unwrap();
        assert!(hint.contains("to allow it for good, write `access_by_program = { \"/"), "{own:?}: {hint}");
        assert!(hint.ends_with("\" = \"allow\" }` in [roles.prod]"), "{hint}");
    }
    until("it is told", || !agent.told().is_empty());
    let hint = agent.get("prod").expect_err("nobody can be asked").hint.unwrap();
    assert_eq!(agent.told().len(), 1, "{:?}", agent.told());
    assert!(agent.told()[0].body.ends_with(&hint), "{:?}", agent.told());
    let entry = hint.split('`').nth(1).unwrap();
    agent.edit(&format!("{TUTORIAL}access = \"ask\"\n{entry}\n")).expect("what is said can be pasted");
    agent.get("prod").expect("allowed for good");
}

#[test]
fn status_says_the_same_of_a_consent_for_which_nobody_can_be_asked() {
    let home = Home::ready(&format!("{TUTORIAL}access = \"ask\"\n"));
    let refused = home.command("setsid").args(["-w", ROLECALL, "get", "prod"]).output().unwrap();
    let stderr = text(&refused.stderr);
    let how = stderr.split("hint: ").nth(1).unwrap().trim();
    assert!(how.contains("access_by_program"), "{stderr}");
    let status = text(&home.run(["status"]).stdout);
    assert!(status.contains(&format!("nobody could be asked; {how}")), "{status}");
}

#[test]
fn a_question_that_moves_on_names_the_role_and_the_program_of_one_caller() {
    needs!("tmux");
    let home = Home::ready(&format!("prompts = [\"tty\"]\n{}{}", config(""), also("again", "")));
    home.aws.world(World::demand_mfa);
    let first = Window::open(&home, "first");
    first.run(&format!("{ROLECALL} get prod"));
    until("it is asked", || first.shows("prod is wanted for "));
    let second = Window::open(&home, "second");
    second.run(&format!("echo again | xargs {ROLECALL} get > /dev/null; echo done $?"));
    until("both wait", || text(&home.run(["status", "--json"]).stdout).contains("\"gets\": 2"));
    first.tmux(&["send-keys", "-t", "first", "C-z"]);
    drop(first);
    until("the second is asked", || second.shows("again is wanted for xargs"));
    let status: Value = serde_json::from_slice(&home.run(["status", "--json"]).stdout).unwrap();
    let question = &status["questions"][0];
    assert_eq!((&question["name"], &question["program"]), (&"again".into(), &"xargs".into()));
    second.run(&home.aws.mfa_code(USER_ARN));
    until("it is served", || second.shows("done 0"));
}

#[test]
fn the_last_word_on_the_terminal_is_what_became_of_the_question() {
    needs!("tmux");
    let home = Home::ready(&format!("prompts = [\"tty\"]\n{}{}", config(""), also("asked", "access = \"ask\"\n")));
    home.aws.world(World::demand_mfa);
    let window = Window::open(&home, "window");
    window.run(&format!("{ROLECALL} get prod; echo locked $?"));
    until("it is asked", || window.shows("MFA code of auth"));
    assert!(home.run(["lock"]).status.success());
    until("it is over", || window.shows("locked 4"));
    assert!(window.shows("(no longer asked)") && !window.shows("elsewhere"), "{}", window.screen());
    window.run(&format!("clear; {ROLECALL} get asked; echo refused $?"));
    until("consent is asked for", || window.shows("wants `asked`") && window.shows("[y/N]"));
    assert!(window.shows("AssumedRole) since "), "{}", window.screen());
    window.run("n");
    until("it is over", || window.shows("refused 4"));
    assert!(window.shows("(refused)") && !window.shows("(cancelled)"), "{}", window.screen());
}

#[test]
fn five_answers_that_are_no_code_are_not_called_a_cancellation() {
    let dir = tempfile::tempdir().unwrap();
    let babble = "echo OK; while read -r verb rest; do case $verb in GETPIN) echo D abc;; esac; echo OK; done";
    let agent = format!("[agent]\npinentry_program = \"{}\"\n", pinentry(dir.path(), babble));
    let agent = Inside::start_in(World::tutorials_with_mfa(), &(agent + &config("")));
    let report = get_with_display(&agent, "prod").expect_err("none of it is a code");
    assert_eq!(report.kind, Kind::Locked);
    assert!(report.message.contains("5 times no code") && !report.message.contains("cancel"), "{report:?}");
    assert!(report.hint.unwrap().contains("rolecall unlock auth"));
}

#[test]
fn status_says_that_the_next_code_is_waited_for() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    let secret = agent.aws.world(|world| world.user(USER_ARN).mfa_devices[0].secret.clone());
    agent.canaries.add(&secret);
    let key = agent.aws.access_key(USER_ARN);
    let stored = crate::harness::inside::stored(&key.id, &key.secret);
    agent.vault.put("auth", StoredKey { totp: TotpSecret::parse(&secret).ok(), ..stored });
    agent.get("prod").expect("served");
    agent.ask(Request::Lock).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get("prod"));
        until("status says so", || !agent.status().warnings.is_empty());
        let said = agent.status().warnings.remove(0).message;
        let device = "the next code of MFA device arn:aws:iam::111111111111:mfa/richard";
        assert_eq!(said, format!("the TOTP secret in the vault waits 30 s for {device}"));
        agent.clock.advance(Duration::from_secs(30));
        waiting.join().unwrap().expect("served with the next code");
    });
    assert!(agent.status().warnings.is_empty());
}

#[test]
fn a_person_at_a_terminal_is_told_which_device_is_meant_or_that_none_is() {
    needs!("tmux");
    let roles = SECOND.to_owned() + &also("open", "mfa = \"none\"\n");
    let home = Home::ready(&(config(&roles) + "[identities.instance]\ntype = \"ec2\"\n"));
    home.aws.world(World::demand_mfa);
    home.aws.world(add_second_device);
    let window = Window::open(&home, "window");
    window.run(&format!("{ROLECALL} unlock prod; echo done $?"));
    until("it is asked", || window.shows("MFA code for prod (arn:aws:iam::111111111111:mfa/second):"));
    window.run(&code_of_second(&home.aws));
    until("it is unlocked", || window.shows("done 0"));
    for (name, said) in [("open", "`rolecall get open` as it is"), ("instance", "`rolecall get instance` as it is")] {
        window.run(&format!("clear; {ROLECALL} unlock {name}; echo {name} is done $?"));
        until("it is said", || window.shows(&format!("{name} is done 2")));
        assert!(window.shows(&format!("`{name}` needs no MFA code")) && window.shows(said), "{}", window.screen());
        assert!(!window.shows("mfa_serial"), "{}", window.screen());
    }
    window.run(&format!("clear; {ROLECALL} unlock; echo nothing is done $?"));
    until("it cannot be told", || window.shows("nothing is done 2"));
    assert!(window.shows("more than one MFA device: of auth, prod"), "{}", window.screen());
}

#[test]
fn the_only_device_needs_no_name() {
    let device = |config: &str| {
        let agent = Inside::start_in(World::tutorials_with_mfa(), config);
        match agent.ask(Request::Device { name: None }) {
            Ok(Answer::Device { name, serial }) => Ok((name, serial)),
            Ok(other) => panic!("{other:?}"),
            Err(report) => Err(report.kind),
        }
    };
    let (richard, second) = ("arn:aws:iam::111111111111:mfa/richard", "arn:aws:iam::111111111111:mfa/second");
    assert_eq!(device(&config("")), Ok(("auth".into(), richard.into())));
    assert_eq!(device(&config("mfa = \"direct\"\n")), Ok(("auth".into(), richard.into())));
    assert_eq!(device(&(TUTORIAL.to_owned() + SECOND)), Ok(("prod".into(), second.into())));
    let shared = TUTORIAL.to_owned() + SECOND + &also("zebra", SECOND);
    assert_eq!(device(&shared), Ok(("prod".into(), second.into())), "one device of two roles");
    assert_eq!(device(TUTORIAL), Err(Kind::Config));
    assert_eq!(device(&config(SECOND)), Err(Kind::Usage));
}
