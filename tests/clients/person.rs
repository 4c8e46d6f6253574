//! A person with a desktop: a home, a bus and an unlocked keyring of their own, and an AWS to go to.

use crate::desk::{Desk, Process};
use crate::harness::home::{Home, text};
use crate::harness::inside::until;
use crate::peers::Client;
use rolecall_sandbox::Call;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use serde_json::{Value, json};
use std::process::{Command, Output};

const PASSWORD: &str = "the keyring's password";

/// Where AWS is, and the key that a person got there.
#[derive(Clone)]
pub(crate) struct Cloud {
    pub(crate) url: String,
    pub(crate) key_id: String,
    pub(crate) secret: String,
}

pub(crate) struct Person {
    pub(crate) home: Home,
    pub(crate) cloud: Cloud,
    keyring: Option<Process>,
    _bus: Process,
    pub(crate) desk: Desk,
}

impl Person {
    /// Sits a person down at their desktop, with rolecall unpacked and AWS's endpoint configured and nothing else done.
    pub(crate) fn new(cloud: Option<Cloud>) -> Self {
        let mut home = Home::bare("[aws]\nendpoint_url = \"ENDPOINT\"\n");
        let cloud = cloud.unwrap_or_else(|| {
            let key = home.aws.access_key(USER_ARN);
            Cloud { url: home.aws.url(), key_id: key.id, secret: key.secret }
        });
        home.configure(&format!("[aws]\nendpoint_url = \"{}\"\n", cloud.url));
        home.canaries.add(&cloud.secret);
        home.canaries.add(PASSWORD);
        let desk = Desk::new("clients");
        home.set("DBUS_SESSION_BUS_ADDRESS", desk.address());
        let bus = desk.bus();
        let mut person = Self { home, cloud, keyring: None, _bus: bus, desk };
        person.start_keyring();
        person
    }

    /// Has done the first steps: a key in the keyring, a role, its profile.
    pub(crate) fn settled() -> Self {
        let person = Self::new(None);
        person.add_key();
        person.add_role(ROLE_ARN);
        person.rolecall(&["profiles", "sync"]);
        person
    }

    /// Runs a command that has to succeed, and gives what it printed.
    pub(crate) fn rolecall(&self, args: &[&str]) -> String {
        succeeds(&self.home.run(args))
    }

    /// Pipes the key in, as `aws iam create-access-key` prints it.
    pub(crate) fn add_key(&self) -> String {
        self.add_key_with(&[])
    }

    /// Pipes a key in that takes the place of another.
    pub(crate) fn add_key_again(&self) -> String {
        self.add_key_with(&["--replace"])
    }

    fn add_key_with(&self, more: &[&str]) -> String {
        let key = json!({"AccessKey": {"UserName": "richard", "AccessKeyId": self.cloud.key_id, "Status": "Active",
            "SecretAccessKey": self.cloud.secret, "CreateDate": "2026-11-22T08:00:00+00:00"}});
        let add = [&["identity", "add", "auth", "--region", "eu-west-1"], more].concat();
        succeeds(&self.home.run_with_input(add, &key.to_string()))
    }

    pub(crate) fn add_role(&self, arn: &str) -> String {
        self.rolecall(&["role", "add", "prod", "--source", "auth", "--role-arn", arn])
    }

    /// Runs a client's command and notes what it showed.
    pub(crate) fn runs(&self, command: &mut Command) -> Output {
        let output = command.output().unwrap();
        self.home.canaries.shown(&text(&output.stdout));
        self.home.canaries.shown(&text(&output.stderr));
        output
    }

    /// Lists the bucket as `prod`.
    pub(crate) fn lists(&self, client: Client) -> Output {
        self.runs(&mut client.list(&self.home, &self.cloud.url))
    }

    /// Fails unless a client listed what is in the bucket.
    pub(crate) fn listed(&self, client: Client) {
        let output = self.lists(client);
        assert_listing(client, &output);
    }

    /// Starts the keyring, unlocked as after a login.
    pub(crate) fn start_keyring(&mut self) {
        self.keyring = Some(self.desk.keyring(Some(PASSWORD)));
        self.desk.wait_for_lock(false);
    }

    /// Ends the keyring, as a crash does.
    pub(crate) fn end_keyring(&mut self) {
        self.keyring = None;
    }

    /// Has the keyring locked, as it is before the login.
    pub(crate) fn lock_keyring(&mut self) {
        self.end_keyring();
        self.keyring = Some(self.desk.keyring(None));
        self.desk.wait_for_lock(true);
    }

    /// The lines of the audit log about an event; waits until there are so many.
    pub(crate) fn audit(&self, event: &str, at_least: usize) -> Vec<Value> {
        let lines = || -> Vec<Value> {
            let all = self.home.audit();
            all.lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .filter(|l: &Value| l["event"] == event)
                .collect()
        };
        until("the audit log is written", || lines().len() >= at_least);
        lines()
    }

    /// How many sessions of the role were asked of AWS, by the audit log.
    pub(crate) fn asked_of_aws(&self) -> usize {
        self.audit("sts", 1).iter().filter(|line| line["name"] == "prod").count()
    }

    /// Fails if AWS refused anything: an SDK may try again by itself, and that is no success. Some programs look for an object
    /// that does not exist.
    pub(crate) fn nothing_failed(&self) {
        let is_answered =
            |call: &Call| (200..300).contains(&call.status) || call.error_code.as_deref() == Some("NoSuchKey");
        let failed: Vec<_> = self.home.aws.calls().into_iter().filter(|call| !is_answered(call)).collect();
        assert_eq!(failed, [], "no call failed");
    }

    /// Scans for secrets, the current session's among them; the keyring's own files too.
    pub(crate) fn nothing_leaked(&self) {
        self.rolecall(&["get", "prod"]);
        self.home.canaries.scan(&self.home.path(""));
        self.home.canaries.scan(self.desk.path());
    }
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    assert_eq!(stderr, "", "success is silent on stderr");
    stdout
}

#[track_caller]
pub(crate) fn assert_listing(client: Client, output: &Output) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{client:?}: {}\n{stderr}", output.status);
    for line in client.expected() {
        assert!(stdout.lines().any(|l| l.trim_start().ends_with(line)), "{client:?}: {line} is missing:\n{stdout}");
    }
}
