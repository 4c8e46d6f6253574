//! Listings: of an account's buckets and of a bucket's keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{NAMESPACE, object};
use crate::answer::Answer;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::request::Operation;
use crate::world::{Bucket, World};
use crate::xml::Xml;

/// A page has at most 1,000 entries (ListObjectsV2, `MaxKeys`).
const LONGEST_PAGE: usize = 1000;

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/');

/// When everything here was made: the listings need a date, and no rule depends on it.
pub(super) const CREATED: &str = "2026-01-01T00:00:00.000Z";

/// Writes ListBuckets.
pub(super) fn buckets(world: &World, caller: &Caller) -> Answer {
    let mut xml = Xml::new("ListAllMyBucketsResult", Some(NAMESPACE));
    xml.open("Owner").leaf("ID", owner(&caller.account)).close();
    xml.open("Buckets");
    for (name, bucket) in world.buckets.iter().filter(|(_, bucket)| bucket.account == caller.account) {
        xml.open("Bucket")
            .leaf("Name", name)
            .leaf("CreationDate", CREATED)
            .leaf("BucketRegion", &bucket.region)
            .close();
    }
    xml.close();
    Answer::new(200, "application/xml", xml.finish("ListAllMyBucketsResult"))
}

/// Returns an account's canonical user id: 64 hexadecimal digits.
fn owner(account: &str) -> String {
    account.repeat(6)[..64].to_owned()
}

#[derive(Debug, PartialEq, Eq)]
enum Entry<'a> {
    Object(&'a str, &'a [u8]),
    Prefix(&'a str),
}

impl Entry<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Object(name, _) | Self::Prefix(name) => name,
        }
    }
}

/// Writes ListObjectsV2, or the older ListObjects.
pub(super) fn objects(bucket: &Bucket, name: &str, operation: &Operation) -> Result<Answer, ApiError> {
    let parameter = |name| operation.parameter(name).unwrap_or_default();
    let second = operation.action == "ListObjectsV2";
    let most = operation.parameter("max-keys").map_or(Ok(LONGEST_PAGE), str::parse);
    let most = most.map_err(|_| {
        ApiError::new(400, "InvalidArgument", "Provided max-keys not an integer or within integer range")
    })?;
    let token = operation.parameter("continuation-token").map(|token| {
        let decoded = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.ok_or_else(|| ApiError::new(400, "InvalidArgument", "The continuation token provided is incorrect"))
    });
    let after = match token.transpose()? {
        Some(after) => after,
        None => parameter(if second { "start-after" } else { "marker" }).to_owned(),
    };
    let (prefix, delimiter) = (parameter("prefix"), parameter("delimiter"));
    let all = entries(bucket, prefix, delimiter, &after);
    let page = &all[..all.len().min(most.min(LONGEST_PAGE))];
    let truncated = page.len() < all.len();

    let by_url = parameter("encoding-type") == "url";
    let written = |text: &str| if by_url { utf8_percent_encode(text, PLAIN).to_string() } else { text.to_owned() };
    let mut xml = Xml::new("ListBucketResult", Some(NAMESPACE));
    xml.leaf("Name", name).leaf("Prefix", written(prefix)).leaf("MaxKeys", most).leaf("IsTruncated", truncated);
    if !delimiter.is_empty() {
        xml.leaf("Delimiter", written(delimiter));
    }
    if by_url {
        xml.leaf("EncodingType", "url");
    }
    let last = page.last().map(Entry::name).filter(|_| truncated);
    if second {
        xml.leaf("KeyCount", page.len());
        if let Some(last) = last {
            xml.leaf("NextContinuationToken", STANDARD.encode(last));
        }
    } else {
        xml.leaf("Marker", written(&after));
        if let Some(last) = last {
            xml.leaf("NextMarker", written(last));
        }
    }
    for entry in page {
        match entry {
            Entry::Object(key, content) => xml
                .open("Contents")
                .leaf("Key", written(key))
                .leaf("LastModified", CREATED)
                .leaf("ETag", object::entity_tag(content))
                .leaf("Size", content.len())
                .leaf("StorageClass", "STANDARD")
                .close(),
            Entry::Prefix(prefix) => xml.open("CommonPrefixes").leaf("Prefix", written(prefix)).close(),
        };
    }
    Ok(Answer::new(200, "application/xml", xml.finish("ListBucketResult")))
}

/// Returns keys and common prefixes in order; keys below one prefix are rolled up into one entry.
fn entries<'a>(bucket: &'a Bucket, prefix: &str, delimiter: &str, after: &str) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (key, content) in bucket.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
        let rolled = (!delimiter.is_empty()).then(|| key[prefix.len()..].find(delimiter)).flatten();
        let entry = match rolled {
            Some(at) => Entry::Prefix(&key[..prefix.len() + at + delimiter.len()]),
            None => Entry::Object(key, content),
        };
        if entry.name() > after && entries.last().is_none_or(|last| last.name() != entry.name()) {
            entries.push(entry);
        }
    }
    entries
}
