//! Removes from the output of other programs the parts that differ in each run: home, ports, the name of the role, request
//! ids, tokens in addresses, durations and dates. Debug output of Rust is cut, because the order of its fields is random.

use crate::harness::programs::ROLECALL;
use crate::person::Person;
use std::fs;

/// The length of an error on the page: SDKs name every provider that they asked.
const SHOWN: usize = 300;

/// Returns the error of a program as the page shows it.
pub(super) fn plain(text: &str, person: &Person, role: &str) -> String {
    let home = person.home.path("").display().to_string();
    let rolecall = fs::canonicalize(ROLECALL).unwrap().display().to_string();
    let text = text.replace(role, "prod").replace(&rolecall, "/usr/bin/rolecall");
    let text = text.replace(home.trim_end_matches('/'), "~").replace(ROLECALL, "/usr/bin/rolecall");
    let mut text = constant(&text);
    if let Some((at, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Returns what every run prints alike.
fn constant(text: &str) -> String {
    let text = without_debug_output(text);
    let text = after_each(text, "127.0.0.1:", "PORT", |c| c.is_ascii_digit());
    let text = ["<RequestId>", "<HostId>"].into_iter().fold(text, |text, mark| {
        // In the XML of S3, which some programs print.
        after_each(&text, mark, "REQUEST-ID", |c| c != '<')
    });
    let text = without_uuids(&text);
    let text = after_each(&text, "/metadata/", "TOKEN", |c| c.is_ascii_alphanumeric() || "-_".contains(c));
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Cuts a text before the first value that Rust's `Debug` wrote: `Name { field: …`, perhaps in `Other(`.
fn without_debug_output(text: &str) -> &str {
    let text = text.split(" Debug source:").next().unwrap_or_default();
    for (at, _) in text.match_indices(" { ") {
        let field = text[at + 3..].split(": ").next().unwrap_or_default();
        let is_field =
            !field.is_empty() && field.bytes().all(|b| b.is_ascii_lowercase() || b"_0123456789".contains(&b));
        let start = text[..at].rfind(' ').map_or(0, |space| space + 1);
        let name = text[start..at].trim_start_matches('(');
        if is_field && name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return text[..start].trim_end_matches([' ', ':']);
        }
    }
    text
}

/// Replaces what follows each `mark`, as far as its characters belong to it.
fn after_each(text: &str, mark: &str, by: &str, belongs: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(mark);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(&belongs);
        text + mark + if rest.len() == part.len() { "" } else { by } + rest
    })
}

/// Replaces each UUID: request ids of AWS, and names that the tests make up.
fn without_uuids(text: &str) -> String {
    const FORM: [usize; 5] = [8, 4, 4, 4, 12];
    let is_uuid = |text: &str| {
        let parts: Vec<&str> = text.split('-').collect();
        parts.len() == FORM.len()
            && parts
                .iter()
                .zip(FORM)
                .all(|(part, length)| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        let is_here = rest.get(..36).is_some_and(is_uuid);
        plain.push_str(if is_here { "REQUEST-ID" } else { &rest[..next.len_utf8()] });
        rest = &rest[if is_here { 36 } else { next.len_utf8() }..];
    }
    plain
}

/// Replaces a word that is an id, a duration or a date.
fn word(word: &str) -> String {
    let bare = word.trim_matches(['(', ',', '.', ')', ':', '\'', '"', ']', '}', ';']);
    let by = if is_id(bare) {
        "REQUEST-ID"
    } else if is_duration(bare) {
        "TIME"
    } else if is_date(bare) {
        "DATE"
    } else {
        return word.to_owned();
    };
    word.replace(bare, by)
}

/// The two ids of S3.
fn is_id(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        || word.len() > 60 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
}

/// A measured duration, such as `4.747087ms`. One without a fraction is a setting, such as `180s`.
fn is_duration(word: &str) -> bool {
    let number = word.trim_end_matches(['n', 'µ', 'm', 's']);
    number.len() < word.len() && number.contains('.') && number.parse::<f64>().is_ok()
}

fn is_date(word: &str) -> bool {
    let form: String = word.chars().take(11).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    form == "0000-00-00T" || form == "0000-00-00"
}

#[test]
fn debug_output_in_any_order_is_cut_before_it() {
    let ids = [
        "s3_extended_request_id: \"x\", aws_request_id: \"y\"",
        "aws_request_id: \"y\", s3_extended_request_id: \"x\"",
    ];
    for ids in ids {
        let text = format!("unhandled error (ExpiredToken): Error {{ code: \"ExpiredToken\", {ids} }} (ServiceError(…");
        assert_eq!(constant(&text), "unhandled error (ExpiredToken)");
    }
    let nested = "StatusCode(403) (DispatchFailure(DispatchFailure { source: ConnectorError { kind: Other(None)";
    assert_eq!(constant(nested), "StatusCode(403)");
    let json = r#"status (403): { "Code": "Locked" } a { b: c"#;
    assert_eq!(constant(json), json, "no debug output");
}

#[test]
fn ids_times_ports_and_tokens_are_the_same_in_every_run() {
    for (text, wanted) in [
        (
            "PUT http://127.0.0.1:4711/metadata/aB-_9/latest in 1.72ms, limit 180s",
            "PUT http://127.0.0.1:PORT/metadata/TOKEN/latest in TIME, limit 180s",
        ),
        ("(RequestId: 0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f)", "(RequestId: REQUEST-ID)"),
        ("at 2026-11-30T17:40:07Z, at 2026-11-30", "at DATE, at DATE"),
        ("/latest/meta-data/iam", "/latest/meta-data/iam"),
        ("the file /metadata/", "the file /metadata/"),
        (
            "<RequestId>9A</RequestId><HostId>x+/=</HostId>",
            "<RequestId>REQUEST-ID</RequestId><HostId>REQUEST-ID</HostId>",
        ),
        ("s3:http://b/0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f/…", "s3:http://b/REQUEST-ID/…"),
    ] {
        assert_eq!(constant(text), wanted);
    }
}
