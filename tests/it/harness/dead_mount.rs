//! A mount that never answers: a FUSE file system whose server reads no request, or reads every request and answers none.
//! The benchmarks use it as well.
//!
//! The two differ in what ends a process that waits. SIGKILL ends the wait for a request that was not read. Nothing ends the
//! wait for one that was read, as of an sshfs whose network is gone: the process stays until the mount is gone.
//!
//! A process of its own holds the mount. When the test ends, however that happens, the process unmounts it and closes the
//! connection, by which every access that waits fails. A value of a process that may wait must be dropped after the mount,
//! so that it is declared before it.

use super::needs::require;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Mounts at its first argument, says so, and unmounts when its input ends. With a second argument it reads the requests,
/// and answers the first ones, without which the kernel sends no other: INIT (26) and GETATTR (3) of the root.
const HOLDER: &str = r#"
import ctypes, os, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
path = sys.argv[1].encode()
fd = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"dead", path, b"fuse", 0, options):
    sys.exit("cannot mount: " + os.strerror(ctypes.get_errno()))
def answer(unique, body):
    os.write(fd, struct.pack("IiQ", 16 + len(body), 0, unique) + body)
def read():
    while True:
        try:
            request = os.read(fd, 1 << 20)
        except OSError:
            return
        _, operation, unique, node = struct.unpack("IIQQ", request[:24])
        if operation == 26:
            answer(unique, struct.pack("IIIIHHIIHHI", 7, 31, 65536, 0, 16, 12, 65536, 1, 0, 0, 0).ljust(64, b"\0"))
        elif operation == 3 and node == 1:
            numbers = struct.pack("QQQQQQIIIIIIIIII", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
            answer(unique, struct.pack("QII", 1000, 0, 0) + numbers)
if sys.argv[2:]:
    threading.Thread(target=read, daemon=True).start()
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(path, 2)
os._exit(0)
"#;

/// Runs a program on a terminal below a `/dev/pts` that never answers; its output goes into the file of the first argument.
const BELOW_DEAD_PTS: &str = r#"
import ctypes, os, pty, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
pid, terminal = pty.fork()
if pid == 0:
    assert libc.unshare(0x20000) == 0
    assert libc.mount(b"none", b"/", None, 0x44000, None) == 0
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    assert libc.mount(b"dead", b"/dev/pts", b"fuse", 0, options) == 0
    with open(sys.argv[1], "w") as out, open("/dev/null") as null:
        asked = subprocess.run(sys.argv[2:], stdin=null, stdout=out, stderr=out)
    os._exit(asked.returncode)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"#;

/// Makes a command of Python's run the program that is appended to its arguments, in a mount namespace whose `/dev/pts` never
/// answers and with a terminal there. The output of the program goes into a file.
pub(crate) fn below_dead_pts(mut python: Command, output: &Path) -> Command {
    require("root");
    python.args(["-c", BELOW_DEAD_PTS]).arg(output);
    python
}

pub(crate) struct DeadMount {
    holder: Child,
    dir: TempDir,
}

impl DeadMount {
    /// Mounts one whose server reads nothing.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// Mounts one whose server reads every request: a process that waits for it cannot be killed.
    pub(crate) fn unkillable() -> Self {
        Self::with(&["read"])
    }

    fn with(args: &[&str]) -> Self {
        require("root");
        let dir = tempfile::Builder::new().prefix("dead-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("mount")).unwrap();
        let mut holder = Command::new("python3")
            .args(["-c", HOLDER])
            .arg(dir.path().join("mount"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "mounted\n", "this test needs /dev/fuse");
        Self { holder, dir }
    }

    /// Gives a path on it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("mount").join(name)
    }

    /// Whether the process that holds it lives.
    pub(crate) fn is_held(&mut self) -> bool {
        matches!(self.holder.try_wait(), Ok(None))
    }

    /// Unmounts it: what waits fails, and its directory is an ordinary one again.
    pub(crate) fn unmount(&mut self) -> &Path {
        drop(self.holder.stdin.take());
        self.holder.wait().unwrap();
        self.dir.path()
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        self.unmount();
    }
}
