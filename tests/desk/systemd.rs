//! The agent as a user's service, under a real `systemd --user` with the bus that it starts.
//!
//! systemd wants to have booted the machine (sd_booted(3)) and a control group of its own, so it gets a mount namespace in
//! which both are so; for that the test needs root.

use crate::desk::Desk;
use crate::harness::home::{Home, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::needs::require;
use crate::harness::programs::{ROLECALL, ROLECALLD};
use crate::login::{Login, Whose};
use crate::server::Server;
use rustix::process::Signal;
use std::process::{Child, Output, Stdio};

/// Runs `systemd --user` until its standard input ends, then collects what is left of it.
const SCRIPT: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$GROUP"
echo $$ > "/sys/fs/cgroup/$GROUP/cgroup.procs"
/lib/systemd/systemd --user --log-target=console --log-level=notice < /dev/null &
manager=$!
read -r end || true
kill -TERM "$manager" || true
wait "$manager" || true
echo $$ > /sys/fs/cgroup/cgroup.procs
find "/sys/fs/cgroup/$GROUP" -depth -type d -exec rmdir {} +
"#;

/// A user's service manager in a home.
struct Manager<'a> {
    home: &'a Home,
    process: Child,
}

impl<'a> Manager<'a> {
    fn start(home: &'a Home) -> Self {
        require("root");
        let mut command = home.command("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT]);
        command.env("GROUP", format!("rolecall-test-{}", std::process::id()));
        let log = std::fs::File::create(home.path("systemd.log")).unwrap();
        let process = command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let manager = Self { home, process };
        // Not by `is-system-running`, which out here looks at whether systemd has booted the machine.
        until("systemd --user is up", || manager.control(&["is-active", "default.target"]).stdout == b"active\n");
        manager
    }

    fn control(&self, arguments: &[&str]) -> Output {
        self.home.command("systemctl").arg("--user").args(arguments).output().expect("systemd is installed")
    }
}

impl Drop for Manager<'_> {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[test]
fn as_a_users_service_it_hears_logind_and_tells_on_the_users_bus() {
    needs!("root", "dbus-daemon");
    let system = Desk::new("system-bus");
    let _bus = system.bus();
    let home = Home::bare(&format!(
        "[agent]\nvault = \"file\"\n{}",
        TUTORIAL.replace("region =", "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\nregion =")
    ));
    let unit = format!(
        "[Service]\nExecStart={}\nEnvironment=DBUS_SYSTEM_BUS_ADDRESS={}\nRestart=on-failure\n",
        ROLECALLD,
        system.address()
    );
    let units = home.path(".config/systemd/user");
    std::fs::create_dir_all(&units).unwrap();
    std::fs::write(units.join("rolecall.service"), unit).unwrap();
    let manager = Manager::start(&home);
    let login = Login::start(&system.address());
    assert!(manager.control(&["start", "rolecall.service"]).status.success());
    login.wait_for_the_agent();
    // The user's own bus, which systemd starts on the first connection.
    let server = Server::start(&format!("unix:path={}", home.path("run/bus").display()));
    home.open_vault();
    assert!(home.add_key().status.success());
    let mut asked = home.command("setsid");
    let asked = asked.args(["-w", ROLECALL, "get", "prod"]).output().unwrap();
    assert_eq!(asked.status.code(), Some(4), "{}", text(&asked.stderr));
    until("it is shown", || !server.shown().is_empty());

    login.lock(Whose::Ours);
    until("it is locked", || home.audit().contains("\"message\":\"screen locked\""));
    // Killed, it is back, and hears logind again.
    crate::harness::process::signal(home.agent_pid(), Signal::KILL);
    until("the dead agent keeps nobody awake", || login.inhibitors() == 0);
    login.wait_for_the_agent();
    login.prepare_for_sleep(true);
    until("the agent lets it sleep", || login.inhibitors() == 0);
    assert!(manager.control(&["stop", "rolecall.service"]).status.success());
}
