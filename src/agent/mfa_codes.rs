//! Codes themselves: which were used, and the sources that need nobody (the TOTP secret in the vault, `mfa_process`).
//!
//! It asks no person, that is `questions`' work. A code is taken once, whoever gave it: AWS refuses a second use, and after
//! a few of those the device. What was used stays known through a lock, which does not make it new.

use super::credentials::Outcome;
use super::sts_calls::{Start, StepRefresh};
use rolecall_core::domain::arn::MfaSerial;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::secret::{MfaCode, is_mfa_code};
use rolecall_core::domain::totp::{STEP, TotpSecret, left_of_step};
use rolecall_platform::panics::Guard;
use rolecall_ports::{Clock, Retryability, TokenService};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A device shows a code for 30 seconds and AWS takes the one before and after as well.
const CODE_LIFE: Duration = Duration::from_mins(2);

/// A source whose code AWS refused is left alone for two steps: a wrong secret would else cost a call to STS, and a wait for
/// the next code, on every request.
const REST: Duration = Duration::from_mins(1);

/// A program that gave no code is left alone for seconds: a loop of tools must not be a loop of programs.
const PROGRAM_REST: Duration = Duration::from_secs(3);

/// What is known of codes.
pub(super) struct MfaCodes {
    clock: Arc<dyn Clock>,
    /// When this agent began, by the boot-time clock.
    born: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spent: HashMap<MfaSerial, Vec<(MfaCode, Duration)>>,
    /// Which devices' next codes are waited for.
    waiting: HashMap<MfaSerial, AwaitedCode>,
    rests: HashMap<(MfaSerial, &'static str), Cooldown>,
}

/// A device whose next code is waited for.
struct AwaitedCode {
    /// How many wait.
    count: usize,
    /// What will give it.
    source: &'static str,
    until: Duration,
}

/// A source that is left alone for a while, and why.
struct Cooldown {
    until: Duration,
    reason: String,
}

impl MfaCodes {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let born = clock.now().boot;
        Self { clock, born, state: Mutex::default() }
    }

    /// Takes a code for its one use; tells `false` when it was used before.
    pub(super) fn take(&self, serial: &MfaSerial, code: &MfaCode) -> bool {
        let now = self.clock.now().boot;
        let mut state = self.state.guard();
        let spent = state.spent.entry(serial.clone()).or_default();
        spent.retain(|(_, until)| now < *until);
        let is_new = spent.iter().all(|(spent, _)| spent.expose() != code.expose());
        if is_new {
            spent.push((code.clone(), now + CODE_LIFE));
        }
        is_new
    }

    /// Tells whether the code of now may have been used by an agent before this one.
    fn is_newborn(&self) -> bool {
        self.clock.now().boot.saturating_sub(self.born) < STEP
    }

    /// Says that a code was used, and when there is another.
    pub(super) fn mark_used(&self) -> String {
        let left = left_of_step(self.clock.now().wall);
        format!("that code was used already; the device shows the next one in {} s", left.as_secs().max(1))
    }

    /// Tells whether somebody waits for a device's next code.
    pub(super) fn is_awaited(&self, serial: &MfaSerial) -> bool {
        self.state.guard().waiting.contains_key(serial)
    }

    /// Says for which devices' next codes is being waited.
    pub(super) fn waits(&self) -> Vec<UserError> {
        let now = self.clock.now().boot;
        let state = self.state.guard();
        let mut waits: Vec<(&MfaSerial, &AwaitedCode)> = state.waiting.iter().collect();
        waits.sort_by_key(|(serial, _)| serial.as_str());
        let left = |until: Duration| until.saturating_sub(now).as_secs().max(1);
        let said = waits.into_iter().map(|(serial, AwaitedCode { source, until, .. })| {
            format!("{source} waits {} s for the next code of MFA device {}", left(*until), serial.as_str())
        });
        said.map(|said| UserError::new(Kind::Locked, said).hint("the code of now was used; nothing is to be done"))
            .collect()
    }

    /// Waits until devices show their next code.
    async fn next_step(&self, serial: &MfaSerial, source: &'static str) {
        let now = self.clock.now();
        let left = left_of_step(now.wall);
        tracing::info!(device = serial.as_str(), source, seconds = left.as_secs(), "waiting for the next code");
        let _waiting = Waiting::new(self, serial, source, now.boot + left);
        self.clock.sleep_until(now.boot + left).await;
    }

    /// Gives the secret's code of now, or where that was used, waits for the next one.
    pub(super) async fn of_secret(&self, serial: &MfaSerial, secret: &TotpSecret) -> MfaCode {
        loop {
            // By the wall clock, as the person's own device: AWS forgives 30 seconds in both directions.
            let code = secret.code_at(self.clock.now().wall);
            if self.take(serial, &code) {
                return code;
            }
            self.next_step(serial, TOTP).await;
        }
    }

    /// Lets the sources of a device be tried again, as one of them is another now.
    pub(super) fn wake(&self, serial: &MfaSerial) {
        self.state.guard().rests.retain(|(resting, _), _| resting != serial);
    }

    fn rest(&self, serial: &MfaSerial, source: &'static str, time: Duration, reason: String) -> String {
        let rest = Cooldown { until: self.clock.now().boot + time, reason: reason.clone() };
        self.state.guard().rests.insert((serial.clone(), source), rest);
        reason
    }

    /// Gives the reason why a source is left alone now, if it is.
    fn resting(&self, serial: &MfaSerial, source: &'static str) -> Option<String> {
        let now = self.clock.now().boot;
        let state = self.state.guard();
        let rest = state.rests.get(&(serial.clone(), source)).filter(|rest| now < rest.until)?;
        Some(rest.reason.clone())
    }

    /// Runs the program; once more in the next step where its code was used already.
    async fn of_process(
        &self,
        tokens: &dyn TokenService,
        serial: &MfaSerial,
        argv: &[String],
    ) -> Result<MfaCode, String> {
        for is_last in [false, true] {
            let given = tokens.sources().code(argv).await;
            let code = given.map_err(|why| format!("{PROCESS} gave no code: {why}"))?;
            if !is_mfa_code(code.expose()) {
                return Err(format!("{PROCESS} gave no code: what it printed is not six digits"));
            }
            if self.take(serial, &code) {
                return Ok(code);
            }
            if !is_last {
                self.next_step(serial, PROCESS).await;
            }
        }
        Err(format!("{PROCESS} gave a code that was used already, also in the next half minute"))
    }
}

/// Somebody who waits for a device's next code.
struct Waiting<'a> {
    codes: &'a MfaCodes,
    serial: &'a MfaSerial,
}

impl<'a> Waiting<'a> {
    fn new(codes: &'a MfaCodes, serial: &'a MfaSerial, source: &'static str, until: Duration) -> Self {
        let mut state = codes.state.guard();
        let awaited = state.waiting.entry(serial.clone()).or_insert(AwaitedCode { count: 0, source, until });
        awaited.count += 1;
        awaited.until = until;
        drop(state);
        Self { codes, serial }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.codes.state.guard();
        if let Some(awaited) = state.waiting.get_mut(self.serial) {
            awaited.count -= 1;
            if awaited.count == 0 {
                state.waiting.remove(self.serial);
            }
        }
    }
}

const TOTP: &str = "the TOTP secret in the vault";
const PROCESS: &str = "`mfa_process`";

/// Where a code comes from without a person.
enum CodeSource<'a> {
    Totp(TotpSecret),
    Process(&'a [String]),
}

impl CodeSource<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Totp(_) => TOTP,
            Self::Process(_) => PROCESS,
        }
    }
}

/// How far it went without a person.
pub(super) enum Unattended {
    /// To its end.
    Settled(Outcome),
    /// No source led to an end, and why the last of them did not.
    AskWith(Option<String>),
}

/// Makes the session of a step with a code of a source that needs no person, if the identity has one.
pub(super) async fn without_a_person(step: &StepRefresh<'_>, codes: &MfaCodes, start: &Start) -> Unattended {
    let plan = step.plan;
    // Both belong to the identity's own device; a role may name another.
    let Some(serial) = step.step().mfa_serial().filter(|s| plan.identity.mfa_serial.as_ref() == Some(s)) else {
        return Unattended::AskWith(None);
    };
    let sources = start.totp.clone().map(CodeSource::Totp).into_iter();
    let sources = sources.chain(plan.identity.mfa_process.as_deref().map(CodeSource::Process));
    let mut reason = None;
    for source in sources {
        let name = source.name();
        if let Some(why) = codes.resting(serial, name) {
            reason = Some(why);
            continue;
        }
        let mut may_try_again = codes.is_newborn();
        reason = loop {
            let code = match &source {
                CodeSource::Totp(secret) => codes.of_secret(serial, secret).await,
                CodeSource::Process(argv) => match codes.of_process(&*step.calls.ports.tokens, serial, argv).await {
                    Ok(code) => code,
                    Err(why) => {
                        tracing::warn!(identity = %plan.identity.name, %why, "mfa_process gave no code");
                        break Some(codes.rest(serial, name, PROGRAM_REST, why));
                    }
                },
            };
            match step.call(start, Some(&code)).await {
                // What the agent before this one used is not known here; the next code is surely new.
                Err(failure) if failure.outlook == Retryability::WrongCode && may_try_again => {
                    may_try_again = false;
                }
                Err(failure) if failure.outlook == Retryability::WrongCode => {
                    tracing::warn!(identity = %plan.identity.name, source = name, "AWS did not accept the code");
                    let refused = format!("AWS did not accept the code of {name}");
                    break Some(codes.rest(serial, name, REST, refused));
                }
                outcome => return Unattended::Settled(outcome),
            }
        };
    }
    Unattended::AskWith(reason)
}

/// Makes the failure of a code that was used before.
pub(super) fn used_already(codes: &MfaCodes, serial: &MfaSerial) -> UserError {
    let left = left_of_step(codes.clock.now().wall).as_secs().max(1);
    UserError::new(Kind::Refused, format!("that code of MFA device {} was used already", serial.as_str()))
        .hint(format!("each is accepted once: the device shows the next one in {left} s"))
}

/// Adds to a failure why the sources that need nobody gave nothing.
pub(super) fn because(report: UserError, reason: Option<&str>) -> UserError {
    match reason {
        Some(reason) => report.with_note(reason),
        None => report,
    }
}
