//! The real agent in this process: real socket, real client, real STS adapter, and a clock and a vault of the test's.

use super::clock::TestClock;
use super::leaks::Canaries;
use super::memory_vault::MemoryVault;
use super::prompter::TestPrompter;
use rolecall::adapters::sources::StartupEnv;
use rolecall::adapters::sts::Sts;
use rolecall::agent::socket::Socket;
use rolecall::agent::{Agent, Ports, lifecycle};
use rolecall::client::{self, Autostart};
use rolecall::domain::credential::{AccessKey, Session};
use rolecall::domain::error::UserError;
use rolecall::domain::question::Notice;
use rolecall::domain::secret::SecretKey;
use rolecall::paths::Paths;
use rolecall::ports::{DesktopEvent, StoredKey};
use rolecall::protocol::message::{Answer, Context, Request};
use rolecall::protocol::process_output;
use rolecall::protocol::status::{RoleStatus, Status};
use rolecall_sandbox::tutorials::USER_ARN;
use rolecall_sandbox::{Clock, Sandbox, World};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

/// The tutorials' configuration; `ENDPOINT` is the sandbox.
pub(crate) const TUTORIAL: &str = r#"
[aws]
endpoint_url_sts = "ENDPOINT"

[identities.auth]
type = "iam-user"
region = "eu-west-1"

[roles.prod]
source = "auth"
role_arn = "arn:aws:iam::222222222222:role/AssumedRole"
"#;

pub(crate) struct Inside {
    pub(crate) aws: Sandbox,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) vault: Arc<MemoryVault>,
    pub(crate) paths: Paths,
    pub(crate) canaries: Canaries,
    prompter: Arc<TestPrompter>,
    /// Says what happens on the desktop.
    desk: mpsc::Sender<DesktopEvent>,
    thread: Option<JoinHandle<()>>,
    dir: TempDir,
}

impl Inside {
    /// Starts the tutorials' world with a configuration.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_in(World::tutorials(), config)
    }

    pub(crate) fn start_in(world: World, config: &str) -> Self {
        Self::start_with(world, config, 4096)
    }

    /// Starts an agent that serves so many connections at once.
    pub(crate) fn start_with(world: World, config: &str, slots: usize) -> Self {
        Self::make(world, Some(config), slots, |_| {})
    }

    /// Starts an agent on a disk that was prepared for it.
    pub(crate) fn start_after(config: &str, prepare: impl FnOnce(&Paths)) -> Self {
        Self::make(World::tutorials(), Some(config), 4096, prepare)
    }

    pub(crate) fn start_without_config(world: World) -> Self {
        Self::make(world, None, 4096, |_| {})
    }

    /// Starts an agent whose own environment says something of credentials.
    pub(crate) fn start_where(world: World, config: &str, ambient: impl FnOnce(&Sandbox) -> StartupEnv) -> Self {
        Self::make_where(world, Some(config), 4096, |_| {}, ambient)
    }

    fn make(world: World, config: Option<&str>, slots: usize, prepare: impl FnOnce(&Paths)) -> Self {
        Self::make_where(world, config, slots, prepare, |_| StartupEnv::default())
    }

    fn make_where(
        world: World,
        config: Option<&str>,
        slots: usize,
        prepare: impl FnOnce(&Paths),
        ambient: impl FnOnce(&Sandbox) -> StartupEnv,
    ) -> Self {
        let wall = Clock::at("2026-11-22T08:00:00Z");
        let aws = Sandbox::start(world, wall.clone());
        let clock = Arc::new(TestClock::new(wall));
        let dir = tempfile::tempdir().unwrap();
        let paths = paths(dir.path());
        if let Some(config) = config {
            write_config(&paths.config, config, &aws.url());
        }
        rolecall::files::ensure_private_dir(&paths.state).unwrap();
        prepare(&paths);
        let vault = Arc::new(MemoryVault::new());
        let canaries = Canaries::default();
        let key = aws.access_key(USER_ARN);
        canaries.add(&key.secret);
        vault.put("auth", stored(&key.id, &key.secret));
        let prompter = Arc::new(TestPrompter::default());
        let (desk, events) = mpsc::channel(4);
        let thread = run(&paths, &clock, &vault, &prompter, slots, ambient(&aws), events);
        Self { aws, clock, vault, paths, canaries, desk, prompter, thread: Some(thread), dir }
    }

    /// Gives what was told on the desktop so far, and searches it for secrets.
    pub(crate) fn told(&self) -> Vec<Notice> {
        let told = self.prompter.told();
        for notice in &told {
            self.canaries.shown(&format!("{notice:?}"));
        }
        told
    }

    /// Tells the agent what happens on the desktop.
    pub(crate) fn tell(&self, event: DesktopEvent) {
        self.desk.blocking_send(event).expect("the agent listens");
    }

    /// Puts the machine to sleep, which waits for the agent.
    pub(crate) fn go_to_sleep(&self) {
        let (wiped, is_wiped) = oneshot::channel();
        self.tell(DesktopEvent::Sleep(wiped));
        is_wiped.blocking_recv().expect("the agent lets the machine sleep");
    }

    /// Replaces the configuration as an editor does, and waits until the agent has seen it.
    pub(crate) fn edit(&self, config: &str) -> Result<(), UserError> {
        write_config(&self.paths.config, config, &self.aws.url());
        self.ask(Request::Reload).map(drop)
    }

    pub(crate) fn get(&self, name: &str) -> Result<Session, UserError> {
        self.get_as(name, Context::default())
    }

    /// Asks for a session where there is a display, on which the agent's pinentry can ask.
    pub(crate) fn get_at_display(&self, name: &str) -> Result<Session, UserError> {
        self.get_as(name, Context { display: Some(":7".to_owned()), ..Context::default() })
    }

    fn get_as(&self, name: &str, context: Context) -> Result<Session, UserError> {
        let line = client::get(&self.paths, name, context);
        match &line {
            Ok(line) => {
                let session = process_output::parse(line).expect("a complete line");
                self.canaries.add(session.secret.expose());
                self.canaries.add(session.token.expose());
                Ok(session)
            }
            Err(report) => {
                self.canaries.shown(&format!("{report:?}"));
                Err(report.clone())
            }
        }
    }

    pub(crate) fn ask(&self, request: Request) -> Result<Answer, UserError> {
        client::ask(&self.paths, request, Context::default(), Autostart::No)
    }

    pub(crate) fn status(&self) -> Status {
        match self.ask(Request::Status).unwrap() {
            Answer::Status(status) => *status,
            other => panic!("not a status: {other:?}"),
        }
    }

    pub(crate) fn role(&self, name: &str) -> RoleStatus {
        self.status().roles.into_iter().find(|role| role.name == name).expect("the role is in the configuration")
    }

    /// Lets time pass and waits until what is due is renewed or has failed to be.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.settle();
    }

    /// Lets time pass and waits until what is due is renewed; many at once keep a distance, which takes time as well.
    pub(crate) fn pass_at_pace(&self, time: Duration) {
        self.clock.advance(time);
        until("renewals are over", || {
            self.clock.advance(Duration::from_millis(400));
            self.is_settled()
        });
    }

    /// Waits until no renewal is under way.
    pub(crate) fn settle(&self) {
        until("renewals are over", || self.is_settled());
    }

    fn is_settled(&self) -> bool {
        self.status().roles.iter().all(|role| {
            let at_rest = role.session.as_ref().is_none_or(|s| s.freshness == "fresh" || s.freshness == "expired");
            at_rest || role.error.is_some()
        })
    }

    /// Ends the agent and starts another in its place, on the same disk and at the same time.
    pub(crate) fn restart(&mut self) {
        self.restart_after(|| {});
    }

    /// The same, with something done while there is none.
    pub(crate) fn restart_after(&mut self, between: impl FnOnce()) {
        self.ask(Request::Stop).unwrap();
        self.end();
        between();
        let (desk, events) = mpsc::channel(4);
        self.desk = desk;
        let ambient = StartupEnv::default();
        self.thread = Some(run(&self.paths, &self.clock, &self.vault, &self.prompter, 4096, ambient, events));
    }

    /// Waits for an end that the agent comes to by itself.
    pub(crate) fn end(&mut self) {
        let thread = self.thread.take().expect("it has not ended before");
        until("the agent ends", || thread.is_finished());
        thread.join().expect("it ends in good order");
    }

    /// Gives the audit log's lines of one kind of event, as far as they are written.
    pub(crate) fn audit(&self, event: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.paths.audit_log()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.filter(|line| line["event"] == event).collect()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let asked = self.thread.as_ref().map(|_| self.ask(Request::Stop));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if std::thread::panicking() {
                return;
            }
            assert!(asked.is_some_and(|asked| asked.is_ok()) && ended.is_ok(), "the agent ends when it is asked to");
        }
        self.canaries.scan(self.dir.path());
    }
}

/// How long any wait of a test may take. No machine needs that long: the limit only turns a hang into a failure.
pub(crate) const LIMIT: Duration = Duration::from_mins(5);

/// Waits for a condition that the agent brings about by itself.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + LIMIT;
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "not within {} minutes: {what}", LIMIT.as_secs() / 60);
        // Leaves the processor to whom the condition depends on; the result does not depend on how long.
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

pub(crate) fn stored(id: &str, secret: &str) -> StoredKey {
    StoredKey {
        key: AccessKey { id: id.to_owned(), secret: SecretKey::new(secret.to_owned()) },
        arn: USER_ARN.to_owned(),
        stored: Clock::at("2026-11-01T00:00:00Z").now(),
        totp: None,
        created: None,
        next: None,
        imported: false,
        first: None,
    }
}

fn paths(dir: &Path) -> Paths {
    Paths {
        config: dir.join("config/config.toml"),
        socket: dir.join("run/agent.sock"),
        state: dir.join("state"),
        vault_file: dir.join("data/vault"),
        aws_config: dir.join("aws/config"),
        aws_credentials: dir.join("aws/credentials"),
        ..Paths::default()
    }
}

pub(crate) fn write_config(path: &Path, config: &str, endpoint: &str) {
    rolecall::files::ensure_private_dir(path.parent().unwrap()).unwrap();
    rolecall::files::write_atomically(path, config.replace("ENDPOINT", endpoint).as_bytes()).unwrap();
}

fn run(
    paths: &Paths,
    clock: &Arc<TestClock>,
    vault: &Arc<MemoryVault>,
    prompter: &Arc<TestPrompter>,
    slots: usize,
    ambient: StartupEnv,
    events: mpsc::Receiver<DesktopEvent>,
) -> JoinHandle<()> {
    let socket = Socket::bind(paths).expect("the socket is free");
    let ports = Ports {
        vault: vault.clone(),
        tokens: Arc::new(Sts::new(clock.clone(), ambient, Some(vault.clone()))),
        prompter: prompter.clone(),
        clock: clock.clone(),
    };
    let paths = paths.clone();
    let (ready, is_ready) = channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let agent = Agent::new(ports, paths);
            lifecycle::run(agent, socket, slots, events, || ready.send(()).unwrap()).await.unwrap();
        });
        runtime.shutdown_background();
    });
    is_ready.recv().unwrap();
    thread
}
