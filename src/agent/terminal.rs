//! A caller's terminal, as the kernel knows it: never a path that the caller names.
//!
//! The number of the controlling terminal (`/proc/PID/stat`) becomes a path, and the path is taken only if it leads the
//! caller and us to the very same device of our own user. A caller in a container has a `/dev/pts/0` of its own, and the
//! question would appear on somebody else's.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where a process's terminal is; `None` where it has none that may be used.
pub(super) fn of(proc: &Path, tty: i32) -> Option<String> {
    let (major, minor) = device(tty)?;
    let path = path(major, minor)?;
    let ours = fs::metadata(&path).ok()?;
    let below_root: PathBuf = Path::new(&path).strip_prefix("/").ok()?.into();
    let theirs = fs::metadata(proc.join("root").join(below_root)).ok()?;
    let is_same = (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino());
    (is_same && is_terminal(&ours, major, minor)).then_some(path)
}

/// Takes the device's number apart (makedev(3): `stat` gives the kernel's own form of 12 and 20 bits).
fn device(tty: i32) -> Option<(u32, u32)> {
    let tty = u32::from_ne_bytes(tty.to_ne_bytes());
    (tty != 0).then_some(((tty >> 8) & 0xfff, (tty & 0xff) | ((tty >> 12) & 0xf_ff00)))
}

/// Names a device, by the kernel's list of devices (Documentation/admin-guide/devices.txt).
fn path(major: u32, minor: u32) -> Option<String> {
    match (major, minor) {
        (4, 1..64) => Some(format!("/dev/tty{minor}")),
        (4, 64..256) => Some(format!("/dev/ttyS{}", minor - 64)),
        (136..144, _) => Some(format!("/dev/pts/{}", u64::from(major - 136) * 256 + u64::from(minor))),
        _ => None,
    }
}

fn is_terminal(meta: &Metadata, major: u32, minor: u32) -> bool {
    let rdev = meta.rdev();
    meta.file_type().is_char_device()
        && (rustix::fs::major(rdev), rustix::fs::minor(rdev)) == (major, minor)
        && meta.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_becomes_the_path_that_the_kernel_documents() {
        for (tty, want) in [
            (0, None),
            (34816, Some("/dev/pts/0")),
            (34816 + 7, Some("/dev/pts/7")),
            (34816 + (1 << 20) + 1, Some("/dev/pts/257")),
            (0x8900, Some("/dev/pts/256")),
            (0x0401, Some("/dev/tty1")),
            (0x0441, Some("/dev/ttyS1")),
            (0x0400, None),
            (0x0501, None),
            (-1, None),
        ] {
            let found = device(tty).and_then(|(major, minor)| path(major, minor));
            assert_eq!(found.as_deref(), want, "{tty:#x}");
        }
    }

    #[test]
    fn a_path_that_leads_to_no_terminal_of_ours_is_not_taken() {
        let own = Path::new("/proc/self");
        // A terminal of that number is not there, or not ours.
        assert_eq!(of(own, 34816 + (0xfff << 20)), None);
        assert_eq!(of(Path::new("/proc/0"), 34816), None);
    }
}
