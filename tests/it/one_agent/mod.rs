//! One agent for each user, from every caller: whatever the variables of a snap terminal, cron, a service or `su` say.

mod bus;
mod places;
mod separate;
mod start;

use crate::harness::home::{CHAIN, Home, PASSPHRASE, set_mode, text};
use crate::harness::inside::TUTORIAL;
use crate::harness::needs::require;
use crate::harness::programs::ROLECALL;
use crate::harness::wire::{Heard, framed, send};
use rolecall::domain::error::Kind;
use rolecall::protocol::VERSION;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// The user's own world: a machine on which the user database names the home of the test.
struct Login {
    home: Home,
}

/// A caller: its name and its variables. `@` is the home.
type Caller = (&'static str, &'static [(&'static str, &'static str)]);

const SHELL: Caller = ("a login shell", &[("HOME", "@"), ("XDG_RUNTIME_DIR", "/run/user/0")]);
const SNAP: Caller = (
    "a snap terminal",
    &[
        ("HOME", "@"),
        ("XDG_RUNTIME_DIR", "/run/user/0/snap.code"),
        ("XDG_CONFIG_HOME", "@/snap/code/1/.config"),
        ("XDG_DATA_HOME", "@/snap/code/1/.local/share"),
        ("XDG_STATE_HOME", "@/snap/code/1/.local/state"),
    ],
);
const CRON: Caller = ("cron", &[("HOME", "@"), ("LOGNAME", "root"), ("PATH", "/usr/bin:/bin")]);
const SERVICE: Caller = ("a service without HOME", &[("PATH", "/usr/bin:/bin")]);
const ODD: Caller = ("a shell of somebody else's variables", &[("HOME", "relative"), ("XDG_RUNTIME_DIR", "/tmp")]);
const SSH: Caller = ("ssh", &[("HOME", "@"), ("SSH_CONNECTION", "::1 1 ::1 22")]);
const CALLERS: [Caller; 6] = [SHELL, SNAP, CRON, SERVICE, ODD, SSH];

impl Login {
    /// Prepares the machine; nothing of rolecall runs yet.
    fn new(config: &str) -> Self {
        require("root");
        let home = Home::bare(config);
        fs::write(home.path("passwd"), format!("root:x:0:0::{}:/bin/sh\n", home.path("").display())).unwrap();
        fs::create_dir(home.path("run/snap.code")).unwrap();
        Self { home }
    }

    /// Makes a command of a caller. `is_logged_in`: whether there is a /run/user/0.
    fn command(&self, caller: Caller, is_logged_in: bool, args: &[&str]) -> Command {
        let mut command = self.program(caller, is_logged_in, ROLECALL);
        command.args(args);
        command
    }

    /// Makes a command of a caller that is another program.
    fn program(&self, caller: Caller, is_logged_in: bool, program: &str) -> Command {
        let mount = "mount --make-rprivate / && mount --bind \"$1\" /etc/passwd && mount -t tmpfs tmpfs /run && \
                     if [ -n \"$2\" ]; then mkdir -p /run/user/0 && mount --bind \"$2\" /run/user/0; fi && \
                     shift 2 && exec \"$@\"";
        let home = self.home.path("").display().to_string();
        let home = home.trim_end_matches('/');
        let run = if is_logged_in { self.home.path("run").display().to_string() } else { String::new() };
        let mut command = self.home.command("unshare");
        command.args(["--mount", "sh", "-c", mount, "sh"]).arg(self.home.path("passwd")).arg(run);
        command.args(["env", "-i"]);
        command.args(caller.1.iter().map(|(name, value)| format!("{name}={}", value.replace('@', home))));
        command.arg(program);
        command
    }

    fn run(&self, caller: Caller, args: &[&str]) -> Output {
        self.command(caller, true, args).output().unwrap()
    }

    fn feed(&self, caller: Caller, is_logged_in: bool, args: &[&str], input: &str) -> Output {
        let mut command = self.command(caller, is_logged_in, args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Opens the vault and stores the key, both by this caller.
    fn first(&self, caller: Caller, is_logged_in: bool) {
        let opened = self.feed(caller, is_logged_in, &["unlock", "--vault"], PASSPHRASE);
        assert!(opened.status.success(), "{}: {}", caller.0, text(&opened.stderr));
        let key = self.home.aws.access_key(USER_ARN);
        let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
        let add = ["identity", "add", "auth", "--region", "eu-west-1", "--replace"];
        let added = self.feed(caller, is_logged_in, &add, &input);
        assert!(added.status.success(), "{}: {}", caller.0, text(&added.stderr));
    }

    fn status(&self, caller: Caller, is_logged_in: bool) -> Value {
        let output = self.command(caller, is_logged_in, &["status", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}: {}", caller.0, text(&output.stderr)))
    }

    fn pid(&self, caller: Caller, is_logged_in: bool) -> Value {
        self.status(caller, is_logged_in)["agent"]["pid"].clone()
    }

    fn gets(&self, caller: Caller) -> Output {
        self.run(caller, &["get", "prod"])
    }
}

fn file_vault() -> String {
    format!("[agent]\nvault = \"file\"\n{TUTORIAL}")
}

#[test]
fn every_caller_reaches_the_agent_of_the_first() {
    needs!("root");
    for first in [SNAP, CRON, SERVICE] {
        let login = Login::new(&file_vault());
        login.first(first, true);
        let agent = login.pid(first, true);
        assert!(agent.is_number());
        for caller in CALLERS {
            let got = login.gets(caller);
            assert!(got.status.success(), "{} after {}: {}", caller.0, first.0, text(&got.stderr));
            login.home.canaries.add(&text(&got.stdout));
            assert_eq!(login.pid(caller, true), agent, "{} after {}", caller.0, first.0);
        }
        assert_eq!(login.home.aws.count("AssumeRole"), 1, "one session for all after {}", first.0);
        assert!(!login.home.path("snap").exists(), "no second configuration, vault or state after {}", first.0);
        // What a person says reaches what all callers use.
        assert!(login.run(SNAP, &["lock"]).status.success());
        assert_eq!(login.gets(CRON).status.code(), Some(4), "locked for cron as well");
        assert!(login.run(SERVICE, &["agent", "stop"]).status.success());
        assert!(login.pid(SHELL, true).is_null(), "none is left after {}", first.0);
    }
}

#[test]
fn agent_from_before_the_login_serves_after_it() {
    needs!("root");
    let login = Login::new(&file_vault());
    login.first(CRON, false);
    let agent = login.pid(CRON, false);
    assert!(agent.is_number());
    for caller in CALLERS {
        assert_eq!(login.pid(caller, true), agent, "{}", caller.0);
        assert!(login.gets(caller).status.success(), "{}", caller.0);
    }
    let restarted = login.run(SHELL, &["agent", "restart"]);
    assert!(restarted.status.success(), "{}", text(&restarted.stderr));
    let after = login.status(SHELL, true);
    assert_ne!(after["agent"]["pid"], agent);
    assert_eq!(after["agent"]["socket"], "/run/user/0/rolecall/agent.sock");
    assert_eq!(login.run(CRON, &["status", "--json"]).status.code(), Some(0));
    assert!(login.run(SNAP, &["agent", "stop"]).status.success());
}

#[test]
fn directories_of_the_first_caller_are_found_without_its_variables() {
    const XDG: Caller = (
        "a shell with directories of its own",
        &[("HOME", "@"), ("XDG_CONFIG_HOME", "@/c"), ("XDG_DATA_HOME", "@/d"), ("XDG_STATE_HOME", "@/s")],
    );
    needs!("root");
    let login = Login::new(&file_vault());
    fs::create_dir_all(login.home.path("c")).unwrap();
    fs::rename(login.home.path(".config/rolecall"), login.home.path("c/rolecall")).unwrap();
    login.first(XDG, true);
    assert!(login.home.path("d/rolecall/vault.rolecall").exists());
    assert!(login.run(XDG, &["agent", "stop"]).status.success());

    let shown = login.status(CRON, true);
    assert_eq!(shown["config"], login.home.path("c/rolecall/config.toml").to_str().unwrap());
    let opened = login.feed(CRON, true, &["unlock", "--vault"], PASSPHRASE);
    assert!(opened.status.success(), "{}", text(&opened.stderr));
    let got = login.gets(CRON);
    assert!(got.status.success(), "the same vault: {}", text(&got.stderr));
    assert!(!login.home.path(".local/share/rolecall").exists() && !login.home.path(".config/rolecall").exists());
    assert!(login.run(SHELL, &["agent", "stop"]).status.success());
}

#[test]
fn home_of_another_user_does_not_lead_there() {
    needs!("root");
    // As `su -m`: the variables of root, and another user.
    let login = Login::new(&file_vault());
    let (theirs, own) = (login.home.path("theirs"), login.home.path("own"));
    fs::create_dir(&theirs).unwrap();
    fs::create_dir(&own).unwrap();
    set_mode(&login.home.path(""), 0o755);
    set_mode(&theirs, 0o755);
    let nobody = crate::harness::wire::NOBODY;
    std::os::unix::fs::chown(&own, Some(nobody), Some(nobody)).unwrap();
    fs::write(login.home.path("passwd"), format!("nobody:x:{nobody}:{nobody}::{}:/bin/sh\n", own.display())).unwrap();
    let script = "mount --make-rprivate / && mount --bind \"$1\" /etc/passwd && shift && exec setpriv --reuid=65534 \
                  --regid=65534 --clear-groups \"$@\"";
    let run = |args: &[&str]| {
        let mut command = login.home.command("unshare");
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(login.home.path("passwd"));
        command.env("HOME", &theirs).env_remove("XDG_RUNTIME_DIR").arg(ROLECALL).args(args).output().unwrap()
    };
    let started = run(&["agent", "start"]);
    assert!(started.status.success(), "{}", text(&started.stderr));
    assert!(own.join(".local/state/rolecall/run/agent.sock").exists());
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    assert!(run(&["agent", "stop"]).status.success());
}

#[test]
fn another_configuration_is_said_to_its_caller() {
    const NAMED: Caller = ("a project", &[("HOME", "@"), ("ROLECALL_CONFIG", "@/project.toml")]);
    needs!("root");
    let login = Login::new(&file_vault());
    login.first(SHELL, true);
    fs::copy(login.home.config(), login.home.path("project.toml")).unwrap();
    let got = login.gets(NAMED);
    let said = text(&got.stderr);
    assert_eq!(got.status.code(), Some(3), "{said}");
    for part in ["/project.toml (ROLECALL_CONFIG)", "/.config/rolecall/config.toml", "`rolecall agent restart`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The agent of the user can be seen and locked all the same.
    let status = login.status(NAMED, true);
    let warnings = status["warnings"].to_string();
    assert!(warnings.contains("project.toml (ROLECALL_CONFIG)"), "{warnings}");
    assert!(login.run(NAMED, &["lock"]).status.success());
    assert!(login.run(NAMED, &["agent", "stop"]).status.success());
}

#[test]
fn configuration_that_is_not_seen_in_time_is_another_one() {
    let home = Home::ready(CHAIN);
    let get = |config: &str| {
        let call = format!(
            r#"{{"version":{VERSION},"request":{{"do":"get","name":"prod"}},"context":{{"view":{{"config":{config}}}}}}}"#
        );
        send(&home.socket(), &framed(call.as_bytes()))
    };
    let Heard::Refusal(report) = get(r#"{"path":"/mnt/slow/config.toml","is_unknown":true}"#) else {
        panic!("it is not known to be missing")
    };
    assert_eq!(report.kind, Kind::Config);
    assert!(report.message.contains("/mnt/slow/config.toml, which does not answer"), "{report:?}");
    // A missing file is no choice, and the path of the agent itself means its own file.
    assert!(matches!(get(r#"{"path":"/mnt/slow/config.toml"}"#), Heard::Else(_)));
    let own = home.config();
    assert!(matches!(get(&format!(r#"{{"path":"{}","is_unknown":true}}"#, own.display())), Heard::Else(_)));
}

#[test]
fn two_configurations_are_refused_by_name() {
    needs!("root");
    let login = Login::new(&file_vault());
    login.first(SHELL, true);
    let other = login.home.path("snap/code/1/.config/rolecall");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("config.toml"), "").unwrap();
    let got = login.gets(SNAP);
    let said = text(&got.stderr);
    assert_eq!(got.status.code(), Some(3), "{said}");
    assert!(said.contains("there are two configurations: ") && said.contains("export ROLECALL_CONFIG="), "{said}");
    let restarted = login.run(SNAP, &["agent", "restart"]);
    assert_eq!(restarted.status.code(), Some(3), "no agent takes one of them: {}", text(&restarted.stderr));
    assert!(login.gets(SHELL).status.success(), "nothing changes for the others");
    // A link to the same directory is no second one.
    fs::remove_dir_all(&other).unwrap();
    std::os::unix::fs::symlink(login.home.path(".config/rolecall"), &other).unwrap();
    assert!(login.gets(SNAP).status.success());
    assert!(login.run(SNAP, &["agent", "stop"]).status.success());
}
