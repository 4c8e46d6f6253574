//! What lies in the agent's memory, and what no longer does: proven by reading all of it from outside.
//!
//! Looked for is the end of each secret. Its beginning is the first that a freed block loses, to the allocator's own lists.

use crate::harness::home::{Home, PASSPHRASE};
use crate::harness::inside::TUTORIAL;
use crate::harness::memory::places;
use crate::harness::process::Running;
use crate::mfa;
use rolecall::protocol::process_output;
use rolecall_sandbox::Match;
use rolecall_sandbox::tutorials::USER_ARN;
use std::io::Write;
use std::time::Instant;

/// Enough to be told from chance, and to survive what a freed block loses at its beginning.
const TAIL: usize = 20;

fn tail(secret: &str) -> &str {
    &secret[secret.len() - TAIL..]
}

/// Gives each place where a secret still lies, as a line of a failure.
fn left(agent: &Running, when: &str, what: &str, secret: &str) -> Vec<String> {
    places(agent.pid(), tail(secret)).into_iter().map(|place| format!("{when}: {what}: {place}")).collect()
}

fn locked(home: &Home) {
    let start = Instant::now();
    assert!(home.run(["lock"]).status.success());
    let took = start.elapsed();
    // Told and not asserted: a busy machine would make a lie of any number.
    writeln!(std::io::stderr(), "locked within {took:?}, the command's own start included").expect("stderr");
}

#[test]
fn after_a_lock_no_session_is_in_memory_and_the_long_term_key_never_stays() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{}", mfa::config("")));
    let agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    home.aws.world(mfa::demand_mfa);
    let code = home.aws.mfa_code(USER_ARN);
    assert!(home.run_with_input(["unlock", "auth"], &code).status.success());
    let mut secrets = Vec::new();
    for name in ["auth", "prod"] {
        let output = home.run(["get", name]);
        let session = process_output::parse(&output.stdout).expect("served");
        secrets.push((format!("the secret of {name}"), session.secret.expose().to_owned()));
        secrets.push((format!("the token of {name}"), session.token.expose().to_owned()));
    }
    for (what, secret) in &secrets {
        assert!(!places(agent.pid(), tail(secret)).is_empty(), "{what} is not even found where it must be");
    }
    let mut found = left(&agent, "after the flights", "the long-term key", &home.aws.access_key(USER_ARN).secret);
    // Six digits are found by chance; in the forms in which they came and went they are not.
    for form in [format!("\"code\":\"{code}"), format!("TokenCode={code}")] {
        found.extend(places(agent.pid(), &form).into_iter().map(|place| format!("the MFA code: {place}")));
    }
    locked(&home);
    for (what, secret) in &secrets {
        found.extend(left(&agent, "after the lock", what, secret));
    }
    found.extend(left(&agent, "after the lock", "the vault's passphrase", PASSPHRASE));
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_lock_answers_when_what_was_under_way_is_wiped_too() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"));
    let agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    let key = home.aws.access_key(USER_ARN).secret;
    let hold = home.aws.hold_matching(Match::action("AssumeRole"));
    let mut waiting = Running::start(&mut home.rolecall(["get", "prod"]));
    hold.wait_for_arrivals(1);
    assert!(!places(agent.pid(), tail(&key)).is_empty(), "a call is under way, and the key that signed it is at hand");
    locked(&home);
    let found = left(&agent, "after the lock", "the long-term key", &key);
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
    assert_eq!(waiting.end().code(), Some(4));
}
