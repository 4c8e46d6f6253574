//! The tarball, unpacked into a home: `agent install` writes the units, and `agent uninstall` takes them away.

use crate::built::built;
use crate::deb::is_hardened;
use crate::harness::home::text;
use crate::harness::inside::TUTORIAL;
use crate::root::{HOME, Root, sound};
use std::process::Command;

const UNITS: &str = ".config/systemd/user";

fn unpacked(name: &str) -> Root {
    let root = Root::start(name, TUTORIAL);
    let local = root.path(&format!("{HOME}/.local"));
    std::fs::create_dir(&local).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(&built().tarball).args(["--strip-components=1", "-C"]).arg(&local);
    sound("tar", &mut tar);
    sound("chown", Command::new("chown").args(["-R", "1000:1000"]).arg(local));
    root
}

#[test]
fn from_a_tarball_the_units_are_written_for_the_programs_in_it_and_taken_away_again() {
    needs!("root", "mmdebstrap");
    let root = unpacked("tarball");
    let before = root.everything();
    let dry = root.says(&["rolecall", "agent", "install", "--dry-run"]);
    assert!(dry.contains("would write /home/richard/.config/systemd/user/rolecall.service"), "{dry}");
    assert!(dry.contains("would run systemctl --user enable --now rolecall.socket"), "{dry}");
    assert_eq!(root.everything(), before, "only said");

    // One that runs already, started by a tool, makes room.
    root.says(&["rolecall", "agent", "start"]);
    let by_itself = root.pid();
    let said = root.says(&["rolecall", "agent", "install"]);
    assert!(said.contains("wrote") && said.contains("the agent that was running has stopped"), "{said}");
    let pid = root.pid();
    assert!(pid != by_itself && root.property("rolecall.service", "MainPID") == pid.to_string());
    let again = root.says(&["rolecall", "agent", "install"]);
    assert!(!again.contains("wrote") && !again.contains("stopped"), "{again}");
    assert_eq!(root.pid(), pid, "once more changes nothing");
    root.open_vault();
    root.add_key();
    root.get();
    is_hardened(&root, pid);

    let dry = root.says(&["rolecall", "agent", "uninstall", "--dry-run"]);
    assert!(dry.contains("would remove /home/richard/.config/systemd/user/rolecall.socket"), "{dry}");
    assert_eq!(root.pid(), pid, "only said");
    let said = root.says(&["rolecall", "agent", "uninstall"]);
    assert!(said.contains("removed"), "{said}");
    assert_eq!(root.property("rolecall.service", "LoadState"), "not-found");
    let own = [".local/state", ".local/share/rolecall"].map(|dir| format!("{}/{dir}", HOME.trim_start_matches('/')));
    let mut left: Vec<String> = root.everything().difference(&before).cloned().collect();
    left.retain(|path| !own.iter().any(|own| path.starts_with(own)));
    assert_eq!(left, [""; 0]);
    // And by itself as before.
    root.open_vault();
    root.get();
}

#[test]
fn what_somebody_else_wrote_is_neither_replaced_nor_removed() {
    needs!("root", "mmdebstrap");
    let root = unpacked("foreign");
    let unit = format!("{HOME}/{UNITS}/rolecall.service");
    root.says(&["sh", "-c", &format!("mkdir -p ~/{UNITS} && printf '[Service]\\nExecStart=/bin/true\\n' > {unit}")]);
    let output = root.user(&["rolecall", "agent", "install"]).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&unit) && said.contains("hint: move it away"), "{said}");
    assert_eq!(root.says(&["rolecall", "agent", "uninstall"]), "nothing was installed\n");
    assert!(root.path(&unit).is_file());
}

#[test]
fn where_no_manager_can_be_reached_it_is_said_that_none_is_needed() {
    needs!("root", "mmdebstrap");
    let root = unpacked("no-manager");
    let nowhere = ["env", "XDG_RUNTIME_DIR=/run/user/nowhere", "rolecall", "agent", "install"];
    let output = root.user(&nowhere).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no service manager") && said.contains("hint: nothing has to be installed"), "{said}");
    let elsewhere = ["env", "ROLECALL_SOCKET=/home/richard/other.sock", "rolecall", "agent", "install"];
    let output = root.user(&elsewhere).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("unset ROLECALL_SOCKET"));
}
