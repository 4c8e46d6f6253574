//! Both AWS files as one list of profiles.
//!
//! A key in the credentials file goes before the same key in the config file, as botocore merges them
//! (`session.py::full_config`). What cannot be edited line by line without a guess makes the profile a broken one.

use super::super::document::{Document, FileKind, Key, Section, SectionKind};
use super::super::parse_issue::ParseIssueKind;
use rolecall_core::domain::error::printable;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// The longest header that a reason repeats.
const SHOWN: usize = 128;

/// The keys that say who one is: those that give way to `credential_process`.
pub(super) const WHO: [&str; 18] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "credential_process",
    "credential_source",
    "duration_seconds",
    "external_id",
    "include_profile",
    "mfa_process",
    "mfa_serial",
    "parent_profile",
    "role_arn",
    "role_session_name",
    "session_tags",
    "source_identity",
    "source_profile",
    "transitive_session_tags",
    "web_identity_token_file",
    "web_identity_token_process",
];

/// A section of a profile, and the file that it stands in.
#[derive(Clone, Copy)]
pub(super) struct ProfileSection<'s, 'a> {
    pub(super) file: FileKind,
    pub(super) section: &'s Section<'a>,
}

/// A profile in both files.
pub(super) struct Profile<'s, 'a> {
    pub(super) name: &'s str,
    /// Its sections: at most one in each file, unless it is broken.
    pub(super) places: Vec<ProfileSection<'s, 'a>>,
    /// Why it cannot be edited.
    pub(super) broken: Option<String>,
}

impl<'s, 'a> Profile<'s, 'a> {
    fn find(&self, name: &str) -> Option<&'s Key<'a>> {
        let of = |kind: FileKind| self.places.iter().filter(move |place| place.file == kind);
        of(FileKind::Credentials).chain(of(FileKind::Config)).find_map(|place| place.section.key(name))
    }

    /// Gives a value; an empty one is none, and nor is one that is not text.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.find(name)?.value()).ok().filter(|value| !value.is_empty())
    }

    /// Tells whether a key is there at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Gives the first place: the config file's section, where there is one.
    pub(super) fn at(&self) -> Option<(FileKind, usize)> {
        let config = self.places.iter().find(|place| place.file == FileKind::Config);
        config.or(self.places.first()).map(|place| (place.file, place.section.line))
    }

    /// Tells whether it gives credentials of any kind.
    pub(super) fn gives_credentials(&self) -> bool {
        let keys = |section: &Section<'_>| {
            let gives = |name: &str| {
                name.starts_with("sso_")
                    || name.starts_with("granted_sso_")
                    || matches!(
                        name,
                        "aws_access_key_id"
                            | "aws_secret_access_key"
                            | "aws_session_token"
                            | "credential_process"
                            | "credential_source"
                            | "login_session"
                            | "role_arn"
                            | "web_identity_token_file"
                    )
            };
            section.keys.iter().any(|key| gives(&key.name))
        };
        self.places.iter().any(|place| keys(place.section))
    }
}

/// All profiles of both files, in their order, and by name.
pub(super) struct Profiles<'s, 'a> {
    pub(super) all: Vec<Profile<'s, 'a>>,
    by_name: HashMap<&'s str, usize>,
}

impl<'s, 'a> Profiles<'s, 'a> {
    /// Gathers the profiles; what stands in rolecall's own block is not looked at.
    pub(super) fn of(config: &'s Document<'a>, own: &Range<usize>, credentials: &'s Document<'a>) -> Self {
        let mut profiles = Self { all: Vec::new(), by_name: HashMap::new() };
        for (file, document) in [(FileKind::Config, config), (FileKind::Credentials, credentials)] {
            let bad: HashSet<usize> = bad_lines(document);
            let is_own = |section: &Section<'_>| file == FileKind::Config && own.contains(&section.line);
            for section in document.sections().iter().filter(|s| s.kind == SectionKind::Profile && !is_own(s)) {
                profiles.add(ProfileSection { file, section }, &bad);
            }
        }
        profiles
    }

    fn add(&mut self, place: ProfileSection<'s, 'a>, bad: &HashSet<usize>) {
        let name = place.section.name.as_str();
        let at = *self.by_name.entry(name).or_insert_with(|| {
            self.all.push(Profile { name, places: Vec::new(), broken: None });
            self.all.len() - 1
        });
        let profile = &mut self.all[at];
        if let Some(other) = profile.places.iter().find(|other| other.file == place.file) {
            let (first, second) = (&other.section.header, &place.section.header);
            profile.broken.get_or_insert_with(|| {
                if first == second {
                    return "it stands twice in one file, which the AWS CLI refuses: join the two sections".to_owned();
                }
                let (first, second) = (printable(first, SHOWN), printable(second, SHOWN));
                format!("it stands twice in one file, as [{first}] and as [{second}], of which the AWS CLI reads the last: join them")
            });
        }
        if let Some(why) = flaw(place.section, bad) {
            profile.broken.get_or_insert(why);
        }
        profile.places.push(place);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Profile<'s, 'a>> {
        self.by_name.get(name).map(|at| &self.all[*at])
    }
}

/// Gives the lines that tools read differently.
fn bad_lines(document: &Document<'_>) -> HashSet<usize> {
    let bad = |kind: ParseIssueKind| {
        matches!(kind, ParseIssueKind::BareReturn | ParseIssueKind::NotUtf8 | ParseIssueKind::DuplicateKey { .. })
    };
    document.flaws().iter().filter(|flaw| bad(flaw.kind)).map(|flaw| flaw.line).collect()
}

fn flaw(section: &Section<'_>, bad: &HashSet<usize>) -> Option<String> {
    // A header is removed with the last key below it, and the undo must restore it to the byte.
    if bad.contains(&section.line) {
        return Some(format!("its header in line {} is one that tools read differently", section.line));
    }
    for key in section.keys.iter().filter(|key| WHO.contains(&key.name.as_str())) {
        if key.last > key.line {
            return Some(format!("{} goes on in the next line, which tools read differently", key.name));
        }
        if bad.contains(&key.line) {
            return Some(format!("line {} is one that tools read differently: {}", key.line, key.name));
        }
    }
    None
}
