//! A private desktop: a bus, a real gnome-keyring on it and an independent reader, each a child that ends with its test.

use rolecall::adapters::clock::SystemClock;
use rolecall::ports::Clock;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What starting a program or a bus name may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// A home, a runtime directory and a bus address that nobody else uses.
pub(crate) struct Desk {
    top: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new(name: &str) -> Self {
        let top = tempfile::Builder::new().prefix(&format!("keyring-{name}-")).tempdir().expect("a directory");
        for dir in ["home", "run", "data/keyrings"] {
            fs::create_dir_all(top.path().join(dir)).expect("made");
        }
        let config = format!(
            "<busconfig><type>session</type><listen>{}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>",
            address(top.path())
        );
        // No service directory: the bus starts nothing by itself, neither a second keyring nor a dialog.
        #[expect(clippy::disallowed_methods, reason = "nobody reads it yet")]
        fs::write(top.path().join("bus.conf"), config).expect("written");
        Self { top }
    }

    /// The directory that holds all of it.
    pub(crate) fn path(&self) -> &Path {
        self.top.path()
    }

    /// What `DBUS_SESSION_BUS_ADDRESS` is for programs of this desktop, whether the bus runs or not.
    pub(crate) fn address(&self) -> String {
        address(self.top.path())
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let top = self.top.path();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/lib")
            .env("HOME", top.join("home"))
            .env("XDG_RUNTIME_DIR", top.join("run"))
            .env("XDG_DATA_HOME", top.join("data"))
            .env("DBUS_SESSION_BUS_ADDRESS", self.address());
        command
    }

    pub(crate) fn bus(&self) -> Process {
        let socket = self.top.path().join("bus");
        drop(fs::remove_file(socket));
        let config = format!("--config-file={}", self.top.path().join("bus.conf").display());
        let mut command = self.command("dbus-daemon");
        command.args([&config, "--nofork", "--nopidfile", "--print-address=1"]).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut process = Process::start(&mut command);
        // It prints its address when it listens.
        let mut line = String::new();
        let out = process.child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("its address");
        assert!(line.starts_with("unix:path="), "dbus-daemon did not start: {line}");
        process
    }

    pub(crate) fn keyring(&self, password: Option<&str>) -> Process {
        let mut command = self.command("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]).stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        if password.is_some() {
            command.arg("--unlock");
        }
        let mut process = Process::start(&mut command);
        let mut input = process.child.stdin.take().expect("piped");
        input.write_all(password.unwrap_or_default().as_bytes()).expect("it reads its password");
        drop(input);
        self.wait("a keyring on the bus", || {
            let owned = self.dbus(&["org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner"], SERVICE);
            owned.contains("boolean true")
        });
        process
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locked().contains("boolean true")
    }

    pub(crate) fn wait_for_lock(&self, locked: bool) {
        let want = format!("boolean {locked}");
        self.wait("the keyring to be as the test wants it", || self.locked().contains(&want));
    }

    fn locked(&self) -> String {
        let target = [
            "org.freedesktop.secrets",
            "/org/freedesktop/secrets/aliases/default",
            "org.freedesktop.DBus.Properties.Get",
        ];
        self.dbus(&target, &["string:org.freedesktop.Secret.Collection", "string:Locked"])
    }

    fn dbus(&self, [name, path, method]: &[&str; 3], arguments: &[&str]) -> String {
        let mut command = self.command("dbus-send");
        command.args(["--session", "--print-reply", "--reply-timeout=2000", &format!("--dest={name}"), path, method]);
        let out = command.args(arguments).output().unwrap_or_else(|e| panic!("{}: {e}", missing("dbus-send")));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn wait(&self, what: &str, done: impl Fn() -> bool) {
        let end = SystemClock.now().boot + PATIENCE;
        while !done() {
            assert!(SystemClock.now().boot < end, "waited in vain for {what} in {}", self.top.path().display());
            // Leaves the processor to whom the condition depends on; the result does not depend on how long.
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    pub(crate) fn secret_tool(&self, arguments: &[&str]) -> String {
        let mut command = self.command("secret-tool");
        let out = command.args(arguments).output().unwrap_or_else(|e| panic!("{}: {e}", missing("secret-tool")));
        assert!(out.status.success(), "secret-tool {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    }

    /// Stores an item under an identity's name as another program would, with an attribute of its own.
    pub(crate) fn store_foreign(&self, name: &str, secret: &str) {
        let mut command = self.command("secret-tool");
        command.args(["store", "--label=foreign", "service", "rolecall", "username", name, "by", "another"]);
        command.stdin(Stdio::piped());
        let mut process = Process::start(&mut command);
        process.child.stdin.take().expect("piped").write_all(secret.as_bytes()).expect("it reads the secret");
        process.wait();
    }
}

const SERVICE: &[&str] = &["string:org.freedesktop.secrets"];

fn address(top: &Path) -> String {
    format!("unix:path={}", top.join("bus").display())
}

fn missing(program: &str) -> String {
    format!("{program} cannot be run; this test needs it: `apt install gnome-keyring dbus libsecret-tools`")
}

/// A child process that does not outlive its test.
pub(crate) struct Process {
    pub(crate) child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        Self { child: command.spawn().unwrap_or_else(|e| panic!("{}: {e}", missing(&program))) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    pub(crate) fn wait(&mut self) {
        let status = self.child.wait().expect("it ends");
        assert!(status.success() || std::thread::panicking(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // By its handle, never by name; one that has ended already is not an error.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
