//! Identity and Access Management. Page of all: IAM API Reference, the page of each operation.

mod access_keys;
mod devices;
mod faults;
mod instance_profiles;
mod inventory;
mod policies;
mod propagation;
mod roles;
mod simulate;
mod users;

use rolecall_sandbox::tutorials::AUTH_ACCOUNT;
use rolecall_sandbox::{AccessKey, Clock, Sandbox, World};

use crate::START;
use crate::client::{Client, Reply};

impl Client {
    pub(crate) fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> Reply {
        self.try_iam(action, parameters).expect("the sandbox answers")
    }

    /// Asks where the answer may get lost.
    fn try_iam(&self, action: &str, parameters: &[(&str, &str)]) -> std::io::Result<Reply> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", action)
            .append_pair("Version", "2010-05-08")
            .extend_pairs(parameters)
            .finish();
        self.exchange(&self.signed("POST", "iam", "/", &body))
    }

    /// Returns a client with the key of a reply, which must be a success.
    pub(crate) fn with_key(&self, reply: &Reply) -> Self {
        let (id, secret) = (reply.succeeds().field("AccessKeyId"), reply.field("SecretAccessKey"));
        let key = AccessKey { id: id.to_owned(), secret: secret.to_owned(), ..AccessKey::generate() };
        self.signed_by(&key)
    }
}

/// The ARN of the administrator of the authentication account.
const ADMIN_ARN: &str = "arn:aws:iam::111111111111:user/admin";

/// Starts the tutorials' world with an administrator in each account, and a client that signs as the first.
fn administrated() -> (Sandbox, Client) {
    administrated_in(World::tutorials())
}

fn administrated_in(mut world: World) -> (Sandbox, Client) {
    for account in world.accounts.values_mut() {
        *account = account.clone().with_admin();
    }
    let aws = Sandbox::start(world, Clock::at(START));
    let client = Client::new(&aws).signed_by(&aws.access_key(ADMIN_ARN));
    (aws, client)
}

/// Returns the ARN of a managed policy of the authentication account.
fn policy_arn(name: &str) -> String {
    format!("arn:aws:iam::{AUTH_ACCOUNT}:policy/{name}")
}
