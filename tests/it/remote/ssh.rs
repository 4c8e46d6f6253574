//! `ssh -R` over a real sshd on 127.0.0.1: the commands of docs/remote.md, typed here and there.

use super::roles;
use crate::harness::home::{Home, text};
use crate::harness::inside::until;
use crate::harness::pinentry;
use crate::harness::process::Running;
use crate::harness::remote::{Remote, lines_after};
use rustix::process::Signal;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

/// A home with a key, whose agent has no extra socket yet.
fn home(asked: Option<&str>) -> Home {
    let mut home = Home::bare("");
    let pinentry = asked.map(|asked| {
        home.set("DISPLAY", ":7");
        format!("pinentry_program = \"{}\"\n", pinentry::script(&home.path(""), asked).display())
    });
    home.configure(&format!("[agent]\nvault = \"file\"\n{}{}", pinentry.unwrap_or_default(), roles()));
    home.open_vault();
    assert!(home.add_key().status.success());
    home
}

fn close(mut tunnel: Running, remote: &Remote<'_>) {
    tunnel.signal(Signal::TERM);
    tunnel.end();
    until("the tunnel is down", || UnixStream::connect(remote.tunnel()).is_err());
}

#[test]
fn the_recipe_of_the_document_serves_a_remote_machine_and_refuses_all_that_is_not_the_sockets() {
    needs!("root", "sshd");
    let home = home(None);
    let remote = Remote::of(&home, true);
    let here = lines_after("```sh\n# here");
    assert_eq!(here.len(), 2, "{here:?}");
    remote.run_here(&here[0]);
    let tunnel = remote.connect();
    let mode = std::fs::metadata(remote.tunnel()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "as sshd makes it");

    let there = lines_after("```sh\n# there");
    let got = remote.run_there(&there.join("; "));
    assert_eq!(got.status.code(), Some(0), "{}", text(&got.stderr));
    let line = text(&got.stdout);
    assert!(line.starts_with(r#"{"Version":1,"AccessKeyId":"ASIA"#), "the session's line");
    assert!(got.stderr.is_empty(), "{}", text(&got.stderr));
    for refused in ["get prod", "get nobody", "get auth", "status", "lock", "unlock auth"] {
        let output = remote.told_there(&format!("echo 123456 | rolecall {refused}"));
        let said = text(&output.stderr);
        assert_ne!(output.status.code(), Some(0), "{refused}");
        assert!(said.contains("this socket serves only sessions of: dev, staging"), "{refused}: {said}");
    }
    assert_eq!(remote.told_there("rolecall get staging").status.code(), Some(0));
    let of_dev = |get: &serde_json::Value| get["caller"]["socket"] == "vm" && get["name"] == "dev";
    until("it is logged", || home.events("get").iter().any(of_dev));
    assert!(home.status()["sockets"][0]["last_used"].is_string());

    // The profile that the document shows, read by whoever runs what stands behind `credential_process`.
    let profile = lines_after("```aws-config");
    let process = profile.iter().find_map(|line| line.strip_prefix("credential_process = ")).unwrap();
    let served = remote.run_there(process);
    assert_eq!(served.status.code(), Some(0), "{}", text(&served.stderr));

    // The agent's end: the tunnel stays and leads nowhere; its next start is found through the same tunnel.
    home.run(["agent", "stop"]);
    let alone = remote.told_there("rolecall get dev");
    assert_eq!(alone.status.code(), Some(7));
    assert!(
        text(&alone.stderr).contains("on the agent's own machine: `rolecall agent start`"),
        "{}",
        text(&alone.stderr)
    );
    home.open_vault();
    assert_eq!(remote.told_there("rolecall get dev").status.code(), Some(0));

    close(tunnel, &remote);
    let down = remote.told_there("rolecall get dev");
    let said = text(&down.stderr);
    assert_eq!(down.status.code(), Some(7), "{said}");
    assert!(said.contains("the tunnel, or the agent behind it, is not there"), "{said}");
    let left: Vec<_> = std::fs::read_dir(home.path("far/run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "rolecall-vm.sock"), "no agent was started there: {left:?}");

    // `StreamLocalBindUnlink yes`: the next connection finds its place though sshd has left a socket there. As in
    // ~/.ssh/config, which the document shows.
    let config = lines_after("```ssh-config");
    let written = std::fs::read_to_string(home.path("ssh/config")).unwrap();
    std::fs::write(home.path("ssh/config"), remote.here(&config.join("\n")) + "\n" + &written).unwrap();
    let again = remote.opened("ssh vm");
    std::fs::write(home.path("ssh/config"), written).unwrap();
    assert_eq!(remote.told_there("rolecall get dev").status.code(), Some(0));
    close(again, &remote);
}

#[test]
fn without_unlinking_sshd_refuses_a_second_connection_until_its_dead_socket_is_removed() {
    needs!("root", "sshd");
    let home = home(None);
    let remote = Remote::of(&home, false);
    remote.run_here(&lines_after("```sh\n# here")[0]);
    let tunnel = remote.connect();
    close(tunnel, &remote);
    assert!(remote.tunnel().exists(), "sshd leaves it");
    let line = lines_after("```sh\n# here")[1].replace("ssh -R", "ssh -o ExitOnForwardFailure=yes -R");
    let refused = remote.shell(&format!("{line} true")).output().unwrap();
    assert_ne!(refused.status.code(), Some(0));
    assert!(text(&refused.stderr).contains("remote port forwarding failed"), "{}", text(&refused.stderr));
    remote.run_here("ssh vm rm -f /run/user/1000/rolecall-vm.sock");
    let _tunnel = remote.connect();
    assert_eq!(remote.told_there("rolecall get dev").status.code(), Some(0));
}

#[test]
fn consent_for_a_remote_machine_is_asked_here_and_its_no_is_a_refusal_there() {
    needs!("root", "sshd");
    let home = home(Some("echo \"$desc\" >> \"$0.asked\"; cat \"$0.answer\""));
    let remote = Remote::of(&home, true);
    std::fs::write(home.path("pinentry.answer"), "ERR 83886179 Operation cancelled\n").unwrap();
    remote.run_here(&format!("{} --ask", lines_after("```sh\n# here")[0]));
    let _tunnel = remote.connect();
    let refused = remote.told_there("rolecall get dev");
    assert_eq!(refused.status.code(), Some(4));
    assert!(text(&refused.stderr).contains("consent for socket vm to use `dev` was refused"));
    std::fs::write(home.path("pinentry.answer"), "OK\n").unwrap();
    // The no holds for ten seconds, for this role.
    let allowed = remote.told_there("rolecall get staging");
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stderr));
    let asked = std::fs::read_to_string(home.path("pinentry.asked")).unwrap();
    assert_eq!(asked.lines().filter(|line| line.starts_with("socket vm wants `")).count(), 2, "{asked}");
}
