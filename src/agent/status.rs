//! What `status` shows.

use super::sessions::Glance;
use super::{Agent, flight};
use crate::domain::catalogue::VaultKind;
use crate::domain::credential::{Freshness, Now};
use crate::domain::plan::{Plan, SessionKey};
use crate::domain::report::{Kind, Report};
use crate::ports::VaultState;
use crate::protocol::message::Answer;
use crate::protocol::status::{AgentStatus, Counts, IdentityStatus, RoleStatus, SessionStatus, Status, VaultStatus};
use chrono::TimeDelta;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

impl Agent {
    /// Gathers everything there is to say.
    pub(super) async fn status(&self) -> Status {
        let now = self.ports.clock.now();
        let catalogue = self.configuration.catalogue();
        let (state, reason) = match self.ports.vault.state().await {
            VaultState::Ready => ("ready", None),
            VaultState::Locked => ("locked", None),
            VaultState::Absent(why) => ("absent", Some(why)),
        };
        if state == "ready" {
            self.look_at_keys().await;
        }
        let kind = if catalogue.agent.vault == VaultKind::Os { "os" } else { "file" };
        let callers = self.last_callers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut warnings: Vec<Report> = self.configuration.problem().into_iter().collect();
        warnings.extend(self.unfinished_rotations().await.into_iter().map(|(_, report)| report));
        warnings.extend(self.idle_rules().await);
        warnings.extend(self.overdue_keys().iter().map(super::key_age::OverdueKey::report));
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
                    warnings.push(Report { message, ..failure.clone() });
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
        warnings.extend(self.sessions.questions.codes.waits());
        warnings.extend(self.ending());
        let sockets = self.extra.status(&catalogue);
        warnings.extend(sockets.iter().filter_map(|socket| socket.error.clone()));
        if self.audit.lost() > 0 {
            warnings.push(
                Report::new(Kind::Failed, format!("{} lines of the audit log could not be written", self.audit.lost()))
                    .hint(format!("look at `{}` and the space on its disk", self.paths.audit_log().display())),
            );
        }
        Status {
            agent: AgentStatus {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                started: self.started,
                now: now.wall,
                config: self.paths.config.display().to_string(),
                socket: self.paths.socket.display().to_string(),
            },
            warnings,
            questions: self.sessions.questions.status(),
            vault: VaultStatus { kind: kind.to_owned(), state: state.to_owned(), reason },
            identities,
            roles,
            endpoint: self.endpoint.status(),
            sockets,
            counts: self.counts(),
        }
    }

    /// Tells what a prompt shows of a name; nothing is fetched, and nothing counts as a use.
    pub(super) fn glance(&self, name: &str) -> Answer {
        let Ok(plan) = self.configuration.plan(name) else {
            return Answer::Glance { left_seconds: None, known: false };
        };
        let held = self.sessions.glance(plan.key()).and_then(|glance| glance.held);
        let left = held.map(|held| held.lifetime.left(self.ports.clock.now()).as_secs());
        Answer::Glance { left_seconds: left.filter(|left| *left > 0), known: true }
    }

    fn key_of(&self, name: &str) -> Option<SessionKey> {
        Some(self.configuration.plan(name).ok()?.key().clone())
    }

    fn failure_of(&self, name: &str) -> Option<Report> {
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
        }
    }
}

fn session(glance: &Glance, now: Now) -> Option<SessionStatus> {
    let held: &flight::Held = glance.held.as_deref()?;
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
