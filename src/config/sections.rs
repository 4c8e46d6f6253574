//! The sections and their keys: each key with the one check that turns its value into its type.
//!
//! A key is added here, to the draft it fills, and to `raw`; a test holds the two lists together. What is wrong with one
//! value never hides what is wrong with the next, and an entry that is wrong itself causes no complaint elsewhere.

use super::lists::{access_by_program, policy_arns, tags, transitive_tag_keys, unique_list};
use super::problem::Sink;
use super::sockets;
use super::sources::SourceDraft;
use super::walk::{At, Field, Section, Spot};
use super::{program, values};
use crate::domain::arn::{MfaSerial, RoleArn};
use crate::domain::catalogue::{Access, AgentSettings, AwsSettings, Catalogue, Identity, IdentityKind, MfaMode, Role};
use crate::domain::names::{Name, check_external_id, check_region, check_session_word};
use crate::domain::palette;
use crate::domain::report::printable;
use crate::domain::urls;
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// How long one MFA code lasts where nothing is said.
const MFA_SESSION_DEFAULT: Duration = Duration::from_hours(12);

const SECRET_ADVICE: &str =
    "access keys do not belong in this file: `rolecall identity add NAME` puts them into the vault";

/// The document as it fills up; `broken` are the entries that are wrong themselves.
#[derive(Default)]
struct Draft {
    catalogue: Catalogue,
    aws: AwsDraft,
    broken: HashSet<String>,
    unreadable: bool,
}

static ROOT: Section<Draft> = Section {
    fields: &[
        Field { key: "agent", read: |d, s| AGENT.read(&mut d.catalogue.agent, s) },
        Field { key: "aws", read: |d, s| AWS.read(&mut d.aws, s) },
        Field { key: "identities", read: |d, s| d.entries(s, read_identity) },
        Field {
            key: "roles",
            read: |d, s| {
                d.catalogue.roles.reserve(s.value.get_ref().as_table().map_or(0, DeTable::len));
                d.entries(s, read_role);
            },
        },
        Field { key: "sockets", read: |d, s| d.entries(s, sockets::read_socket) },
    ],
    advice: &[("profile", "AWS profiles live in ~/.aws/config; here they are [roles.NAME]")],
};

static AGENT: Section<AgentSettings> = Section {
    fields: &[
        Field {
            key: "idle_lock",
            read: |d, s| match s.value.get_ref().as_str() {
                Some("never") => d.idle_lock = None,
                _ => d.idle_lock = duration(s, &values::IDLE_LOCK),
            },
        },
        Field { key: "vault", read: |d, s| d.vault = s.word(&values::VAULTS).unwrap_or_default() },
        Field {
            key: "prompts",
            read: |d, s| d.prompts = unique_list(s, |s| s.word(&values::PROMPTS)).unwrap_or_default(),
        },
        Field { key: "pinentry_program", read: |d, s| d.pinentry_program = s.checked(values::absolute_path) },
        Field {
            key: "lock_on",
            read: |d, s| d.lock_on = unique_list(s, |s| s.word(&values::LOCK_EVENTS)).unwrap_or_default(),
        },
        Field {
            key: "warn_before",
            read: |d, s| match s.value.get_ref().as_str() {
                Some("never") => d.warn_before = None,
                _ => d.warn_before = duration(s, &values::WARN_BEFORE),
            },
        },
        Field { key: "consent", read: |d, s| d.consent = duration(s, &values::CONSENT).unwrap_or(d.consent) },
    ],
    advice: &[],
};

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
        Field { key: "ca_bundle", read: |d, s| d.settings.ca_bundle = s.checked(values::absolute_path) },
        Field { key: "https_proxy", read: |d, s| d.settings.https_proxy = s.text(urls::check_proxy) },
        Field { key: "use_fips_endpoint", read: |d, s| d.settings.fips = s.boolean().unwrap_or_default() },
        Field { key: "use_dualstack_endpoint", read: |d, s| d.settings.dual_stack = s.boolean().unwrap_or_default() },
    ],
    advice: &[
        ("http_proxy", "AWS is spoken to by https only: `https_proxy`"),
        ("region", "a region belongs to [identities.NAME] or [roles.NAME]"),
    ],
};

#[derive(Default)]
struct IdentityDraft {
    kind: Option<IdentityKind>,
    mfa_serial: Option<MfaSerial>,
    mfa_session: Option<Duration>,
    mfa_process: Option<Vec<String>>,
    region: Option<String>,
    rotate_after: Option<Duration>,
    source: SourceDraft,
}

static IDENTITY: Section<IdentityDraft> = Section {
    fields: &[
        Field { key: "type", read: |d, s| d.kind = s.word(&values::IDENTITY_TYPES) },
        Field { key: "mfa_serial", read: |d, s| d.mfa_serial = s.checked(MfaSerial::new) },
        Field { key: "mfa_session", read: |d, s| d.mfa_session = duration(s, &values::MFA_SESSION) },
        Field { key: "mfa_process", read: |d, s| d.mfa_process = program::read(s) },
        Field { key: "region", read: |d, s| d.region = s.text(check_region) },
        Field { key: "rotate_after", read: |d, s| d.rotate_after = duration(s, &values::ROTATE_AFTER) },
        Field { key: "ec2_metadata_service_endpoint", read: |d, s| d.source.read_endpoint(s) },
        Field { key: "container_credentials_relative_uri", read: |d, s| d.source.read_relative_uri(s) },
        Field { key: "container_credentials_full_uri", read: |d, s| d.source.read_full_uri(s) },
        Field {
            key: "container_authorization_token_file",
            read: |d, s| d.source.authorization_token_file = s.checked(values::absolute_path),
        },
        Field {
            key: "web_identity_token_file",
            read: |d, s| d.source.web_identity_token_file = s.checked(values::absolute_path),
        },
        Field { key: "role_arn", read: |d, s| d.source.role_arn = s.checked(RoleArn::new) },
        Field { key: "role_session_name", read: |d, s| d.source.read_session_name(s) },
        Field { key: "duration", read: |d, s| d.source.read_duration(s) },
        Field { key: "credential_process", read: |d, s| d.source.read_process(s) },
    ],
    advice: &[
        ("aws_access_key_id", SECRET_ADVICE),
        ("aws_secret_access_key", SECRET_ADVICE),
        ("aws_session_token", SECRET_ADVICE),
        ("access_key_id", SECRET_ADVICE),
        ("secret_access_key", SECRET_ADVICE),
        ("credential_source", "say it by `type`: ec2, ecs or environment"),
    ],
};

#[derive(Default)]
struct RoleDraft {
    source: Option<Name>,
    role_arn: Option<RoleArn>,
    external_id: Option<String>,
    duration: Option<Duration>,
    role_session_name: Option<String>,
    source_identity: Option<String>,
    session_tags: BTreeMap<String, String>,
    transitive_tag_keys: Vec<String>,
    policy: Option<String>,
    policy_arns: Vec<String>,
    region: Option<String>,
    mfa: Option<MfaMode>,
    mfa_serial: Option<MfaSerial>,
    access: Access,
    access_by_program: BTreeMap<String, Access>,
    display_name: Option<String>,
    color: Option<String>,
}

static ROLE: Section<RoleDraft> = Section {
    fields: &[
        Field { key: "source", read: |d, s| d.source = s.checked(Name::new) },
        Field { key: "role_arn", read: |d, s| d.role_arn = s.checked(RoleArn::new) },
        Field { key: "external_id", read: |d, s| d.external_id = s.text(check_external_id) },
        Field { key: "duration", read: |d, s| d.duration = duration(s, &values::ROLE_DURATION) },
        Field { key: "role_session_name", read: |d, s| d.role_session_name = s.text(check_session_word) },
        Field { key: "source_identity", read: |d, s| d.source_identity = s.text(values::check_source_identity) },
        Field { key: "session_tags", read: |d, s| d.session_tags = tags(s) },
        Field { key: "transitive_tag_keys", read: |d, s| d.transitive_tag_keys = transitive_tag_keys(s) },
        Field { key: "policy", read: |d, s| d.policy = s.text(values::check_policy) },
        Field { key: "policy_arns", read: |d, s| d.policy_arns = policy_arns(s) },
        Field { key: "region", read: |d, s| d.region = s.text(check_region) },
        Field { key: "mfa", read: |d, s| d.mfa = s.word(&values::MFA_MODES) },
        Field { key: "mfa_serial", read: |d, s| d.mfa_serial = s.checked(MfaSerial::new) },
        Field { key: "access", read: |d, s| d.access = s.word(&values::ACCESS).unwrap_or_default() },
        Field { key: "access_by_program", read: |d, s| d.access_by_program = access_by_program(s) },
        Field { key: "display_name", read: |d, s| d.display_name = s.text(values::check_display_name) },
        Field { key: "color", read: |d, s| d.color = s.text(palette::check) },
    ],
    advice: &[
        ("source_profile", "here it is `source`, the name of an identity or role"),
        ("credential_source", "here it is an identity of type ec2, ecs or environment, named by `source`"),
        ("duration_seconds", "here it is `duration`, as \"1h\""),
        ("mfa_session", "it belongs to the identity that the chain starts from"),
        ("type", "only identities have a type; every role is assumed from its `source`"),
        ("aws_access_key_id", SECRET_ADVICE),
        ("aws_secret_access_key", SECRET_ADVICE),
        ("aws_session_token", SECRET_ADVICE),
    ],
};

/// Reads a whole document; what is wrong goes into `sink`, and then the catalogue is not to be used.
pub(super) fn read(document: &DeTable<'_>, sink: &mut Sink) -> Catalogue {
    let mut draft = Draft::default();
    ROOT.read_table(&mut draft, document, &At::ROOT, sink);
    let Draft { mut catalogue, aws, broken, unreadable } = draft;
    let place = |path: &[String]| offset_of(document, path);
    catalogue.aws = Arc::new(finish_aws(aws, &place, sink));
    if unreadable {
        return catalogue;
    }
    for problem in catalogue.problems() {
        // A source that is there but wrong has been complained about where it stands.
        let source = problem.path.get(1).and_then(|n| catalogue.roles.get(n.as_str())).map(|r| r.source.as_str());
        let follows = problem.path.last().is_some_and(|k| k == "source") && source.is_some_and(|s| broken.contains(s));
        if !(follows || sockets::follows(&problem, &catalogue, &broken)) {
            let keys: Vec<String> = problem.path.iter().map(|key| super::walk::key_text(key)).collect();
            sink.at_offset(place(&problem.path), &keys.join("."), problem.message);
        }
    }
    catalogue
}

impl Draft {
    fn entries(&mut self, spot: &mut Spot<'_>, read: fn(&mut Catalogue, Name, &mut Spot<'_>)) {
        self.unreadable |= !spot.value.get_ref().is_table();
        spot.each(|key, spot| {
            let before = spot.sink.total();
            match Name::new(key) {
                Ok(name) => read(&mut self.catalogue, name, spot),
                Err(why) => spot.wrong(why),
            }
            if spot.sink.total() > before {
                self.broken.insert(key.to_owned());
            }
        });
    }
}

fn read_identity(catalogue: &mut Catalogue, name: Name, spot: &mut Spot<'_>) {
    let mut draft = IdentityDraft::default();
    let before = spot.sink.total();
    IDENTITY.read(&mut draft, spot);
    if !has_key(spot, "type") {
        spot.about("type", "is missing; it is iam-user, ec2, ecs, environment, web-identity or process");
    }
    let Some(kind) = draft.kind else { return };
    let temporary = matches!(kind, IdentityKind::Ec2 | IdentityKind::Ecs | IdentityKind::WebIdentity);
    if temporary && draft.mfa_serial.is_some() {
        spot.about("mfa_serial", "AWS takes MFA codes from the keys of an IAM user only");
    }
    if has_key(spot, "mfa_process") && !has_key(spot, "mfa_serial") {
        spot.about("mfa_process", "the device whose codes it prints is missing: `mfa_serial`");
    }
    if kind != IdentityKind::IamUser && draft.rotate_after.is_some() {
        spot.about("rotate_after", "only an identity of type iam-user has a key that is rotated");
    }
    let source = draft.source.finish(kind, draft.region.as_deref(), spot);
    // What roles need of it cannot be told from half an identity.
    if spot.sink.total() > before {
        return;
    }
    let mfa_session = draft.mfa_session.unwrap_or(MFA_SESSION_DEFAULT);
    let identity = Identity {
        name: name.clone(),
        kind,
        source,
        mfa_serial: draft.mfa_serial,
        mfa_session,
        mfa_process: draft.mfa_process,
        region: draft.region,
        rotate_after: draft.rotate_after,
    };
    catalogue.identities.insert(name, identity);
}

fn read_role(catalogue: &mut Catalogue, name: Name, spot: &mut Spot<'_>) {
    let mut draft = RoleDraft::default();
    let before = spot.sink.total();
    ROLE.read(&mut draft, spot);
    if !is_misplaced_table(spot) {
        for (key, why) in [
            ("source", "is missing; it names the identity or role that assumes this one"),
            ("role_arn", "is missing; it looks like arn:aws:iam::222222222222:role/Name"),
        ] {
            if !has_key(spot, key) {
                spot.about(key, why);
            }
        }
    }
    let (Some(source), Some(role_arn)) = (draft.source, draft.role_arn) else { return };
    // Nor can limits along a chain be told from half a role.
    if spot.sink.total() > before {
        return;
    }
    let role = Role {
        name: name.clone(),
        source,
        role_arn,
        external_id: draft.external_id,
        duration: draft.duration,
        role_session_name: draft.role_session_name,
        source_identity: draft.source_identity,
        session_tags: draft.session_tags,
        transitive_tag_keys: draft.transitive_tag_keys,
        policy: draft.policy,
        policy_arns: draft.policy_arns,
        region: draft.region,
        mfa: draft.mfa,
        mfa_serial: draft.mfa_serial,
        access: draft.access,
        access_by_program: draft.access_by_program,
        display_name: draft.display_name,
        color: draft.color,
    };
    catalogue.roles.insert(name, role);
}

fn finish_aws(draft: AwsDraft, place: &impl Fn(&[String]) -> usize, sink: &mut Sink) -> AwsSettings {
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
            let path = ["aws".to_owned(), key.to_owned()];
            sink.at_offset(place(&path), &path.join("."), "AWS's own hosts and an endpoint_url exclude each other");
        }
    }
    settings
}

impl Spot<'_> {
    /// Tells about a key of the table that is here, whether it is there or not.
    pub(super) fn about(&mut self, key: &str, message: &str) {
        let offset = self.value.get_ref().get(key).map_or(self.at.offset, |v| v.span().start);
        self.sink.say(&self.at.child(key, offset), message);
    }
}

/// Tells whether a key is there; where there is no table at all, that has been said.
pub(super) fn has_key(spot: &Spot<'_>, key: &str) -> bool {
    spot.value.get_ref().as_table().is_none_or(|table| table.contains_key(key))
}

/// Tells a role that holds nothing but unknown tables: `[roles.team.prod]`, whose name lacks its quotes.
fn is_misplaced_table(spot: &Spot<'_>) -> bool {
    let Some(table) = spot.value.get_ref().as_table() else { return true };
    let foreign = |key: &str| ROLE.fields.iter().all(|field| field.key != key);
    !table.is_empty() && table.iter().all(|(key, value)| value.get_ref().is_table() && foreign(key.get_ref()))
}

pub(super) fn duration(spot: &mut Spot<'_>, range: &RangeInclusive<u64>) -> Option<Duration> {
    if let DeValue::Integer(number) = spot.value.get_ref() {
        let digits = if number.radix() == 10 { printable(number.as_str(), 12) } else { "3600".to_owned() };
        spot.wrong(format!("a duration is text with a unit: \"{digits}s\", or \"1h\""));
        return None;
    }
    spot.checked(|text| values::duration_in(text, range).map_err(|e| printable(&e, 120)))
}

/// Gives where a path of keys stands; where its end is missing, the table it would be in.
fn offset_of(document: &DeTable<'_>, path: &[String]) -> usize {
    let Some((first, rest)) = path.split_first() else { return 0 };
    let Some(mut at) = document.get(first.as_str()) else { return 0 };
    for key in rest {
        match at.get_ref().get(key.as_str()) {
            Some(next) => at = next,
            None => break,
        }
    }
    at.span().start
}

/// Gives the keys of each section, for the test that holds the schema to them.
#[cfg(test)]
pub(super) fn keys() -> [(&'static str, Vec<&'static str>); 6] {
    fn of<T>(section: &Section<T>) -> Vec<&'static str> {
        section.fields.iter().map(|field| field.key).collect()
    }
    [
        ("", of(&ROOT)),
        ("agent", of(&AGENT)),
        ("aws", of(&AWS)),
        ("identities", of(&IDENTITY)),
        ("roles", of(&ROLE)),
        ("sockets", of(&sockets::SOCKET)),
    ]
}
