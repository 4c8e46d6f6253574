//! Commands whose files never answer, on a dead mount: each ends with the path in its error, also where a process that waits
//! for the mount cannot be killed. Starts of the agent likewise, and the place of an agent that cannot end is free.

use crate::harness::dead_mount::DeadMount;
use crate::harness::home::{CHAIN, Home, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::process::{Running, of, stat};
use crate::harness::programs::ROLECALLD;
use rolecall_sandbox::Match;
use rolecall_sandbox::tutorials::USER_ARN;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::Signal;
use serde_json::json;
use std::cell::RefCell;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn file_vault(config: &str) -> String {
    format!("[agent]\nvault = \"file\"\n{config}")
}

/// Waits for the end of a command. On failure it is left behind: what cannot be killed cannot be waited for.
#[track_caller]
fn ended(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let child = RefCell::new(child);
    until(&format!("{shown} ends"), || child.borrow_mut().try_wait().unwrap().is_some());
    // Its children hold neither pipe.
    child.into_inner().wait_with_output().unwrap()
}

#[track_caller]
fn assert_says(output: &Output, path: &Path) {
    let said = text(&output.stderr);
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("does not answer") && said.contains(&path.display().to_string()), "{said}");
}

const MOUNTS: [fn() -> DeadMount; 2] = [DeadMount::new, DeadMount::unkillable];

#[test]
fn commands_end_while_the_configuration_hangs() {
    needs!("root");
    for mount in MOUNTS {
        let home = Home::bare(&file_vault(CHAIN));
        let dead = mount();
        let hung = dead.path("team.toml");
        let config = fs::read_to_string(home.config()).unwrap();
        fs::write(home.config(), format!("include = [\"{}\"]\n{config}", hung.display())).unwrap();
        for args in [
            &["role", "list"][..],
            &["role", "add", "new", "--source", "prod", "--role-arn", "arn:aws:iam::222222222222:role/New"],
            &["role", "remove", "prod"],
            &["profiles", "diff"],
        ] {
            assert_says(&ended(&mut home.rolecall(args)), &hung);
        }
        // These look at more than the configuration.
        for args in [&["doctor"][..], &[], &["status"], &["identity", "list"]] {
            ended(&mut home.rolecall(args));
        }
        assert!(home.run(["agent", "stop"]).status.success());
    }
}

#[test]
fn commands_end_while_the_aws_files_hang() {
    needs!("root");
    for mount in MOUNTS {
        let home = Home::bare(&file_vault(CHAIN));
        let dead = mount();
        let hung = dead.path("config");
        for variable in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            assert_says(&ended(home.rolecall(["import", "--dry-run"]).env(variable, &hung)), &hung);
        }
        // These look at more than the AWS files.
        for args in [&["doctor"][..], &[]] {
            ended(home.rolecall(args).env("AWS_CONFIG_FILE", &hung));
        }
        for args in [["profiles", "diff"], ["profiles", "sync"]] {
            assert_says(&ended(home.rolecall(args).env("AWS_CONFIG_FILE", &hung)), &hung);
        }
    }
}

#[test]
fn commands_end_while_a_named_file_hangs() {
    needs!("root");
    for mount in MOUNTS {
        let home = Home::ready(CHAIN);
        let dead = mount();
        let hung = dead.path("file");
        let named = hung.to_str().unwrap();
        let policy = format!("file://{named}");
        let bundle = format!("--bundle={named}");
        let role = "arn:aws:iam::222222222222:role/New";
        for args in [
            &["identity", "add", "new", "--csv", named][..],
            &["role", "add", "new", "--source", "auth", "--role-arn", role, "--policy", &policy],
            &["setup", "plan", "--auth-profile", "a", "--workload-profile", "b", "--policy-file", named],
            &["env", "prod", "--write-file", named, "--yes-secrets-on-disk"],
            &["doctor", &bundle, "--yes"],
            &["exec", "prod", "--", named],
        ] {
            assert_says(&ended(&mut home.rolecall(args)), &hung);
        }
        let path = format!("{}:/usr/bin", dead.path("bin").display());
        let run = ended(home.rolecall(["exec", "prod", "--", "true"]).env("PATH", path));
        assert_eq!(run.status.code(), Some(126));
        assert_says(&run, &dead.path("bin/true"));
    }
}

#[test]
fn lock_names_a_vault_call_that_hangs() {
    needs!("root");
    let home = Home::bare(&file_vault(TUTORIAL));
    home.open_vault();
    let key = home.aws.access_key(USER_ARN);
    let hold = home.aws.hold_matching(Match::action("GetCallerIdentity"));
    let mut add = home.rolecall(["identity", "add", "auth", "--region", "eu-west-1"]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let input = json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
    add.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    hold.wait_for_arrivals(1);
    // The directory of the vault hangs from the moment at which the key is stored.
    let dead = DeadMount::new();
    let dir = home.path(".local/share/rolecall");
    fs::rename(&dir, home.path(".local/share/before")).unwrap();
    symlink(dead.path("vault"), &dir).unwrap();
    drop(hold);
    until("the write waits for the disk", || {
        let tasks = fs::read_dir(of(home.agent_pid()).join("task")).unwrap().flatten();
        tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok()).any(|stat| stat.contains(") D "))
    });
    let locked = ended(&mut home.rolecall(["lock"]));
    assert_eq!(locked.status.code(), Some(0), "{}", text(&locked.stderr));
    let said = text(&locked.stdout);
    assert!(said.contains("every session is forgotten") && said.contains("has not ended and may hold keys"), "{said}");
    drop(dead);
    let added = add.wait_with_output().unwrap();
    assert!(!added.status.success());
    let locked = home.run(["lock"]);
    assert_eq!(text(&locked.stdout), "locked: every session is forgotten\n");
}

#[test]
fn get_and_lock_work_while_config_and_state_hang() {
    needs!("root");
    for mount in MOUNTS {
        let home = Home::ready(CHAIN);
        assert!(home.run(["get", "prod"]).status.success());
        let dead = mount();
        // The directories of the configuration and of the state are replaced by a dead mount under the running agent.
        for dir in [".config", ".local/state"] {
            fs::rename(home.path(dir), home.path(&format!("{dir}.before"))).unwrap();
            symlink(dead.path("home"), home.path(dir)).unwrap();
        }
        for _ in 0..2 {
            let got = ended(&mut home.rolecall(["get", "prod"]));
            assert_eq!(got.status.code(), Some(0), "{}", text(&got.stderr));
        }
        // What looked at the paths is no child of the program that took the place of the command.
        let wait =
            "import os\ntry:\n os.waitpid(-1, os.WNOHANG)\n print('a child')\nexcept ChildProcessError: print('none')";
        let run = ended(&mut home.rolecall(["exec", "prod", "--", "python3", "-c", wait]));
        assert_eq!(text(&run.stdout), "none\n", "{}", text(&run.stderr));
        assert_eq!(ended(&mut home.rolecall(["lock"])).status.code(), Some(0));
        assert_eq!(ended(&mut home.rolecall(["get", "prod"])).status.code(), Some(4), "it is locked");
        assert_says(&ended(&mut home.rolecall(["log"])), &home.path(".local/state/rolecall"));
        assert_eq!(ended(&mut home.rolecall(["agent", "stop"])).status.code(), Some(0));
        drop(dead);
    }
}

#[test]
fn get_names_the_home_or_socket_that_hangs() {
    needs!("root");
    for mount in MOUNTS {
        let home = Home::bare(&file_vault(CHAIN));
        let dead = mount();
        // Nothing takes the place of the home: no other world is used without a word.
        let homes = ["HOME", "ROLECALL_HOME"].map(|variable| (variable, dead.path("home")));
        for (variable, path) in homes.into_iter().chain([("ROLECALL_SOCKET", dead.path("agent.sock"))]) {
            assert_says(&ended(home.rolecall(["get", "prod"]).env(variable, &path)), &path);
        }
    }
}

/// Counts the processes that were started with a path in a variable.
fn with_variable(variable: &str, path: &Path) -> usize {
    let wanted = format!("{variable}={}", path.display());
    let environments =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|it| fs::read(it.path().join("environ")).ok());
    environments.filter(|text| text.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())).count()
}

#[test]
fn one_process_waits_for_a_hung_path() {
    needs!("root");
    let home = Home::bare(&file_vault(CHAIN));
    let dead = DeadMount::unkillable();
    let hung = dead.path("agent.sock");
    for args in [&["get", "prod"][..], &["get", "prod"], &["get", "data"], &["status"]] {
        assert_says(&ended(home.rolecall(args).env("ROLECALL_SOCKET", &hung)), &hung);
        assert_eq!(with_variable("ROLECALL_SOCKET", &hung), 1, "after {args:?}");
    }
    drop(dead);
    until("no process waits for a mount that is gone", || with_variable("ROLECALL_SOCKET", &hung) == 0);
}

#[test]
fn start_names_the_directory_that_hangs() {
    needs!("root");
    for mount in MOUNTS {
        let home = Home::bare(&file_vault(CHAIN));
        let dead = mount();
        fs::create_dir_all(home.path(".local")).unwrap();
        symlink(dead.path("state"), home.path(".local/state")).unwrap();
        let hung = home.path(".local/state/rolecall");
        for args in [&["get", "prod"][..], &["agent", "start"]] {
            assert_says(&ended(&mut home.rolecall(args)), &hung);
        }
        assert_says(&ended(&mut home.command(ROLECALLD)), &hung);
    }
}

#[test]
fn hung_vault_gets_no_second_one_beside_it() {
    needs!("root");
    for mount in MOUNTS {
        let home = Home::bare(&file_vault(CHAIN));
        let dead = mount();
        let hung = dead.path("vault.rolecall");
        let note = home.path(".local/state/rolecall/places");
        let text = format!("vault={}\n", hung.display());
        rolecall::files::ensure_private_dir(note.parent().unwrap()).unwrap();
        rolecall::files::write_private(&note, text.as_bytes()).unwrap();
        for args in [&["agent", "start"][..], &["agent", "restart"], &["get", "prod"], &["unlock", "--vault"]] {
            assert_says(&ended(home.rolecall(args).stdin(Stdio::null())), &hung);
        }
        assert_says(&ended(&mut home.command(ROLECALLD)), &hung);
        assert_eq!(fs::read_to_string(&note).unwrap(), text, "the note stays as it is");
        assert!(!home.path(".local/share/rolecall/vault.rolecall").exists());
    }
}

#[test]
fn agent_that_cannot_end_leaves_its_place() {
    needs!("root");
    let home = Home::bare(&file_vault(CHAIN));
    let agent = Running::agent(&home);
    home.open_vault();
    assert!(home.add_key().status.success());
    let dead = DeadMount::unkillable();
    let config = fs::read_to_string(home.config()).unwrap();
    let include = format!("include = [\"{}\"]\n", dead.path("team.toml").display());
    fs::write(home.config(), format!("{include}{config}")).unwrap();
    until("a thread of the agent waits", || home.status()["warnings"].to_string().contains("does not answer"));
    agent.signal(Signal::TERM);
    until("the agent is over but for that thread", || stat(agent.pid()).is_none_or(|stat| stat[0] == "Z"));
    fs::write(home.config(), config).unwrap();
    // Neither its socket nor its locks are in the way of the next one.
    home.open_vault();
    let got = home.run(["get", "prod"]);
    assert_eq!(got.status.code(), Some(0), "{}", text(&got.stderr));
    assert_ne!(home.agent_pid(), agent.pid());
    drop(dead);
}

#[test]
fn full_queue_of_a_stopped_agent_is_an_error() {
    let home = Home::ready(TUTORIAL);
    assert!(home.run(["get", "prod"]).status.success());
    let pid = home.agent_pid();
    crate::harness::process::signal(pid, Signal::STOP);
    rolecall::process::raise_descriptor_limit();
    // Connections that nobody accepts, until the queue is full.
    let mut waiting = Vec::new();
    loop {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        match connect(&socket, &SocketAddrUnix::new(home.socket()).unwrap()) {
            Ok(()) => waiting.push(socket),
            Err(rustix::io::Errno::AGAIN) => break,
            Err(error) => panic!("{error}"),
        }
    }
    for args in [&["get", "prod"][..], &["lock"], &["status"]] {
        let refused = ended(&mut home.rolecall(args));
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(7), "{args:?}: {said}");
        assert!(
            said.contains("accepts no connection") && said.contains(&home.socket().display().to_string()),
            "{said}"
        );
        assert!(said.contains(&format!("kill -CONT {pid}")), "{said}");
    }
    drop(ended(&mut home.rolecall(["prompt"])));
    let restarted = ended(&mut home.rolecall(["agent", "restart"]));
    assert_eq!(restarted.status.code(), Some(0), "{}", text(&restarted.stderr));
    assert_ne!(home.agent_pid(), pid);
    drop(waiting);
}
