//! A mount that never answers: a FUSE file system whose server reads no request.
//!
//! A process of its own holds it. When the test ends, however that happens, the process unmounts it and closes the
//! connection, by which every access that waits fails.

use super::needs::require;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Mounts at its first argument, says so, and unmounts when its input ends.
const HOLDER: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
path = sys.argv[1].encode()
fd = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"dead", path, b"fuse", 0, options):
    sys.exit("cannot mount: " + os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(path, 2)
"#;

pub(crate) struct DeadMount {
    holder: Child,
    dir: TempDir,
}

impl DeadMount {
    pub(crate) fn new() -> Self {
        require("root");
        let dir = tempfile::Builder::new().prefix("dead-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("mount")).unwrap();
        let mut holder = Command::new("python3")
            .args(["-c", HOLDER])
            .arg(dir.path().join("mount"))
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
