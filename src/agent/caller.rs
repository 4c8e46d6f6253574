//! Who is on the other end of a connection: uid for the decision, the rest for the audit log.
//!
//! Only the uid is the kernel's word that nobody of the same machine can forge. A pid may be reused and a program's path
//! says little (an interpreter, a deleted file): they are recorded, never trusted.

use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What is recorded of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
}

impl Caller {
    /// Looks a process up. Must be done before the caller is answered: afterwards it is gone.
    pub(super) fn of(pid: Option<i32>) -> Self {
        // Pid 0 is a process of another pid namespace: nothing can be said of it, least of all from /proc/0.
        let Some(pid) = pid.filter(|pid| *pid > 0) else { return Self::default() };
        let proc = Path::new("/proc").join(pid.to_string());
        let (parent, terminal) = origin(&proc);
        Self { pid: Some(pid), exe: exe(&proc), parent: parent.and_then(|parent| tool(&parent)), terminal }
    }

    /// Names the tool that asked, for people.
    pub(super) fn program(&self) -> Option<&str> {
        let path = self.parent.as_deref().or(self.exe.as_deref())?;
        Some(path.rsplit('/').next().unwrap_or(path))
    }
}

/// Names the program that started a process. Most SDKs run `credential_process` through `sh -c`, and not every shell makes
/// way for its command: such a shell is passed over, or half of all callers would be called `dash`.
fn tool(parent: &Path) -> Option<String> {
    let program = exe(parent)?;
    let runs_one_command = is_shell(&program) && fs::read(parent.join("cmdline")).is_ok_and(|line| has_command(&line));
    if runs_one_command {
        return origin(parent).0.and_then(|grandparent| exe(&grandparent)).or(Some(program));
    }
    Some(program)
}

/// Gives a process's parent, and whether it has a terminal.
fn origin(proc: &Path) -> (Option<PathBuf>, bool) {
    let stat = fs::read(proc.join("stat")).ok();
    let (parent, terminal) = stat.and_then(|stat| parent_and_terminal(&stat)).unwrap_or_default();
    (parent.map(|pid| Path::new("/proc").join(pid.to_string())), terminal)
}

fn is_shell(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    ["ash", "bash", "busybox", "dash", "ksh", "mksh", "sh", "zsh"].contains(&name)
}

/// Tells whether a shell was given its command as an argument. The arguments are looked at, never kept.
fn has_command(cmdline: &[u8]) -> bool {
    cmdline.split(|byte| *byte == 0).nth(1) == Some(b"-c")
}

fn exe(proc: &Path) -> Option<String> {
    let path = fs::read_link(proc.join("exe")).ok()?;
    Some(crate::domain::report::printable(&path.to_string_lossy(), 512))
}

/// Takes the parent, and whether there is a controlling terminal, out of `/proc/PID/stat`. The command name before them
/// may hold spaces and brackets of its own (proc_pid_stat(5)), so the last bracket counts.
fn parent_and_terminal(stat: &[u8]) -> Option<(Option<i32>, bool)> {
    let stat = String::from_utf8_lossy(stat);
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().take(5).collect();
    let parent = fields.get(1)?.parse().ok().filter(|pid| *pid > 0);
    Some((parent, fields.get(4).is_some_and(|tty| *tty != "0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_cannot_forge_the_parent() {
        assert_eq!(parent_and_terminal(b"12 (a) S 1 2) S 77 12 12 0"), Some((Some(77), false)));
        assert_eq!(parent_and_terminal(b"12 (a b) R 5 5 5 34816 5"), Some((Some(5), true)));
        assert_eq!(parent_and_terminal(b"garbage"), None);
    }

    #[test]
    fn only_a_shell_with_a_command_for_an_argument_is_passed_over() {
        assert!(is_shell("/usr/bin/dash") && is_shell("/bin/sh") && !is_shell("/usr/bin/python3.11"));
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
        let inner = Caller::of(line.trim().parse().ok());
        drop(child.stdin.take());
        child.wait().expect("it ends");
        let own = std::env::current_exe().expect("this program");
        assert_eq!(inner.parent.as_deref(), own.to_str(), "{inner:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_and_pid_zero_is_nobody() {
        let own = Caller::of(i32::try_from(std::process::id()).ok());
        assert!(own.exe.is_some() && own.parent.is_some(), "{own:?}");
        assert_eq!(Caller::of(Some(0)), Caller::default());
    }
}
