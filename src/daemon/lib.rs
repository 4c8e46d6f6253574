//! The agent's program: hardens itself, takes the socket, then runs the agent with the real ports.

use rolecall_adapters::clock::SystemClock;
use rolecall_adapters::dbus::SessionBus;
use rolecall_adapters::desktop::Desktop;
use rolecall_adapters::sources::StartupEnv;
use rolecall_adapters::sts::Sts;
use rolecall_adapters::vault::Vaults;
use rolecall_agent::lifecycle::{self, Ending};
use rolecall_agent::log::Log;
use rolecall_agent::server::connections;
use rolecall_agent::socket::{BindError, Socket};
use rolecall_agent::{Agent, Ports};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_ipc::client;
use rolecall_ipc::protocol::message::{Context, Startup};
use rolecall_platform::paths::Paths;
use rolecall_platform::{config_loader, files, panics, process, reach};
use rolecall_ports::Vault;
use std::alloc::System;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use zeroizing_alloc::ZeroAlloc;

pub use rolecall_adapters as adapters;
pub use rolecall_agent as agent;
pub use rolecall_ports as ports;
pub use rolecall_setup as oneshot;

/// Wipes memory before it returns it to the system allocator.
///
/// Our secret types wipe themselves. The copies of libraries are freed as they are: an answer of STS passes through the
/// buffers of TLS, HTTP and the XML parser, a session token through the headers of the SDK, a key through D-Bus. Without
/// this allocator, a session was found up to four times in the memory of the agent after a lock.
#[global_allocator]
static HEAP: ZeroAlloc<System> = ZeroAlloc(System);

/// Enough for callers at once; one more would only add memory.
const WORKER_THREADS: usize = 2;

/// Each is dealt with in milliseconds; more wait where they come from.
const DESK_EVENTS: usize = 4;

/// The longest line of a log or a message.
const LINE_MAX: usize = 4096;

/// Runs the agent, or the worker of a setup, and returns its exit code.
pub fn main() -> ExitCode {
    // Before anything else: what is inherited must not be kept open, and no secret may be there before the process is shut.
    process::share_heap();
    let meant_for_another = activation_of_another_process();
    let activated = listenfd::ListenFd::from_env();
    process::close_inherited(if meant_for_another.is_some() { 0 } else { activated.len() });
    if env::args_os().nth(1).is_some_and(|arg| arg == client::setup_worker::ONE_SHOT) {
        return one_shot();
    }
    let detached = env::args_os().nth(1).is_some_and(|arg| arg == "--detach");
    if let Some(word) = env::args_os().nth(1).filter(|_| !detached) {
        return answer(&word.to_string_lossy());
    }
    if detached {
        // Fails only where we lead a group already; then the caller's terminal cannot end us either.
        let _ = rustix::process::setsid();
    }
    match meant_for_another.map_or_else(|| start(activated), Err) {
        Ok((paths, socket)) => serve(paths, socket, detached),
        Err(BindError::AlreadyRunning) => {
            tell(detached, &Startup::AlreadyRunning);
            ExitCode::SUCCESS
        }
        Err(BindError::Failed(report)) => {
            let code = report.kind.exit_code();
            tell(detached, &Startup::Failed { report });
            ExitCode::from(code)
        }
    }
}

/// Answers a person who types the program's name: no agent is started by a word that is none of its own.
fn answer(word: &str) -> ExitCode {
    let about =
        "the agent of rolecall: without arguments it runs in the foreground; `rolecall agent --help` has the rest";
    let said = match word {
        "--version" | "-V" => writeln!(io::stdout(), "rolecalld {}", env!("CARGO_PKG_VERSION")),
        "--help" | "-h" => writeln!(io::stdout(), "rolecalld: {about}"),
        _ => {
            let _ = writeln!(io::stderr(), "rolecalld: it takes no arguments\nhint: {about}");
            return ExitCode::from(Kind::Usage.exit_code());
        }
    };
    said.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

/// Carries a setup out for the face on the other end of standard input, with credentials that the agent never sees.
fn one_shot() -> ExitCode {
    panics::end_the_process();
    let failed = |what: &str, e: io::Error| {
        complain(&UserError::new(Kind::Agent, format!("{what}: {e}")));
        ExitCode::from(Kind::Agent.exit_code())
    };
    if let Err(e) = process::harden() {
        return failed("cannot shut the process off from others", e);
    }
    let stream = match io::stdin().as_fd().try_clone_to_owned().map(unix::net::UnixStream::from) {
        Ok(stream) => stream,
        Err(e) => return failed("there is nobody to work for", e),
    };
    // The programs that profiles name must not read what the face says.
    let shut = std::fs::File::open("/dev/null").and_then(|null| Ok(rustix::stdio::dup2_stdin(&null)?));
    if let Err(e) = shut.and_then(|()| stream.set_nonblocking(true)) {
        return failed("cannot take standard input over", e);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return failed("cannot start a thread", e),
    };
    runtime.block_on(async {
        let Ok(stream) = tokio::net::UnixStream::from_std(stream) else { return ExitCode::FAILURE };
        let interrupted = Arc::new(AtomicBool::new(false));
        tokio::spawn(note_interrupts(Arc::clone(&interrupted)));
        match world(interrupted) {
            Ok(world) => {
                oneshot::serve(stream, world).await;
                ExitCode::SUCCESS
            }
            Err(report) => {
                oneshot::refuse(stream, report).await;
                ExitCode::FAILURE
            }
        }
    })
}

/// What is under way is finished, and written down, before an interrupted one-shot ends.
async fn note_interrupts(interrupted: Arc<AtomicBool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return;
    };
    loop {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        interrupted.store(true, Ordering::Relaxed);
    }
}

fn world(interrupted: Arc<AtomicBool>) -> Result<oneshot::SetupContext, UserError> {
    let paths = Paths::from_env()?;
    paths.ensure_usable()?;
    reach::ensure_seen(&paths.state)?;
    files::ensure_private_dir(&paths.state)?;
    let catalogue = config_loader::load(&paths.config).map_err(|e| e.report())?.catalogue;
    let clock = Arc::new(SystemClock);
    // For the password of the proxy. A vault with a passphrase is open in the agent only: the command asks a person.
    let kind = catalogue.agent.vault;
    let vault = (!kind.facts().takes_passphrase).then(|| {
        let bus = SessionBus::new(variable("DBUS_SESSION_BUS_ADDRESS"));
        let vaults = Vaults::new(&paths.vault_file, &paths.state, &paths.keyring_service(), bus);
        vaults.select(kind);
        Arc::new(vaults) as Arc<dyn Vault>
    });
    Ok(oneshot::SetupContext {
        accounts: Arc::new(Sts::new(clock.clone(), StartupEnv::from_vars(|_| None), vault)),
        clock,
        aws: catalogue.aws,
        state: paths.state.clone(),
        agent: Arc::new(move |request| client::ask(&paths, request, Context::from_env(), client::Autostart::Yes)),
        interrupted,
    })
}

fn cannot_start(what: &str, error: &io::Error) -> BindError {
    BindError::Failed(UserError::new(Kind::Agent, format!("{what}: {error}")))
}

fn start(activated: listenfd::ListenFd) -> Result<(Paths, Socket), BindError> {
    process::harden().map_err(|e| cannot_start("cannot shut the process off from others", &e))?;
    lifecycle::outlive_file_size_limit();
    // Not to keep a file system busy, or hang on one, for being started there.
    env::set_current_dir("/").map_err(|e| cannot_start("cannot leave the working directory", &e))?;
    let mut paths = Paths::from_env().map_err(BindError::Failed)?;
    // With two configurations, this agent would serve callers who mean the other one.
    paths.ensure_usable().map_err(BindError::Failed)?;
    let (lock, dir) = (paths.lock.iter().map(PathBuf::as_path), paths.runtime_dir());
    for place in lock.chain([&*paths.state, dir, &*dir.join("agent.lock")]) {
        reach::ensure_seen(place).map_err(BindError::Failed)?;
    }
    // Without the directory, as on a full disk, logs are counted as lost and credentials are served.
    files::ensure_private_dir_if_possible(&paths.state).map_err(BindError::Failed)?;
    let socket = match activation(activated)? {
        Some((listener, path)) => {
            paths.socket = path;
            take_over(&listener, &paths)?
        }
        None => Socket::bind(&paths)?,
    };
    Ok((paths, socket))
}

/// How often the lock of an agent that is asked to end is tried, and the time between: ten seconds in all. It drains for
/// five.
const TAKE_OVERS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Takes the socket of systemd. An agent of this user that was started before there was one, as by cron before the login,
/// listens at another place: it is asked to end, so that all callers use this one.
fn take_over(listener: &UnixListener, paths: &Paths) -> Result<Socket, BindError> {
    for attempt in 0..TAKE_OVERS {
        let listener = listener.try_clone().map_err(|e| cannot_start("cannot take the socket over", &e))?;
        match Socket::activated(listener, paths) {
            Err(BindError::AlreadyRunning) => {}
            taken => return taken,
        }
        if attempt == 0
            && let Some(other) = paths.holder_of_lock().filter(|other| other.socket != paths.socket)
        {
            // It ends in its own time; the lock is tried until then.
            let _ = client::stop(&other);
        }
        std::thread::sleep(PAUSE);
    }
    let holder = paths.lock.as_deref().and_then(client::lock_holder);
    let holder =
        holder.map_or_else(|| "an unknown process".to_owned(), |it| format!("process {} ({})", it.pid, it.program));
    Err(BindError::Failed(
        UserError::new(Kind::Agent, format!("another agent of this user does not end: {holder}"))
            .hint("end it: `rolecall agent stop`, or by its number"),
    ))
}

/// Refuses sockets that are meant for another process (sd_listen_fds(3)): who set these variables expects an agent behind
/// its socket, and one that binds its own instead would never be found there.
fn activation_of_another_process() -> Option<BindError> {
    #[expect(clippy::disallowed_methods, reason = "systemd hands sockets over by the environment")]
    let (fds, pid) = (env::var("LISTEN_FDS").ok()?, env::var("LISTEN_PID").unwrap_or_default());
    let own = std::process::id();
    if fds.is_empty() || fds == "0" || pid == own.to_string() {
        return None;
    }
    let named = if pid.is_empty() { "is not set".to_owned() } else { format!("names process {}", printable(&pid, 20)) };
    let what = format!("socket activation: LISTEN_PID {named}, and this is process {own}");
    let hint = "start the agent by its unit, or without LISTEN_FDS: `env -u LISTEN_FDS -u LISTEN_PID rolecalld`";
    Some(BindError::Failed(UserError::new(Kind::Agent, what).hint(hint)))
}

/// Takes the one socket that systemd hands over (sd_listen_fds(3)), and its path; anything else it hands over is refused.
fn activation(mut given: listenfd::ListenFd) -> Result<Option<(UnixListener, PathBuf)>, BindError> {
    let refuse = |what: &str| {
        BindError::Failed(
            UserError::new(Kind::Agent, format!("socket activation: {what}"))
                .hint("rolecall.socket has one ListenStream= of a path"),
        )
    };
    match given.len() {
        0 => Ok(None),
        1 => match given.take_unix_listener(0) {
            // One that does not listen would be accepted on for ever, in vain.
            Ok(Some(listener)) if rustix::net::sockopt::socket_acceptconn(&listener).unwrap_or(false) => {
                let address = listener.local_addr().ok();
                // Without a path nobody can tell whether it is still found there.
                let path = address.as_ref().and_then(|at| at.as_pathname()).filter(|path| path.is_absolute());
                let path = path.ok_or_else(|| refuse("the socket has no absolute path"))?.to_path_buf();
                Ok(Some((listener, path)))
            }
            Ok(_) | Err(_) => Err(refuse("the descriptor is not a listening unix socket")),
        },
        n => Err(refuse(&format!("{n} descriptors were handed over, one is expected"))),
    }
}

fn serve(paths: Paths, socket: Socket, detached: bool) -> ExitCode {
    let log = Log::start(detached);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKER_THREADS).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(e) => {
            let report = UserError::new(Kind::Agent, format!("cannot start the agent's threads: {e}"));
            let code = report.kind.exit_code();
            tell(detached, &Startup::Failed { report });
            return ExitCode::from(code);
        }
    };
    let slots = connections(process::raise_descriptor_limit());
    let ended = runtime.block_on(async {
        let clock = Arc::new(SystemClock);
        let bus = SessionBus::new(variable("DBUS_SESSION_BUS_ADDRESS"));
        let programs = of_programs(&paths);
        let ambient = ambient().with_programs(programs.clone(), Arc::clone(&bus));
        let vault = Vaults::new(&paths.vault_file, &paths.state, &paths.keyring_service(), Arc::clone(&bus));
        let vault = Arc::new(vault);
        let ports = Ports {
            tokens: Arc::new(Sts::new(clock.clone(), ambient, Some(vault.clone()))),
            vault,
            prompter: Arc::new(Desktop::new(programs, bus)),
            clock,
        };
        let agent = Agent::new(ports, paths);
        let (tell_desk, desk) = tokio::sync::mpsc::channel(DESK_EVENTS);
        tokio::spawn(lifecycle::endless("logind", async move || {
            rolecall_adapters::logind::follow(variable("DBUS_SYSTEM_BUS_ADDRESS"), tell_desk.clone()).await;
        }));
        lifecycle::run(agent, socket, slots, desk, || tell(detached, &Startup::Ready)).await
    });
    // A keyring that never answers must not keep the process: its thread is left behind.
    runtime.shutdown_background();
    let code = match ended {
        Ok(Ending::Asked | Ending::Displaced | Ending::Signal) => ExitCode::SUCCESS,
        Ok(Ending::TaskEnded(task)) => {
            tracing::error!(task, "the agent ended because a task ended that never ends");
            ExitCode::FAILURE
        }
        Err(error) => {
            tracing::error!(%error, "the agent ended");
            ExitCode::FAILURE
        }
    };
    log.flush();
    code
}

/// Takes what our own environment says of credentials: once, here, and nobody looks again.
fn ambient() -> StartupEnv {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the agent's environment for credentials")]
    StartupEnv::from_vars(|name| env::var_os(name))
}

/// Makes the environment of the programs that we start.
fn of_programs(paths: &Paths) -> Vec<(OsString, OsString)> {
    let user = rolecall_platform::paths::in_passwd(rustix::process::geteuid().as_raw());
    #[expect(clippy::disallowed_methods, reason = "a list of variables is handed on")]
    rolecall_adapters::program_environment::of_programs(paths, user.as_ref(), |name| env::var_os(name))
}

/// Reads the address of a bus.
fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the addresses of the buses, which are handed on")]
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Writes a failure to stderr, in the form of the client.
fn complain(report: &UserError) {
    let hint = report.hint.as_deref().map(|hint| format!("\nhint: {}", printable(hint, LINE_MAX))).unwrap_or_default();
    let _ = writeln!(io::stderr(), "rolecall: {}{hint}", printable(&report.message, LINE_MAX));
}

/// Reports the start to whoever waits for it on our standard output, then lets go of it; in the foreground, says a failure.
fn tell(detached: bool, startup: &Startup) {
    let line = match (detached, startup) {
        (true, startup) => serde_json::to_string(startup).unwrap_or_default(),
        (false, Startup::Failed { report }) => {
            complain(report);
            return;
        }
        (false, Startup::AlreadyRunning) => "an agent is running already".to_owned(),
        (false, Startup::Ready) => "the agent is running; Ctrl-C ends it".to_owned(),
    };
    let _ = writeln!(io::stdout(), "{line}");
    if detached && let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}
