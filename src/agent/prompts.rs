//! Questions to the person: one per subject at a time, where the person is, answered once for all who wait.
//!
//! The subject is an MFA device whose code is wanted, or a program that wants a role (`consent`). Callers that wait take a
//! *seat*: a terminal where the question may be shown. The first seat is asked; if its caller goes away the question moves
//! on to the next. A code is taken once: a second use is refused here, before AWS refuses it.

mod by_pinentry;
mod pending;

use super::caller::TerminalSession;
use super::mfa_codes::MfaCodes;
pub(super) use pending::SubmittedCode;
use pending::{Opened, PendingPrompt};
use rolecall_core::domain::arn::MfaSerial;
use rolecall_core::domain::catalogue::{AgentSettings, PromptKind};
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_core::domain::plan::Plan;
use rolecall_core::domain::question::{Question, Surroundings, Wanted};
use rolecall_core::domain::secret::{MfaCode, NOT_A_CODE, is_mfa_code};
use rolecall_platform::panics::Guard;
use rolecall_ports::{Clock, Prompter};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::{Mutex as Turn, mpsc, oneshot};

/// Answers that are no code, or a used one. A person needs fewer; a pinentry that babbles would go on for ever.
const SLIPS_MAX: usize = 5;

/// All questions.
pub(super) struct Prompts {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    prompter: Arc<dyn Prompter>,
    /// What was used, and where codes come from without a question.
    pub(super) codes: MfaCodes,
}

#[derive(Default)]
struct State {
    seats: Vec<PromptPlace>,
    seat_ids: u64,
    prompts: Vec<PromptKind>,
    pinentry: Option<PathBuf>,
    turns: HashMap<MfaSerial, Arc<Turn<()>>>,
    wanted: HashMap<Subject, PendingPrompt>,
    /// Whose turn it is at each terminal that is drawn on.
    terminals: HashMap<String, Arc<Turn<()>>>,
}

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A device whose code is wanted.
    Device(MfaSerial),
    /// A program that wants a role.
    Grant(GivenConsent),
    /// A program that wants the key of an identity, to put it back into a file.
    Key(Name),
}

/// Who wants what: the reach of one yes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GivenConsent {
    /// The role.
    pub(super) role: Name,
    /// The program's path; `None` is every program that cannot be named.
    pub(super) program: Option<String>,
    /// Where it runs; `None` is everything that has no terminal.
    pub(super) terminal: Option<TerminalSession>,
    /// The extra socket by which it is wanted.
    pub(super) socket: Option<String>,
}

/// A caller that waits for an answer.
struct PromptPlace {
    id: u64,
    subject: Subject,
    terminal: bool,
    surroundings: Surroundings,
    /// What it asks for.
    name: Name,
    program: Option<String>,
    asks: mpsc::UnboundedSender<PromptRequest>,
}

impl PromptPlace {
    /// Words a question for this caller: name and program are of one caller. A consent is of one role and one program,
    /// whoever of its callers is asked.
    fn worded(&self, question: &Question) -> Question {
        match &question.wanted {
            Wanted::Code { .. } => {
                Question { name: self.name.to_string(), program: self.program.clone(), ..question.clone() }
            }
            Wanted::Consent { .. } | Wanted::Key { .. } => question.clone(),
        }
    }
}

/// A seat that is asked, and what.
struct Showing {
    seat: u64,
    asks: mpsc::UnboundedSender<PromptRequest>,
    surroundings: Surroundings,
    question: Question,
}

/// A question on its way to a seat, and the way back.
pub(super) struct PromptRequest {
    /// What to ask.
    pub(super) question: Question,
    /// `None` when the person does not want to answer; dropped when the seat is gone.
    pub(super) answer: oneshot::Sender<Option<PromptReply>>,
}

/// What a person said.
pub(super) enum PromptReply {
    /// Yes.
    Allowed,
    /// A code.
    Code(MfaCode),
}

/// A caller's seat; dropping it gives it up.
pub(super) struct Waiter {
    questions: Arc<Prompts>,
    id: u64,
    asks: mpsc::UnboundedReceiver<PromptRequest>,
}

impl Waiter {
    /// Waits until this seat is asked.
    pub(super) async fn asked(&mut self) -> PromptRequest {
        match self.asks.recv().await {
            Some(asking) => asking,
            // The sender lies in the state as long as the seat is taken.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.questions.state.guard().seats.retain(|place| place.id != self.id);
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Everything was forgotten meanwhile.
    CalledOff,
    /// The person said no.
    Cancelled,
    /// What was answered, again and again, was no code that could be used.
    NoCode,
    /// There is nobody to ask.
    Nobody,
    /// The caller can wait no longer; the question stays.
    Patience,
}

impl Prompts {
    pub(super) fn new(clock: Arc<dyn Clock>, prompter: Arc<dyn Prompter>) -> Arc<Self> {
        let codes = MfaCodes::new(Arc::clone(&clock));
        Arc::new(Self { state: Mutex::default(), clock, prompter, codes })
    }

    /// Takes over how a person is asked.
    pub(super) fn take_over(&self, settings: &AgentSettings) {
        let mut state = self.state.guard();
        state.prompts.clone_from(&settings.prompts);
        state.pinentry.clone_from(&settings.pinentry_program);
    }

    /// Returns where the agent itself can show a prompt.
    pub(super) fn at_home(&self) -> Surroundings {
        self.prompter.at_home()
    }

    /// Gives a caller a seat for an answer.
    pub(super) fn sit(
        self: &Arc<Self>,
        subject: Subject,
        name: Name,
        terminal: bool,
        program: Option<String>,
        surroundings: Surroundings,
    ) -> Waiter {
        let (asks, asked) = mpsc::unbounded_channel();
        let mut state = self.state.guard();
        state.seat_ids += 1;
        let id = state.seat_ids;
        state.seats.push(PromptPlace { id, subject, terminal, surroundings, name, program, asks });
        Waiter { questions: Arc::clone(self), id, asks: asked }
    }

    /// Asks for the code of a plan's device, where the person is. Two questions for one device are never open at once.
    pub(super) async fn ask(
        &self,
        plan: &Plan,
        serial: &MfaSerial,
        mut reason: Option<String>,
    ) -> Result<SubmittedCode, Unanswered> {
        let turn = Arc::clone(self.state.guard().turns.entry(serial.clone()).or_default());
        let _turn = turn.lock().await;
        let subject = Subject::Device(serial.clone());
        for _ in 0..SLIPS_MAX {
            let identity = plan.identity.name.to_string();
            let question = Question {
                wanted: Wanted::Code { identity, serial: serial.as_str().to_owned() },
                name: plan.name.to_string(),
                program: None,
                since: Some(self.since(&subject)),
                reason: reason.take(),
            };
            let (given, mut codes) = mpsc::unbounded_channel();
            let open = Opened::new(self, &subject, &question, Some(plan.unlock_name()), given);
            self.showing_at(&subject, |_| true);
            let said = tokio::select! {
                biased;
                Some(given) = codes.recv() => {
                    open.answered();
                    return Ok(given);
                }
                said = self.ask_around(&subject) => open.unless_refused(said),
            };
            match said? {
                PromptReply::Code(code) if !is_mfa_code(code.expose()) => reason = Some(NOT_A_CODE.to_owned()),
                PromptReply::Code(code) if !self.codes.take(serial, &code) => reason = Some(self.codes.mark_used()),
                PromptReply::Code(code) => {
                    open.answered();
                    return Ok(SubmittedCode::by_person(code));
                }
                // A yes is no code.
                PromptReply::Allowed => return Err(Unanswered::Nobody),
            }
        }
        tracing::warn!(device = serial.as_str(), "no answer was a code: the question is over");
        Err(Unanswered::NoCode)
    }

    /// Asks whether a program may have a role, where the person is.
    pub(super) async fn ask_consent(&self, subject: &Subject, question: &Question) -> Result<(), Unanswered> {
        let (given, _codes) = mpsc::unbounded_channel();
        let question = Question { since: Some(self.since(subject)), ..question.clone() };
        let open = Opened::new(self, subject, &question, None, given);
        let said = self.ask_around(subject).await;
        match open.unless_refused(said)? {
            PromptReply::Allowed => {
                open.answered();
                Ok(())
            }
            // A code is no consent.
            PromptReply::Code(_) => Err(Unanswered::Nobody),
        }
    }

    /// Finds the first caller that can be asked in a way, and words the question for it.
    fn showing_at(&self, subject: &Subject, can_be: impl Fn(&PromptPlace) -> bool) -> Option<Showing> {
        let State { seats, wanted, .. } = &mut *self.state.guard();
        let place = seats.iter().find(|place| place.subject == *subject && can_be(place))?;
        let question = wanted.get_mut(subject)?.question_at(place);
        let (asks, surroundings) = (place.asks.clone(), place.surroundings.clone());
        Some(Showing { seat: place.id, asks, surroundings, question })
    }

    async fn ask_around(&self, subject: &Subject) -> Result<PromptReply, Unanswered> {
        let prompts = self.state.guard().prompts.clone();
        for prompt in prompts {
            match prompt {
                PromptKind::Pinentry => {
                    if let Some(said) = self.ask_by_pinentry(subject).await? {
                        return Ok(said);
                    }
                }
                PromptKind::Tty => {
                    while let Some(Showing { seat, asks, surroundings, question }) =
                        self.showing_at(subject, |place| place.terminal)
                    {
                        // Two programs in one terminal would each read some of the keys that are typed.
                        let turn = self.turn_at(&surroundings);
                        let turn = async {
                            match &turn {
                                Some(turn) => Some(turn.lock().await),
                                None => None,
                            }
                        };
                        let _turn = tokio::select! {
                            turn = turn => turn,
                            // Its place is given up by now: the next seat is asked.
                            () = asks.closed() => {
                                self.state.guard().seats.retain(|place| place.id != seat);
                                continue;
                            }
                        };
                        let (answer, answered) = oneshot::channel();
                        let sent = asks.send(PromptRequest { question, answer });
                        match (sent, answered.await) {
                            (Ok(()), Ok(Some(said))) => return Ok(said),
                            (Ok(()), Ok(None)) => return Err(Unanswered::Cancelled),
                            // Its caller is gone, or has no terminal after all: the next one is asked.
                            _ => self.state.guard().seats.retain(|place| place.id != seat),
                        }
                    }
                }
            }
        }
        Err(Unanswered::Nobody)
    }

    /// Forgets a question that means nothing once its caller is gone.
    pub(super) fn forget(&self, subject: &Subject) {
        self.state.guard().wanted.remove(subject);
    }

    /// Forgets every question.
    pub(super) fn lock(&self) {
        self.state.guard().wanted.clear();
    }
}

/// Says that nobody answered, and what answers.
pub(super) fn unanswered(no: Unanswered, serial: &MfaSerial, whom: &Name) -> UserError {
    let device = serial.as_str();
    let (what, hint) = match no {
        Unanswered::Cancelled => (
            format!("the question for a code of MFA device {device} was cancelled"),
            format!("run it again, or run `rolecall unlock {whom}`"),
        ),
        Unanswered::NoCode => (
            format!("what came for a code of MFA device {device} was {SLIPS_MAX} times no code that could be used"),
            format!("run `rolecall unlock {whom}`; if nobody typed it, look at `pinentry_program`"),
        ),
        Unanswered::Nobody | Unanswered::CalledOff | Unanswered::Patience => {
            (format!("a code of MFA device {device} is needed"), format!("run `rolecall unlock {whom}`"))
        }
    };
    UserError::new(Kind::Locked, what).hint(hint)
}
