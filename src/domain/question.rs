//! A question to the person, where the person may be found, and a word that needs no answer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What the agent asks of the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What it wants.
    pub wanted: Wanted,
    /// For which role or identity.
    pub name: String,
    /// On behalf of which program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Since when it is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Why it is asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a question wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Wanted {
    /// The code that an MFA device shows.
    Code {
        /// Whose device.
        identity: String,
        /// Which device.
        serial: String,
    },
    /// Whether the program may have a session of the role.
    Consent {
        /// The role.
        role_arn: String,
        /// How many minutes a yes holds.
        minutes: u64,
    },
}

/// Where a caller could be shown something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `$DISPLAY`.
    pub display: Option<String>,
    /// `$WAYLAND_DISPLAY`.
    pub wayland_display: Option<String>,
    /// `$LANG`.
    pub lang: Option<String>,
    /// Its terminal.
    pub terminal: Option<Terminal>,
}

/// A terminal on which a program can draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its device, by the kernel's word and not by the caller's.
    pub path: String,
    /// What it understands (`$TERM`).
    pub kind: Option<String>,
}

impl Surroundings {
    /// Tells whether a window could be shown at all.
    pub fn has_display(&self) -> bool {
        self.display.is_some() || self.wayland_display.is_some()
    }

    /// Gives the ways to be shown something, one at a time: in a window, on the terminal.
    pub fn ways(&self) -> impl Iterator<Item = Self> + use<> {
        let window = self.has_display().then(|| Self { terminal: None, ..self.clone() });
        let terminal = self.terminal.is_some().then(|| Self { display: None, wayland_display: None, ..self.clone() });
        window.into_iter().chain(terminal)
    }
}

/// What a person should know without having asked: shown on the desktop, where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A few words.
    pub summary: String,
    /// A sentence, and the command that helps. Plain text.
    pub body: String,
}
