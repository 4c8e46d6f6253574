//! What a client says of itself beside its request: where a person could be asked, and which files it would use.

use rolecall_core::domain::question::{Device, Surroundings, Terminal};
use serde::{Deserialize, Serialize};

/// What a client says of its surroundings: where a person could be asked, and what it would use itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// `$DISPLAY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// `$WAYLAND_DISPLAY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wayland_display: Option<String>,
    /// `$LANG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// `$TERM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// `$XAUTHORITY`: what opens the display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xauthority: Option<String>,
    /// `$DBUS_SESSION_BUS_ADDRESS`, if it is the address of a unix socket. The agent uses it if its own bus is gone, and
    /// only if the socket belongs to its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<String>,
    /// What the client would use itself; `None` from the other end of a tunnel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
}

/// The files that a client would use itself. The agent uses its own and compares: a caller must not be served by another
/// configuration than it sees without a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The configuration.
    pub config: SeenFile,
    /// Whether `ROLECALL_CONFIG` names it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub config_is_named: bool,
    /// The vault file, for a request that may create one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<SeenFile>,
}

/// A file as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFile {
    /// Its path.
    pub path: String,
    /// Its device and inode; `None` if it is not there, or if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<(u64, u64)>,
    /// Whether the path did not answer in time. Then it is not known to be missing, and counts as another file than any
    /// that is at another path.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unknown: bool,
}

impl SeenFile {
    /// Returns whether there may be such a file.
    pub fn may_exist(&self) -> bool {
        self.id.is_some() || self.is_unknown
    }
}

/// The longest `$XAUTHORITY` and bus address that mean something.
const PATH_MAX: usize = 512;

/// The longest `$TERM` and `$LANG` that mean something.
const WORD_MAX: usize = 64;

impl Context {
    /// Reads the allowed variables of this process.
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the allow-list of what a client says of its surroundings")]
        let var = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            display: var("DISPLAY"),
            wayland_display: var("WAYLAND_DISPLAY"),
            lang: var("LANG"),
            term: var("TERM"),
            xauthority: var("XAUTHORITY").filter(|path| path.len() <= PATH_MAX),
            bus: var("DBUS_SESSION_BUS_ADDRESS").filter(|bus| bus.starts_with("unix:") && bus.len() <= PATH_MAX),
            view: None,
        }
    }

    /// Gives where the caller could be shown something; `terminal` is the device that the kernel names, if any.
    pub fn surroundings(&self, terminal: Option<Device>) -> Surroundings {
        Surroundings {
            display: self.display.clone(),
            wayland_display: self.wayland_display.clone(),
            xauthority: self.xauthority.clone().filter(|path| is_path(path)),
            lang: self.lang.clone().filter(|lang| is_word(lang)),
            terminal: terminal.map(|device| Terminal { device, kind: self.term.clone().filter(|term| is_word(term)) }),
        }
    }
}

/// Tells whether a text is a name and nothing more. A `$TERM` with a path in it would have ncurses read a file of the
/// caller's choice, and a line end would begin another command of the pinentry's protocol.
fn is_word(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+-@".contains(c);
    text.len() <= WORD_MAX && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_plain)
}

/// Tells whether a text is an absolute path without control characters.
fn is_path(text: &str) -> bool {
    text.len() <= PATH_MAX && text.starts_with('/') && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_open_a_display() {
        let open =
            |path: &str| Context { xauthority: Some(path.into()), ..Context::default() }.surroundings(None).xauthority;
        assert_eq!(open("/run/user/1000/gdm/Xauthority").as_deref(), Some("/run/user/1000/gdm/Xauthority"));
        for refused in ["relative", "/a\nb", "", format!("/{}", "x".repeat(600)).as_str()] {
            assert_eq!(open(refused), None, "{refused:?}");
        }
    }
}
