//! The Condition element.
//!
//! Rules: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context
//! keys". A key that is absent fails every operator that asks for a likeness and passes every one that asks for a
//! difference; `…IfExists` passes, `Null` asks for just that.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::MalformedPolicy;
use super::context::Context;
use super::pattern::{self, Case};
use super::statement;

#[derive(Clone, Debug)]
pub(crate) struct Condition {
    quantifier: Option<Quantifier>,
    test: Test,
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
    variables: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    Any,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    String(Case),
    Like,
    Arn,
    Numeric(Order),
    Date(Order),
    Bool,
    Address,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Same,
    Less,
    LessOrSame,
    Greater,
    GreaterOrSame,
}

impl Order {
    fn holds<T: PartialOrd>(self, one: &T, other: &T) -> bool {
        match self {
            Self::Same => one == other,
            Self::Less => one < other,
            Self::LessOrSame => one <= other,
            Self::Greater => one > other,
            Self::GreaterOrSame => one >= other,
        }
    }
}

impl Condition {
    /// Returns the key that it asks for.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Says whether the condition holds in a context.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let present = context.get(&self.key);
        if self.test == Test::Null {
            return self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == present.is_none());
        }
        let Some(present) = present else {
            return self.if_exists || self.quantifier.map_or(self.negated, |quantifier| quantifier == Quantifier::All);
        };
        // Several policy values are alternatives; for a negated operator none of them may match.
        let holds =
            |actual: &String| self.values.iter().any(|wanted| self.matches(wanted, actual, context)) != self.negated;
        match self.quantifier {
            Some(Quantifier::All) => present.iter().all(holds),
            // Without a quantifier, a likeness to one value is enough, a difference must be one from all of them.
            None if self.negated => present.iter().all(holds),
            Some(Quantifier::Any) | None => present.iter().any(holds),
        }
    }

    fn matches(&self, wanted: &str, actual: &str, context: &Context) -> bool {
        let expanded;
        let wanted = if self.variables && !matches!(self.test, Test::Like | Test::Arn) {
            let Some(text) = pattern::expand(wanted, context) else { return false };
            expanded = text;
            expanded.as_str()
        } else {
            wanted
        };
        match self.test {
            Test::String(Case::Matters) => wanted == actual,
            Test::String(Case::Ignored) => wanted.to_lowercase() == actual.to_lowercase(),
            Test::Like if self.variables => pattern::matches_with(wanted, actual, Case::Matters, context),
            Test::Like => pattern::matches(wanted, actual, Case::Matters),
            Test::Arn => pattern::matches_arn(wanted, actual, context),
            Test::Numeric(order) => {
                both(number(actual), number(wanted)).is_some_and(|(one, other)| order.holds(&one, &other))
            }
            Test::Date(order) => both(date(actual), date(wanted)).is_some_and(|(one, other)| order.holds(&one, &other)),
            Test::Bool => wanted.eq_ignore_ascii_case(actual),
            Test::Address => address_matches(wanted, actual),
            Test::Null => false,
        }
    }
}

fn both<T>(one: Option<T>, other: Option<T>) -> Option<(T, T)> {
    one.zip(other)
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(epoch) = text.parse::<i64>() {
        return DateTime::from_timestamp(epoch, 0);
    }
    let day = || format!("{text}T00:00:00Z");
    DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&day())).ok().map(|date| date.to_utc())
}

fn address_matches(network: &str, address: &str) -> bool {
    let (network, length) =
        network.split_once('/').map_or((network, None), |(network, length)| (network, Some(length)));
    let (Ok(network), Ok(address)) = (network.parse(), address.parse()) else { return false };
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let Ok(length) = length.map_or(Ok(width), str::parse::<u32>) else { return false };
    let host_bits = width.saturating_sub(length);
    host_bits >= 128 || network >> host_bits == address >> host_bits
}

/// Parses the value of a Condition element.
pub(super) fn parse(block: &Value, variables: bool) -> Result<Vec<Condition>, MalformedPolicy> {
    let mut conditions = Vec::new();
    for (operator, tests) in block.as_object().ok_or_else(statement::syntax)? {
        for (key, values) in tests.as_object().ok_or_else(statement::syntax)? {
            conditions.push(one(operator, key, statement::strings(values)?, variables)?);
        }
    }
    Ok(conditions)
}

fn one(operator: &str, key: &str, values: Vec<String>, variables: bool) -> Result<Condition, MalformedPolicy> {
    let (quantifier, rest) = match operator.split_once(':') {
        Some(("ForAnyValue", rest)) => (Some(Quantifier::Any), rest),
        Some(("ForAllValues", rest)) => (Some(Quantifier::All), rest),
        _ => (None, operator),
    };
    let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
    let (test, negated) = match name {
        "StringEquals" | "BinaryEquals" => (Test::String(Case::Matters), false),
        "StringNotEquals" => (Test::String(Case::Matters), true),
        "StringEqualsIgnoreCase" => (Test::String(Case::Ignored), false),
        "StringNotEqualsIgnoreCase" => (Test::String(Case::Ignored), true),
        "StringLike" => (Test::Like, false),
        "StringNotLike" => (Test::Like, true),
        // "ArnEquals and ArnLike behave identically."
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "NumericEquals" => (Test::Numeric(Order::Same), false),
        "NumericNotEquals" => (Test::Numeric(Order::Same), true),
        "NumericLessThan" => (Test::Numeric(Order::Less), false),
        "NumericLessThanEquals" => (Test::Numeric(Order::LessOrSame), false),
        "NumericGreaterThan" => (Test::Numeric(Order::Greater), false),
        "NumericGreaterThanEquals" => (Test::Numeric(Order::GreaterOrSame), false),
        "DateEquals" => (Test::Date(Order::Same), false),
        "DateNotEquals" => (Test::Date(Order::Same), true),
        "DateLessThan" => (Test::Date(Order::Less), false),
        "DateLessThanEquals" => (Test::Date(Order::LessOrSame), false),
        "DateGreaterThan" => (Test::Date(Order::Greater), false),
        "DateGreaterThanEquals" => (Test::Date(Order::GreaterOrSame), false),
        "Bool" => (Test::Bool, false),
        "IpAddress" => (Test::Address, false),
        "NotIpAddress" => (Test::Address, true),
        "Null" if !if_exists => (Test::Null, false),
        _ => return Err(MalformedPolicy(format!("Invalid Condition type : {operator}."))),
    };
    Ok(Condition { quantifier, test, negated, if_exists, key: key.to_owned(), values, variables })
}
