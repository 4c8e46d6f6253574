//! `~/.aws/config` and `~/.aws/credentials`, read and edited line by line; every byte that is not ours stays.
//!
//! Text in, text out: only [`file_io`] touches the disk. Nothing here knows the configuration, the agent or AWS itself.
//! No INI crate is used: those keep neither comments, nor order, nor nested `s3 =` blocks, nor a `[default]` at its place.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests prepare files of their own"))]

use rolecall_core::domain::error::printable;
use std::path::Path;

pub mod default_profile;
pub mod diff;
pub mod document;
pub mod entry;
pub mod file_io;
pub mod import;
pub mod inventory;
pub mod managed_block;
mod masking;
pub mod parse_issue;
pub mod precedence_warnings;

/// The longest path shown in a message.
const PATH_SHOWN: usize = 512;

/// Names a file and a line, safe for one line of a terminal.
fn place(file: &Path, line: usize) -> String {
    format!("{}:{line}", shown(file))
}

/// Names a file, safe for one line of a terminal.
fn shown(file: &Path) -> String {
    printable(&file.to_string_lossy(), PATH_SHOWN)
}

/// Cuts text after each `\n`; the pieces, put together, are the text.
fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

/// The byte order mark that some Windows editors put first.
const BOM: &[u8] = b"\xef\xbb\xbf";
