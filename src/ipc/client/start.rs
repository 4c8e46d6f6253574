//! Starting the agent: one start at a time, and no return before it answers or has said why not.

use super::holder::{Holder, lock_holder};
use crate::protocol::message::{Context, Request, Startup};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_platform::files;
use rolecall_platform::paths::Paths;
use rolecall_platform::reach;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A start takes some 20 ms; a machine that has just woken up needs longer.
const START_DEADLINE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// How often an agent is started while another one still holds the lock, and the time between: two seconds in all.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// How often the lock of a start is tried: twelve seconds in all, more than a start may take.
const TURNS: u32 = 600;

/// The agent's log is rotated beyond this, at a start.
const LOG_MAX: u64 = 1024 * 1024;

/// The environment that the agent inherits: what says which world it belongs to, and the desktop of its user. Not the
/// rest: an `AWS_ENDPOINT_URL`, a proxy, a PATH or an `LD_PRELOAD` of whoever happened to call first would steer everybody's
/// sessions until logout.
pub const INHERITED: [&str; 19] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LOGNAME",
    "ROLECALL_CONFIG",
    "ROLECALL_HOME",
    "ROLECALL_SOCKET",
    "TZ",
    "USER",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

/// What an agent that a person runs in sight gets as well: the credentials of identities of type environment and ecs.
///
/// It is that person's word, in the place where they stand; of a tool that happens to call first it would be nobody's.
const CREDENTIALS: [&str; 9] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCOUNT_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// Refuses to run an agent where an extra socket answers, or did until its agent ended: it would take the place of one that
/// serves a few roles only, and whoever has that socket would have them all.
pub fn refuse_extra_socket(paths: &Paths) -> Result<(), UserError> {
    // Mounted elsewhere, or at a tunnel's end, it is known by what it says: an agent's own refuses nobody its state.
    let status = super::call(paths, Request::Status, Context::default(), super::Autostart::No);
    match status {
        Err(super::CallError::Refused(report)) if report.kind == Kind::Config => Err(place_of_an_extra_socket(paths)),
        _ => refuse_place_of_extra_socket(paths),
    }
}

/// The same by the path alone, DIR/sockets/NAME/agent.sock, where DIR is an agent's own.
fn refuse_place_of_extra_socket(paths: &Paths) -> Result<(), UserError> {
    let of = paths.runtime_dir().parent().filter(|sockets| sockets.ends_with("sockets")).and_then(Path::parent);
    if of.is_some_and(|dir| ["agent.sock", "agent.lock"].iter().any(|name| dir.join(name).exists())) {
        return Err(place_of_an_extra_socket(paths));
    }
    Ok(())
}

fn place_of_an_extra_socket(paths: &Paths) -> UserError {
    let message = format!("{} is an agent's socket for a few of its roles", paths.socket.display());
    UserError::new(Kind::Agent, message)
        .hint("on the agent's own machine run `env -u ROLECALL_SOCKET rolecall agent start`")
}

/// Starts an agent and waits until it answers; returns as well when somebody else's start came first.
pub fn start_agent(paths: &Paths) -> Result<(), UserError> {
    refuse_without_home(paths)?;
    paths.ensure_answered()?;
    ensure_places_answer(paths)?;
    refuse_place_of_extra_socket(paths)?;
    // A caller's umask may be so strict that a directory could not be entered by its owner.
    let callers = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let start_lock = paths.start_lock();
    let mut others = [start_lock.parent(), Some(paths.state.as_path())].into_iter().flatten();
    // On a full disk the others may be missing: the agent serves without them.
    let made = files::ensure_private_dir(paths.runtime_dir())
        .and_then(|()| others.try_for_each(files::ensure_private_dir_if_possible));
    rustix::process::umask(callers);
    made?;
    // Fifty tools that start at once start one agent: the others wait here and find it running.
    let (lock_path, lock) = open_start_lock(paths)?;
    if !take_turn(&lock, &lock_path, paths)? {
        return Ok(());
    }
    for _ in 0..TRIES {
        // Each time anew: the agent that runs already may listen at another place of the same world.
        let paths = paths.looked_up_again();
        if super::connect_running(&paths)?.is_some() {
            return Ok(());
        }
        let mut child = spawn(&paths)?;
        match startup(&mut child) {
            Some(Startup::Ready) => return Ok(()),
            // One that is just ending has unlinked its socket, or lost it, and is about to let go of its lock.
            Some(Startup::AlreadyRunning) => {
                // It has told all that it will: not reaped, each try would leave a zombie as long as we live.
                let _ = child.wait();
                thread::sleep(PAUSE);
            }
            Some(Startup::Failed { report }) => return Err(report),
            None => {
                return Err(UserError::new(Kind::Agent, "the agent did not start within 10 seconds").hint(look(&paths)));
            }
        }
    }
    if super::connect_running(&paths.looked_up_again())?.is_some() {
        return Ok(());
    }
    // The lock is held, and nobody answers: what holds it is named, as nobody would find it otherwise.
    let mut locks = paths.lock.iter().cloned().chain([paths.runtime_dir().join("agent.lock")]);
    Err(held(locks.find_map(|lock| lock_holder(&lock)), "no agent answers, and its lock is held"))
}

/// Looks at every directory and file that a start uses, with a deadline: each of them can be on a mount of its own.
fn ensure_places_answer(paths: &Paths) -> Result<(), UserError> {
    let start_lock = paths.start_lock();
    for dir in [paths.runtime_dir(), start_lock.parent().unwrap_or(&start_lock), paths.state.as_path()] {
        reach::ensure_seen(dir)?;
    }
    let log = paths.agent_log();
    [start_lock, log].iter().try_for_each(|file| reach::ensure_seen(file).map(drop))
}

/// Refuses to start an agent that would have no place for its files: only an agent that is there already can be used.
fn refuse_without_home(paths: &Paths) -> Result<(), UserError> {
    let Some(why) = &paths.homeless else { return Ok(()) };
    let socket = paths.socket.display();
    Err(UserError::new(Kind::Agent, format!("no agent listens at {socket}, and none is started without a home"))
        .hint("start the agent whose socket ROLECALL_SOCKET names: `rolecall agent start` as its user")
        .with_note(&why.message))
}

/// Opens the lock of a start. On a disk that takes no file the one beside the socket has to do.
fn open_start_lock(paths: &Paths) -> Result<(PathBuf, fs::File), UserError> {
    let path = paths.start_lock();
    match files::open_private_append(&path) {
        Ok(lock) => Ok((path, lock)),
        // An error of the system, and not a file of another kind in its place.
        Err(e) if e.raw_os_error().is_some() && path.parent() != Some(paths.runtime_dir()) => {
            let path = paths.runtime_dir().join("start.lock");
            let lock = files::open_private_append(&path).map_err(|e| cannot_start(&path, &e))?;
            Ok((path, lock))
        }
        Err(e) => Err(cannot_start(&path, &e)),
    }
}

/// Waits for the turn to start an agent; `false` if an agent answers meanwhile.
fn take_turn(lock: &fs::File, path: &Path, paths: &Paths) -> Result<bool, UserError> {
    for _ in 0..TURNS {
        match rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
            // A file system without locks: two starts at once are told apart by the lock of the agent.
            Err(e) if files::has_no_locks(e) => return Ok(true),
            Err(e) => return Err(cannot_start(path, &e.into())),
        }
        thread::sleep(PAUSE);
        if super::connect_running(&paths.looked_up_again())?.is_some() {
            return Ok(false);
        }
    }
    Err(held(lock_holder(path), &format!("cannot start the agent: {} is locked", path.display())))
}

/// Says that a lock is not let go of, and by whom.
fn held(holder: Option<Holder>, what: &str) -> UserError {
    match holder {
        Some(Holder { pid, program }) if !program.is_empty() => {
            UserError::new(Kind::Agent, format!("{what} by process {pid} ({program})"))
                .hint(format!("end it if it hangs: `kill {pid}`"))
        }
        // The process that took it has ended and left it to one that it had started.
        _ => UserError::new(Kind::Agent, format!("{what} by an unknown process"))
            .hint("look for the process that has the file open, and end it: `fuser -v ~/.local/state/rolecall/*.lock`"),
    }
}

fn cannot_start(path: &Path, error: &std::io::Error) -> UserError {
    UserError::new(Kind::Agent, format!("cannot start the agent: {}: {error}", path.display()))
}

fn look(paths: &Paths) -> String {
    format!("read its log: `tail {}`, or run it in sight: `rolecall agent run`", paths.agent_log().display())
}

/// Makes the command that runs the agent in sight of a person, whose credentials it may know.
pub fn agent_in_sight() -> Result<Command, UserError> {
    let mut command = agent_command()?;
    pass_on(&mut command, &CREDENTIALS);
    Ok(command)
}

/// Gives the `rolecalld` beside this program.
pub fn agent_program() -> Result<PathBuf, UserError> {
    let face = std::env::current_exe()
        .map_err(|e| UserError::new(Kind::Agent, format!("cannot find out where rolecall itself lies: {e}")))?;
    let program = face.with_file_name("rolecalld");
    if !program.is_file() {
        return Err(UserError::new(Kind::Agent, format!("the agent's program is missing: {}", program.display()))
            .hint("install rolecall and rolecalld into the same directory"));
    }
    Ok(program)
}

/// Makes the command that runs it, with a clean environment.
fn agent_command() -> Result<Command, UserError> {
    let mut command = Command::new(agent_program()?);
    command.env_clear();
    pass_on(&mut command, &INHERITED);
    Ok(command)
}

fn pass_on(command: &mut Command, names: &[&str]) {
    #[expect(clippy::disallowed_methods, reason = "hands an allow-list of variables on, and reads none of them")]
    command.envs(names.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value))));
}

fn spawn(paths: &Paths) -> Result<Child, UserError> {
    let mut command = agent_command()?;
    let log_path = paths.agent_log();
    if fs::symlink_metadata(&log_path).is_ok_and(|meta| meta.len() > LOG_MAX) {
        // Two files of a megabyte tell enough of the past; a failure to rotate is no reason not to start.
        let _ = fs::rename(&log_path, log_path.with_extension("log.1"));
    }
    // An agent without a log is worth more than none; `status` names a file in the place of the log that is no log.
    let log = files::open_private_append(&log_path).map_or_else(|_| Stdio::null(), Stdio::from);
    // The caller's pipes must not outlive the caller: an SDK waits until every writer of our stdout is gone.
    command.arg("--detach").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).current_dir("/");
    let program = command.get_program().to_owned();
    command.spawn().map_err(|e| {
        UserError::new(Kind::Agent, format!("cannot run {}: {e}", std::path::Path::new(&program).display()))
    })
}

fn startup(child: &mut Child) -> Option<Startup> {
    let stdout = child.stdout.take()?;
    let mut poll_fd = [PollFd::new(&stdout, PollFlags::IN)];
    // After a signal the wait begins anew: a start takes milliseconds, so the deadline is no matter of precision.
    let ready = loop {
        match poll(&mut poll_fd, Some(&START_DEADLINE)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => break ready.ok()?,
        }
    };
    if ready == 0 {
        return None;
    }
    let mut line = String::new();
    BufReader::new(stdout).take(64 * 1024).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}
