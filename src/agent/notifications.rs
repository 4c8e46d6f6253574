//! Notifications of the desktop: a code or a consent is needed and nobody could be asked, an MFA session ends soon, a key is
//! too old.
//!
//! It decides what is said and when, once each; who shows it is behind the `Prompter` port. The decision is a function of
//! what is there, what was told and the time, so that a day of it is tested in no time. No notice holds a secret.

use super::active_config::ActiveConfig;
use super::credential_cache::{CredentialCache, IN_USE};
use super::key_age::KeyFacts;
use super::prompts::GivenConsent;
use chrono::{DateTime, Utc};
use rolecall_core::domain::arn::MfaSerial;
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::credential::Now;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::SessionKey;
use rolecall_core::domain::question::{Notice, UNNAMED, allow_for_good};
use rolecall_platform::panics::Guard;
use rolecall_ports::{Clock, Prompter};
use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// How often it is looked whether a session ends or a key is old; a wanted code is told at once.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// A tool that asks every minute is one question; who was away for so long is told again.
const SAME_QUESTION: Duration = Duration::from_hours(1);

/// How often a person is reminded of old keys: the remedy can wait for a better moment than this one.
const REMIND: Duration = Duration::from_hours(24);

/// The hint if the prompt of a restricted socket has no display.
pub(super) const NO_DISPLAY: &str = "run `rolecall agent restart` in the desktop session where the question shall appear, or let the socket be without `ask`";

/// What there is to tell, and what was told.
pub(super) struct Notifications {
    clock: Arc<dyn Clock>,
    prompter: Arc<dyn Prompter>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    codes: Vec<WantedCode>,
    consents: Vec<GivenConsent>,
    told: NotificationState,
}

/// A code for which nobody could be asked.
struct WantedCode {
    /// What `unlock` takes.
    whom: Name,
    /// What was asked for.
    name: Name,
    serial: MfaSerial,
}

/// What was told already.
#[derive(Default)]
struct NotificationState {
    /// Of wanted codes, by what `unlock` takes: when.
    codes: HashMap<Name, Duration>,
    /// Of wanted consents: when.
    consents: HashMap<GivenConsent, Duration>,
    /// Of sessions that end: their access key ids.
    sessions: HashSet<String>,
    /// When old keys were last named.
    keys: Option<Duration>,
}

/// A session that took a code.
pub(super) struct CodeNotice {
    /// What `unlock` takes.
    whom: Name,
    access_key_id: String,
    expiration: DateTime<Utc>,
    life: Duration,
    left: Duration,
    /// When it, or a session made with it, was last asked for.
    last_used: Option<Duration>,
}

/// What is there to be told of.
struct Seen {
    codes: Vec<WantedCode>,
    /// Consents for which nobody could be asked.
    consents: Vec<GivenConsent>,
    coded: Vec<CodeNotice>,
    /// How long before its end a session is told of.
    warn_before: Option<Duration>,
    /// The identities whose keys are older than they may be.
    overdue: Vec<Name>,
}

impl Notifications {
    pub(super) fn new(clock: Arc<dyn Clock>, prompter: Arc<dyn Prompter>) -> Arc<Self> {
        Arc::new(Self { clock, prompter, state: Mutex::default(), changed: Notify::new() })
    }

    /// Takes note of a code for which nobody could be asked.
    pub(super) fn wants_code(&self, serial: &MfaSerial, whom: &Name, name: &Name) {
        let code = WantedCode { whom: whom.clone(), name: name.clone(), serial: serial.clone() };
        self.state.guard().codes.push(code);
        self.changed.notify_one();
    }

    /// Takes note of a consent for which nobody could be asked.
    pub(super) fn wants_consent(&self, grant: GivenConsent) {
        self.state.guard().consents.push(grant);
        self.changed.notify_one();
    }

    /// Starts anew: after a lock every question is another one.
    pub(super) fn lock(&self) {
        let mut state = self.state.guard();
        state.codes.clear();
        state.consents.clear();
        state.told.codes.clear();
        state.told.consents.clear();
    }

    /// Shows the notifications, for as long as the agent runs.
    pub(super) async fn run(&self, config: &ActiveConfig, cache: &CredentialCache, keys: &KeyFacts) {
        loop {
            let now = self.clock.now();
            let notices = {
                let coded = coded(cache, now);
                let mut state = self.state.guard();
                let seen = Seen {
                    codes: mem::take(&mut state.codes),
                    consents: mem::take(&mut state.consents),
                    coded,
                    warn_before: config.catalogue().agent.warn_before,
                    overdue: keys.overdue(&config.catalogue(), now.wall).into_iter().map(|key| key.identity).collect(),
                };
                state.told.decide(&seen, now.boot)
            };
            for notice in notices {
                self.prompter.notify(&notice).await;
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.clock.sleep_until(now.boot + LOOK_AGAIN) => {}
            }
        }
    }
}

impl NotificationState {
    /// Decides what is told now.
    fn decide(&mut self, seen: &Seen, now: Duration) -> Vec<Notice> {
        let is_same = |at: Duration| now.saturating_sub(at) < SAME_QUESTION;
        // A session means that the code was given.
        self.codes.retain(|whom, _| seen.coded.iter().all(|coded| coded.whom != *whom));
        let mut notices = Vec::new();
        self.codes.retain(|_, at| is_same(*at));
        self.consents.retain(|_, at| is_same(*at));
        for code in &seen.codes {
            if !self.codes.contains_key(&code.whom) {
                self.codes.insert(code.whom.clone(), now);
                notices.push(code.notice());
            }
        }
        for grant in &seen.consents {
            if !self.consents.contains_key(grant) {
                self.consents.insert(grant.clone(), now);
                notices.push(consent_notice(grant));
            }
        }
        self.sessions.retain(|id| seen.coded.iter().any(|coded| coded.access_key_id == *id));
        for coded in seen.coded.iter().filter(|coded| coded.ends_soon(seen.warn_before, now)) {
            if self.sessions.insert(coded.access_key_id.clone()) {
                notices.push(coded.notice());
            }
        }
        notices.extend(self.old_keys(&seen.overdue, now));
        notices
    }

    /// Names the identities whose keys are too old, once a day.
    fn old_keys(&mut self, overdue: &[Name], now: Duration) -> Option<Notice> {
        let first = overdue.first()?;
        if self.keys.is_some_and(|at| now.saturating_sub(at) < REMIND) {
            return None;
        }
        self.keys = Some(now);
        let names: Vec<&str> = overdue.iter().map(Name::as_str).collect();
        let (keys, are) = if overdue.len() == 1 { ("key", "is") } else { ("keys", "are") };
        Some(Notice {
            summary: format!("rolecall: old access {keys}"),
            body: format!(
                "The access {keys} of {} {are} older than rotate_after. Run: rolecall identity rotate {first}",
                names.join(", ")
            ),
        })
    }
}

impl WantedCode {
    fn notice(&self) -> Notice {
        Notice {
            summary: "rolecall: an MFA code is wanted".to_owned(),
            body: format!(
                "{} was asked for, and nobody could be asked for the code of {}. Run: rolecall unlock {}",
                self.name,
                self.serial.as_str(),
                self.whom
            ),
        }
    }
}

fn consent_notice(grant: &GivenConsent) -> Notice {
    if let Some(socket) = &grant.socket {
        return Notice {
            summary: format!("rolecall: consent for {} is wanted", grant.role),
            body: format!(
                "The socket {socket} wants {}, and nobody could be asked. It was refused; {NO_DISPLAY}",
                grant.role
            ),
        };
    }
    let program = grant.program.as_deref();
    Notice {
        summary: format!("rolecall: consent for {} is wanted", grant.role),
        body: format!(
            "{} wants {}, and nobody could be asked. It was refused; {}",
            program.unwrap_or(UNNAMED),
            grant.role,
            allow_for_good(grant.role.as_str(), program)
        ),
    }
}

impl CodeNotice {
    /// Tells whether it ends soon and is missed when it does. A short session is not told of as soon as it begins.
    fn ends_soon(&self, warn_before: Option<Duration>, now: Duration) -> bool {
        let in_use = self.last_used.is_some_and(|used| now.saturating_sub(used) <= IN_USE);
        in_use && warn_before.is_some_and(|before| self.left <= before.min(self.life / 2))
    }

    fn notice(&self) -> Notice {
        Notice {
            summary: format!("rolecall: the MFA session of {} ends soon", self.whom),
            body: format!(
                "It ends in {} min, and what was opened with it. To go on, run: rolecall unlock {}",
                self.left.as_secs().div_ceil(60),
                self.whom
            ),
        }
    }

    fn warning(&self) -> UserError {
        let end = rolecall_ipc::protocol::process_output::timestamp(self.expiration);
        let left = self.left.as_secs().div_ceil(60);
        UserError::new(Kind::Locked, format!("the MFA session of {} ends at {end}, in {left} min", self.whom))
            .hint(format!("run `rolecall unlock {}`", self.whom))
    }
}

/// Returns the sessions that took a code, each with the last use of all sessions made with it.
fn coded(cache: &CredentialCache, now: Now) -> Vec<CodeNotice> {
    let entries = cache.entries();
    let mut used: HashMap<&SessionKey, Duration> = HashMap::new();
    for entry in entries.map.values() {
        let (Some((plan, at)), Some(last_used)) = (&entry.plan, entry.last_used) else { continue };
        for key in plan.keys[..=*at].iter().filter(|key| key.step().mfa_serial().is_some()) {
            let last = used.entry(key).or_default();
            *last = last_used.max(*last);
        }
    }
    let coded = entries.map.iter().filter(|(key, _)| key.step().mfa_serial().is_some());
    coded
        .filter_map(|(key, entry)| {
            let (held, (plan, _)) = (entry.held.as_ref()?, entry.plan.as_ref()?);
            Some(CodeNotice {
                whom: plan.unlock_name().clone(),
                access_key_id: held.access_key_id.clone(),
                expiration: held.lifetime.expiration,
                life: held.lifetime.life,
                left: held.lifetime.left(now),
                last_used: used.get(key).copied(),
            })
        })
        .collect()
}

/// Returns the warnings of `status` about MFA sessions that end soon.
pub(super) fn ending(config: &Config, cache: &CredentialCache, now: Now) -> Vec<UserError> {
    let coded = coded(cache, now);
    let mut ending: Vec<&CodeNotice> =
        coded.iter().filter(|coded| coded.ends_soon(config.agent.warn_before, now.boot)).collect();
    ending.sort_by_key(|coded| coded.left);
    ending.into_iter().map(CodeNotice::warning).collect()
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
