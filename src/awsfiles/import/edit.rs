//! The edits of both files that make rolecall serve the profiles that are taken over.
//!
//! In place, and not in rolecall's own block: the AWS CLI refuses a file in which a section stands twice, and whatever else
//! a section has must stay where its owner put it. The first line that says who one is gives way to
//! `credential_process`, the others go; a section of the credentials file in which nothing is left goes whole.

use super::super::document::{Document, FileKind, Key, Section};
use super::super::entry::Entry;
use super::super::{BOM, managed_block};
use super::change::{Change, Removed};
use super::profile::{Profile, ProfileSection, Profiles, WHO};
use super::{ImportInput, Origin, Plan};
use rolecall_core::domain::error::UserError;
use rolecall_core::domain::names::Name;
use std::collections::HashMap;

/// Writes the header of a profile in the config file, or says why none can be written.
pub(super) fn header(profile: &str) -> Result<String, &'static str> {
    if profile == "default" {
        return Ok("[default]".to_owned());
    }
    if profile.is_empty() || profile.chars().any(|c| c.is_control() || "[]\"'\\#;".contains(c)) {
        return Err("tools read its name differently: it has brackets, quotes, `#`, `;` or control characters");
    }
    let is_word = profile.chars().all(|c| !c.is_whitespace());
    Ok(if is_word { format!("[profile {profile}]") } else { format!("[profile \"{profile}\"]") })
}

/// Puts the changes of both files into the plan.
pub(super) fn write(
    scene: &ImportInput<'_>,
    profiles: &Profiles<'_, '_>,
    config: &Document<'_>,
    plan: &mut Plan,
) -> Result<(), UserError> {
    let eol = managed_block::line_end(scene.config.1);
    let lines: Lines<'_> = Lines {
        config: config.lines().iter().map(|line| line.raw).collect(),
        credentials: super::super::split_lines(scene.credentials.1).collect(),
        eol,
    };
    let owners: HashMap<String, Name> = plan
        .identities
        .iter()
        .filter_map(|identity| match &identity.origin {
            Origin::Key(key) => Some((key.id.clone(), identity.name.clone())),
            _ => None,
        })
        .collect();
    let regions: HashMap<&str, Option<&str>> = plan
        .roles
        .iter()
        .map(|role| (role.profile.as_str(), role.section.region.as_deref()))
        .chain(plan.identities.iter().map(|identity| (identity.profile.as_str(), identity.region.as_deref())))
        .collect();
    let (mut in_config, mut in_credentials, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for served in &plan.served {
        let region = regions.get(served.profile.as_str()).copied().flatten();
        let entry = Entry::new(served.name.clone(), scene.program, None)?;
        let command = format!("credential_process = {}", entry.command());
        let mut is_in_config = false;
        let found = profiles.get(&served.profile);
        let owner = found.and_then(|profile| owner(profile, &owners));
        for place in found.iter().flat_map(|profile| &profile.places) {
            match place.file {
                FileKind::Config => {
                    is_in_config = true;
                    in_config.extend(lines.serve(place, &command, region, owner));
                }
                FileKind::Credentials => in_credentials.extend(lines.clear(place, owner)),
            }
        }
        if !is_in_config && let Ok(header) = header(&served.profile) {
            let region = region.map(|region| format!("region = {region}{eol}")).unwrap_or_default();
            new.push((header, format!("{command}{eol}"), region));
        }
    }
    in_config.sort_by_key(|change: &Change| change.at);
    in_credentials.sort_by_key(|change: &Change| change.at);
    in_config.extend(lines.append(new));
    (plan.config, plan.credentials) = (in_config, in_credentials);
    Ok(())
}

/// Gives the identity whose secret stands in a profile.
fn owner<'o>(profile: &Profile<'_, '_>, owners: &'o HashMap<String, Name>) -> Option<&'o Name> {
    owners.get(profile.value("aws_access_key_id")?)
}

struct Lines<'a> {
    config: Vec<&'a [u8]>,
    credentials: Vec<&'a [u8]>,
    eol: &'static str,
}

impl<'a> Lines<'a> {
    fn of(&self, file: FileKind) -> &[&'a [u8]] {
        match file {
            FileKind::Config => &self.config,
            FileKind::Credentials => &self.credentials,
        }
    }

    fn text(&self, file: FileKind, line: usize) -> String {
        String::from_utf8_lossy(self.of(file).get(line - 1).copied().unwrap_or_default()).into_owned()
    }

    /// Changes a section of the config file so that it asks rolecall.
    fn serve(
        &self,
        place: &ProfileSection<'_, '_>,
        command: &str,
        region: Option<&str>,
        owner: Option<&Name>,
    ) -> Vec<Change> {
        let section = place.section;
        let header = self.text(place.file, section.line);
        let gone: Vec<&Key<'_>> = who(section).collect();
        let mut lines = vec![command.to_owned()];
        // Where the region came from a profile that is included, tools find it nowhere else.
        if let Some(region) = region.filter(|_| section.key("region").is_none()) {
            lines.push(format!("region = {region}"));
        }
        let Some(first) = gone.first() else {
            // Everything about it stood in the credentials file.
            let inserted = lines.iter().map(|line| format!("{line}{}", self.eol)).collect();
            let ended = if header.ends_with('\n') { String::new() } else { self.eol.to_owned() };
            return vec![Change { at: section.line + 1, header, removed: Vec::new(), inserted, ended }];
        };
        let is_served = gone.len() == 1 && first.name == "credential_process" && first.written == command_of(command);
        if is_served {
            return Vec::new();
        }
        // A key that is further out than the next one would make that its continuation: the new lines stand where the
        // first one stood.
        let raw = self.text(place.file, first.line);
        let indent: String = raw.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        let end = line_end_of(&raw);
        let inserted: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| {
                let is_last = at + 1 == lines.len();
                format!("{indent}{line}{}", if is_last { end } else { self.eol })
            })
            .collect();
        self.removals(place, &gone, &header, owner, inserted)
    }

    /// Takes what says who one is out of a section of the credentials file.
    fn clear(&self, place: &ProfileSection<'_, '_>, owner: Option<&Name>) -> Vec<Change> {
        let section = place.section;
        let header = self.text(place.file, section.line);
        let gone: Vec<&Key<'_>> = who(section).collect();
        if gone.is_empty() {
            return Vec::new();
        }
        let is_empty = gone.len() == section.keys.len();
        let is_plain = !header.contains(['#', ';']) && !header.as_bytes().starts_with(BOM);
        let mut changes = self.removals(place, &gone, &header, owner, Vec::new());
        if is_empty && is_plain {
            let removed = Removed { head: header, secret_of: None, tail: String::new() };
            match changes.first_mut().filter(|first| first.at == section.line + 1) {
                Some(first) => {
                    first.at = section.line;
                    first.removed.insert(0, removed);
                    first.header.clear();
                }
                None => changes.insert(0, Change { at: section.line, removed: vec![removed], ..Change::default() }),
            }
        }
        changes
    }

    /// Removes keys, each run of lines by a change of its own; what comes stands in the place of the first.
    fn removals(
        &self,
        place: &ProfileSection<'_, '_>,
        gone: &[&Key<'_>],
        header: &str,
        owner: Option<&Name>,
        mut inserted: Vec<String>,
    ) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        for key in gone {
            let line = self.removed(place.file, key, owner);
            match changes.last_mut().filter(|last| last.at + last.removed.len() == key.line) {
                Some(last) => last.removed.push(line),
                None => changes.push(Change {
                    at: key.line,
                    header: header.to_owned(),
                    removed: vec![line],
                    inserted: std::mem::take(&mut inserted),
                    ended: String::new(),
                }),
            }
        }
        changes
    }

    fn removed(&self, file: FileKind, key: &Key<'_>, owner: Option<&Name>) -> Removed {
        let raw = self.text(file, key.line);
        let value = String::from_utf8_lossy(key.value());
        match owner.filter(|_| key.name == "aws_secret_access_key" && !value.is_empty()) {
            Some(owner) => {
                // From behind the sign: a secret cannot stand in the key's own name.
                let sign = raw.find(['=', ':']).unwrap_or_default();
                let at = raw[sign..].find(&*value).map_or(raw.len(), |at| sign + at);
                let end = (at + value.len()).min(raw.len());
                Removed { head: raw[..at].to_owned(), secret_of: Some(owner.to_string()), tail: raw[end..].to_owned() }
            }
            None => Removed { head: raw, secret_of: None, tail: String::new() },
        }
    }

    /// Adds sections at the end of the config file.
    fn append(&self, new: Vec<(String, String, String)>) -> Option<Change> {
        if new.is_empty() {
            return None;
        }
        let mut inserted = Vec::new();
        let is_open = self.config.last().is_some_and(|last| !last.ends_with(b"\n"));
        let ended = if is_open { self.eol.to_owned() } else { String::new() };
        for (header, command, region) in new {
            if !(self.config.is_empty() && inserted.is_empty()) {
                inserted.push(self.eol.to_owned());
            }
            inserted.push(format!("{header}{}", self.eol));
            inserted.push(command);
            inserted.extend(Some(region).filter(|region| !region.is_empty()));
        }
        Some(Change { at: self.config.len() + 1, inserted, ended, ..Change::default() })
    }
}

fn who<'k, 'a>(section: &'k Section<'a>) -> impl Iterator<Item = &'k Key<'a>> {
    section.keys.iter().filter(|key| WHO.contains(&key.name.as_str()))
}

fn command_of(line: &str) -> &[u8] {
    line.strip_prefix("credential_process = ").unwrap_or(line).as_bytes()
}

fn line_end_of(raw: &str) -> &'static str {
    match raw {
        raw if raw.ends_with("\r\n") => "\r\n",
        raw if raw.ends_with('\n') => "\n",
        _ => "",
    }
}
