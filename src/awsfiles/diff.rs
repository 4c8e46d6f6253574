//! The unified diff that a person sees before an AWS file changes, with secrets masked.
//!
//! `similar` aligns the lines. The output is written here, because each line is masked as part of its whole file before it
//! is printed, and because the files may contain bytes that are not UTF-8.

use super::masking::masked;
use super::{shown, split_lines};
use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

/// The number of unchanged lines around a change, as in every diff.
const CONTEXT: usize = 3;

/// Returns the difference between two texts of a file; empty if they are equal.
pub fn unified(file: &Path, old: &[u8], new: &[u8]) -> String {
    if old == new {
        return String::new();
    }
    let (old, new): (Vec<&[u8]>, Vec<&[u8]>) = (split_lines(old).collect(), split_lines(new).collect());
    let (old_shown, new_shown) = (masked(&old), masked(&new));
    let mut out = format!("--- {0}\n+++ {0} (new)\n", shown(file));
    // Patience aligns at lines that are there once, such as the headers of sections, and stays fast for long files.
    for hunk in group_diff_ops(capture_diff_slices(Algorithm::Patience, &old, &new), CONTEXT) {
        let lines = |range: fn(&DiffOp) -> Range<usize>| {
            hunk.first().map_or(0, |op| range(op).start)..hunk.last().map_or(0, |op| range(op).end)
        };
        let _ = writeln!(out, "@@ -{} +{} @@", extent(&lines(DiffOp::old_range)), extent(&lines(DiffOp::new_range)));
        for op in &hunk {
            let removed = op.old_range().map(|at| (&old_shown[at], old[at]));
            let added = op.new_range().map(|at| (&new_shown[at], new[at]));
            let signed: Vec<(char, (&String, &[u8]))> = if let DiffOp::Equal { .. } = op {
                removed.map(|line| (' ', line)).collect()
            } else {
                removed.map(|line| ('-', line)).chain(added.map(|line| ('+', line))).collect()
            };
            for (sign, (line, raw)) in signed {
                let _ = writeln!(out, "{sign}{line}");
                if !raw.ends_with(b"\n") {
                    out.push_str("\\ No newline at end of file\n");
                }
            }
        }
    }
    out
}

/// Returns one half of the head of a hunk, as GNU diff writes it: an empty range has the number of the line before it.
fn extent(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        length => format!("{},{length}", lines.start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(count: usize, letter: &str) -> String {
        (0..count).fold(String::new(), |all, n| all + &format!("{letter}{n}\n"))
    }

    fn diff(old: &str, new: &str) -> String {
        unified(Path::new("config"), old.as_bytes(), new.as_bytes())
    }

    #[test]
    fn a_change_is_shown_with_three_lines_around_it() {
        let old = "[a]\n[b]\n[c]\n[d]\n[e]\n[f]\n[g]\n[h]\n[i]\n";
        let new = "[a]\n[b]\n[c]\n[d]\n[five]\n[5b]\n[f]\n[g]\n[h]\n[i]\n";
        let body = "@@ -2,7 +2,8 @@\n [b]\n [c]\n [d]\n-[e]\n+[five]\n+[5b]\n [f]\n [g]\n [h]\n";
        assert_eq!(diff(old, new), format!("--- config\n+++ config (new)\n{body}"));
        assert_eq!(diff(old, old), "");
    }

    #[test]
    fn changes_far_from_each_other_are_hunks_of_their_own() {
        let old = numbered(30, "");
        let new = old.replace("\n4\n", "\n").replace("\n25\n", "\nx\n");
        assert_eq!(diff(&old, &new).matches("@@ -").count(), 2);
    }

    #[test]
    fn an_appended_block_and_a_missing_newline_are_shown() {
        assert_eq!(
            diff("[a]", "[a]\n[b]\n"),
            "--- config\n+++ config (new)\n@@ -1 +1,2 @@\n-[a]\n\\ No newline at end of file\n+[a]\n+[b]\n"
        );
        assert_eq!(diff("", "[b]\n"), "--- config\n+++ config (new)\n@@ -0,0 +1 @@\n+[b]\n");
        assert_eq!(diff("[b]\n", ""), "--- config\n+++ config (new)\n@@ -1 +0,0 @@\n-[b]\n");
    }

    #[test]
    fn a_secret_is_never_shown_not_even_in_context_comments_or_continuations() {
        let old = "[a]\n\
                   aws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
                   AWS_Secret_Access_Key: hush1\n\
                   #aws_session_token=hush2\n\
                   aws_session_token =\n  hush3\n\n\thush4\n\
                   region = eu-west-1\n\
                   credential_process = /opt/tool --token hush7\n\
                   aws_secret_acces_key = hush8\n\
                   # \"SecretAccessKey\": \"hush5\"\n";
        let shown = diff(old, &old.replace("eu-west-1", "eu-west-2").replace("hush1", "hush6"));
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("AKIAIOSFODNN7EXAMPLE") && shown.contains("+region = eu-west-2"), "{shown}");
        assert!(shown.contains("-AWS_Secret_Access_Key = ********\n"), "{shown}");
    }

    #[test]
    fn nothing_moves_the_cursor() {
        let shown = unified(Path::new("a\nb"), b"[x\x1b[2J\xff\ty]\r\n", b"");
        assert_eq!(shown.lines().nth(3), Some("-[x\\u{1b}[2J\u{fffd}\\u{9}y]"));
        assert!(!shown.contains('\x1b') && shown.starts_with("--- a\\u{a}b\n"));
    }

    #[test]
    fn a_huge_change_is_shown_as_replaced() {
        let old = numbered(5000, "a");
        let new = numbered(5000, "b");
        assert_eq!(diff(&old, &new).lines().count(), 3 + 10_000);
    }

    #[test]
    fn a_change_of_many_lines_in_many_sections_is_a_hunk_each() {
        let old = (0..5000).fold(String::new(), |all, n| all + &format!("[{n}]\na\nb\nc\nd\ne\nf\ng\n\n"));
        assert_eq!(diff(&old, &old.replace("\nd\n", "\nx\ny\n")).matches("@@ -").count(), 5000);
    }

    /// Applies a diff of lines with line ends to the old text.
    fn patched(old: &[&str], diff: &str) -> String {
        let (mut at, mut out) = (0, Vec::new());
        for line in diff.lines().skip(2) {
            if let Some(head) = line.strip_prefix("@@ -") {
                let (from, more) = head.split_once(' ').expect("two halves");
                let (start, is_empty) = (from.split(',').next().expect("a number"), from.ends_with(",0"));
                let start = start.parse::<usize>().expect("a number") - usize::from(!is_empty);
                assert!(more.ends_with(" @@") && start >= at, "{line}");
                out.extend(old[at..start].iter().map(|line| (*line).to_owned()));
                at = start;
                continue;
            }
            let (sign, text) = line.split_at(1);
            if sign != "+" {
                assert_eq!(old[at], text, "{diff}");
                at += 1;
            }
            if sign != "-" {
                out.push(text.to_owned());
            }
        }
        out.extend(old[at..].iter().map(|line| (*line).to_owned()));
        out.iter().fold(String::new(), |all, line| all + line + "\n")
    }

    proptest! {
        #[test]
        fn the_diff_leads_from_the_old_text_to_the_new(
            old in proptest::collection::vec("\\[[abc]\\]", 0..24),
            new in proptest::collection::vec("\\[[abc]\\]", 0..24),
        ) {
            let text = |lines: &[String]| lines.iter().fold(String::new(), |all, line| all + line + "\n");
            let lines: Vec<&str> = old.iter().map(String::as_str).collect();
            prop_assert_eq!(patched(&lines, &diff(&text(&old), &text(&new))), text(&new));
        }
    }
}
