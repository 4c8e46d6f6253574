//! config.toml: its text becomes a checked catalogue, and edits give back its text with every comment in place.
//!
//! It reads no file, environment or clock and knows neither agent nor command line: text and path come in, a value or
//! the whole list of what is wrong goes out. One walk over the spanned document serves both the fast reload and the
//! explanations, so that nothing can be accepted by one reader and refused by another.
//!
//! | file | owns |
//! |---|---|
//! | `includes`, `glob` | the files: the first one, and what `include` leads to |
//! | `schema_types` | the sections as they are written; the schema and edits are made from them |
//! | `sections` | which keys a section has, and the check of each |
//! | `reader` | from a document's table to those keys: unknown, missing, of the wrong type |
//! | `identities` | the keys of an identity, and which of them its type has |
//! | `roles`, `defaults` | the keys of roles, and of what they inherit |
//! | `templates`, `pattern`, `expand` | a role for each of many accounts |
//! | `sockets` | the keys of further sockets |
//! | `validators` | the checks of single values that the domain has no type for |
//! | `problem` | what is wrong and where, and the report of it |
//! | `provenance` | where an entry stands, or what made it |
//! | `edit`, `edit_target`, `line_endings` | adding and removing entries |
//! | `batch_edit` | adding many at once |
//! | `schema` | the JSON schema for editors |

mod batch_edit;
mod defaults;
mod edit;
mod edit_target;
mod expand;
mod glob;
mod identities;
mod includes;
mod line_endings;
mod lists;
mod pattern;
mod problem;
mod provenance;
mod reader;
mod roles;
mod schema;
pub mod schema_types;
mod sections;
mod sockets;
mod templates;
mod validators;

pub use batch_edit::{BatchEdit, add_entries};
pub use edit::{EditError, EntryKind, IfPresent, add, remove};
pub use edit_target::{EditTarget, Part};
pub use includes::{Content, Files, MAX_BYTES, Overlay, Unread, is_included};
pub use problem::{ConfigError, Located};
pub use provenance::{MadeBy, Origin, Provenance};
pub use schema::schema_json;
pub use validators::parse_duration;

use crate::domain::catalogue::Config;
use problem::{Sink, Text};
use std::cell::OnceCell;
use std::path::Path;

/// What a configuration says, and where.
#[derive(Default)]
pub struct Loaded {
    /// What it says.
    pub catalogue: Config,
    /// Where.
    pub origins: Provenance,
}

/// Reads a configuration, of which `main` is the first file: all that is wrong with it is found in one go. A missing
/// first file is an empty one.
pub fn load(main: &Path, files: &dyn Files) -> Result<Loaded, ConfigError> {
    let slots: Vec<OnceCell<Text>> = std::iter::repeat_with(OnceCell::new).take(includes::FILES_MAX).collect();
    let mut sink = Sink::default();
    let documents = includes::gather(main, files, &slots, &mut sink)?;
    let read = sink.is_empty().then(|| sections::read(&documents, &mut sink));
    drop(documents);
    match read {
        Some((catalogue, places)) if sink.is_empty() => {
            let texts = slots.into_iter().map_while(OnceCell::into_inner).collect();
            Ok(Loaded { catalogue, origins: Provenance { texts, places } })
        }
        _ => Err(sink.into_error(|at| slots[at].get().expect("what was walked was read"))),
    }
}

/// Reads a configuration of one file as bytes; `file` only names it in messages.
pub fn parse_bytes(bytes: &[u8], file: &Path) -> Result<Config, ConfigError> {
    load(file, &Overlay { files: &includes::Nowhere, path: file, bytes }).map(|loaded| loaded.catalogue)
}

/// Reads a configuration of one file; `file` only names it in messages.
pub fn parse(text: &str, file: &Path) -> Result<Config, ConfigError> {
    parse_bytes(text.as_bytes(), file)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;

#[cfg(test)]
mod handed_on_tests;

#[cfg(test)]
mod identity_tests;

#[cfg(test)]
mod many_tests;

#[cfg(test)]
mod wording_tests;
