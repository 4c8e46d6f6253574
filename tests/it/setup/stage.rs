//! Two empty accounts with an administrator each, whose profiles are in files outside the home: their secrets are
//! canaries too.

#[path = "../../demo/bucket.rs"]
mod bucket;

use crate::harness::home::{Home, text};
use bucket::Credentials;
use rolecall::protocol::process_output;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, BUCKET, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{AccessKey, User};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What the person's tutorial takes.
pub(super) const PERSON: [&str; 10] = [
    "--user",
    "richard",
    "--role",
    "AssumedRole",
    "--name",
    "prod",
    "--policy-arn",
    "AmazonS3ReadOnlyAccess",
    "--region=eu-west-1",
    "--yes",
];

pub(super) struct Stage {
    pub(super) home: Home,
    /// Of the AWS files; removed with this.
    pub(super) aws_files: TempDir,
}

impl Stage {
    pub(super) fn new() -> Self {
        let mut home = Home::bare("[agent]\nvault = \"file\"\n[aws]\nendpoint_url = \"ENDPOINT\"\n");
        let aws_files = tempfile::tempdir().unwrap();
        let mut credentials = String::new();
        home.aws.world(|world| {
            world.account(AUTH_ACCOUNT).users.clear();
            world.account(WORKLOAD_ACCOUNT).roles.clear();
            for (profile, account) in [("auth-admin", AUTH_ACCOUNT), ("prod-admin", WORKLOAD_ACCOUNT)] {
                let key = AccessKey::generate();
                let text =
                    format!("[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n", key.id, key.secret);
                credentials.push_str(&text);
                home.canaries.add(&key.secret);
                let user =
                    User::new("admin").with_key(key).with_managed_policy("arn:aws:iam::aws:policy/AdministratorAccess");
                let user = User { account: account.to_owned(), ..user };
                world.account(account).users.insert("admin".to_owned(), user);
            }
        });
        let file = aws_files.path().join("credentials");
        std::fs::write(&file, credentials).unwrap();
        home.set("AWS_SHARED_CREDENTIALS_FILE", file.display().to_string());
        home.open_vault();
        Self { home, aws_files }
    }

    /// Makes a command with the two profiles.
    pub(super) fn command(&self, word: &str, flags: &[&str]) -> Command {
        let profiles = ["--auth-profile", "auth-admin", "--workload-profile", "prod-admin"];
        self.home.rolecall(["setup", word].into_iter().chain(profiles).chain(flags.iter().copied()))
    }

    pub(super) fn setup(&self, word: &str, flags: &[&str]) -> Output {
        let output = self.command(word, flags).output().unwrap();
        self.home.canaries.shown(&text(&output.stdout));
        self.home.canaries.shown(&text(&output.stderr));
        output
    }

    /// Gives how many calls a plan says it will be, asking nobody.
    pub(super) fn planned_calls(&self, flags: &[&str]) -> usize {
        let accounts = ["setup", "plan", "--auth-account", AUTH_ACCOUNT, "--workload-account", WORKLOAD_ACCOUNT];
        let output = self.home.run(accounts.iter().chain(flags));
        let said = text(&output.stdout);
        let count = said.split("that prove it: ").nth(1).and_then(|rest| rest.lines().next());
        count.unwrap_or_else(|| panic!("{said}{}", text(&output.stderr))).parse().unwrap()
    }

    /// Applies the person's tutorial.
    pub(super) fn apply(&self, more: &[&str]) -> Output {
        self.setup("apply", &[&PERSON, more].concat())
    }

    pub(super) fn destroy(&self, more: &[&str]) -> Output {
        self.setup("destroy", &[&["--name", "prod", "--yes"], more].concat())
    }

    /// Gives all that both accounts' IAM has.
    pub(super) fn inventory(&self) -> [BTreeMap<String, Value>; 2] {
        self.home.aws.world(|world| [AUTH_ACCOUNT, WORKLOAD_ACCOUNT].map(|account| world.inventory(account)))
    }

    pub(super) fn actions(&self) -> Vec<String> {
        self.home.aws.calls().into_iter().map(|call| call.action).collect()
    }

    /// Takes note of every secret there is, for the search at the end.
    pub(super) fn learn(&self) {
        self.home.aws.world(|world| {
            for user in world.accounts.values().flat_map(|account| account.users.values()) {
                user.access_keys.iter().for_each(|key| self.home.canaries.add(&key.secret));
                user.mfa_devices.iter().for_each(|device| self.home.canaries.add(&device.secret));
            }
        });
    }

    #[track_caller]
    pub(super) fn lists_the_bucket(&self, name: &str) {
        let output = self.home.run(["get", name]);
        let session = process_output::parse(&output.stdout).unwrap_or_else(|| panic!("{}", text(&output.stderr)));
        let keys = Credentials {
            access_key_id: &session.access_key_id,
            secret: session.secret.expose(),
            token: Some(session.token.expose()),
        };
        assert_eq!(bucket::list(&self.home.aws.url(), BUCKET, &keys).expect("listed").len(), 3);
    }

    pub(super) fn state_file(&self, setup: &str) -> PathBuf {
        self.home.path(&format!(".local/state/rolecall/setup-{setup}.json"))
    }

    /// Asserts that nothing of a setup is left on this machine.
    #[track_caller]
    pub(super) fn is_clean(&self) {
        let config = std::fs::read_to_string(self.home.config()).unwrap();
        assert!(!config.contains("[roles") && !config.contains("[identities"), "{config}");
        let profiles = std::fs::read_to_string(self.home.path(".aws/config")).unwrap_or_default();
        assert!(!profiles.contains("[profile"), "{profiles}");
        let state = std::fs::read_dir(self.home.path(".local/state/rolecall")).unwrap();
        let names: Vec<String> = state.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(!names.iter().any(|name| name.starts_with("setup-")), "{names:?}");
        let keys = self.home.run(["identity", "list", "--json"]);
        assert_eq!(text(&keys.stdout).trim(), "[]");
    }
}
