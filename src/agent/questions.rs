//! Questions to the person: one per subject at a time, where the person is, answered once for all who wait.
//!
//! The subject is an MFA device whose code is wanted, or a program that wants a role (`consent`). Callers that wait take a
//! *seat*: a terminal where the question may be shown. The first seat is asked; if its caller goes away the question moves
//! on to the next. A code is taken once: a second use is refused here, before AWS refuses it.

mod by_pinentry;

use super::codes::Codes;
use super::consent::{Consents, Grant};
use crate::domain::arn::MfaSerial;
use crate::domain::catalogue::{AgentSettings, PromptKind};
use crate::domain::names::Name;
use crate::domain::question::{Question, Surroundings, Wanted};
use crate::domain::report::{Kind, Report};
use crate::domain::secret::{MfaCode, is_mfa_code};
use crate::ports::{Clock, Prompter};
use crate::protocol::status::QuestionStatus;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turn, mpsc, oneshot};

/// Answers that are no code, or a used one. A person needs fewer; a pinentry that babbles would go on for ever.
const SLIPS_MAX: usize = 5;

/// What nobody could be asked is shown in `status` for so long.
const REMEMBERED: Duration = Duration::from_mins(10);

/// All questions.
pub(super) struct Questions {
    state: Mutex<State>,
    pub(super) consents: Consents,
    pub(super) clock: Arc<dyn Clock>,
    prompter: Arc<dyn Prompter>,
    /// What was used, and where codes come from without a question.
    pub(super) codes: Codes,
}

#[derive(Default)]
struct State {
    seats: Vec<Place>,
    seat_ids: u64,
    prompts: Vec<PromptKind>,
    pinentry: Option<PathBuf>,
    turns: HashMap<MfaSerial, Arc<Turn<()>>>,
    wanted: HashMap<Subject, Open>,
    /// Whose turn it is at each terminal that is drawn on.
    terminals: HashMap<String, Arc<Turn<()>>>,
}

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A device whose code is wanted.
    Device(MfaSerial),
    /// A program that wants a role.
    Grant(Grant),
}

/// A caller that waits for an answer.
struct Place {
    id: u64,
    subject: Subject,
    terminal: bool,
    surroundings: Surroundings,
    program: Option<String>,
    asks: mpsc::UnboundedSender<Asking>,
}

struct Open {
    question: Question,
    since: DateTime<Utc>,
    since_boot: Duration,
    /// Takes a code from `unlock` while the question is open.
    given: Option<mpsc::UnboundedSender<MfaCode>>,
}

/// A question on its way to a seat, and the way back.
pub(super) struct Asking {
    /// What to ask.
    pub(super) question: Question,
    /// `None` when the person does not want to answer; dropped when the seat is gone.
    pub(super) answer: oneshot::Sender<Option<Said>>,
}

/// What a person said.
pub(super) enum Said {
    /// Yes.
    Allowed,
    /// A code.
    Code(MfaCode),
}

/// A caller's seat; dropping it gives it up.
pub(super) struct Seat {
    questions: Arc<Questions>,
    id: u64,
    asks: mpsc::UnboundedReceiver<Asking>,
}

impl Seat {
    /// Waits until this seat is asked.
    pub(super) async fn asked(&mut self) -> Asking {
        match self.asks.recv().await {
            Some(asking) => asking,
            // The sender lies in the state as long as the seat is taken.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.questions.state().seats.retain(|place| place.id != self.id);
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// Everything was forgotten meanwhile.
    CalledOff,
    /// The person said no.
    Cancelled,
    /// There is nobody to ask.
    Nobody,
    /// The caller can wait no longer; the question stays.
    Patience,
}

impl Questions {
    pub(super) fn new(clock: Arc<dyn Clock>, prompter: Arc<dyn Prompter>) -> Arc<Self> {
        let codes = Codes::new(Arc::clone(&clock));
        Arc::new(Self { state: Mutex::default(), consents: Consents::default(), clock, prompter, codes })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over how a person is asked.
    pub(super) fn take_over(&self, settings: &AgentSettings) {
        let mut state = self.state();
        state.prompts.clone_from(&settings.prompts);
        state.pinentry.clone_from(&settings.pinentry_program);
    }

    /// Gives a caller a seat for an answer.
    pub(super) fn sit(
        self: &Arc<Self>,
        subject: Subject,
        terminal: bool,
        program: Option<String>,
        surroundings: Surroundings,
    ) -> Seat {
        let (asks, asked) = mpsc::unbounded_channel();
        let mut state = self.state();
        state.seat_ids += 1;
        let id = state.seat_ids;
        state.seats.push(Place { id, subject, terminal, surroundings, program, asks });
        Seat { questions: Arc::clone(self), id, asks: asked }
    }

    /// Tells whether a person is being asked for a device's code, or its next one is waited for.
    pub(super) fn is_open(&self, serial: &MfaSerial) -> bool {
        let is_asked = || {
            let state = self.state();
            state.wanted.get(&Subject::Device(serial.clone())).is_some_and(|open| open.given.is_some())
        };
        self.codes.is_awaited(serial) || is_asked()
    }

    /// Takes note that a device's code has come, whoever gave it: what could not be asked is wanted no longer.
    pub(super) fn settle(&self, serial: &MfaSerial) {
        let subject = Subject::Device(serial.clone());
        let mut state = self.state();
        if state.wanted.get(&subject).is_some_and(|open| open.given.is_none()) {
            state.wanted.remove(&subject);
        }
    }

    /// Gives a code to an open question; gives it back if there is none.
    pub(super) fn answer(&self, serial: &MfaSerial, code: MfaCode) -> Result<(), MfaCode> {
        let state = self.state();
        match state.wanted.get(&Subject::Device(serial.clone())).and_then(|open| open.given.as_ref()) {
            Some(given) => given.send(code).map_err(|unsent| unsent.0),
            None => Err(code),
        }
    }

    /// Asks for a device's code, where the person is. Two questions for one device are never open at once.
    pub(super) async fn ask(
        &self,
        identity: &Name,
        serial: &MfaSerial,
        name: &Name,
        reason: Option<String>,
    ) -> Result<MfaCode, NoAnswer> {
        let turn = Arc::clone(self.state().turns.entry(serial.clone()).or_default());
        let _turn = turn.lock().await;
        let subject = Subject::Device(serial.clone());
        let mut reason = reason;
        for _ in 0..SLIPS_MAX {
            let question = Question {
                wanted: Wanted::Code { identity: identity.to_string(), serial: serial.as_str().to_owned() },
                name: name.to_string(),
                program: self.first_program(&subject),
                since: Some(self.since(&subject)),
                reason: reason.take(),
            };
            let (given, mut codes) = mpsc::unbounded_channel();
            let open = Opened::new(self, &subject, &question, given);
            let said = tokio::select! {
                said = self.ask_around(&subject, &question) => said?,
                Some(code) = codes.recv() => Said::Code(code),
            };
            match said {
                Said::Code(code) if !is_mfa_code(code.expose()) => {
                    reason = Some("an MFA code is six digits".to_owned());
                }
                Said::Code(code) if !self.codes.take(serial, &code) => reason = Some(self.codes.used()),
                Said::Code(code) => {
                    open.answered();
                    return Ok(code);
                }
                // A yes is no code.
                Said::Allowed => return Err(NoAnswer::Nobody),
            }
        }
        tracing::warn!(device = serial.as_str(), "no answer was a code: the question is over");
        Err(NoAnswer::Cancelled)
    }

    /// Asks whether a program may have a role, where the person is.
    pub(super) async fn ask_consent(&self, subject: &Subject, question: &Question) -> Result<(), NoAnswer> {
        let (given, _codes) = mpsc::unbounded_channel();
        let question = Question { since: Some(self.since(subject)), ..question.clone() };
        let open = Opened::new(self, subject, &question, given);
        match self.ask_around(subject, &question).await? {
            Said::Allowed => {
                open.answered();
                Ok(())
            }
            // A code is no consent.
            Said::Code(_) => Err(NoAnswer::Nobody),
        }
    }

    /// Tells since when something is wanted.
    fn since(&self, subject: &Subject) -> DateTime<Utc> {
        self.state().wanted.get(subject).map_or_else(|| self.clock.now().wall, |open| open.since)
    }

    fn first_program(&self, subject: &Subject) -> Option<String> {
        self.state().seats.iter().find(|place| place.subject == *subject).and_then(|place| place.program.clone())
    }

    async fn ask_around(&self, subject: &Subject, question: &Question) -> Result<Said, NoAnswer> {
        let prompts = self.state().prompts.clone();
        for prompt in prompts {
            match prompt {
                PromptKind::Pinentry => {
                    if let Some(said) = self.ask_by_pinentry(subject, question).await? {
                        return Ok(said);
                    }
                }
                PromptKind::Tty => {
                    while let Some((id, asks)) = self.first_terminal(subject) {
                        let (answer, answered) = oneshot::channel();
                        let sent = asks.send(Asking { question: question.clone(), answer });
                        match (sent, answered.await) {
                            (Ok(()), Ok(Some(said))) => return Ok(said),
                            (Ok(()), Ok(None)) => return Err(NoAnswer::Cancelled),
                            // Its caller is gone, or has no terminal after all: the next one is asked.
                            _ => self.state().seats.retain(|place| place.id != id),
                        }
                    }
                }
            }
        }
        Err(NoAnswer::Nobody)
    }

    fn first_terminal(&self, subject: &Subject) -> Option<(u64, mpsc::UnboundedSender<Asking>)> {
        let state = self.state();
        let place = state.seats.iter().find(|place| place.terminal && place.subject == *subject)?;
        Some((place.id, place.asks.clone()))
    }

    /// Forgets every question.
    pub(super) fn lock(&self) {
        self.state().wanted.clear();
        self.consents.lock();
    }

    /// Gives what `status` shows.
    pub(super) fn status(&self) -> Vec<QuestionStatus> {
        let now = self.clock.now().boot;
        let mut state = self.state();
        state.wanted.retain(|_, w| w.given.is_some() || now.saturating_sub(w.since_boot) <= REMEMBERED);
        let mut all: Vec<QuestionStatus> = state.wanted.values().map(Open::shown).collect();
        all.sort_by_key(|question| question.since);
        all
    }
}

impl Open {
    /// Gives what `status` shows of it.
    fn shown(&self) -> QuestionStatus {
        let mut shown = QuestionStatus {
            kind: String::new(),
            identity: None,
            serial: None,
            name: self.question.name.clone(),
            program: self.question.program.clone(),
            since: self.since,
            open: self.given.is_some(),
            answer_with: None,
        };
        match &self.question.wanted {
            Wanted::Code { identity, serial } => {
                "mfa-code".clone_into(&mut shown.kind);
                shown.answer_with = Some(format!("rolecall unlock {identity}"));
                shown.identity = Some(identity.clone());
                shown.serial = Some(serial.clone());
            }
            Wanted::Consent { .. } => "consent".clone_into(&mut shown.kind),
        }
        shown
    }
}

/// An open question; what is not answered stays in `status` as wanted.
struct Opened<'a> {
    questions: &'a Questions,
    subject: &'a Subject,
}

impl<'a> Opened<'a> {
    fn new(
        questions: &'a Questions,
        subject: &'a Subject,
        question: &Question,
        given: mpsc::UnboundedSender<MfaCode>,
    ) -> Self {
        let now = questions.clock.now();
        let mut state = questions.state();
        let since = state.wanted.get(subject).map_or((now.wall, now.boot), |before| (before.since, before.since_boot));
        let open = Open { question: question.clone(), since: since.0, since_boot: since.1, given: Some(given) };
        state.wanted.insert(subject.clone(), open);
        drop(state);
        Self { questions, subject }
    }

    fn answered(self) {
        self.questions.state().wanted.remove(self.subject);
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(wanted) = self.questions.state().wanted.get_mut(self.subject) {
            wanted.given = None;
        }
    }
}

/// Says that nobody answered, and what answers.
pub(super) fn unanswered(no: NoAnswer, serial: &MfaSerial, whom: &Name) -> Report {
    let (what, hint) = match no {
        NoAnswer::Cancelled => {
            ("the question for a code of MFA device", format!("ask again, or run `rolecall unlock {whom}`"))
        }
        NoAnswer::Nobody | NoAnswer::CalledOff | NoAnswer::Patience => {
            ("a code of MFA device", format!("run `rolecall unlock {whom}`"))
        }
    };
    let end = if no == NoAnswer::Cancelled { "was cancelled" } else { "is needed" };
    Report::new(Kind::Locked, format!("{what} {} {end}", serial.as_str())).hint(hint)
}
