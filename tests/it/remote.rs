//! Extra sockets: what they serve, what they refuse, how they follow the configuration; over a real sshd (`ssh`) and into
//! real namespaces (`container`), by the commands that docs/remote.md shows.

mod asked;
mod container;
mod ssh;

use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::{Inside, TUTORIAL, until};
use crate::harness::process::Running;
use crate::harness::programs::ROLECALLD;
use crate::harness::wire::{Heard, NOBODY, as_user, framed, listen, send};
use rolecall::client::{self, Autostart};
use rolecall::domain::error::{Kind, UserError};
use rolecall::paths::Paths;
use rolecall::protocol::message::{Answer, Context, EndpointForm, EndpointOwner, Request};
use rolecall::protocol::process_output;
use rolecall_sandbox::tutorials::ROLE_ARN;
use rustix::process::Signal;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Three roles, and what stands behind them.
fn roles() -> String {
    let role = |name| format!("[roles.{name}]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\n");
    format!("{TUTORIAL}{}{}", role("dev"), role("staging"))
}

/// The same with a socket `vm`.
fn with_socket(settings: &str) -> String {
    format!("{}[sockets.vm]\n{settings}\n", roles())
}

const TWO: &str = "roles = [\"dev\", \"staging\"]";

fn socket(paths: &Paths, name: &str) -> PathBuf {
    paths.extra_socket(name)
}

/// The agent as one sees it from the other end of its socket `vm`.
fn through(agent: &Inside) -> Paths {
    Paths { socket: socket(&agent.paths, "vm"), ..agent.paths.clone() }
}

fn get(agent: &Inside, name: &str) -> Result<(), UserError> {
    let line = client::get(&through(agent), name, Context::default());
    let line = line.inspect_err(|report| agent.canaries.shown(&format!("{report:?}")))?;
    let session = process_output::parse(&line).expect("a complete line");
    agent.canaries.add(session.secret.expose());
    agent.canaries.add(session.token.expose());
    Ok(())
}

fn ask(agent: &Inside, request: Request) -> Result<Answer, UserError> {
    client::ask(&through(agent), request, Context::default(), Autostart::No)
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_socket_serves_its_roles_and_nothing_else_and_the_log_says_which_socket_it_was() {
    let agent = Inside::start(&with_socket(TWO));
    get(&agent, "dev").expect("served");
    get(&agent, "staging").expect("served");
    let refused = get(&agent, "prod").expect_err("not its role");
    assert_eq!(refused.message, "this socket serves only sessions of: dev, staging");
    assert_eq!(refused.kind, Kind::Config);
    for unknown in ["auth", "nobody", "de", "DEV", "", "dev "] {
        assert_eq!(get(&agent, unknown).expect_err("not its role"), refused, "{unknown}: told apart");
    }
    let name = || "dev".to_owned();
    let manage = [
        Request::Status,
        Request::Keys,
        Request::Lock,
        Request::Stop,
        Request::Reload,
        Request::Device { name: None },
        Request::Glance { name: "prod".to_owned() },
        Request::IdentityRemove { name: "auth".to_owned() },
        Request::IdentityRotate { name: "auth".to_owned(), delete: None },
        Request::UnlockVault { passphrase: None, accept_restored: false },
        Request::Console { name: name(), destination: None, duration_seconds: None, by_browser: false },
        Request::Endpoint { name: name(), form: EndpointForm::Container, owner: EndpointOwner::Caller, port: None },
    ];
    for request in manage {
        let shown = format!("{request:?}");
        let report = ask(&agent, request).expect_err(&shown);
        assert_eq!((report.kind, &report.message), (refused.kind, &refused.message), "{shown}");
    }
    let Ok(Answer::Names { names }) = ask(&agent, Request::Names) else { panic!("for completions") };
    assert_eq!(names, ["dev", "staging"]);
    let Ok(Answer::Glance { left_seconds, known, .. }) = ask(&agent, Request::Glance { name: name() }) else {
        panic!()
    };
    assert!(known && left_seconds.is_some_and(|left| left > 3000));

    let status = agent.status();
    assert_eq!(status.counts.gets, 2, "what is refused is no use");
    let [vm] = status.sockets.as_slice() else { panic!("one socket: {:?}", status.sockets) };
    assert_eq!((vm.name.as_str(), vm.ask, vm.error.as_ref()), ("vm", false, None));
    assert!(vm.last_used.is_some() && vm.path == socket(&agent.paths, "vm").display().to_string(), "{vm:?}");
    assert_eq!(agent.role("dev").last_caller.as_deref(), Some("socket vm"));
    until("it is noted: each name once, and once what names none", || agent.audit("refuse").len() == 8);
    let noted = [agent.audit("get"), agent.audit("refuse")].concat();
    assert!(noted.iter().all(|line| line["caller"]["socket"] == "vm"), "{noted:?}");
    assert_eq!(agent.audit("refuse")[0]["name"], "prod");
}

#[test]
fn who_asks_in_a_loop_through_a_socket_fills_no_log_whatever_it_is_answered() {
    let config = with_socket(TWO).replacen("[roles.staging]\n", "[roles.staging]\naccess = \"deny\"\n", 1);
    let mut agent = Inside::start(&config);
    for _ in 0..50 {
        get(&agent, "dev").expect("served");
        get(&agent, "staging").expect_err("denied");
        get(&agent, "prod").expect_err("not its role");
    }
    agent.get("dev").expect("served");
    let results = |agent: &Inside, event| -> Vec<String> {
        agent.audit(event).iter().map(|line| line["result"].as_str().unwrap().to_owned()).collect()
    };
    until("the agent's own socket is told as ever", || agent.audit("get").len() == 3);
    assert_eq!(results(&agent, "get"), ["ok", "denied", "ok"]);
    assert_eq!(results(&agent, "refuse"), ["out-of-reach"]);
    agent.restart();
    let counts = [agent.audit("get"), agent.audit("refuse")].concat();
    let counts: Vec<_> = counts.iter().filter(|line| line["result"] == "repeated").collect();
    assert_eq!(counts.len(), 1, "{counts:?}");
    assert_eq!(counts[0]["count"], 147);
    let said = counts[0]["message"].as_str().unwrap();
    assert!(said.starts_with("147 more requests through the socket `vm`"), "{said}");
}

#[test]
fn a_program_behind_a_socket_is_one_that_cannot_be_named() {
    let own = std::env::current_exe().unwrap().display().to_string();
    let rules = format!("access = \"deny\"\naccess_by_program = {{ \"{own}\" = \"allow\" }}\n");
    let config = with_socket(TWO).replacen("[roles.dev]\n", &format!("[roles.dev]\n{rules}"), 1);
    let agent = Inside::start(&config);
    let report = get(&agent, "dev").expect_err("a path in a container is another file");
    assert_eq!(report.message, "the configuration denies `dev` to socket vm");
    get(&agent, "staging").expect("served");
}

#[test]
fn sockets_are_private_follow_the_configuration_and_end_their_connections() {
    let agent = Inside::start(&roles());
    let path = socket(&agent.paths, "vm");
    assert!(!path.parent().unwrap().parent().unwrap().exists(), "nothing is made for nobody");
    agent.edit(&with_socket(TWO)).expect("taken over");
    get(&agent, "staging").expect("open as soon as it is taken over");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(mode(path.parent().unwrap().parent().unwrap()), 0o700);

    let mut waiting = UnixStream::connect(&path).unwrap();
    agent.edit(&with_socket("roles = [\"dev\"]")).expect("taken over");
    assert_eq!(listen(&mut waiting), Heard::Nothing, "it came when the socket was another");
    get(&agent, "staging").expect_err("not any more");
    get(&agent, "dev").expect("on the same socket");

    let mut waiting = UnixStream::connect(&path).unwrap();
    waiting.write_all(b"\0\0").unwrap();
    agent.edit(&roles()).expect("taken over");
    assert_eq!(listen(&mut waiting), Heard::Nothing);
    assert!(!path.exists() && !path.parent().unwrap().exists());
    assert!(UnixStream::connect(&path).is_err());
    agent.edit(&with_socket("roles = [\"nobody\"]")).expect_err("no such role");
    assert!(!path.exists());
}

#[test]
fn what_a_dead_agent_left_is_removed_and_what_is_no_socket_is_left_and_told() {
    let agent = Inside::start_after(&with_socket(TWO), |paths| {
        for name in ["vm", "old", "busy"] {
            let path = socket(paths, name);
            rolecall::files::ensure_private_dir(path.parent().unwrap()).unwrap();
            set_mode(paths.runtime_dir(), 0o700);
            drop(UnixListener::bind(&path).unwrap());
        }
        std::fs::write(socket(paths, "busy").with_file_name("mine"), "").unwrap();
    });
    get(&agent, "dev").expect("a dead one of the same name is replaced");
    assert!(!socket(&agent.paths, "old").parent().unwrap().exists());
    assert!(socket(&agent.paths, "busy").with_file_name("mine").exists(), "what is not ours stays");
    assert!(!socket(&agent.paths, "busy").exists());

    let other = socket(&agent.paths, "other");
    rolecall::files::ensure_private_dir(other.parent().unwrap()).unwrap();
    std::fs::write(&other, "a file of somebody's").unwrap();
    agent
        .edit(&format!("{}[sockets.other]\n{TWO}\n", with_socket(TWO)))
        .expect("a path is not the configuration's fault");
    let shown = agent.status().sockets.into_iter().find(|socket| socket.name == "other").unwrap();
    let report = shown.error.expect("told");
    assert!(
        report.message.starts_with("socket `other`: ") && report.message.ends_with("is in the way and is no socket")
    );
    assert!(agent.status().warnings.contains(&report));
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "a file of somebody's");
    get(&agent, "dev").expect("the others are served");
    std::fs::remove_file(&other).unwrap();
    std::fs::remove_dir_all(socket(&agent.paths, "vm").parent().unwrap()).unwrap();
    until("all are open again", || {
        agent.clock.advance(std::time::Duration::from_secs(30));
        agent.status().sockets.iter().all(|socket| socket.error.is_none())
            && get(&agent, "dev").is_ok()
            && other.exists()
    });
}

#[test]
fn another_user_gets_no_byte_and_a_crowd_leaves_room_for_others() {
    needs!("root");
    let agent = Inside::start(&with_socket(TWO));
    let path = socket(&agent.paths, "vm");
    let ways = [
        agent.dir(),
        agent.paths.runtime_dir(),
        path.ancestors().nth(2).unwrap(),
        path.parent().unwrap(),
        path.as_path(),
    ];
    let before: Vec<_> = ways.iter().map(|way| (way.to_path_buf(), mode(way))).collect();
    for way in ways {
        set_mode(way, 0o777);
    }
    let dev = framed(br#"{"version":4,"request":{"do":"get","name":"dev"}}"#);
    assert_eq!(as_user(NOBODY, || send(&path, &dev)), Heard::Nothing);
    for (way, mode) in &before {
        set_mode(way, *mode);
    }
    until("it is noted", || agent.audit("refuse").iter().any(|line| line["result"] == "foreign-uid"));

    let crowd: Vec<_> = (0..64).map(|_| UnixStream::connect(&path).unwrap()).collect();
    let report = get(&agent, "dev").expect_err("full");
    assert!(report.message.contains("busy"), "{report:?}");
    agent.get("dev").expect("the agent's own socket has room");
    drop(crowd);
    until("there is room again", || get(&agent, "dev").is_ok());
}

#[test]
fn nonsense_and_other_versions_are_told_to_be_that() {
    let agent = Inside::start(&with_socket(TWO));
    let path = socket(&agent.paths, "vm");
    for (payload, said) in [
        (&br#"{"version":99,"request":{"do":"names"}}"#[..], "protocol 99"),
        (br#"{"version":4,"request":{"do":"format-disk"}}"#, "cannot be read"),
        (b"garbage", "cannot be read"),
    ] {
        let Heard::Refusal(report) = send(&path, &framed(payload)) else { panic!("{said}") };
        assert!(report.message.contains(said), "{report:?}");
        assert_eq!(report.hint.as_deref(), Some("install the same version of rolecall at both ends"));
    }
}

#[test]
fn the_command_edits_the_file_and_says_what_to_type_next() {
    let home = Home::ready(&format!("# mine\n{}# end\n", roles()));
    let add = |more: &[&str]| home.run([&["agent", "socket", "add", "vm"], more].concat());
    let added = add(&["--roles", "dev,staging"]);
    let said = text(&added.stdout);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added.stderr));
    let path = home.path("run/rolecall/sockets/vm/agent.sock").display().to_string();
    assert!(said.contains(&format!("\n{path}\n")), "{said}");
    assert!(said.contains(&format!("`ssh -R /run/user/UID/rolecall-vm.sock:{path} HOST`")), "{said}");
    assert!(said.contains("ROLECALL_SOCKET=/run/user/UID/rolecall-vm.sock") && said.contains("`rolecall get dev`"));
    let config = std::fs::read_to_string(home.config()).unwrap();
    assert!(config.contains("# mine\n") && config.contains("# end\n"), "{config}");
    assert!(config.contains("[sockets.vm]\nroles = [\"dev\", \"staging\"]\n"), "{config}");
    let far = |home: &Home| home.rolecall(["get", "dev"]).env("ROLECALL_SOCKET", &path).output().unwrap();
    assert_eq!(far(&home).status.code(), Some(0), "{}", text(&far(&home).stderr));

    let again = add(&["--roles", "dev"]);
    assert_eq!(again.status.code(), Some(3));
    assert!(text(&again.stderr).contains("--replace"), "{}", text(&again.stderr));
    assert_eq!(add(&["--roles", "dev", "--ask", "--replace"]).status.code(), Some(0));
    let listed: serde_json::Value =
        serde_json::from_slice(&home.run(["agent", "socket", "list", "--json"]).stdout).unwrap();
    assert_eq!(listed[0]["roles"], serde_json::json!(["dev"]));
    assert_eq!((listed[0]["ask"].as_bool(), listed[0]["path"].as_str()), (Some(true), Some(path.as_str())));
    let wrong = home.run(["agent", "socket", "add", "x", "--roles", "devv"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("there is no role called `devv`; did you mean `dev`?"));
    let used = home.run(["role", "remove", "dev"]);
    assert_eq!(used.status.code(), Some(3));
    assert!(text(&used.stderr).contains("is served by the socket `vm`"), "{}", text(&used.stderr));
    assert_eq!(home.run(["agent", "socket", "remove", "vm"]).status.code(), Some(0));
    assert!(!Path::new(&path).exists());
    assert!(!std::fs::read_to_string(home.config()).unwrap().contains("sockets"));
}

#[test]
fn the_end_of_the_agent_removes_its_sockets_and_the_next_one_opens_them_in_the_same_directory() {
    let home = Home::ready(&with_socket(TWO));
    let path = home.path("run/rolecall/sockets/vm/agent.sock");
    let directory = std::fs::metadata(path.parent().unwrap()).unwrap().ino();
    assert_eq!(home.run(["agent", "stop"]).status.code(), Some(0));
    assert!(!path.exists());
    assert_eq!(home.run(["agent", "start"]).status.code(), Some(0));
    assert!(path.exists());
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().ino(), directory, "a container may have it mounted");
}

#[test]
fn an_agent_that_systemd_starts_opens_its_sockets_too_and_ends_with_them() {
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{}", with_socket(TWO)));
    rolecall::files::ensure_private_dir(&home.path("run/rolecall")).unwrap();
    let mut activate = home.command("systemd-socket-activate");
    activate.arg("--listen").arg(home.socket());
    activate.args(["-E", "HOME", "-E", "XDG_RUNTIME_DIR", "-E", "PATH", ROLECALLD]);
    let mut agent = Running::start(&mut activate);
    until("systemd listens", || home.socket().exists());
    let path = home.path("run/rolecall/sockets/vm/agent.sock");
    // The first word to the agent's own socket starts it.
    assert_eq!(home.agent_pid(), agent.pid());
    let get = home.rolecall(["get", "dev"]).env("ROLECALL_SOCKET", &path).output().unwrap();
    let said = text(&get.stderr);
    assert_eq!(get.status.code(), Some(4), "it answers, and its vault is locked: {said}");
    assert!(said.contains("on the agent's own machine: "), "{said}");
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().code(), Some(0));
    assert!(!path.exists() && home.socket().exists());
}

#[test]
fn an_extra_socket_ends_starts_and_replaces_no_agent() {
    let home = Home::ready(&with_socket(TWO));
    let agent = home.agent_pid();
    let path = home.path("run/rolecall/sockets/vm/agent.sock");
    // A service of this user's, which must not be touched.
    let bin = home.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let told = home.path("systemctl.told");
    std::fs::write(bin.join("systemctl"), format!("#!/bin/sh\necho \"$@\" >> {}\n", told.display())).unwrap();
    set_mode(&bin.join("systemctl"), 0o755);
    let by = |socket: &Path, words: &[&str]| {
        let mut command = home.rolecall(words);
        command.env("ROLECALL_SOCKET", socket).env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    // As at the other end of `ssh -R`: the peer is no agent.
    let tunnel = far(&home);
    let listener = UnixListener::bind(&tunnel).unwrap();
    let to = path.clone();
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (Ok(near), Ok(far)) = (near, UnixStream::connect(&to)) else { return };
            let (back, forth) = ((far.try_clone().unwrap(), near.try_clone().unwrap()), (near, far));
            for (mut from, mut to) in [back, forth] {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    for socket in [&path, &tunnel] {
        for words in [["agent", "stop"], ["agent", "restart"]] {
            let (code, said) = by(socket, &words);
            assert_eq!(code, Some(3), "{words:?}: {said}");
            assert!(said.contains("this socket serves only sessions of: dev, staging"), "{words:?}: {said}");
        }
        for words in [["agent", "start"], ["agent", "run"]] {
            let (code, said) = by(socket, &words);
            assert_eq!(code, Some(7), "{words:?}: {said}");
            assert!(said.contains("is an agent's socket for a few of its roles"), "{words:?}: {said}");
        }
    }
    assert_eq!(home.agent_pid(), agent, "it runs on");
    assert_eq!(by(&path, &["get", "dev"]).0, Some(0));

    // Its agent gone, nobody takes its place.
    assert_eq!(home.run(["agent", "stop"]).status.code(), Some(0));
    let (code, said) = by(&path, &["get", "dev"]);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("env -u ROLECALL_SOCKET rolecall agent start"), "{said}");
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!told.exists(), "{}", std::fs::read_to_string(&told).unwrap_or_default());
}

/// Makes a place of its own where a socket of this name can lie.
fn far(home: &Home) -> PathBuf {
    let dir = home.path("far");
    std::fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o700);
    dir.join("tunnel.sock")
}

#[test]
fn a_tunnel_that_is_down_is_told_and_no_agent_takes_its_place() {
    let home = Home::bare(&roles());
    let path = far(&home);
    let get = |autostart: bool| {
        let mut get = home.rolecall(["get", "dev"]);
        get.env("ROLECALL_SOCKET", &path);
        if !autostart {
            get.env("ROLECALL_AUTOSTART", "no");
        }
        get.output().unwrap()
    };
    let mut outputs = vec![get(false)];
    // As sshd leaves it when a connection ends.
    drop(UnixListener::bind(&path).unwrap());
    outputs.extend([get(false), get(true)]);
    for output in outputs {
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(7), "{said}");
        assert!(said.contains("the tunnel, or the agent behind it, is not there"), "{said}");
        assert!(said.contains("hint: connect again (`ssh -R`)") && output.stdout.is_empty(), "{said}");
    }
    let there: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(there, ["tunnel.sock"], "nothing was started or made");
    // An agent's own dead socket, beside its lock, is replaced as ever.
    std::fs::write(path.with_file_name("agent.lock"), "").unwrap();
    set_mode(&path.with_file_name("agent.lock"), 0o600);
    let started = get(true);
    assert_ne!(started.status.code(), Some(7), "{}", text(&started.stderr));
    let stopped = home.rolecall(["agent", "stop"]).env("ROLECALL_SOCKET", &path).output().unwrap();
    assert!(stopped.status.success());
}

#[test]
fn a_tunnel_whose_other_end_has_no_agent_is_told_with_where_to_look() {
    let home = Home::bare(&roles());
    let path = far(&home);
    let listener = UnixListener::bind(&path).unwrap();
    // As sshd does when what it forwards to is not there.
    let closing = std::thread::spawn(move || (0..2).for_each(|_| drop(listener.accept().unwrap())));
    let get = home.rolecall(["get", "dev"]).env("ROLECALL_SOCKET", &path).output().unwrap();
    let said = text(&get.stderr);
    assert_eq!(get.status.code(), Some(7), "{said}");
    assert!(said.contains("ended the connection without an answer"), "{said}");
    assert!(said.contains("on the agent's own machine: `rolecall agent start`"), "{said}");
    closing.join().unwrap();
}
