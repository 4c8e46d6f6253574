//! `ssh -R` over a real sshd on 127.0.0.1: the commands of docs/remote.md, typed here and there.

use super::{TWO, with_socket};
use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::until;
use crate::harness::pinentry;
use crate::harness::process::Running;
use crate::harness::wire::need_root;
use rustix::process::Signal;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Gives the lines of the block of docs/remote.md that begins with a mark; comments are left out.
pub(super) fn lines_after(mark: &str) -> Vec<String> {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/remote.md")).unwrap();
    let (_, rest) = document.split_once(mark).unwrap_or_else(|| panic!("docs/remote.md has no {mark:?}"));
    let (_, rest) = rest.split_once('\n').unwrap();
    let block = rest.split("```").next().unwrap();
    block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// A home with the agent, and a remote machine: another home, which has `rolecall` and no `rolecalld`.
struct Two {
    home: Home,
    sshd: Option<Running>,
    port: u16,
}

impl Two {
    fn new(unlinks: bool, asked: Option<&str>) -> Self {
        need_root();
        let mut home = Home::bare("");
        let mut agent = "[agent]\nvault = \"file\"\n".to_owned();
        if let Some(asked) = asked {
            home.set("DISPLAY", ":7");
            agent += &format!("pinentry_program = \"{}\"\n", pinentry::script(&home.path(""), asked).display());
        }
        let bin = home.path("bin").display().to_string();
        home.set("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"));
        home.configure(&(agent + &with_socket(TWO).split("[sockets").next().unwrap()));
        home.open_vault();
        assert!(home.add_key().status.success());
        for dir in ["bin", "far", "far/bin", "far/run", "far/.aws", "ssh"] {
            std::fs::create_dir(home.path(dir)).unwrap();
            set_mode(&home.path(dir), 0o700);
        }
        std::fs::copy(env!("CARGO_BIN_EXE_rolecall"), home.path("far/bin/rolecall")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rolecall"), home.path("bin/rolecall")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut two = Self { home, sshd: None, port };
        two.prepare(unlinks);
        two
    }

    /// Writes keys and settings of both ends, and starts the sshd.
    fn prepare(&mut self, unlinks: bool) {
        let at = |name: &str| self.home.path(name).display().to_string();
        for key in ["ssh/host", "ssh/user"] {
            let mut keygen = self.home.command("/usr/bin/ssh-keygen");
            let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]).output().unwrap();
            assert!(made.status.success(), "{}", text(&made.stderr));
        }
        let far = format!("env -i HOME={0} PATH={0}/bin:/usr/bin:/bin sh -c \"$SSH_ORIGINAL_COMMAND\"", at("far"));
        let unlinks = if unlinks { "yes" } else { "no" };
        std::fs::write(
            self.home.path("ssh/sshd_config"),
            format!(
                "ListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPidFile none\n\
                 PasswordAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\n\
                 StreamLocalBindUnlink {unlinks}\nForceCommand {far}\n",
                self.port,
                at("ssh/host"),
                at("ssh/user.pub")
            ),
        )
        .unwrap();
        std::fs::write(
            self.home.path("ssh/config"),
            format!(
                "Host vm\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
                 IdentityAgent none\n  StrictHostKeyChecking no\n  UserKnownHostsFile {}\n  LogLevel ERROR\n  BatchMode yes\n",
                self.port,
                at("ssh/user"),
                at("ssh/known")
            ),
        )
        .unwrap();
        std::fs::write(
            self.home.path("bin/ssh"),
            format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", at("ssh/config")),
        )
        .unwrap();
        set_mode(&self.home.path("bin/ssh"), 0o700);
        // Where sshd shuts its unprivileged half in; the package's service makes it.
        std::fs::create_dir_all("/run/sshd").unwrap();
        set_mode(std::path::Path::new("/run/sshd"), 0o755);
        let mut sshd = self.home.command("/usr/sbin/sshd");
        self.sshd = Some(Running::start(sshd.args(["-D", "-e", "-f", &at("ssh/sshd_config")])));
        until("sshd listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Puts the test's directories into the place of those that the document names.
    fn here(&self, line: &str) -> String {
        let line = line.replace("/run/user/1000/rolecall-vm.sock", &self.tunnel().display().to_string());
        line.replace("/run/user/1000/rolecall/", &format!("{}/", self.home.path("run/rolecall").display()))
    }

    fn tunnel(&self) -> PathBuf {
        self.home.path("far/run/rolecall-vm.sock")
    }

    /// Makes a command line as a shell of the home runs it.
    fn shell(&self, line: &str) -> Command {
        let mut shell = self.home.command("sh");
        shell.args(["-c", line]);
        shell
    }

    /// Runs a command line on the remote machine, which has been told where the socket is.
    fn there(&self, line: &str) -> Output {
        let exports = self.here(&lines_after("```sh\n# there")[0]);
        self.there_bare(&format!("{exports}; {line}"))
    }

    fn there_bare(&self, line: &str) -> Output {
        let output = self.home.command(self.home.path("bin/ssh")).args(["vm", line]).output().unwrap();
        self.home.canaries.shown(&text(&output.stderr));
        output
    }

    /// Opens the tunnel as the document says, and keeps it open.
    fn connect(&self) -> Running {
        let line = self.here(&lines_after("```sh\n# here")[1]);
        assert!(line.starts_with("ssh -R "), "{line}");
        // Not a shell at the other end, but what tells us that it is there and stays.
        let tunnel = Running::start(self.shell(&format!("exec {line} 'echo open; cat'")).stdin(Stdio::piped()));
        self.opened(tunnel)
    }

    fn opened(&self, mut tunnel: Running) -> Running {
        assert_eq!(tunnel.line(), "open\n", "{}", tunnel.complaint());
        assert!(self.tunnel().exists());
        tunnel
    }
}

#[test]
fn the_recipe_of_the_document_serves_a_remote_machine_and_refuses_all_that_is_not_the_sockets() {
    let mut two = Two::new(true, None);
    let here = lines_after("```sh\n# here");
    assert_eq!(here.len(), 2, "{here:?}");
    let added = two.shell(&here[0]).output().unwrap();
    assert!(added.status.success(), "{}", text(&added.stderr));
    let mut tunnel = two.connect();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(two.tunnel()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "as sshd makes it");

    let there = lines_after("```sh\n# there");
    let got = two.there_bare(&two.here(&there.join("; ")));
    assert_eq!(got.status.code(), Some(0), "{}", text(&got.stderr));
    let line = text(&got.stdout);
    assert!(line.starts_with(r#"{"Version":1,"AccessKeyId":"ASIA"#), "the session's line");
    assert!(got.stderr.is_empty(), "{}", text(&got.stderr));
    for refused in ["get prod", "get nobody", "get auth", "status", "lock", "unlock auth"] {
        let output = two.there(&format!("echo 123456 | rolecall {refused}"));
        let said = text(&output.stderr);
        assert_ne!(output.status.code(), Some(0), "{refused}");
        assert!(said.contains("this socket serves only sessions of: dev, staging"), "{refused}: {said}");
    }
    assert_eq!(two.there("rolecall get staging").status.code(), Some(0));
    let gets = two.home.events("get");
    assert!(gets.iter().any(|get| get["caller"]["socket"] == "vm" && get["name"] == "dev"), "{gets:?}");
    assert!(two.home.status()["sockets"][0]["last_used"].is_string());

    // The profile that the document shows, read by whoever runs what stands behind `credential_process`.
    let profile = lines_after("```aws-config");
    let process = profile.iter().find_map(|line| line.strip_prefix("credential_process = ")).unwrap();
    let served = two.there_bare(&two.here(process));
    assert_eq!(served.status.code(), Some(0), "{}", text(&served.stderr));

    // The agent's end: the tunnel stays and leads nowhere; its next start is found through the same tunnel.
    two.home.run(["agent", "stop"]);
    let alone = two.there("rolecall get dev");
    assert_eq!(alone.status.code(), Some(7));
    assert!(
        text(&alone.stderr).contains("on the agent's own machine: `rolecall agent start`"),
        "{}",
        text(&alone.stderr)
    );
    two.home.open_vault();
    assert_eq!(two.there("rolecall get dev").status.code(), Some(0));

    tunnel.signal(Signal::TERM);
    tunnel.end();
    until("the tunnel is down", || std::os::unix::net::UnixStream::connect(two.tunnel()).is_err());
    let down = two.there("rolecall get dev");
    let said = text(&down.stderr);
    assert_eq!(down.status.code(), Some(7), "{said}");
    assert!(said.contains("the tunnel, or the agent behind it, is not there"), "{said}");
    let left: Vec<_> = std::fs::read_dir(two.home.path("far/run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "rolecall-vm.sock"), "no agent was started there: {left:?}");

    // `StreamLocalBindUnlink yes`: the next connection finds its place though sshd has left a socket there. As in
    // ~/.ssh/config, which the document shows.
    let config = lines_after("```ssh-config");
    let written = std::fs::read_to_string(two.home.path("ssh/config")).unwrap();
    std::fs::write(two.home.path("ssh/config"), two.here(&config.join("\n")) + "\n" + &written).unwrap();
    let mut again = two.opened(Running::start(two.shell("exec ssh vm 'echo open; cat'").stdin(Stdio::piped())));
    std::fs::write(two.home.path("ssh/config"), written).unwrap();
    assert_eq!(two.there("rolecall get dev").status.code(), Some(0));
    again.signal(Signal::TERM);
    again.end();
    two.sshd = None;
}

#[test]
fn without_unlinking_sshd_refuses_a_second_connection_until_its_dead_socket_is_removed() {
    let two = Two::new(false, None);
    assert!(two.shell(&lines_after("```sh\n# here")[0]).output().unwrap().status.success());
    let mut tunnel = two.connect();
    tunnel.signal(Signal::TERM);
    tunnel.end();
    until("the tunnel is down", || std::os::unix::net::UnixStream::connect(two.tunnel()).is_err());
    assert!(two.tunnel().exists(), "sshd leaves it");
    let line = two.here(&lines_after("```sh\n# here")[1]).replace("ssh -R", "ssh -o ExitOnForwardFailure=yes -R");
    let refused = two.shell(&format!("{line} true")).output().unwrap();
    assert_ne!(refused.status.code(), Some(0));
    assert!(text(&refused.stderr).contains("remote port forwarding failed"), "{}", text(&refused.stderr));
    assert!(two.shell(&two.here("ssh vm rm -f /run/user/1000/rolecall-vm.sock")).output().unwrap().status.success());
    let _tunnel = two.connect();
    assert_eq!(two.there("rolecall get dev").status.code(), Some(0));
}

#[test]
fn consent_for_a_remote_machine_is_asked_here_and_its_no_is_a_refusal_there() {
    let two = Two::new(true, Some("echo \"$desc\" >> \"$0.asked\"; cat \"$0.answer\""));
    std::fs::write(two.home.path("pinentry.answer"), "ERR 83886179 Operation cancelled\n").unwrap();
    let added = two.shell(&format!("{} --ask", lines_after("```sh\n# here")[0])).output().unwrap();
    assert!(added.status.success(), "{}", text(&added.stderr));
    let _tunnel = two.connect();
    let refused = two.there("rolecall get dev");
    assert_eq!(refused.status.code(), Some(4));
    assert!(text(&refused.stderr).contains("consent for socket vm to use `dev` was refused"));
    std::fs::write(two.home.path("pinentry.answer"), "OK\n").unwrap();
    // The no holds for ten seconds, for this role.
    let allowed = two.there("rolecall get staging");
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stderr));
    let asked = std::fs::read_to_string(two.home.path("pinentry.asked")).unwrap();
    assert_eq!(asked.lines().filter(|line| line.starts_with("socket vm wants `")).count(), 2, "{asked}");
}
