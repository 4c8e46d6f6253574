//! The real binaries in a home directory of their own, against a sandbox on the system's clock.

use super::inside::{until, write_config};
use super::leaks::Canaries;
use super::programs::ROLECALL;
use rolecall::protocol::process_output;
use rolecall_sandbox::tutorials::{AUTH_ACCOUNT, ROLE_ARN, USER_ARN, WORKLOAD_ACCOUNT};
use rolecall_sandbox::{Clock, Role, Sandbox, World};
use serde_json::{Value, json};
use std::cell::Cell;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A chain of three roles; `ENDPOINT` is the sandbox.
pub(crate) const CHAIN: &str = r#"
[aws]
endpoint_url_sts = "ENDPOINT"

[identities.auth]
type = "iam-user"
region = "eu-west-1"

[roles.prod]
source = "auth"
role_arn = "arn:aws:iam::222222222222:role/AssumedRole"

[roles.data]
source = "prod"
role_arn = "arn:aws:iam::333333333333:role/DataReader"

[roles.logs]
source = "prod"
role_arn = "arn:aws:iam::333333333333:role/LogReader"
"#;

pub(crate) const PASSPHRASE: &str = "correct horse battery";

/// The tutorials' world and a third account whose roles trust the tutorials' role.
pub(crate) fn chained_world() -> World {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ROLE_ARN}, "Action": "sts:AssumeRole"}]});
    let third = ["DataReader", "LogReader"]
        .into_iter()
        .fold(rolecall_sandbox::Account::new("333333333333"), |account, name| {
            account.with_role(Role::new(name, trust.clone()))
        });
    let mut world = World::tutorials().with_account(third);
    let may_go_on = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::333333333333:role/*"}]});
    world.role(ROLE_ARN).permissions.inline.insert("GoOn".to_owned(), may_go_on.into());
    assert!(world.accounts.contains_key(AUTH_ACCOUNT) && world.accounts.contains_key(WORKLOAD_ACCOUNT));
    world
}

pub(crate) struct Home {
    pub(crate) aws: Sandbox,
    pub(crate) canaries: Canaries,
    environment: Vec<(&'static str, String)>,
    dir: TempDir,
}

impl Home {
    /// Makes a home with a configuration, without a key and without an agent.
    pub(crate) fn bare(config: &str) -> Self {
        let aws = Sandbox::start(World::tutorials(), Clock::system());
        let dir = tempfile::Builder::new().prefix("rolecall-").tempdir().unwrap();
        let home = Self { aws, canaries: Canaries::default(), environment: Vec::new(), dir };
        std::fs::create_dir(home.path("run")).unwrap();
        std::os::unix::fs::chown(home.path("run"), None, None).unwrap();
        set_mode(&home.path("run"), 0o700);
        home.configure(config);
        home.canaries.add(&home.aws.access_key(USER_ARN).secret);
        home.canaries.add(PASSPHRASE);
        home
    }

    /// Makes a home with the tutorials' key in an open file vault.
    pub(crate) fn ready(config: &str) -> Self {
        let home = Self::bare(&format!("[agent]\nvault = \"file\"\n{config}"));
        home.open_vault();
        let added = home.add_key();
        assert!(added.status.success(), "{}", text(&added.stderr));
        home
    }

    pub(crate) fn open_vault(&self) {
        let opened = self.run_with_input(["unlock", "--vault"], PASSPHRASE);
        assert!(opened.status.success(), "{}", text(&opened.stderr));
    }

    /// Stores the tutorials' key as a person pipes it in.
    pub(crate) fn add_key(&self) -> Output {
        let key = self.aws.access_key(USER_ARN);
        let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
        self.run_with_input(["identity", "add", "auth", "--region", "eu-west-1", "--replace"], &input)
    }

    pub(crate) fn configure(&self, config: &str) {
        write_config(&self.config(), config, &self.aws.url());
    }

    /// Sets a variable of every command from now on.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.environment.retain(|(other, _)| *other != name);
        self.environment.push((name, value.into()));
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Returns the `service` attribute of the items in the keyring: a home of a test is a world of its own.
    pub(crate) fn keyring_service(&self) -> String {
        format!("rolecall:{}", self.dir.path().display())
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path(".config/rolecall/config.toml")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("run/rolecall/agent.sock")
    }

    pub(crate) fn audit(&self) -> String {
        std::fs::read_to_string(self.path(".local/state/rolecall/audit.jsonl")).unwrap_or_default()
    }

    /// Makes a command of any program in this home, with nothing of the outer environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("USER", "richard")
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn rolecall<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(ROLECALL);
        command.args(args);
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Output {
        self.seen(self.rolecall(args).output().unwrap())
    }

    pub(crate) fn run_with_input<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &str) -> Output {
        let mut child =
            self.rolecall(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that does not read its input closes it; its exit code tells more than our broken pipe.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        self.seen(child.wait_with_output().unwrap())
    }

    /// Takes note of what a command showed, and of the secrets it was allowed to show on stdout.
    fn seen(&self, output: Output) -> Output {
        self.canaries.shown(&text(&output.stderr));
        if let Some(session) = process_output::parse(&output.stdout) {
            self.canaries.add(session.secret.expose());
            self.canaries.add(session.token.expose());
        } else {
            self.canaries.shown(&text(&output.stdout));
        }
        output
    }

    /// Gives what `status --json` shows.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_slice(&self.run(["status", "--json"]).stdout).expect("status is JSON")
    }

    /// Tells how often a session was asked for since the agent began.
    pub(crate) fn gets(&self) -> u64 {
        self.status()["counts"]["gets"].as_u64().expect("a number")
    }

    /// Gives the audit log's lines of one kind of event, as far as they are written.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        let lines = self.audit();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == event).collect()
    }

    /// Returns the process of the running agent. On a busy machine `status` may time out before the agent answers.
    pub(crate) fn agent_pid(&self) -> i32 {
        let pid = Cell::new(None);
        until("`status` names the process of the agent", || {
            pid.set(self.status()["agent"]["pid"].as_i64());
            pid.get().is_some()
        });
        i32::try_from(pid.get().unwrap()).unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.rolecall(["agent", "stop"]).output();
        if !std::thread::panicking() {
            self.canaries.scan(self.dir.path());
        }
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
