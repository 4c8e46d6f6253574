//! Faults on demand: what goes wrong, when, and how often.
//!
//! A fault stands between the client and the rules: those that make up an answer never ask who is calling, those that
//! spoil one let the rules decide first.

pub(crate) mod apply;
mod spoil;

use std::time::Duration;

use crate::request::Operation;
use crate::signature::Presented;

/// A fault that waits for the requests it is meant for.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which requests it is meant for.
    pub when: Match,
    /// What goes wrong.
    pub what: FaultKind,
    /// How often it happens; `None` is always.
    pub times: Option<usize>,
    /// How many such requests it lets through first.
    pub skip: usize,
}

/// Which requests are meant; what is not said matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The service in the signature's scope, such as `sts`.
    pub service: Option<String>,
    /// The operation, such as `AssumeRole`.
    pub action: Option<String>,
    /// The role that is asked for.
    pub role_arn: Option<String>,
    /// The access key id the request is signed with.
    pub access_key_id: Option<String>,
}

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// An error answer of one's own.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: String,
        /// The message.
        message: String,
    },
    /// AWS's throttling answer.
    Throttle,
    /// The right answer, later (in real time).
    Delay(Duration),
    /// No answer, and the connection stays open.
    Hang,
    /// No answer, and the connection is closed.
    Drop,
    /// What was asked for is done, and the connection is closed without an answer.
    LostAnswer,
    /// 200 with a web page, as a captive portal sends.
    Garbage,
    /// The right answer, cut in the middle of its XML.
    TruncatedXml,
    /// The head of the right answer, half of its body, and a closed connection.
    CutOff,
    /// 200 with a body of 100 MB.
    HugeBody,
    /// The right answer, a byte at a time (in real time).
    SlowLoris(Duration),
    /// The right answer under another role's ARN.
    WrongRole(String),
    /// The right answer under another account's id.
    WrongAccount(String),
    /// The right answer, but already over.
    ExpiredAnswer,
    /// The right answer without an expiration.
    NoExpiration,
    /// The right answer without an element, such as `SessionToken`.
    MissingField(String),
    /// The right answer, good for ten years.
    FarFuture,
    /// The right answer with a text for an expiration.
    BadExpiration(String),
    /// A clock that is off by seconds: requests are judged by it and the Date header tells it.
    DateSkew(i64),
    /// An error that repeats the credentials of the request, as careless proxies do.
    EchoSecret,
}

impl Fault {
    /// Returns a fault that happens to every request for an operation.
    pub fn on(action: &str, what: FaultKind) -> Self {
        Self { when: Match::action(action), what, times: None, skip: 0 }
    }

    /// Limits how often it happens.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets so many requests through before it happens.
    #[must_use]
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Returns a fault that happens to every request to a service.
    pub fn on_service(service: &str, what: FaultKind) -> Self {
        let when = Match { service: Some(service.to_owned()), ..Match::default() };
        Self { when, what, times: None, skip: 0 }
    }

    /// Limits it to requests for one role.
    #[must_use]
    pub fn for_role(mut self, arn: &str) -> Self {
        self.when.role_arn = Some(arn.to_owned());
        self
    }
}

impl Match {
    /// Returns what matches every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Returns what matches every request for an operation.
    pub fn action(action: &str) -> Self {
        Self { action: Some(action.to_owned()), ..Self::default() }
    }

    pub(crate) fn includes(&self, operation: &Operation, presented: Option<&Presented>) -> bool {
        let fits = |wanted: &Option<String>, actual: Option<&str>| wanted.is_none() || wanted.as_deref() == actual;
        fits(&self.service, Some(&operation.service_name))
            && fits(&self.action, Some(&operation.action))
            && fits(&self.role_arn, operation.parameter("RoleArn"))
            && fits(&self.access_key_id, presented.map(|presented| presented.access_key_id.as_str()))
    }
}

/// The faults in the order they were set; the first that fits happens.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    pub(crate) fn due(&self) -> usize {
        self.waiting.iter().filter(|fault| fault.times != Some(0)).count()
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Takes what is to go wrong with a request.
    pub(crate) fn take(&mut self, operation: &Operation, presented: Option<&Presented>) -> Option<FaultKind> {
        let mut meant =
            self.waiting.iter_mut().filter(|fault| fault.times != Some(0) && fault.when.includes(operation, presented));
        let fault = loop {
            let fault = meant.next()?;
            if fault.skip == 0 {
                break fault;
            }
            fault.skip -= 1;
        };
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.what.clone())
    }
}
