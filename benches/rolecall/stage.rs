//! A home with a running agent of the release build, a key in its vault, and an AWS of its own.

use crate::Programs;
use rolecall::client::{self, Autostart};
use rolecall::domain::secret::{Passphrase, SecretKey};
use rolecall::paths::Paths;
use rolecall::protocol::message::{Answer, Context, Request};
use rolecall::protocol::status::Status;
use rolecall_sandbox::tutorials::{ROLE_ARN, USER_ARN};
use rolecall_sandbox::{Clock, Sandbox, World};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery";

pub(crate) struct Stage {
    pub(crate) aws: Sandbox,
    pub(crate) paths: Paths,
    pub(crate) pid: u32,
    child: Child,
    dir: TempDir,
}

impl Stage {
    /// Starts an agent with a file vault that holds the key, and so many roles `r0`, `r1`, ….
    pub(crate) fn start(programs: &Programs, roles: usize) -> Self {
        Self::start_by(&mut Command::new(&programs.agent), roles, |_| {})
    }

    /// Does the same by a command that runs the agent, in a home that has been prepared.
    pub(crate) fn start_by(command: &mut Command, roles: usize, prepare: impl FnOnce(&Paths)) -> Self {
        let stage = Self::with(command, "file", roles, prepare);
        stage.unlock();
        stage.add_key();
        stage
    }

    /// Starts an agent with the keyring of a bus of its own; nothing where there is no gnome-keyring.
    pub(crate) fn with_keyring(programs: &Programs) -> Option<Self> {
        let there = |program: &str| Path::new("/usr/bin").join(program).exists();
        if !there("dbus-run-session") || !there("gnome-keyring-daemon") {
            return None;
        }
        let script = "printf pass | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec \"$0\"";
        let mut command = Command::new("dbus-run-session");
        command.args(["--", "sh", "-c", script]).arg(&programs.agent);
        let stage = Self::with(&mut command, "os", 1, |_| {});
        stage.add_key();
        Some(stage)
    }

    fn with(command: &mut Command, vault: &str, roles: usize, prepare: impl FnOnce(&Paths)) -> Self {
        let aws = Sandbox::start(World::tutorials(), Clock::system());
        let dir = tempfile::Builder::new().prefix("rolecall-").tempdir().expect("a directory");
        let home = dir.path();
        let paths = Paths {
            config: home.join(".config/rolecall/config.toml"),
            socket: home.join("run/rolecall/agent.sock"),
            state: home.join(".local/state/rolecall"),
            vault_file: home.join(".local/share/rolecall/vault.rolecall"),
            aws_config: home.join(".aws/config"),
            aws_credentials: home.join(".aws/credentials"),
            ..Paths::default()
        };
        for private in [paths.runtime_dir(), paths.config.parent().expect("in a directory"), &paths.state] {
            rolecall::files::ensure_private_dir(private).expect("made");
        }
        write(&paths.config, &config(vault, &aws.url(), roles));
        prepare(&paths);
        environment(command, home);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the agent's program can be run");
        // It says one line when it answers.
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
        assert!(line.contains("is running"), "the agent does not start: {line}");
        let mut stage = Self { aws, paths, pid: 0, child, dir };
        stage.pid = stage.status().agent.pid;
        stage
    }

    /// Unlocks the file vault.
    pub(crate) fn unlock(&self) {
        self.ask(Request::UnlockVault {
            accept_restored: false,
            passphrase: Some(Passphrase::new(PASSPHRASE.to_owned())),
        });
    }

    fn add_key(&self) {
        let key = self.aws.access_key(USER_ARN);
        self.ask(Request::IdentityAdd {
            name: "auth".to_owned(),
            arns: Vec::new(),
            access_key_id: key.id,
            secret_access_key: SecretKey::new(key.secret),
            region: None,
            replace: true,
            imported: false,
        });
    }

    /// Makes the command `PROGRAM get ROLE` in this home, with nothing of the outer environment.
    pub(crate) fn get_command(&self, program: &Path, role: &str) -> Command {
        let mut command = self.command(program);
        command.args(["get", role]);
        command
    }

    /// Makes the command of any program in this home.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        environment(&mut command, self.dir.path());
        command
    }

    /// Asks for a role as the client's library does, without a process of its own.
    pub(crate) fn get(&self, role: &str) {
        drop(client::get(&self.paths, role, Context::default()).expect("served"));
    }

    pub(crate) fn ask(&self, request: Request) -> Answer {
        client::ask(&self.paths, request, Context::default(), Autostart::No).expect("answered")
    }

    pub(crate) fn status(&self) -> Status {
        match self.ask(Request::Status) {
            Answer::Status(status) => *status,
            other => panic!("not a status: {other:?}"),
        }
    }

    /// Replaces the configuration by one that differs in nothing but a comment, so that it is read as a whole.
    pub(crate) fn touch_config(&self, roles: usize, round: usize) {
        write(&self.paths.config, &format!("# {round}\n{}", config("file", &self.aws.url(), roles)));
    }

    /// Replaces the configuration of one role by the same with more text before it and after it.
    pub(crate) fn surround_config(&self, before: &str, after: &str) {
        write(&self.paths.config, &format!("{before}{}{after}", config("file", &self.aws.url(), 1)));
    }

    /// Adds 20 templates for 500 accounts, in files of their own that differ in a comment each time.
    pub(crate) fn use_templates(&self, round: usize) {
        let mut accounts = format!("# {round}\n[accounts]\n");
        for n in 0..500 {
            let _ = writeln!(
                accounts,
                "a{n} = {{ id = \"{:012}\", tags = [\"team-{}\"] }}",
                200_000_000_000_u64 + n,
                n % 10
            );
        }
        let mut templates = String::new();
        for n in 0..20 {
            let _ = write!(
                templates,
                "[templates.t{n}]\nsource = \"auth\"\nrole_arn = \"arn:aws:iam::{{account}}:role/Role{n}\"\n\
                 display_name = \"{{account_name}} {n}\"\n"
            );
        }
        write(&self.paths.config.with_file_name("accounts.toml"), &accounts);
        write(&self.paths.config.with_file_name("templates.toml"), &templates);
        self.surround_config("include = [\"accounts.toml\", \"templates.toml\"]\n", "");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if client::ask(&self.paths, Request::Stop, Context::default(), Autostart::No).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn environment(command: &mut Command, home: &Path) {
    command.env_clear().env("HOME", home).env("XDG_RUNTIME_DIR", home.join("run")).env("PATH", "/usr/bin:/bin");
    command.current_dir(home);
}

fn write(file: &Path, content: &str) {
    rolecall::files::write_atomically(file, content.as_bytes()).expect("written");
}

/// Roles of one ARN that are sessions of their own by their names.
fn config(vault: &str, endpoint: &str, roles: usize) -> String {
    let mut text = format!(
        "[agent]\nvault = \"{vault}\"\n\n[aws]\nendpoint_url_sts = \"{endpoint}\"\n\n\
         [identities.auth]\ntype = \"iam-user\"\nregion = \"eu-west-1\"\n"
    );
    for n in 0..roles {
        let _ = write!(
            text,
            "\n[roles.r{n}]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\nrole_session_name = \"role-{n}\"\n\
             display_name = \"Role {n}\"\n"
        );
    }
    text
}
