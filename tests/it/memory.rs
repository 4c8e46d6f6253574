//! What lies in the agent's memory, and what no longer does: proven by reading all of it from outside.
//!
//! Looked for is the end of each secret. Its beginning is the first that a freed block loses, to the allocator's own lists.

use crate::harness::home::{Home, PASSPHRASE};
use crate::harness::inside::TUTORIAL;
use crate::harness::memory::Stopped;
use crate::harness::process::Running;
use crate::harness::wire::{is_reset, stuff};
use crate::mfa;
use rolecall::protocol::process_output;
use rolecall_sandbox::Match;
use rolecall_sandbox::World;
use rolecall_sandbox::tutorials::USER_ARN;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Enough to be told from chance, and to survive what a freed block loses at its beginning.
const TAIL: usize = 20;

/// How long the agent may run on; a fault would leave a secret there for good.
const PATIENCE: Duration = Duration::from_mins(5);

fn tail(secret: &str) -> &str {
    &secret[secret.len() - TAIL..]
}

#[test]
fn after_a_lock_no_session_is_in_memory_and_the_long_term_key_never_stays() {
    needs!("root");
    let config = format!("[agent]\nvault = \"file\"\n{}", mfa::config(""));
    let home = Home::bare(&config);
    let agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    home.aws.world(World::demand_mfa);
    let code = home.aws.mfa_code(USER_ARN);
    assert!(home.run_with_input(["unlock", "auth"], &code).status.success());
    let mut secrets = Vec::new();
    for name in ["auth", "prod"] {
        let output = home.run(["get", name]);
        let session = process_output::parse(&output.stdout).expect("served");
        secrets.push((format!("the secret of {name}"), session.secret.expose().to_owned()));
        secrets.push((format!("the token of {name}"), session.token.expose().to_owned()));
    }
    let before = Stopped::at_once(agent.pid());
    for (what, secret) in &secrets {
        assert!(!before.places(tail(secret)).is_empty(), "{what} is not even found where it must be");
    }
    let long_term = home.aws.access_key(USER_ARN).secret;
    assert_eq!(before.places(tail(&long_term)), [""; 0], "the long-term key, after the flights");
    // Six digits are found by chance; in the forms in which they came and went they are not.
    for form in [format!("\"code\":\"{code}"), format!("TokenCode={code}")] {
        assert_eq!(before.places(&form), [""; 0], "the MFA code");
    }
    drop(before);

    let start = Instant::now();
    assert!(home.run(["lock"]).status.success());
    // The sessions are gone when the command returns; the connections that brought them end by themselves, at once. The
    // agent runs only between one look and the next, so that what is measured is its own time.
    let (mut ran, mut running_since) = (Duration::ZERO, start);
    loop {
        let stopped = Stopped::at_once(agent.pid());
        ran += running_since.elapsed();
        let places = secrets.iter().flat_map(|(what, secret)| {
            let places = stopped.places(tail(secret)).into_iter();
            places.map(move |place| format!("{what}: {place}"))
        });
        let left: Vec<String> = places.collect();
        if left.is_empty() {
            break;
        }
        assert!(ran < PATIENCE, "{} places after {ran:?}:\n{}", left.len(), left.join("\n"));
        drop(stopped);
        running_since = Instant::now();
    }
    writeln!(std::io::stderr(), "from the lock command's start until nothing is left: {ran:?}").expect("stderr");
    let after = Stopped::at_once(agent.pid());
    assert_eq!(after.places(tail(PASSPHRASE)), [""; 0], "the vault's passphrase");
}

#[test]
fn a_lock_answers_when_what_was_under_way_is_wiped_too() {
    needs!("root");
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    let key = home.aws.access_key(USER_ARN).secret;
    let hold = home.aws.hold_matching(Match::action("AssumeRole"));
    let mut waiting = Running::start(&mut home.rolecall(["get", "prod"]));
    hold.wait_for_arrivals(1);
    let places = |secret: &str| Stopped::at_once(agent.pid()).places(tail(secret));
    assert!(!places(&key).is_empty(), "a call is under way, and the key that signed it is at hand");
    assert!(home.run(["lock"]).status.success());
    assert_eq!(places(&key), [""; 0], "the long-term key, after the lock");
    assert_eq!(waiting.end().code(), Some(4));
}

#[test]
fn a_lock_waits_for_no_reader_and_leaves_nothing_in_the_answers_that_nobody_has_read() {
    needs!("root");
    let home = Home::ready(TUTORIAL);
    let mut command = home.rolecall(["exec", "prod", "--", "sh", "-c"]);
    command.arg("echo $AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN; read x");
    let mut command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut place = String::new();
    BufReader::new(command.stdout.take().unwrap()).read_line(&mut place).unwrap();
    let (url, token) = place.trim().split_once(' ').expect("both");
    home.canaries.add(token);
    let (port, path) = url.strip_prefix("http://127.0.0.1:").unwrap().split_once('/').unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n\r\n");
    let session = process_output::parse(&home.run(["get", "prod"]).stdout).expect("served");
    let agent = i32::try_from(home.status()["agent"]["pid"].as_u64().expect("it runs")).unwrap();
    let places = || Stopped::at_once(agent).places(tail(session.token.expose()));
    let unread = stuff(port.parse().unwrap(), &request, 3);
    assert!(!places().is_empty());
    assert!(home.run(["lock"]).status.success());
    assert!(unread.iter().all(is_reset), "whoever reads on is sent nothing more");
    assert_eq!(places(), [""; 0], "the session, after the lock");
    drop(command.stdin.take());
    command.wait().unwrap();
}
