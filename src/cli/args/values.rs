//! Values and flags that several commands take.

use clap::Args;
use rolecall_core::domain::names::Name;

#[derive(Debug, Args)]
pub(crate) struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Which one
    #[arg(value_parser = name)]
    pub(crate) name: Name,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Which one
    #[arg(value_parser = name)]
    pub(crate) name: Name,
}

/// Reads the name of an identity, role or socket.
pub(super) fn name(text: &str) -> Result<Name, &'static str> {
    Name::new(text)
}

/// Reads a tag of AWS.
pub(super) fn tag(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a tag is written KEY=VALUE"),
    }
}
