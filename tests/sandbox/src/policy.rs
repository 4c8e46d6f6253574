//! IAM policy documents and what they decide.
//!
//! A document is parsed once, when it enters the world; a malformed one never gets in. This module knows no callers and
//! no sessions: it answers for one action on one resource in one context, and [`crate::authority`] combines the answers
//! of several documents. Rules: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy element reference".

pub(crate) mod condition;
pub(crate) mod context;
pub(crate) mod pattern;
pub(crate) mod place;
pub(crate) mod principal;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use self::context::Context;
use self::principal::{Names, Principal, PrincipalClause, Reach};
use self::statement::Statement;

/// A parsed policy document, together with its text as it was given.
#[derive(Clone, Debug)]
pub struct Policy {
    text: String,
    statements: Vec<Statement>,
    /// The unique ids of the users and roles that it names, by ARN: whom it meant when it was stored.
    bound: BTreeMap<String, String>,
}

/// Two documents are the same if their texts are, and if they mean the same principals.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.bound == other.bound
    }
}

impl Eq for Policy {}

/// Why a text is no policy document, in IAM's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedPolicy(pub(crate) String);

impl fmt::Display for MalformedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MalformedPolicy {}

/// What is asked of a policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) context: &'a Context,
}

/// What a set of identity-based policies says; silence is AWS's implicit deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Deny,
    Silent,
}

/// What a role's trust policy says of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// An Allow names the caller, as closely as said.
    Allow(Reach),
    /// A Deny names the caller.
    Deny,
    /// Nothing names the caller.
    Silent,
}

impl Policy {
    /// Parses a policy document.
    pub fn parse(text: &str) -> Result<Self, MalformedPolicy> {
        Ok(Self { text: text.to_owned(), statements: statement::parse(text)?, bound: BTreeMap::new() })
    }

    /// Returns the document as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Refuses a document that cannot be attached to an identity: one that names principals or no resources.
    pub(crate) fn check_identity_based(&self) -> Result<(), MalformedPolicy> {
        if self.statements.iter().any(|statement| statement.principal.is_some()) {
            return Err(MalformedPolicy("Policy document should not specify a principal.".to_owned()));
        }
        if self.statements.iter().any(|statement| statement.resources.is_none()) {
            return Err(MalformedPolicy("Policy statement must contain resources.".to_owned()));
        }
        Ok(())
    }

    /// Refuses a document that cannot be a role's trust policy.
    pub(crate) fn check_trust(&self) -> Result<(), MalformedPolicy> {
        let malformed = |message: &str| Err(MalformedPolicy(message.to_owned()));
        for statement in &self.statements {
            if statement.principal.is_none() {
                return malformed("Missing required field Principal");
            }
            if statement.resources.is_some() {
                return malformed("Has prohibited field Resource");
            }
            if !statement.is_about("sts:") {
                return malformed("AssumeRole policy may only specify STS AssumeRole actions.");
            }
        }
        Ok(())
    }

    /// Returns whom the document names.
    pub(crate) fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.statements.iter().filter_map(|statement| statement.principal.as_ref()).flat_map(PrincipalClause::all)
    }

    /// Remembers whom an ARN means now.
    pub(crate) fn bind(&mut self, arn: &str, id: &str) {
        self.bound.insert(arn.to_owned(), id.to_owned());
    }

    /// Returns the document as IAM shows it: "the principal ARN in the policy is replaced by the unique id" where the ARN
    /// no longer means whom it meant.
    pub(crate) fn shown(&self, id_now: impl Fn(&str) -> Option<String>) -> String {
        let is_lost = |(arn, id): &(&String, &String)| id_now(arn).as_ref() != Some(*id);
        let lost: Vec<_> = self.bound.iter().filter(is_lost).collect();
        if lost.is_empty() {
            return self.text.clone();
        }
        let mut document: Value = serde_json::from_str(&self.text).expect("a policy's text is JSON");
        for (arn, id) in lost {
            principal::rename(&mut document, arn, id);
        }
        document.to_string()
    }

    /// Says how far the document, as a role's trust policy, trusts the caller with these names.
    pub(crate) fn trust(&self, question: &Question<'_>, names: &Names) -> Trust {
        let mut trust = Trust::Silent;
        for statement in self.statements.iter().filter(|statement| statement.applies(question)) {
            let Some(reach) = statement.principal.as_ref().and_then(|clause| clause.reach(names, &self.bound)) else {
                continue;
            };
            if statement.denies() {
                return Trust::Deny;
            }
            trust = match trust {
                Trust::Allow(known) => Trust::Allow(known.max(reach)),
                _ => Trust::Allow(reach),
            };
        }
        trust
    }

    /// Says what the document alone decides, with the number of each statement that has it so.
    pub(crate) fn statements_that_decide(&self, question: &Question<'_>) -> (Verdict, Vec<usize>) {
        let that = |denies: bool| -> Vec<usize> {
            let statements = self.statements.iter().enumerate();
            let applying = statements.filter(|(_, statement)| statement.applies(question));
            applying.filter(|(_, statement)| statement.denies() == denies).map(|(number, _)| number).collect()
        };
        match (that(true), that(false)) {
            (denying, _) if !denying.is_empty() => (Verdict::Deny, denying),
            (_, allowing) if !allowing.is_empty() => (Verdict::Allow, allowing),
            _ => (Verdict::Silent, Vec::new()),
        }
    }

    /// Returns the condition keys that statements about an action ask for.
    pub(crate) fn condition_keys(&self, action: &str) -> impl Iterator<Item = &str> {
        let asked = self.statements.iter().filter(move |statement| statement.is_about_action(action));
        asked.flat_map(Statement::condition_keys)
    }
}

/// Says what several identity-based policies, read as one, decide: a Deny anywhere wins.
pub(crate) fn judge<'a>(policies: impl IntoIterator<Item = &'a Policy>, question: &Question<'_>) -> Verdict {
    let mut verdict = Verdict::Silent;
    for statement in policies.into_iter().flat_map(|policy| &policy.statements) {
        if statement.applies(question) {
            if statement.denies() {
                return Verdict::Deny;
            }
            verdict = Verdict::Allow;
        }
    }
    verdict
}

/// Lets a world be written down with `json!({…})`.
impl From<Value> for Policy {
    fn from(document: Value) -> Self {
        Self::parse(&document.to_string()).expect("a world is built from well-formed policies")
    }
}

/// Lets a world be written down with a policy's text.
impl From<&str> for Policy {
    fn from(text: &str) -> Self {
        Self::parse(text).expect("a world is built from well-formed policies")
    }
}
