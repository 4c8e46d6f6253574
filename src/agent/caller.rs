//! Who is on the other end of a connection: uid for the decision, the rest for the audit log and for `access`.
//!
//! Only the uid is the kernel's word that nobody of the same machine can forge. A program's path says little (an
//! interpreter, a deleted file): it is recorded and may narrow, and opens nothing. What is said of a caller was true of the
//! process that connected: one that has ended is never named as whoever has its number now.

use super::proc::{Stat, process};
use super::terminal;
use crate::domain::report::printable;
use crate::process::Pinned;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

/// A longer path is nobody's who has nothing to hide in it; the log's lines stay short.
const PATH_SHOWN: usize = 512;

/// What is recorded of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Caller {
    /// Its process, where the kernel tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<String>,
    /// The program that started it: the tool that wants credentials, as the client itself is always `rolecall`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Whether it has a terminal, where a person could be asked.
    #[serde(skip)]
    pub terminal: bool,
    /// Where that terminal is, if a program of ours can draw on it.
    #[serde(skip)]
    pub terminal_path: Option<String>,
    /// The terminal session it belongs to.
    #[serde(skip)]
    pub session: Option<TerminalSession>,
    /// The extra socket by which it came, if it did: it is somewhere else, and stands here for whoever sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// How people read that.
    #[serde(skip)]
    pub label: Option<String>,
}

/// A terminal session (setsid(2)): everything that was started from one terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct TerminalSession {
    /// Its leader's pid.
    leader: i32,
    /// When the leader started, in clock ticks since boot: a later process may have its number. Zero if it has ended.
    started: u64,
    /// The terminal's device number.
    tty: i32,
}

impl Caller {
    /// Looks up who connected a socket. Must be done before the caller is answered: afterwards it is gone.
    pub(super) fn behind(socket: impl AsFd, pid: Option<i32>) -> Self {
        // Pid 0 is a process of another pid namespace: nothing can be said of it, least of all from /proc/0.
        let Some(pid) = pid.filter(|pid| *pid > 0) else { return Self::default() };
        let pinned = Pinned::peer(socket, pid);
        let caller = Self::of(pid);
        // Looked at after the look-up: as long as it had not ended by then, its number was nobody else's.
        match pinned {
            Some(pinned) if pinned.is_alive() => caller,
            None if cfg!(not(target_os = "linux")) => caller,
            _ => Self { pid: Some(pid), ..Self::default() },
        }
    }

    /// Makes it a caller that came by an extra socket. The process is a tunnel's end here, or lives in a container where a
    /// path means another file: it is recorded, and neither named to rules nor asked on its terminal.
    pub(super) fn by_socket(self, socket: &str) -> Self {
        Self {
            terminal: false,
            terminal_path: None,
            session: None,
            socket: Some(socket.to_owned()),
            label: Some(format!("socket {socket}")),
            ..self
        }
    }

    fn of(pid: i32) -> Self {
        let proc = process(pid);
        let Some(stat) = Stat::read(&proc) else { return Self { pid: Some(pid), ..Self::default() } };
        let parent = stat.parent.and_then(|parent| {
            let program = tool(&process(parent));
            // Still its parent after the look-up: so it had not ended, and its number was nobody else's.
            program.filter(|_| Stat::read(&proc).is_some_and(|stat| stat.parent == Some(parent)))
        });
        Self {
            pid: Some(pid),
            exe: exe(&proc),
            parent,
            terminal: stat.tty != 0,
            terminal_path: terminal::of(&proc, stat.tty),
            session: session(&stat),
            socket: None,
            label: None,
        }
    }

    /// Names the tool that asked, for people.
    pub(super) fn program(&self) -> Option<&str> {
        if self.label.is_some() {
            return self.label.as_deref();
        }
        let path = self.parent.as_deref().or(self.exe.as_deref())?;
        Some(path.rsplit('/').next().unwrap_or(path))
    }

    /// Gives the path of the tool that asked, for rules; `None` where it cannot be told, or was cut off: the rest could be
    /// another program's. What a process calls itself is its own word and no path.
    pub(super) fn tool(&self) -> Option<&str> {
        if self.socket.is_some() {
            return None;
        }
        // An upgrade replaces the file under a program that runs on.
        let path = self.parent.as_deref().map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
        path.filter(|path| path.starts_with('/') && !path.ends_with('…'))
    }
}

/// Names the program that started a process. Most SDKs run `credential_process` through `sh -c`, and not every shell makes
/// way for its command: such a shell is passed over, or half of all callers would be called `dash`.
fn tool(parent: &Path) -> Option<String> {
    let program = exe(parent)?;
    let runs_one_command = is_shell(&program) && fs::read(parent.join("cmdline")).is_ok_and(|line| has_command(&line));
    if runs_one_command {
        let grandparent = Stat::read(parent).and_then(|stat| exe(&process(stat.parent?)));
        return grandparent.or(Some(program));
    }
    Some(program)
}

/// Gives the terminal session that a process belongs to, if it has a terminal.
fn session(stat: &Stat) -> Option<TerminalSession> {
    (stat.tty != 0).then(|| TerminalSession {
        leader: stat.session,
        started: Stat::of(stat.session).map_or(0, |leader| leader.started),
        tty: stat.tty,
    })
}

fn is_shell(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program).trim_matches(['[', ']']);
    ["ash", "bash", "busybox", "dash", "ksh", "mksh", "sh", "zsh"].contains(&name)
}

/// Tells whether a shell was given its command as an argument. The arguments are looked at, never kept.
fn has_command(cmdline: &[u8]) -> bool {
    cmdline.split(|byte| *byte == 0).nth(1) == Some(b"-c")
}

/// Names a process's program: by its path, or, where the kernel does not let us see that, by what the process calls itself,
/// in brackets as ps(1) does. An agent that is confined lives in a user namespace of its own and sees no path.
pub(super) fn exe(proc: &Path) -> Option<String> {
    match fs::read_link(proc.join("exe")) {
        Ok(path) => Some(named(&path)),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            let name = fs::read(proc.join("comm")).ok()?;
            Some(printable(&format!("[{}]", String::from_utf8_lossy(&name).trim_end()), PATH_SHOWN))
        }
        Err(_) => None,
    }
}

/// Writes a program's path as it is recorded and compared with rules.
pub(super) fn named(path: &Path) -> String {
    printable(&path.to_string_lossy(), PATH_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shell_with_a_command_for_an_argument_is_passed_over() {
        assert!(
            is_shell("/usr/bin/dash") && is_shell("[dash]") && is_shell("/bin/sh") && !is_shell("/usr/bin/python3.11")
        );
        assert!(has_command(b"/bin/sh\0-c\0/usr/bin/rolecall get prod\0"));
        assert!(!has_command(b"-bash\0") && !has_command(b"bash\0deploy.sh\0-c\0"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_shell_between_a_tool_and_its_credential_process_is_passed_over() {
        use std::io::{BufRead, BufReader};
        // The second command keeps the shell from making way for the first.
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "sh -c 'echo $$; read x; :'; :"]).stdin(std::process::Stdio::piped());
        let mut child = shell.stdout(std::process::Stdio::piped()).spawn().expect("sh runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let inner = Caller::of(line.trim().parse().expect("a pid"));
        drop(child.stdin.take());
        child.wait().expect("it ends");
        let own = std::env::current_exe().expect("this program");
        assert_eq!(inner.parent.as_deref(), own.to_str(), "{inner:?}");
    }

    #[test]
    fn what_a_process_calls_itself_is_no_path_for_rules() {
        let caller = |parent: &str| Caller { parent: Some(parent.to_owned()), ..Caller::default() };
        assert_eq!(caller("/usr/bin/make").tool(), Some("/usr/bin/make"));
        assert_eq!(caller("[make]").tool(), None);
        assert_eq!(caller("[make]").program(), Some("[make]"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_and_pid_zero_is_nobody() {
        let (own, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let caller = Caller::behind(&own, Some(pid));
        assert!(caller.exe.is_some() && caller.parent.is_some(), "{caller:?}");
        assert_eq!(Caller::behind(&own, Some(0)), Caller::default());
    }

    /// The caller connects, asks, and ends; its number could be anybody's by the time it is looked up.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_caller_that_is_gone_is_never_named_as_somebody_else() {
        use std::os::unix::net::UnixListener;
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let python = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])";
        let mut child = std::process::Command::new("python3").args(["-c", python]).arg(&path).spawn().expect("runs");
        let (gone, _) = listener.accept().expect("accepted");
        child.wait().expect("it ends");
        // As if its number had been given to this process meanwhile.
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(Caller::behind(&gone, Some(pid)), Caller { pid: Some(pid), ..Caller::default() });
    }
}
