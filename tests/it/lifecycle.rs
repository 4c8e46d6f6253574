//! Starts: one agent however many ask, nothing inherited, nothing shown, in every way there is to start it.

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::process::{Running, descriptors, lives, of, signal, stat};
use crate::harness::programs::{ROLECALL, ROLECALLD};
use crate::harness::wire::{NOBODY, give_to_nobody};
use rustix::process::Signal;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const AGENT: &str = ROLECALLD;
const FACE: &str = ROLECALL;

/// What `get` exits with when an agent answers and its vault is locked: enough to see that there is an agent.
const ANSWERED: Option<i32> = Some(4);

fn home() -> Home {
    Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}"))
}

fn starts(home: &Home) -> usize {
    home.audit().matches("\"event\":\"start\"").count()
}

#[test]
fn fifty_first_gets_at_once_start_one_agent() {
    let home = home();
    std::thread::scope(|scope| {
        let gets: Vec<_> = (0..50).map(|_| scope.spawn(|| home.run(["get", "prod"]))).collect();
        for get in gets {
            let output = get.join().unwrap();
            assert_eq!(output.status.code(), ANSWERED, "{}", text(&output.stderr));
        }
    });
    assert_eq!(starts(&home), 1);
}

#[test]
fn after_kill_9_at_any_moment_the_next_get_works() {
    let home = home();
    for moment in 0..12 {
        let mut agent = Running::start(&mut home.command(AGENT));
        // Not a wait for something: the moment itself is what varies, from before the socket to long after.
        std::thread::park_timeout(Duration::from_millis(moment * 3));
        agent.signal(Signal::KILL);
        agent.end();
        let output = home.run(["get", "prod"]);
        assert_eq!(output.status.code(), ANSWERED, "moment {moment}: {}", text(&output.stderr));
        let pid = home.agent_pid();
        signal(pid, Signal::KILL);
        until("it is gone", || !lives(pid));
    }
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED);
}

#[test]
fn a_file_at_the_sockets_path_is_refused_and_kept() {
    let home = home();
    rolecall::files::ensure_private_dir(&home.path("run/rolecall")).unwrap();
    std::fs::write(home.socket(), "a diary").unwrap();
    let output = home.run(["get", "prod"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    assert!(
        said.contains("agent.sock is in the way and is no socket") && said.contains("\nhint: move it away"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(home.socket()).unwrap(), "a diary");
}

#[test]
fn a_second_agent_says_that_one_is_running_and_exits_0() {
    let home = home();
    let mut first = Running::agent(&home);
    let second = home.command(AGENT).output().unwrap();
    assert_eq!((second.status.code(), text(&second.stdout).as_str()), (Some(0), "an agent is running already\n"));
    assert!(!first.has_ended());
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED, "the first one's socket is as it was");
    assert_eq!(starts(&home), 1);
}

#[test]
fn a_lock_that_the_caller_holds_on_a_descriptor_ends_with_the_caller() {
    let home = home();
    let script = format!("exec 9>lock; flock 9; {FACE} get prod; echo $?");
    let output = home.command("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(text(&output.stdout), "4\n", "{}", text(&output.stderr));
    assert!(lives(home.agent_pid()));
    let free = home.command("flock").args(["--nonblock", "lock", "true"]).status().unwrap();
    assert!(free.success(), "the agent keeps its caller's lock");
}

#[test]
fn a_reader_of_the_callers_output_comes_to_its_end_while_the_agent_lives_on() {
    let home = home();
    // `cat` ends when nobody holds the pipe any more; descriptor 7 is one that an agent might have inherited.
    let script = format!("{{ {FACE} get prod; }} 2>&1 7>&1 | cat");
    let output = home.command("bash").args(["-c", &script]).output().unwrap();
    assert!(text(&output.stdout).contains("rolecall: prod: "), "{}", text(&output.stdout));
    assert!(lives(home.agent_pid()));
}

#[test]
fn the_agent_outlives_the_session_and_the_terminal_of_its_first_caller() {
    let home = home();
    let mut caller = home.command("setsid");
    let command = format!("{FACE} get prod; exec sleep 600");
    let mut caller = Running::start(caller.args(["sh", "-c", &command]));
    until("the agent runs", || starts(&home) == 1 && home.run(["status"]).status.success());
    let pid = home.agent_pid();
    let state = stat(pid).unwrap();
    assert_eq!(
        (state[3].as_str(), state[4].as_str()),
        (pid.to_string().as_str(), "0"),
        "a session of its own, no terminal"
    );
    let leader = rustix::process::Pid::from_raw(caller.pid()).unwrap();
    rustix::process::kill_process_group(leader, Signal::KILL).unwrap();
    caller.end();
    // What a closing terminal sends.
    signal(pid, Signal::HUP);
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED);
    assert_eq!(home.agent_pid(), pid);
}

/// Tells whether somebody listens at a path: it exists an instant before.
fn listens(path: &Path) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    // The fourth column is `__SO_ACCEPTCON`.
    let of = |line: &str| line.split_whitespace().nth(3) == Some("00010000") && line.ends_with(path.to_str().unwrap());
    sockets.lines().any(of)
}

fn activate(home: &Home, paths: &[&str]) -> Command {
    // By hand: the home may be another user's by now.
    std::fs::create_dir_all(home.path("run/rolecall")).unwrap();
    set_mode(&home.path("run/rolecall"), 0o700);
    let mut command = home.command("systemd-socket-activate");
    for path in paths {
        command.arg("--listen").arg(home.path(path));
    }
    command.args(["-E", "HOME", "-E", "XDG_RUNTIME_DIR", "-E", "PATH", AGENT]);
    command
}

#[test]
fn the_first_get_over_systemds_socket_is_served() {
    let home = home();
    let mut agent = Running::start(&mut activate(&home, &["run/rolecall/agent.sock"]));
    until("systemd listens", || listens(&home.socket()));
    let inode = std::fs::metadata(home.socket()).unwrap().ino();
    let output = home.run(["get", "prod"]);
    assert_eq!(output.status.code(), ANSWERED, "{}", text(&output.stderr));
    assert_eq!(home.agent_pid(), agent.pid(), "the one that systemd started");
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
    assert_eq!(std::fs::metadata(home.socket()).unwrap().ino(), inode, "the socket is systemd's and stays");
}

#[test]
fn two_sockets_or_something_else_from_systemd_are_refused() {
    let home = home();
    let mut agent = Running::start(&mut activate(&home, &["run/rolecall/agent.sock", "run/rolecall/other.sock"]));
    until("systemd listens", || listens(&home.path("run/rolecall/other.sock")));
    drop(std::os::unix::net::UnixStream::connect(home.socket()).unwrap());
    assert_eq!(agent.end().code(), Some(7));
    assert!(agent.complaint().contains("2 descriptors were handed over, one is expected"));

    std::fs::remove_dir_all(home.path("run/rolecall")).unwrap();
    let not_listening = "import os,socket,sys\ns=socket.socket(socket.AF_UNIX)\nos.dup2(s.fileno(),3)\n\
        os.environ.update(LISTEN_FDS='1',LISTEN_PID=str(os.getpid()))\nos.execv(sys.argv[1],sys.argv[1:])";
    let file = "exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\"";
    for (shell, script) in [("bash", file), ("python3", not_listening)] {
        let mut agent = Running::start(home.command(shell).args(["-c", script, AGENT]));
        assert_eq!(agent.end().code(), Some(7), "{shell}");
        let said = agent.complaint();
        assert!(said.contains("socket activation: the descriptor is not a listening unix socket"), "{said}");
    }
    assert!(!home.socket().exists());
}

#[test]
fn inherited_descriptors_are_closed() {
    let home = home();
    let mut shell = home.command("bash");
    let agent = Running::agent_by(shell.args(["-c", "exec 3<>/dev/null 9>held; exec \"$0\"", AGENT]));
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED, "it has bound a socket of its own");
    let held = descriptors(agent.pid());
    assert!(!held.contains(&home.path("held")), "what is inherited is closed: {held:?}");
}

#[test]
fn an_activated_agent_keeps_nothing_else_that_it_inherited() {
    let home = home();
    let mut command = activate(&home, &["run/rolecall/agent.sock"]);
    let (program, args) =
        (command.get_program().to_owned(), command.get_args().map(ToOwned::to_owned).collect::<Vec<_>>());
    command = home.command("bash");
    command.args(["-c", "exec 9>held; exec \"$0\" \"$@\""]).arg(program).args(args);
    let agent = Running::start(&mut command);
    until("systemd listens", || listens(&home.socket()));
    assert_eq!(home.run(["get", "prod"]).status.code(), ANSWERED);
    let held = descriptors(agent.pid());
    assert!(!held.contains(&home.path("held")), "{held:?}");
}

#[test]
fn no_core_is_dumped_and_no_other_process_may_look_inside_however_it_is_started() {
    needs!("root");
    for way in ["foreground", "first get", "systemd"] {
        let home = home();
        give_to_nobody(&home.path(""));
        let get = || home.rolecall(["get", "prod"]).uid(NOBODY).gid(NOBODY).stdout(Stdio::null()).output().unwrap();
        let status = || home.rolecall(["status", "--json"]).uid(NOBODY).gid(NOBODY).output().unwrap();
        let agent = match way {
            "foreground" => Some(Running::agent_by(home.command(AGENT).uid(NOBODY).gid(NOBODY))),
            "systemd" => {
                let mut command = activate(&home, &["run/rolecall/agent.sock"]);
                chown(home.path("run/rolecall"), Some(NOBODY), Some(NOBODY)).unwrap();
                let agent = Running::start(command.uid(NOBODY).gid(NOBODY));
                until("systemd listens", || listens(&home.socket()));
                Some(agent)
            }
            _ => None,
        };
        let got = get();
        assert_eq!(got.status.code(), ANSWERED, "{way}: {}", text(&got.stderr));
        let status: serde_json::Value = serde_json::from_slice(&status().stdout).unwrap();
        let pid = i32::try_from(status["agent"]["pid"].as_i64().unwrap()).unwrap();
        let limits = std::fs::read_to_string(of(pid).join("limits")).unwrap();
        let core: Vec<_> = limits.lines().find(|l| l.starts_with("Max core")).unwrap().split_whitespace().collect();
        assert_eq!(core[4..6], ["0", "0"], "{way}");
        // The kernel gives what belongs to a process that may not be dumped to root (proc(5)).
        assert_eq!(std::fs::metadata(of(pid)).unwrap().uid(), NOBODY, "{way}: the agent itself is nobody's");
        assert_eq!(std::fs::metadata(of(pid).join("environ")).unwrap().uid(), 0, "{way}");
        let peek = Command::new("cat").arg(of(pid).join("environ")).uid(NOBODY).gid(NOBODY).output().unwrap();
        assert!(!peek.status.success() && peek.stdout.is_empty(), "{way}: the same user reads its environment");
        drop(agent);
        let _ = home.rolecall(["agent", "stop"]).uid(NOBODY).gid(NOBODY).output();
    }
}

#[test]
fn a_word_that_the_agent_does_not_know_starts_none() {
    let home = Home::bare("");
    let run = |word: &str| home.command(ROLECALLD).arg(word).output().unwrap();
    let version = run("--version");
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(text(&version.stdout), format!("rolecalld {}\n", env!("CARGO_PKG_VERSION")));
    assert!(text(&run("--help").stdout).contains("rolecall agent --help"));
    let wrong = run("--detatch");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("takes no arguments"), "{}", text(&wrong.stderr));
    assert!(!home.path("run/rolecall/agent.sock").exists());
}
