//! `profiles`: for every role a profile in `~/.aws/config` that asks rolecall, so that each AWS tool knows it by name.
//!
//! How such a file is read and edited is for `aws_files` to know; here is decided which profiles there are. Identities get
//! none: a person's own `[profile auth]` with a key often has the identity's name. A role whose name is taken outside
//! the block is left out and said, rather than nothing be written at all.

use super::args::ProfilesCommand;
use super::config_file;
use super::environment::{var, variables};
use super::output::{self, Failure, Screen, Style, count, remark};
use rolecall_awsfiles::document::{Document, FileKind};
use rolecall_awsfiles::entry::Entry;
use rolecall_awsfiles::managed_block::{self, Taken};
use rolecall_awsfiles::precedence_warnings::{self, ProfileFiles, Severity, Warning};
use rolecall_awsfiles::{diff, file_io};
use rolecall_core::domain::catalogue::Config;
use rolecall_core::domain::error::{Kind, UserError};
use rolecall_core::domain::names::Name;
use rolecall_platform::paths::Paths;
use rolecall_platform::reach::{self, Follow};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a directory of `PATH` may take.
const PATH_DEADLINE: Duration = Duration::from_millis(250);

/// Does what was typed.
pub(super) fn run(paths: &Paths, command: &ProfilesCommand) -> Result<(), Failure> {
    let catalogue = config_file::load(paths)?;
    let change = ProfilesChange::plan(&catalogue, &paths.aws_config, &program()?)?;
    match command {
        ProfilesCommand::Diff(args) => {
            let text = diff::unified(&paths.aws_config, &change.old, &change.new);
            if args.json {
                return output::print_json(&change.shown(paths, Some(text), None, Vec::new()));
            }
            output::print(&paint_diff(&text, Screen::stdout()))
        }
        ProfilesCommand::Sync(args) => {
            // Also where nothing is to be written: it says that the profiles are served.
            file_io::verify(&paths.aws_config)?;
            let backup = file_io::write(&paths.aws_config, &change.old, &change.new)?;
            let warnings = change.warnings(paths);
            if args.json {
                return output::print_json(&change.shown(paths, None, backup, warnings));
            }
            output::print(&change.summary(paths, backup.as_deref(), &warnings, Screen::stdout()))
        }
    }
}

/// Brings the profiles up to date, as `profiles sync` does; gives the roles that were left out.
pub(super) fn write(paths: &Paths) -> Result<Vec<String>, UserError> {
    let change = ProfilesChange::plan(&config_file::load(paths)?, &paths.aws_config, &program()?)?;
    file_io::write(&paths.aws_config, &change.old, &change.new)?;
    Ok(change.taken.iter().map(|taken| taken.name.to_string()).collect())
}

/// What the file is, what it will be, and what that means for the profiles.
struct ProfilesChange {
    old: Zeroizing<Vec<u8>>,
    new: Zeroizing<Vec<u8>>,
    names: Vec<Name>,
    taken: Vec<Taken>,
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct ProfilesView<'a> {
    /// The AWS configuration file.
    file: String,
    /// How many profiles rolecall's block has.
    profiles: usize,
    /// Profiles that were not there before.
    added: &'a [String],
    /// Profiles that were there with other lines.
    changed: &'a [String],
    /// Profiles that are no more.
    removed: &'a [String],
    /// Roles without a profile, since their name is taken outside the block.
    left_out: Vec<&'a str>,
    /// The change as a unified diff; of `diff` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
    /// Where the file as it was is kept; of a `sync` that wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<String>,
    /// What keeps a profile from working, in both files and in the environment; of `sync` only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<ShownWarning>,
}

/// What is in the way of a profile.
#[derive(Serialize, JsonSchema)]
struct ShownWarning {
    /// `breaks`, `shadows` or `note`.
    severity: &'static str,
    /// What it is.
    message: String,
    /// What to do.
    hint: String,
}

impl ProfilesChange {
    fn plan(catalogue: &Config, file: &Path, program: &Path) -> Result<Self, UserError> {
        let mut names: Vec<Name> = catalogue.roles.keys().cloned().collect();
        names.sort();
        let old = file_io::read(file)?;
        let taken = managed_block::taken(file, &old, &names)?;
        let outside: HashSet<&Name> = taken.iter().map(|taken| &taken.name).collect();
        let free = names.iter().filter(|name| !outside.contains(name));
        let entries = free
            .map(|name| Entry::new(name.clone(), program, config_file::region_in(catalogue, name.as_str()).as_deref()))
            .collect::<Result<Vec<Entry>, UserError>>()?;
        let new = Zeroizing::new(managed_block::replace(file, &old, &managed_block::render(&entries))?);
        let (before, after) = (sections(file, &old)?, sections(file, &new)?);
        let in_only = |one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
            one.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
        };
        let differs = |(name, text): &(&String, &Vec<u8>)| before.get(*name).is_some_and(|old| old != *text);
        Ok(Self {
            added: in_only(&after, &before),
            removed: in_only(&before, &after),
            changed: after.iter().filter(differs).map(|(name, _)| name.clone()).collect(),
            old,
            new,
            names,
            taken,
        })
    }

    fn written(&self) -> usize {
        self.names.len() - self.taken.len()
    }

    /// Gives the names that somebody else's profile has; those whose profile asks rolecall where it stands are served.
    fn left_out(&self) -> impl Iterator<Item = &Name> {
        self.taken.iter().filter(|taken| !taken.asks_us).map(|taken| &taken.name)
    }

    /// Counts the roles that have a profile, in the block or where `rolecall import` found it.
    fn served(&self) -> usize {
        self.names.len() - self.left_out().count()
    }

    /// Looks for what is in the way, in both files and in the environment of whoever calls.
    fn warnings(&self, paths: &Paths) -> Vec<Warning> {
        // One that cannot be read is another tool's business, and that tool will say so.
        let credentials = file_io::read(&paths.aws_credentials).unwrap_or_default();
        let variables = variables();
        let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
        precedence_warnings::warnings(&ProfileFiles {
            config: (&paths.aws_config, &self.new),
            credentials: (&paths.aws_credentials, &credentials),
            names: &self.names,
            variables: &variables,
        })
    }

    fn summary(&self, paths: &Paths, backup: Option<&Path>, warnings: &[Warning], screen: Screen) -> String {
        let file = config_file::shown(&paths.aws_config);
        let mut out = match (self.served(), *self.old == *self.new) {
            (0, true) if self.names.is_empty() => format!("no roles, no profiles: {file} is as it was\n"),
            (0, true) => format!("no profile can be written: {file} is as it was\n"),
            (served, true) => format!("{file} is up to date: {}\n", count(served, "profile")),
            (_, false) => format!("wrote {file}: {}\n", count(self.written(), "profile")),
        };
        for (sign, style, names) in
            [("+", Style::Good, &self.added), ("~", Style::Warning, &self.changed), ("-", Style::Bad, &self.removed)]
        {
            for name in names {
                let _ = writeln!(out, "  {} {name}", screen.paint(style, sign));
            }
        }
        if let Some(backup) = backup {
            let _ = writeln!(out, "the file as it was is kept: {}", config_file::shown(backup));
        }
        for name in self.left_out() {
            let message = format!("left out: {name}, whose profile stands outside rolecall's block already");
            out.push_str(&remark(screen, (Style::Warning, "warning:"), &message, None));
        }
        for warning in warnings {
            let label = if warning.severity == Severity::Note { "note:" } else { "warning:" };
            out.push_str(&remark(screen, (Style::Warning, label), &warning.message, Some(&warning.hint)));
        }
        out
    }

    fn shown(
        &self,
        paths: &Paths,
        diff: Option<String>,
        backup: Option<PathBuf>,
        warnings: Vec<Warning>,
    ) -> ProfilesView<'_> {
        ProfilesView {
            file: paths.aws_config.display().to_string(),
            profiles: self.written(),
            added: &self.added,
            changed: &self.changed,
            removed: &self.removed,
            left_out: self.left_out().map(Name::as_str).collect(),
            diff,
            backup: backup.map(|path| path.display().to_string()),
            warnings: warnings
                .into_iter()
                .map(|warning| ShownWarning {
                    severity: match warning.severity {
                        Severity::Breaks => "breaks",
                        Severity::Note => "note",
                        Severity::Shadows => "shadows",
                    },
                    message: warning.message,
                    hint: warning.hint,
                })
                .collect(),
        }
    }
}

/// Gives the sections of the block by name, each with its lines.
fn sections(file: &Path, text: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, UserError> {
    let block = managed_block::find(file, text)?.map_or(0..0, |span| span.lines);
    let document = Document::parse(text, FileKind::Config);
    let lines_of = |range: std::ops::Range<usize>| {
        let lines = document.lines().get(range.start - 1..range.end - 1).unwrap_or_default();
        lines.iter().flat_map(|line| line.raw).copied().collect()
    };
    let own = document.sections().iter().filter(|section| block.contains(&section.line));
    Ok(own.map(|section| (section.name.clone(), lines_of(section.range()))).collect())
}

fn paint_diff(text: &str, screen: Screen) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let style = match line.as_bytes().first() {
            _ if line.starts_with("--- ") || line.starts_with("+++ ") => Style::Heading,
            Some(b'+') => Style::Good,
            Some(b'-') => Style::Bad,
            Some(b'@') => Style::Dim,
            _ => Style::Plain,
        };
        out.push_str(&screen.paint(style, line));
        out.push('\n');
    }
    out
}

/// Finds the path of this program that will still be right after the next update.
///
/// The kernel gives the file behind all links, as `…/Cellar/rolecall/0.1.0/bin/rolecall`, which an update deletes. The
/// first `rolecall` in `PATH` is taken instead if it leads to the same file.
pub(super) fn program() -> Result<PathBuf, UserError> {
    let own = std::env::current_exe()
        .map_err(|e| UserError::new(Kind::Failed, format!("cannot find out where rolecall itself lies: {e}")))?;
    let search = var("PATH").unwrap_or_default();
    Ok(stable(&own, std::env::split_paths(&search)).unwrap_or(own))
}

fn stable(own: &Path, mut search: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let own = own.canonicalize().ok()?;
    let name = own.file_name()?;
    let found = search.find_map(|dir| Some(dir.join(name)).filter(|path| dir.is_absolute() && is_file(path)))?;
    (found.canonicalize().ok()? == own).then_some(found)
}

/// Returns whether a path leads to a file; a directory of `PATH` may be on a file system that hangs.
fn is_file(path: &Path) -> bool {
    matches!(reach::look(path, Follow::Yes, PATH_DEADLINE), Ok(Some(found)) if found.is_file())
}

#[cfg(test)]
#[path = "profiles_tests.rs"]
mod tests;
