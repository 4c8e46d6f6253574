//! The vault against a real gnome-keyring-daemon on a session bus of its own: open, locked, restarted, gone, frozen.
//!
//! The bus's address is an environment variable of the whole process, so the vault under test runs in a process of its own:
//! this very test binary, started again for its one ignored test, which takes a command per line and answers each when it
//! is done. Everything private lies in one temporary directory. Where gnome-keyring-daemon, dbus-daemon or secret-tool is
//! missing the tests fail; a keyring that was not tried is not known to work.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and deadlines of their own")]
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[macro_use]
#[path = "../it/harness/mod.rs"]
mod harness;

mod adopted;
mod desk;
mod foreign;
mod helper;
mod logins;

use chrono::DateTime;
use desk::Desk;
use rolecall::adapters::clock::SystemClock;
use rolecall::adapters::dbus::SessionBus;
use rolecall::adapters::vault::Vaults;
use rolecall::domain::catalogue::VaultKind;
use rolecall::domain::credential::AccessKey;
use rolecall::domain::error::UserError;
use rolecall::domain::names::Name;
use rolecall::domain::secret::{Passphrase, SecretKey};
use rolecall::domain::totp::TotpSecret;
use rolecall::ports::{Clock, ForeignEntry, NewKey, StoredKey, Vault};
use rustix::process::Signal;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const PASSWORD: &str = "the keyring's password";
#[test]
fn an_open_keyring_keeps_a_key_where_other_programs_find_it() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("open");
    let _bus = desk.bus();
    let _keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    let mut vault = desk.vault();

    assert_eq!(vault.ask("state").text, "ok Ready");
    let none = vault.ask("read auth");
    assert!(none.text.starts_with("err Config the keyring holds no key of auth"), "{none:?}");
    assert!(none.text.contains("`rolecall identity add auth`"), "{none:?}");
    vault.ask("write auth AKIAIOSFODNN7EXAMPLE").ok();
    assert_eq!(vault.ask("read auth").text, format!("ok AKIAIOSFODNN7EXAMPLE {SECRET}"));

    // An independent reader sees it, by the attributes that are documented.
    let seen = desk.secret_tool(&["lookup", "service", "rolecall", "username", "auth"]);
    assert!(seen.starts_with(r#"{"v":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","#), "{seen}");
    assert!(desk.secret_tool(&["search", "service", "rolecall"]).contains("label = rolecall: AWS access key of auth"));

    // The secret of an MFA device lies in the same item, and goes when it is written without one.
    vault.ask("write auth AKIAWITHTOTP totp=GEZDGNBVGY3TQOJQ").ok();
    assert_eq!(vault.ask("read auth").text, format!("ok AKIAWITHTOTP {SECRET} GEZDGNBVGY3TQOJQ"));
    let seen = desk.secret_tool(&["lookup", "service", "rolecall", "username", "auth"]);
    assert!(seen.trim_end().ends_with(r#","TotpSecret":"GEZDGNBVGY3TQOJQ"}"#), "{seen}");

    // While a key is rotated both lie in the one item, and afterwards only the new one does.
    vault.ask("write auth AKIAIOSFODNN7EXAMPLE next=AKIANEXT").ok();
    let seen = desk.secret_tool(&["lookup", "service", "rolecall", "username", "auth"]);
    assert!(seen.contains(r#""Next":{"AccessKeyId":"AKIANEXT","#), "{seen}");
    assert_eq!(vault.ask("read auth").text, format!("ok AKIAIOSFODNN7EXAMPLE {SECRET} AKIANEXT"));
    vault.ask("write auth AKIAREPLACED").ok();
    let seen = desk.secret_tool(&["lookup", "service", "rolecall", "username", "auth"]);
    assert!(!seen.contains("Next") && !seen.contains("AKIAIOSFODNN7EXAMPLE"), "{seen}");
    vault.ask("write team/other AKIAOTHER").ok();
    assert_eq!(vault.ask("read auth").text, format!("ok AKIAREPLACED {SECRET}"));
    assert_eq!(vault.ask("delete auth").text, "ok true");
    assert_eq!(vault.ask("delete auth").text, "ok false");
    assert!(vault.ask("read auth").text.starts_with("err Config"));
    assert_eq!(vault.ask("read team/other").text, format!("ok AKIAOTHER {SECRET}"));

    // What somebody else put there is not taken for a key, and not shown.
    desk.store_foreign("foreign", "canary-6f1d");
    let foreign = vault.ask("read foreign");
    assert!(foreign.text.starts_with("err Failed") && foreign.text.contains("foreign"), "{foreign:?}");
    assert!(!foreign.text.contains("canary"), "{foreign:?}");

    // Of two items by one name neither is taken, and a key that shall be gone goes from both.
    vault.ask("write double AKIADOUBLE").ok();
    desk.store_foreign("double", "canary-6f1d");
    let double = vault.ask("read double");
    assert!(double.text.starts_with("err Failed") && double.text.contains("several items"), "{double:?}");
    assert_eq!(vault.ask("delete double").text, "ok true");
    assert_eq!(vault.ask("delete double").text, "ok false");
}

#[test]
fn a_locked_keyring_is_said_to_be_locked_at_once_and_nobody_is_asked() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("locked");
    let _bus = desk.bus();
    let keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    let mut vault = desk.vault();
    vault.ask("write auth AKIAIOSFODNN7EXAMPLE").ok();
    drop(keyring);
    let _keyring = desk.keyring(None);
    desk.wait_for_lock(true);

    assert_eq!(vault.ask("state").without_waiting().text, "ok Locked");
    for command in ["read auth", "read never-stored", "write auth AKIANEW", "delete auth"] {
        let answer = vault.ask(command).without_waiting();
        assert!(answer.text.starts_with("err Locked the key of "), "{command}: {answer:?}");
        assert!(answer.text.contains("`rolecall unlock --vault`"), "{command}: {answer:?}");
    }
    assert!(desk.is_locked(), "none of this unlocked it");

    // A person asks, but there is nothing here that could show the dialog.
    let refused = vault.ask("unlock");
    assert!(refused.text.starts_with("err Locked the keyring stayed locked"), "{refused:?}");
    assert!(refused.text.contains("vault = \"file\""), "{refused:?}");
}

#[test]
fn a_keyring_that_was_restarted_is_found_again() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("restarted");
    let bus = desk.bus();
    let keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    let mut vault = desk.vault();
    vault.ask("write auth AKIAIOSFODNN7EXAMPLE").ok();

    // The store that is held has a session with a keyring that is no more.
    drop(keyring);
    let keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    assert_eq!(vault.ask("read auth").text, format!("ok AKIAIOSFODNN7EXAMPLE {SECRET}"));
    vault.ask("write auth AKIASECOND").ok();

    // Gone, and the bus with it; then both are back at the old address.
    drop(keyring);
    let gone = vault.ask("read auth").without_waiting();
    assert!(gone.text.starts_with("err Failed the key of auth: no keyring can be used"), "{gone:?}");
    drop(bus);
    let gone = vault.ask("read auth").without_waiting();
    assert!(gone.text.starts_with("err Failed the key of auth: no keyring can be used"), "{gone:?}");
    let _bus = desk.bus();
    let _keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    assert_eq!(vault.ask("read auth").text, format!("ok AKIASECOND {SECRET}"));
}

#[test]
fn where_there_is_no_keyring_it_is_said_and_the_file_is_not_taken_instead() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("absent");
    let mut vault = desk.vault();
    // There is an open file vault with this very key: it was not chosen.
    vault.ask("file-unlock").ok();
    vault.ask("file-write auth AKIAINFILE").ok();
    for situation in ["no bus at all", "a bus without a keyring", "a keyring without a collection"] {
        let bus = (situation != "no bus at all").then(|| desk.bus());
        let keyring = (situation == "a keyring without a collection").then(|| desk.keyring(None));
        let state = vault.ask("state").without_waiting();
        // Certain only where a keyring was asked.
        let want = if situation == "a keyring without a collection" { "ok Absent" } else { "ok Unreached" };
        assert!(state.text.starts_with(want), "{situation}: {state:?}");
        for command in ["read auth", "write auth AKIANEW", "delete auth", "unlock"] {
            let answer = vault.ask(command).without_waiting();
            assert!(answer.text.starts_with("err Failed "), "{situation}: {command}: {answer:?}");
            assert!(answer.text.contains("no keyring can be used"), "{situation}: {command}: {answer:?}");
            assert!(answer.text.contains("`vault = \"file\"` under [agent]"), "{situation}: {command}: {answer:?}");
        }
        drop((keyring, bus));
    }
    assert_eq!(vault.ask("file-read auth").text, format!("ok AKIAINFILE {SECRET}"));
}

#[test]
fn a_keyring_that_never_answers_keeps_nobody_waiting_and_recovers() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("frozen");
    let _bus = desk.bus();
    let keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    let mut vault = desk.vault();
    vault.ask("write auth AKIAIOSFODNN7EXAMPLE").ok();
    vault.ask("file-unlock").ok();
    vault.ask("file-write auth AKIAINFILE").ok();

    keyring.signal(Signal::STOP);
    let waiting: Vec<u32> = (0..5).map(|_| vault.send("read auth")).collect();
    let unlocking = vault.send("unlock");
    // The file vault answers while they wait.
    let file = vault.send("file-read auth");
    let first = vault.next();
    assert_eq!((first.tag, first.text.as_str()), (file, format!("ok AKIAINFILE {SECRET}").as_str()));
    for _ in 0..=waiting.len() {
        let answer = vault.next();
        assert!(waiting.contains(&answer.tag) || answer.tag == unlocking, "{answer:?}");
        assert!(answer.text.contains("did not answer within 2 s"), "{answer:?}");
    }

    keyring.signal(Signal::CONT);
    assert_eq!(vault.ask("read auth").text, format!("ok AKIAIOSFODNN7EXAMPLE {SECRET}"));
}

/// Is no test of its own: the process that the tests above drive. Without its variable it ends at once.
#[test]
#[ignore = "the other tests start it in a process of its own"]
fn the_vault_under_test() {
    #[expect(clippy::disallowed_methods, reason = "a child process of a test is told where its vault file is")]
    let Some(file) = std::env::var_os("KEYRING_TEST_FILE") else { return };
    #[expect(clippy::disallowed_methods, reason = "the bus of this process, as the agent takes it")]
    let bus = SessionBus::new(std::env::var("DBUS_SESSION_BUS_ADDRESS").ok());
    let file = PathBuf::from(file);
    let state = file.parent().expect("it is in a directory").to_path_buf();
    let vault = |file: PathBuf| Arc::new(Vaults::new(&file, &state, "rolecall", Arc::clone(&bus)));
    let (os, in_file) = (vault(PathBuf::from("/nowhere")), vault(file));
    in_file.select(VaultKind::File);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut tasks = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let (tag, command) = line.split_once(' ').expect("a tag");
        let (tag, command) = (tag.to_owned(), command.to_owned());
        let vault = if command.starts_with("file-") { Arc::clone(&in_file) } else { Arc::clone(&os) };
        tasks.push(runtime.spawn(async move {
            let start = SystemClock.now().boot;
            let answer = obey(&vault, command.trim_start_matches("file-"), command.starts_with("file-")).await;
            let took = SystemClock.now().boot.saturating_sub(start);
            let text = match answer {
                Ok(text) => format!("ok {text}"),
                Err(UserError { kind, message, hint, .. }) => {
                    format!("err {kind:?} {message} | {}", hint.unwrap_or_default())
                }
            };
            // On a line of its own, among those of the test harness.
            let answer = format!("\n=> {tag} {} {}\n", took.as_millis(), text.trim_end());
            std::io::stdout().write_all(answer.as_bytes()).expect("the parent listens");
        }));
    }
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("no panic");
        }
    });
}

async fn obey(vault: &Vaults, command: &str, file: bool) -> Result<String, UserError> {
    let words: Vec<&str> = command.split(' ').collect();
    let name = |at: usize| Name::new(words[at]).expect("a name");
    match words[0] {
        "state" => Ok(format!("{:?}", vault.state().await)),
        "read" => vault.read(&name(1)).await.map(|stored| {
            let totp = stored.totp.map(|secret| format!(" {}", secret.expose())).unwrap_or_default();
            let next = stored.next.map(|next| format!(" {}", next.key.id)).unwrap_or_default();
            format!("{} {}{totp}{next}", stored.key.id, stored.key.secret.expose())
        }),
        "write" => {
            let key = |id: &str| AccessKey { id: id.into(), secret: SecretKey::new(SECRET.into()) };
            let beside = |what: &str| words.get(3).and_then(|word| word.strip_prefix(what));
            let next = beside("next=").map(|id| NewKey { key: key(id), created: None });
            let totp = beside("totp=").map(|secret| TotpSecret::parse(secret).expect("base32"));
            let key = key(words[2]);
            let stored = DateTime::from_timestamp(1_790_000_000, 0).expect("in range");
            let arn = "arn:aws:iam::111111111111:user/richard".to_owned();
            let key = StoredKey { key, arn, stored, totp, created: None, next, imported: false, first: None };
            vault.write(&name(1), &key).await.map(|()| String::new())
        }
        "delete" => vault.delete(&name(1)).await.map(|found| found.to_string()),
        "unlock" => {
            let passphrase = file.then(|| Passphrase::new("correct horse".into()));
            vault.unlock(passphrase).await.map(|()| String::new())
        }
        "foreign-list" => {
            let found = vault.foreign().expect("on Linux").list(&["login"]).await?;
            Ok(found.iter().map(|entry| format!("{}:{}", entry.collection, entry.name)).collect::<Vec<_>>().join(" "))
        }
        "foreign-read" => {
            let entry = ForeignEntry { collection: "login", name: words[1].to_owned() };
            let key = vault.foreign().expect("on Linux").read(&entry).await?;
            Ok(format!("{} {}", key.id, key.secret.expose()))
        }
        "foreign-put" => {
            put(words[1].to_owned(), words[2].to_owned());
            Ok(String::new())
        }
        other => panic!("no such command: {other}"),
    }
}

/// Puts an item into the keyring as the Go library does. On a thread of its own, as no runtime may be around that client.
fn put(label: String, secret: String) {
    let stored = std::thread::spawn(move || {
        use secret_service::{EncryptionType, SecretService};
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let service = SecretService::connect(EncryptionType::Plain).await.expect("a keyring");
            let collection = service.get_default_collection().await.expect("a collection");
            let attributes = std::collections::HashMap::from([("profile", label.as_str())]);
            collection
                .create_item(&label, attributes, secret.as_bytes(), true, "application/json")
                .await
                .map(drop)
                .expect("stored");
        });
    });
    stored.join().expect("no panic");
}
