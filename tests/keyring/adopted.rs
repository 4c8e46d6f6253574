//! `rolecall import` by the real programs, of keys that aws-vault and Granted keep in collections of their own.
//!
//! The collections are made without a dialog, by gnome-keyring's own interface for a login with a password. The tools
//! themselves are not run: the entries are in their layout, and their sessions lie beside them.

use super::PASSWORD;
use super::desk::Desk;
use super::foreign::item;
use crate::harness::home::{Home, text};
use crate::harness::programs::ROLECALL;
use rolecall_sandbox::AccessKey;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::fs;
use zbus::blocking::{Connection, Proxy, connection::Builder};
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

const CONFIG: &str = "[agent]\nvault = \"os\"\n\n[aws]\nendpoint_url_sts = \"ENDPOINT\"\n";

/// Another program on the bus, with a session of its own with the keyring.
struct Other {
    bus: Connection,
    session: OwnedObjectPath,
}

impl Other {
    fn connect(desk: &Desk) -> Self {
        let bus = Builder::address(desk.address().as_str()).and_then(Builder::build).expect("the bus");
        let service = service(&bus, "org.freedesktop.Secret.Service");
        let opened: (OwnedValue, OwnedObjectPath) =
            service.call("OpenSession", &("plain", Value::from(""))).expect("a session");
        drop(service);
        Self { bus, session: opened.1 }
    }

    /// What the Secret Service's `Secret` is: session, parameters, value, content type.
    fn secret<'a>(&'a self, value: &'a str, kind: &'a str) -> (ObjectPath<'a>, Vec<u8>, &'a [u8], &'a str) {
        (self.session.as_ref(), Vec::new(), value.as_bytes(), kind)
    }

    /// Makes a collection of that name, open, and without anybody being asked.
    fn collection(&self, name: &str) -> OwnedObjectPath {
        let service = service(&self.bus, "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface");
        let label = HashMap::from([("org.freedesktop.Secret.Collection.Label", Value::from(name))]);
        let made = service.call("CreateWithMasterPassword", &(label, self.secret(PASSWORD, "text/plain")));
        made.expect("a collection")
    }

    /// Puts an item there as the Go library does: its label and its `profile` are the name.
    fn put(&self, collection: &OwnedObjectPath, name: &str, content: &str) {
        let dest = "org.freedesktop.secrets";
        let collection = Proxy::new(&self.bus, dest, collection.clone(), "org.freedesktop.Secret.Collection");
        let properties = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Value::from(name)),
            ("org.freedesktop.Secret.Item.Attributes", Value::from(HashMap::from([("profile", name)]))),
        ]);
        let made: (OwnedObjectPath, OwnedObjectPath) = collection
            .and_then(|it| it.call("CreateItem", &(properties, self.secret(content, "application/json"), true)))
            .expect("stored");
        assert_ne!(made.0.as_str(), "/", "no dialog was wanted");
    }
}

fn service(bus: &Connection, interface: &'static str) -> Proxy<'static> {
    Proxy::new(bus, "org.freedesktop.secrets", "/org/freedesktop/secrets", interface).expect("the keyring")
}

/// Asks for a session, and gives its key's id.
fn served(home: &Home, name: &str) -> String {
    let output = home.run(["get", name]);
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    let line: Json = serde_json::from_slice(&output.stdout).unwrap();
    line["AccessKeyId"].as_str().unwrap().to_owned()
}

#[test]
fn keys_in_collections_of_aws_vault_and_granted_are_adopted_and_served_and_stay_there() {
    needs!("dbus-daemon", "gnome-keyring-daemon", "secret-tool");
    let desk = Desk::new("adopted");
    let _bus = desk.bus();
    let _keyring = desk.keyring(Some(PASSWORD));
    desk.wait_for_lock(false);
    let mut home = Home::bare(CONFIG);
    home.set("DBUS_SESSION_BUS_ADDRESS", desk.address());
    let (key, second) = (home.aws.access_key(USER_ARN), AccessKey::generate());
    home.aws.world(|world| world.user(USER_ARN).access_keys.push(second.clone()));
    home.canaries.add(&second.secret);

    let other = Other::connect(&desk);
    let (vault, granted) = (other.collection("awsvault"), other.collection("granted-aws-iam-credentials"));
    assert!(granted.as_str().ends_with("/granted_2daws_2diam_2dcredentials"), "{granted}");
    let entries = [
        (&vault, "auth", item("auth", &key.id, &key.secret)),
        (&granted, "gran", item("gran", &second.id, &second.secret)),
    ];
    for (collection, name, content) in &entries {
        other.put(collection, name, content);
    }
    // A session of aws-vault's, and a key that AWS does not know.
    let session = item("session", "ASIAIOSFODNN7EXAMPLE", super::SECRET);
    other.put(&vault, "sts.GetSessionToken,YXV0aA,,1790000000", &session);
    other.put(&vault, "dead", &item("dead", "AKIAI44QH8DHBEXAMPLE", super::SECRET));

    let config = format!(
        "[profile auth]\nregion = eu-west-1\n\n[profile prod]\nrole_arn = {ROLE_ARN}\nsource_profile = auth\n\n\
         [profile x]\ncredential_process = aws-vault export --format=json prod\n\n\
         [profile gran]\ncredential_process = granted credential-process --profile gran\n"
    );
    fs::create_dir(home.path(".aws")).unwrap();
    fs::write(home.path(".aws/config"), config).unwrap();
    let output = home.run(["import", "--yes"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(said.contains("2 keys in the vault") && said.contains("left: dead"), "{said}");
    assert!(said.contains("`aws-vault remove auth`") && said.contains("`granted credentials remove gran`"), "{said}");

    // Each was tried at AWS before it was stored, and rolecall's own copy is where the keyring's default is.
    let tried: Vec<_> = home.aws.calls().into_iter().filter(|call| call.action == "GetCallerIdentity").collect();
    for id in [&key.id, &second.id] {
        assert!(tried.iter().any(|call| call.access_key_id.as_ref() == Some(id) && call.status == 200), "{tried:?}");
    }
    for (name, id) in [("auth", &key.id), ("gran", &second.id)] {
        let stored = desk.secret_tool(&["lookup", "service", &home.keyring_service(), "username", name]);
        assert!(stored.contains(id.as_str()), "{name}");
    }

    let face = ROLECALL;
    let after = fs::read_to_string(home.path(".aws/config")).unwrap();
    for (profile, name) in [("auth", "auth"), ("prod", "prod"), ("x", "prod"), ("gran", "gran")] {
        let section = after.split("[profile ").find(|part| part.starts_with(&format!("{profile}]"))).unwrap();
        assert!(section.contains(&format!("credential_process = {face} get {name}\n")), "{after}");
        assert!(served(&home, name).starts_with("ASIA"), "{name}");
    }
    assert!(home.aws.count("AssumeRole") == 1 && !after.contains("aws-vault") && !after.contains("granted"), "{after}");

    // What belongs to the others is as they left it.
    for (_, name, content) in &entries {
        assert_eq!(desk.secret_tool(&["lookup", "profile", name]), *content, "{name}");
    }
    assert_eq!(desk.secret_tool(&["lookup", "profile", "sts.GetSessionToken,YXV0aA,,1790000000"]), session);
    assert!(!desk.secret_tool(&["lookup", "profile", "dead"]).is_empty());

    // A second import adopts nothing anew, and an undo leaves the others' entries alone.
    let again = home.run(["import", "--yes", "--only", "prod"]);
    assert!(text(&again.stdout).contains("nothing to take over"), "{}{}", text(&again.stdout), text(&again.stderr));
    let undone = home.run(["import", "--undo", "--yes"]);
    assert!(undone.status.success(), "{}", text(&undone.stderr));
    for (_, name, content) in &entries {
        assert_eq!(desk.secret_tool(&["lookup", "profile", name]), *content, "{name}");
    }
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(3), "config.toml has it no more");
    for name in ["auth", "gran"] {
        let kept = desk
            .command("secret-tool")
            .args(["lookup", "service", &home.keyring_service(), "username", name])
            .output()
            .unwrap();
        assert!(!kept.status.success() && kept.stdout.is_empty(), "rolecall's copy of {name} is gone");
    }
}
