//! What `status` shows.

use super::sessions::SessionPeek;
use super::{Agent, log, refresh};
use chrono::TimeDelta;
use rolecall_core::domain::catalogue::{IdentityKind, VaultKind};
use rolecall_core::domain::credential::{Freshness, Now};
use rolecall_core::domain::error::{Kind, UserError, printable};
use rolecall_core::domain::plan::{Plan, SessionKey};
use rolecall_ipc::protocol::message::Answer;
use rolecall_ipc::protocol::status::{
    AgentStatus, Counts, IdentityStatus, RoleStatus, SessionStatus, Status, VaultStatus,
};
use rolecall_platform::blocking::{self, STATE};
use rolecall_platform::files;
use rolecall_ports::{VaultState, no_key};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the look at the agent's own files may take.
const LOOK: Duration = Duration::from_secs(1);

impl Agent {
    /// Gathers everything there is to say.
    pub(super) async fn status(&self) -> Status {
        let now = self.ports.clock.now();
        let catalogue = self.configuration.catalogue();
        let (state, reason) = match self.ports.vault.state().await {
            VaultState::Ready => ("ready", None),
            VaultState::Locked => ("locked", None),
            VaultState::Absent(why) | VaultState::Unreached(why) => ("absent", Some(why)),
        };
        if state == "ready" {
            self.look_at_keys().await;
        }
        let kind = if catalogue.agent.vault == VaultKind::Os { "os" } else { "file" };
        let callers = self.last_callers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut warnings: Vec<UserError> = self.configuration.problem().into_iter().collect();
        warnings.extend(catalogue.color_warning());
        warnings.extend(self.ports.vault.warning());
        warnings.extend(self.unfinished_rotations().await.into_iter().map(|(_, report)| report));
        warnings.extend(self.idle_rules().await);
        warnings.extend(self.overdue_keys().iter().map(super::key_age::OverdueKey::report));
        let mut failures = Failures::default();
        let mut roles: Vec<RoleStatus> = Vec::with_capacity(catalogue.roles.len());
        for role in catalogue.roles.values() {
            let glance =
                Plan::of(&catalogue, role.name.as_str()).ok().and_then(|plan| self.sessions.glance(plan.key()));
            let mut shown = RoleStatus {
                name: role.name.to_string(),
                source: role.source.to_string(),
                role_arn: role.role_arn.to_string(),
                session: None,
                error: None,
                last_used: None,
                last_caller: callers.get(role.name.as_str()).cloned(),
            };
            if let Some(glance) = glance {
                shown.session = session(&glance, now);
                shown.last_used = glance
                    .last_used
                    .and_then(|at| Some(now.wall - TimeDelta::from_std(now.boot.checked_sub(at)?).ok()?));
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
                name: identity.name.to_string(),
                kind: identity.kind.as_str().to_owned(),
                mfa_serial: identity.mfa_serial.as_ref().map(|serial| serial.as_str().to_owned()),
                key: self.key_age(identity, now.wall),
                session: self.key_of(identity.name.as_str()).and_then(|key| session(&self.sessions.glance(&key)?, now)),
                error: identity.source.as_ref().and_then(|_| self.failure_of(identity.name.as_str())),
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
        warnings.extend(self.sessions.questions.codes.waits());
        warnings.extend(self.ending());
        let sockets = self.extra.status(&catalogue);
        warnings.extend(sockets.iter().filter_map(|socket| socket.error.clone()));
        warnings.extend(self.log_warnings());
        let hung_files = blocking::overdue().into_iter().map(|call| call.subject).collect::<BTreeSet<String>>();
        warnings.extend(hung(&hung_files).into_iter().chain(self.unusable_files().await));
        warnings.extend(failures.told());
        Status {
            agent: AgentStatus {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                started: self.started,
                now: now.wall,
                config: self.paths.config.display().to_string(),
                socket: self.paths.socket.display().to_string(),
                world: self.paths.world.as_ref().map(|world| world.display().to_string()),
            },
            warnings,
            questions: self.sessions.questions.status(),
            vault: VaultStatus { kind: kind.to_owned(), state: state.to_owned(), reason },
            identities,
            roles,
            endpoint: self.endpoint.status(),
            sockets,
            hung_files: hung_files.into_iter().collect(),
            counts: self.counts(),
        }
    }

    /// Says what is lost because a file of the agent could not be written, and how often the agent itself failed.
    fn log_warnings(&self) -> Vec<UserError> {
        let mut warnings = Vec::new();
        if self.audit.lost() > 0 {
            warnings.push(
                UserError::new(
                    Kind::Failed,
                    format!("{} lines of the audit log could not be written", self.audit.lost()),
                )
                .hint(format!("look at `{}` and the space on its disk", self.paths.audit_log().display())),
            );
        }
        if log::lost() > 0 {
            let what = format!("{} lines of the agent's log could not be written", log::lost());
            warnings.push(UserError::new(Kind::Failed, what).hint(format!(
                "look at `{}` and the space on its disk, or at what reads the agent's standard error",
                self.paths.agent_log().display()
            )));
        }
        if log::is_missing() {
            let path = self.paths.agent_log();
            let what = format!("the agent has no log: {} could not be opened when it started", path.display());
            let hint = "look at its directory and the space on its disk, then run `rolecall agent restart`";
            warnings.push(UserError::new(Kind::Failed, what).hint(hint));
        }
        if log::panics() > 0 {
            let what = format!("{} internal errors in the agent; each ended what met it", log::panics());
            warnings.push(UserError::new(Kind::Failed, what).hint("report the places that are in the agent's log"));
        }
        warnings.extend(self.endpoint.warning());
        warnings
    }

    /// Names what lies in the place of a file of ours and is not one: the agent serves without it.
    async fn unusable_files(&self) -> Vec<UserError> {
        let (audit, endpoint) = (self.paths.audit_log(), self.endpoint.file().to_path_buf());
        let rotated = (1..=2).map(|n| PathBuf::from(format!("{}.{n}", audit.display())));
        let files: Vec<PathBuf> = rotated.chain([audit.clone(), self.paths.agent_log(), endpoint]).collect();
        let unusable = |path: PathBuf| {
            let why = files::unusable(&path)?;
            let report = UserError::new(Kind::Failed, format!("{} cannot be used: {why}", path.display()));
            Some(report.hint(format!("move it away: `mv {0} {0}.old`", path.display())))
        };
        let look = move || files.into_iter().filter_map(unusable).collect();
        // A directory that does not answer is among the hung files.
        STATE.run(self.paths.state.display().to_string(), LOOK, look).await.unwrap_or_default()
    }

    /// Tells what a prompt shows of a name; nothing is fetched, and nothing counts as a use.
    pub(super) fn glance(&self, name: &str) -> Answer {
        let Ok(plan) = self.configuration.plan(name) else {
            return Answer::Glance { left_seconds: None, known: false, unlock: None };
        };
        let left_seconds = self.left(plan.key()).filter(|left| *left > 0);
        let unlock = if left_seconds.is_none() { self.wants(&plan) } else { None };
        Answer::Glance { left_seconds, known: true, unlock }
    }

    fn left(&self, key: &SessionKey) -> Option<u64> {
        let held = self.sessions.glance(key)?.held?;
        Some(held.lifetime.left(self.ports.clock.now()).as_secs())
    }

    /// Tells what a person has to open before there can be a session, as `rolecall unlock` takes it; by what is in memory
    /// alone, as a prompt waits for it.
    fn wants(&self, plan: &Plan) -> Option<String> {
        // With the session of a code, or of a source, the rest needs nobody.
        if plan.keys.iter().any(|key| self.left(key).is_some_and(|left| left > 0)) {
            return None;
        }
        let has_key = plan.identity.kind == IdentityKind::IamUser;
        if has_key && self.key_facts.vault_is_locked() {
            return Some("--vault".to_owned());
        }
        plan.mfa_serial()?;
        let nobody_came = plan.keys.iter().filter_map(|key| self.sessions.glance(key)?.failure);
        let is_asked = nobody_came.into_iter().any(|failure| failure.kind == Kind::Locked)
            || (has_key && self.key_facts.has_no_totp(&plan.identity.name));
        is_asked.then(|| plan.unlock_name().to_string())
    }

    fn key_of(&self, name: &str) -> Option<SessionKey> {
        Some(self.configuration.plan(name).ok()?.key().clone())
    }

    fn failure_of(&self, name: &str) -> Option<UserError> {
        self.sessions.glance(&self.key_of(name)?)?.failure
    }

    fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            gets: read(&self.counters.gets),
            handed_out: read(&self.counters.handed_out),
            sts_calls: read(&self.counters.sts_calls),
            sts_failures: read(&self.counters.sts_failures),
            vault_reads: read(&self.counters.vault_reads),
            turned_away: read(&self.counters.turned_away),
            audit_lost: self.audit.lost(),
            log_lost: log::lost(),
            internal_errors: log::panics(),
        }
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
    let held: &refresh::CachedCredentials = glance.held.as_deref()?;
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
