//! The running pinentry, and the terminal that it may draw on: ended politely, then not, and the terminal as it was before.
//!
//! It knows nothing of questions. A pinentry that is killed leaves its terminal without echo and showing the wrong page, and
//! one that ignores a request to end has to be killed: so what was there before is put back by us, not by it.

use rolecall_core::domain::question::Terminal;
use rolecall_platform::child::signal_group;
use rustix::process::Signal;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::{File, Metadata, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a pinentry may take to leave its terminal in order; ncurses needs milliseconds.
const GRACE: Duration = Duration::from_millis(500);

/// Longer than both graces, the polite one and the other.
const SETTLED: Duration = Duration::from_secs(2);

/// Leaves the second page of a terminal, shows the cursor, and ends colours: what ncurses' `endwin` would have done.
const LEAVE: &[u8] = b"\x1b[?1049l\x1b[?25h\x1b[0m";

/// How many pinentries are being ended in this process.
static ENDING: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Returns when no pinentry is being ended any more, or after two seconds.
pub(crate) async fn settled() {
    let mut ending = ENDING.subscribe();
    let _ = timeout(SETTLED, ending.wait_for(|count| *count == 0)).await;
}

/// A running pinentry; it ends when this is dropped.
pub(super) struct Program {
    child: Option<Child>,
    screen: Option<Screen>,
}

impl Program {
    /// Takes over a child that leads a process group of its own, and the terminal that it draws on.
    pub(super) fn new(child: Child, screen: Option<Screen>) -> Self {
        Self { child: Some(child), screen }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let screen = self.screen.take();
        // At once, so that it leaves the terminal before whoever is waiting for an answer writes on it.
        signal_group(&child, Signal::TERM);
        let ending = Ending::new();
        let end = async move {
            let is_in_order = match timeout(GRACE, child.wait()).await {
                Ok(Ok(status)) => status.signal().is_none(),
                Ok(Err(_)) | Err(_) => false,
            };
            if !is_in_order {
                signal_group(&child, Signal::KILL);
                let _ = timeout(GRACE, child.wait()).await;
            }
            if let Some(mut screen) = screen {
                screen.was_left = is_in_order;
            }
            drop(ending);
        };
        // Without a runtime the program's end is this process's end; the child is killed and the screen restored by dropping.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(end);
        }
    }
}

struct Ending;

impl Ending {
    fn new() -> Self {
        ENDING.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        ENDING.send_modify(|count| *count -= 1);
    }
}

/// A terminal as it was before somebody drew on it, and as it is again when this is dropped.
pub(super) struct Screen {
    tty: File,
    before: Termios,
    is_dumb: bool,
    was_left: bool,
}

impl Screen {
    /// Remembers how a terminal is; `None` where it is none of ours, or another device than the kernel named.
    pub(super) fn of(terminal: &Terminal) -> Option<Self> {
        // Not to wait for a line that hangs up, and not to become the agent's own terminal, whose Ctrl-C would end us.
        let flags = rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).ok()?;
        let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&terminal.device.path).ok()?;
        // What has been opened is looked at, and not its path.
        if !is_ours(&tty.metadata().ok()?, terminal.device.number) {
            return None;
        }
        let before = tcgetattr(&tty).ok()?;
        let is_dumb = terminal.kind.as_deref().is_none_or(|kind| kind == "dumb");
        Some(Self { tty, before, is_dumb, was_left: false })
    }
}

fn is_ours(meta: &Metadata, number: (u32, u32)) -> bool {
    let device = meta.rdev();
    meta.file_type().is_char_device()
        && (rustix::fs::major(device), rustix::fs::minor(device)) == number
        && meta.uid() == rustix::process::geteuid().as_raw()
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !self.was_left && !self.is_dumb {
            let _ = self.tty.write_all(LEAVE);
        }
        let Ok(now) = tcgetattr(&self.tty) else { return };
        if modes(&now) != modes(&self.before) {
            let _ = tcsetattr(&self.tty, OptionalActions::Now, &self.before);
        }
    }
}

fn modes(of: &Termios) -> [u32; 4] {
    [of.input_modes.bits(), of.output_modes.bits(), of.control_modes.bits(), of.local_modes.bits()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rolecall_core::domain::question::Device;
    use std::io::{BufRead, BufReader};

    #[test]
    fn a_device_that_is_not_the_callers_terminal_is_not_drawn_on() {
        let is_taken = |path: &str, number| {
            let device = Device { path: path.to_owned(), number };
            Screen::of(&Terminal { device, kind: None }).is_some()
        };
        let script = "import os; _, terminal = os.openpty(); print(os.ttyname(terminal), flush=True); os.read(0, 1)";
        let mut holder = std::process::Command::new("python3");
        holder.args(["-c", script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut holder = holder.spawn().expect("python3 runs");
        let mut path = String::new();
        BufReader::new(holder.stdout.take().expect("piped")).read_line(&mut path).expect("a line");
        let path = path.trim();
        let device = std::fs::metadata(path).expect("there").rdev();
        let number = (rustix::fs::major(device), rustix::fs::minor(device));
        assert!(is_taken(path, number));
        assert!(!is_taken(path, (number.0, number.1 + 1)), "a link to another terminal leads here");
        assert!(!is_taken("/dev/null", (1, 3)), "a device that is no terminal");
        assert!(!is_taken("/dev/pts/no-such-terminal", number));
        drop(holder.stdin.take());
        holder.wait().expect("it ends");
    }
}
