//! Callers with other mounts or in another pid namespace: a path of theirs may mean another file, so they have no program
//! name and no terminal that the agent draws on. They are served where no rule asks who they are.

use crate::harness::home::{Home, text};
use crate::harness::inside::{TUTORIAL, until};
use crate::harness::needs::require;
use crate::harness::pinentry;
use crate::harness::process::Running;
use crate::harness::programs::{ROLECALL, ROLECALLD};
use rolecall_sandbox::tutorials::ROLE_ARN;
use serde_json::Value;
use std::process::Output;

/// A program that waits for what it starts, so that it is what the agent sees as the parent.
const TOOL: &str = "/usr/bin/timeout";

/// Role `prod` is for `TOOL` alone; role `free` is for all.
fn home() -> Home {
    require("root");
    let rules = format!("access = \"deny\"\naccess_by_program = {{ \"{TOOL}\" = \"allow\" }}\n");
    let free = format!("\n[roles.free]\nsource = \"auth\"\nrole_arn = \"{ROLE_ARN}\"\n");
    let home = Home::bare(&format!("[agent]\nvault = \"file\"\n{TUTORIAL}{rules}{free}"));
    home.open_vault();
    assert!(home.add_key().status.success());
    home
}

/// Runs a Python program with these names: `mount_over(path)` puts this Python there in a mount namespace of its own.
fn python(home: &Home, program: &str) -> Output {
    let prelude = format!(
        "import ctypes, os, subprocess, sys\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         own = os.path.realpath('/proc/self/exe')\n\
         rolecall, tool, quiet = {ROLECALL:?}, {TOOL:?}, subprocess.DEVNULL\n\
         def unshare():\n    assert libc.unshare(0x20000) == 0\n    \
         assert libc.mount(b'none', b'/', None, 0x44000, None) == 0\n\
         def mount_over(path):\n    unshare()\n    \
         assert libc.mount(own.encode(), path.encode(), None, 0x1000, None) == 0\n"
    );
    let output = home.command("python3").args(["-c", &format!("{prelude}{program}")]).output().unwrap();
    home.canaries.shown(&text(&output.stderr));
    output
}

/// Gives who asked, by the last line about a `get`.
fn last_caller(home: &Home, number: usize) -> Value {
    until("it is written down", || home.events("get").len() == number);
    home.events("get").pop().unwrap()["caller"].clone()
}

#[test]
fn program_mounted_over_an_allowed_one_is_denied() {
    needs!("root");
    let home = home();
    let allowed = home.command(TOOL).args(["60", ROLECALL, "get", "prod"]).output().unwrap();
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stderr));
    let get = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode)";
    let denied =
        python(&home, &format!("mount_over(tool)\nos.execv(tool, [tool, '-c', {get:?}, rolecall, 'get', 'prod'])"));
    let said = text(&denied.stderr);
    assert_eq!(denied.status.code(), Some(3), "{said}");
    assert!(said.contains("the configuration denies `prod`") && !said.contains(TOOL), "{said}");
    let caller = last_caller(&home, 2);
    assert_eq!(caller["unnamed"], "other-mount-namespace", "{caller}");
    assert_eq!((&caller["exe"], &caller["parent"]), (&"[rolecall]".into(), &"[timeout]".into()), "{caller}");
}

#[test]
fn shell_with_other_mounts_between_is_denied() {
    needs!("root");
    let home = home();
    // The shell is `TOOL`'s own child, but what runs as `/bin/sh` there is anybody's program.
    let script = "unshare()\nos.execv('/bin/sh', ['sh', '-c', rolecall + ' get prod > /dev/null; exit $?'])";
    let by_tool = format!("os.execv(tool, [tool, '60', own, '-c', prelude + {script:?}])");
    let prelude = "prelude = 'import ctypes, os\\nlibc = ctypes.CDLL(None)\\nrolecall = ' + repr(rolecall) + '\\n' + \
                   'def unshare():\\n    assert libc.unshare(0x20000) == 0\\n'\n";
    let denied = python(&home, &format!("{prelude}{by_tool}"));
    assert_eq!(denied.status.code(), Some(3), "{}", text(&denied.stderr));
    assert_eq!(last_caller(&home, 1)["unnamed"], "other-mount-namespace");
}

#[test]
fn parent_with_other_mounts_is_not_named() {
    needs!("root");
    let home = home();
    // The client stays where the agent is; what started it goes elsewhere and becomes `TOOL`.
    let wait = "import os, sys; os.write(int(sys.argv[1]), b'x'); \
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(int(sys.argv[2]), 0)[1]))";
    let program = format!(
        "ready, go = os.pipe()\nos.set_inheritable(go, True)\nchild = os.fork()\n\
         if child == 0:\n    os.read(ready, 1)\n    os.dup2(os.open('/dev/null', os.O_WRONLY), 1)\n    \
         os.execv(rolecall, [rolecall, 'get', 'prod'])\n\
         mount_over(tool)\nos.execv(tool, [tool, '-c', {wait:?}, str(go), str(child)])"
    );
    let denied = python(&home, &program);
    assert_eq!(denied.status.code(), Some(3), "{}", text(&denied.stderr));
    let caller = last_caller(&home, 1);
    assert_eq!((&caller["unnamed"], &caller["parent"]), (&"other-mount-namespace".into(), &"[timeout]".into()));
}

#[test]
fn caller_with_other_mounts_is_served_without_rules() {
    needs!("root");
    let home = home();
    let served =
        python(&home, "unshare()\nsys.exit(subprocess.run([rolecall, 'get', 'free'], stdout=quiet).returncode)");
    assert_eq!(served.status.code(), Some(0), "{}", text(&served.stderr));
    assert!(served.stderr.is_empty());
    assert_eq!(last_caller(&home, 1)["unnamed"], "other-mount-namespace");
    let plain = home.run(["get", "free"]);
    assert!(plain.status.success());
    assert!(last_caller(&home, 2).get("unnamed").is_none(), "a caller that is known needs no reason");
}

#[test]
fn agent_with_a_foreign_proc_names_nobody() {
    needs!("root");
    let home = home();
    home.run(["agent", "stop"]);
    // In a pid namespace of its own, but with the `/proc` of the one outside, whose numbers are other processes'.
    let mut command = home.command("unshare");
    let _agent = Running::agent_by(command.args(["--pid", "--fork", "--kill-child", ROLECALLD]));
    home.open_vault();
    let denied = home.command(TOOL).args(["60", ROLECALL, "get", "prod"]).output().unwrap();
    assert_eq!(denied.status.code(), Some(3), "{}", text(&denied.stderr));
    assert!(home.run(["get", "free"]).status.success());
    let caller = last_caller(&home, 2);
    assert_eq!((caller["unnamed"].as_str(), caller.get("exe")), (Some("other-pid-namespace"), None), "{caller}");
}

/// In a mount namespace with terminals of its own, whose `/dev/pts` is a link: makes a terminal that has the number of the
/// one that the outside has just made, and asks there.
const ON_A_FOREIGN_TERMINAL: &str = r"
import fcntl, struct, termios
victim, held = os.openpty()
number = int(os.ttyname(held).rsplit('/', 1)[1])
base = sys.argv[1]
unshare()
os.makedirs(base + '/pts'); os.makedirs(base + '/dev')
mount = lambda what, where, kind, flags, data=None: libc.mount(what.encode(), where.encode(), kind, flags, data)
assert mount('devpts', base + '/pts', b'devpts', 0, b'newinstance,ptmxmode=0666') == 0
masters = []
while True:
    master = os.open(base + '/pts/ptmx', os.O_RDWR | os.O_NOCTTY)
    masters.append(master)
    fcntl.ioctl(master, 0x40045431, struct.pack('i', 0))
    if struct.unpack('i', fcntl.ioctl(master, 0x80045430, struct.pack('i', 0)))[0] == number:
        break
assert mount('dev', base + '/dev', b'tmpfs', 0) == 0
for name in ['null', 'urandom', 'tty']:
    open(base + '/dev/' + name, 'w').close()
    assert mount('/dev/' + name, base + '/dev/' + name, None, 0x1000) == 0
os.symlink('/dev/pts', base + '/dev/pts')
child = os.fork()
if child == 0:
    os.setsid()
    own = os.open(base + '/pts/%d' % number, os.O_RDWR)
    assert mount(base + '/dev', '/dev', None, 0x2000) == 0
    null = os.open('/dev/null', os.O_RDWR)
    asked = subprocess.run([rolecall, 'get', 'prod'], stdin=null, stdout=null, stderr=null)
    os._exit(asked.returncode)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
os.set_blocking(victim, False)
try:
    drawn = os.read(victim, 4096)
except BlockingIOError:
    drawn = b''
print(number, code, drawn, flush=True)
";

#[test]
fn terminal_of_another_namespace_is_not_drawn_on() {
    needs!("root");
    let mut home = Home::bare("");
    home.set("TERM", "xterm");
    let drawn = "echo drawn > \"$tty\"; echo ERR 83886179 cancelled";
    let program = pinentry::script(&home.path(""), drawn);
    let device = "mfa_serial = \"arn:aws:iam::111111111111:mfa/richard\"\n";
    let config = TUTORIAL.replacen("[identities.auth]\n", &format!("[identities.auth]\n{device}"), 1);
    let agent =
        format!("[agent]\nvault = \"file\"\nprompts = [\"pinentry\"]\npinentry_program = \"{}\"\n", program.display());
    home.configure(&format!("{agent}{config}"));
    home.open_vault();
    assert!(home.add_key().status.success());
    let base = tempfile::tempdir().unwrap();
    let script = format!("sys.argv[1:] = [{:?}]\n{ON_A_FOREIGN_TERMINAL}", base.path().display().to_string());
    let asked = python(&home, &script);
    let said = text(&asked.stdout);
    assert!(
        said.trim().ends_with("4 b''"),
        "nobody could be asked, and nothing was drawn: {said} {}",
        text(&asked.stderr)
    );
    let told = std::fs::read_to_string(home.path("pinentry.said")).unwrap_or_default();
    assert!(!told.contains("ttyname"), "{told}");
}
