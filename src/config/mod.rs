//! config.toml: its text becomes a checked catalogue, and edits give back its text with every comment in place.
//!
//! It reads no file, environment or clock and knows neither agent nor command line: text and path come in, a value or
//! the whole list of what is wrong goes out. One walk over the spanned document serves both the fast reload and the
//! explanations, so that nothing can be accepted by one reader and refused by another.
//!
//! | file | owns |
//! |---|---|
//! | `raw` | the sections as they are written; the schema and edits are made from them |
//! | `sections` | which keys a section has, and the check of each |
//! | `walk` | from a document's table to those keys: unknown, missing, of the wrong type |
//! | `sockets` | the keys of further sockets |
//! | `sources` | the keys of identities without a stored key, and which go with which type |
//! | `values` | the checks of single values that the domain has no type for |
//! | `problem` | what is wrong and where, and the report of it |
//! | `edit`, `lines` | adding and removing entries |
//! | `bulk` | adding many at once |
//! | `schema` | the JSON schema for editors |

mod bulk;
mod edit;
mod lines;
mod lists;
mod problem;
mod program;
pub mod raw;
mod schema;
mod sections;
mod sockets;
mod sources;
mod values;
mod walk;

pub use bulk::{NewEntries, add_entries};
pub use edit::{IfPresent, add_identity, add_role, add_socket, remove_identity, remove_role, remove_socket};
pub use problem::{ConfigError, Located};
pub use schema::schema_json;
pub use values::parse_duration;

use crate::domain::catalogue::Catalogue;
use edit::HEADER;
use problem::Sink;
use std::path::Path;
use toml::de::DeTable;

/// The largest configuration that is read: ten thousand roles fill 2 MiB; what is larger is not a configuration.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Up to this size every syntax error is listed; beyond it the first only, as a hostile file could hold millions.
const RECOVER_MAX: usize = 256 * 1024;

/// The most syntax errors that are listed: those after an unclosed quote say little.
const SYNTAX_ERRORS_MAX: usize = 5;

/// Reads a configuration as bytes: the encoding is checked, then the text as [`parse`] does.
///
/// A reader of files need not take more than [`MAX_BYTES`] + 1 bytes.
pub fn parse_bytes(bytes: &[u8], file: &Path) -> Result<Catalogue, ConfigError> {
    if bytes.len() > MAX_BYTES {
        return Err(too_large(file));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text, file),
        Err(_) if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) => {
            Err(ConfigError::whole(file, "the file is UTF-16; save it as UTF-8"))
        }
        Err(error) => {
            let line = 1 + problem::newlines(&bytes[..error.valid_up_to()]);
            Err(ConfigError::at_line(file, line, "the file is not UTF-8"))
        }
    }
}

/// Reads a configuration: all that is wrong with it is found in one go.
///
/// `file` only names it in messages; whoever wants `~/` there passes it so.
pub fn parse(text: &str, file: &Path) -> Result<Catalogue, ConfigError> {
    if text.len() > MAX_BYTES {
        return Err(too_large(file));
    }
    let mut sink = Sink::default();
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(first) => {
            say_syntax(text, &first, &mut sink);
            return Err(sink.into_error(file, text));
        }
    };
    let catalogue = sections::read(document.get_ref(), &mut sink);
    if sink.is_empty() { Ok(catalogue) } else { Err(sink.into_error(file, text)) }
}

fn too_large(file: &Path) -> ConfigError {
    ConfigError::whole(file, format!("the file is larger than {} MiB", MAX_BYTES >> 20))
}

fn say_syntax(text: &str, first: &toml::de::Error, sink: &mut Sink) {
    let all = if text.len() <= RECOVER_MAX { DeTable::parse_recoverable(text).1 } else { Vec::new() };
    let mut errors: Vec<&toml::de::Error> = if all.is_empty() { vec![first] } else { all.iter().collect() };
    errors.sort_by_key(|e| e.span().map_or(0, |s| s.start));
    let (mut said, mut line_end) = (0, 0);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        // The second error of a line follows from its first.
        if said > 0 && span.start < line_end {
            continue;
        }
        if said == SYNTAX_ERRORS_MAX {
            break;
        }
        said += 1;
        line_end = span.start + text.get(span.start..).and_then(|rest| rest.find('\n')).unwrap_or(text.len());
        let culprit = text.get(span.clone()).unwrap_or_default();
        match error.message() {
            "duplicate key" => sink.at_offset(span.start, culprit, "is given twice"),
            message => sink.at_offset(span.start, "", format!("not valid TOML: {message}")),
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;

#[cfg(test)]
mod handed_on_tests;
