//! Puts a file's own line endings back after an edit, so that every line that did not change is the same bytes.
//!
//! The TOML writer turns CRLF into LF, drops a byte-order mark and ends the file with a newline. What it wrote is laid
//! beside what was there: lines that agree at the start and at the end are taken from the original, and the lines
//! between get the ending that the file uses most.

const BOM: char = '\u{feff}';

/// Gives `edited` with the line endings and the byte-order mark of `original`.
pub(super) fn restore(original: &str, edited: &str) -> String {
    let (bom, original) = match original.strip_prefix(BOM) {
        Some(rest) => (true, rest),
        None => (false, original),
    };
    let old: Vec<&str> = original.split_inclusive('\n').collect();
    let new: Vec<&str> = edited.split_inclusive('\n').collect();
    let same = |a: &str, b: &str| bare(a) == bare(b);
    let start = old.iter().zip(&new).take_while(|(a, b)| same(a, b)).count();
    let room = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(room).take_while(|(a, b)| same(a, b)).count();

    let ending = if original.matches("\r\n").count() * 2 > original.matches('\n').count() { "\r\n" } else { "\n" };
    let mut text = String::with_capacity(edited.len() + old.len());
    if bom {
        text.push(BOM);
    }
    let from_original = |i: usize| {
        if i < start {
            Some(old[i])
        } else if i >= new.len() - end {
            Some(old[old.len() - (new.len() - i)])
        } else {
            None
        }
    };
    for (i, line) in new.iter().enumerate() {
        let kept = from_original(i);
        text.push_str(kept.unwrap_or_else(|| bare(line)));
        // A file whose last line has no newline keeps it so, unless something follows now.
        let is_open = kept.is_some_and(|line| !line.ends_with('\n'));
        if kept.is_none() || (is_open && i + 1 < new.len()) {
            text.push_str(ending);
        }
    }
    text
}

/// Tells whether two texts have the same lines, however these end.
pub(super) fn same_lines(a: &str, b: &str) -> bool {
    let a = a.strip_prefix(BOM).unwrap_or(a);
    a.lines().eq(b.lines())
}

fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_did_not_change_keep_their_bytes() {
        assert_eq!(restore("a\r\nb\n", "a\nx\nb\n"), "a\r\nx\nb\n");
        assert_eq!(restore("a\r\nb\r\n", "a\n\nx\n\nb\n"), "a\r\n\r\nx\r\n\r\nb\r\n");
        assert_eq!(restore("\u{feff}a\r\nb", "a\nb\nx\n"), "\u{feff}a\r\nb\r\nx\r\n");
        assert_eq!(restore("a\nb\nc", "a\nc\n"), "a\nc");
        assert_eq!(restore("a\na\na\n", "a\na\n"), "a\na\n");
        assert_eq!(restore("", "x\n"), "x\n");
        assert_eq!(restore("a\n", ""), "");
    }
}
