//! The entry of a user in the user database.
//!
//! `/etc/passwd` is read directly: a static program has no name service of the C library, and one file costs every `get`
//! some microseconds. Users of a directory service (LDAP, systemd-homed) are not in it. For them `getent` is run, and only
//! where HOME cannot be used, because it may ask the network.

use crate::child::ChildProcess;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The user database of this machine.
const PASSWD: &str = "/etc/passwd";

/// A shorter file is read at once.
const USUAL_LENGTH: usize = 4096;

/// The program that asks every name service. Never looked up in a PATH.
const GETENT: &str = "/usr/bin/getent";

/// A directory service that does not answer by then is not waited for.
const GETENT_DEADLINE: Duration = Duration::from_secs(5);

/// The longest answer of `getent` that is read.
const ENTRY_MAX: usize = 64 * 1024;

/// A user as the user database describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEntry {
    /// The login name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
}

/// Returns the entry in `/etc/passwd`; `None` if the user is not in it.
///
/// Each `get` looks for it, so a file of the usual length is read by one system call, into memory that is mapped already.
pub fn in_passwd(uid: u32) -> Option<UserEntry> {
    let mut usual = [0; USUAL_LENGTH];
    let file = rustix::fs::open(PASSWD, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let length = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut usual)).ok()?;
    if length < USUAL_LENGTH {
        return parse(&usual[..length], uid);
    }
    parse(&fs::read(PASSWD).ok()?, uid)
}

/// Returns the entry that a directory service has; `None` if there is none within the deadline.
pub(super) fn in_directory_service(uid: u32) -> Option<UserEntry> {
    let mut command = Command::new(GETENT);
    let mut getent = ChildProcess::start(command.arg("passwd").arg(uid.to_string()).env_clear()).ok()?;
    // It writes its line at once. Its end is not waited for: a module of a directory service may hang there.
    parse(&getent.first_output(ENTRY_MAX, GETENT_DEADLINE), uid)
}

/// Finds the line of a uid (passwd(5)). A home that is not an absolute path is no home.
fn parse(passwd: &[u8], uid: u32) -> Option<UserEntry> {
    passwd.split(|byte| *byte == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let [name, _, number, _, _, home, ..] = fields.as_slice() else { return None };
        if std::str::from_utf8(number).ok()?.parse::<u32>().ok()? != uid {
            return None;
        }
        let home = Path::new(std::ffi::OsStr::from_bytes(home));
        home.is_absolute()
            .then(|| UserEntry { name: String::from_utf8_lossy(name).into_owned(), home: home.to_path_buf() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_found_by_its_number() {
        let passwd =
            b"root:x:0:0:root:/root:/bin/sh\n\n+::::::\nu:x:1000:1000:A, B:/home/u:/bin/sh\nv:x:x:1::/v:\nw:x:7:7:::\n";
        let home = |uid| parse(passwd, uid).map(|entry| (entry.name, entry.home.display().to_string()));
        assert_eq!(home(0), Some(("root".into(), "/root".into())));
        assert_eq!(home(1000), Some(("u".into(), "/home/u".into())));
        assert_eq!(home(7), None, "a home that is no absolute path");
        assert_eq!(home(1), None);
    }
}
