//! MFA as a person meets it: tools in real terminals, asked by the real pinentry or on the terminal itself; and a secret in
//! the real keyring, where nobody is asked.

use crate::harness::home::text;
use crate::harness::inside::until;
use crate::harness::window::Window;
use crate::peers::Client;
use crate::person::{Person, assert_listing};
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::json;
use std::process::Command;

const TERMINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// A person whose role demands a code, and who is asked as `agent` says.
fn with_device(agent: &str) -> Person {
    let person = Person::settled();
    person.home.aws.world(World::demand_mfa);
    let config = std::fs::read_to_string(person.home.config()).unwrap();
    let device = "type = \"iam-user\"\nmfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\n";
    let config = config.replace("type = \"iam-user\"\n", device);
    person.home.configure(&format!("[agent]\n{agent}\n{config}"));
    // Has the agent read it now.
    person.rolecall(&["status"]);
    person
}

/// Writes down a command as a person types it into a shell.
fn typed(command: &Command) -> String {
    let word = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().unwrap());
    let variables = command.get_envs().filter(|(name, _)| name.to_str().unwrap().starts_with("AWS_"));
    let variables = variables.filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, word(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(word);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn lists(person: &Person, window: &Window<'_>, client: Client, name: &str) {
    let line = typed(&client.list(&person.home, &person.cloud.url));
    window.run(&format!("{line} > {name}.txt; echo {name} done $?"));
}

fn listed(person: &Person, client: Client, name: &str) {
    let listing = std::fs::read_to_string(person.home.path(&format!("{name}.txt"))).unwrap();
    for line in client.expected() {
        assert!(listing.lines().any(|l| l.trim_start().ends_with(line)), "{name}: {line} is missing:\n{listing}");
    }
}

#[test]
fn the_cli_in_five_terminals_asks_once_in_the_terminal_that_came_first() {
    needs!("tmux");
    let person = with_device("prompts = [\"tty\"]");
    let windows: Vec<Window<'_>> = TERMINALS.into_iter().map(|name| Window::open(&person.home, name)).collect();
    lists(&person, &windows[0], Client::CliV2, TERMINALS[0]);
    until("the first terminal is asked", || windows[0].shows("MFA code of auth"));
    for (window, name) in windows.iter().zip(TERMINALS).skip(1) {
        lists(&person, window, Client::CliV2, name);
    }
    until("all five wait", || person.home.gets() == 5);
    for (window, name) in windows.iter().zip(TERMINALS).skip(1) {
        assert!(!window.shows("MFA code"), "{name}: {}", window.screen());
    }
    assert_eq!(windows[0].screen().matches("MFA code").count(), 1);
    windows[0].run(&person.home.aws.mfa_code(USER_ARN));
    for (window, name) in windows.iter().zip(TERMINALS) {
        until("it lists the bucket", || window.shows(&format!("{name} done 0")));
        listed(&person, Client::CliV2, name);
    }
    assert_eq!(person.home.aws.count("GetSessionToken"), 1);
    assert_eq!(person.home.aws.count("AssumeRole"), 1);
    person.nothing_leaked();
}

#[test]
fn the_real_pinentry_asks_under_the_cli_and_under_a_javascript_program() {
    needs!("pinentry-curses", "tmux");
    asks_under_both("prompts = [\"pinentry\"]\npinentry_program = \"/usr/bin/pinentry-curses\"");
}

#[test]
fn the_terminal_itself_is_asked_on_under_the_cli_and_under_a_javascript_program() {
    needs!("tmux");
    asks_under_both("prompts = [\"tty\"]");
}

fn asks_under_both(agent: &str) {
    for client in [Client::CliV2, Client::JavaScript("default")] {
        let person = with_device(agent);
        let window = Window::open(&person.home, "window");
        lists(&person, &window, client, "listing");
        until("it is asked", || window.shows("prod") && window.shows("MFA code of auth"));
        window.run(&person.home.aws.mfa_code(USER_ARN));
        until("it lists the bucket", || window.shows("listing done 0"));
        listed(&person, client, "listing");
        window.run("echo visible again");
        until("the terminal shows what is typed", || window.screen().matches("visible again").count() >= 2);
        assert_eq!(person.home.aws.count("GetSessionToken"), 1);
        person.nothing_leaked();
    }
}

#[test]
fn a_secret_in_the_real_keyring_serves_tools_that_nobody_watches() {
    let person = with_device("");
    let secret = person.home.aws.world(|world| world.user(USER_ARN).mfa_devices[0].secret.clone());
    person.home.canaries.add(&secret);
    let input = json!({ "TotpSecret": secret }).to_string();
    let added = person.home.run_with_input(["identity", "add", "auth", "--totp", "--yes"], &input);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let seen = person.desk.secret_tool(&["lookup", "service", &person.home.keyring_service(), "username", "auth"]);
    assert!(seen.contains(&format!("\"TotpSecret\":\"{secret}\"")), "the keyring has it beside the key");
    person.rolecall(&["agent", "stop"]);
    // The code that was tried when the secret was added is used up; an agent that has just started does not know that.
    let mut command = person.home.command("setsid");
    let list = Client::CliV2.list(&person.home, &person.cloud.url);
    command.arg("-w").arg(list.get_program()).args(list.get_args());
    command.envs(list.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = person.runs(&mut command);
    assert_listing(Client::CliV2, &output);
    person.nothing_leaked();
}
