//! The second tutorial through a real client: an application on an instance, which has no key, and the AWS CLI.

use crate::peers::{CLIENTS, Client};
use crate::person::Person;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, REGION, ROLE_ARN};
use rolecall_sandbox::{Instance, Role, World};
use serde_json::{Value, json};

const ASSUMING_ARN: &str = "arn:aws:iam::111111111111:role/AssumingRole";

/// An instance whose role `AssumedRole` trusts, and nobody else.
fn on_an_instance(world: &mut World) {
    let allow = |more: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole"});
        statement.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        json!({"Version": "2012-10-17", "Statement": [statement]})
    };
    let assuming = Role::new("AssumingRole", allow(json!({"Principal": {"Service": "ec2.amazonaws.com"}})));
    let assuming = assuming.with_policy("Assume", allow(json!({"Resource": ROLE_ARN})));
    let assuming = Role { account: AUTH_ACCOUNT.to_owned(), ..assuming };
    world.account(AUTH_ACCOUNT).roles.insert("AssumingRole".to_owned(), assuming);
    world.role(ROLE_ARN).trust = allow(json!({"Principal": {"AWS": ASSUMING_ARN}})).into();
    world.instance = Some(Instance::new(Some(ASSUMING_ARN)));
}

#[test]
fn an_application_on_an_instance_lists_the_bucket_in_every_client_without_a_key() {
    let person = Person::new(None);
    person.home.aws.world(on_an_instance);
    let add = ["identity", "add", "app", "--type", "ec2", "--region", REGION];
    person.rolecall(&[&add[..], &["--ec2-metadata-service-endpoint", &person.cloud.url]].concat());
    person.rolecall(&["role", "add", "prod", "--source", "app", "--role-arn", ROLE_ARN]);
    let said = person.rolecall(&["profiles", "sync"]);
    assert!(said.contains("prod"), "{said}");
    person.listed(Client::CliV2);
    let session = person.home.aws.calls().into_iter().find(|call| call.action == "AssumeRole").expect("assumed");
    let whose = session.principal_arn.unwrap_or_default();
    assert!(whose.starts_with("arn:aws:sts::111111111111:assumed-role/AssumingRole/i-0"), "{whose}");
    for client in CLIENTS {
        person.listed(client);
    }
    assert_eq!(person.home.aws.count("ImdsCredentials"), 1, "the clients themselves do not ask the instance");
    assert_eq!(person.home.aws.count("AssumeRole"), 1);
    assert_eq!(person.home.aws.count("GetSessionToken"), 0);
    let stored = person.desk.secret_tool(&["search", "--all", "service", &person.home.keyring_service()]);
    assert!(!stored.contains("AKIA"), "there is no key to keep: {stored}");
    person.nothing_leaked();
}
