//! Where the statements of a document stand in its text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A place in a text; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Finds where each statement begins and ends. As in IAM's answers, one begins right behind the bracket or comma before it.
pub(crate) fn of_statements(text: &str) -> Vec<(Position, Position)> {
    let Ok(document) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else { return Vec::new() };
    let Some(value) = document.get("Statement").map(|value| value.get()) else { return Vec::new() };
    let several = serde_json::from_str::<Vec<&RawValue>>(value);
    let statements = several.map_or_else(|_| vec![value], |several| several.iter().map(|raw| raw.get()).collect());
    let place = |statement: &str| {
        // A raw value is a part of the text it was read from.
        let start = statement.as_ptr() as usize - text.as_ptr() as usize;
        let behind = text[..start].trim_end().len();
        (position(text, behind), position(text, start + statement.len()))
    };
    statements.into_iter().map(place).collect()
}

fn position(text: &str, offset: usize) -> Position {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The positions that the AWS CLI's example of `simulate-principal-policy` shows are of this form.
    #[test]
    fn a_statement_begins_behind_what_is_before_it() {
        let text = "{\n    \"Version\": \"2012-10-17\",\n    \"Statement\": [\n        {\n        },\n {}]\n}";
        let at = |line, column| Position { line, column };
        assert_eq!(of_statements(text), [(at(3, 19), at(5, 10)), (at(5, 11), at(6, 4))]);
        assert_eq!(of_statements("{\"Statement\": {}}"), [(at(1, 14), at(1, 17))]);
    }
}
