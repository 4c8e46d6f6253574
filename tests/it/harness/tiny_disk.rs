//! A disk that a test can fill. The benchmarks use it as well.

use super::needs::require;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of 64 KiB in a directory; gone with the value.
pub(crate) struct TinyDisk(PathBuf);

impl TinyDisk {
    /// Mounts one with further options of `tmpfs`.
    pub(crate) fn with(dir: &Path, options: &str) -> Self {
        require("root");
        let options = format!("size=64k,{options}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).status();
        assert!(mount.unwrap().success(), "a tiny file system can be mounted");
        Self(dir.to_owned())
    }

    /// Fills what is left of it.
    pub(crate) fn fill(&self) {
        fs::write(self.0.join("filler"), vec![0; 128 * 1024]).expect_err("the disk is full now");
    }

    /// Whether a page can no longer be written.
    pub(crate) fn is_full(&self) -> bool {
        fs::write(self.0.join("probe"), [0; 4096]).is_err()
    }

    /// Frees what was filled.
    pub(crate) fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
