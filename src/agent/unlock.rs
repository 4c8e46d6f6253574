//! `unlock`: an MFA code given ahead of time, or to a question that is open.
//!
//! The code is taken for its one use here and nowhere after, so that of two who come with the same one AWS sees the first
//! only. Which device is meant is decided here too: the client asks before a person types anything. Every attempt is a line
//! of the audit log.

use super::active_config::ActiveConfig;
use super::audit::{AuditLine, Event, shown_name};
use super::broker::Broker;
use super::caller::Caller;
use super::credentials::CachedCredentials;
use super::deadline::DEADLINE;
use super::failure::{Failure, too_slow};
use super::mfa_codes::used_already;
use rolecall_core::domain::catalogue::{Config, MfaMode};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::Plan;
use rolecall_core::domain::secret::{MfaCode, NOT_A_CODE, is_mfa_code};
use rolecall_ipc::protocol::message::Answer;
use rolecall_ipc::protocol::process_output::timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::timeout;

/// A code that AWS took.
struct Opened {
    /// What it opened.
    name: Name,
    held: Arc<CachedCredentials>,
    /// Whether a question was open for it.
    was_asked: bool,
}

/// Uses a code for an open prompt or a new refresh. Returns a note for the caller.
pub(super) async fn unlock(
    broker: &Broker,
    name: Option<String>,
    code: MfaCode,
    caller: &Caller,
) -> Result<String, UserError> {
    broker.lock.touch();
    let device = device(&broker.config, name.as_deref()).await;
    let shown = match &device {
        Ok(plan) => Some(plan.name.to_string()),
        Err(_) => name.as_deref().map(shown_name),
    };
    let result = match device {
        Ok(plan) => {
            let given = give(broker, &plan, code).await;
            given.map_err(|f| Failure { report: broker.config.with_remark(f.report.clone()), ..f })
        }
        Err(report) => Err(Failure::permanent(report)),
    };
    let line = AuditLine { name: shown, ..broker.audit.line(Event::Unlock).caller(caller) };
    broker.audit.write(match &result {
        Ok(opened) if opened.was_asked => {
            line.message(format!("answered the question that was open for `{}`", opened.name))
        }
        Ok(_) => line,
        Err(failure) => line.failure(&failure.code, &failure.report),
    });
    let Opened { name, held, .. } = result?;
    Ok(format!("`{name}` is unlocked until {}", timestamp(held.lifetime.expiration)))
}

async fn give(broker: &Broker, plan: &Arc<Plan>, code: MfaCode) -> Result<Opened, Failure> {
    let at =
        plan.keys.iter().position(|key| key.step().mfa_serial().is_some()).expect("the plan was chosen by its device");
    let serial = plan.mfa_serial().expect("the plan was chosen by its device");
    if !is_mfa_code(code.expose()) {
        let report = UserError::new(Kind::Usage, NOT_A_CODE).hint("take the one that the device shows now");
        return Err(Failure::permanent(report));
    }
    let prompts = &broker.prompts;
    if !prompts.codes.take(serial, &code) {
        return Err(Failure::permanent(used_already(&prompts.codes, serial)));
    }
    match prompts.answer(serial, code) {
        // A prompt is open: the code is its answer.
        Ok(answered) => {
            let outcome = timeout(DEADLINE, answered.outcome).await.map_err(|_| too_slow())?;
            let held = outcome.unwrap_or_else(|_| Err(ended_before()))?;
            Ok(Opened { name: answered.unlocks, held, was_asked: true })
        }
        Err(code) => {
            let held = broker.refresher.unlock(plan, at, code).await?;
            Ok(Opened { name: plan.name.clone(), held, was_asked: false })
        }
    }
}

/// Returns the device that a code would be for, before a person types one.
pub(super) async fn tell_device(config: &Arc<ActiveConfig>, name: Option<&str>) -> Result<Answer, UserError> {
    let plan = device(config, name).await?;
    let serial = plan.mfa_serial().expect("the plan was chosen by its device").as_str().to_owned();
    Ok(Answer::Device { name: plan.name.to_string(), serial })
}

/// Finds the plan of the device: that of a name, or of the only device that there is.
async fn device(config: &Arc<ActiveConfig>, name: Option<&str>) -> Result<Arc<Plan>, UserError> {
    let plan = match name {
        Some(name) => config.find_plan(name).await?,
        None => config.find_plan(only_device(&config.catalogue())?.as_str()).await?,
    };
    if plan.mfa_serial().is_some() {
        return Ok(plan);
    }
    let report = UserError::new(Kind::Usage, format!("`{}` needs no MFA code", plan.name));
    let has_none = |mode| mode == Some(MfaMode::None);
    let role_says_so = config.catalogue().roles.get(&plan.name).is_some_and(|role| has_none(role.settings.mfa));
    Err(if role_says_so {
        report.hint(format!("its `mfa` says so; run `rolecall get {}` as it is", plan.name))
    } else if plan.identity.takes_codes() {
        report.hint(format!("set `mfa_serial` of identity `{}` if it should", plan.identity.name))
    } else {
        report.hint(format!("AWS takes none from it; run `rolecall get {}` as it is", plan.name))
    })
}

/// Returns the name that unlocks the only device of the configuration.
fn only_device(catalogue: &Config) -> Result<Name, UserError> {
    let mut devices: BTreeMap<_, Name> = BTreeMap::new();
    for identity in catalogue.identities.values() {
        if let Some(serial) = &identity.mfa_serial {
            devices.insert(serial.as_str().to_owned(), identity.name.clone());
        }
    }
    let mut with_own: Vec<_> = catalogue.roles.values().filter(|role| role.settings.mfa_serial.is_some()).collect();
    with_own.sort_by(|a, b| a.name.cmp(&b.name));
    for plan in with_own.into_iter().filter_map(|role| Plan::of(catalogue, role.name.as_str()).ok()) {
        if let Some(serial) = plan.mfa_serial() {
            devices.entry(serial.as_str().to_owned()).or_insert_with(|| plan.unlock_name().clone());
        }
    }
    let names: Vec<&str> = devices.values().map(Name::as_str).collect();
    match names[..] {
        [] => Err(UserError::new(Kind::Config, "no identity has an MFA device")
            .hint("set `mfa_serial` in its section of the configuration")),
        [_] => Ok(devices.into_values().next().expect("there is one")),
        [first, ..] => {
            Err(UserError::new(Kind::Usage, format!("there is more than one MFA device: of {}", names.join(", ")))
                .hint(format!("say whose code it is: `rolecall unlock {first}`")))
        }
    }
}

/// Returns the failure of a code that came when its prompt ended.
fn ended_before() -> Failure {
    Failure::transient(
        UserError::new(Kind::Locked, "the question ended before the code was used")
            .hint("see what is wanted now: `rolecall status`"),
    )
}
