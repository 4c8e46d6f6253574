//! The `.deb`: installed, run by systemd, upgraded under a shell that works with it, removed.

use crate::built::built;
use crate::harness::home::PASSPHRASE;
use crate::harness::inside::{TUTORIAL, until};
use crate::root::{HOME, Root, sound};
use rolecall::protocol::process_output;
use rolecall_sandbox::tutorials::USER_ARN;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

/// A shell that was opened by one version and works under the next: at each line it asks the endpoint that it was given, and
/// the agent by `rolecall` itself.
const SHELL: &str = r#"
url=${AWS_CONTAINER_CREDENTIALS_FULL_URI#http://}; at=${url%%/*}
asks() {
    exec 3<>"/dev/tcp/${at%:*}/${at#*:}" || return
    printf 'GET /%s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nConnection: close\r\n\r\n' \
        "${url#*/}" "$at" "$AWS_CONTAINER_AUTHORIZATION_TOKEN" >&3
    read -r line <&3 && [[ $line == *' 200 '* ]]
}
while read -r _; do asks && rolecall get prod >/dev/null && echo ok || echo "failed: $line"; done
"#;

impl Root {
    fn install(&self, deb: &Path) {
        let name = "/tmp.deb";
        std::fs::copy(deb, self.path(name)).unwrap();
        sound("dpkg", &mut self.root(&["dpkg", "--install", name]));
        std::fs::remove_file(self.path(name)).unwrap();
    }

    pub(crate) fn open_vault(&self) {
        self.says_to(&["rolecall", "unlock", "--vault"], PASSPHRASE);
    }

    pub(crate) fn add_key(&self) {
        let key = self.aws.access_key(USER_ARN);
        let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
        self.says_to(&["rolecall", "identity", "add", "auth", "--region", "eu-west-1", "--replace"], &input);
    }

    /// Asks for a session as a tool does, from a shell.
    #[track_caller]
    pub(crate) fn get(&self) {
        let said = self.says(&["sh", "-c", "rolecall get prod; exit $?"]);
        assert!(process_output::parse(said.as_bytes()).is_some(), "a session");
    }

    /// Waits until the audit log has that many hand-outs, and returns it.
    fn log_of_gets(&self, count: usize) -> String {
        let path = self.path(&format!("{HOME}/.local/state/rolecall/audit.jsonl"));
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        until("the hand-outs are logged", || read().matches(r#""event":"get""#).count() == count);
        read()
    }

    pub(crate) fn pid(&self) -> i64 {
        let status: Value = serde_json::from_str(&self.says(&["rolecall", "status", "--json"])).unwrap();
        status["agent"]["pid"].as_i64().unwrap()
    }

    /// Reads a file of the agent's in `/proc`, as root in there sees it.
    pub(crate) fn proc(&self, pid: i64, file: &str) -> String {
        sound(file, &mut self.root(&["cat", &format!("/proc/{pid}/{file}")]))
    }
}

#[test]
fn a_person_installs_the_package_upgrades_it_under_a_shell_and_removes_it_without_a_trace() {
    needs!("root", "mmdebstrap");
    let root = Root::start("deb", TUTORIAL);
    let before = root.everything();
    root.install(&built().debs[0]);
    sound(
        "the units",
        &mut root.user(&["systemd-analyze", "--user", "verify", "--man=no", "/usr/lib/systemd/user/rolecall.service"]),
    );
    assert!(root.property("rolecall.socket", "ActiveState") == "inactive", "nobody is made to have it");

    let said = root.says(&["rolecall", "agent", "install"]);
    assert!(said.contains("systemd listens") && !said.contains("wrote"), "the package has brought the units: {said}");
    let pid = root.pid();
    assert_eq!(root.says(&["rolecall", "agent", "install"]), said, "once more changes nothing");
    root.open_vault();
    root.add_key();
    root.get();
    assert_eq!(root.property("rolecall.service", "MainPID"), pid.to_string(), "it is systemd's");
    is_hardened(&root, pid);
    let log = root.log_of_gets(1);
    assert!(log.contains("/bin/dash"), "the agent sees which program asks: {log}");

    let mut shell = root.user(&["rolecall", "exec", "prod", "--", "bash", "-c", SHELL]);
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) = (shell.stdin.take().unwrap(), BufReader::new(shell.stdout.take().unwrap()));
    let mut works = || {
        to.write_all(b"\n").unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert_eq!(line, "ok\n");
    };
    works();
    root.install(&built().debs[1]);
    works();
    assert_eq!(root.pid(), pid, "an upgrade ends nobody's agent");
    let said = root.says(&["rolecall", "agent", "restart"]);
    let after = root.pid();
    assert!(after != pid && said.contains("restarted"), "{said}");
    assert_eq!(root.property("rolecall.service", "MainPID"), after.to_string(), "still systemd's");
    root.open_vault();
    works();
    drop(to);
    assert!(shell.wait().unwrap().success());

    let said = root.says(&["rolecall", "agent", "uninstall"]);
    assert!(said.contains("uninstalled"), "{said}");
    assert_eq!(root.says(&["rolecall", "agent", "uninstall"]), "nothing was installed\n");
    // From now on by itself, and not beyond the package's end.
    assert!(root.says(&["rolecall", "agent", "start"]).contains("started"));
    let pid = root.pid();
    assert_eq!(root.property("rolecall.service", "MainPID"), "0");
    sound("dpkg", &mut root.root(&["dpkg", "--purge", "rolecall"]));
    // Nobody there reaps it, so that its number may stay; what it ran does not.
    let program = format!("/proc/{pid}/exe");
    until("no agent is left", || !root.root(&["test", "-e", &program]).status().unwrap().success());
    let own = [".config", ".local"].map(|dir| format!("{}/{dir}", HOME.trim_start_matches('/')));
    let mut left: Vec<String> = root.everything().difference(&before).cloned().collect();
    left.retain(|path| !own.iter().any(|own| path.starts_with(own)) || path.contains("systemd"));
    assert_eq!(left, [""; 0], "but the person's own configuration, vault and logs");
    assert!(before.difference(&root.everything()).next().is_none(), "and nothing else is gone");
}

#[test]
fn a_confined_agent_writes_nothing_but_its_own_and_serves_all_the_same() {
    needs!("root", "mmdebstrap");
    let root = Root::start("confined", TUTORIAL);
    root.install(&built().debs[0]);
    let serve = || {
        root.open_vault();
        root.add_key();
        root.get();
    };
    let said = root.says(&["rolecall", "agent", "install", "--confined"]);
    assert!(said.contains("rolecall.service.d/confined.conf"), "{said}");
    serve();
    let log = root.log_of_gets(1);
    let pid = root.pid();
    assert_eq!(root.property("rolecall.service", "ProtectSystem"), "strict");
    is_hardened(&root, pid);
    // Of the mounts that are seen in there, those that can be written, by where they are.
    let writable = |pid: i64| -> Vec<String> {
        let mounts = root.proc(pid, "mountinfo");
        let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        fields.filter(|fields| fields[5].starts_with("rw")).map(|fields| fields[4].to_owned()).collect()
    };
    let own: Vec<String> = writable(pid);
    assert!(!own.iter().any(|path| ["/", "/home", HOME, "/usr", "/etc", "/tmp"].contains(&path.as_str())), "{own:?}");
    assert!(own.contains(&format!("{HOME}/.local/state/rolecall")), "{own:?}");
    // The price, and what is left of it: what a process calls itself.
    assert!(log.contains("\"[") && !log.contains("/bin/dash"), "{log}");

    let said = root.says(&["rolecall", "agent", "install"]);
    assert!(said.contains("removed") && said.contains("confined.conf"), "{said}");
    serve();
    let log = root.log_of_gets(2);
    assert!(writable(root.pid()).contains(&"/".to_owned()), "without the flag it is as before");
    assert!(log.contains("/bin/dash"), "{log}");
    root.says(&["rolecall", "agent", "install", "--confined"]);
    assert!(root.says(&["rolecall", "agent", "uninstall"]).contains("uninstalled"));
    assert!(!root.path(&format!("{HOME}/.config/systemd")).exists(), "nothing is left");
}

/// Looks at what holds for the process itself, and not at what the unit says.
pub(crate) fn is_hardened(root: &Root, pid: i64) {
    let status = root.proc(pid, "status");
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "Umask:\t0077"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let limits = root.proc(pid, "limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    let locked = limits.lines().find(|line| line.starts_with("Max locked memory")).unwrap();
    let [soft, hard] = locked.split_whitespace().skip(3).take(2).collect::<Vec<_>>()[..] else { panic!("{locked}") };
    assert_eq!(soft, hard, "as much as the user's manager may give");
    for (name, value) in [("MemorySwapMax", "0"), ("TasksMax", "512")] {
        assert_eq!(root.property("rolecall.service", name), value, "{name}");
    }
}
