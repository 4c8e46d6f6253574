//! A question to the person, where the person may be found, and a word that needs no answer.

use super::error::printable;
use chrono::{DateTime, TimeZone, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// Whether the program may have the long-term key itself.
    Key {
        /// The key's id.
        access_key_id: String,
    },
}

/// The longest part of a question that comes from outside; a path may be longer, and a terminal has lines.
const PART_MAX: usize = 200;

impl Question {
    /// Says what is wanted by whom since when, and what an answer would give; safe to be shown on a terminal.
    pub fn text<Z: TimeZone<Offset: fmt::Display>>(&self, zone: &Z) -> [String; 2] {
        let shown = |text: &str| printable(text, PART_MAX);
        let name = shown(&self.name);
        let since = self.since.map(|since| format!(" since {}", since.with_timezone(zone).format("%H:%M")));
        let since = since.unwrap_or_default();
        match &self.wanted {
            Wanted::Code { identity, serial } => {
                let program = self.program.as_deref().map(|program| format!(" for {}", shown(program)));
                let program = program.unwrap_or_default();
                [
                    format!("{name} is wanted{program}{since}"),
                    format!("MFA code of {} ({})", shown(identity), shown(serial)),
                ]
            }
            Wanted::Consent { role_arn, minutes } => {
                let program = self.program.as_deref().map_or_else(|| UNNAMED.to_owned(), shown);
                [
                    format!("{program} wants `{name}` ({}){since}", shown(role_arn)),
                    format!("allow it for {minutes} minutes?"),
                ]
            }
            Wanted::Key { access_key_id } => {
                let program = self.program.as_deref().map_or_else(|| UNNAMED.to_owned(), shown);
                [
                    format!("{program} wants the secret access key {} of `{name}`{since}", shown(access_key_id)),
                    "give it out, to stand in a file in PLAIN TEXT?".to_owned(),
                ]
            }
        }
    }

    /// Says why it is asked again, if it is; safe to be shown on a terminal.
    pub fn again(&self) -> Option<String> {
        self.reason.as_deref().map(|reason| printable(reason, PART_MAX))
    }
}

/// How a program is called of which the kernel does not say which it is.
pub const UNNAMED: &str = "a program that cannot be named";

/// Says what spares the question for consent: a yes is of one terminal session only, and of no use to cron.
pub fn allow_for_good(role: &str, program: Option<&str>) -> String {
    match program {
        Some(program) => {
            let program = program.replace('\\', "\\\\").replace('"', "\\\"");
            format!(
                "to allow it for good, write `access_by_program = {{ \"{program}\" = \"allow\" }}` in [roles.{role}]"
            )
        }
        None => format!("`access` in [roles.{role}] says who is asked; what cannot be named has no entry of its own"),
    }
}

/// Where a caller could be shown something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `$DISPLAY`.
    pub display: Option<String>,
    /// `$WAYLAND_DISPLAY`.
    pub wayland_display: Option<String>,
    /// `$XAUTHORITY`.
    pub xauthority: Option<String>,
    /// `$LANG`.
    pub lang: Option<String>,
    /// Its terminal.
    pub terminal: Option<Terminal>,
}

/// A terminal's device, by the kernel's word and not by the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it is.
    pub path: String,
    /// Its number, major and minor: what is opened at the path must have it.
    pub number: (u32, u32),
}

/// A terminal on which a program can draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its device.
    pub device: Device,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn question(wanted: Wanted, program: Option<&str>) -> Question {
        let since = DateTime::from_timestamp(1_795_305_660, 0);
        Question { wanted, name: "prod".into(), program: program.map(str::to_owned), since, reason: None }
    }

    #[test]
    fn a_question_says_what_is_wanted_by_whom_and_since_when() {
        let wanted = Wanted::Code { identity: "auth".into(), serial: "arn:aws:iam::111111111111:mfa/richard".into() };
        assert_eq!(
            question(wanted.clone(), Some("aws")).text(&Utc),
            ["prod is wanted for aws since 00:01", "MFA code of auth (arn:aws:iam::111111111111:mfa/richard)"]
        );
        assert_eq!(question(wanted, None).text(&Utc)[0], "prod is wanted since 00:01");
        let wanted = Wanted::Consent { role_arn: "arn:aws:iam::222222222222:role/R".into(), minutes: 60 };
        assert_eq!(
            question(wanted.clone(), Some("/usr/bin/aws")).text(&Utc),
            ["/usr/bin/aws wants `prod` (arn:aws:iam::222222222222:role/R) since 00:01", "allow it for 60 minutes?"]
        );
        assert!(question(wanted, None).text(&Utc)[0].starts_with("a program that cannot be named wants `prod`"));
    }

    #[test]
    fn nothing_from_outside_can_move_the_cursor_or_begin_a_line() {
        let evil = "x\n\u{1b}[2Jy\u{202e}";
        let wanted = Wanted::Code { identity: evil.into(), serial: evil.into() };
        let code = Question { name: evil.into(), reason: Some(evil.into()), ..question(wanted, Some(evil)) };
        let wanted = Wanted::Consent { role_arn: evil.into(), minutes: 1 };
        let consent = Question { name: evil.into(), ..question(wanted, Some(evil)) };
        let shown = [code.text(&Utc), consent.text(&Utc), [code.again().unwrap_or_default(), String::new()]].concat();
        assert!(!shown.iter().any(|text| text.contains(['\n', '\u{1b}', '\u{202e}'])), "{shown:?}");
        assert!(shown[0].contains("x\\u{a}\\u{1b}[2Jy\\u{202e}"), "{shown:?}");
    }

    #[test]
    fn what_allows_a_program_for_good_can_be_pasted() {
        let hint = allow_for_good("prod", Some("/opt/a \"b\"/c"));
        let entry = hint.split('`').nth(1).expect("an entry");
        assert_eq!(entry, r#"access_by_program = { "/opt/a \"b\"/c" = "allow" }"#);
        assert!(hint.ends_with("in [roles.prod]"), "{hint}");
    }
}
