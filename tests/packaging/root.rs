//! A Debian of its own with nothing in it but what packages must not depend on being told of, a user, and that user's real
//! `systemd --user`.
//!
//! The root is made once by mmdebstrap and unpacked for each test. systemd wants to have booted the machine (sd_booted(3))
//! and a control group of its own: a mount and process namespace in which both are so.

use crate::harness::home::text;
use crate::harness::inside::{until, write_config};
use crate::harness::needs::require;
use rolecall_sandbox::{Clock, Sandbox, World};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The user in there.
pub(crate) const UID: &str = "1000";
pub(crate) const HOME: &str = "/home/richard";

/// Runs `systemd --user` until its standard input ends; whatever is left then ends with the first process of the namespace.
const SCRIPT: &str = r#"
set -eu
mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/tmp"
mount -t tmpfs -o mode=755 tmpfs "$ROOT/run"
mkdir -p "$ROOT/run/systemd/system" "$ROOT/run/user/1000"
# There a manager lays out the mounts of a confined service; made by the first such service of a system, which there is none of.
mkdir "$ROOT/run/systemd/unit-root"
chown 1000:1000 "$ROOT/run/user/1000"
chmod 700 "$ROOT/run/user/1000"
mount -t tmpfs tmpfs "$ROOT/sys"
mkdir -p "$ROOT/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$ROOT/sys/fs/cgroup"
group="$ROOT/sys/fs/cgroup/$GROUP"
mkdir "$group"
chown 1000:1000 "$group" "$group"/cgroup.*
echo $$ > "$group/cgroup.procs"
# Not by chroot: in one no user namespace may be made, as systemd does for a confined service.
cd "$ROOT"
pivot_root . .
umount -l .
cd /
setpriv --reuid 1000 --regid 1000 --init-groups --reset-env sh -c '
    export XDG_RUNTIME_DIR=/run/user/1000
    cd && exec /lib/systemd/systemd --user --log-target=console --log-level=notice' < /dev/null &
manager=$!
read -r end || true
kill -TERM "$manager" || true
wait "$manager" || true
echo $$ > /sys/fs/cgroup/cgroup.procs
find "/sys/fs/cgroup/$GROUP" -depth -type d -exec rmdir {} + || true
"#;

/// The root with the user's manager running.
pub(crate) struct Root {
    pub(crate) aws: Sandbox,
    dir: TempDir,
    process: Child,
    inside: u32,
}

impl Root {
    pub(crate) fn start(name: &str, config: &str) -> Self {
        require("root");
        let dir = tempfile::Builder::new().prefix("rolecall-root-").tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        sound("the root is unpacked", Command::new("tar").arg("-xpf").arg(archive()).arg("-C").arg(&root));
        let useradd = ["useradd", "--uid", UID, "--create-home", "--shell", "/bin/bash", "richard"];
        sound("there is a user", Command::new("chroot").arg(&root).args(useradd));
        let aws = Sandbox::start(World::tutorials(), Clock::system());
        let written = root.join("home/richard/.config/rolecall/config.toml");
        // Root creates nothing in the home of another user.
        let home = root.join("home/richard");
        sound("it is ours", Command::new("chown").args(["-R", "0:0"]).arg(&home));
        write_config(&written, &format!("[agent]\nvault = \"file\"\n{config}"), &aws.url());
        sound("it is theirs", Command::new("chown").args(["-R", "1000:1000"]).arg(&home));
        let log = std::fs::File::create(dir.path().join("systemd.log")).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-c", SCRIPT]);
        command.env("ROOT", &root).env("GROUP", format!("rolecall-{name}-{}", std::process::id()));
        let process = command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", process.id());
        until("the namespace is there", || !std::fs::read_to_string(&children).unwrap_or_default().is_empty());
        let inside = std::fs::read_to_string(&children).unwrap().trim().parse().unwrap();
        let root = Self { aws, dir, process, inside };
        until("systemd --user is up", || root.systemctl(&["is-active", "default.target"]).stdout == b"active\n");
        root
    }

    /// Gives where a path of theirs lies out here; what is mounted in there is not to be seen.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path.trim_start_matches('/'))
    }

    /// Makes a command of the root user in there.
    pub(crate) fn root(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--target", &self.inside.to_string()]);
        command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// Makes a command of the user in there.
    pub(crate) fn user(&self, words: &[&str]) -> Command {
        let path = format!("PATH={HOME}/.local/bin:/usr/bin:/bin");
        let home = format!("HOME={HOME}");
        let runtime = format!("XDG_RUNTIME_DIR=/run/user/{UID}");
        let become_them = ["setpriv", "--reuid", UID, "--regid", UID, "--init-groups"];
        let environment = ["env", "-i", &home, &path, &runtime, "USER=richard", "LANG=C.UTF-8"];
        self.root(&[&become_them, &environment[..], words].concat())
    }

    pub(crate) fn systemctl(&self, words: &[&str]) -> Output {
        self.user(&[&["systemctl", "--user"], words].concat()).output().unwrap()
    }

    /// Runs a command of the user and gives what it printed.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) -> String {
        sound(&words.join(" "), &mut self.user(words))
    }

    #[track_caller]
    pub(crate) fn says_to(&self, words: &[&str], input: &str) -> String {
        let mut command = self.user(words);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Gives a property of a unit of the user's.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        text(&self.systemctl(&["show", "--value", "--property", name, unit]).stdout).trim().to_owned()
    }

    /// Gives every path of the root, but of what is mounted and of dpkg's own book-keeping.
    pub(crate) fn everything(&self) -> BTreeSet<String> {
        let listed = sound("a listing", Command::new("find").arg(self.path("")).args(["-printf", "%P\\n"]));
        let own = ["var/lib/dpkg/", "var/log/", "var/cache/"];
        listed.lines().filter(|path| !own.iter().any(|own| path.starts_with(own))).map(str::to_owned).collect()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("systemd.log")).unwrap_or_default()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Runs a command that must succeed and gives what it printed.
#[track_caller]
pub(crate) fn sound(what: &str, command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(output.status.success(), "{what}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Gives the target directory of the tests' own.
pub(crate) fn target() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_rolecall"));
    program.ancestors().nth(2).expect("it lies in target/debug").join("packaging")
}

/// Makes the root's archive, once: half a minute, and some 40 MB from Debian.
fn archive() -> &'static Path {
    static ARCHIVE: OnceLock<PathBuf> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let release = std::fs::read_to_string("/etc/os-release").unwrap();
        let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).expect("a Debian");
        let archive = target().join(format!("root-{suite}.tar"));
        if !archive.is_file() {
            std::fs::create_dir_all(target()).unwrap();
            let unfinished = archive.with_extension("unfinished.tar");
            let mut command = Command::new("mmdebstrap");
            command.args(["--variant=minbase", "--include=systemd", suite]).arg(&unfinished);
            sound("mmdebstrap", command.arg("http://deb.debian.org/debian"));
            std::fs::rename(unfinished, &archive).unwrap();
        }
        archive
    })
}
