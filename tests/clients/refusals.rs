//! What a person reads in their client when there are no credentials: rolecall's own line, wherever the client lets it through.

use crate::harness::home::text;
use crate::peers::{CLIENTS, Client};
use crate::person::Person;
use rolecall_sandbox::tutorials::ROLE_ARN;
use std::process::Output;

/// Runs `get` as the clients do, and gives its exit code and the lines of its complaint.
pub(crate) fn complaint(person: &Person) -> (Option<i32>, Vec<String>) {
    let output = person.home.run(["get", "prod"]);
    assert!(output.stdout.is_empty());
    (output.status.code(), text(&output.stderr).lines().map(str::to_owned).collect())
}

/// The line of a client's output that repeats rolecall's.
fn repeats(output: &Output, line: &str) -> bool {
    assert!(!output.status.success());
    text(&output.stderr).contains(line)
}

/// Fails unless each client repeats rolecall's cause and hint as far as it can.
pub(crate) fn reaches_people(person: &Person, lines: &[String]) {
    for client in CLIENTS.into_iter().filter(|client| !matches!(client, Client::JavaScript(_))) {
        let output = person.lists(client);
        for line in lines {
            assert!(repeats(&output, line), "{client:?} loses {line:?}:\n{}", text(&output.stderr));
        }
        if client != Client::Boto3 {
            let shown = text(&output.stderr);
            assert!(
                shown.contains("Error when retrieving credentials from custom-process: rolecall: prod: "),
                "{shown}"
            );
            assert!(!shown.contains("Traceback"), "{shown}");
        }
    }
    for provider in ["ini", "process"] {
        let output = person.lists(Client::JavaScript(provider));
        for line in lines {
            assert!(repeats(&output, line), "{provider} loses {line:?}:\n{}", text(&output.stderr));
        }
    }
    // Not ours to mend, and here to be noticed when it is mended: the default chain goes on to the next provider, and
    // what is left of the cause is that none was found.
    let output = person.lists(Client::JavaScript("default"));
    assert!(!repeats(&output, &lines[0]), "the default chain of the SDK for JavaScript passes our words on now");
    assert!(text(&output.stderr).contains("Could not load credentials from any providers"), "{}", text(&output.stderr));
}

#[test]
fn a_locked_keyring_is_said_in_the_client_with_what_to_do() {
    let mut person = Person::settled();
    person.lock_keyring();
    let (code, lines) = complaint(&person);
    assert_eq!(code, Some(4), "{lines:?}");
    assert_eq!(lines[0], "rolecall: prod: the key of auth: the keyring is locked");
    assert!(lines[1].starts_with("hint: ") && lines[1].contains("`rolecall unlock --vault`"), "{lines:?}");
    reaches_people(&person, &lines);
    assert_eq!(person.home.aws.count("AssumeRole"), 0);

    // The person logs in, and the same clients work.
    person.end_keyring();
    person.start_keyring();
    for client in CLIENTS {
        person.listed(client);
    }
}

#[test]
fn what_aws_refuses_is_said_in_the_client_with_the_role_and_the_reason() {
    let person = Person::settled();
    let nobody = ROLE_ARN.replace("AssumedRole", "Nobody");
    person.rolecall(&["role", "add", "prod", "--replace", "--source", "auth", "--role-arn", &nobody]);
    let (code, lines) = complaint(&person);
    assert_eq!(code, Some(5), "{lines:?}");
    assert!(lines[0].starts_with("rolecall: prod: ") && lines[0].contains(&nobody), "{lines:?}");
    assert!(lines[0].contains("AccessDenied"), "{lines:?}");
    // AWS gives every refusal an id of its own, and the line ends with it.
    let cause = lines[0].split(", request ").next().unwrap().to_owned();
    reaches_people(&person, &[cause, lines[1].clone()]);
}
