//! Containers: the kernel's own namespaces behind the command lines of docs/remote.md, which `docker` and `podman` here
//! carry out as those programs do with these options. The agent belongs to a plain user, as a person's does.

use super::roles;
use crate::harness::home::{Home, set_mode, text};
use crate::harness::inside::until;
use crate::harness::needs::require;
use crate::harness::process::{Running, copy_program};
use crate::harness::programs::ROLECALL;
use crate::harness::remote::lines_after;
use crate::harness::wire::{NOBODY, give_to_nobody};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// What these options of `docker run` mean: namespaces of its own, an empty `/run` with the mounts in it, the variables and
/// no others, the user. `unshare`'s further options come from the name that it is called by.
const RUN: &str = r#"#!/bin/bash
set -eu
user= mounts=() env=() spaces=(--mount --pid --ipc --uts --fork) net=--net
[[ $1 == run ]]
shift
while :; do
    case $1 in
    --rm) shift ;;
    --user) user=$2; shift 2 ;;
    --network) [[ $2 == host ]]; net=; shift 2 ;;
    -v) mounts+=("$2"); shift 2 ;;
    -e) if [[ $2 == *=* ]]; then env+=("$2"); else env+=("$2=${!2}"); fi; shift 2 ;;
    *) break ;;
    esac
done
shift
# Docker's daemon is root in the host's user namespace; podman without root makes one whose root is its user.
if [[ ${0##*/} == podman ]]; then spaces+=(--user --map-root-user); fi
as=()
if [[ -n $user ]]; then as=(setpriv "--reuid=${user%:*}" "--regid=${user#*:}" --clear-groups); fi
export MOUNTS="${mounts[*]}"
exec unshare $net "${spaces[@]}" bash -euc '
mount -t tmpfs tmpfs /usr/local
mkdir -p /usr/local/bin
mount -t tmpfs tmpfs /run
chmod 755 /run
for mount in $MOUNTS; do
    IFS=: read -r from to _ <<<"$mount"
    if [[ -d $from ]]; then mkdir -p "$to"; else mkdir -p "${to%/*}"; touch "$to"; fi
    mount --bind "$from" "$to"
done
# What some outer containers forbid, and nothing here needs.
mount -t proc proc /proc 2>/dev/null || true
exec "$@"' box "${as[@]}" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/ "${env[@]}" "$@"
"#;

/// A home of the user nobody, with an agent that serves the socket `box`.
struct Host {
    home: Home,
    _agent: Running,
}

impl Host {
    fn new() -> Self {
        require("root");
        let mut home = Home::bare(&format!("[agent]\nvault = \"file\"\n{}", roles()));
        std::fs::create_dir(home.path("bin")).unwrap();
        for program in ["docker", "podman"] {
            std::fs::write(home.path("bin").join(program), RUN).unwrap();
            set_mode(&home.path("bin").join(program), 0o755);
        }
        // A name that is not in the way of the system's own, and that every user may run.
        for program in ["rolecall", "rolecalld"] {
            let built = std::path::Path::new(ROLECALL).with_file_name(program);
            copy_program(&built, &home.path("bin").join(program));
        }
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", home.path("bin").display());
        home.set("PATH", path);
        give_to_nobody(&home.path(""));
        let agent = Running::agent_by(home.command(home.path("bin/rolecalld")).uid(NOBODY).gid(NOBODY));
        let host = Self { home, _agent: agent };
        let opened = host.with_input("rolecall unlock --vault", crate::harness::home::PASSPHRASE);
        assert!(opened.status.success(), "{}", text(&opened.stderr));
        let key = host.home.aws.access_key(rolecall_sandbox::tutorials::USER_ARN);
        let key = serde_json::json!({"AccessKeyId": key.id, "SecretAccessKey": key.secret}).to_string();
        let added = host.with_input("rolecall identity add auth --region eu-west-1 --replace", &key);
        assert!(added.status.success(), "{}", text(&added.stderr));
        host
    }

    /// Puts the test's directories and user into the place of those that the document names.
    fn here(&self, line: &str) -> String {
        let line = line.replace("/run/user/1000/rolecall/", &format!("{}/", self.home.path("run/rolecall").display()));
        let line = line.replace("/usr/bin/rolecall:/usr/bin/rolecall:ro", "BIN:/usr/local/bin/rolecall:ro");
        line.replace("BIN", &self.home.path("bin/rolecall").display().to_string())
            .replace("1000:1000", &format!("{NOBODY}:{NOBODY}"))
    }

    /// Runs a line as the agent's user.
    fn as_user(&self, line: &str) -> Output {
        self.output(self.shell(line).uid(NOBODY).gid(NOBODY))
    }

    /// Runs a line as the root that Docker's daemon is.
    fn as_root(&self, line: &str) -> Output {
        self.output(&mut self.shell(line))
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = self.home.command("sh");
        shell.args(["-c", &self.here(line)]);
        shell
    }

    fn output(&self, command: &mut Command) -> Output {
        let output = command.output().unwrap();
        self.home.canaries.shown(&text(&output.stderr));
        output
    }

    fn with_input(&self, line: &str, input: &str) -> Output {
        let input_file = self.home.path("input");
        std::fs::write(&input_file, input).unwrap();
        let mut shell = self.shell(line);
        let output = shell.stdin(std::fs::File::open(&input_file).unwrap()).uid(NOBODY).gid(NOBODY).output().unwrap();
        std::fs::remove_file(&input_file).unwrap();
        output
    }
}

fn assert_served(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with(r#"{"Version":1,"AccessKeyId":"ASIA"#), "a session's line");
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn a_container_with_the_directory_of_a_socket_is_served_as_the_agents_user_and_nobody_else_is() {
    needs!("root");
    let host = Host::new();
    let docker = lines_after("```sh\n# Docker");
    assert_eq!(docker.len(), 2, "{docker:?}");
    let added = host.as_user(&docker[0]);
    assert!(added.status.success(), "{}", text(&added.stderr));

    // Sockets have paths, not addresses: a network namespace of its own is no matter.
    assert_served(&host.as_root(&docker[1]));
    for (command, said) in [
        ("rolecall get prod", "this socket serves only sessions of: dev"),
        ("rolecall get staging", "this socket serves only sessions of: dev"),
        ("rolecall status", "this socket serves only sessions of: dev"),
        ("rolecall lock", "this socket serves only sessions of: dev"),
    ] {
        let refused = host.as_root(&docker[1].replace("rolecall get dev", command));
        assert_ne!(refused.status.code(), Some(0), "{command}");
        assert!(text(&refused.stderr).contains(said), "{command}: {}", text(&refused.stderr));
    }
    until("it is logged", || host.home.audit().contains(r#""socket":"box""#));

    // As root of the host's, which Docker makes of whoever says nothing; and as the image's own user.
    let as_root = docker[1].replace("--user 1000:1000 ", "");
    let as_other = docker[1].replace("1000:1000", "12345:12345");
    for (line, uid) in [(as_root, 0), (as_other, 12345)] {
        let refused = host.as_root(&line);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(7), "{said}");
        assert!(said.contains(&format!("belongs to uid {NOBODY}, not to you (uid {uid})")), "{said}");
        assert!(said.contains("--user") && said.contains("--userns=keep-id"), "{said}");
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn a_container_whose_root_is_the_agents_user_is_served_and_finds_the_agents_next_start() {
    needs!("root");
    let host = Host::new();
    assert!(host.as_user(&lines_after("```sh\n# Docker")[0]).status.success());
    let podman = lines_after("```sh\n# podman without");
    assert_eq!(podman.len(), 1, "{podman:?}");
    assert_served(&host.as_user(&podman[0]));

    // One container, two agents: the directory is what is mounted.
    let wait = "until rolecall get dev >/dev/null; do sleep 0.1; done; echo served; \
                until test -e /run/rolecall/gone; do sleep 0.1; done; rolecall get dev >/dev/null; echo again=$?";
    let line = podman[0].replace("rolecall get dev", &format!("sh -c '{wait}'"));
    let mut inside = Running::start(host.shell(&line).uid(NOBODY).gid(NOBODY));
    assert_eq!(inside.line(), "served\n");
    assert!(host.as_user("rolecall agent stop").status.success());
    let get = host.as_user(&podman[0]);
    let said = text(&get.stderr);
    assert_eq!(get.status.code(), Some(7), "{said}");
    assert!(said.contains("the tunnel, or the agent behind it, is not there"), "{said}");
    let _next = Running::agent_by(host.home.command(host.home.path("bin/rolecalld")).uid(NOBODY).gid(NOBODY));
    assert!(host.with_input("rolecall unlock --vault", crate::harness::home::PASSPHRASE).status.success());
    std::fs::write(host.home.path("run/rolecall/sockets/box/gone"), "").unwrap();
    assert_eq!(inside.line(), "again=0\n");
    inside.end();
}

/// What an SDK does with the two variables of the container endpoint.
const FETCH: &str = "python3 -c 'import os, urllib.request as r; \
    print(r.urlopen(r.Request(os.environ[\"AWS_CONTAINER_CREDENTIALS_FULL_URI\"], \
    headers={\"Authorization\": os.environ[\"AWS_CONTAINER_AUTHORIZATION_TOKEN\"]}), timeout=300).read().decode())'";

#[test]
fn exec_serves_a_container_on_the_hosts_network_and_says_why_it_cannot_on_another() {
    needs!("root");
    let host = Host::new();
    assert!(host.as_user(&lines_after("```sh\n# Docker")[0]).status.success());
    let around = lines_after("```sh\n# podman on the host's network");
    assert_eq!(around.len(), 1, "{around:?}");
    let fetch = around[0].replace("aws sts get-caller-identity", FETCH);
    let served = host.as_user(&fetch);
    assert_eq!(served.status.code(), Some(0), "{}", text(&served.stderr));
    assert!(text(&served.stdout).contains("\"AccessKeyId\""), "the endpoint's answer");

    // On a network of its own the same address leads to the container itself.
    let alone = host.as_user(&fetch.replace("--network host ", ""));
    assert_ne!(alone.status.code(), Some(0));
    assert!(text(&alone.stderr).contains("Connection refused") || text(&alone.stderr).contains("unreachable"));

    // Inside: by an extra socket there is none to be had, by the agent's own one the agent sees that it would be in vain.
    let inside = host
        .as_user(&lines_after("```sh\n# podman without")[0].replace("rolecall get dev", "rolecall exec dev -- true"));
    let said = text(&inside.stderr);
    assert_eq!(inside.status.code(), Some(3), "{said}");
    assert!(said.contains("an endpoint is on the agent's own machine; here use `rolecall env NAME`"), "{said}");
    let own = host.as_user("unshare --user --map-root-user --net rolecall exec dev -- true");
    assert_ne!(own.status.code(), Some(0));
    assert!(text(&own.stderr).contains("another network namespace"), "{}", text(&own.stderr));
    assert!(host.as_user("rolecall exec dev -- true").status.success(), "on the host it is as ever");
}
