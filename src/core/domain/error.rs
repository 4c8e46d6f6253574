//! What a person is told when something fails: a cause, and the command that fixes it.
//!
//! AWS SDKs paste the first line of our stderr into their own errors, so the message must make sense alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

pub use super::text::printable;

/// Classifies a failure; the number is the exit code of the command that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Anything that has no class of its own.
    Failed,
    /// The command line was wrong.
    Usage,
    /// The configuration is wrong or names nothing of that name.
    Config,
    /// The vault is locked, or a person is needed.
    Locked,
    /// AWS answered and said no.
    Refused,
    /// AWS did not answer, or not in a way that can be understood.
    Unreachable,
    /// The agent could not be reached or speaks another protocol.
    Agent,
}

impl Kind {
    /// Gives the process exit code, as fixed for users' scripts.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Locked => 4,
            Self::Refused => 5,
            Self::Unreachable => 6,
            Self::Agent => 7,
        }
    }
}

/// A failure as a person reads it. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserError {
    /// Decides the exit code.
    pub kind: Kind,
    /// One line, lower case, no full stop: who, what, which file, key or ARN.
    pub message: String,
    /// What to do next, an imperative with a command in backticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the call was made without a proxy and did not get through: then the proxy of the caller may be the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unproxied: bool,
    /// Why AWS refused a call that it may accept later. It is not part of what `--json` prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub may_pass: Option<MayPass>,
}

/// A refusal that passes if it is about something new: AWS does not know a new key or policy everywhere at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MayPass {
    /// No policy allows the call.
    AccessDenied,
    /// AWS does not know the access key.
    UnknownKey,
}

impl UserError {
    /// Makes a report without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, unproxied: false, may_pass: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Appends a further remark to the hint, as "the configuration on disk is not in use".
    #[must_use]
    pub fn with_note(mut self, remark: &str) -> Self {
        self.hint = Some(match self.hint {
            Some(hint) => format!("{hint}; {remark}"),
            None => remark.to_owned(),
        });
        self
    }

    /// Says where the command of the hint must run, if the hint contains one.
    #[must_use]
    pub fn command_runs(mut self, place: &str) -> Self {
        self.hint = self.hint.map(|hint| if hint.contains('`') { format!("{place}: {hint}") } else { hint });
        self
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UserError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_exit_code_that_scripts_rely_on() {
        let codes = [
            (Kind::Failed, 1),
            (Kind::Usage, 2),
            (Kind::Config, 3),
            (Kind::Locked, 4),
            (Kind::Refused, 5),
            (Kind::Unreachable, 6),
            (Kind::Agent, 7),
        ];
        for (kind, code) in codes {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }
}
