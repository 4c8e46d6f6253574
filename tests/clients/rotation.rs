//! A key that is rotated in a real keyring, at the sandbox and at an IAM that others wrote.

use crate::moto::Moto;
use crate::peers::{CLIENTS, Client};
use crate::person::Person;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use serde_json::{Value, json};

/// Rotates, and gives the old key's id and the new one's.
fn rotate(person: &Person) -> (String, String) {
    let said = person.rolecall(&["identity", "rotate", "auth", "--yes", "--json"]);
    let done: Value = serde_json::from_str(&said).expect("JSON");
    let text = |key: &str| done[key].as_str().expect("an id").to_owned();
    let (old, new) = (text("old_access_key_id"), text("access_key_id"));
    assert_ne!(old, new);
    // What the keyring holds now is one key, and a secret that must be found nowhere else.
    let item = person.desk.secret_tool(&["lookup", "service", &person.home.keyring_service(), "username", "auth"]);
    let item: Value = serde_json::from_str(&item).expect("one item");
    assert_eq!(item["AccessKeyId"], new.as_str());
    assert!(item.get("Next").is_none() && item["Created"].is_string(), "nothing is left half done");
    person.home.canaries.add(item["SecretAccessKey"].as_str().expect("a secret"));
    (old, new)
}

#[test]
fn after_a_rotation_the_keyring_holds_the_new_key_alone_and_every_client_goes_on() {
    let person = Person::settled();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*AccessKey*",
        "Resource": "arn:aws:iam::111111111111:user/${aws:username}"}]});
    person.home.aws.world(|world| {
        world.user(USER_ARN).permissions.inline.insert("OwnKeys".to_owned(), policy.into());
    });
    person.listed(Client::CliV2);
    let (old, new) = rotate(&person);
    assert_eq!(old, person.cloud.key_id);
    let keys = person.home.aws.world(|world| world.user(USER_ARN).access_keys.clone());
    assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), [new.as_str()]);
    person.listed(Client::CliV2);
    person.rolecall(&["lock"]);
    for client in CLIENTS {
        person.listed(client);
    }
    person.nothing_leaked();
}

#[test]
fn motos_iam_takes_a_rotation_and_its_keys_work() {
    let moto = Moto::start();
    let person = Person::new(Some(moto.cloud.clone()));
    person.add_key();
    person.add_role(ROLE_ARN);
    person.rolecall(&["profiles", "sync"]);
    let (old, first) = rotate(&person);
    assert_eq!(old, moto.cloud.key_id);
    person.listed(Client::CliV2);
    let (old, _) = rotate(&person);
    assert_eq!(old, first, "the key that was made last is rotated next");
    person.rolecall(&["lock"]);
    person.listed(Client::Boto3);
    person.nothing_leaked();
}
