//! A remote machine: a real sshd on 127.0.0.1, whose sessions live in another home, which has `rolecall` and no agent.

use super::home::{Home, set_mode, text};
use super::inside::until;
use super::needs::require;
use super::process::{Running, copy_program};
use super::programs::ROLECALL;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Gives the lines of the block of docs/remote.md that begins with a mark; comments are left out.
pub(crate) fn lines_after(mark: &str) -> Vec<String> {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/remote.md")).unwrap();
    let (_, rest) = document.split_once(mark).unwrap_or_else(|| panic!("docs/remote.md has no {mark:?}"));
    let (_, rest) = rest.split_once('\n').unwrap();
    let block = rest.split("```").next().unwrap();
    block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// The machine `vm`, below the home from which one goes there.
pub(crate) struct Remote<'a> {
    home: &'a Home,
    _sshd: Running,
}

impl<'a> Remote<'a> {
    /// Writes keys and settings of both ends, and starts the sshd.
    pub(crate) fn of(home: &'a Home, unlinks: bool) -> Self {
        require("root");
        require("sshd");
        for dir in ["bin", "far", "far/bin", "far/run", "far/.aws", "ssh"] {
            std::fs::create_dir(home.path(dir)).unwrap();
            set_mode(&home.path(dir), 0o700);
        }
        copy_program(Path::new(ROLECALL), &home.path("far/bin/rolecall"));
        std::os::unix::fs::symlink(ROLECALL, home.path("bin/rolecall")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| home.path(name).display().to_string();
        for key in ["ssh/host", "ssh/user"] {
            let mut keygen = home.command("/usr/bin/ssh-keygen");
            let made = keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]).output().unwrap();
            assert!(made.status.success(), "{}", text(&made.stderr));
        }
        let far = format!("env -i HOME={0} PATH={0}/bin:/usr/bin:/bin sh -c \"$SSH_ORIGINAL_COMMAND\"", at("far"));
        let unlinks = if unlinks { "yes" } else { "no" };
        let server = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPidFile none\n\
             PasswordAuthentication no\nUsePAM no\nPermitRootLogin prohibit-password\n\
             StreamLocalBindUnlink {unlinks}\nForceCommand {far}\n",
            at("ssh/host"),
            at("ssh/user.pub")
        );
        let client = format!(
            "Host vm\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  \
             IdentityAgent none\n  StrictHostKeyChecking no\n  UserKnownHostsFile {}\n  LogLevel ERROR\n  BatchMode yes\n",
            at("ssh/user"),
            at("ssh/known")
        );
        std::fs::write(home.path("ssh/sshd_config"), server).unwrap();
        std::fs::write(home.path("ssh/config"), client).unwrap();
        std::fs::write(home.path("bin/ssh"), format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", at("ssh/config")))
            .unwrap();
        set_mode(&home.path("bin/ssh"), 0o700);
        // Where sshd shuts its unprivileged half in; the package's service makes it.
        std::fs::create_dir_all("/run/sshd").unwrap();
        set_mode(Path::new("/run/sshd"), 0o755);
        let mut sshd = home.command("/usr/sbin/sshd");
        let sshd = Running::start(sshd.args(["-D", "-e", "-f", &at("ssh/sshd_config")]));
        until("sshd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { home, _sshd: sshd }
    }

    /// Where the other end of the tunnel lies.
    pub(crate) fn tunnel(&self) -> PathBuf {
        self.home.path("far/run/rolecall-vm.sock")
    }

    /// Puts the test's directories into the place of those that the document names.
    pub(crate) fn here(&self, line: &str) -> String {
        let line = line.replace("/run/user/1000/rolecall-vm.sock", &self.tunnel().display().to_string());
        line.replace("/run/user/1000/rolecall/", &format!("{}/", self.home.path("run/rolecall").display()))
    }

    /// Makes a command line as a shell of the home runs it, where `ssh` knows the machine.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let mut shell = self.home.command("sh");
        shell.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.home.path("bin").display()));
        shell.args(["-c", &self.here(line)]);
        shell
    }

    /// Runs a command line of the document in the home, which has to succeed.
    pub(crate) fn run_here(&self, line: &str) {
        let output = self.shell(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    }

    /// Runs a command line on the remote machine.
    pub(crate) fn run_there(&self, line: &str) -> Output {
        let output = self.home.command(self.home.path("bin/ssh")).args(["vm", &self.here(line)]).output().unwrap();
        self.home.canaries.shown(&text(&output.stderr));
        output
    }

    /// Runs a command line on the remote machine, which has been told where the socket is.
    pub(crate) fn told_there(&self, line: &str) -> Output {
        self.run_there(&format!("{}; {line}", lines_after("```sh\n# there")[0]))
    }

    /// Opens the tunnel as the document says, and keeps it open.
    pub(crate) fn connect(&self) -> Running {
        let line = lines_after("```sh\n# here")[1].clone();
        assert!(line.starts_with("ssh -R "), "{line}");
        self.opened(&line)
    }

    /// Opens a connection, with what tells us that it is there and stays in the place of a shell.
    pub(crate) fn opened(&self, line: &str) -> Running {
        let mut tunnel = Running::start(self.shell(&format!("exec {line} 'echo open; cat'")).stdin(Stdio::piped()));
        assert_eq!(tunnel.line(), "open\n", "{}", tunnel.complaint());
        assert!(self.tunnel().exists());
        tunnel
    }
}
