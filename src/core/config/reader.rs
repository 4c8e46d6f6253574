//! The way from a document's table to checked values: which keys there are, which are unknown, and what type each has.
//!
//! It knows no section: a section is a list of [`Field`]s. Places are kept on the stack and become text only for a
//! problem, because ten thousand good roles should not pay for words that nobody reads.

use super::problem::{Cursor, QUOTE_MAX, Sink};
use super::validators;
use crate::domain::error::printable;
use crate::domain::names::nearest;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More known keys than this are not listed when none is near.
const LISTED_KEYS_MAX: usize = 6;

/// The advice for keys that hold credentials.
pub(super) const SECRET_ADVICE: &str =
    "access keys do not belong in this file: `rolecall identity add NAME` puts them into the vault";

/// A value, its place, and where to tell what is wrong with it.
pub(super) struct Position<'a> {
    pub(super) value: &'a Spanned<DeValue<'a>>,
    pub(super) at: Cursor<'a>,
    pub(super) sink: &'a mut Sink,
}

impl Position<'_> {
    /// Reports a problem of a key of the table that is here, whether it is there or not.
    pub(super) fn about(&mut self, key: &str, message: &str) {
        let offset = self.value.get_ref().get(key).map_or(self.at.offset, |v| v.span().start);
        self.sink.say(&self.at.child(key, offset), message);
    }

    pub(super) fn wrong(&mut self, message: impl Into<String>) {
        self.sink.say(&self.at, message);
    }

    fn wrong_type(&mut self, wanted: &str) {
        let found = match self.value.get_ref() {
            DeValue::Integer(_) => "an integer".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            other => format!("a {}", other.type_str()),
        };
        self.wrong(format!("expected {wanted}, found {found}"));
    }

    /// Reads a string and checks it.
    pub(super) fn checked<T, E: Display>(&mut self, check: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let DeValue::String(text) = self.value.get_ref() else {
            self.wrong_type("a string");
            return None;
        };
        check(text).map_err(|e| self.wrong(e.to_string())).ok()
    }

    /// Reads a string that stays text, and checks it.
    pub(super) fn text<E: Display>(&mut self, check: impl FnOnce(&str) -> Result<(), E>) -> Option<String> {
        self.checked(|text| check(text).map(|()| text.to_owned()))
    }

    /// Reads one of a closed set of words.
    pub(super) fn word<T: Copy>(&mut self, words: &[(&'static str, T)]) -> Option<T> {
        self.checked(|text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let listed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                format!("`{}` is not one of {}", printable(text, QUOTE_MAX), listed.join(", "))
            })
        })
    }

    pub(super) fn boolean(&mut self) -> Option<bool> {
        let found = self.value.get_ref().as_bool();
        if found.is_none() {
            self.wrong_type("true or false");
        }
        found
    }

    /// Reads an array, each element by `read`; what `read` refuses is left out.
    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut Position<'_>) -> Option<T>) -> Option<Vec<T>> {
        let DeValue::Array(elements) = self.value.get_ref() else {
            self.wrong_type("an array");
            return None;
        };
        let read_one = |(i, value): (usize, &Spanned<DeValue<'_>>)| {
            let key = i.to_string();
            let at = self.at.child(&key, value.span().start);
            read(&mut Position { value, at, sink: &mut *self.sink })
        };
        Some(elements.iter().enumerate().filter_map(read_one).collect())
    }

    /// Reads every key of the table that is here, whatever its name.
    pub(super) fn each(&mut self, mut read: impl FnMut(&str, &mut Position<'_>)) {
        let value = self.value;
        let DeValue::Table(table) = value.get_ref() else { return self.wrong_type("a table") };
        for (key, value) in table {
            let at = self.at.child(key.get_ref(), value.span().start);
            read(key.get_ref(), &mut Position { value, at, sink: &mut *self.sink });
        }
    }
}

/// A key of a section, and what reads it into the section's draft.
pub(super) struct Field<T> {
    pub(super) key: &'static str,
    pub(super) read: fn(&mut T, &mut Position<'_>),
}

/// A section: its keys, and advice for keys that belong elsewhere.
pub(super) struct Section<T: 'static> {
    pub(super) fields: &'static [Field<T>],
    pub(super) advice: &'static [(&'static str, &'static str)],
}

impl<T> Section<T> {
    /// Reads the table that is here into a draft.
    pub(super) fn read(&self, draft: &mut T, spot: &mut Position<'_>) {
        let value = spot.value;
        let DeValue::Table(table) = value.get_ref() else { return spot.wrong_type("a table") };
        self.read_table(draft, table, &spot.at, spot.sink);
    }

    pub(super) fn read_table(&self, draft: &mut T, table: &DeTable<'_>, at: &Cursor<'_>, sink: &mut Sink) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match self.fields.iter().find(|field| field.key == name) {
                Some(field) => {
                    let at = at.child(name, value.span().start);
                    (field.read)(draft, &mut Position { value, at, sink });
                }
                None => self.unknown(&at.child(name, key.span().start), value.get_ref().is_table(), sink),
            }
        }
    }

    fn unknown(&self, at: &Cursor<'_>, is_table: bool, sink: &mut Sink) {
        if sink.is_full() {
            return sink.say(at, "");
        }
        let known = || self.fields.iter().map(|field| field.key);
        let remark = if let Some((_, advice)) = self.advice.iter().find(|(key, _)| *key == at.key) {
            (*advice).to_owned()
        } else if let Some(near) = nearest(at.key, known()).first() {
            format!("did you mean `{near}`?")
        } else if is_table && at.up.is_some_and(|up| up.up.is_some_and(|top| top.up.is_some())) {
            // [roles.team.prod] is a table `prod` inside a role `team`.
            let parent = at.up.map(|up| up.key).unwrap_or_default();
            let top = at.up.and_then(|up| up.up).map(|top| top.key).unwrap_or_default();
            format!(
                "a name with a dot is quoted: [{top}.\"{}\"]",
                printable(&format!("{parent}.{}", at.key), QUOTE_MAX)
            )
        } else if self.fields.len() <= LISTED_KEYS_MAX {
            format!("known here: {}", known().collect::<Vec<_>>().join(", "))
        } else {
            String::new()
        };
        let separator = if remark.is_empty() { "" } else { "; " };
        sink.say(at, format!("unknown key{separator}{remark}"));
    }
}

/// Checks whether a key is there. A value that is no table counts as having it: that is reported elsewhere.
pub(super) fn has_key(spot: &Position<'_>, key: &str) -> bool {
    spot.value.get_ref().as_table().is_none_or(|table| table.contains_key(key))
}

/// Reads a duration within a range of seconds.
pub(super) fn duration(spot: &mut Position<'_>, range: &RangeInclusive<u64>) -> Option<Duration> {
    if let DeValue::Integer(number) = spot.value.get_ref() {
        let digits = if number.radix() == 10 { printable(number.as_str(), 12) } else { "3600".to_owned() };
        spot.wrong(format!("a duration is text with a unit: \"{digits}s\", or \"1h\""));
        return None;
    }
    spot.checked(|text| validators::duration_in(text, range).map_err(|e| printable(&e, 120)))
}
