//! IAM policy documents, and what they say of one request.
//!
//! Only what the reading of a refusal needs: a document that comes from AWS is well-formed, and what cannot be judged
//! from here (an address, an organization, a tag of the principal) is said to be unknown and never guessed. IAM User
//! Guide, "IAM JSON policy elements reference" and "Condition operators".

use std::collections::BTreeMap;

/// A policy document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Its statements, in their order.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Whether it denies.
    pub denies: bool,
    /// `Action`, or `NotAction`.
    pub actions: Set,
    /// `Resource`, or `NotResource`; nothing in a trust policy.
    pub resources: Option<Set>,
    /// `Principal` or `NotPrincipal`, as `AWS` names them; nothing in an identity-based policy.
    pub principals: Option<Set>,
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// As it is written, for a message.
    pub text: String,
}

/// Patterns of which one has to fit, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// The patterns.
    pub patterns: Vec<String>,
    /// Whether it is the `Not…` of its kind.
    pub inverted: bool,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The operator, as `StringEquals`.
    pub operator: String,
    /// The key, as `sts:ExternalId`.
    pub key: String,
    /// What it is compared with.
    pub values: Vec<String>,
}

/// What is known of a request: for a key its values, none for one that the request does not have. A key that is not here
/// is not known.
#[derive(Clone, Debug, Default)]
pub struct Facts(BTreeMap<String, Vec<String>>);

impl Facts {
    /// Says what a key has.
    pub fn put(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        self.0.insert(key.to_ascii_lowercase(), values.into_iter().collect());
    }

    fn get(&self, key: &str) -> Option<&[String]> {
        let key = key.to_ascii_lowercase();
        if let Some(values) = self.0.get(&key) {
            return Some(values);
        }
        // A tag that the request does not carry it does not have.
        key.starts_with("aws:requesttag/").then_some(&[])
    }
}

/// Whether something holds, as far as can be told from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It cannot be told.
    Unknown,
}

impl Set {
    /// Tells whether it covers a text; case counts for ARNs, not for actions, which come in lower case both.
    pub fn covers(&self, text: &str) -> bool {
        self.patterns.iter().any(|pattern| is_like(pattern, text)) != self.inverted
    }

    /// Tells whether it covers an action.
    pub fn covers_action(&self, action: &str) -> bool {
        let action = action.to_ascii_lowercase();
        self.patterns.iter().any(|pattern| is_like(&pattern.to_ascii_lowercase(), &action)) != self.inverted
    }
}

impl Statement {
    /// Tells whether a trust policy's statement names a caller: by its own ARN, its session's, its account, or everybody.
    pub fn names(&self, caller: &[String]) -> bool {
        let Some(principals) = &self.principals else { return false };
        let named = principals.patterns.iter().any(|name| name == "*" || caller.contains(name));
        named != principals.inverted
    }

    /// Tells whether its conditions hold, and gives those that do not or cannot be judged.
    pub fn unmet<'a>(&'a self, facts: &Facts) -> Vec<(&'a Condition, Holds)> {
        let judged = self.conditions.iter().map(|condition| (condition, condition.holds(facts)));
        judged.filter(|(_, holds)| *holds != Holds::Yes).collect()
    }
}

impl Condition {
    /// Tells whether it holds.
    pub fn holds(&self, facts: &Facts) -> Holds {
        let operator = self.operator.to_ascii_lowercase();
        let Some(have) = facts.get(&self.key) else { return Holds::Unknown };
        let yes = |holds: bool| if holds { Holds::Yes } else { Holds::No };
        let (quantity, operator) = match operator.split_once(':') {
            Some((quantity, operator)) => (Some(quantity), operator),
            None => (None, operator.as_str()),
        };
        if operator == "null" {
            let wants_none = self.values.iter().any(|value| value.eq_ignore_ascii_case("true"));
            return yes(have.is_empty() == wants_none);
        }
        let (operator, if_exists) = match operator.strip_suffix("ifexists") {
            Some(operator) => (operator, true),
            None => (operator, false),
        };
        let Some((fits, negated)) = comparison(operator) else { return Holds::Unknown };
        let one = |have: &String| self.values.iter().any(|want| fits(want, have)) != negated;
        match (quantity, have) {
            (_, []) if if_exists || quantity == Some("forallvalues") => Holds::Yes,
            // "If the key that you specify in a policy condition is not present in the request context, the values do
            // not match and the condition is false", but for the negated ones, which then are true.
            (_, []) => yes(negated),
            (Some("forallvalues"), have) => yes(have.iter().all(one)),
            (Some("foranyvalue") | None, have) => yes(have.iter().any(one)),
            (Some(_), _) => Holds::Unknown,
        }
    }
}

type Fits = fn(&str, &str) -> bool;

/// Gives how an operator compares what the policy wants with what the request has, and whether it is the negated form.
fn comparison(operator: &str) -> Option<(Fits, bool)> {
    let same: Fits = |want, have| want == have;
    let same_word: Fits = |want, have| want.eq_ignore_ascii_case(have);
    Some(match operator {
        "stringequals" => (same, false),
        "stringnotequals" => (same, true),
        "stringequalsignorecase" | "bool" => (same_word, false),
        "stringnotequalsignorecase" => (same_word, true),
        "stringlike" | "arnlike" | "arnequals" => (is_like, false),
        "stringnotlike" | "arnnotlike" | "arnnotequals" => (is_like, true),
        _ => return None,
    })
}

/// Tells whether a text fits a pattern with `*` and `?`.
pub fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            // The last star takes one more.
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
