//! Where things are: configuration, socket, logs, vault file and the AWS files. The one place that reads the environment
//! for paths; it touches no file.

use crate::domain::report::{Kind, Report};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A longer socket path does not fit `sockaddr_un` (108 bytes with its final NUL on Linux, 104 on macOS).
const SOCKET_PATH_MAX: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// Every path that rolecall uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The configuration file.
    pub config: PathBuf,
    /// The agent's socket.
    pub socket: PathBuf,
    /// `audit.jsonl` and `agent.log` lie here.
    pub state: PathBuf,
    /// The encrypted-file vault.
    pub vault_file: PathBuf,
    /// AWS's own configuration file.
    pub aws_config: PathBuf,
    /// AWS's own credentials file.
    pub aws_credentials: PathBuf,
}

impl Paths {
    /// Reads the environment of this process.
    pub fn from_env() -> Result<Self, Report> {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment for paths")]
        Self::from_vars(|name| env::var_os(name))
    }

    fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, Report> {
        // Only absolute paths count (XDG Base Directory Specification): a relative one would follow the caller's
        // working directory, which is not the user's word (CVE-2022-24765).
        let absolute = |name: &str| var(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let home = absolute("HOME").ok_or_else(|| {
            Report::new(Kind::Failed, "HOME is not set to an absolute path").hint("set HOME to your home directory")
        })?;
        let explicit = |name: &str| match var(name).filter(|v| !v.is_empty()).map(PathBuf::from) {
            Some(path) if !path.is_absolute() => {
                Err(Report::new(Kind::Usage, format!("{name} is not an absolute path: {}", path.display()))
                    .hint(format!("set {name} to a path that starts with /")))
            }
            path => Ok(path),
        };
        let base = |name: &str, default: &str| absolute(name).unwrap_or_else(|| home.join(default));
        let state_home = base("XDG_STATE_HOME", ".local/state");
        let socket = match (explicit("ROLECALL_SOCKET")?, absolute("XDG_RUNTIME_DIR")) {
            (Some(socket), _) => socket,
            (None, Some(runtime)) => runtime.join("rolecall/agent.sock"),
            // Never /tmp: another user could be there first.
            (None, None) => home.join(".local/state/rolecall/run/agent.sock"),
        };
        let paths = Self {
            config: explicit("ROLECALL_CONFIG")?
                .unwrap_or_else(|| base("XDG_CONFIG_HOME", ".config").join("rolecall/config.toml")),
            state: state_home.join("rolecall"),
            vault_file: base("XDG_DATA_HOME", ".local/share").join("rolecall/vault.rolecall"),
            aws_config: aws_file(&var, "AWS_CONFIG_FILE", &home, "config"),
            aws_credentials: aws_file(&var, "AWS_SHARED_CREDENTIALS_FILE", &home, "credentials"),
            socket,
        };
        let length = paths.socket.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            return Err(Report::new(
                Kind::Agent,
                format!("the socket's path has {length} bytes, {SOCKET_PATH_MAX} fit: {}", paths.socket.display()),
            )
            .hint("set ROLECALL_SOCKET to a shorter path in a directory of your own"));
        }
        Ok(paths)
    }

    /// Gives the directory of the socket.
    pub fn runtime_dir(&self) -> &Path {
        self.socket.parent().expect("the socket's path is absolute and names a file")
    }

    /// Gives an extra socket: in a directory of its own, which a container can be given whole.
    pub fn extra_socket(&self, name: &str) -> PathBuf {
        self.extra_sockets().join(name).join("agent.sock")
    }

    /// Gives the directory of the extra sockets' directories.
    pub fn extra_sockets(&self) -> PathBuf {
        self.runtime_dir().join("sockets")
    }

    /// Gives the audit log.
    pub fn audit_log(&self) -> PathBuf {
        self.state.join("audit.jsonl")
    }

    /// Gives the agent's own log.
    pub fn agent_log(&self) -> PathBuf {
        self.state.join("agent.log")
    }
}

/// What the environment says of an agent that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The socket was named: it may be the end of a tunnel.
    pub socket_is_named: bool,
    /// No agent may be started (`ROLECALL_AUTOSTART=no`).
    pub never_started: bool,
}

impl Elsewhere {
    /// Reads the environment of this process.
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment for paths")]
        Self::from_vars(|name| env::var_os(name))
    }

    fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Self {
        Self {
            socket_is_named: var("ROLECALL_SOCKET").is_some_and(|path| !path.is_empty()),
            never_started: var("ROLECALL_AUTOSTART").is_some_and(|word| word == "no" || word == "0"),
        }
    }
}

fn aws_file(var: &impl Fn(&str) -> Option<OsString>, name: &str, home: &Path, default: &str) -> PathBuf {
    match var(name).filter(|v| !v.is_empty()).map(PathBuf::from) {
        // The AWS CLI expands a leading ~ here, so what works there works here.
        Some(path) => path.strip_prefix("~").map(|rest| home.join(rest)).unwrap_or(path),
        None => home.join(".aws").join(default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)]) -> Result<Paths, Report> {
        Paths::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)))
    }

    #[test]
    fn the_defaults_are_the_xdg_ones_and_never_tmp() {
        let paths = with(&[("HOME", "/h")]).expect("paths");
        assert_eq!(paths.config, Path::new("/h/.config/rolecall/config.toml"));
        assert_eq!(paths.socket, Path::new("/h/.local/state/rolecall/run/agent.sock"));
        assert_eq!(paths.audit_log(), Path::new("/h/.local/state/rolecall/audit.jsonl"));
        assert_eq!(paths.aws_config, Path::new("/h/.aws/config"));
    }

    #[test]
    fn the_environment_decides_where_it_speaks() {
        let paths = with(&[
            ("HOME", "/h"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
            ("XDG_CONFIG_HOME", "/c"),
            ("AWS_CONFIG_FILE", "~/x"),
        ])
        .expect("paths");
        assert_eq!(paths.socket, Path::new("/run/user/1/rolecall/agent.sock"));
        assert_eq!(paths.config, Path::new("/c/rolecall/config.toml"));
        assert_eq!(paths.aws_config, Path::new("/h/x"));
        let own =
            with(&[("HOME", "/h"), ("ROLECALL_SOCKET", "/s/a.sock"), ("ROLECALL_CONFIG", "/s/c.toml")]).expect("paths");
        assert_eq!((own.socket.as_path(), own.config.as_path()), (Path::new("/s/a.sock"), Path::new("/s/c.toml")));
    }

    #[test]
    fn a_relative_or_too_long_path_is_refused_with_the_variable_named() {
        assert!(with(&[]).expect_err("no home").message.contains("HOME"));
        assert!(
            with(&[("HOME", "/h"), ("ROLECALL_SOCKET", "a.sock")])
                .expect_err("relative")
                .message
                .contains("ROLECALL_SOCKET")
        );
        let long = format!("/{}", "x".repeat(120));
        assert_eq!(with(&[("HOME", "/h"), ("ROLECALL_SOCKET", &long)]).expect_err("long").kind, Kind::Agent);
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", "relative")]).expect("ignored").socket,
            Path::new("/h/.local/state/rolecall/run/agent.sock")
        );
    }
}
