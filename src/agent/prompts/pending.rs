//! What is wanted of the person: the questions that are open, and for a while those that nobody answered, for `status`.

use super::{PromptPlace, PromptReply, Prompts, Subject, Unanswered};
use crate::credentials::Outcome;
use chrono::{DateTime, Utc};
use rolecall_core::domain::arn::MfaSerial;
use rolecall_core::domain::names::Name;
use rolecall_core::domain::question::{Question, Wanted};
use rolecall_core::domain::secret::MfaCode;
use rolecall_ipc::protocol::status::QuestionStatus;
use rolecall_platform::panics::Guard;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What nobody could be asked is shown in `status` for so long.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Something that is wanted of the person, whether somebody is being asked or not.
pub(super) struct PendingPrompt {
    question: Question,
    /// By which name `unlock` answers it, where it does.
    unlock: Option<Name>,
    since: DateTime<Utc>,
    since_boot: Duration,
    /// Takes a code from `unlock` while the question is open.
    given: Option<mpsc::UnboundedSender<SubmittedCode>>,
}

/// A code that was taken for its one use, and who waits to hear what becomes of it.
pub(crate) struct SubmittedCode {
    pub(crate) code: MfaCode,
    heard: Option<oneshot::Sender<Outcome>>,
}

impl SubmittedCode {
    /// Makes the code of a person who sees by the session what became of it.
    pub(super) fn by_person(code: MfaCode) -> Self {
        Self { code, heard: None }
    }

    /// Tells who gave it what became of it.
    pub(crate) fn tell(self, outcome: &Outcome) {
        if let Some(heard) = self.heard {
            let _ = heard.send(outcome.clone());
        }
    }
}

/// An open question that was given a code.
pub(crate) struct Answered {
    /// What it opens, by the name that `unlock` takes.
    pub(crate) unlocks: Name,
    /// What becomes of the code; nothing where the question has ended in the same moment.
    pub(crate) outcome: oneshot::Receiver<Outcome>,
}

impl Prompts {
    /// Tells whether a person is being asked for a device's code, or its next one is waited for.
    pub(crate) fn is_open(&self, serial: &MfaSerial) -> bool {
        let is_asked =
            || self.state.guard().wanted.get(&Subject::Device(serial.clone())).is_some_and(PendingPrompt::is_open);
        self.codes.is_awaited(serial) || is_asked()
    }

    /// Takes note that a device's code has come, whoever gave it: what could not be asked is wanted no longer.
    pub(crate) fn settle(&self, serial: &MfaSerial) {
        let subject = Subject::Device(serial.clone());
        let mut state = self.state.guard();
        if state.wanted.get(&subject).is_some_and(|wish| !wish.is_open()) {
            state.wanted.remove(&subject);
        }
    }

    /// Gives a code, which was taken, to an open question; gives it back if there is none.
    pub(crate) fn answer(&self, serial: &MfaSerial, code: MfaCode) -> Result<Answered, MfaCode> {
        let state = self.state.guard();
        let wish = state.wanted.get(&Subject::Device(serial.clone()));
        let Some((given, unlocks)) = wish.and_then(|wish| Some((wish.given.as_ref()?, wish.unlock.clone()?))) else {
            return Err(code);
        };
        let (heard, outcome) = oneshot::channel();
        match given.send(SubmittedCode { code, heard: Some(heard) }) {
            Ok(()) => Ok(Answered { unlocks, outcome }),
            Err(unsent) => Err(unsent.0.code),
        }
    }

    /// Tells since when something is wanted.
    pub(super) fn since(&self, subject: &Subject) -> DateTime<Utc> {
        self.state.guard().wanted.get(subject).map_or_else(|| self.clock.now().wall, |wish| wish.since)
    }

    /// Gives what `status` shows.
    pub(crate) fn status(&self) -> Vec<QuestionStatus> {
        let now = self.clock.now().boot;
        let mut state = self.state.guard();
        state.wanted.retain(|_, wish| wish.is_remembered(now));
        let mut all: Vec<QuestionStatus> = state.wanted.values().map(PendingPrompt::shown).collect();
        all.sort_by_key(|question| question.since);
        all
    }
}

impl PendingPrompt {
    fn is_open(&self) -> bool {
        self.given.is_some()
    }

    fn is_remembered(&self, now: Duration) -> bool {
        self.is_open() || now.saturating_sub(self.since_boot) <= REMEMBERED
    }

    /// Words it for the caller in front of whom it appears.
    pub(super) fn question_at(&mut self, place: &PromptPlace) -> Question {
        self.question = place.worded(&self.question);
        self.question.clone()
    }

    /// Gives what `status` shows of it.
    fn shown(&self) -> QuestionStatus {
        let mut shown = QuestionStatus {
            kind: String::new(),
            identity: None,
            serial: None,
            name: self.question.name.clone(),
            program: self.question.program.clone(),
            since: self.since,
            open: self.is_open(),
            answer_with: self.unlock.as_ref().map(|name| format!("rolecall unlock {name}")),
        };
        match &self.question.wanted {
            Wanted::Code { identity, serial } => {
                "mfa-code".clone_into(&mut shown.kind);
                shown.identity = Some(identity.clone());
                shown.serial = Some(serial.clone());
            }
            Wanted::Consent { .. } => "consent".clone_into(&mut shown.kind),
            Wanted::Key { .. } => "key".clone_into(&mut shown.kind),
        }
        shown
    }
}

/// An open question; what is not answered stays in `status` as wanted.
pub(super) struct Opened<'a> {
    questions: &'a Prompts,
    subject: &'a Subject,
}

impl<'a> Opened<'a> {
    pub(super) fn new(
        questions: &'a Prompts,
        subject: &'a Subject,
        question: &Question,
        unlock: Option<&Name>,
        given: mpsc::UnboundedSender<SubmittedCode>,
    ) -> Self {
        let now = questions.clock.now();
        let mut state = questions.state.guard();
        state.wanted.retain(|_, wish| wish.is_remembered(now.boot));
        let since = state.wanted.get(subject).map_or((now.wall, now.boot), |before| (before.since, before.since_boot));
        let wish = PendingPrompt {
            question: question.clone(),
            unlock: unlock.cloned(),
            since: since.0,
            since_boot: since.1,
            given: Some(given),
        };
        state.wanted.insert(subject.clone(), wish);
        drop(state);
        Self { questions, subject }
    }

    /// Wants no longer what somebody has refused; gives what was said.
    pub(super) fn unless_refused(&self, said: Result<PromptReply, Unanswered>) -> Result<PromptReply, Unanswered> {
        if matches!(said, Err(Unanswered::Cancelled)) {
            self.questions.state.guard().wanted.remove(self.subject);
        }
        said
    }

    pub(super) fn answered(self) {
        self.questions.state.guard().wanted.remove(self.subject);
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(wish) = self.questions.state.guard().wanted.get_mut(self.subject) {
            wish.given = None;
        }
    }
}
