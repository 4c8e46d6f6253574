//! What `status` shows.

use super::credential_cache::SessionPeek;
use super::credentials::CachedCredentials;
use super::key_age::OverdueKey;
use super::notifications::ending;
use super::program_rules::idle_rules;
use super::{Agent, log};
use chrono::TimeDelta;
use rolecall_core::domain::credential::{Freshness, Now};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::plan::{Plan, SessionKey};
use rolecall_ipc::protocol::status::{
    AgentStatus, Counts, IdentityStatus, RoleStatus, SessionStatus, Status, VaultStatus,
};
use rolecall_platform::blocking::{self, STATE};
use rolecall_platform::files;
use rolecall_platform::panics::Guard;
use rolecall_ports::{VaultState, no_key};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the look at the agent's own files may take.
const LOOK: Duration = Duration::from_secs(1);

/// Gathers everything there is to say.
pub(super) async fn status(agent: &Agent) -> Status {
    let now = agent.ports.clock.now();
    let catalogue = agent.config.catalogue();
    let (state, reason) = match agent.ports.vault.state().await {
        VaultState::Ready => ("ready", None),
        VaultState::Locked => ("locked", None),
        VaultState::Absent(why) | VaultState::Unreached(why) => ("absent", Some(why)),
    };
    if state == "ready" {
        agent.keys.facts.read_unknown(&catalogue, &*agent.ports.vault).await;
    }
    let callers = agent.broker.last_callers.guard().clone();
    let mut warnings: Vec<UserError> = agent.config.problem().into_iter().collect();
    warnings.extend(catalogue.color_warning());
    warnings.extend(agent.ports.vault.warning());
    warnings.extend(agent.keys.rotations.unfinished(&catalogue).await.into_iter().map(|(_, report)| report));
    warnings.extend(idle_rules(&catalogue).await);
    warnings.extend(agent.keys.facts.overdue(&catalogue, now.wall).iter().map(OverdueKey::report));
    let mut failures = Failures::default();
    let mut roles: Vec<RoleStatus> = Vec::with_capacity(catalogue.roles.len());
    for role in catalogue.roles.values() {
        let glance = Plan::of(&catalogue, role.name.as_str()).ok().and_then(|plan| agent.cache.glance(plan.key()));
        let last_caller = callers.get(role.name.as_str()).cloned();
        let mut shown = RoleStatus { last_caller, ..RoleStatus::of(role) };
        if let Some(glance) = glance {
            shown.session = session(&glance, now);
            shown.last_used =
                glance.last_used.and_then(|at| Some(now.wall - TimeDelta::from_std(now.boot.checked_sub(at)?).ok()?));
            if let (Some(failure), Some(held)) = (&glance.failure, &shown.session) {
                let message =
                    format!("{}: renewal fails, {}s are left: {}", role.name, held.left_seconds, failure.message);
                warnings.push(UserError { message, ..failure.clone() });
            }
            if let Some(failure) = glance.failure.as_ref().filter(|_| shown.session.is_none()) {
                failures.add(&shown.name, failure);
            }
            shown.error = glance.failure;
        }
        roles.push(shown);
    }
    roles.sort_by(|a, b| a.name.cmp(&b.name));
    let mut identities: Vec<IdentityStatus> = catalogue
        .identities
        .values()
        .map(|identity| IdentityStatus {
            key: agent.keys.facts.age(identity, now.wall),
            session: key_of(agent, identity.name.as_str()).and_then(|key| session(&agent.cache.glance(&key)?, now)),
            error: identity.source.as_ref().and_then(|_| failure_of(agent, identity.name.as_str())),
            ..IdentityStatus::of(identity)
        })
        .collect();
    identities.sort_by(|a, b| a.name.cmp(&b.name));
    for identity in &identities {
        if let Some(error) = &identity.error {
            failures.add(&identity.name, error);
        }
        if identity.key.as_ref().is_some_and(|key| key.missing) {
            failures.add_nameless(&no_key(catalogue.agent.vault, &identity.name));
        }
    }
    warnings.extend(agent.broker.prompts.codes.waits());
    warnings.extend(ending(&catalogue, &agent.cache, now));
    let sockets = agent.sockets.status(&catalogue);
    warnings.extend(sockets.iter().filter_map(|socket| socket.error.clone()));
    warnings.extend(log_warnings(agent));
    let hung_files = blocking::overdue().into_iter().map(|call| call.subject).collect::<BTreeSet<String>>();
    warnings.extend(hung(&hung_files).into_iter().chain(unusable_files(agent).await));
    warnings.extend(failures.told());
    Status {
        agent: AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: agent.started,
            now: now.wall,
            config: agent.paths.config.display().to_string(),
            socket: agent.paths.socket.display().to_string(),
            world: agent.paths.world.as_ref().map(|world| world.display().to_string()),
        },
        warnings,
        questions: agent.broker.prompts.status(),
        vault: VaultStatus { kind: catalogue.agent.vault.as_str().to_owned(), state: state.to_owned(), reason },
        identities,
        roles,
        endpoint: agent.endpoint.status(),
        sockets,
        hung_files: hung_files.into_iter().collect(),
        counts: counts(agent),
    }
}

/// Says what is lost because a file of the agent could not be written, and how often the agent itself failed.
fn log_warnings(agent: &Agent) -> Vec<UserError> {
    let mut warnings = Vec::new();
    if agent.audit.lost() > 0 {
        warnings.push(
            UserError::new(Kind::Failed, format!("{} lines of the audit log could not be written", agent.audit.lost()))
                .hint(format!("look at `{}` and the space on its disk", agent.paths.audit_log().display())),
        );
    }
    if log::lost() > 0 {
        let what = format!("{} lines of the agent's log could not be written", log::lost());
        warnings.push(UserError::new(Kind::Failed, what).hint(format!(
            "look at `{}` and the space on its disk, or at what reads the agent's standard error",
            agent.paths.agent_log().display()
        )));
    }
    if log::is_missing() {
        let path = agent.paths.agent_log();
        let what = format!("the agent has no log: {} could not be opened when it started", path.display());
        let hint = "look at its directory and the space on its disk, then run `rolecall agent restart`";
        warnings.push(UserError::new(Kind::Failed, what).hint(hint));
    }
    if log::panics() > 0 {
        let what = format!("{} internal errors in the agent; each ended what met it", log::panics());
        warnings.push(UserError::new(Kind::Failed, what).hint("report the places that are in the agent's log"));
    }
    warnings.extend(agent.endpoint.warning());
    warnings
}

/// Names what lies in the place of a file of ours and is not one: the agent serves without it.
async fn unusable_files(agent: &Agent) -> Vec<UserError> {
    let (audit, endpoint) = (agent.paths.audit_log(), agent.endpoint.file().to_path_buf());
    let rotated = (1..=2).map(|n| PathBuf::from(format!("{}.{n}", audit.display())));
    let files: Vec<PathBuf> = rotated.chain([audit.clone(), agent.paths.agent_log(), endpoint]).collect();
    let unusable = |path: PathBuf| {
        let why = files::unusable(&path)?;
        let report = UserError::new(Kind::Failed, format!("{} cannot be used: {why}", path.display()));
        Some(report.hint(format!("move it away: `mv {0} {0}.old`", path.display())))
    };
    let look = move || files.into_iter().filter_map(unusable).collect();
    // A directory that does not answer is among the hung files.
    STATE.run(agent.paths.state.display().to_string(), LOOK, look).await.unwrap_or_default()
}

fn key_of(agent: &Agent, name: &str) -> Option<SessionKey> {
    Some(agent.config.plan(name).ok()?.key().clone())
}

fn failure_of(agent: &Agent, name: &str) -> Option<UserError> {
    agent.cache.glance(&key_of(agent, name)?)?.failure
}

fn counts(agent: &Agent) -> Counts {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Counts {
        gets: read(&agent.broker.counters.gets),
        handed_out: read(&agent.broker.counters.handed_out),
        sts_calls: read(&agent.broker.counters.sts_calls),
        sts_failures: read(&agent.broker.counters.sts_failures),
        vault_reads: read(&agent.broker.counters.vault_reads),
        turned_away: read(&agent.broker.counters.turned_away),
        audit_lost: agent.audit.lost(),
        log_lost: log::lost(),
        internal_errors: log::panics(),
    }
}

/// Warns of files that do not answer: for each, a thread waits until it does.
fn hung(paths: &BTreeSet<String>) -> Option<UserError> {
    let (first, last) = (paths.first()?, paths.last()?);
    let more = if first == last { String::new() } else { format!(" and {} more", paths.len() - 1) };
    let what = format!("a file does not answer: {}{more}", printable(first, PATH_SHOWN));
    Some(UserError::new(Kind::Failed, what).hint("see what is mounted there: `cat /proc/self/mounts`"))
}

/// The longest path in a warning.
const PATH_SHOWN: usize = 80;

/// Why there are no sessions: each cause once, with everybody whom it concerns.
#[derive(Default)]
struct Failures(Vec<(Vec<String>, UserError)>);

impl Failures {
    fn add(&mut self, name: &str, report: &UserError) {
        // That a person is waited for is told already: with the vault, or by who waits for a code.
        if report.kind == Kind::Locked {
            return;
        }
        self.add_nameless(report);
        let of_it = self.0.iter_mut().find(|(_, known)| known == report);
        of_it.expect("it was added").0.push(name.to_owned());
    }

    /// Adds what says itself whom it concerns.
    fn add_nameless(&mut self, report: &UserError) {
        if !self.0.iter().any(|(_, known)| known == report) {
            self.0.push((Vec::new(), report.clone()));
        }
    }

    fn told(self) -> impl Iterator<Item = UserError> {
        self.0.into_iter().map(|(mut names, report)| {
            names.sort_unstable();
            match names.as_slice() {
                [] => report,
                names => UserError { message: format!("{}: {}", names.join(", "), report.message), ..report },
            }
        })
    }
}

fn session(glance: &SessionPeek, now: Now) -> Option<SessionStatus> {
    let held: &CachedCredentials = glance.held.as_deref()?;
    let freshness = match held.freshness(now) {
        Freshness::Fresh => "fresh",
        Freshness::Due => "due",
        Freshness::Low => "low",
        Freshness::Expired => "expired",
    };
    Some(SessionStatus {
        access_key_id: held.access_key_id.clone(),
        expiration: held.lifetime.expiration,
        left_seconds: held.lifetime.left(now).as_secs(),
        life_seconds: held.lifetime.life.as_secs(),
        freshness: freshness.to_owned(),
    })
}
