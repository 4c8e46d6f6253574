//! Text of a template in which `{account}`, `{account_name}` and `{name}` stand for what differs from role to role.

use super::problem::QUOTE_MAX;
use crate::domain::error::printable;

/// The words that can stand between braces.
const PLACEHOLDERS: [(&str, Piece); 3] =
    [("account", Piece::Account), ("account_name", Piece::AccountName), ("name", Piece::Template)];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// The account's number.
    Account,
    /// The account's name.
    AccountName,
    /// The template's name.
    Template,
    Text(String),
}

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

/// What the placeholders stand for.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) account: &'a str,
    pub(super) account_name: &'a str,
    pub(super) template: &'a str,
}

impl Pattern {
    /// Reads a text; what stands between braces is a placeholder or an error.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            let word = rest[at..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let Some((word, after)) = word else { return Err("has a brace without its other one".to_owned()) };
            let Some((_, piece)) = PLACEHOLDERS.iter().find(|(known, _)| *known == word) else {
                let known: Vec<String> = PLACEHOLDERS.iter().map(|(known, _)| format!("{{{known}}}")).collect();
                let word = printable(word, QUOTE_MAX);
                return Err(format!("unknown placeholder `{{{word}}}`; known: {}", known.join(", ")));
            };
            pieces.push(piece.clone());
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Reads a text that must differ from account to account.
    pub(super) fn with_account(text: &str) -> Result<Self, String> {
        let pattern = Self::new(text)?;
        if pattern.0.iter().any(|piece| matches!(piece, Piece::Account | Piece::AccountName)) {
            return Ok(pattern);
        }
        Err("would be the same for every account; {account} stands for its number, {account_name} for its name"
            .to_owned())
    }

    /// Puts the values in.
    pub(super) fn fill(&self, values: Values<'_>) -> String {
        let mut out = String::with_capacity(64);
        for piece in &self.0 {
            out.push_str(match piece {
                Piece::Account => values.account,
                Piece::AccountName => values.account_name,
                Piece::Template => values.template,
                Piece::Text(text) => text,
            });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_all_else_in_braces_is_refused() {
        let values = Values { account: "222222222222", account_name: "dev", template: "admin" };
        let fill = |text| Pattern::new(text).map(|pattern| pattern.fill(values));
        assert_eq!(fill("arn:aws:iam::{account}:role/{name}").as_deref(), Ok("arn:aws:iam::222222222222:role/admin"));
        assert_eq!(fill("{account_name}{name}-x").as_deref(), Ok("devadmin-x"));
        assert_eq!(fill("").as_deref(), Ok(""));
        for bad in ["{", "}", "a{b", "{}", "{acount}", "{{account}}", "{account", "}{", "{account}}"] {
            assert!(fill(bad).is_err(), "{bad}");
        }
        assert!(Pattern::with_account("{name}").is_err());
        assert!(Pattern::with_account("{account_name}").is_ok());
    }
}
