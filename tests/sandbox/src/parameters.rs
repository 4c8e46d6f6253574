//! The checking of parameters before anything else is done with them, in the words of AWS's validator.
//!
//! Every failed constraint is named in one message. Constraints: the STS API reference of each operation.

use crate::error::ApiError;
use crate::request::Operation;

/// A form a text must have, with the expression that AWS's message shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    shown: &'static str,
    holds: fn(char) -> bool,
}

/// Names of sessions and source identities.
pub(crate) const NAME: Form = Form { shown: r"[\w+=,.@-]*", holds: |c| is_word(c) || "+=,.@-".contains(c) };
/// External ids.
pub(crate) const EXTERNAL_ID: Form = Form { shown: r"[\w+=,.@:\/-]*", holds: |c| is_word(c) || "+=,.@:/-".contains(c) };
/// Serial numbers of MFA devices.
pub(crate) const SERIAL: Form = Form { shown: r"[\w+=/:,.@-]*", holds: |c| is_word(c) || "+=/:,.@-".contains(c) };
/// One-time codes.
pub(crate) const CODE: Form = Form { shown: r"[\d]*", holds: |c| c.is_ascii_digit() };
/// ARNs.
pub(crate) const ARN: Form = Form {
    shown: r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+",
    holds: |c| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}'),
};
/// Keys of tags.
pub(crate) const TAG_KEY: Form = Form { shown: r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+", holds: is_tag };
/// Values of tags.
pub(crate) const TAG_VALUE: Form = Form { shown: r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", holds: is_tag };

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_tag(c: char) -> bool {
    c.is_alphabetic() || c.is_numeric() || c.is_whitespace() || "_.:/=+-@".contains(c)
}

/// The parameters of one request, and what is wrong with them.
#[derive(Debug)]
pub(crate) struct Parameters<'a> {
    operation: &'a Operation,
    problems: Vec<String>,
}

impl<'a> Parameters<'a> {
    pub(crate) fn of(operation: &'a Operation) -> Self {
        Self { operation, problems: Vec::new() }
    }

    /// Returns a text that must be given.
    pub(crate) fn required(&mut self, name: &str, length: (usize, usize), form: Option<Form>) -> &'a str {
        if self.operation.parameter(name).is_none() {
            self.problems
                .push(format!("Value null at '{}' failed to satisfy constraint: Member must not be null", label(name)));
        }
        self.optional(name, length, form).unwrap_or_default()
    }

    /// Returns a text that may be given.
    pub(crate) fn optional(&mut self, name: &str, length: (usize, usize), form: Option<Form>) -> Option<&'a str> {
        let value = self.operation.parameter(name)?;
        self.check(&label(name), value, length, form);
        Some(value)
    }

    /// Returns a whole number that may be given.
    pub(crate) fn number(&mut self, name: &str, range: (i64, i64)) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.operation.parameter(name) else { return Ok(None) };
        let value = i64::from(text.parse::<i32>().map_err(|_| ApiError::new(400, "MalformedInput", ""))?);
        let (least, most) = range;
        if value < least {
            self.problem(&label(name), text, &format!("have value greater than or equal to {least}"));
        } else if value > most {
            self.problem(&label(name), text, &format!("have value less than or equal to {most}"));
        }
        Ok(Some(value))
    }

    /// Returns the entries of a list, each by its field; the field of a list of plain texts is empty.
    pub(crate) fn list(&mut self, name: &str, fields: &[&str], most: usize) -> Vec<Vec<Option<&'a str>>> {
        let mut entries = Vec::new();
        loop {
            let prefix = format!("{name}.member.{}", entries.len() + 1);
            let entry: Vec<_> = fields
                .iter()
                .map(|field| {
                    self.operation.parameter(&if field.is_empty() {
                        prefix.clone()
                    } else {
                        format!("{prefix}.{field}")
                    })
                })
                .collect();
            if entry.iter().all(Option::is_none) {
                break;
            }
            entries.push(entry);
        }
        if entries.len() > most {
            self.problem(
                &label(name),
                &format!("[{} members]", entries.len()),
                &format!("have length less than or equal to {most}"),
            );
        }
        entries
    }

    /// Checks a text against its constraints.
    pub(crate) fn check(&mut self, label: &str, value: &str, (least, most): (usize, usize), form: Option<Form>) {
        let length = value.chars().count();
        if let Some(form) = form.filter(|form| !value.chars().all(form.holds)) {
            self.problem(label, value, &format!("satisfy regular expression pattern: {}", form.shown));
        }
        if length < least {
            self.problem(label, value, &format!("have length greater than or equal to {least}"));
        }
        if length > most {
            self.problem(label, value, &format!("have length less than or equal to {most}"));
        }
    }

    /// Answers with everything that is wrong, if anything is.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let problems = self.problems;
        if problems.is_empty() {
            return Ok(());
        }
        let errors = if problems.len() == 1 { "error" } else { "errors" };
        Err(ApiError::new(
            400,
            "ValidationError",
            format!("{} validation {errors} detected: {}", problems.len(), problems.join("; ")),
        ))
    }

    fn problem(&mut self, label: &str, value: &str, constraint: &str) {
        self.problems
            .push(format!("Value '{value}' at '{label}' failed to satisfy constraint: Member must {constraint}"));
    }
}

/// Returns a parameter's name as the validator writes it: `RoleSessionName` is `roleSessionName`.
pub(crate) fn label(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
