//! Directories of one caller: an agent that a service manager starts learns of them, and a vault that one caller alone sees
//! is not written beside another one.

use super::*;
use crate::harness::inside::until;
use crate::harness::process::{Running, of};
use crate::harness::programs::ROLECALLD;
use crate::harness::{home::Home, pinentry};
use std::path::Path;

/// A service manager with a socket unit: it listens, and starts the agent on each connection that finds none running, with
/// the variables of the manager alone.
const MANAGER: &str = "
import os, select, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o600)
s.listen(64)
print('listening', flush=True)
while True:
    select.select([s], [], [])
    pid = os.fork()
    if pid == 0:
        os.dup2(s.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
        os.execv(sys.argv[2], sys.argv[2:])
    os.waitpid(pid, 0)
";

fn manager(home: &Home) -> Running {
    rolecall::files::ensure_private_dir(&home.path("run/rolecall")).unwrap();
    let mut manager = Running::start(home.command("python3").args(["-c", MANAGER]).arg(home.socket()).arg(ROLECALLD));
    assert_eq!(manager.line(), "listening\n");
    manager
}

/// Runs a command in a shell whose profile sets the XDG directories.
fn in_shell(home: &Home, args: &[&str]) -> Output {
    in_shell_with(home, args, "")
}

fn in_shell_with(home: &Home, args: &[&str], input: &str) -> Output {
    let mut command = home.rolecall(args);
    for (name, dir) in [("XDG_CONFIG_HOME", "c"), ("XDG_DATA_HOME", "d"), ("XDG_STATE_HOME", "s")] {
        command.env(name, home.path(dir));
    }
    command.env("PATH", format!("{}:/usr/bin:/bin", home.path("bin").display()));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A home whose configuration is where only that shell looks.
fn moved() -> Home {
    let home = Home::bare(&file_vault());
    fs::create_dir(home.path("c")).unwrap();
    fs::rename(home.path(".config/rolecall"), home.path("c/rolecall")).unwrap();
    home
}

/// Returns whether the running agent has a variable.
fn agent_has(home: &Home, name: &str) -> bool {
    let environment = fs::read(of(home.agent_pid()).join("environ")).unwrap();
    environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(format!("{name}=").as_bytes()))
}

#[test]
fn managed_agent_learns_of_directories_by_restart() {
    let home = moved();
    let _manager = manager(&home);
    assert!(home.run(["status"]).status.success(), "started without the variables");
    let refused = in_shell(&home, &["get", "prod"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("/c/rolecall/config.toml") && said.contains("`rolecall agent restart` here"), "{said}");

    let restarted = in_shell(&home, &["agent", "restart"]);
    assert!(restarted.status.success(), "{}", text(&restarted.stderr));
    assert!(!agent_has(&home, "XDG_CONFIG_HOME"), "the manager has started it");
    let opened = in_shell_with(&home, &["unlock", "--vault"], PASSPHRASE);
    assert!(opened.status.success(), "{}", text(&opened.stderr));
    assert!(home.add_key().status.success());
    for got in [in_shell(&home, &["get", "prod"]), home.run(["get", "prod"])] {
        assert!(got.status.success(), "the hint holds: {}", text(&got.stderr));
        home.canaries.add(&text(&got.stdout));
    }
    // The next one knows as well.
    assert!(home.run(["agent", "restart"]).status.success());
    assert_eq!(in_shell(&home, &["get", "prod"]).status.code(), Some(4), "locked, and not another configuration");
}

#[test]
fn managed_agent_learns_of_directories_by_install() {
    let home = moved();
    let _manager = manager(&home);
    assert!(home.run(["status"]).status.success(), "started without the variables");
    fs::create_dir(home.path("bin")).unwrap();
    // systemd itself is in another test; this one does as if it obeyed.
    fs::write(home.path("bin/systemctl"), "#!/bin/sh\nexit 0\n").unwrap();
    set_mode(&home.path("bin/systemctl"), 0o755);
    let dry = in_shell(&home, &["agent", "install", "--dry-run"]);
    assert!(dry.status.success(), "{}", text(&dry.stderr));
    assert_eq!(in_shell(&home, &["get", "prod"]).status.code(), Some(3), "a dry run notes nothing");
    let installed = in_shell(&home, &["agent", "install"]);
    assert!(installed.status.success(), "{}{}", text(&installed.stdout), text(&installed.stderr));
    assert!(!agent_has(&home, "XDG_CONFIG_HOME"));
    assert_eq!(in_shell(&home, &["get", "prod"]).status.code(), Some(4), "locked, and not another configuration");
}

#[test]
fn restart_names_a_configuration_the_manager_does_not_know() {
    let home = Home::bare(&file_vault());
    let _manager = manager(&home);
    let project = home.path("project.toml");
    fs::copy(home.config(), &project).unwrap();
    let run = |args: &[&str]| home.rolecall(args).env("ROLECALL_CONFIG", &project).output().unwrap();
    let refused = run(&["agent", "restart"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    let command = format!("`systemctl --user set-environment ROLECALL_CONFIG={}`", project.display());
    assert!(said.contains("the service manager has started the agent with") && said.contains(&command), "{said}");
    // It is the choice of one caller: nobody else is led to it.
    assert_eq!(home.run(["get", "prod"]).status.code(), Some(4), "locked, with the ordinary configuration");
}

#[test]
fn restart_with_a_named_configuration_keeps_the_noted_one() {
    let home = Home::bare(&file_vault());
    let note = home.path(".local/state/rolecall/places");
    let noted = format!("config={}\n", home.path("xdg/rolecall/config.toml").display());
    rolecall::files::ensure_private_dir(note.parent().unwrap()).unwrap();
    rolecall::files::write_private(&note, noted.as_bytes()).unwrap();
    let project = home.path("project.toml");
    fs::copy(home.config(), &project).unwrap();
    let restarted = home.rolecall(["agent", "restart"]).env("ROLECALL_CONFIG", &project).output().unwrap();
    assert!(restarted.status.success(), "{}", text(&restarted.stderr));
    assert_eq!(fs::read_to_string(&note).unwrap(), noted);
}

#[test]
fn agent_of_its_own_leads_no_other_caller_to_its_directories() {
    let home = Home::bare(&file_vault());
    // Where the note would be.
    rolecall::files::ensure_private_dir(&home.path(".local/state/rolecall")).unwrap();
    for (dir, file) in [("c", "config.toml"), ("s", "audit.jsonl")] {
        fs::create_dir_all(home.path(dir).join("rolecall")).unwrap();
        set_mode(&home.path(dir).join("rolecall"), 0o700);
        fs::copy(home.config(), home.path(dir).join("rolecall").join(file)).unwrap();
    }
    let mut own = home.command(ROLECALLD);
    let socket = home.path("run/own/agent.sock");
    own.env("ROLECALL_SOCKET", &socket).env("ROLECALL_CONFIG", home.path("c/rolecall/config.toml"));
    own.env("XDG_STATE_HOME", home.path("s")).env("XDG_DATA_HOME", home.path("d"));
    let _own = Running::agent_by(&mut own);
    assert!(socket.exists());
    assert!(!home.path(".local/state/rolecall/places").exists());
}

#[test]
fn vault_of_one_caller_is_not_doubled() {
    let home = Home::bare(&file_vault());
    let vault = |dir: &str| home.path(dir).join("rolecall/vault.rolecall");
    let in_shell = |args: &[&str]| {
        let mut command = home.rolecall(args);
        let command = command.env("XDG_DATA_HOME", home.path("d")).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(PASSPHRASE.as_bytes());
        child.wait_with_output().unwrap()
    };
    // A first vault, where only a shell with the variable looks.
    let opened = in_shell(&["unlock", "--vault"]);
    assert!(opened.status.success(), "{}", text(&opened.stderr));
    assert!(home.run(["agent", "stop"]).status.success());
    assert!(vault("d").exists() && !vault(".local/share").exists());
    fs::remove_file(home.path(".local/state/rolecall/places")).unwrap();

    let mut agent = Running::agent(&home);
    let refused = in_shell(&["unlock", "--vault"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    for part in [vault("d"), vault(".local/share")] {
        assert!(said.contains(part.to_str().unwrap()), "{part:?}: {said}");
    }
    assert!(!vault(".local/share").exists(), "no second vault");
    // As the hint says.
    assert!(said.contains("run `rolecall agent restart` here"), "{said}");
    assert!(in_shell(&["agent", "restart"]).status.success());
    let opened = in_shell(&["unlock", "--vault"]);
    assert!(opened.status.success(), "{}", text(&opened.stderr));
    assert!(!vault(".local/share").exists());
    assert!(agent.end().success());
}

#[test]
fn home_of_a_directory_service_is_used() {
    needs!("root");
    let login = Login::new(&file_vault());
    let home = login.home.path("").display().to_string();
    let getent = login.home.path("getent");
    // As with a module that hangs once the line is written.
    let script = format!("#!/bin/sh\ntest \"$*\" = 'passwd 0' && echo 'root:x:0:0::{home}:/bin/sh'\nexec sleep 600\n");
    fs::write(&getent, script).unwrap();
    set_mode(&getent, 0o755);
    fs::write(login.home.path("passwd"), "daemon:x:1:1::/:/bin/sh\n").unwrap();
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mount = "mount --make-rprivate / && mount --bind \"$1\" /etc/passwd && mount --bind \"$2\" /usr/bin/getent && \
                     mount -t tmpfs tmpfs /run && shift 2 && exec env -i \"$@\"";
        let mut command = login.home.command("unshare");
        command.args(["--mount", "sh", "-c", mount, "sh"]).arg(login.home.path("passwd")).arg(&getent);
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(ROLECALL).args(args).output().unwrap()
    };
    for variables in [&[][..], &[("HOME", "relative")], &[("HOME", "/nowhere")]] {
        let started = run(variables, &["agent", "start"]);
        assert!(started.status.success(), "{variables:?}: {}", text(&started.stderr));
        assert!(Path::new(&home).join(".local/state/rolecall/run/agent.sock").exists(), "{variables:?}");
        assert!(run(variables, &["agent", "stop"]).status.success());
    }
}

#[test]
fn pinentry_gets_the_xauthority_of_its_caller() {
    let mut home = Home::bare("");
    let program = pinentry::script(
        &home.path(""),
        "echo \"$DISPLAY $XAUTHORITY\" >> \"$0.display\"; echo 'ERR 83886179 cancelled'",
    );
    let agent = format!("vault = \"file\"\nprompts = [\"pinentry\"]\npinentry_program = \"{}\"", program.display());
    home.configure(&format!("[agent]\n{agent}\n{}", crate::mfa::config("")));
    // The desktop of the agent, which was started at another login.
    home.set("DISPLAY", ":1");
    home.set("XAUTHORITY", "/old/login");
    let _agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    let asked = || fs::read_to_string(format!("{}.display", program.display())).unwrap_or_default();
    for (variables, seen) in [
        (&[("DISPLAY", ":7"), ("XAUTHORITY", "/new/login")][..], ":7 /new/login"),
        (&[("DISPLAY", ":8")], ":8 "),
        (&[("DISPLAY", ":9"), ("XAUTHORITY", "relative")], ":9 "),
    ] {
        let before = asked().lines().count();
        // A question that was refused a moment ago is not asked again at once.
        until("it is asked", || {
            let mut get = home.rolecall(["get", "prod"]);
            get.env_remove("DISPLAY").env_remove("XAUTHORITY").envs(variables.iter().copied());
            get.output().unwrap().status.code() == Some(4) && asked().lines().count() > before
        });
        assert_eq!(asked().lines().last(), Some(seen), "{variables:?}");
    }
}
