//! Entries in the layout of aws-vault and Granted, in a real gnome-keyring: listed by name, read, and left as they were.
//!
//! They are put there by `secret-service`'s own client as the Go library `keyring` does it: a collection of that name, an
//! item whose label and `profile` attribute are the profile's name. The tools themselves are not run. The import of such
//! entries is in `adopted.rs`.

use super::desk::Desk;
use super::{PASSWORD, SECRET};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What aws-vault 7 and Granted write for one key.
pub(crate) fn item(name: &str, id: &str, secret: &str) -> String {
    let credentials = format!(
        r#"{{"AccessKeyID":"{id}","SecretAccessKey":"{secret}","SessionToken":"","Source":"","CanExpire":false,"Expires":"0001-01-01T00:00:00Z"}}"#
    );
    format!(
        r#"{{"Key":"{name}","Data":"{}","Label":"aws-vault ({name})","Description":""}}"#,
        STANDARD.encode(credentials)
    )
}

#[test]
fn entries_of_other_tools_are_listed_and_read_and_stay() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("foreign");
    let _bus = desk.bus();
    let _keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    let mut vault = desk.vault();
    assert_eq!(vault.ask("foreign-list").text, "ok", "there are none yet");
    // The default collection stands for theirs: a new one would ask for a password, by a dialog that nobody sees here.
    vault
        .ask(&format!("foreign-put auth {}", item("auth", "AKIAIOSFODNN7EXAMPLE", SECRET).replace(' ', "\\u0020")))
        .ok();
    vault.ask("foreign-put session,YXV0aA,,1790000000 {}").ok();
    assert_eq!(vault.ask("foreign-list").text, "ok login:auth");
    assert_eq!(vault.ask("foreign-read auth").text, format!("ok AKIAIOSFODNN7EXAMPLE {SECRET}"));
    let none = vault.ask("foreign-read other");
    assert!(none.text.starts_with("err Config") && none.text.contains("no entry `other`"), "{none:?}");
    assert!(desk.secret_tool(&["search", "profile", "auth"]).contains("label = auth"), "it is left where it is");
}

#[test]
fn a_locked_collection_is_said_at_once_and_no_dialog_is_raised() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("foreign-locked");
    let _bus = desk.bus();
    let keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    let mut vault = desk.vault();
    vault
        .ask(&format!("foreign-put auth {}", item("auth", "AKIAIOSFODNN7EXAMPLE", SECRET).replace(' ', "\\u0020")))
        .ok();
    drop(keyring);
    let _locked = desk.keyring(None);
    desk.wait_for_lock(true);
    let refused = vault.ask("foreign-read auth");
    assert!(refused.text.starts_with("err Locked") && refused.text.contains("unlock it"), "{refused:?}");
    assert!(desk.is_locked(), "this unlocked nothing");
}

#[test]
fn without_a_keyring_there_are_no_entries() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("foreign-none");
    let mut vault = desk.vault();
    assert_eq!(vault.ask("foreign-list").without_waiting().text, "ok");
}
