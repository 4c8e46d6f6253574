//! A number that tells one text of an AWS file from another, whatever the secrets in the text are.

use super::split_lines;
use rolecall_core::domain::error::printable;

/// Words after which a value is a secret, in the AWS files and in JSON pasted into them.
pub(super) const SECRET_WORDS: [&str; 5] =
    ["aws_secret_access_key", "aws_session_token", "aws_security_token", "secretaccesskey", "sessiontoken"];

/// The longest line that counts.
const LINE_MAX: usize = 400;

/// Returns FNV-1a over the lines without the values of the known secrets, since the number is written down.
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

/// Gives a line without a secret in it.
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
