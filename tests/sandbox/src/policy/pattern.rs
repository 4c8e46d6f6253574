//! Wildcards and policy variables in the strings of a policy.
//!
//! Rules: IAM User Guide, "IAM JSON policy elements: Variables and tags" and "IAM JSON policy elements: Resource".

use super::context::Context;

/// Whether letters are compared with their case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Matters,
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// Any run of characters, also an empty one.
    Run,
    /// Any one character.
    One,
    /// This character.
    Exactly(char),
}

/// Says whether a text matches a pattern with `*` and `?`.
pub(crate) fn matches(pattern: &str, text: &str, case: Case) -> bool {
    matches_tokens(&tokens(pattern, None).expect("only a variable can be unknown"), text, case)
}

/// Says whether a text matches a pattern with `*`, `?` and `${…}`; an unknown variable matches nothing.
pub(crate) fn matches_with(pattern: &str, text: &str, case: Case, context: &Context) -> bool {
    tokens(pattern, Some(context)).is_some_and(|tokens| matches_tokens(&tokens, text, case))
}

/// Returns a text with its variables replaced, for operators without wildcards.
pub(crate) fn expand(text: &str, context: &Context) -> Option<String> {
    let tokens = tokens(text, Some(context))?;
    Some(
        tokens
            .into_iter()
            .map(|token| match token {
                Token::Run => '*',
                Token::One => '?',
                Token::Exactly(character) => character,
            })
            .collect(),
    )
}

/// Says whether an ARN matches a pattern part by part: a wildcard never crosses one of the first five colons.
pub(crate) fn matches_arn(pattern: &str, arn: &str, context: &Context) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    if patterns.len() < 6 {
        return matches_with(pattern, arn, Case::Matters, context) && pattern == "*";
    }
    patterns.len() == parts.len()
        && patterns.iter().zip(parts).all(|(pattern, part)| matches_with(pattern, part, Case::Matters, context))
}

fn tokens(pattern: &str, context: Option<&Context>) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(character) = rest.chars().next() {
        if let (Some(context), Some((name, after))) = (context, variable(rest)) {
            tokens.extend(value(name, context)?.chars().map(Token::Exactly));
            rest = after;
            continue;
        }
        tokens.push(match character {
            '*' => Token::Run,
            '?' => Token::One,
            other => Token::Exactly(other),
        });
        rest = &rest[character.len_utf8()..];
    }
    Some(tokens)
}

fn variable(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.split_once('}')
}

fn value(name: &str, context: &Context) -> Option<String> {
    if matches!(name, "*" | "?" | "$") {
        return Some(name.to_owned());
    }
    let (key, default) = match name.split_once(',') {
        Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
        None => (name.trim(), None),
    };
    match context.get(key) {
        // A key with several values cannot be a variable.
        Some([value]) => Some(value.clone()),
        _ => default.map(str::to_owned),
    }
}

fn matches_tokens(pattern: &[Token], text: &str, case: Case) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at_pattern, mut at_text) = (0, 0);
    // Where to go back to: the last run, and the text it would end before.
    let mut run: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(Token::Run) => {
                run = Some((at_pattern, at_text));
                at_pattern += 1;
                continue;
            }
            Some(Token::One) => {
                at_pattern += 1;
                at_text += 1;
                continue;
            }
            Some(Token::Exactly(character)) if same(*character, text[at_text], case) => {
                at_pattern += 1;
                at_text += 1;
                continue;
            }
            _ => {}
        }
        let Some((start, end)) = run else { return false };
        run = Some((start, end + 1));
        at_pattern = start + 1;
        at_text = end + 1;
    }
    pattern[at_pattern..].iter().all(|token| *token == Token::Run)
}

fn same(one: char, other: char, case: Case) -> bool {
    one == other || (case == Case::Ignored && one.to_lowercase().eq(other.to_lowercase()))
}
