//! The environment of the programs that the agent starts: credential programs, `mfa_process`, pinentries.
//!
//! It is the same whoever has started the agent. A program that is found in the PATH of one caller and not in that of
//! another would work today and fail tomorrow.

use rolecall_platform::paths::{Paths, UserEntry};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where programs are looked up, after the directories in the home: where systems and package managers put them.
const DIRECTORIES: [&str; 11] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/snap/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/opt/homebrew/bin",
    "/run/current-system/sw/bin",
    "/nix/var/nix/profiles/default/bin",
];

/// Directories in the home, which come first, as in the profiles of the usual distributions.
const IN_HOME: [&str; 3] = [".local/bin", "bin", ".nix-profile/bin"];

/// What is taken over from the environment of the agent: the language, the time zone, and the display of its user.
const KEPT: [&str; 8] = ["DISPLAY", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "WAYLAND_DISPLAY", "XAUTHORITY"];

/// Makes the environment. `user` is the entry in the user database, if there is one.
pub fn of_programs(
    paths: &Paths,
    user: Option<&UserEntry>,
    var: impl Fn(&str) -> Option<OsString>,
) -> Vec<(OsString, OsString)> {
    let mut environment: Vec<(OsString, OsString)> =
        KEPT.iter().filter_map(|name| Some(((*name).into(), var(name)?))).collect();
    let mut set = |name: &str, value: OsString| environment.push((name.into(), value));
    set("HOME", paths.home.clone().into());
    set("PATH", search_path(&paths.home));
    let name = user.map(|user| OsString::from(&user.name));
    for variable in ["USER", "LOGNAME"] {
        if let Some(name) = name.clone().or_else(|| var(variable)) {
            set(variable, name);
        }
    }
    if let Some(dir) = paths.runtime_base() {
        set("XDG_RUNTIME_DIR", dir.into());
    }
    // So that such a program finds this very agent.
    for variable in ["ROLECALL_CONFIG", "ROLECALL_HOME", "ROLECALL_SOCKET"] {
        if let Some(value) = var(variable) {
            set(variable, value);
        }
    }
    environment
}

fn search_path(home: &Path) -> OsString {
    let in_home = IN_HOME.iter().map(|dir| home.join(dir));
    let all = in_home.chain(DIRECTORIES.iter().map(PathBuf::from));
    // A home with a colon in it cannot be in a PATH.
    std::env::join_paths(all).unwrap_or_else(|_| DIRECTORIES.join(":").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_is_not_that_of_the_caller() {
        let paths = Paths { home: "/home/u".into(), ..Paths::default() };
        let vars = [("PATH", "/evil"), ("LANG", "de_DE"), ("USER", "x"), ("LD_PRELOAD", "/x"), ("AWS_PROFILE", "y")];
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        let user = UserEntry { name: "u".into(), home: "/home/u".into() };
        let made = of_programs(&paths, Some(&user), var);
        let get = |name: &str| made.iter().find(|(n, _)| n == name).map(|(_, value)| value.to_str().expect("text"));
        assert_eq!((get("HOME"), get("USER"), get("LANG")), (Some("/home/u"), Some("u"), Some("de_DE")));
        assert!(get("PATH").is_some_and(|path| path.starts_with("/home/u/.local/bin:") && path.contains(":/usr/bin:")));
        assert_eq!((get("LD_PRELOAD"), get("AWS_PROFILE")), (None, None));
        let odd = Paths { home: "/a:b".into(), ..Paths::default() };
        let made = of_programs(&odd, None, var);
        assert!(made.iter().any(|(name, value)| name == "PATH" && !value.to_str().expect("text").contains("/a")));
    }
}
