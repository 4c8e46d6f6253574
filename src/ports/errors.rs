//! The error of a call to AWS or to a source of credentials.

use rolecall_core::domain::catalogue::VaultKind;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::remedy::{Principal, Remedy};

/// Whether a later call may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retryability {
    /// The same call fails until somebody changes something.
    Permanent,
    /// The session that signed has expired: renew it and try once more.
    SignerExpired,
    /// A later call may succeed.
    Transient,
    /// The MFA code is wrong or was used before.
    WrongCode,
}

/// An error that AWS returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// The message of AWS, without secrets.
    pub words: String,
    /// What helps, if its hint must name an identity: the adapter knows keys and ARNs.
    pub remedy: Option<Remedy>,
    /// Whether AWS limits the rate of calls, so that it did not look at this one.
    pub is_throttled: bool,
}

/// A call that returned no result.
#[derive(Clone, Debug)]
pub struct TokenError {
    /// What a person is told. If there is a remedy, it gives the hint; see [`TokenError::told_by`].
    pub report: UserError,
    /// What AWS answered; `None` if there was no answer.
    pub refusal: Option<Box<AwsError>>,
    /// Whether a later call may succeed.
    pub outlook: Retryability,
    /// The error code of AWS, as `AccessDenied`.
    pub code: Option<String>,
    /// The request id of AWS.
    pub request_id: Option<String>,
}

impl TokenError {
    /// Returns the error of a call that was not sent, or that fails the same way next time.
    pub fn permanent(report: UserError) -> Self {
        Self { report, refusal: None, outlook: Retryability::Permanent, code: None, request_id: None }
    }

    /// Returns the error of a call that may succeed later.
    pub fn transient(report: UserError) -> Self {
        Self { outlook: Retryability::Transient, ..Self::permanent(report) }
    }

    /// Returns what a person is told. `hint_of` words the remedy. This is the only place that decides the hint.
    pub fn told_by(self, hint_of: impl FnOnce(&Remedy) -> String) -> UserError {
        match self.refusal.and_then(|refusal| refusal.remedy) {
            Some(remedy) => self.report.hint(hint_of(&remedy)),
            None => self.report,
        }
    }

    /// Returns what a person is told if the key of an identity signed the call.
    pub fn told(self, identity: &str) -> UserError {
        self.told_by(|remedy| remedy.hint(&Principal::of_key(identity)))
    }

    /// Gives a hint in place of the one that the error has, and of its remedy.
    #[must_use]
    pub fn with_hint(mut self, hint: String) -> Self {
        if let Some(refusal) = &mut self.refusal {
            refusal.remedy = None;
        }
        Self { report: self.report.hint(hint), ..self }
    }

    /// Returns the message of AWS; empty if there was no answer.
    pub fn words(&self) -> &str {
        self.refusal.as_ref().map_or("", |refusal| &refusal.words)
    }

    /// Returns the error code without the suffix that some services add; empty if there was no answer.
    pub fn aws_code(&self) -> &str {
        let code = self.code.as_deref().unwrap_or_default();
        code.strip_suffix("Exception").unwrap_or(code)
    }

    /// Returns whether AWS rejected the call only because of its rate.
    pub fn is_throttled(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.is_throttled)
    }

    /// Returns whether IAM does not have the resource.
    pub fn is_missing(&self) -> bool {
        self.aws_code() == "NoSuchEntity"
    }
}

/// Returns the error that a vault contains no key of an identity.
pub fn no_key(kind: VaultKind, identity: &str) -> UserError {
    UserError::new(Kind::Config, format!("{} holds no key of {identity}", kind.facts().place))
        .hint(format!("store one: `rolecall identity add {identity}`"))
}
