//! What lies in the agent's memory, and what no longer does: proven by reading all of it from outside.
//!
//! Looked for is the end of each secret. Its beginning is the first that a freed block loses, to the allocator's own lists.

use crate::harness::home::Home;
use crate::harness::memory::places;
use crate::harness::process::Running;
use crate::mfa;
use rolecall::protocol::process_output;
use rolecall_sandbox::tutorials::USER_ARN;
use std::time::Instant;

/// Enough to be told from chance, and to survive what a freed block loses at its beginning.
const TAIL: usize = 20;

fn tail(secret: &str) -> &str {
    &secret[secret.len() - TAIL..]
}

#[test]
fn after_a_lock_no_session_is_in_memory_and_the_long_term_key_never_stays() {
    let config = format!("[agent]\nvault = \"file\"\n{}", mfa::config(""));
    let home = Home::bare(&config);
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
    let long_term = home.aws.access_key(USER_ARN).secret;
    let mut left = Vec::new();
    let mut look = |when: &str, what: &str, secret: &str| {
        left.extend(places(agent.pid(), tail(secret)).into_iter().map(|place| format!("{when}: {what}: {place}")));
    };
    look("after the flights", "the long-term key", &long_term);

    let start = Instant::now();
    assert!(home.run(["lock"]).status.success());
    let took = start.elapsed();
    for (what, secret) in &secrets {
        look("after the lock", what, secret);
    }
    look("after the lock", "the vault's passphrase", "correct horse battery");
    assert!(left.is_empty(), "{} places:\n{}", left.len(), left.join("\n"));
    eprintln!("from the command to its end: {took:?}");
}
