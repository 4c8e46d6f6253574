//! The sections and their keys: each key with the one check that turns its value into its type.
//!
//! A key is added here, to the draft it fills, and to `raw`; a test holds the two lists together. What is wrong with one
//! value never hides what is wrong with the next, and an entry that is wrong itself causes no complaint elsewhere.

use super::defaults::{self, Defaults};
use super::expand::Complaints;
use super::includes::Document;
use super::lists::{self, unique_list};
use super::problem::{Cursor, Sink, offset_of};
use super::provenance::{Places, SourceLine};
use super::reader::{Field, Position, Section, duration};
use super::templates::{self, AccountDraft, TemplateDraft};
use super::{expand, identities, roles, sockets, validators};
use crate::domain::catalogue::{AgentSettings, AwsSettings, Config, VaultKind};
use crate::domain::config_rules::{self, ConfigProblem};
use crate::domain::diagnosis::Cause;
use crate::domain::names::Name;
use crate::domain::urls;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use toml::de::DeTable;

/// The documents as they fill up; `broken` are the entries that are wrong themselves.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) catalogue: Config,
    aws: AwsDraft,
    broken: BTreeSet<String>,
    unreadable: bool,
    pub(super) defaults: Defaults,
    pub(super) accounts: BTreeMap<Name, AccountDraft>,
    pub(super) templates: BTreeMap<Name, TemplateDraft>,
    pub(super) places: Places,
    /// The entries that another file has as well, in the order in which they were met.
    twice: Vec<Twice>,
}

/// An entry that an earlier file has: its table and name, and the file that has it again.
struct Twice(&'static str, Name, usize);

const IDENTITIES: Field<Draft> = Field {
    key: "identities",
    read: |d, s| {
        d.entries(s, "identities", |d, name, s| {
            d.catalogue.identities.extend(identities::read_identity(name, s));
        });
    },
};
const ROLES: Field<Draft> = Field {
    key: "roles",
    read: |d, s| {
        d.catalogue.roles.reserve(s.value.get_ref().as_table().map_or(0, DeTable::len));
        d.entries(s, "roles", |d, name, s| d.catalogue.roles.extend(roles::read_role(name, &d.defaults, s)));
    },
};
const SOCKETS: Field<Draft> = Field {
    key: "sockets",
    read: |d, s| d.entries(s, "sockets", |d, name, s| d.catalogue.sockets.extend(sockets::read_socket(name, s))),
};
const ACCOUNTS: Field<Draft> = Field {
    key: "accounts",
    read: |d, s| d.entries(s, "accounts", |d, name, s| d.accounts.extend([(name, templates::read_account(s))])),
};
const TEMPLATES: Field<Draft> = Field {
    key: "templates",
    read: |d, s| {
        d.entries(s, "templates", |d, name, s| d.templates.extend([(name, templates::read_template(&d.defaults, s))]));
    },
};
/// It has been followed before the sections are read.
const INCLUDE: Field<Draft> = Field { key: "include", read: |_, _| {} };

static ROOT: Section<Draft> = Section {
    fields: &[
        INCLUDE,
        Field { key: "agent", read: |d, s| AGENT.read(&mut d.catalogue.agent, s) },
        Field { key: "aws", read: |d, s| AWS.read(&mut d.aws, s) },
        // Read before all others, as these need it.
        Field { key: "defaults", read: |_, _| {} },
        IDENTITIES,
        ROLES,
        ACCOUNTS,
        TEMPLATES,
        SOCKETS,
    ],
    advice: &[("profile", "AWS profiles live in ~/.aws/config; here they are [roles.NAME]")],
};

/// What holds for everything stands in one place: a file that is included has entries only.
static INCLUDED: Section<Draft> = Section {
    fields: &[INCLUDE, IDENTITIES, ROLES, ACCOUNTS, TEMPLATES, SOCKETS],
    advice: &[("agent", MAIN_ADVICE), ("aws", MAIN_ADVICE), ("defaults", MAIN_ADVICE)],
};

const MAIN_ADVICE: &str = "it belongs to the main file, not to one that is included";

static AGENT: Section<AgentSettings> = Section {
    fields: &[
        Field { key: "idle_lock", read: |d, s| d.idle_lock = duration_or_never(s, &validators::IDLE_LOCK) },
        Field { key: "max_unlocked", read: |d, s| d.max_unlocked = duration_or_never(s, &validators::IDLE_LOCK) },
        Field { key: "audit", read: |d, s| d.audit = s.word(&validators::AUDIT).unwrap_or_default() },
        Field {
            key: "vault",
            read: |d, s| d.vault = s.word(&VaultKind::ALL.map(|kind| (kind.as_str(), kind))).unwrap_or_default(),
        },
        Field {
            key: "prompts",
            read: |d, s| d.prompts = unique_list(s, |s| s.word(&validators::PROMPTS)).unwrap_or_default(),
        },
        Field { key: "pinentry_program", read: |d, s| d.pinentry_program = s.checked(validators::absolute_path) },
        Field {
            key: "lock_on",
            read: |d, s| d.lock_on = unique_list(s, |s| s.word(&validators::LOCK_EVENTS)).unwrap_or_default(),
        },
        Field { key: "warn_before", read: |d, s| d.warn_before = duration_or_never(s, &validators::WARN_BEFORE) },
        Field { key: "consent", read: |d, s| d.consent = duration(s, &validators::CONSENT).unwrap_or(d.consent) },
    ],
    advice: &[],
};

/// Reads a duration; `None` is "never".
fn duration_or_never(spot: &mut Position<'_>, range: &RangeInclusive<u64>) -> Option<Duration> {
    if spot.value.get_ref().as_str() == Some("never") { None } else { duration(spot, range) }
}

#[derive(Default)]
struct AwsDraft {
    settings: AwsSettings,
    endpoint: Option<String>,
}

static AWS: Section<AwsDraft> = Section {
    fields: &[
        Field { key: "endpoint_url", read: |d, s| d.endpoint = s.text(urls::check_endpoint) },
        Field { key: "endpoint_url_sts", read: |d, s| d.settings.sts_endpoint = s.text(urls::check_endpoint) },
        Field { key: "endpoint_url_iam", read: |d, s| d.settings.iam_endpoint = s.text(urls::check_endpoint) },
        Field { key: "endpoint_url_signin", read: |d, s| d.settings.signin_endpoint = s.text(urls::check_endpoint) },
        Field { key: "ca_bundle", read: |d, s| d.settings.ca_bundle = s.checked(validators::absolute_path) },
        Field { key: "https_proxy", read: |d, s| d.settings.https_proxy = s.text(urls::check_proxy) },
        Field { key: "https_proxy_user", read: |d, s| d.settings.https_proxy_user = s.text(urls::check_proxy_user) },
        Field { key: "no_proxy", read: |d, s| d.settings.no_proxy = lists::no_proxy(s) },
        Field { key: "use_fips_endpoint", read: |d, s| d.settings.fips = s.boolean().unwrap_or_default() },
        Field { key: "use_dualstack_endpoint", read: |d, s| d.settings.dual_stack = s.boolean().unwrap_or_default() },
    ],
    advice: &[
        ("http_proxy", "AWS is spoken to by https only: `https_proxy`"),
        ("region", "a region belongs to [identities.NAME] or [roles.NAME]"),
    ],
};

/// Reads all documents; what is wrong goes into `sink`, and then the catalogue is not to be used.
pub(super) fn read(documents: &[Document<'_>], sink: &mut Sink) -> (Config, Places) {
    let mut draft = Draft::default();
    for (at, document) in documents.iter().enumerate() {
        sink.file = at;
        if at == 0 {
            if let Some(value) = document.table.get("defaults") {
                let at = Cursor::ROOT.child("defaults", value.span().start);
                defaults::DEFAULTS.read(&mut draft.defaults, &mut Position { value, at, sink });
            }
            ROOT.read_table(&mut draft, &document.table, &Cursor::ROOT, sink);
        } else {
            INCLUDED.read_table(&mut draft, &document.table, &Cursor::ROOT, sink);
        }
    }
    sink.file = 0;
    let aws = std::mem::take(&mut draft.aws);
    draft.catalogue.aws = Arc::new(finish_aws(aws, &documents[0].table, sink));
    for Twice(table, name, file) in std::mem::take(&mut draft.twice) {
        let path = vec![table.to_owned(), name.to_string()];
        let first = documents.iter().find(|document| has_path(&document.table, &path));
        let first = first.map(|first| first.text.place(offset_of(&first.table, &path)));
        sink.file = file;
        let message = format!("is in {} already", first.unwrap_or_default());
        sink.add(&documents[file].table, ConfigProblem { path, message, cause: Cause::Config });
        draft.unreadable = true;
    }
    if draft.unreadable {
        return (draft.catalogue, draft.places);
    }
    let mut complaints = Complaints::default();
    expand::expand(&mut draft, &mut complaints);
    draft.defaults.fill(&mut draft.catalogue);
    // Roles that are missing would only cause complaints about those that start from them.
    if complaints.is_empty() {
        check_whole(&draft, documents, &mut complaints, sink);
    }
    complaints.tell(&draft, documents, sink);
    (draft.catalogue, draft.places)
}

/// Checks what no single entry can show.
fn check_whole(draft: &Draft, documents: &[Document<'_>], complaints: &mut Complaints, sink: &mut Sink) {
    let Draft { catalogue, broken, places, defaults, .. } = draft;
    for ConfigProblem { path, message, cause } in config_rules::problems(catalogue, broken) {
        let [table, name, key, ..] = path.as_slice() else { continue };
        let place = places.of(table, name);
        if let Some(made) = place.and_then(|place| place.made) {
            complaints.add(made, key, format!("the role `{name}`: {message}"), cause);
            continue;
        }
        sink.file = place.map_or(0, |place| place.file);
        let document = &documents[sink.file].table;
        let is_inherited = table == "roles" && defaults.has(key) && !has_path(document, &path);
        let message = if is_inherited { message + " (from [defaults])" } else { message };
        sink.add(document, ConfigProblem { path, message, cause });
    }
}

impl Draft {
    fn entries(&mut self, spot: &mut Position<'_>, table: &'static str, read: fn(&mut Self, Name, &mut Position<'_>)) {
        self.unreadable |= !spot.value.get_ref().is_table();
        spot.each(|key, spot| {
            let before = spot.sink.total();
            match Name::new(key) {
                Ok(name) if spot.sink.file > 0 && self.has(table, &name) => {
                    self.twice.push(Twice(table, name, spot.sink.file));
                }
                Ok(name) => {
                    // Most entries are in the first file: there a place is looked for when somebody asks.
                    if spot.sink.file > 0 {
                        self.places.put(
                            table,
                            &name,
                            SourceLine { file: spot.sink.file, offset: spot.at.offset, made: None },
                        );
                    }
                    read(self, name, spot);
                }
                Err(why) => spot.wrong(why),
            }
            if spot.sink.total() > before {
                self.broken.insert(key.to_owned());
                // What they would have made is not known.
                self.unreadable |= matches!(table, "accounts" | "templates");
            }
        });
    }

    /// Tells an identity or role that is there but wrong.
    pub(super) fn is_broken(&self, name: &str) -> bool {
        self.broken.contains(name)
    }

    fn has(&self, table: &str, name: &Name) -> bool {
        match table {
            "identities" => self.catalogue.identities.contains_key(name) || self.broken.contains(name.as_str()),
            "roles" => self.catalogue.roles.contains_key(name) || self.broken.contains(name.as_str()),
            "sockets" => self.catalogue.sockets.contains_key(name),
            "accounts" => self.accounts.contains_key(name),
            _ => self.templates.contains_key(name),
        }
    }
}

fn finish_aws(draft: AwsDraft, document: &DeTable<'_>, sink: &mut Sink) -> AwsSettings {
    let AwsDraft { mut settings, endpoint } = draft;
    for own in [&mut settings.sts_endpoint, &mut settings.iam_endpoint, &mut settings.signin_endpoint] {
        if own.is_none() {
            own.clone_from(&endpoint);
        }
    }
    let custom =
        settings.sts_endpoint.is_some() || settings.iam_endpoint.is_some() || settings.signin_endpoint.is_some();
    for (key, on) in [("use_fips_endpoint", settings.fips), ("use_dualstack_endpoint", settings.dual_stack)] {
        if on && custom {
            let path = vec!["aws".to_owned(), key.to_owned()];
            let message = "AWS's own hosts and an endpoint_url exclude each other".to_owned();
            sink.add(document, ConfigProblem { path, message, cause: Cause::Config });
        }
    }
    settings
}

/// Tells whether a document has all keys of a path.
fn has_path(document: &DeTable<'_>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let found = document.get(first.as_str());
    rest.iter().try_fold(found, |at, key| at.map(|at| at.get_ref().get(key.as_str()))).flatten().is_some()
}

/// Gives the keys of each section, for the test that holds the schema to them.
#[cfg(test)]
pub(super) fn keys() -> [(&'static str, Vec<&'static str>); 9] {
    fn of<T>(section: &Section<T>) -> Vec<&'static str> {
        section.fields.iter().map(|field| field.key).collect()
    }
    [
        ("", of(&ROOT)),
        ("agent", of(&AGENT)),
        ("aws", of(&AWS)),
        ("identities", of(&identities::IDENTITY)),
        ("accounts", of(&templates::ACCOUNT)),
        ("defaults", of(&defaults::DEFAULTS)),
        ("roles", of(&roles::ROLE)),
        ("templates", of(&templates::TEMPLATE)),
        ("sockets", of(&sockets::SOCKET)),
    ]
}
