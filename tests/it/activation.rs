//! Start modes: what is checked and held in one is checked and held in all.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::process::{Running, of};
use crate::harness::programs::ROLECALLD;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// What `get` exits with when an agent answers and its vault is locked: enough to see that there is an agent.
const ANSWERED: Option<i32> = Some(4);

fn home() -> Home {
    Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"))
}

/// Returns whether somebody listens at a path: it exists an instant before.
fn is_listening(path: &Path) -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    // The fourth column is `__SO_ACCEPTCON`.
    let of = |line: &str| line.split_whitespace().nth(3) == Some("00010000") && line.ends_with(path.to_str().unwrap());
    sockets.lines().any(of)
}

/// Starts systemd's half: it listens, and becomes the agent when somebody connects.
fn activated(home: &Home) -> Running {
    rolecall::files::ensure_private_dir(&home.path("run/rolecall")).unwrap();
    let mut command = home.command("systemd-socket-activate");
    command.arg("--listen").arg(home.socket()).args(["-E", "HOME", "-E", "XDG_RUNTIME_DIR", "-E", "PATH", ROLECALLD]);
    let agent = Running::start(&mut command);
    until("systemd listens", || is_listening(&home.socket()));
    agent
}

#[test]
fn removed_socket_ends_an_activated_agent() {
    let home = home();
    let mut agent = activated(&home);
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED);
    fs::remove_file(home.socket()).unwrap();
    assert_eq!(agent.end().code(), Some(0));
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED, "the next caller starts an agent that is found");
}

#[test]
fn replaced_socket_ends_an_activated_agent_and_stays() {
    let home = home();
    let mut agent = activated(&home);
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED);
    fs::remove_file(home.socket()).unwrap();
    let _rival = UnixListener::bind(home.socket()).unwrap();
    assert_eq!(agent.end().code(), Some(0));
    assert!(home.socket().exists());
}

#[test]
fn second_agent_leaves_an_activated_one_alone() {
    let home = home();
    let mut agent = activated(&home);
    let inode = || fs::metadata(home.socket()).unwrap().ino();
    let before = inode();
    // Before the first request systemd alone listens; the look of the second agent starts the one behind the socket.
    for _ in 0..2 {
        let second = home.command(ROLECALLD).output().unwrap();
        assert_eq!((second.status.code(), text(&second.stdout).as_str()), (Some(0), "an agent is running already\n"));
        assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED);
        assert_eq!(inode(), before, "the socket is the same");
    }
    assert_eq!(home.agent_pid(), agent.pid());
    assert!(!agent.has_ended());
}

#[test]
fn activated_agent_takes_over_from_one_that_was_displaced() {
    let home = home();
    let mut first = Running::agent(&home);
    // As systemd does where something is at its path.
    fs::remove_file(home.socket()).unwrap();
    let mut second = activated(&home);
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED);
    assert_eq!(first.end().code(), Some(0));
    assert_eq!(home.agent_pid(), second.pid());
    assert!(!second.has_ended());
}

#[test]
fn activated_socket_and_its_directory_are_private() {
    let home = home();
    let agent = activated(&home);
    fs::set_permissions(home.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED);
    assert_eq!(fs::metadata(home.socket()).unwrap().mode() & 0o777, 0o600);
    drop(agent);

    fs::remove_file(home.socket()).unwrap();
    let mut agent = activated(&home);
    set_mode(&home.path("run/rolecall"), 0o755);
    drop(std::os::unix::net::UnixStream::connect(home.socket()).unwrap());
    assert_eq!(agent.end().code(), Some(7));
    let said = agent.complaint();
    assert!(said.contains("can be entered by other users"), "{said}");
    set_mode(&home.path("run/rolecall"), 0o700);
}

#[test]
fn sockets_of_another_process_are_refused() {
    let home = home();
    let listening = "import os,socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind('s')\ns.listen()\nos.dup2(s.fileno(),3)\n\
        os.environ.update(LISTEN_FDS='1')\nos.execv(sys.argv[1],sys.argv[1:])";
    for pid in [Some("1"), Some("junk"), None] {
        let mut command = home.command("python3");
        command.args(["-c", listening, ROLECALLD]).envs(pid.map(|pid| ("LISTEN_PID", pid)));
        let mut agent = Running::start(&mut command);
        assert_eq!(agent.end().code(), Some(7), "{pid:?}");
        let said = agent.complaint();
        assert!(said.contains("socket activation: LISTEN_PID"), "{said}");
        assert!(!home.socket().exists());
        fs::remove_file(home.path("s")).unwrap();
    }
}

#[test]
fn no_start_mode_keeps_the_working_directory() {
    for way in ["foreground", "first get", "systemd"] {
        let home = home();
        let _agent = match way {
            "foreground" => Some(Running::agent(&home)),
            "systemd" => Some(activated(&home)),
            _ => None,
        };
        assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED, "{way}");
        assert_eq!(fs::read_link(of(home.agent_pid()).join("cwd")).unwrap(), Path::new("/"), "{way}");
    }
}
