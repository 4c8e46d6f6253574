//! `unlock`: an MFA code given ahead of time, or to a question that is open.
//!
//! The code is taken for its one use here and nowhere after, so that of two who come with the same one AWS sees the first
//! only. Which device is meant is decided here too: the client asks before a person types anything. Every attempt is a line
//! of the audit log.

use super::Agent;
use super::audit::{AuditLine, Event};
use super::caller::Caller;
use super::deadline::DEADLINE;
use super::failure::{Failure, too_slow};
use super::mfa_codes::used_already;
use super::refresh::CachedCredentials;
use super::requests::NAME_SHOWN;
use rolecall_core::domain::catalogue::MfaMode;
use rolecall_core::domain::error::{Kind, UserError, printable};
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

impl Agent {
    /// Takes a code; gives what there is to say.
    pub(super) async fn unlock(
        &self,
        name: Option<String>,
        code: MfaCode,
        caller: &Caller,
    ) -> Result<String, UserError> {
        self.touch();
        let device = self.device(name.as_deref()).await;
        let shown = match &device {
            Ok(plan) => Some(plan.name.to_string()),
            Err(_) => name.map(|name| printable(&name, NAME_SHOWN)),
        };
        let result = match device {
            Ok(plan) => {
                self.give(&plan, code).await.map_err(|f| Failure { report: self.with_remark(f.report.clone()), ..f })
            }
            Err(report) => Err(Failure::permanent(report)),
        };
        let mut line = AuditLine::new(self.ports.clock.now().wall, Event::Unlock, "ok");
        line.name = shown;
        line.caller = Some(caller.clone());
        match &result {
            Ok(opened) if opened.was_asked => {
                line.message = Some(format!("answered the question that was open for `{}`", opened.name));
            }
            Ok(_) => {}
            Err(failure) => {
                line.result.clone_from(&failure.code);
                line.message = Some(failure.report.message.clone());
            }
        }
        self.audit.write(line);
        let Opened { name, held, .. } = result.map_err(|failure| failure.report)?;
        Ok(format!("`{name}` is unlocked until {}", timestamp(held.lifetime.expiration)))
    }

    async fn give(&self, plan: &Arc<Plan>, code: MfaCode) -> Result<Opened, Failure> {
        let at = plan
            .keys
            .iter()
            .position(|key| key.step().mfa_serial().is_some())
            .expect("the plan was chosen by its device");
        let serial = plan.mfa_serial().expect("the plan was chosen by its device");
        if !is_mfa_code(code.expose()) {
            let report = UserError::new(Kind::Usage, NOT_A_CODE).hint("take the one that the device shows now");
            return Err(Failure::permanent(report));
        }
        let questions = &self.sessions.questions;
        if !questions.codes.take(serial, &code) {
            return Err(Failure::permanent(used_already(&questions.codes, serial)));
        }
        match questions.answer(serial, code) {
            // Somebody is being asked right now: the code is the answer to that.
            Ok(answered) => {
                let outcome = timeout(DEADLINE, answered.outcome).await.map_err(|_| too_slow())?;
                let held = outcome.unwrap_or_else(|_| Err(ended_before()))?;
                Ok(Opened { name: answered.unlocks, held, was_asked: true })
            }
            Err(code) => {
                let held = self.sessions.unlock(plan, at, code).await?;
                Ok(Opened { name: plan.name.clone(), held, was_asked: false })
            }
        }
    }

    /// Says whose device a code would be for, before anybody types one.
    pub(super) async fn tell_device(&self, name: Option<&str>) -> Result<Answer, UserError> {
        let plan = self.device(name).await?;
        let serial = plan.mfa_serial().expect("the plan was chosen by its device").as_str().to_owned();
        Ok(Answer::Device { name: plan.name.to_string(), serial })
    }

    /// Finds the plan whose device is meant: that of a name, or of the only device there is.
    async fn device(&self, name: Option<&str>) -> Result<Arc<Plan>, UserError> {
        let plan = match name {
            Some(name) => self.plan(name).await?,
            None => self.plan(self.only_device()?.as_str()).await?,
        };
        if plan.mfa_serial().is_some() {
            return Ok(plan);
        }
        let report = UserError::new(Kind::Usage, format!("`{}` needs no MFA code", plan.name));
        let has_none = |mode| mode == Some(MfaMode::None);
        let role_says_so = self.configuration.catalogue().roles.get(&plan.name).is_some_and(|role| has_none(role.mfa));
        Err(if role_says_so {
            report.hint(format!("its `mfa` says so; run `rolecall get {}` as it is", plan.name))
        } else if plan.identity.kind.takes_codes() {
            report.hint(format!("set `mfa_serial` of identity `{}` if it should", plan.identity.name))
        } else {
            report.hint(format!("AWS takes none from it; run `rolecall get {}` as it is", plan.name))
        })
    }

    /// Gives what opens the only device that the configuration names.
    fn only_device(&self) -> Result<Name, UserError> {
        let catalogue = self.configuration.catalogue();
        let mut devices: BTreeMap<_, Name> = BTreeMap::new();
        for identity in catalogue.identities.values() {
            if let Some(serial) = &identity.mfa_serial {
                devices.insert(serial.as_str().to_owned(), identity.name.clone());
            }
        }
        let mut with_own: Vec<_> = catalogue.roles.values().filter(|role| role.mfa_serial.is_some()).collect();
        with_own.sort_by(|a, b| a.name.cmp(&b.name));
        for plan in with_own.into_iter().filter_map(|role| Plan::of(&catalogue, role.name.as_str()).ok()) {
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
}

/// Makes the failure of a code that came in the moment when its question ended.
fn ended_before() -> Failure {
    Failure::transient(
        UserError::new(Kind::Locked, "the question ended before the code was used")
            .hint("see what is wanted now: `rolecall status`"),
    )
}
