//! The states a keyring can be in, as `get` shows them.

use crate::harness::home::text;
use crate::peers::CLIENTS;
use crate::person::Person;

/// What `get prod` says when it fails.
fn refused(person: &Person) -> (Option<i32>, String) {
    let output = person.home.run(["get", "prod"]);
    assert!(output.stdout.is_empty());
    (output.status.code(), text(&output.stderr))
}

/// Has the agent forget its sessions, so that the next one needs the key again.
fn cold(person: &Person) {
    person.rolecall(&["lock"]);
}

#[test]
fn a_locked_keyring_is_told_quickly_and_nobody_is_asked() {
    let mut person = Person::settled();
    person.lock_keyring();
    let (code, stderr) = refused(&person);
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.starts_with("rolecall: prod: the key of auth: the keyring is locked\nhint: unlock it"), "{stderr}");
    assert!(person.desk.is_locked(), "it did not open the keyring behind anybody's back");
}

#[test]
fn a_keyring_that_comes_back_is_found_by_the_running_agent() {
    let mut person = Person::settled();
    person.rolecall(&["get", "prod"]);
    let agent = person.home.agent_pid();
    for _ in 0..2 {
        cold(&person);
        person.end_keyring();
        let (code, stderr) = refused(&person);
        assert_eq!(code, Some(1), "{stderr}");
        person.start_keyring();
        person.rolecall(&["get", "prod"]);
    }
    assert_eq!(person.home.agent_pid(), agent);
}

#[test]
fn sessions_are_served_while_the_keyring_is_gone() {
    let mut person = Person::settled();
    let before = person.rolecall(&["get", "prod"]);
    person.end_keyring();
    assert_eq!(person.rolecall(&["get", "prod"]), before);
    for client in CLIENTS {
        person.listed(client);
    }
    assert_eq!(person.home.aws.count("AssumeRole"), 1);
    person.lock_keyring();
    assert_eq!(person.rolecall(&["get", "prod"]), before, "nor does it matter that it is locked");
}

#[test]
fn where_there_is_no_keyring_the_file_vault_is_named_and_works() {
    let mut person = Person::settled();
    person.rolecall(&["agent", "stop"]);
    let nowhere = format!("unix:path={}", person.home.path("no-bus").display());
    person.home.set("DBUS_SESSION_BUS_ADDRESS", nowhere);
    let (code, stderr) = refused(&person);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.starts_with("rolecall: prod: the key of auth: no keyring can be used"), "{stderr}");
    assert!(stderr.contains("\nhint: ") && stderr.contains("`vault = \"file\"` under [agent]"), "{stderr}");
    assert_eq!(stderr.lines().count(), 2, "{stderr}");

    // Doing what the hint says.
    let config = std::fs::read_to_string(person.home.config()).unwrap();
    person.home.configure(&format!("[agent]\nvault = \"file\"\n{config}"));
    person.home.open_vault();
    person.add_key_again();
    for client in CLIENTS {
        person.listed(client);
    }
    person.nothing_leaked();
}
