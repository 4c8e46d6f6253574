//! The unified diff that a person sees before an AWS file changes, with secrets masked.
//!
//! Knows only lines. It is our own because it must mask before it prints and must take bytes that are not UTF-8; for a
//! file that changes in one block, a table over the changed part is all it takes.

use super::import::change::{self, Change};
use super::masking::masked;
use super::{shown, split_lines};
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

/// How many unchanged lines stand around a change, as in every diff.
const CONTEXT: usize = 3;

/// The largest table of line pairs, 32 MB; beyond it the changed part is shown as replaced whole.
const TABLE_MAX: usize = 16_000_000;

/// Gives the difference between two texts of a file, or nothing if they are the same.
pub fn unified(file: &Path, old: &[u8], new: &[u8]) -> String {
    if old == new {
        return String::new();
    }
    let (old, new): (Vec<&[u8]>, Vec<&[u8]>) = (split_lines(old).collect(), split_lines(new).collect());
    write(file, &old, &new, &steps(&old, &new))
}

/// Does the same where it is known which lines go and come: a table would be too large for thousands of profiles.
pub fn of_changes(file: &Path, old: &[u8], changes: &[Change]) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let after = change::apply(old, changes);
    let (old, new): (Vec<&[u8]>, Vec<&[u8]>) = (split_lines(old).collect(), split_lines(&after).collect());
    let (mut i, mut j) = (0, 0);
    let mut steps = Vec::with_capacity(old.len().max(new.len()));
    for change in changes {
        // A last line that gets its line end is another line.
        let is_ended = !change.ended.is_empty() && i + 1 < change.at;
        let kept = change.at - 1 - usize::from(is_ended);
        while i < kept {
            steps.push(Step { old: Some(i), new: Some(j), old_at: i, new_at: j });
            (i, j) = (i + 1, j + 1);
        }
        for _ in 0..change.removed.len() + usize::from(is_ended) {
            steps.push(Step { old: Some(i), new: None, old_at: i, new_at: j });
            i += 1;
        }
        for _ in 0..change.inserted.len() + usize::from(is_ended) {
            steps.push(Step { old: None, new: Some(j), old_at: i, new_at: j });
            j += 1;
        }
    }
    while i < old.len() && j < new.len() {
        steps.push(Step { old: Some(i), new: Some(j), old_at: i, new_at: j });
        (i, j) = (i + 1, j + 1);
    }
    write(file, &old, &new, &steps)
}

fn write(file: &Path, old: &[&[u8]], new: &[&[u8]], steps: &[Step]) -> String {
    let (old_shown, new_shown) = (masked(old), masked(new));
    let mut out = format!("--- {0}\n+++ {0} (new)\n", shown(file));
    for hunk in hunks(steps) {
        let hunk = &steps[hunk];
        let (olds, news): (Vec<usize>, Vec<usize>) =
            (hunk.iter().filter_map(|s| s.old).collect(), hunk.iter().filter_map(|s| s.new).collect());
        let _ = writeln!(out, "@@ -{} +{} @@", extent(&olds, hunk[0].old_at), extent(&news, hunk[0].new_at));
        for step in hunk {
            let (sign, line, raw) = match (step.old, step.new) {
                (Some(at), Some(_)) => (' ', &old_shown[at], old[at]),
                (Some(at), None) => ('-', &old_shown[at], old[at]),
                (None, Some(at)) => ('+', &new_shown[at], new[at]),
                (None, None) => continue,
            };
            let _ = writeln!(out, "{sign}{line}");
            if !raw.ends_with(b"\n") {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// A line that stays, goes or comes, and where both texts are just before it.
#[derive(Clone, Copy)]
struct Step {
    old: Option<usize>,
    new: Option<usize>,
    old_at: usize,
    new_at: usize,
}

impl Step {
    fn stays(self) -> bool {
        self.old.is_some() && self.new.is_some()
    }
}

/// Aligns the lines: what is equal at both ends stays, and the longest common run of lines in between.
fn steps(old: &[&[u8]], new: &[&[u8]]) -> Vec<Step> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_mid, new_mid) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let common = common_lengths(old_mid, new_mid);
    let width = new_mid.len() + 1;
    let length = |i: usize, j: usize| common.get(i * width + j).copied().unwrap_or(0);

    let (mut i, mut j) = (0, 0);
    let mut steps = Vec::with_capacity(old.len().max(new.len()));
    while i < old.len() || j < new.len() {
        let in_middle = i >= head && (i < head + old_mid.len() || j < head + new_mid.len());
        let (a, b) = (i.saturating_sub(head), j.saturating_sub(head));
        let equal_in_middle =
            in_middle && !common.is_empty() && old_mid.get(a).zip(new_mid.get(b)).is_some_and(|(x, y)| x == y);
        let (from_old, from_new) = if !in_middle || equal_in_middle {
            (true, true)
        } else if a < old_mid.len() && (b >= new_mid.len() || length(a + 1, b) >= length(a, b + 1)) {
            (true, false)
        } else {
            (false, true)
        };
        steps.push(Step { old: from_old.then_some(i), new: from_new.then_some(j), old_at: i, new_at: j });
        i += usize::from(from_old);
        j += usize::from(from_new);
    }
    steps
}

/// For each pair of positions, how many lines the rest of both texts have in common; empty if the table would be
/// too large. A common run cannot be longer than the shorter text, so 16 bits hold it below [`TABLE_MAX`].
fn common_lengths(old: &[&[u8]], new: &[&[u8]]) -> Vec<u16> {
    let width = new.len() + 1;
    let cells = (old.len() + 1).saturating_mul(width);
    if cells > TABLE_MAX {
        return Vec::new();
    }
    let mut table = vec![0_u16; cells];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i * width + j] = if old[i] == new[j] {
                table[(i + 1) * width + j + 1] + 1
            } else {
                table[(i + 1) * width + j].max(table[i * width + j + 1])
            };
        }
    }
    table
}

/// Groups changes with their context; two that are near share one hunk.
fn hunks(steps: &[Step]) -> Vec<Range<usize>> {
    let mut hunks: Vec<Range<usize>> = Vec::new();
    for (at, _) in steps.iter().enumerate().filter(|(_, step)| !step.stays()) {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(steps.len()));
        match hunks.last_mut() {
            Some(last) if from <= last.end => last.end = to,
            _ => hunks.push(from..to),
        }
    }
    hunks
}

fn extent(lines: &[usize], at: usize) -> String {
    match lines {
        // GNU diff names the line before an empty range.
        [] => format!("{at},0"),
        [only] => format!("{}", only + 1),
        [first, ..] => format!("{},{}", first + 1, lines.len()),
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

    proptest! {
        #[test]
        fn the_steps_lead_from_the_old_text_to_the_new(
            old in proptest::collection::vec("[abc]?", 0..12),
            new in proptest::collection::vec("[abc]?", 0..12),
        ) {
            let old: Vec<&[u8]> = old.iter().map(String::as_bytes).collect();
            let new: Vec<&[u8]> = new.iter().map(String::as_bytes).collect();
            let steps = steps(&old, &new);
            prop_assert_eq!(steps.iter().filter_map(|s| s.old).collect::<Vec<_>>(), (0..old.len()).collect::<Vec<_>>());
            prop_assert_eq!(steps.iter().filter_map(|s| s.new).collect::<Vec<_>>(), (0..new.len()).collect::<Vec<_>>());
            for step in steps.iter().filter(|step| step.stays()) {
                prop_assert_eq!(old[step.old.expect("stays")], new[step.new.expect("stays")]);
            }
        }
    }
}
