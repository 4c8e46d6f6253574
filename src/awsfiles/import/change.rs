//! The lines of a file that go and those that come in their place, so that the change can be made and taken back.
//!
//! It holds no secret: of a line with one it knows what stands before and after it, and whose it is. So it can rest on disk
//! while the secret is in the vault. Backwards, the file must be what the change made of it; where only other
//! parts of it changed since, each piece is found again by its own lines.

use super::super::split_lines;
use rolecall_core::domain::error::printable;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A run of lines that others take the place of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The first line, counted from 1, of the file as it was.
    pub at: usize,
    /// The header of the section, as it stands in the file; empty where a whole section goes or comes.
    pub header: String,
    /// The lines that go.
    pub removed: Vec<Removed>,
    /// The lines that come, with their line ends.
    pub inserted: Vec<String>,
    /// The line end that the last line of the file lacked, and gets so that lines can come after it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended: String,
}

/// A line that goes, with its line end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The line, up to the secret if it has one.
    pub head: String,
    /// The identity whose secret stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_of: Option<String>,
    /// What stands behind the secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

impl Removed {
    /// Tells whether it has a secret in it, or what may be one: such a line must not rest on disk.
    pub fn has_secret(&self) -> bool {
        let Some((name, value)) = self.head.split_once(['=', ':']) else { return false };
        let name = name.to_ascii_lowercase();
        let value = if self.secret_of.is_some() { &self.tail } else { value };
        SECRET_WORDS.iter().any(|word| name.contains(word)) && !value.trim().is_empty()
    }
}

/// Makes the changes, which are in the file's order.
pub fn apply(text: &[u8], changes: &[Change]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + inserted_len(changes)));
    let mut changes = changes.iter().peekable();
    let mut skip = 0;
    for (line, raw) in split_lines(text).enumerate() {
        while let Some(change) = changes.next_if(|change| change.at == line + 1) {
            insert(change, &mut out);
            skip += change.removed.len();
        }
        if skip > 0 {
            skip -= 1;
        } else {
            out.extend_from_slice(raw);
        }
    }
    for change in changes {
        insert(change, &mut out);
    }
    out
}

fn insert(change: &Change, out: &mut Vec<u8>) {
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.extend_from_slice(change.ended.as_bytes());
    }
    for inserted in &change.inserted {
        out.extend_from_slice(inserted.as_bytes());
    }
}

fn inserted_len(changes: &[Change]) -> usize {
    changes.iter().map(|change| change.ended.len() + change.inserted.iter().map(String::len).sum::<usize>()).sum()
}

/// Gives a secret back, by the identity's name.
pub type SecretOf<'s> = dyn Fn(&str) -> Option<Zeroizing<String>> + 's;

fn put_back(change: &Change, secret_of: &SecretOf<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    for line in &change.removed {
        let secret = match &line.secret_of {
            Some(identity) => Some(secret_of(identity).ok_or_else(|| identity.clone())?),
            None => None,
        };
        // The room is taken at once: a buffer that grows leaves copies of the secret behind.
        out.reserve(line.head.len() + line.tail.len() + secret.as_ref().map_or(0, |secret| secret.len()));
        out.extend_from_slice(line.head.as_bytes());
        if let Some(secret) = secret {
            out.extend_from_slice(secret.as_bytes());
        }
        out.extend_from_slice(line.tail.as_bytes());
    }
    Ok(())
}

/// Takes the changes back in a file that is line for line what they made of it; the error names the identity without a
/// secret.
pub fn revert(text: &[u8], changes: &[Change], secret_of: &SecretOf<'_>) -> Result<Zeroizing<Vec<u8>>, String> {
    // A secret is at most 256 bytes: what is put back fits into this without growing.
    let room: usize = changes.iter().flat_map(|c| &c.removed).map(|l| l.head.len() + l.tail.len() + 256).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + room));
    let lines: Vec<&[u8]> = split_lines(text).collect();
    // Where the next untouched line stands, in the file as it was and as it is.
    let (mut was, mut is) = (1, 0);
    for change in changes {
        let untouched = change.at.saturating_sub(was);
        for line in lines.iter().skip(is).take(untouched) {
            out.extend_from_slice(line);
        }
        if !change.ended.is_empty() && out.ends_with(change.ended.as_bytes()) {
            let end = out.len() - change.ended.len();
            out.truncate(end);
        }
        put_back(change, secret_of, &mut out)?;
        is += untouched + change.inserted.len();
        was = change.at + change.removed.len();
    }
    for line in lines.iter().skip(is) {
        out.extend_from_slice(line);
    }
    Ok(out)
}

/// Takes back what can be found again in a file that was changed since; gives the changes that cannot, by their place.
pub fn revert_found(
    text: &[u8],
    changes: &[Change],
    secret_of: &SecretOf<'_>,
) -> Result<(Zeroizing<Vec<u8>>, Vec<usize>), String> {
    let mut lines: Vec<Zeroizing<Vec<u8>>> = split_lines(text).map(|line| Zeroizing::new(line.to_vec())).collect();
    let mut lost = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let mut back = Zeroizing::new(Vec::new());
        put_back(change, secret_of, &mut back)?;
        let scope = if change.header.is_empty() { Some(0..lines.len()) } else { section(&lines, &change.header) };
        let found = match scope {
            None => None,
            Some(scope) if !change.inserted.is_empty() => find(&lines[scope.clone()], &change.inserted).map(|from| {
                let from = scope.start + from;
                from..from + change.inserted.len()
            }),
            // A whole section: it goes to the end, unless somebody has made it anew.
            Some(_) if change.header.is_empty() => {
                let header = change.removed.first().map_or("", |line| line.head.trim());
                let is_there = lines.iter().any(|line| line.trim_ascii() == header.as_bytes());
                (!is_there).then_some(lines.len()..lines.len())
            }
            Some(scope) => Some(scope.start..scope.start),
        };
        match found {
            Some(range) => drop(lines.splice(range, [back])),
            None => lost.push(at),
        }
    }
    let mut out = Zeroizing::new(Vec::with_capacity(lines.iter().map(|line| line.len()).sum()));
    for line in &lines {
        out.extend_from_slice(line);
    }
    Ok((out, lost))
}

/// Finds the lines of a section whose header stands there exactly once, the header left out.
fn section(lines: &[Zeroizing<Vec<u8>>], header: &str) -> Option<std::ops::Range<usize>> {
    // Without its line end: a header that ended the file has got one.
    let mut found = lines.iter().enumerate().filter(|(_, line)| line.trim_ascii() == header.trim().as_bytes());
    let (Some((at, _)), None) = (found.next(), found.next()) else { return None };
    let start = at + 1;
    let end = lines[start..].iter().position(|line| line.trim_ascii_start().starts_with(b"["));
    Some(start..end.map_or(lines.len(), |end| start + end))
}

/// Finds lines that stand together exactly once.
fn find(lines: &[Zeroizing<Vec<u8>>], wanted: &[String]) -> Option<usize> {
    let is_here = |window: &[Zeroizing<Vec<u8>>]| {
        window.iter().zip(wanted).all(|(line, wanted)| line.as_slice() == wanted.as_bytes())
    };
    let mut found = lines.windows(wanted.len()).enumerate().filter(|(_, window)| is_here(window));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    }
}

/// Words after which a value is a secret, in the AWS files and in JSON pasted into them.
const SECRET_WORDS: [&str; 5] =
    ["aws_secret_access_key", "aws_session_token", "aws_security_token", "secretaccesskey", "sessiontoken"];

/// The longest line that counts.
const LINE_MAX: usize = 400;

/// Returns a number that tells one text of an AWS file from another: FNV-1a over the lines without the values of the known
/// secrets, since the number is written down.
///
/// It guards against a change by mistake, not against one that is meant to have the same number.
pub fn fingerprint(text: &[u8]) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut in_secret = false;
    let lines = split_lines(text).map(|line| counted(line, &mut in_secret));
    let bytes = lines.flat_map(|line| (line + "\n").into_bytes());
    bytes.fold(START, |number, byte| (number ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// Returns a line without the secret in it.
fn counted(line: &[u8], in_secret: &mut bool) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    let lower = text.to_ascii_lowercase();
    if let Some(end) = SECRET_WORDS.iter().filter_map(|word| Some(lower.find(word)? + word.len())).min() {
        *in_secret = true;
        return printable(&text[..end], LINE_MAX);
    }
    if *in_secret && text.starts_with([' ', '\t']) && !text.trim().is_empty() {
        return String::new();
    }
    *in_secret = *in_secret && (text.trim().is_empty() || text.starts_with(['#', ';']));
    printable(text, LINE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_unless_it_is_one_of_a_secret() {
        let text = "[a]\naws_secret_access_key = hush\n  more\nregion = eu-west-1\n";
        let of = |text: &str| fingerprint(text.as_bytes());
        assert_eq!(of(text), of(&text.replace("hush", "other").replace("more", "less")));
        assert_ne!(of(text), of(&text.replace("west", "east")));
    }
}
