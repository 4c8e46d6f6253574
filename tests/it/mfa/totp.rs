//! Codes from the secret in the vault: nobody is asked, none is used twice, and what goes wrong is passed on to a person.

use super::{config, unlock, waits_for_next_code};
use crate::harness::home::{Home, text};
use crate::harness::inside::{Inside, until};
use crate::harness::programs::ROLECALL;
use crate::harness::window::Window;
use chrono::{DateTime, Utc};
use rolecall::adapters::sources::StartupEnv;
use rolecall::adapters::sts::Sts;
use rolecall::domain::arn::MfaSerial;
use rolecall::domain::catalogue::AwsSettings;
use rolecall::domain::error::Kind;
use rolecall::domain::names::Name;
use rolecall::domain::plan::SessionTokenCall;
use rolecall::domain::secret::MfaCode;
use rolecall::domain::totp::TotpSecret;
use rolecall::ports::{StoredKey, TokenService, Vault};
use rolecall::protocol::message::{Answer, Request};
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, USER_ARN};
use rolecall_sandbox::{AccessKey, User, World};
use serde_json::{Value, json};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

const STEP: Duration = Duration::from_secs(30);
const OTHER: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn device(agent: &Inside) -> String {
    agent.aws.world(|world| world.user(USER_ARN).mfa_devices[0].secret.clone())
}

fn stored(agent: &Inside) -> StoredKey {
    let name = Name::new("auth").unwrap();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(agent.vault.read(&name)).unwrap()
}

/// Puts a secret into the vault, whatever it is good for.
fn keep(agent: &Inside, secret: &str) {
    agent.canaries.add(secret);
    agent.vault.put("auth", StoredKey { totp: TotpSecret::parse(secret).ok(), ..stored(agent) });
}

/// Uses a code as an agent before this one would have, whose memory is gone.
fn use_up(agent: &Inside, code: String) {
    let aws = Arc::new(AwsSettings { sts_endpoint: Some(agent.aws.url()), ..AwsSettings::default() });
    let mfa_serial = MfaSerial::new("arn:aws:iam::111111111111:mfa/richard").ok();
    let call = SessionTokenCall { region: "eu-west-1".into(), duration: Duration::from_mins(15), mfa_serial };
    let (sts, key, code) =
        (Sts::new(agent.clock.clone(), StartupEnv::default(), None), stored(agent).key, MfaCode::new(code));
    let used = sts.session_token(&aws, &key, &call, Some(&code));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(used).expect("the first use");
}

fn ask_to_keep(agent: &Inside, secret: Option<&str>) -> Result<String, rolecall::domain::error::UserError> {
    let secret = secret.map(|secret| TotpSecret::parse(secret).unwrap());
    match agent.ask(Request::IdentityTotp { name: "auth".into(), secret })? {
        Answer::Done { note } => Ok(note.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_without_terminal_or_display_is_served_by_the_secret_in_the_vault() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    keep(&agent, &device(&agent));
    agent.get("prod").expect("nobody needs to be asked");
    assert_eq!(agent.aws.count("GetSessionToken"), 1);
    assert_eq!(agent.status().counts.vault_reads, 1, "the key and the secret are one item");
    agent.clock.advance(Duration::from_hours(13));
    agent.get("prod").expect("the next code opens the next session");
    assert_eq!(agent.aws.count("GetSessionToken"), 2);
}

#[test]
fn the_agents_codes_are_those_of_an_independent_program() {
    needs!("oathtool");
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    let secret = device(&agent);
    keep(&agent, &secret);
    for _ in 0..3 {
        agent.get("prod").expect("served");
        let now = agent.aws.clock().now();
        let used = unlock(&agent, "auth", &oathtool(&secret, now)).expect_err("it is the one that the agent used");
        assert!(used.kind == Kind::Refused && used.message.contains("used already"), "{used:?}");
        unlock(&agent, "auth", &oathtool(&secret, now + STEP)).expect("it is the device's next one");
        agent.ask(Request::Lock).unwrap();
        // Half a day and a step, so that it is other codes each time.
        agent.clock.advance(Duration::from_hours(12) + STEP);
    }
}

#[test]
fn a_code_that_was_used_is_not_sent_again_and_the_next_one_is_waited_for() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    keep(&agent, &device(&agent));
    agent.get("prod").expect("served");
    agent.ask(Request::Lock).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get("prod"));
        until("it waits", || waits_for_next_code(&agent));
        assert_eq!(agent.aws.count("GetSessionToken"), 1, "the code of this half minute is not sent twice");
        agent.clock.advance(STEP);
        waiting.join().unwrap().expect("served with the next code");
    });
    assert_eq!(agent.aws.count("GetSessionToken"), 2);
}

#[test]
fn an_agent_that_has_just_started_does_not_take_its_predecessors_code_for_a_wrong_secret() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    keep(&agent, &device(&agent));
    use_up(&agent, agent.aws.mfa_code(USER_ARN));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get("prod"));
        until("it waits", || waits_for_next_code(&agent));
        agent.clock.advance(STEP);
        waiting.join().unwrap().expect("served with the next code");
    });
    assert_eq!(agent.aws.count("GetSessionToken"), 3, "the first use, the refused second, the next code");
}

#[test]
fn a_clock_that_is_set_while_the_next_code_is_waited_for_uses_none_twice() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    keep(&agent, &device(&agent));
    agent.get("prod").expect("served");
    agent.ask(Request::Lock).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| agent.get("prod"));
        until("it waits", || waits_for_next_code(&agent));
        // The machine slept half a minute that the wall clock does not know of: the code of now is the used one still.
        agent.clock.advance_boot(STEP);
        agent.clock.advance(STEP);
        waiting.join().unwrap().expect("served with the next code");
    });
    assert_eq!(agent.aws.count("GetSessionToken"), 2, "AWS saw no code twice");
}

#[test]
fn a_secret_that_aws_refuses_is_passed_over_with_the_reason_and_costs_one_call_a_minute() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    keep(&agent, OTHER);
    agent.clock.advance(STEP);
    for _ in 0..3 {
        let report = agent.get("prod").expect_err("nobody can be asked");
        assert_eq!(report.kind, Kind::Locked);
        let hint = report.hint.unwrap();
        assert!(hint.contains("`rolecall unlock auth`"), "{hint}");
        assert!(hint.contains("AWS did not accept the code of the TOTP secret in the vault"), "{hint}");
    }
    assert_eq!(agent.aws.count("GetSessionToken"), 1);
    unlock(&agent, "auth", &agent.aws.mfa_code(USER_ARN)).expect("the device's own code");
    agent.get("prod").expect("served");
}

#[test]
fn a_secret_is_kept_once_aws_has_taken_a_code_of_it() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), &config(""));
    let device = device(&agent);
    agent.canaries.add(&device);
    agent.canaries.add(OTHER);
    let wrong = ask_to_keep(&agent, Some(OTHER)).expect_err("another device's");
    assert_eq!(wrong.kind, Kind::Refused);
    assert!(wrong.message.contains("mfa/richard; it is not stored"), "{wrong:?}");
    assert!(stored(&agent).totp.is_none());
    let said = ask_to_keep(&agent, Some(&device)).expect("its own");
    assert!(said.contains("unlocked"), "{said}");
    assert!(stored(&agent).totp.is_some());
    let calls = agent.aws.count("GetSessionToken");
    agent.get("prod").expect("the session that the trial made");
    assert_eq!(agent.aws.count("GetSessionToken"), calls);
    let said = ask_to_keep(&agent, None).expect("removed");
    assert!(said.contains("its key stays"), "{said}");
    assert!(stored(&agent).totp.is_none());
}

#[test]
fn a_secret_needs_a_device_that_the_configuration_names() {
    let agent = Inside::start_in(World::tutorials_with_mfa(), crate::harness::inside::TUTORIAL);
    let report = ask_to_keep(&agent, Some(OTHER)).expect_err("no mfa_serial");
    assert_eq!(report.kind, Kind::Usage);
    assert!(report.hint.unwrap().contains("--mfa-serial"));
    assert!(agent.aws.calls().is_empty());
}

/// The real programs.
fn home() -> (Home, String) {
    let home = Home::ready(&config(""));
    home.aws.world(World::demand_mfa);
    let secret = home.aws.world(|world| world.user(USER_ARN).mfa_devices[0].secret.clone());
    home.canaries.add(&secret);
    (home, secret)
}

/// Gives an independent program's code of a time.
fn oathtool(secret: &str, time: DateTime<Utc>) -> String {
    let time = time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let output = std::process::Command::new("oathtool").args(["--totp", "-b", "--now", &time, secret]).output();
    let output = output.expect("oathtool is installed");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// Runs a command where there is neither terminal nor display.
fn alone(home: &Home, args: &[&str]) -> Output {
    home.command("setsid").arg("-w").arg(ROLECALL).args(args).output().unwrap()
}

#[test]
fn a_secret_that_is_piped_in_serves_who_cannot_be_asked() {
    let (home, secret) = home();
    let input = json!({ "TotpSecret": secret.to_lowercase() }).to_string();
    let refused = home.run_with_input(["identity", "add", "auth", "--totp"], &input);
    assert_eq!(refused.status.code(), Some(2), "consent is not assumed");
    let said = text(&refused.stderr);
    assert!(said.contains("both factors lie in one place") && said.contains("--totp --yes"), "{said}");
    let added = home.run_with_input(["identity", "add", "auth", "--totp", "--yes"], &input);
    assert!(added.status.success(), "{}", text(&added.stderr));
    assert!(text(&added.stdout).contains("both factors lie in one place"), "{}", text(&added.stdout));
    assert!(alone(&home, &["get", "prod"]).status.success());
    let list: Value = serde_json::from_slice(&home.run(["identity", "list", "--json"]).stdout).unwrap();
    assert_eq!(list[0]["totp"], true);
    assert!(text(&home.run(["identity", "list"]).stdout).contains("TOTP secret kept"));
    assert!(text(&home.run(["identity", "show", "auth"]).stdout).contains("from the TOTP secret beside the key"));

    // Another key takes the old one's place beside the secret.
    assert!(home.add_key().status.success());
    let list: Value = serde_json::from_slice(&home.run(["identity", "list", "--json"]).stdout).unwrap();
    assert_eq!(list[0]["totp"], true);
    let removed = home.run(["identity", "add", "auth", "--no-totp"]);
    assert!(removed.status.success(), "{}", text(&removed.stderr));
    let list: Value = serde_json::from_slice(&home.run(["identity", "list", "--json"]).stdout).unwrap();
    assert_eq!(list[0]["totp"], false);
    assert!(list[0]["access_key_id"].is_string(), "the key stays");
}

#[test]
fn a_secret_goes_with_its_user_and_that_is_said() {
    let (home, secret) = home();
    let input = json!({ "TotpSecret": secret }).to_string();
    assert!(home.run_with_input(["identity", "add", "auth", "--totp", "--yes"], &input).status.success());
    let key = AccessKey::generate();
    let other = User { account: AUTH_ACCOUNT.to_owned(), ..User::new("mary").with_key(key.clone()) };
    home.aws.world(|world| world.account(AUTH_ACCOUNT).users.insert("mary".to_owned(), other));
    home.canaries.add(&key.secret);
    let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
    let replaced = home.run_with_input(["identity", "add", "auth", "--replace"], &input);
    assert!(replaced.status.success(), "{}", text(&replaced.stderr));
    let said = text(&replaced.stdout);
    assert!(said.contains(&format!("! the TOTP secret of {USER_ARN} was deleted with its key")), "{said}");
    let list: Value = serde_json::from_slice(&home.run(["identity", "list", "--json"]).stdout).unwrap();
    assert_eq!((&list[0]["totp"], &list[0]["access_key_id"]), (&false.into(), &key.id.as_str().into()));
    let again = home.run_with_input(["identity", "add", "auth", "--replace"], &input);
    assert!(!text(&again.stdout).contains("TOTP"), "there is none to delete any more");
}

#[test]
fn a_person_is_told_the_risk_and_asked_before_the_secret_is_typed() {
    needs!("tmux");
    let (home, secret) = home();
    let window = Window::open(&home, "window");
    let add = format!("{ROLECALL} identity add auth --totp; echo done $?");
    let asks = || window.shows("both factors lie in one place") && window.shows("[y/N]");
    window.run(&add);
    until("the risk is said", asks);
    window.run("n");
    until("nothing happens", || window.shows("nothing was changed") && window.shows("done 0"));
    window.run(&format!("clear; {add}"));
    until("the risk is said", asks);
    window.run("y");
    until("the secret is asked for", || window.shows("otpauth:// URI (not shown)"));
    window.run(&secret);
    until("it is kept", || window.shows("is unlocked") && window.shows("done 0"));
    assert!(!window.shows(&secret), "what is typed is not shown");
    assert!(alone(&home, &["get", "prod"]).status.success());
}

#[test]
fn a_key_and_its_secret_are_added_in_one_go() {
    let home = Home::bare("[agent]\nvault = \"file\"\n\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n");
    home.aws.world(World::demand_mfa);
    home.open_vault();
    let secret = home.aws.world(|world| world.user(USER_ARN).mfa_devices[0].secret.clone());
    home.canaries.add(&secret);
    let key = home.aws.access_key(USER_ARN);
    let input = |secret: &str| {
        json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret, "TotpSecret": format!("otpauth://totp/x?secret={secret}")})
            .to_string()
    };
    let serial = ["--mfa-serial", "arn:aws:iam::111111111111:mfa/richard"];
    let add = [&["identity", "add", "auth", "--totp", "--yes"], &serial[..]].concat();
    let wrong = home.run_with_input(&add, &input(OTHER));
    assert_eq!(wrong.status.code(), Some(5));
    assert!(text(&wrong.stderr).contains("it is not stored"), "{}", text(&wrong.stderr));
    assert!(text(&wrong.stdout).contains("is in the vault"), "the key is: {}", text(&wrong.stdout));
    let again = [&add[..], &["--replace"]].concat();
    let added = home.run_with_input(&again, &input(&secret));
    assert!(added.status.success(), "{}", text(&added.stderr));
    let role = ["role", "add", "prod", "--source", "auth", "--role-arn", rolecall_sandbox::tutorials::ROLE_ARN];
    assert!(home.run(role).status.success());
    assert!(alone(&home, &["get", "prod"]).status.success());
}
