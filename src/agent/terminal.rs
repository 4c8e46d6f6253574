//! A caller's terminal, as the kernel knows it: never a path that the caller names.
//!
//! The number of the controlling terminal (`/proc/PID/stat`) becomes a path by the kernel's own rule. No file is looked at
//! here: whoever draws on the terminal opens it and checks what it has opened. The path means the caller's terminal only
//! where the caller has our mounts and our root: a container has a `/dev/pts/0` of its own, and the question would appear
//! on somebody else's.

use rolecall_core::domain::question::Device;

/// Gives the device of a terminal number; `None` where there is none, or none with a path.
pub(super) fn of(tty: i32) -> Option<Device> {
    let (major, minor) = device(tty)?;
    Some(Device { path: path(major, minor)?, number: (major, minor) })
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
}
