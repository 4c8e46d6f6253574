//! Tags: read from a request, put on and taken off what bears them, shown.
//!
//! Rules: IAM User Guide, "Tags for AWS Identity and Access Management resources" ("Rules for tagging in IAM and AWS STS").

use super::access::Resource;
use super::refusals::limit_exceeded;
use super::subject::{Kind, Subject};
use super::{Outcome, page};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::parameters::{Parameters, TAG_KEY, TAG_VALUE};
use crate::world::Tags;
use crate::xml::Xml;

/// Reads the tags of a request.
pub(super) fn read(exchange: &Exchange<'_>) -> Result<Tags, ApiError> {
    let mut parameters = Parameters::of(exchange.operation);
    let mut tags = Tags::new();
    let entries = parameters.list("Tags", &["Key", "Value"], usize::MAX);
    let given = entries.len();
    for (index, entry) in entries.into_iter().enumerate() {
        let (key, value) = (entry[0].unwrap_or_default(), entry[1].unwrap_or_default());
        parameters.check(&format!("tags.{}.member.key", index + 1), key, (1, 128), Some(TAG_KEY));
        parameters.check(&format!("tags.{}.member.value", index + 1), value, (0, 256), Some(TAG_VALUE));
        if key.to_lowercase().starts_with("aws:") {
            let message = "The tag keys with prefix \"aws:\" are reserved for AWS and cannot be used.";
            return Err(ApiError::new(400, "InvalidInput", message));
        }
        if !tags.keys().any(|known: &String| known.to_lowercase() == key.to_lowercase()) {
            tags.insert(key.to_owned(), value.to_owned());
        }
    }
    parameters.finish()?;
    if tags.len() < given {
        let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
        return Err(ApiError::new(400, "InvalidInput", message));
    }
    check_number(exchange, tags.len())?;
    Ok(tags)
}

fn check_number(exchange: &Exchange<'_>, number: usize) -> Result<(), ApiError> {
    let quota = exchange.state.world.quotas.tags_per_resource;
    if number <= quota {
        return Ok(());
    }
    Err(limit_exceeded(format!(
        "The number of tags has reached the maximum limit. Cannot exceed quota for TagsPerResource: {quota}"
    )))
}

/// Asks for the permission to make something with tags: "you must also have permission to tag".
pub(super) fn allow_making(
    exchange: &Exchange<'_>,
    caller: &Caller,
    resource: Resource,
    tag_action: &str,
    tags: &Tags,
) -> Result<(), ApiError> {
    let resource = resource.requesting(tags);
    resource.allow(exchange, caller)?;
    if tags.is_empty() { Ok(()) } else { resource.allow_action(tag_action, exchange, caller) }
}

/// Writes tags, if there are any.
pub(super) fn write(xml: &mut Xml, tags: &Tags) {
    if !tags.is_empty() {
        write_all(xml, tags);
    }
}

fn write_all<'a>(xml: &mut Xml, tags: impl IntoIterator<Item = (&'a String, &'a String)>) {
    xml.open("Tags");
    for (key, value) in tags {
        xml.open("member").leaf("Key", key).leaf("Value", value).close();
    }
    xml.close();
}

/// Puts tags on; a key that is there already, whatever its case, is written over.
pub(super) fn put(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let given = read(exchange)?;
    let subject = Subject::asked(exchange, caller, kind, |resource| resource.requesting(&given))?;
    let mut tags = subject.tags_mut(exchange)?.clone();
    tags.retain(|key, _| !given.keys().any(|new| new.eq_ignore_ascii_case(key)));
    tags.extend(given);
    check_number(exchange, tags.len())?;
    *subject.tags_mut(exchange)? = tags;
    Ok(Box::new(|_| {}))
}

/// Takes tags off.
pub(super) fn remove(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let keys = Parameters::of(exchange.operation).list("TagKeys", &[""], usize::MAX);
    let keys: Vec<String> = keys.into_iter().map(|entry| entry[0].unwrap_or_default().to_owned()).collect();
    let subject = Subject::asked(exchange, caller, kind, |resource| resource)?;
    subject.tags_mut(exchange)?.retain(|key, _| !keys.iter().any(|gone| gone.eq_ignore_ascii_case(key)));
    Ok(Box::new(|_| {}))
}

/// Shows the tags.
pub(super) fn list(exchange: &mut Exchange<'_>, caller: &Caller, kind: Kind) -> Outcome {
    let subject = Subject::asked(exchange, caller, kind, |resource| resource)?;
    let page = page::of(exchange, subject.tags.into_iter().collect())?;
    Ok(Box::new(move |xml| {
        page.write(xml);
        write_all(xml, page.items.iter().map(|(key, value)| (key, value)));
    }))
}
