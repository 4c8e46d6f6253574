//! Adds and removes entries in the text of config.toml; comments, order and every other byte stay as they are.
//!
//! Text comes in and goes out; writing it is the caller's. What goes out has been read again, with the other files of the
//! configuration, and is the old catalogue but for the one entry: an edit cannot make a file that the agent refuses, nor
//! change what was not asked for.

use super::edit_target::EditTarget;
use super::problem::{Located, dotted, shown as shown_path};
use super::provenance::Origin;
use super::{ConfigError, Loaded, line_endings};
use crate::domain::catalogue::Config;
use crate::domain::error::{Kind, UserError, printable};
use crate::domain::names::{Name, did_you_mean};
use serde::Serialize;
use std::path::Path;
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// What a new file starts with.
pub(super) const HEADER: &str = "\
# rolecall: who you are (identities) and what you can become (roles).
# Saving this file is enough; `rolecall status` says whether the agent took it over.
";

/// What stays of an included file without its last entry.
const EMPTIED: &str = "# No entries.\n";

/// What happens to an entry that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfPresent {
    /// It stays, and the edit is refused.
    Refuse,
    /// It gets the new values; comments at its keys stay.
    Replace,
}

/// Why an entry is not added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditError {
    /// The error. If the entry itself is wrong, the message does not name it.
    pub report: UserError,
    /// The entry, as "role `prod`", if it is wrong itself.
    entry: Option<String>,
}

impl From<UserError> for EditError {
    fn from(report: UserError) -> Self {
        Self { report, entry: None }
    }
}

impl From<EditError> for UserError {
    fn from(error: EditError) -> Self {
        let EditError { report, entry } = error;
        match entry {
            Some(entry) => Self { message: format!("{entry}: {}", report.message), ..report },
            None => report,
        }
    }
}

/// The tables that hold entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// `[identities.NAME]`.
    Identities,
    /// `[roles.NAME]`.
    Roles,
    /// `[sockets.NAME]`.
    Sockets,
}

impl EntryKind {
    fn table(self) -> &'static str {
        match self {
            Self::Identities => "identities",
            Self::Roles => "roles",
            Self::Sockets => "sockets",
        }
    }

    fn one(self) -> &'static str {
        match self {
            Self::Identities => "identity",
            Self::Roles => "role",
            Self::Sockets => "socket",
        }
    }

    /// Gives the command that knows its entries.
    fn command(self) -> &'static str {
        if self == Self::Sockets { "agent socket" } else { self.one() }
    }

    /// Gives the kind whose names it shares a namespace with.
    fn other(self) -> Option<Self> {
        match self {
            Self::Identities => Some(Self::Roles),
            Self::Roles => Some(Self::Identities),
            Self::Sockets => None,
        }
    }

    fn names(self, catalogue: &Config) -> impl Iterator<Item = &str> {
        let identities = catalogue.identities.keys().filter(move |_| self == Self::Identities);
        let roles = catalogue.roles.keys().filter(move |_| self == Self::Roles);
        let sockets = catalogue.sockets.keys().filter(move |_| self == Self::Sockets);
        identities.chain(roles).chain(sockets).map(Name::as_str)
    }
}

/// Adds an entry to the text of a configuration, which may be empty. `section` has its keys and values.
pub fn add<S: EditTarget + ?Sized>(
    kind: EntryKind,
    text: &str,
    site: &S,
    name: &str,
    section: &impl Serialize,
    present: IfPresent,
) -> Result<String, EditError> {
    let file = site.file();
    let Loaded { catalogue: before, origins } = site.load(text).map_err(|e| broken(&e))?;
    let shown = printable(name, 128);
    Name::new(name).map_err(|why| wrong(UserError::new(Kind::Usage, why), kind, name))?;
    let values = &toml::Table::try_from(section)
        .map_err(|e| UserError::new(Kind::Failed, format!("cannot write `{shown}`: {e}")))?;
    if let Some(other) = kind.other().filter(|other| other.names(&before).any(|n| n == name)) {
        let article = if other == EntryKind::Identities { "an" } else { "a" };
        let message = format!("`{shown}` is the name of {article} {} already", other.one());
        let report = UserError::new(Kind::Config, message);
        return Err(report.hint("identities and roles share one namespace; choose another name").into());
    }
    let exists = kind.names(&before).any(|n| n == name);
    if exists && present == IfPresent::Refuse {
        let message =
            format!("{} `{shown}` is in {} already", kind.one(), printable(&file.display().to_string(), 4096));
        let hint = format!("remove it first: `rolecall {} remove {shown}`, or edit the file", kind.command());
        return Err(UserError::new(Kind::Config, message).hint(hint).into());
    }
    let origin = exists.then(|| origins.of(kind.table(), name)).flatten();
    // What a template makes is no entry of any file: one of its own goes before it.
    let is_entry = origin.as_ref().is_some_and(|origin| origin.made.is_none());
    if let Some(origin) = origin.filter(|origin| origin.made.is_none() && origin.file != file) {
        return Err(elsewhere(&origin, kind, &shown).into());
    }

    let is_empty = text.trim_start_matches('\u{feff}').trim().is_empty();
    let started = if is_empty { HEADER.to_owned() } else { text.to_owned() };
    let mut document = open(&started, file)?;
    if is_entry {
        replace(&mut document, kind, name, values);
    } else {
        insert(&mut document, kind, name, values)
            .ok_or_else(|| by_hand(file, &format!("`{}` is not a table", kind.table())))?;
    }
    let after = line_endings::restore(&started, &document.to_string());
    check(&before, &after, site, kind, name)?;
    Ok(after)
}

/// Removes an entry. A role or identity that a role is assumed from stays, and so does a role that a socket serves.
pub fn remove<S: EditTarget + ?Sized>(kind: EntryKind, text: &str, site: &S, name: &str) -> Result<String, UserError> {
    let file = site.file();
    let Loaded { catalogue: before, origins } = site.load(text).map_err(|e| broken(&e))?;
    let shown = printable(name, 128);
    if !kind.names(&before).any(|n| n == name) {
        let near = did_you_mean(name, kind.names(&before));
        let message = format!("there is no {} called `{shown}`{near}", kind.one());
        return Err(UserError::new(Kind::Config, message)
            .hint(format!("`rolecall {} list` shows what there is", kind.command())));
    }
    if let Some(origin) = origins.of(kind.table(), name).filter(|o| o.made.is_some() || o.file != file) {
        return Err(elsewhere(&origin, kind, &shown));
    }
    let mut users: Vec<&str> = before
        .roles
        .values()
        .filter(|role| kind != EntryKind::Sockets && role.source.as_str() == name)
        .map(|role| role.name.as_str())
        .collect();
    users.sort_unstable();
    if let Some(socket) = before.sockets.values().find(|socket| kind == EntryKind::Roles && socket.serves(name)) {
        let others: Vec<&str> = socket.roles.iter().map(Name::as_str).filter(|role| *role != name).collect();
        let hint = if others.is_empty() {
            format!("remove the socket first: `rolecall agent socket remove {}`", socket.name)
        } else {
            let others = others.join(",");
            format!("do without it first: `rolecall agent socket add {} --roles {others} --replace`", socket.name)
        };
        return Err(
            UserError::new(Kind::Config, format!("`{shown}` is served by the socket `{}`", socket.name)).hint(hint)
        );
    }
    if let Some(user) = users.first() {
        let more = if users.len() > 1 { format!(" and {} more", users.len() - 1) } else { String::new() };
        let message = format!("`{shown}` is the source of role `{user}`{more}");
        if let Some((made, origin)) = origins.of("roles", user).and_then(|o| Some((o.made.clone()?, o))) {
            let place = format!("{}:{}", shown_path(&origin.file), origin.line);
            return Err(UserError::new(Kind::Config, message)
                .hint(format!("change the template `{}` that makes it first: {place}", made.template)));
        }
        return Err(UserError::new(Kind::Config, message)
            .hint(format!("remove or move what depends on it first: `rolecall role remove {user}`")));
    }

    let mut document = open(text, file)?;
    take_out(&mut document, kind, name);
    let rendered = document.to_string();
    let body = text.trim_start_matches('\u{feff}');
    let rendered = if body.starts_with(['\n', '\r']) { rendered.as_str() } else { rendered.trim_start_matches('\n') };
    let mut after = line_endings::restore(text, rendered);
    // One that is included and empty is taken for one that is being written.
    if after.trim().is_empty() && !site.is_first() {
        EMPTIED.clone_into(&mut after);
    }
    check(&before, &after, site, kind, name)?;
    Ok(after)
}

fn open(text: &str, file: &Path) -> Result<DocumentMut, UserError> {
    let document: DocumentMut = text.parse().map_err(|_| by_hand(file, "it is read but cannot be edited"))?;
    // The writer may order what is legal but unusual in its own way (dotted keys apart from each other).
    if line_endings::same_lines(text, &document.to_string()) {
        Ok(document)
    } else {
        Err(by_hand(file, "its keys would be put into another order"))
    }
}

/// Puts a new table behind the others of its kind.
fn insert(document: &mut DocumentMut, kind: EntryKind, name: &str, values: &toml::Table) -> Option<()> {
    let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    let end = document.iter().filter_map(|(_, item)| last_position(item)).max();
    let group = document.entry(kind.table()).or_insert_with(|| {
        let mut group = Table::new();
        group.set_implicit(true);
        Item::Table(group)
    });
    if let Some(group) = group.as_inline_table_mut() {
        let mut entry = InlineTable::new();
        fill(&mut entry, values);
        group.insert(name, Value::InlineTable(entry));
        return Some(());
    }
    let place = last_position(group).or(end);
    let mut entry = Table::new();
    fill(&mut entry, values);
    entry.set_position(place);
    entry.decor_mut().set_prefix("\n");
    // Comments at the end of the file stay where they are: before a table that is now the last.
    let takes_trailing = place == end && !trailing.trim().is_empty();
    if takes_trailing {
        let gap = if trailing.ends_with('\n') { "\n" } else { "\n\n" };
        entry.decor_mut().set_prefix(format!("{trailing}{gap}"));
    }
    group.as_table_mut()?.insert(name, Item::Table(entry));
    if takes_trailing {
        document.set_trailing("");
    }
    Some(())
}

/// Gives the place of the last header within an item; what is written in one line has none.
fn last_position(item: &Item) -> Option<isize> {
    let within = |table: &Table| {
        let inner = table.iter().filter_map(|(_, item)| last_position(item)).max();
        inner.max(table.position())
    };
    match item {
        Item::Table(table) => within(table),
        Item::ArrayOfTables(tables) => tables.iter().filter_map(within).max(),
        Item::None | Item::Value(_) => None,
    }
}

/// Removes an entry with the comment right above it. A comment that a blank line parts from it (a file's first words, a
/// heading) goes to the table that follows.
fn take_out(document: &mut DocumentMut, kind: EntryKind, name: &str) {
    let Some(group) = document.get_mut(kind.table()).and_then(Item::as_table_like_mut) else { return };
    let Some(Item::Table(entry)) = group.remove(name) else { return };
    let prefix = entry.decor().prefix().and_then(|p| p.as_str()).unwrap_or_default().replace("\r\n", "\n");
    let comment = prefix.rfind("\n\n").map_or("", |at| &prefix[..=at]);
    let Some(position) = entry.position().filter(|_| !comment.trim().is_empty()) else { return };
    if let Some(next) = next_table(document.as_table_mut(), position) {
        let old = next.decor().prefix().and_then(|p| p.as_str()).unwrap_or_default().to_owned();
        next.decor_mut().set_prefix(format!("{comment}{old}"));
    } else {
        let old = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(format!("{comment}{old}"));
    }
}

/// Gives the table whose header comes first after a position.
fn next_table(table: &mut Table, after: isize) -> Option<&mut Table> {
    let mut best: Option<&mut Table> = None;
    for (_, item) in table.iter_mut() {
        if let Item::Table(inner) = item {
            let own = inner.position().filter(|p| *p > after && !inner.is_implicit() && !inner.is_dotted());
            let found = if own.is_some() { Some(inner) } else { next_table(inner, after) };
            best = match (best, found) {
                (Some(old), Some(new)) if new.position() < old.position() => Some(new),
                (None, new) => new,
                (old, _) => old,
            };
        }
    }
    best
}

fn fill(entry: &mut dyn TableLike, values: &toml::Table) {
    for (key, value) in values {
        entry.insert(key, Item::Value(to_edit(value)));
    }
}

/// Sets the keys of an entry; those that stay keep their place and comments.
fn replace(document: &mut DocumentMut, kind: EntryKind, name: &str, values: &toml::Table) {
    let entry = document.get_mut(kind.table()).and_then(|group| group.get_mut(name));
    let Some(entry) = entry.and_then(Item::as_table_like_mut) else { return };
    let gone: Vec<String> =
        entry.iter().map(|(key, _)| key.to_owned()).filter(|key| !values.contains_key(key)).collect();
    for key in gone {
        entry.remove(&key);
    }
    for (key, value) in values {
        let mut new = to_edit(value);
        if let Some(Item::Value(old)) = entry.get_mut(key) {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        } else {
            entry.remove(key);
            entry.insert(key, Item::Value(new));
        }
    }
}

/// Turns a value into the form in which it is written: tables inside an entry on one line.
fn to_edit(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(yes) => Value::from(*yes),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(elements) => Value::Array(elements.iter().map(to_edit).collect()),
        toml::Value::Table(table) => {
            let mut inline = InlineTable::new();
            fill(&mut inline, table);
            Value::InlineTable(inline)
        }
    }
}

/// Reads the edited text again, and makes sure that nothing but the one entry differs.
fn check<S: EditTarget + ?Sized>(
    before: &Config,
    after: &str,
    site: &S,
    kind: EntryKind,
    name: &str,
) -> Result<(), EditError> {
    let now = site.load(after).map_err(|e| refused(&e, kind, name))?.catalogue;
    let others = |c: &Config| {
        let identities = c.identities.values().filter(|i| kind != EntryKind::Identities || i.name.as_str() != name);
        let roles = c.roles.values().filter(|r| kind != EntryKind::Roles || r.name.as_str() != name);
        let sockets = c.sockets.values().filter(|s| kind != EntryKind::Sockets || s.name.as_str() != name);
        let identities: std::collections::HashSet<_> = identities.cloned().collect();
        let roles: std::collections::HashSet<_> = roles.cloned().collect();
        let sockets: Vec<_> = sockets.cloned().collect();
        (identities, roles, sockets, c.agent.clone(), c.aws.clone())
    };
    if others(before) == others(&now) { Ok(()) } else { Err(by_hand(site.file(), "other entries would change").into()) }
}

/// Refuses what is not to be edited here: what another file has, or a template makes.
fn elsewhere(origin: &Origin, kind: EntryKind, name: &str) -> UserError {
    let place = format!("{}:{}", shown_path(&origin.file), origin.line);
    let Some(made) = &origin.made else {
        return UserError::new(Kind::Config, format!("{} `{name}` is in {place}", kind.one()))
            .hint(format!("edit `{}`; nothing was changed", shown_path(&origin.file)));
    };
    let (file, line) = &made.account_at;
    let message = format!(
        "{} `{name}` is made by the template `{}` ({place}) for the account `{}`",
        kind.one(),
        made.template,
        made.account
    );
    UserError::new(Kind::Config, message).hint(format!(
        "change the template's `accounts`, or the account at {}:{line}; nothing was changed",
        shown_path(file)
    ))
}

fn broken(error: &ConfigError) -> UserError {
    error.report().with_note("nothing was changed")
}

/// Returns what is wrong with a new entry, or what its new values break elsewhere.
fn refused(error: &ConfigError, kind: EntryKind, name: &str) -> EditError {
    let of_entry = |problem: &Located| problem.within(kind.table(), name).filter(|keys| !keys.is_empty());
    let own = error.problems.iter().find_map(|problem| Some((of_entry(problem)?, problem)));
    let found = own.or_else(|| error.problems.first().map(|problem| (dotted(&problem.keys), problem)));
    let message = found.map(|(keys, problem)| format!("{keys}: {}", problem.message)).unwrap_or_default();
    let report = UserError::new(Kind::Usage, message).hint("correct the value and try again; nothing was changed");
    wrong(report, kind, name)
}

/// Returns the error of an entry that is wrong itself.
fn wrong(report: UserError, kind: EntryKind, name: &str) -> EditError {
    EditError { report, entry: Some(format!("{} `{}`", kind.one(), printable(name, 128))) }
}

fn by_hand(file: &Path, why: &str) -> UserError {
    let file = printable(&file.display().to_string(), 4096);
    UserError::new(Kind::Failed, format!("cannot edit {file}: {why}"))
        .hint(format!("change `{file}` by hand; nothing was changed"))
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
