//! Where an entry stands: file, line, and what made it where it is no entry of its own.

use super::problem::{Text, offset_of};
use crate::domain::names::Name;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// Where an identity, a role or a socket comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file of the entry, or of the template that makes it.
    pub file: PathBuf,
    /// The line there.
    pub line: usize,
    /// What makes it, where it is no entry of its own.
    pub made: Option<MadeBy>,
}

/// What makes a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeBy {
    /// The template.
    pub template: Name,
    /// The account that it is made for.
    pub account: Name,
    /// Where the account stands: file and line.
    pub account_at: (PathBuf, usize),
}

/// A template and an account, by their places in the lists of both.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pub(super) template: usize,
    pub(super) account: usize,
}

/// A place in one of the files.
#[derive(Clone, Copy)]
pub(super) struct SourceLine {
    pub(super) file: usize,
    pub(super) offset: usize,
    pub(super) made: Option<Made>,
}

/// The places of what is not an entry of the first file, which is looked through when somebody asks.
#[derive(Default)]
pub(super) struct Places {
    names: HashMap<Name, SourceLine>,
    sockets: HashMap<Name, SourceLine>,
    /// The templates and accounts, each with its file and offset.
    pub(super) templates: Vec<(Name, usize, usize)>,
    pub(super) accounts: Vec<(Name, usize, usize)>,
}

impl Places {
    pub(super) fn put(&mut self, table: &str, name: &Name, place: SourceLine) {
        match table {
            // These two have one namespace.
            "identities" | "roles" => drop(self.names.insert(name.clone(), place)),
            "sockets" => drop(self.sockets.insert(name.clone(), place)),
            _ => {}
        }
    }

    pub(super) fn of(&self, table: &str, name: &str) -> Option<SourceLine> {
        if table == "sockets" { self.sockets.get(name).copied() } else { self.names.get(name).copied() }
    }

    pub(super) fn reserve(&mut self, number: usize) {
        self.names.reserve(number);
    }
}

/// The files of a configuration, and where its entries stand in them.
#[derive(Default)]
pub struct Provenance {
    pub(super) texts: Vec<Text>,
    pub(super) places: Places,
}

impl Provenance {
    /// Gives every file, the first one first.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.texts.iter().map(|text| text.path.as_path())
    }

    /// Tells where an entry of a table (`identities`, `roles` or `sockets`) comes from.
    pub fn of(&self, table: &str, name: &str) -> Option<Origin> {
        if let Some(place) = self.places.of(table, name) {
            let at =
                |file: usize, offset| Some((self.texts.get(file)?.path.clone(), self.texts.get(file)?.line(offset)));
            let (file, line) = at(place.file, place.offset)?;
            let made = match place.made {
                None => None,
                Some(made) => {
                    let (template, ..) = self.places.templates.get(made.template)?;
                    let (account, file, offset) = self.places.accounts.get(made.account)?;
                    let account_at = at(*file, *offset)?;
                    Some(MadeBy { template: template.clone(), account: account.clone(), account_at })
                }
            };
            return Some(Origin { file, line, made });
        }
        let main = self.texts.first()?;
        let document = DeTable::parse(&main.text).ok()?.into_inner();
        document.get(table)?.get_ref().get(name)?;
        let offset = offset_of(&document, &[table.to_owned(), name.to_owned()]);
        Some(Origin { file: main.path.clone(), line: main.line(offset), made: None })
    }
}
