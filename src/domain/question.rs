//! A question to the person, and where the person may be found.

use serde::{Deserialize, Serialize};

/// What the agent wants to know of the person: a code of an MFA device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Whose code.
    pub identity: String,
    /// Of which device.
    pub serial: String,
    /// For which role or identity.
    pub name: String,
    /// On behalf of which program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Why it is asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The displays on which a caller could be shown a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `$DISPLAY`.
    pub display: Option<String>,
    /// `$WAYLAND_DISPLAY`.
    pub wayland_display: Option<String>,
    /// `$LANG`.
    pub lang: Option<String>,
}

impl Surroundings {
    /// Tells whether a window could be shown at all.
    pub fn has_display(&self) -> bool {
        self.display.is_some() || self.wayland_display.is_some()
    }
}
