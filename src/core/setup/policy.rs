//! A policy document that a person wrote, for a role to have: its flaws, by line, before IAM is asked.
//!
//! It is judged by its form alone: which elements a permission policy has and which it cannot have. What an action or a
//! condition means is for IAM to say.
//!
//! Source: IAM User Guide, "IAM JSON policy elements reference" and "Grammar of the IAM JSON policy language".

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

/// What IAM takes of a role's inline policies together, white space not counted.
pub const INLINE_MAX: usize = 10_240;

/// What IAM takes of a managed policy, white space not counted.
pub const MANAGED_MAX: usize = 6_144;

/// What IAM takes of a trust policy, white space not counted.
pub const TRUST_MAX: usize = 2_048;

/// Checks a permission policy; the error says what is wrong and, where that is known, in which line.
pub fn check(text: &str) -> Result<(), String> {
    if text.starts_with('\u{feff}') {
        return Err("line 1: it begins with a byte order mark, which IAM does not take; save it as UTF-8 without BOM"
            .to_owned());
    }
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    for (at, line) in text.lines().enumerate() {
        if let Some(c) = line.chars().find(|c| !matches!(c, '\t' | '\r' | ' '..='\u{ff}') || *c == '\u{7f}') {
            return Err(format!(
                "line {}: IAM takes Latin-1 characters only, and here is {}",
                at + 1,
                c.escape_unicode()
            ));
        }
    }
    serde_json::from_str::<Document>(text).map(drop).map_err(|e| {
        let (line, full) = (e.line(), e.to_string());
        let cause = full.split(" at line ").next().unwrap_or_default();
        match e.classify() {
            serde_json::error::Category::Data => format!("line {line}: {cause}"),
            _ => format!("line {line}: it is not JSON: {cause}"),
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", expecting = "a policy is a JSON object with a Statement")]
struct Document {
    #[serde(default, rename = "Version")]
    _version: Option<Version>,
    #[serde(default, rename = "Id")]
    _id: Option<String>,
    #[serde(rename = "Statement")]
    _statements: Statements,
}

#[derive(Deserialize)]
enum Version {
    #[serde(rename = "2012-10-17")]
    New,
    #[serde(rename = "2008-10-17")]
    Old,
}

/// One statement or some, of which no two have the same Sid.
struct Statements;

impl<'de> Deserialize<'de> for Statements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let statements = OneOrMany::<Statement>::deserialize(deserializer)?.0;
        let mut sids = BTreeSet::new();
        for sid in statements.iter().filter_map(|statement| statement.sid.as_deref()).filter(|sid| !sid.is_empty()) {
            if !sids.insert(sid) {
                return Err(D::Error::custom(format!("two statements have the Sid {sid}")));
            }
        }
        Ok(Self)
    }
}

struct Statement {
    sid: Option<String>,
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl<'de> Visitor<'de> for Whole {
            type Value = Statement;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a statement, which is a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Statement, A::Error> {
                // In here, and not by `try_from`: an error has the line of this object then, not of the list's end.
                let elements = Elements::deserialize(MapAccessDeserializer::new(map))?;
                Statement::try_from(elements).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_map(Whole)
    }
}

/// The elements as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", expecting = "a statement is a JSON object")]
struct Elements {
    sid: Option<String>,
    #[serde(rename = "Effect")]
    _effect: Effect,
    principal: Option<IgnoredAny>,
    not_principal: Option<IgnoredAny>,
    action: Option<OneOrMany<String>>,
    not_action: Option<OneOrMany<String>>,
    resource: Option<OneOrMany<String>>,
    not_resource: Option<OneOrMany<String>>,
    #[serde(default, rename = "Condition")]
    _condition: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
enum Effect {
    Allow,
    Deny,
}

impl TryFrom<Elements> for Statement {
    type Error = String;

    fn try_from(written: Elements) -> Result<Self, String> {
        if written.principal.is_some() || written.not_principal.is_some() {
            return Err("the statement that ends here has a Principal, which only a trust or resource policy has; \
                        whom the role trusts is said by --trust"
                .to_owned());
        }
        let actions = one_of("Action", "NotAction", written.action, written.not_action)?;
        let resources = one_of("Resource", "NotResource", written.resource, written.not_resource)?;
        if let Some(bad) = actions.iter().find(|a| *a != "*" && !a.contains(':')) {
            return Err(format!("an action looks like s3:GetObject, and this is {bad:?}"));
        }
        if let Some(bad) = resources.iter().find(|r| *r != "*" && !r.starts_with("arn:")) {
            return Err(format!("a resource is an ARN or *, and this is {bad:?}"));
        }
        if let Some(bad) = written.sid.as_ref().filter(|sid| !sid.bytes().all(|b| b.is_ascii_alphanumeric())) {
            return Err(format!("a Sid is made of letters and digits, and this is {bad:?}"));
        }
        Ok(Self { sid: written.sid })
    }
}

fn one_of(
    name: &str,
    not: &str,
    plain: Option<OneOrMany<String>>,
    negated: Option<OneOrMany<String>>,
) -> Result<Vec<String>, String> {
    match (plain, negated) {
        (Some(words), None) | (None, Some(words)) => Ok(words.0),
        (Some(_), Some(_)) => Err(format!("the statement that ends here has both {name} and {not}")),
        (None, None) => Err(format!("the statement that ends here has no {name}")),
    }
}

/// What IAM takes alone or as a list; written by hand, since serde's untagged enums forget the line.
struct OneOrMany<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(serde::de::value::StrDeserializer::<E>::new(text)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                if all.is_empty() { Err(A::Error::custom("this list is empty")) } else { Ok(OneOrMany(all)) }
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "A", "Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"},
    {"Effect": "Deny", "NotAction": ["s3:*"], "NotResource": ["arn:aws:s3:::b"],
     "Condition": {"Bool": {"aws:SecureTransport": "false"}, "NumericLessThan": {"k": [1, 2]}}}
  ]
}"#;

    #[test]
    fn what_iam_takes_is_taken() {
        assert_eq!(check(GOOD), Ok(()));
        assert_eq!(check(&GOOD.replace('\n', "\r\n")), Ok(()));
        assert_eq!(check(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#), Ok(()));
    }

    #[test]
    fn each_flaw_is_named_with_its_line() {
        let with = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            check(&GOOD.replacen(from, to, 1)).expect_err(to)
        };
        for (from, to, line, word) in [
            ("\"Sid\": \"A\"", "\"Principal\": \"*\"", 4, "Principal"),
            ("\"Sid\": \"A\"", "\"Sid\": \"a b\"", 4, "Sid"),
            ("\"Effect\": \"Deny\"", "\"Effect\": \"Refuse\"", 5, "Refuse"),
            ("\"Effect\": \"Deny\"", "\"effect\": \"Deny\"", 5, "effect"),
            ("\"NotAction\"", "\"NoAction\"", 5, "NoAction"),
            ("[\"s3:*\"]", "[]", 5, "empty"),
            ("[\"s3:*\"]", "[\"s3\"]", 6, "s3:GetObject"),
            ("\"arn:aws:s3:::b\"", "\"b\"", 6, "ARN"),
            ("\"Resource\": \"*\"", "\"Resource\": \"*\", \"Resource\": \"*\"", 4, "duplicate"),
            ("\"Resource\": \"*\"", "\"Resource\": \"*\", \"NotResource\": \"*\"", 4, "both"),
            (", \"Resource\": \"*\"", "", 4, "no Resource"),
            ("2012-10-17", "2012-10-18", 2, "2012-10-18"),
            ("\"Version\"", "Version", 2, "not JSON"),
            ("s3:ListAllMyBuckets", "s3:List\u{2019}", 4, "Latin-1"),
        ] {
            let why = with(from, to);
            assert!(why.starts_with(&format!("line {line}: ")) && why.contains(word), "{to}: {why}");
        }
        assert!(with("\"Effect\": \"Deny\"", "\"Sid\": \"A\", \"Effect\": \"Deny\"").contains("two statements"));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for (bad, word) in [
            ("", "empty"),
            ("\u{feff}{}", "byte order mark"),
            ("[]", "JSON object"),
            ("{}", "Statement"),
            (r#"{"Statement": []}"#, "empty"),
            (r#"{"Statement": "x"}"#, "statement"),
            ("{\"Statement\": [\u{0}]}", "Latin-1"),
            ("Resources:\n  Bucket: {}\n", "not JSON"),
            (&"[".repeat(100_000), "line 1"),
        ] {
            let why = check(bad).expect_err(bad);
            assert!(why.contains(word), "{}: {why}", &bad[..bad.len().min(40)]);
        }
    }
}
