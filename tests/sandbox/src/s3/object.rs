//! Objects: reading, writing, deleting.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::answer::Answer;
use crate::error::ApiError;
use crate::request::Request;
use crate::world::Bucket;

/// The date of every object, as HTTP writes it.
const LAST_MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

/// Returns an object's entity tag. It has a multipart upload's form, as tools take a plain one for the content's MD5.
pub(super) fn entity_tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:032x}-1\"", hasher.finish())
}

/// Answers GetObject and HeadObject; a HEAD loses its body on the wire.
pub(super) fn get(bucket: &Bucket, key: &str, request: &Request) -> Result<Answer, ApiError> {
    let missing = || ApiError::new(404, "NoSuchKey", "The specified key does not exist.").with("Key", key);
    let content = bucket.objects.get(key).ok_or_else(missing)?;
    let answer = match request.header("range").and_then(|range| range.strip_prefix("bytes=")) {
        None => Answer::new(200, "binary/octet-stream", content.clone()),
        Some(range) => {
            let (first, last) = resolve(range, content.len())
                .ok_or_else(|| ApiError::new(416, "InvalidRange", "The requested range is not satisfiable"))?;
            Answer::new(206, "binary/octet-stream", &content[first..=last])
                .with_header("content-range", format!("bytes {first}-{last}/{}", content.len()))
        }
    };
    Ok(answer
        .with_header("etag", entity_tag(content))
        .with_header("last-modified", LAST_MODIFIED)
        .with_header("accept-ranges", "bytes"))
}

fn resolve(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.split_once('-')?;
    let end = length.checked_sub(1)?;
    let (first, last) = match (first.parse::<usize>().ok(), last.parse::<usize>().ok()) {
        (Some(first), last) => (first, last.map_or(end, |last| last.min(end))),
        (None, Some(count)) => (length.saturating_sub(count), end),
        (None, None) => return None,
    };
    (first <= last).then_some((first, last))
}

/// Answers PutObject.
pub(super) fn put(bucket: &mut Bucket, key: &str, request: &Request) -> Result<Answer, ApiError> {
    let chunked = request.header("x-amz-content-sha256").is_some_and(|word| word.starts_with("STREAMING-"));
    let content = if chunked {
        unchunk(&request.body)
            .ok_or_else(|| ApiError::new(400, "IncompleteBody", "The request body terminated unexpectedly"))?
    } else {
        request.body.to_vec()
    };
    let answer = Answer::new(200, "application/xml", "").with_header("etag", entity_tag(&content));
    bucket.objects.insert(key.to_owned(), content);
    Ok(answer)
}

/// Answers DeleteObject: what is not there counts as deleted.
pub(super) fn delete(bucket: &mut Bucket, key: &str) -> Answer {
    bucket.objects.remove(key);
    Answer::new(204, "application/xml", "")
}

/// Takes an `aws-chunked` body apart; the chunks' own signatures are not checked.
fn unchunk(body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut rest = body;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let header = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(header.split(';').next()?, 16).ok()?;
        if size == 0 {
            return Some(content);
        }
        content.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 2 + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::{resolve, unchunk};

    /// "Signature calculations for the Authorization header: transferring payload in multiple chunks".
    #[test]
    fn chunks_are_joined() {
        let body = b"5;chunk-signature=00\r\nhello\r\n1;chunk-signature=00\r\n!\r\n0;chunk-signature=00\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        assert_eq!(unchunk(body).as_deref(), Some(b"hello!".as_slice()));
        assert_eq!(unchunk(b"5\r\nhel"), None);
        assert_eq!(unchunk(b""), None);
    }

    /// RFC 9110, section 14.1.2.
    #[test]
    fn ranges() {
        let cases = [
            ("0-3", Some((0, 3))),
            ("5-", Some((5, 9))),
            ("-2", Some((8, 9))),
            ("0-99", Some((0, 9))),
            ("10-", None),
            ("x", None),
        ];
        for (range, expected) in cases {
            assert_eq!(resolve(range, 10), expected, "{range}");
        }
    }
}
