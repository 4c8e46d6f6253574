//! Values of many: arrays without repetition, tags, and tables from text to a word.
//!
//! What is wrong with one element never hides what is wrong with the next. The checks of single elements are `values`'.

use super::problem::QUOTE_MAX;
use super::reader::Position;
use super::validators;
use crate::domain::arn::check_policy_arn;
use crate::domain::catalogue::Access;
use crate::domain::error::printable;
use crate::domain::urls;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

/// All arguments together; no code and no credential needs more.
const ARGV_MAX: usize = 8 * 1024;

/// Reads an array in which no element is there twice.
pub(super) fn unique_list<T: PartialEq>(
    spot: &mut Position<'_>,
    mut read: impl FnMut(&mut Position<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut seen: Vec<T> = Vec::new();
    spot.list(|spot| {
        let value = read(spot)?;
        if seen.contains(&value) {
            spot.wrong("is listed twice");
        } else {
            seen.push(value);
        }
        Some(())
    })?;
    Some(seen)
}

/// Reads an array of texts; its length is checked first, so that a hostile one is not compared with itself.
fn text_list(
    spot: &mut Position<'_>,
    max: usize,
    who: &str,
    check: fn(&str) -> Result<(), &'static str>,
) -> Vec<String> {
    let length = spot.value.get_ref().as_array().map_or(0, |array| array.len());
    if length > max {
        spot.wrong(format!("has {length} elements, {who} takes {max}"));
        return Vec::new();
    }
    unique_list(spot, |spot| spot.text(check)).unwrap_or_default()
}

/// Reads the keys of tags that pass on.
pub(super) fn transitive_tag_keys(spot: &mut Position<'_>) -> Vec<String> {
    text_list(spot, validators::TAGS_MAX, "AWS", validators::check_tag_key)
}

/// Reads managed session policies.
pub(super) fn policy_arns(spot: &mut Position<'_>) -> Vec<String> {
    text_list(spot, validators::POLICY_ARNS_MAX, "AWS", check_policy_arn)
}

/// Reads what a role or an account is found by.
pub(super) fn tags(spot: &mut Position<'_>) -> Vec<String> {
    text_list(spot, validators::FOUND_BY_MAX, "rolecall", validators::check_found_by)
}

/// Reads the hosts that are reached without the proxy.
pub(super) fn no_proxy(spot: &mut Position<'_>) -> Vec<String> {
    text_list(spot, validators::NO_PROXY_MAX, "rolecall", urls::check_no_proxy)
}

/// Reads session tags.
pub(super) fn session_tags(spot: &mut Position<'_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let count = spot.value.get_ref().as_table().map_or(0, DeTable::len);
    if count > validators::TAGS_MAX {
        spot.wrong(format!("has {count} tags, AWS takes {}", validators::TAGS_MAX));
        return found;
    }
    let mut folded = BTreeSet::new();
    spot.each(|key, spot| {
        if let Err(why) = validators::check_tag_key(key) {
            spot.wrong(why);
        }
        // AWS compares tag keys without regard to case.
        if !folded.insert(key.to_lowercase()) {
            spot.wrong(format!("AWS takes `{}` for a tag that is already there", printable(key, QUOTE_MAX)));
        }
        if let Some(value) = spot.text(validators::check_tag_value) {
            found.insert(key.to_owned(), value);
        }
    });
    found
}

/// Reads the rules for single programs.
pub(super) fn access_by_program(spot: &mut Position<'_>) -> BTreeMap<String, Access> {
    let mut found = BTreeMap::new();
    spot.each(|key, spot| {
        if let Err(why) = validators::absolute_path(key) {
            spot.wrong(why);
        }
        if let Some(access) = spot.word(&validators::ACCESS) {
            found.insert(key.to_owned(), access);
        }
    });
    found
}

/// Reads a program and its arguments, which no shell reads; the first element is an absolute path.
pub(super) fn program(spot: &mut Position<'_>) -> Option<Vec<String>> {
    if matches!(spot.value.get_ref(), DeValue::String(_)) {
        spot.wrong("is a list here, and no shell reads it: [\"/usr/local/bin/program\", \"argument\"]");
        return None;
    }
    let argv = spot.list(|spot| spot.text(check_argument))?;
    if argv.iter().map(String::len).sum::<usize>() > ARGV_MAX {
        spot.wrong("has more than 8 KiB");
        return None;
    }
    match argv.first().map(|program| validators::absolute_path(program)) {
        Some(Ok(_)) => return Some(argv),
        Some(Err(why)) => spot.wrong(format!("the program comes first: {why}")),
        None => spot.wrong("names no program"),
    }
    None
}

/// An argument of a program cannot hold a zero byte (execve(2)); nothing else is special without a shell.
fn check_argument(text: &str) -> Result<(), &'static str> {
    if text.contains('\0') { Err("an argument cannot hold a zero byte") } else { Ok(()) }
}
