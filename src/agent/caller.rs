//! Who is on the other end of a connection: uid for the decision, the rest for the audit log and for `access`.
//!
//! Only the uid is the kernel's word that nobody of the same machine can forge. A program's path says little (an
//! interpreter, a deleted file): it is recorded and may narrow, and opens nothing. What is said of a caller was true of the
//! process that connected: one that has ended is never named as whoever has its number now.
//!
//! A path is named only if it means the same file to us: not that of a process with other mounts, in a container or in a
//! namespace that it has made itself, where any file can lie at any path. Neither is a terminal of such a process.

use super::proc::{Stat, process, shares_mounts, shares_root};
use super::terminal;
use rolecall_core::domain::error::printable;
use rolecall_core::domain::question::Device;
use rolecall_platform::blocking::CALLERS;
use rolecall_platform::os;
use rolecall_platform::process::ProcessHandle;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// A longer path is nobody's who has nothing to hide in it; the log's lines stay short.
const PATH_SHOWN: usize = 512;

/// How long the look at a shell's arguments may take: they lie in its own memory, which can be mapped from a file.
const ARGUMENTS: Duration = Duration::from_millis(250);

/// How much of a shell's arguments is read; the second one is what counts.
const ARGUMENTS_MAX: u64 = 8 * 1024;

/// By which socket a caller came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallerSocket {
    /// The agent's own.
    Own,
    /// A restricted one: its caller is named by the socket.
    Restricted,
}

/// Why the program of a caller is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum UnknownProgram {
    /// It, or what started it, has other mounts than the agent: a path of its may mean another file.
    OtherMountNamespace,
    /// It cannot be seen from here.
    OtherPidNamespace,
    /// It, or what started it, has ended.
    Ended,
    /// The kernel does not let the agent see it.
    Unreadable,
    /// It did not let the agent see its arguments in time.
    NoAnswer,
}

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
    /// Why the program is not known: rules of access take it for one that cannot be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<UnknownProgram>,
    /// Whether it has a terminal, where a person could be asked.
    #[serde(skip)]
    pub terminal: bool,
    /// That terminal's device, if a program of ours can draw on it.
    #[serde(skip)]
    pub device: Option<Device>,
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

/// A program as it is recorded, and why that is not its path if it is not.
type Program = (Option<String>, Option<UnknownProgram>);

impl Caller {
    /// Looks up who connected a socket. Must be done before the caller is answered: afterwards it is gone.
    pub(super) async fn behind(socket: impl AsFd, pid: Option<i32>, door: CallerSocket) -> Self {
        // Pid 0 is a process of another pid namespace: nothing can be said of it, least of all from /proc/0.
        let Some(pid) = pid.filter(|pid| *pid > 0) else {
            return Self { unnamed: Some(UnknownProgram::OtherPidNamespace), ..Self::default() };
        };
        let pinned = ProcessHandle::peer(socket, pid);
        let caller = Self::of(pid, door).await;
        // Looked at after the look-up: as long as it had not ended by then, its number was nobody else's.
        match pinned {
            Some(pinned) if pinned.is_alive() => caller,
            None if !os::HAS_PROC => caller,
            _ => Self::unnamed(pid, UnknownProgram::Ended),
        }
    }

    fn unnamed(pid: i32, why: UnknownProgram) -> Self {
        Self { pid: Some(pid), unnamed: Some(why), ..Self::default() }
    }

    /// Makes it a caller that came by an extra socket. The process is a tunnel's end here, or lives in a container where a
    /// path means another file: it is recorded, and neither named to rules nor asked on its terminal.
    pub(super) fn by_socket(self, socket: &str) -> Self {
        Self {
            terminal: false,
            device: None,
            session: None,
            socket: Some(socket.to_owned()),
            label: Some(format!("socket {socket}")),
            ..self
        }
    }

    async fn of(pid: i32, door: CallerSocket) -> Self {
        let Some(proc) = process(pid) else { return Self::unnamed(pid, UnknownProgram::OtherPidNamespace) };
        let Some(stat) = Stat::read(&proc) else { return Self::unnamed(pid, UnknownProgram::Ended) };
        let (exe, own) = program(&proc);
        let (parent, above) = match stat.parent {
            Some(parent) => tool(parent, door).await,
            None => (None, Some(UnknownProgram::OtherPidNamespace)),
        };
        // Still its parent after the look-up: so it had not ended, and its number was nobody else's.
        let is_still = Stat::read(&proc).is_some_and(|now| now.parent == stat.parent);
        let (parent, above) = if is_still { (parent, above) } else { (None, Some(UnknownProgram::Ended)) };
        let unnamed = own.or(above);
        let has_device = door == CallerSocket::Own && own.is_none() && stat.tty != 0 && shares_root(&proc);
        Self {
            pid: Some(pid),
            exe,
            // What started a process with other mounts is not the program that asks: it is recorded, and no path.
            parent: parent.map(|parent| if unnamed.is_some() { in_brackets(&parent) } else { parent }),
            unnamed,
            terminal: stat.tty != 0,
            device: has_device.then(|| terminal::of(stat.tty)).flatten(),
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
        if self.socket.is_some() || self.unnamed.is_some() {
            return None;
        }
        // An upgrade replaces the file under a program that runs on.
        let path = self.parent.as_deref().map(|path| path.strip_suffix(" (deleted)").unwrap_or(path));
        path.filter(|path| path.starts_with('/') && !path.ends_with('…'))
    }
}

/// Names the program of a process that started another one. Most SDKs run `credential_process` through `sh -c`, and not
/// every shell makes way for its command: such a shell is passed over, or half of all callers would be called `dash`.
async fn tool(pid: i32, door: CallerSocket) -> Program {
    let Some(parent) = process(pid) else { return (None, Some(UnknownProgram::OtherPidNamespace)) };
    let (shell, why) = program(&parent);
    if door == CallerSocket::Restricted || !shell.as_deref().is_some_and(is_shell) {
        return (shell, why);
    }
    let arguments = parent.join("cmdline");
    let subject = arguments.display().to_string();
    match CALLERS.run(subject, ARGUMENTS, move || start_of(&arguments)).await {
        Ok(Ok(line)) if has_command(&line) => {}
        Ok(_) => return (shell, why),
        Err(_) => return (shell, Some(UnknownProgram::NoAnswer)),
    }
    match Stat::read(&parent).and_then(|stat| process(stat.parent?)).map(|proc| program(&proc)) {
        Some((Some(tool), above)) => (Some(tool), why.or(above)),
        _ => (shell, why),
    }
}

fn start_of(file: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(file)?.take(ARGUMENTS_MAX).read_to_end(&mut start)?;
    Ok(start)
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

/// Names a process's program: by its path, if that means the same file here, or else by what the process calls itself, in
/// brackets as ps(1) does. An agent that is confined lives in a user namespace of its own and sees no path.
pub(super) fn program(proc: &Path) -> Program {
    let why = match shares_mounts(proc) {
        Ok(true) => match fs::read_link(proc.join("exe")) {
            Ok(path) => return (Some(named(&path)), None),
            Err(error) => unseen(&error),
        },
        Ok(false) => UnknownProgram::OtherMountNamespace,
        Err(error) => unseen(&error),
    };
    let name = fs::read(proc.join("comm")).ok().filter(|_| why != UnknownProgram::Ended);
    (name.map(|name| in_brackets(String::from_utf8_lossy(&name).trim_end())), Some(why))
}

fn unseen(error: &io::Error) -> UnknownProgram {
    if error.kind() == io::ErrorKind::PermissionDenied { UnknownProgram::Unreadable } else { UnknownProgram::Ended }
}

/// Writes a program's name that is no path.
fn in_brackets(program: &str) -> String {
    if program.starts_with('[') {
        return program.to_owned();
    }
    let name = program.rsplit('/').next().unwrap_or(program);
    printable(&format!("[{name}]"), PATH_SHOWN)
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

    #[tokio::test]
    async fn the_shell_between_a_tool_and_its_credential_process_is_passed_over() {
        use std::io::{BufRead, BufReader};
        if !os::HAS_PROC {
            return;
        }
        // The second command keeps the shell from making way for the first.
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "sh -c 'echo $$; read x; :'; :"]).stdin(std::process::Stdio::piped());
        let mut child = shell.stdout(std::process::Stdio::piped()).spawn().expect("sh runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let inner = Caller::of(line.trim().parse().expect("a pid"), CallerSocket::Own).await;
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

    #[tokio::test]
    async fn this_process_is_found_and_pid_zero_is_nobody() {
        if !os::HAS_PROC {
            return;
        }
        let (own, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let caller = Caller::behind(&own, Some(pid), CallerSocket::Own).await;
        assert!(caller.exe.is_some() && caller.parent.is_some() && caller.unnamed.is_none(), "{caller:?}");
        let unseen = Caller { unnamed: Some(UnknownProgram::OtherPidNamespace), ..Caller::default() };
        assert_eq!(Caller::behind(&own, Some(0), CallerSocket::Own).await, unseen);
    }

    /// The caller connects, asks, and ends; its number could be anybody's by the time it is looked up.
    #[tokio::test]
    async fn a_caller_that_is_gone_is_never_named_as_somebody_else() {
        use std::os::unix::net::UnixListener;
        if !os::HAS_PROC {
            return;
        }
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let python = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])";
        let mut child = std::process::Command::new("python3").args(["-c", python]).arg(&path).spawn().expect("runs");
        let (gone, _) = listener.accept().expect("accepted");
        child.wait().expect("it ends");
        // As if its number had been given to this process meanwhile.
        let pid = i32::try_from(std::process::id()).expect("a pid");
        assert_eq!(
            Caller::behind(&gone, Some(pid), CallerSocket::Own).await,
            Caller::unnamed(pid, UnknownProgram::Ended)
        );
    }
}
