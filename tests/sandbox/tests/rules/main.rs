//! What the sandbox enforces, asked over the wire. Each test names the page of AWS's documentation it holds to.

mod client;
mod faults;
mod iam;
mod kms;
mod limits;
mod log;
mod mfa;
mod places;
mod regions;
mod s3;
mod sessions;
mod signature;
mod signin;
mod tags;
mod trust;

use rolecall_sandbox::{AccessKey, Clock, Role, Sandbox, User, World, tutorials};
use serde_json::{Value, json};

use self::client::Client;

const START: &str = "2026-11-22T08:00:00Z";

/// Starts the tutorials' world at a fixed time.
fn tutorials() -> (Sandbox, Client) {
    start(World::tutorials())
}

/// Starts a world, with a client that signs as `richard`.
fn start(world: World) -> (Sandbox, Client) {
    let aws = Sandbox::start(world, Clock::at(START));
    let client = Client::new(&aws).signed_by(&aws.access_key(tutorials::USER_ARN));
    (aws, client)
}

/// Returns a policy of one statement.
fn policy(statement: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

/// Returns a policy that allows an action on everything.
fn allow(action: &str) -> Value {
    policy(&json!({"Effect": "Allow", "Action": action, "Resource": "*"}))
}

/// Returns a trust policy for one principal, for every STS action.
fn trust(principal: &str) -> Value {
    policy(&json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:*"}))
}

/// Adds a user with a key to the authentication account and returns the key.
fn add_user(aws: &Sandbox, user: User) -> AccessKey {
    let key = AccessKey::generate();
    let user = User { account: tutorials::AUTH_ACCOUNT.to_owned(), ..user.with_key(key.clone()) };
    aws.world(|world| world.account(tutorials::AUTH_ACCOUNT).users.insert(user.name.clone(), user));
    key
}

/// Adds a role to an account and returns its ARN.
fn add_role(aws: &Sandbox, account: &str, role: Role) -> String {
    let role = Role { account: account.to_owned(), ..role };
    let arn = role.arn();
    aws.world(|world| world.account(account).roles.insert(role.name.clone(), role));
    arn
}
